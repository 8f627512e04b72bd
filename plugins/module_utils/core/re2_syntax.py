# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RE2's syntax, read into a tree. Envoy and load balancers written in Go understand expressions so.

What RE2 refuses is refused here too. So is what is rare and not needed: names of scripts, single bytes (``\\C``), letters beyond ASCII
where case is ignored, and very long or deeply nested expressions.
"""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

MOST_CHARACTERS, MOST_DEPTH, MOST_REPETITIONS = 10_000, 80, 1000
LAST = 0x10FFFF
Span = tuple[int, int]
"""First and last code point."""


class ExpressionError(Exception):
    """Why an expression is not evaluated, as a part of a sentence."""


class NotEvaluated(ExpressionError):
    """RE2 may take the expression all the same."""


class Node:
    """A part of an expression: one of the classes below."""


@dataclass(frozen=True)
class Chars(Node):
    """One character of a set. ``categories`` are Unicode's, each with whether its members are meant (or all others)."""

    spans: tuple[Span, ...] = ()
    categories: tuple[tuple[str, bool], ...] = ()
    negated: bool = False
    any_case: bool = False

    def has(self, char: str) -> bool:
        variants = {char, char.lower(), char.upper(), char.upper().lower()} if self.any_case else {char}
        return any(self._holds(item) for item in variants if len(item) == 1) != self.negated

    def _holds(self, char: str) -> bool:
        point = ord(char)
        if any(first <= point <= last for first, last in self.spans):
            return True
        return any(unicodedata.category(char).startswith(name) == meant for name, meant in self.categories)


@dataclass(frozen=True)
class Place(Node):
    """A condition that takes no character: ``text_begin``, ``text_end``, ``line_begin``, ``line_end``, ``word`` or ``no_word``."""

    kind: str


@dataclass(frozen=True)
class Sequence(Node):
    items: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Alternatives(Node):
    items: tuple[Node, ...]


@dataclass(frozen=True)
class Repeat(Node):
    """``most`` is ``None`` where there is no limit."""

    item: Node
    least: int
    most: int | None


_DIGITS: tuple[Span, ...] = ((48, 57),)
_LETTERS: tuple[Span, ...] = ((65, 90), (97, 122))
_WORD: tuple[Span, ...] = (*_DIGITS, *_LETTERS, (95, 95))
_BLANK: tuple[Span, ...] = ((9, 10), (12, 13), (32, 32))
_PERL = {"d": _DIGITS, "w": _WORD, "s": _BLANK}
_POSIX: dict[str, tuple[Span, ...]] = {
    "alnum": (*_DIGITS, *_LETTERS), "alpha": _LETTERS, "ascii": ((0, 127),), "blank": ((9, 9), (32, 32)), "cntrl": ((0, 31), (127, 127)),
    "digit": _DIGITS, "graph": ((33, 126),), "lower": ((97, 122),), "print": ((32, 126),),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)), "space": ((9, 13), (32, 32)), "upper": ((65, 90),), "word": _WORD,
    "xdigit": (*_DIGITS, (65, 70), (97, 102)),
}
_CATEGORIES = frozenset(["C", "Cc", "Cf", "Co", "L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N", "Nd", "Nl", "No", "P", "Pc",
                         "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm", "So", "Z", "Zl", "Zp", "Zs"])
_CONTROLS = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
_PLACES = {"A": "text_begin", "z": "text_end", "b": "word", "B": "no_word"}
_NAME = frozenset(string.ascii_letters + string.digits + "_")


@dataclass(frozen=True)
class _Flags:
    any_case: bool = False
    lines: bool = False
    dot_all: bool = False


@dataclass
class _Reader:
    """A place in an expression; every method reads on from there."""

    text: str
    at: int = 0
    flags: _Flags = field(default_factory=_Flags)

    @property
    def rest(self) -> bool:
        return self.at < len(self.text)

    def sees(self, word: str) -> bool:
        return self.text.startswith(word, self.at)

    def take(self, word: str) -> bool:
        found = self.sees(word)
        self.at += len(word) if found else 0
        return found

    def next(self, what: str) -> str:
        if not self.rest:
            raise ExpressionError(f"it ends within {what}")
        self.at += 1
        return self.text[self.at - 1]

    def until(self, end: str, what: str) -> str:
        place = self.text.find(end, self.at)
        if place < 0:
            raise ExpressionError(f"it ends within {what}")
        found, self.at = self.text[self.at : place], place + len(end)
        return found

    def number(self) -> str:
        begin = self.at
        while self.rest and self.text[self.at] in string.digits:
            self.at += 1
        return self.text[begin : self.at]


def parse(text: str) -> Node:
    """Read an expression. Raises :class:`ExpressionError`."""
    if len(text) > MOST_CHARACTERS:
        raise NotEvaluated(f"it has more than {MOST_CHARACTERS} characters")
    reader = _Reader(text)
    found = _choice(reader, 0)
    if reader.rest:
        raise ExpressionError("a parenthesis is closed that was not opened")
    return found


