# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every write can be taken back, exactly."""

from __future__ import annotations

import copy
import itertools
import json
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.apply import book, ownership
from ansible_collections.meshlb.istio.plugins.module_utils.core import marks
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import ABSENT, FieldChange
from ansible_collections.meshlb.istio.plugins.module_utils.kube.fields import patched

from tests.unit.plugins.module_utils.support.parts import free

Obj = dict[str, Any]
PART = "service_routing"
OWN = free(PART)
LB = ("edge/proxy",)
A: tuple[str, ...] = ("metadata", "annotations", "vendor.example/a")
B: tuple[str, ...] = ("metadata", "annotations", "vendor.example/b")


def ingress(annotations: Obj | None = None, **more: Any) -> Obj:
    metadata: Obj = {"name": "shop", "namespace": "web", "resourceVersion": "7"}
    if annotations is not None:
        metadata["annotations"] = annotations
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": {"rules": []}, **more}


def claimed(obj: Obj, desired: Obj, part: str = PART, **options: Any) -> Obj:
    change = ownership.claim(obj, free(part), desired, options.pop("load_balancers", LB), "why", **options)
    return obj if change is None else patched(obj, change)


def released(obj: Obj, part: str = PART) -> tuple[Obj, list[str]]:
    change, findings = ownership.release(obj, free(part))
    return (obj if change is None else patched(obj, change)), [item.code for item in findings]


STARTS = {
    "no annotations": ingress(),
    "another annotation": ingress({"other": "x"}),
    "a value": ingress({"vendor.example/a": "old"}),
    "an empty value": ingress({"vendor.example/a": "", "vendor.example/b": "same"}),
    "a spec": ingress(spec={"map": {"x": 1}, "list": [{"name": "p", "args": ["--one"]}]}),
    "a template": ingress(spec={"template": {"metadata": {"labels": {"app": "x"}}}}),
}
DESIRES: dict[str, Obj] = {
    "one annotation": {A: "new"},
    "two annotations": {A: "new", B: "same"},
    "an annotation gone": {A: ABSENT},
    "a new map": {("spec", "policy", "tls", "mode"): "X", ("spec", "policy", "tls", "names"): ["n"]},
    "a key of a map": {("spec", "map", "x"): 2, ("spec", "map", "y"): ""},
    "a map as a value": {("spec", "map"): {"z": 1}},
    "a key gone": {("spec", "map", "x"): ABSENT},
    "a template's label": {
        ("spec", "template", "metadata", "labels", "in"): "true",
        ("spec", "template", "metadata", "annotations", "empty"): "",
    },
}


@pytest.mark.parametrize(("start", "desire"), list(itertools.product(STARTS, DESIRES)))
def test_what_is_claimed_is_set_once_and_restored_exactly(start: str, desire: str) -> None:
    obj, desired = STARTS[start], DESIRES[desire]
    before = copy.deepcopy(obj)
    once = claimed(obj, desired)
    for path, value in desired.items():
        assert ownership.value_at(once, path) == value
    assert ownership.claim(once, OWN, desired, LB, "why") is None
    assert released(once) == (before, [])
    assert obj == before


@pytest.mark.parametrize(("start", "first", "second"), list(itertools.product(STARTS, DESIRES, DESIRES)))
def test_another_patch_gives_the_same_as_if_it_had_been_the_first(start: str, first: str, second: str) -> None:
    obj = STARTS[start]
    direct = claimed(obj, DESIRES[second])
    by_way = claimed(claimed(obj, DESIRES[first]), DESIRES[second])
    assert by_way == direct
    assert claimed(by_way, {}) == obj


@pytest.mark.parametrize(("start", "first", "second"), list(itertools.product(STARTS, DESIRES, DESIRES)))
def test_parts_do_not_disturb_each_other(start: str, first: str, second: str) -> None:
    obj = STARTS[start]
    both = claimed(claimed(obj, DESIRES[first], "one"), {("metadata", "labels", "two"): "2"}, "two")
    assert released(released(both, "one")[0], "two") == (obj, [])
    assert released(released(both, "two")[0], "one") == (obj, [])


def test_the_book_says_what_was_set_and_what_was_there() -> None:
    obj = claimed(ingress({"vendor.example/a": "old"}), {A: "new", B: ""})
    assert json.loads(obj["metadata"]["annotations"][marks.REPLACED]) == {
        "/metadata/annotations/vendor.example~1a": {"part": PART, "set": "new", "was": "old"},
        "/metadata/annotations/vendor.example~1b": {"part": PART, "set": ""},
    }
    assert obj["metadata"]["annotations"][marks.LOAD_BALANCERS] == "edge/proxy"


def test_the_topmost_new_map_is_entered() -> None:
    obj = claimed(ingress(), {("spec", "a", "b", "c"): 1, ("spec", "a", "d"): 2})
    assert list(book.read_book(obj, OWN).mine) == ["/spec/a"]


