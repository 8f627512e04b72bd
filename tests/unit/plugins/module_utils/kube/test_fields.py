# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arithmetic on nested data."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import ABSENT, FieldChange
from ansible_collections.meshlb.istio.plugins.module_utils.kube import fields

OBJ = {"metadata": {"name": "x", "annotations": {"a/b": "1"}}, "spec": {"items": [{"n": 1}, {"n": 2}], "words": ["p", "q"]}}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("metadata", "annotations", "a/b"), "/metadata/annotations/a~1b"),
        (("spec", "items", 1, "n"), "/spec/items/1/n"),
        (("spec", "til~de"), "/spec/til~0de"),
        (("spec", "map", "1"), "/spec/map/1"),
        ((), ""),
    ],
)
def test_pointers_lead_back_to_their_path(path: fields.Path, text: str) -> None:
    assert fields.pointer(path) == text
    assert fields.resolve(OBJ, text) == path


@pytest.mark.parametrize(
    ("path", "value", "place", "expected"),
    [
        (("spec", "new", "deep"), 1, "spec", {**OBJ["spec"], "new": {"deep": 1}}),
        (("spec", "items", 0, "n"), 9, "spec", {**OBJ["spec"], "items": [{"n": 9}, {"n": 2}]}),
        (("spec", "items", 0), ABSENT, "spec", {**OBJ["spec"], "items": [{"n": 2}]}),
        (("spec", "gone", "deep"), ABSENT, "spec", OBJ["spec"]),
        (("metadata", "annotations", "a/b"), ABSENT, "metadata", {"name": "x", "annotations": {}}),
    ],
)
def test_put_changes_a_copy(path: fields.Path, value: Any, place: str, expected: Any) -> None:
    before = copy.deepcopy(OBJ)
    assert fields.put(OBJ, path, value)[place] == expected
    assert before == OBJ


@pytest.mark.parametrize("path", [("metadata", "name", "deep"), ("spec", "items", 7, "n"), ("spec", "items", "n")])
def test_put_refuses_a_path_that_leads_nowhere(path: fields.Path) -> None:
    with pytest.raises(fields.NoContainer):
        fields.put(OBJ, path, 1)


def test_removing_the_last_annotation_removes_the_map_but_no_other_map() -> None:
    assert fields.remove(OBJ, ("metadata", "annotations", "a/b"))["metadata"] == {"name": "x"}
    assert fields.remove({"spec": {"a": {"b": 1}}}, ("spec", "a", "b")) == {"spec": {"a": {}}}
    empty: dict[str, Any] = {"metadata": {"annotations": {}}}
    assert fields.remove(empty, ("metadata", "annotations", "x")) is empty


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [FieldChange(("a",), 1, 2)]),
        ({}, {"a": {"b": ""}}, [FieldChange(("a",), ABSENT, {"b": ""})]),
        ({"a": {"b": 1}}, {}, [FieldChange(("a",), {"b": 1}, ABSENT)]),
        ({"l": [{"n": 1}]}, {"l": [{"n": 2}]}, [FieldChange(("l", 0, "n"), 1, 2)]),
        ({"l": [{"n": 1}]}, {"l": [{"n": 1}, {}]}, [FieldChange(("l",), [{"n": 1}], [{"n": 1}, {}])]),
        ({"l": ["p", "q"]}, {"l": ["p", "r"]}, [FieldChange(("l",), ["p", "q"], ["p", "r"])]),
        ({"a": None}, {"a": ""}, [FieldChange(("a",), None, "")]),
        ({"a": None}, {}, [FieldChange(("a",), None, ABSENT)]),
    ],
)
def test_difference_names_the_topmost_place(before: Any, after: Any, expected: list[FieldChange]) -> None:
    assert list(fields.difference(before, after)) == expected


@pytest.mark.parametrize(
    ("live", "wanted", "expected"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": {"x": 1, "default": 2}}, {"a": {"x": 1}}, True),
        ({"l": [{"n": 1, "default": "TCP"}]}, {"l": [{"n": 1}]}, True),
        ({"l": [1, 2]}, {"l": [1]}, False),
        ({}, {"a": 1}, False),
        (ABSENT, ABSENT, True),
        (ABSENT, None, False),
        (None, ABSENT, False),
        ("", "", True),
    ],
)
def test_covers_ignores_what_the_server_added(live: Any, wanted: Any, expected: bool) -> None:
    assert fields.covers(live, wanted) is expected


@pytest.mark.parametrize(
    ("live", "wanted", "last", "expected"),
    [
        ({"a": 1, "default": 2}, {"a": 3}, {"a": 1}, {"a": 3, "default": 2}),
        ({"a": 1, "ours": 2, "default": 3}, {"a": 1}, {"a": 1, "ours": 2}, {"a": 1, "default": 3}),
        ([{"p": 80, "default": 1}], [{"p": 81}], [{"p": 80}], [{"p": 81, "default": 1}]),
        ([{"p": 80, "old": 1}], [{"p": 80}], [{"p": 80, "old": 1}], [{"p": 80}]),
        ([{"p": 80, "default": 1}], [{"p": 80}, {"p": 81}], [{"p": 80}], [{"p": 80}, {"p": 81}]),
        (ABSENT, {"a": 1}, ABSENT, {"a": 1}),
    ],
)
def test_merge_is_three_way(live: Any, wanted: Any, last: Any, expected: Any) -> None:
    assert fields.merge(live, wanted, last) == expected


@pytest.mark.parametrize(
    ("live", "ours", "rest", "clean"),
    [
        ({"a": 1}, {"a": 1}, ABSENT, True),
        ({"a": 1, "theirs": 2}, {"a": 1}, {"theirs": 2}, False),
        ({"a": 5, "b": 2}, {"a": 1, "b": 2}, {"a": 5}, False),
        ({"b": 2}, {"a": 1, "b": 2}, ABSENT, False),
        ({"m": {"a": 1, "theirs": 1}}, {"m": {"a": 1}}, {"m": {"theirs": 1}}, False),
        ("x", "y", "x", False),
    ],
)
def test_subtract_leaves_what_is_not_ours(live: Any, ours: Any, rest: Any, clean: bool) -> None:
    assert fields.subtract(live, ours) == (rest, clean)
