# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML within bounds, as Kubernetes reads it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.kube.json_text import from_json, json_map
from ansible_collections.meshlb.istio.plugins.module_utils.kube.shapes import UNREADABLE
from ansible_collections.meshlb.istio.plugins.module_utils.kube.yaml_text import (
    LONGEST_MAP,
    MOST_COPIES,
    YamlProblem,
    yaml_documents,
    yaml_map,
)


def values(text: str) -> list[Any]:
    return [content for dummy, content in yaml_documents(text)]


@pytest.mark.parametrize(("text", "expected"), [
    ("a: 1\nb: [x, true, yes, 010, 2020-01-01, ~, =]", {"a": 1, "b": ["x", True, True, 8, "2020-01-01", None, "="]}),
    ("x: {y: &a {z: 1}, w: *a, m: {<<: *a, q: 2}}", {"x": {"y": {"z": 1}, "w": {"z": 1}, "m": {"q": 2, "z": 1}}}),
    ("1: a\ntrue: b", {"1": "a", "true": "b"}),
    ("a: !!binary aGk=", {"a": "aGk="}),
    ("a: " + "9" * 5000, {"a": UNREADABLE}),
    ("a: " + "[" * 200 + "]" * 200, None),
])  # fmt: skip
def test_values(text: str, expected: Any) -> None:
    (found,) = values(text)
    if expected is not None:
        assert found == expected
    else:
        while isinstance(found := found["a"] if isinstance(found, dict) else found[0], list):
            pass
        assert found == UNREADABLE


@pytest.mark.parametrize(("text", "says"), [
    ("&x [*x]", "holds itself"), ("a: 1\na: 2", "'a' is there twice"), ("a: *b", "no anchor"),
    ("a: !!python/object:os.system x", "os.system"),
    ("[" * 100_000, "levels of nesting"), ("{a: " * 50_000, "levels of nesting"), ("- " * 50_000, "levels of nesting"),
    ("? [a]\n: b", "a key is neither"), ("a: [", "line"), ("a: !!set {x}", "tag"),
])  # fmt: skip
def test_problems_name_the_line(text: str, says: str) -> None:
    with pytest.raises(YamlProblem, match="line [0-9]+: ") as caught:
        values(text)
    assert says in str(caught.value)


def test_aliases_that_unfold_to_millions_cost_their_field_alone() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (found,) = values("\n".join([*lines, "fine: 1"]))
    assert found["fine"] == 1 and found["a3"][0][0][0] == ["x"] * 10
    assert UNREADABLE in (found["a4"], found["a5"]) and MOST_COPIES < 10**6


def test_json_that_the_parser_gives_up_on_costs_its_field_alone() -> None:
    text = '{"a": ' + "[" * 5000 + "]" * 5000 + ', "b": "[[\\"]]", "c": 1}'
    found = from_json(text)
    assert (found["b"], found["c"]) == ('[["]]', 1)
    assert from_json('{"a": ' + "9" * 5000 + ', "b": 80}') == {"a": UNREADABLE, "b": 80}
    for wrong in ("[" * 100_000, "{", '{"a": }'):
        with pytest.raises(ValueError):
            from_json(wrong)


@pytest.mark.parametrize(("text", "expected"), [("", {}), ("---\n", {}), ("a: 1\n---\n", {"a": 1}), ("{}", {})])
def test_a_map_of_settings(text: str, expected: Any) -> None:
    assert yaml_map(text) == expected


@pytest.mark.parametrize("text", ["[]", "a", "1", "a: 1\n---\na: 1", "a: 1\na: 1", "a: " + "x" * LONGEST_MAP, "a: ["])
def test_whatever_is_no_single_map_is_a_problem(text: str) -> None:
    with pytest.raises(YamlProblem):
        yaml_map(text)


@pytest.mark.parametrize("text", ["[]", "", "{", "[" * 100_000, '{"a": ' * 100_000, '{"a": ' + "9" * 5000 + "}", '{"a": NaN}', "null"])
def test_a_text_that_is_no_json_map(text: str) -> None:
    assert json_map(text) is None
    assert json_map('{"a": [1]}') == {"a": [1]}
