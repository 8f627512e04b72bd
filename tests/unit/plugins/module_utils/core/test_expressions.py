# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Expressions in RE2's syntax: what they match, what is not evaluated, and that none of them takes long."""

from __future__ import annotations

import random
import re
import time

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.expressions import Budget, matches_part, matches_whole
from ansible_collections.meshlb.istio.plugins.module_utils.core.re2_syntax import ExpressionError, complement

WHOLE: dict[str, tuple[list[str], list[str]]] = {
    # expression: texts that it matches as a whole, texts that it does not
    "": ([""], ["a"]),
    "/a": (["/a"], ["/ab", "x/a", "/A"]),
    "/a|/b": (["/a", "/b"], ["/ab", ""]),
    "/api(/.*)?": (["/api", "/api/", "/api/v1"], ["/apis"]),
    "/v[0-9]+/items/[^/]+": (["/v10/items/a"], ["/v/items/a", "/v1/items/", "/v1/items/a/b"]),
    ".": (["a", "ü", "😀"], ["", "\n", "ab"]),
    "(?s).": (["\n"], []),
    "[^a]": (["b", "\n"], ["a"]),
    "[]a]": (["]", "a"], ["b"]),
    "[^]a]": (["b"], ["]", "a"]),
    "[a-]": (["a", "-"], ["b"]),
    "[-a]": (["a", "-"], ["b"]),
    r"[\d-x]": (["5", "-", "x"], ["y"]),
    r"[\]\\]": (["]", "\\"], ["a"]),
    "[[:alpha:]_]+": (["ab_"], ["a1"]),
    "[[:^digit:]]": (["a"], ["5"]),
    "[a[:]": (["a", "[", ":"], ["]"]),
    r"\d\D\w\W\s\S": (["1a_- x"], ["aa_- x"]),
    r"\s": (["\t", "\n", "\f", "\r", " "], ["\v", "\u00a0"]),
    r"\d": (["0"], ["\u0663"]),
    r"\w": (["_"], ["ü"]),
    r"\pL\p{Nd}\PL": (["ü5-"], ["5ü-"]),
    r"\p{^L}[\p{Lu}\d]": (["-Ü", "-4"], ["--"]),
    r"\.\*\/\-\_": ([".*/-_"], []),
    r"\x41\x{1F600}\101\0\n\t\r\f\v\a": (["A😀A\0\n\t\r\f\v\a"], []),
    r"\Qa.b*\E+": (["a.b*", "a.b**"], ["axb"]),
    r"\Qa.": (["a."], ["ab"]),
    "a*": (["", "aaa"], ["b"]),
    "a+?b??": (["a", "aab"], ["b"]),
    "a{2}": (["aa"], ["a", "aaa"]),
    "a{2,}": (["aa", "aaaa"], ["a"]),
    "a{1,2}?": (["a", "aa"], ["", "aaa"]),
    "a{0}b": (["b"], ["ab"]),
    "a{,2}": (["a{,2}"], ["a", "aa"]),
    "a{x}{": (["a{x}{"], []),
    "(a|b)*c": (["c", "abac"], ["abd"]),
    "(?P<name>a)(?<other>b)(?:c)": (["abc"], []),
    "(a*)*": (["", "aa"], ["b"]),
    "(|a)+": (["", "aa"], []),
    "(?i)aB[c-d]": (["Abc", "aBD"], ["abe"]),
    "(?i)k": (["K", "\u212a"], ["x"]),
    "(?i)[^a]": (["b"], ["a", "A"]),
    r"(?i)\D\S": (["xü"], ["5x"]),
    "a(?i)b|c": (["ab", "aB", "C"], ["Ab"]),
    "(?i:a)b": (["Ab"], ["AB"]),
    "((?i)a)b": (["Ab"], ["AB"]),
    "(?i-i:a)(?U)b+": (["ab"], ["Ab"]),
    "^/a$": (["/a"], ["/a\n"]),
    "a^b": ([], ["ab"]),
    "(^a|b$)+": (["a", "ab", "b"], ["ba"]),
    "(?m)a$\n^b": (["a\nb"], []),
    r"(?m)\Aa\n\z": (["a\n"], []),
    r"a\b.\Bc?": (["a-"], ["ab"]),
}


