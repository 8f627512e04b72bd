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
    container,
    ingress,
    namespace,
    nginx,
    path,
    peer_authentication,
    pod,
    service,
    workload,
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
    (about,) = (item for item in decision.findings if item.code == "MLB227")
    assert str(about.object) == "Deployment tenant/fake" and f"{EDGE}/lb" in about.message


def test_one_that_is_named_is_planned() -> None:
    before = cluster(*SHOP)
    before = before.after(planned(before).changes)
    decision = planned(before.overlay(fake()), load_balancers=("tenant/fake", f"{EDGE}/lb"))
    assert {item.route.load_balancer_name for item in decision.routes} == {f"{EDGE}/lb", "tenant/fake"}
    assert not [item for item in decision.findings if item.code == "MLB227"]


def test_what_was_planned_from_the_start_goes_on_being_planned() -> None:
    both = cluster(*SHOP, *fake())
    decision = planned(both, load_balancers=("tenant/fake", f"{EDGE}/lb"))
    assert len({item.route.load_balancer_name for item in decision.routes}) == 2
    after = both.after(decision.changes)
    again = planned(after)
    assert again.changes == []
    assert len({item.route.load_balancer_name for item in again.routes}) == 2


def born(obj: Obj, when: str) -> Obj:
    return {**obj, "metadata": {**obj["metadata"], "creationTimestamp": when}}


def said(decision: routing_run.RoutingDecision) -> dict[str, str]:
    return {str(item.object): item.code for item in decision.findings if item.code in ("MLB227", "MLB310", "MLB311")}


def served(decision: routing_run.RoutingDecision) -> set[str]:
    return {item.route.load_balancer_name for item in decision.routes}


def test_nothing_is_planned_where_nothing_tells_them_apart() -> None:
    decision = planned(cluster(*SHOP, *fake()))
    assert (decision.changes, decision.routes) == ([], ())
    assert said(decision) == {"Deployment tenant/fake": "MLB311", f"Deployment {EDGE}/lb": "MLB311"}


def test_the_older_one_is_planned() -> None:
    real = cluster(*SHOP)
    controller = next(item for item in real.all("Deployment.apps") if item["metadata"]["name"] == "lb")
    made = fake()
    for old, young, expected in ((controller, made[1], f"{EDGE}/lb"), (made[1], controller, "tenant/fake")):
        both = real.overlay([*made, born(old, "2024-01-01T00:00:00Z"), born(young, "2025-01-01T00:00:00Z")])
        decision = planned(both)
        assert served(decision) == {expected}
        assert set(said(decision).values()) == {"MLB310"}


def test_a_namespace_of_its_own_speaks_for_a_load_balancer() -> None:
    decision = planned(cluster(*SHOP, *fake(), workload("app", where="tenant", containers=[container("main", image="shop:1")])))
    assert served(decision) == {f"{EDGE}/lb"}


def test_a_class_that_came_with_a_release_speaks_before_age() -> None:
    real = cluster(*SHOP)
    classes = [
        {**item, "metadata": {**item["metadata"], "annotations": {"meta.helm.sh/release-namespace": EDGE}}}
        for item in real.all("IngressClass.networking.k8s.io")
    ]
    assert classes
    made = fake()
    made[1] = born(made[1], "2020-01-01T00:00:00Z")
    decision = planned(real.overlay([*made, *classes]))
    assert served(decision) == {f"{EDGE}/lb"}


def test_what_is_in_place_for_the_one_that_is_planned_around_stays() -> None:
    both = cluster(*SHOP, *fake())
    alone = both.after(planned(both, load_balancers=("tenant/fake",)).changes)
    controller = next(item for item in alone.all("Deployment.apps") if item["metadata"]["name"] == "lb")
    classes = [
        {**item, "metadata": {**item["metadata"], "annotations": {"meta.helm.sh/release-namespace": EDGE}}}
        for item in alone.all("IngressClass.networking.k8s.io")
    ]
    decision = planned(alone.overlay([controller, *classes]))
    assert served(decision) == {f"{EDGE}/lb"}
    assert not [item for item in decision.changes if item.action == "delete"]
    assert not planned(alone.overlay(classes).after(decision.changes)).changes


def test_other_routes_and_the_same_namespace_are_nobodys_rivals() -> None:
    before = cluster(*SHOP)
    before = before.after(planned(before).changes)
    second = nginx("second", where=EDGE)
    decision = planned(before.overlay([second]))
    assert not [item for item in decision.findings if item.code == "MLB227"]
