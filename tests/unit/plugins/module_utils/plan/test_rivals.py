# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Deployment that looks like a load balancer has no say in the plan of the real one."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import REGISTRY
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.runs import routing as routing_run
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.routing import RoutingOptions

from tests.unit.plugins.module_utils.support.cluster import (
    EDGE,
    Obj,
    backend,
    cluster,
    config_map,
    ingress,
    namespace,
    nginx,
    path,
    peer_authentication,
    pod,
    service,
)
from tests.unit.plugins.module_utils.support.known import detect

SHOP = [service("shop"), pod("shop"), ingress("shop", path(backend("shop"))), peer_authentication()]


def fake(*args: str, where: str = "tenant", **settings: str) -> list[Obj]:
    """A workload of a tenant that claims the class of the real load balancer."""
    base = ("/nginx-ingress-controller", "--controller-class=k8s.io/ingress-nginx", f"--configmap={where}/settings", *args)
    made = nginx("fake", args=base, where=where)
    return [namespace(where), made, config_map("settings", where=where, **settings)]


def planned(snapshot: Snapshot, **options: Any) -> routing_run.RoutingDecision:
    found = detect(snapshot)[0]
    words = options.get("load_balancers", ())
    chosen = [item for item in found if not words or item.label in words]
    return routing_run.planned(routing_run.RoutingScene(snapshot, REGISTRY, found, chosen, RoutingOptions(**options)))


@pytest.mark.parametrize("strategy", ["auto", "host_entry", "host_alias", "headless_twin", "host_rewrite"])
@pytest.mark.parametrize("settings", [{}, {"service_upstream": "true"}])
def test_nothing_changes_for_the_real_one(strategy: str, settings: dict[str, str]) -> None:
    before = cluster(*SHOP)
    before = before.after(planned(before, strategy=strategy).changes)
    decision = planned(before.overlay(fake(**settings)), strategy=strategy)
    assert decision.changes == []
    assert {(item.route.load_balancer_name, item.after.verdict) for item in decision.routes} == {(f"{EDGE}/lb", "mutual_tls")}
    (said,) = (item for item in decision.findings if item.code == "MLB227")
    assert str(said.object) == "Deployment tenant/fake" and f"{EDGE}/lb" in said.message


def test_one_that_is_named_is_planned() -> None:
    before = cluster(*SHOP)
    before = before.after(planned(before).changes)
    decision = planned(before.overlay(fake()), load_balancers=("tenant/fake", f"{EDGE}/lb"))
    assert {item.route.load_balancer_name for item in decision.routes} == {f"{EDGE}/lb", "tenant/fake"}
    assert not [item for item in decision.findings if item.code == "MLB227"]


def test_what_was_planned_from_the_start_goes_on_being_planned() -> None:
    both = cluster(*SHOP, *fake())
    decision = planned(both)
    assert len({item.route.load_balancer_name for item in decision.routes}) == 2
    assert planned(both.after(decision.changes)).changes == []


def test_other_routes_and_the_same_namespace_are_nobodys_rivals() -> None:
    before = cluster(*SHOP)
    before = before.after(planned(before).changes)
    second = nginx("second", where=EDGE)
    decision = planned(before.overlay([second]))
    assert not [item for item in decision.findings if item.code == "MLB227"]