def _choice(reader: _Reader, depth: int) -> Node:
    if depth > MOST_DEPTH:
        raise NotEvaluated("it is nested too deeply")
    # Flags that are set in a group hold until its end, also across its alternatives.
    outside = reader.flags
    found = [_sequence(reader, depth)]
    while reader.take("|"):
        found.append(_sequence(reader, depth))
    reader.flags = outside
    return found[0] if len(found) == 1 else Alternatives(tuple(found))


def _sequence(reader: _Reader, depth: int) -> Node:
    found: list[Node] = []
    while reader.rest and not reader.sees("|") and not reader.sees(")"):
        items = _item(reader, depth)
        repeated = _repetition(reader)
        if repeated is not None:
            if not items:
                raise ExpressionError("a repetition has nothing to repeat")
            items = [*items[:-1], Repeat(items[-1], *repeated)]
            if _repetition(reader) is not None:
                raise ExpressionError("a repetition is repeated")
        found += items
    return found[0] if len(found) == 1 else Sequence(tuple(found))


def _repetition(reader: _Reader) -> tuple[int, int | None] | None:
    """How often the item before is meant, if that is said here. Whether it is greedy makes no difference to what matches."""
    found: tuple[int, int | None] | None = None
    for sign, meaning in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
        if found is None and reader.take(sign):
            found = meaning
    if found is None and reader.sees("{"):
        found = _counted(reader)
    if found is not None:
        reader.take("?")
    return found


def _counted(reader: _Reader) -> tuple[int, int | None] | None:
    """``{2}``, ``{2,}`` or ``{2,3}``; anything else that begins so is a brace of its own."""
    begin = reader.at
    reader.take("{")
    low = reader.number()
    high = reader.number() if reader.take(",") else low
    limited = bool(high) or not reader.text[begin : reader.at].endswith(",")
    if not low or not reader.take("}"):
        reader.at = begin
        return None
    # A number of thousands of digits is not turned into one.
    if max(len(low), len(high)) > len(str(MOST_REPETITIONS)) or max(int(low), int(high or 0)) > MOST_REPETITIONS:
        raise ExpressionError(f"it repeats something more than {MOST_REPETITIONS} times")
    if limited and int(high) < int(low):
        raise ExpressionError("it repeats something at least more often than at most")
    return int(low), int(high) if limited else None


def _item(reader: _Reader, depth: int) -> list[Node]:
    """The next item, none where only flags are set, several for a quotation."""
    if reader.take("("):
        return _group(reader, depth)
    if reader.take("["):
        return [_class(reader)]
    if reader.sees("\\"):
        return _escaped(reader)
    if _counted_here(reader):
        raise ExpressionError("a repetition has nothing to repeat")
    char = reader.next("nothing")
    if char in "*+?":
        raise ExpressionError("a repetition has nothing to repeat")
    if char == ".":
        return [Chars(((10, 10),) if not reader.flags.dot_all else (), negated=True)]
    if char in "^$":
        kind = "begin" if char == "^" else "end"
        return [Place(f"line_{kind}" if reader.flags.lines else f"text_{kind}")]
    return [_literal(reader, ord(char))]


def _counted_here(reader: _Reader) -> bool:
    return reader.sees("{") and _counted(reader) is not None


def _literal(reader: _Reader, point: int) -> Chars:
    return _cased(reader, ((point, point),))


def _cased(reader: _Reader, spans: tuple[Span, ...], categories: tuple[tuple[str, bool], ...] = (), negated: bool = False) -> Chars:
    any_case = reader.flags.any_case
    if any_case and (categories or any(last > 127 for _first, last in spans)):
        raise NotEvaluated("it ignores the case of letters beyond ASCII")
    return Chars(spans, categories, negated, any_case)


def _group(reader: _Reader, depth: int) -> list[Node]:
    outside = reader.flags
    if reader.take("?"):
        if reader.take("P<") or (reader.sees("<") and not reader.sees("<=") and not reader.sees("<!") and reader.take("<")):
            name = reader.until(">", "a group's name")
            if not name or not set(name) <= _NAME:
                raise ExpressionError("a group has no name that can be one")
        elif not _flags(reader):
            return []
    found = _choice(reader, depth + 1)
    reader.flags = outside
    if not reader.take(")"):
        raise ExpressionError("a parenthesis is not closed")
    return [found]


def _flags(reader: _Reader) -> bool:
    """Read ``i-s:`` or ``i)``; whether a group follows."""
    names = {"i": "any_case", "m": "lines", "s": "dot_all"}
    value, found, before = True, reader.flags, ""
    while True:
        char = reader.next("a group's flags")
        if char in ":)" and before != "-":
            reader.flags = found
            return char == ":"
        if char == "-" and value:
            value = False
        elif char in names:
            found = replace(found, **{names[char]: value})
        elif char != "U":
            raise ExpressionError(f"it has a group that begins with ?{before}{char}, which RE2 does not know")
        before = char


