# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a declaration lets a part write, restore and delete."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.values import ABSENT
from ansible_collections.meshlb.istio.plugins.module_utils.core.writes import Field, Part, Write, annotation, none_before

KIND = "Ingress.networking.k8s.io"
PART = Part("service_routing", (
    Write(KIND, (
        annotation("*/service-upstream", none_before), Field("/spec/rules/*/weight"), Field("/spec/map/*/mode"),
        Field("/spec/list", lambda value, was: was == value[:-1]),
    )),
    Write("Service", named=lambda obj: obj["metadata"]["name"].endswith("-meshlb")),
))  # fmt: skip


@pytest.mark.parametrize("pointer", [
    "", "/kind", "/apiVersion", "/metadata", "/metadata/name", "/metadata/namespace", "/metadata/finalizers", "/metadata/ownerReferences",
    "/metadata/uid", "/metadata/annotations", "/metadata/labels", "/status/x", "/metadata/annotations/meshlb.istio~1replaced",
])  # fmt: skip
def test_what_is_identity_or_the_owners_can_not_even_be_declared(pointer: str) -> None:
    with pytest.raises(ValueError, match="no field that may be declared"):
        Field(pointer)


@pytest.mark.parametrize(("pointer", "value", "was", "honoured"), [
    ("/metadata/annotations/x.example~1service-upstream", "true", ABSENT, True),
    ("/metadata/annotations/x.example~1service-upstream", "true", "false", False),
    ("/metadata/annotations/x.example~1snippet", "true", ABSENT, False),
    ("/spec/rules/0/weight", 1, 2, True),
    ("/spec/rules/0/weight", 1, None, True),
    ("/spec/rules/0/weight", 1, {"a": 1}, False),
    ("/spec/rules/0/weight", 1, ["a"], False),
    ("/spec/rules/0/weight/deeper", 1, ABSENT, False),
    ("/spec/rules", [], ABSENT, False),
    ("/spec/rules", [], [], False),
    ("/spec/list", [1, 2], [1], True),
    ("/spec/list", [1, 2], [3], False),
    ("/spec/list", [1, 2], ABSENT, True),
    ("/spec/map", {"a": {"mode": "X"}}, ABSENT, True),
    ("/spec/map", {"a": {"mode": "X", "other": 1}}, ABSENT, False),
    ("/spec/map", {"a": {}}, ABSENT, False),
    ("/spec/map", {}, ABSENT, False),
    ("/spec/map", {"a": {"mode": "X"}}, {"b": {"mode": "Y"}}, False),
    ("/spec", {"map": {"a": {"mode": "X"}}}, None, True),
    ("", {}, ABSENT, False),
    ("spec/rules/0/weight", 1, 2, False),
    ("/metadata/name", "a", "b", False),
    ("/metadata", {"annotations": {"x/service-upstream": "true"}}, ABSENT, True),
    ("/metadata", {"name": "x"}, ABSENT, False),
])  # fmt: skip
def test_an_entry_is_honoured_only_for_what_is_declared(pointer: str, value: Any, was: Any, honoured: bool) -> None:
    assert PART.may_restore(KIND, pointer, value, was) is honoured
    assert not PART.may_restore("Pod", pointer, value, was)


def test_what_may_be_deleted_has_the_kind_and_the_name() -> None:
    assert PART.would_name("Service", {"metadata": {"name": "web-meshlb"}})
    assert not PART.would_name("Service", {"metadata": {"name": "web"}})
    assert not PART.would_name("Namespace", {"metadata": {"name": "web-meshlb"}})
    assert PART.makes("Service") and not PART.makes(KIND)


def test_verbs_follow_from_what_is_declared() -> None:
    patched, made = PART.writes
    assert patched.verbs == ("get", "patch")
    assert made.verbs == ("get", "create", "patch", "delete")


def test_declared_fields_are_told_from_others() -> None:
    assert PART.sets(KIND, ("spec", "rules", 3, "weight"))
    assert not PART.sets(KIND, ("spec", "rules", 3))
    assert not PART.sets("Service", ("spec", "rules", 3, "weight"))
