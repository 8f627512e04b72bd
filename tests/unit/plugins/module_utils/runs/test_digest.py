# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan is known by its digest, and no other plan than the expected one is written."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Change, FieldChange, ObjectRef, replace
from ansible_collections.meshlb.istio.plugins.module_utils.runs.digest import agreed, plan_digest, route_input
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.common import Allowance, CommonOptions, allowance

REF = ObjectRef("networking.k8s.io/v1", "Ingress", "web", "shop")
SET = Change(REF, "patch", "because", (FieldChange(("metadata", "annotations", "a"), "x", "y"),), None, 1, "7")
MADE = Change(REF, "create", "because", (), {"spec": {"a": 1}}, 0)


def test_sentences_and_versions_do_not_count() -> None:
    other = replace(SET, why="another reason", resource_version="8")
    assert plan_digest([SET], []) == plan_digest([other], []) and plan_digest([], []).startswith("sha256:")
    gone = replace(MADE, action="delete")
    assert plan_digest([gone], []) == plan_digest([replace(gone, body={"status": {}})], [])


def test_everything_else_counts() -> None:
    other = ObjectRef("networking.k8s.io/v1", "Ingress", "web", "other")
    plans = [
        ([], []), ([SET], []), ([MADE], []), ([SET, MADE], []), ([replace(SET, object=other)], []), ([SET], ["route"]),
        ([replace(SET, fields=(FieldChange(("metadata", "annotations", "a"), "was", "y"),))], []),
        ([replace(SET, fields=(FieldChange(("metadata", "annotations", "a"), "x", "z"),))], []), ([replace(MADE, body={})], []),
    ]  # fmt: skip
    assert len({plan_digest(changes, inputs) for changes, inputs in plans}) == len(plans)


def test_of_a_route_all_but_sentences_counts() -> None:
    assert route_input({"host": "h", "after": {"verdict": "refused", "why": "so"}}) == {"host": "h", "after": {"verdict": "refused"}}


def test_another_plan_is_refused_and_told() -> None:
    found = agreed(CommonOptions(), [SET], [])
    assert agreed(CommonOptions(expected_plan_digest=found), [SET], []) == found
    with pytest.raises(MeshlbError, match=r"is not the one that was expected .*1 changes: create Ingress web/shop") as caught:
        agreed(CommonOptions(expected_plan_digest=found), [MADE], [])
    details = caught.value.to_result()["details"]
    assert details["expected_plan_digest"] == found and details["plan_digest"] != found and len(details["changes"]) == 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, Allowance()), (False, Allowance()), ("no", Allowance()), ([], Allowance()), (True, Allowance(everything=True)),
        ("True", Allowance(everything=True)), (["a/Ingress/b"], Allowance(objects=frozenset({"a/ingress/b"}))),
    ],
)
def test_what_may_get_worse(given: object, expected: Allowance) -> None:
    assert allowance(given) == expected


@pytest.mark.parametrize("given", ["shop", ["web/shop"], ["a/b/c/d"], ["/Ingress/b"], [5], {"a/b/c": 1, "x": 2}])
def test_what_cannot_be_meant_is_told(given: object) -> None:
    with pytest.raises(MeshlbError, match="allow_regressions has"):
        allowance(given)


def test_an_object_is_allowed_by_its_namespace_kind_and_name() -> None:
    found = allowance(["WEB/ingress/shop"])
    assert found.covers(REF) and not found.covers(replace(REF, name="other")) and allowance(True).covers(REF)