def _escaped(reader: _Reader) -> list[Node]:
    if reader.take("\\Q"):
        rest = reader.text.find("\\E", reader.at)
        quoted = reader.text[reader.at :] if rest < 0 else reader.until("\\E", "a quotation")
        reader.at = len(reader.text) if rest < 0 else reader.at
        return [_literal(reader, ord(char)) for char in quoted]
    for name, kind in _PLACES.items():
        if reader.take(f"\\{name}"):
            return [Place(kind)]
    wide = _wide(reader)
    if wide is not None:
        spans, categories = wide
        # What is no digit, or no blank, is both in either case.
        plain = spans in (complement(_DIGITS), complement(_BLANK))
        return [Chars(spans) if plain else _cased(reader, spans, categories)]
    return [_literal(reader, _point(reader))]


def _wide(reader: _Reader) -> tuple[tuple[Span, ...], tuple[tuple[str, bool], ...]] | None:
    """``\\d`` and ``\\pL`` and their opposites: a set that is named by an escape, if one stands here."""
    for name, spans in _PERL.items():
        if reader.take(f"\\{name}"):
            return spans, ()
        if reader.take(f"\\{name.upper()}"):
            return complement(spans), ()
    for sign, meant in (("\\p", True), ("\\P", False)):
        if reader.take(sign):
            name = reader.until("}", "a category's name") if reader.take("{") else reader.next("a category's name")
            general = name.removeprefix("^")
            if general not in _CATEGORIES:
                raise NotEvaluated(f"it names {name[:20]!r}, which is no general category of Unicode")
            return (), ((general, meant != name.startswith("^")),)
    return None


def _point(reader: _Reader) -> int:
    """The code point of an escape for one character."""
    reader.take("\\")
    char = reader.next("an escape")
    if char in _CONTROLS:
        return _CONTROLS[char]
    if char == "x":
        return _hexadecimal(reader)
    if char in "01234567":
        return _octal(reader, char)
    if char.isascii() and not char.isalnum():
        return ord(char)
    raise NotEvaluated(f"it has the escape \\{char}, which is not evaluated")


def _hexadecimal(reader: _Reader) -> int:
    digits = reader.until("}", "an escape") if reader.take("{") else reader.next("an escape") + reader.next("an escape")
    if not digits or not set(digits) <= set(string.hexdigits) or int(digits[-9:], 16) > LAST or digits[:-9].strip("0"):
        raise ExpressionError("it has an escape that names no character")
    return int(digits[-9:], 16)


def _octal(reader: _Reader, first: str) -> int:
    digits = first
    while len(digits) < 3 and reader.rest and reader.text[reader.at] in "01234567":
        digits += reader.next("an escape")
    if first != "0" and len(digits) == 1:
        raise ExpressionError("it refers back to a group, which RE2 cannot do")
    return int(digits, 8)


def _class(reader: _Reader) -> Chars:
    negated = reader.take("^")
    spans: list[Span] = []
    categories: list[tuple[str, bool]] = []
    first = True
    while first or not reader.sees("]"):
        first = False
        named = _posix(reader) if reader.sees("[:") else _wide(reader) if reader.sees("\\") else None
        if named is not None:
            spans += named[0]
            categories += named[1]
        else:
            spans.append(_span(reader))
        if not reader.rest:
            raise ExpressionError("it ends within a class")
    reader.take("]")
    return _cased(reader, tuple(spans), tuple(categories), negated)


def _posix(reader: _Reader) -> tuple[tuple[Span, ...], tuple[tuple[str, bool], ...]] | None:
    place = reader.text.find(":]", reader.at + 2)
    if place < 0:
        return None
    name = reader.text[reader.at + 2 : place]
    opposite = name.startswith("^")
    found = _POSIX.get(name.removeprefix("^"))
    if found is None:
        raise ExpressionError(f"it names the class {name[:20]!r}, which RE2 does not know")
    reader.at = place + 2
    return (complement(found) if opposite else found), ()


def _span(reader: _Reader) -> Span:
    low = _class_point(reader)
    if not reader.sees("-") or reader.sees("-]"):
        return low, low
    reader.take("-")
    high = _class_point(reader)
    if high < low:
        raise ExpressionError("a range ends before it begins")
    return low, high


def _class_point(reader: _Reader) -> int:
    return _point(reader) if reader.sees("\\") else ord(reader.next("a class"))


def complement(spans: Iterable[Span]) -> tuple[Span, ...]:
    """All other code points."""
    found: list[Span] = []
    begin = 0
    for first, last in sorted(spans):
        if begin < first:
            found.append((begin, first - 1))
        begin = max(begin, last + 1)
    return (*found, (begin, LAST)) if begin <= LAST else tuple(found)