def test_a_right_value_stays_its_owners() -> None:
    assert ownership.claim(ingress({"vendor.example/a": "new"}), OWN, {A: "new"}, LB, "why") is None


def test_the_first_value_is_kept_when_ours_changes() -> None:
    obj = claimed(claimed(ingress({"vendor.example/a": "first"}), {A: "second"}), {A: "third"})
    assert book.read_book(obj, OWN).mine["/metadata/annotations/vendor.example~1a"] == book.BookEntry(PART, "third", "first")


def test_a_change_is_one_patch_per_place_and_names_its_resource_version() -> None:
    change = ownership.claim(ingress({"other": "x"}), OWN, {A: "new"}, LB, "because", 3)
    assert change is not None
    assert (change.action, change.why, change.phase, change.resource_version) == ("patch", "because", 3, "7")
    assert FieldChange(A, ABSENT, "new") in change.fields
    assert {item.path[:2] for item in change.fields} == {("metadata", "annotations")}
    bare = ownership.claim(ingress(), OWN, {A: "new"}, LB, "because")
    assert bare is not None
    assert [item.path for item in bare.fields] == [("metadata", "annotations")]


def test_what_somebody_changed_is_left_alone_and_said() -> None:
    obj = claimed(ingress({"vendor.example/a": "old"}), {A: "new", B: "b"})
    obj["metadata"]["annotations"]["vendor.example/a"] = "theirs"
    assert released(obj) == (ingress({"vendor.example/a": "theirs"}), ["MLB401"])


def test_the_values_of_a_field_that_somebody_changed_are_told() -> None:
    obj = claimed(ingress(), {A: "new"})
    obj["metadata"]["annotations"]["vendor.example/a"] = "theirs"
    (found,) = ownership.release(obj, OWN)[1]
    assert found.details.to_result() == {"field": "/metadata/annotations/vendor.example~1a", "found": "theirs", "set": "new"}


def test_what_somebody_removed_is_not_put_back() -> None:
    obj = claimed(ingress({"vendor.example/a": "old"}), {A: "new"})
    del obj["metadata"]["annotations"]["vendor.example/a"]
    assert released(obj) == (ingress(), ["MLB401"])


def test_what_somebody_added_to_our_map_stays() -> None:
    obj = claimed(ingress(), {("spec", "policy", "mode"): "X"})
    obj = ownership.put(obj, ("spec", "policy", "theirs"), 1)
    assert ownership.claim(obj, OWN, {("spec", "policy", "mode"): "X"}, LB, "why") is None
    assert released(obj) == (ingress(spec={"rules": [], "policy": {"theirs": 1}}), ["MLB401"])


def test_drift_is_repaired_and_the_drifted_value_is_what_comes_back() -> None:
    obj = claimed(ingress({"vendor.example/a": "old"}), {A: "new"})
    obj["metadata"]["annotations"]["vendor.example/a"] = "theirs"
    again = claimed(obj, {A: "new"})
    assert again["metadata"]["annotations"]["vendor.example/a"] == "new"
    assert released(again) == (ingress({"vendor.example/a": "theirs"}), [])


def test_drift_inside_our_map_is_repaired_key_by_key() -> None:
    desired: Obj = {("spec", "policy", "mode"): "X", ("spec", "policy", "port"): 1}
    obj = ownership.put(claimed(ingress(), desired), ("spec", "policy", "mode"), "Y")
    again = claimed(obj, desired)
    assert again["spec"]["policy"] == {"mode": "X", "port": 1}
    assert released(again)[0]["spec"]["policy"] == {"mode": "Y"}


def test_a_path_through_a_text_is_an_error_that_names_the_place() -> None:
    with pytest.raises(MeshlbError, match=r"Ingress web/shop has 'text' at /spec/policy"):
        ownership.claim(ingress(spec={"policy": "text"}), OWN, {("spec", "policy", "mode"): 1}, LB, "why")


@pytest.mark.parametrize("text", ["no json", "[]", '{"/a": 1}', '{"/a": {}}', "null"])
def test_a_damaged_book_is_said_and_nothing_is_guessed(text: str) -> None:
    obj = ingress({marks.REPLACED: text})
    with pytest.raises(MeshlbError, match="cannot be read"):
        ownership.claim(obj, OWN, {A: "new"}, LB, "why")
    change, findings = ownership.release(obj, OWN)
    assert change is None
    assert [item.code for item in findings] == ["MLB401"]


@pytest.mark.parametrize(
    ("scope", "expected"), [(None, "edge/two"), (("edge/two",), "edge/one,edge/two"), (("edge/one", "edge/two"), "edge/two")]
)
def test_a_run_decides_only_about_the_load_balancers_in_its_scope(scope: Any, expected: str) -> None:
    obj = claimed(ingress(), {A: "new"}, load_balancers=("edge/one",))
    again = claimed(obj, {A: "new"}, load_balancers=("edge/two",), scope=scope)
    assert again["metadata"]["annotations"][marks.LOAD_BALANCERS] == expected