@pytest.mark.parametrize(("pattern", "texts"), WHOLE.items())
def test_expressions_match_as_they_do_in_re2(pattern: str, texts: tuple[list[str], list[str]]) -> None:
    assert [text for text in texts[0] if not matches_whole(pattern, text)] == []
    assert [text for text in texts[1] if matches_whole(pattern, text)] == []


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [("b", "abc", True), ("^b", "abc", False), ("c$", "abc", True), ("", "", True), ("x*", "abc", True),
     ("bd", "abcbd", True), ("bd", "b", False)],
)
def test_a_part_is_enough_where_it_is_asked_for(pattern: str, text: str, expected: bool) -> None:
    assert matches_part(pattern, text) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        "(", ")", "a)", "(a", "[", "[a", "[]", "[^]", "*", "+a", "?", "{2}", "(*)", "a|*", "a**", "a+*", "a{2}{3}", "a{2,1}",
        "a{1001}", "a{9999999}",
        r"\1", r"(a)\1", r"\8", r"\C", r"\Z", r"\G", r"\u0041", r"\e", "\\", r"[\b]", r"[a-\d]", "[z-a]",
        "[[:foo:]]", r"\p{Greek}", r"\p{L", r"\p",
        r"\x", r"\x4", r"\x{}", r"\x{110000}", r"\x{zz}", "(?=a)", "(?!a)", "(?<=a)", "(?<!a)", "(?>a)", "(?#a)", "(?P=a)",
        "(?P>a)", "(?P<>a)", "(?P<a",
        "(?", "(?i", "(?i-)", "(?x)", "(?i)ü", r"(?i)\w\W", "(?i)[à-ü]", "(" * 200 + ")" * 200, "a" * 10_001, "(a{100}){1000}",
        "((()()()){1000}){1000}",
    ],
)
def test_what_re2_refuses_or_nobody_needs_is_not_evaluated(pattern: str) -> None:
    for match in (matches_whole, matches_part):
        with pytest.raises(ExpressionError, match="^[a-z]"):
            match(pattern, "a")


HOSTILE = [
    ("(a+)+", "a" * 40 + "!"), ("(a|a)*b", "a" * 5000), ("(a|aa)+$", "a" * 5000 + "!"), ("(.*)*x", "y" * 5000),
    ("(.*){1,400}x", "a" * 3000),
    ("((a{0,30}){0,30})*c", "a" * 3000), (".*" * 1000 + "b", "a" * 500), ("((((((((a*)*)*)*)*)*)*)*)*b", "a" * 10_000),
    ("(?:[ab]{0,9}c?){0,200}z", "abc" * 3000), ("(x?){1000}x{1000}", "x" * 1500), ("[^a]*" * 500 + "a", "b" * 2000),
    ("\\b" * 3000 + "a", "a b" * 900),
    ("|".join(f"/p{number}/.*" for number in range(900)), "/p899/x"), ("(()()()()()()){1000}", "a"),
    ("[" + "a-z" * 3000 + "]*", "é" * 5000),
    ("[" + r"\pL" * 3000 + "]*", "é" * 5000), ("(?i)" + "k?" * 900 + "x", "K" * 1000),
]


@pytest.mark.parametrize(("pattern", "text"), HOSTILE)
def test_no_expression_takes_long(pattern: str, text: str) -> None:
    begin = time.process_time()
    for match in (matches_whole, matches_part):
        try:
            match(pattern, text)
        except ExpressionError as error:
            assert str(error) in ("it takes too many steps", "it is too large")
    assert time.process_time() - begin < 3


def test_several_evaluations_share_a_budget() -> None:
    budget, done = Budget(20_000), 0
    with pytest.raises(ExpressionError, match="too many steps"):
        for number in range(1000):
            matches_whole(f"(a|b)*{number}", "ab" * 100, budget)
            done += 1
    assert 10 < done < 900


def test_what_was_found_out_costs_little_the_second_time() -> None:
    first, second = Budget(), Budget()
    for budget in (first, second):
        assert matches_whole("/once/(a|b)*/upon/[a-z]{1,20}", "/once/abab/upon/time", budget)
    assert second.left > first.left + 50


def made_up(chance: random.Random, depth: int) -> str:
    """An expression that means the same to Python."""
    kind = chance.random()
    if depth <= 0 or kind < 0.35:
        return chance.choice(["a", "b", "/", ".", "[ab]", "[^a]", r"\d", r"\w", "1", "(?:a|b/)", "[a-c1]", r"\.", "-", r"\W", "(?i:A)"])
    if kind < 0.55:
        return made_up(chance, depth - 1) + made_up(chance, depth - 1)
    if kind < 0.72:
        return f"({made_up(chance, depth - 1)}|{made_up(chance, depth - 1)})"
    if kind < 0.94:
        return f"(?:{made_up(chance, depth - 1)})" + chance.choice(["*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}", "*?", "+?", "??"])
    return chance.choice(["^", "$", r"\b"]) + made_up(chance, depth - 1)


def test_python_agrees_where_both_mean_the_same() -> None:
    chance = random.Random(20)
    for _number in range(4000):
        pattern = made_up(chance, 4)
        text = "".join(chance.choice("aAb/1.-c") for _place in range(chance.randrange(9)))
        expected = re.compile(pattern, re.ASCII)
        assert matches_whole(pattern, text) == (expected.fullmatch(text) is not None), (pattern, text)
        assert matches_part(pattern, text) == (expected.search(text) is not None), (pattern, text)


def test_any_text_is_an_expression_or_is_refused() -> None:
    chance = random.Random(21)
    for _number in range(6000):
        pattern = "".join(chance.choice("ab()[]{}|*+?\\^$.-,:<>P=!ixsQEdpL019\n") for _place in range(chance.randrange(25)))
        try:
            matches_whole(pattern, "ab(1")
        except ExpressionError as error:
            assert str(error)


def test_a_complement_is_all_the_rest() -> None:
    assert complement([]) == ((0, 0x10FFFF),)
    assert complement([(0, 9), (20, 0x10FFFF)]) == ((10, 19),)
    assert complement([(5, 6), (0, 5)]) == ((7, 0x10FFFF),)
