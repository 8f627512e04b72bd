# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking everything back, or only what is for some load balancers."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.apply import ownership
from ansible_collections.meshlb.istio.plugins.module_utils.core import marks
from ansible_collections.meshlb.istio.plugins.module_utils.kube.fields import patched
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.runs.session import ledger_of, without

from tests.unit.plugins.module_utils.apply.test_created import service
from tests.unit.plugins.module_utils.apply.test_ownership import LB, OWN, A, B, Obj, claimed, ingress
from tests.unit.plugins.module_utils.support.parts import free


def made(body: Obj, load_balancers: tuple[str, ...] = LB) -> Obj:
    change, dummy = ownership.create(None, body, OWN, load_balancers, "why")
    assert change is not None
    return change.body or {}


def world() -> Snapshot:
    changed = claimed(ingress({"vendor.example/a": "old"}), {A: "new"})
    other = claimed({**ingress(), "metadata": {"name": "other", "namespace": "web"}}, {A: "x"}, load_balancers=("edge/two",))
    both = {**service(), "metadata": {"name": "both", "namespace": "web"}}
    plain = {**ingress(), "metadata": {"name": "plain", "namespace": "web"}}
    return Snapshot([changed, other, made(service()), made(both, ("edge/proxy", "edge/two")), plain])


def names(objects: list[Obj]) -> set[str]:
    return {item["metadata"]["name"] for item in objects}


def test_owned_finds_what_was_created_and_what_was_changed() -> None:
    assert names(ledger_of(world(), OWN).written) == {"shop", "other", "twin", "both"}
    assert ledger_of(world(), free("lb_sidecar")).written == ()


def test_the_original_is_the_cluster_without_the_part() -> None:
    view = without(world(), OWN)
    assert view.all("Service") == []
    assert view.get("Ingress.networking.k8s.io", "web", "shop") == ingress({"vendor.example/a": "old"})
    assert view.get("Ingress.networking.k8s.io", "web", "other") == {**ingress(), "metadata": {"name": "other", "namespace": "web"}}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {("patch", "shop"), ("patch", "other"), ("delete", "twin"), ("delete", "both")}),
        ({"load_balancers": {"edge/proxy"}}, {("patch", "shop"), ("delete", "twin"), ("patch", "both")}),
        ({"load_balancers": {"edge/three"}}, set()),
        ({"keep": lambda obj: obj["kind"] == "Service"}, {("patch", "shop"), ("patch", "other")}),
    ],
)
def test_take_back_keeps_to_its_filter(options: Any, expected: set[tuple[str, str]]) -> None:
    changes, findings = ownership.take_back(ledger_of(world(), OWN), **options)
    assert {(item.action, item.object.name) for item in changes} == expected
    assert findings == []
    deletions = [item.phase for item in changes if item.action == "delete"]
    assert all(phase == 1 for phase in deletions)


def test_what_is_for_several_load_balancers_stays_for_the_others() -> None:
    view = world().after(ownership.take_back(ledger_of(world(), OWN), load_balancers={"edge/proxy"})[0])
    both = view.get("Service", "web", "both")
    assert both is not None
    assert both["metadata"]["annotations"][marks.LOAD_BALANCERS] == "edge/two"


def test_apply_changes_follows_several_changes_of_one_object() -> None:
    first = ownership.claim(ingress(), free("one"), {A: "1"}, LB, "why")
    assert first is not None
    second = ownership.claim(patched(ingress(), first), free("two"), {B: "2"}, LB, "why")
    assert second is not None
    obj = Snapshot([ingress()]).after([first, second]).get("Ingress.networking.k8s.io", "web", "shop")
    assert obj is not None
    assert obj["metadata"]["annotations"]["vendor.example/a"] == "1"
    assert obj["metadata"]["annotations"]["vendor.example/b"] == "2"
    gone = Snapshot([ingress()]).after([ownership.delete(ingress(), "why")])
    assert gone.all("Ingress.networking.k8s.io") == []
