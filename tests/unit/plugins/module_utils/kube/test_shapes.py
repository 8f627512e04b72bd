# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Types of fields, and the check that an object has them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.kube.shapes import Fault, field_name, shape

FORM = shape("name count# on? port:% any* labels= parts[]{name sizes[]#} more<>{x}")


@pytest.mark.parametrize("value", [
    {}, {"name": "a", "count": 5, "on": False, "port": "http", "any": [1], "labels": {"a": "b"}},
    {"parts": [{"sizes": [1, 2]}]}, {"unknown": 5},
    {"port": 80}, {"more": {"k": {"x": "y"}}},
])  # fmt: skip
def test_what_fits_stays_as_it_is(value: Any) -> None:
    assert FORM.fits(value)
    faults: list[Fault] = []
    assert FORM.mend(value, (), faults) == value
    assert not faults


@pytest.mark.parametrize(("value", "field"), [
    ({"name": 5}, "name"), ({"name": True}, "name"), ({"count": "5"}, "count"), ({"count": True}, "count"), ({"count": 1.5}, "count"),
    ({"count": 10**30}, "count"), ({"on": "true"}, "on"), ({"port": -1}, "port"), ({"port": 65536}, "port"), ({"port": []}, "port"),
    ({"labels": "x"}, "labels"), ({"labels": {"a": 5}}, "labels.a"), ({"parts": ["x"]}, "parts[0]"), ({"parts": {}}, "parts"),
    ({"parts": [{}, {"sizes": [1, "x"]}]}, "parts[1].sizes[1]"), ({"more": {"k": 5}}, "more.k"), ({"name": "\ud800"}, "name"),
])  # fmt: skip
def test_what_does_not_fit_is_named_and_left_out(value: Any, field: str) -> None:
    assert not FORM.fits(value)
    faults: list[Fault] = []
    mended = FORM.mend(value, (), faults)
    assert [field_name(item.path) for item in faults] == [field]
    assert FORM.fits(mended)


@pytest.mark.parametrize(("value", "expected"), [
    ({"name": None, "count": None, "parts": None}, {}), ({"labels": {"a": None}}, {"labels": {"a": ""}}),
    ({"parts": [None, {"sizes": [None]}]}, {"parts": [{}, {"sizes": [0]}]}), ({"count": 80.0}, {"count": 80}),
])  # fmt: skip
def test_null_is_a_field_that_is_not_there(value: Any, expected: Any) -> None:
    faults: list[Fault] = []
    assert FORM.mend(value, (), faults) == expected
    assert not faults


def test_fields_that_there_are_not() -> None:
    form = shape("backend{! service{! name} resource*}")
    told = list(map(str, form.unknown({"backend": {"servic": {}, "zone": 5}}, ())))
    assert told == ["there is no field backend.servic; service is spelt like it", "there is no field backend.zone"]


def test_a_notation_that_is_wrong_is_a_defect() -> None:
    with pytest.raises(ValueError):
        shape("a } b")
