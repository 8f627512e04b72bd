# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the routing plan to writes and back: phases, second runs, other strategies, scopes."""

from __future__ import annotations

import itertools
from functools import partial

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.apply.routing import is_owned, routing_changes
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.plan.pins import Wishes
from ansible_collections.meshlb.istio.plugins.module_utils.plan.routing import PlanOptions
from ansible_collections.meshlb.istio.plugins.module_utils.runs.session import ledger_of, without

from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    NGINX,
    PUBLIC,
    Obj,
    annotated,
    backend,
    cluster,
    ingress,
    ingress_class,
    namespace,
    nginx,
    path,
    peer_authentication,
    pod,
    port,
    service,
)
from tests.unit.plugins.module_utils.support.known import detect, plan_routes
from tests.unit.plugins.module_utils.support.parts import ROUTING
from tests.unit.plugins.module_utils.support.planning import contents, run, taken_back

STRATEGIES = ("service_vip", "host_entry", "headless_twin", "host_alias", "host_rewrite", "auto")
INGRESS = ("Ingress.networking.k8s.io", APPS, "shop")
OBJECTS: dict[str, list[Obj]] = {
    "http": [service("shop"), pod("shop"), ingress("shop", path(backend("shop")))],
    "auto": [service("shop", port("web")), pod("shop"), ingress("shop", path(backend("shop")))],
    "port 8000": [service("shop", port("http", 8000)), pod("shop"), ingress("shop", path(backend("shop", 8000)))],
    "affinity": [service("shop", port("web")), pod("shop"), ingress("shop", path(backend("shop")), affinity="cookie")],
    "two": [
        service("shop"), pod("shop"), service("cart", port("web")), pod("cart"),
        ingress("shop", path(backend("shop")), path(backend("cart"), "/cart")),
    ],
}  # fmt: skip
STRICT = peer_authentication()


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", OBJECTS)
def test_a_second_run_is_quiet_and_taking_back_is_complete(name: str, strategy: str) -> None:
    before = cluster(*OBJECTS[name], STRICT)
    first = run(before, strategy)
    second = run(first.after, strategy)
    assert second.changes == [] and second.strategies == first.strategies
    assert contents(taken_back(first.after)) == contents(before)
    assert contents(without(first.after, ROUTING)) == contents(before)


@pytest.mark.parametrize(("one", "other"), list(itertools.permutations(STRATEGIES[:5], 2)))
def test_another_strategy_leaves_nothing_of_the_first_behind(one: str, other: str) -> None:
    before = cluster(*OBJECTS["auto"], STRICT)
    changed = run(run(before, one).after, other)
    assert contents(changed.after) == contents(run(before, other).after)
    assert run(changed.after, other).changes == []


def test_auto_keeps_what_is_in_place() -> None:
    before = cluster(*OBJECTS["http"], STRICT)
    for strategy in ("host_entry", "host_alias", "headless_twin"):
        done = run(run(before, strategy).after)
        assert done.changes == [] and done.strategies == {"shop": strategy}
    # It would rewrite the Host, which auto does not do unless it is asked to.
    assert run(run(before, "host_rewrite").after).strategies == {"shop": "host_entry"}
    assert run(run(before, "host_rewrite").after, preserve_host=False).changes == []


def test_mesh_objects_first_then_the_load_balancer_then_what_is_left_over() -> None:
    before = cluster(*OBJECTS["http"], STRICT)
    after_entry = run(before, "host_entry").after
    done = run(after_entry, "host_alias")
    assert [(item.phase, item.action, item.object.kind) for item in done.changes] == [
        (0, "create", "VirtualService"), (1, "patch", "Ingress"), (3, "delete", "DestinationRule"), (3, "delete", "ServiceEntry"),
    ]  # fmt: skip
    assert all(item.why for item in done.changes)


def test_what_is_written_carries_its_owner() -> None:
    after = run(cluster(*OBJECTS["http"], STRICT), "host_alias").after
    made = after.get("VirtualService.networking.istio.io", "edge", f"meshlb-alias-{PUBLIC}")
    changed = after.get(*INGRESS)
    assert made and made["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "meshlb.istio"
    assert changed and changed["metadata"]["annotations"]["meshlb.istio/load-balancers"] == "edge/lb"
    owned = partial(is_owned, ROUTING)
    assert owned(made) and owned(changed) and not owned(None) and not owned(after.get("Service", APPS, "shop"))


def edited(snapshot: Snapshot, key: str, value: str | None) -> Snapshot:
    """Somebody changes an annotation of the Ingress."""
    item = snapshot.get(*INGRESS) or {}
    kept = {name: text for name, text in item["metadata"]["annotations"].items() if name != f"{NGINX}/{key}"}
    noted = kept if value is None else {**kept, f"{NGINX}/{key}": value}
    return snapshot.overlay([{**item, "metadata": {**item["metadata"], "annotations": noted}}])


def test_a_users_later_word_counts() -> None:
    after = run(cluster(*OBJECTS["auto"], STRICT), "service_vip").after
    against = run(edited(after, "service-upstream", "false"), "service_vip")
    assert against.strategies == {"shop": "none"}
    assert ((against.after.get(*INGRESS) or {})["metadata"]["annotations"])[f"{NGINX}/service-upstream"] == "false"
    again = run(edited(after, "service-upstream", None), "service_vip")
    assert again.written == ["patch Ingress apps/shop"] and contents(again.after) == contents(after)


def test_a_route_that_is_gone_takes_its_objects_along() -> None:
    after = run(cluster(*OBJECTS["http"], STRICT), "host_entry").after
    gone = after.overlay([], [INGRESS])
    assert run(gone, "host_entry").written == [f"delete {kind} edge/meshlb-entry-{PUBLIC}" for kind in ("DestinationRule", "ServiceEntry")]


def test_a_route_that_is_now_ignored_keeps_what_it_has() -> None:
    before = cluster(*OBJECTS["auto"], STRICT)
    after = run(before, "service_vip").after
    ignored = after.overlay([annotated(after.get(*INGRESS) or {}, ignore="true")])
    done = run(ignored, "service_vip")
    assert done.written == [] and done.strategies == {"shop": "none"}
    noted = (taken_back(ignored).get(*INGRESS) or {})["metadata"]["annotations"]
    assert noted == {"meshlb.istio/ignore": "true"}


def test_pods_that_come_and_go_change_the_objects() -> None:
    after = run(cluster(*OBJECTS["http"], STRICT), "host_entry").after
    done = run(after.overlay([pod("shop", account="second")]), "host_entry")
    assert done.written == [f"patch DestinationRule edge/meshlb-entry-{PUBLIC}"]
    rule = done.after.get("DestinationRule.networking.istio.io", "edge", f"meshlb-entry-{PUBLIC}") or {}
    names = [item.rpartition("/")[2] for item in rule["spec"]["trafficPolicy"]["tls"]["subjectAltNames"]]
    assert names == ["second", "shop"]


INNER = [
    namespace("inner", istio_injection="enabled"), nginx("in", "--controller-class=k8s.io/in", where="inner"),
    ingress_class("in", "k8s.io/in"), ingress("in", path(backend("shop")), class_name="in"),
]  # fmt: skip


def scoped(snapshot: Snapshot, strategy: str, label: str) -> Snapshot:
    """A run for one load balancer alone."""
    balancers = [item for item in detect(snapshot)[0] if item.label == label]
    plan = plan_routes(snapshot, without(snapshot, ROUTING), balancers, PlanOptions(Wishes(strategy)), partial(is_owned, ROUTING))
    return snapshot.after(routing_changes(ledger_of(snapshot, ROUTING), plan, {label}, lambda obj: True)[0])


def test_a_run_for_one_load_balancer_leaves_the_others_objects() -> None:
    before = cluster(*OBJECTS["http"], *INNER, STRICT)
    both = scoped(scoped(before, "host_entry", "edge/lb"), "host_entry", "inner/in")
    assert both.count("ServiceEntry.networking.istio.io") == 2
    moved = scoped(both, "headless_twin", "edge/lb")
    assert [item["metadata"]["namespace"] for item in moved.all("ServiceEntry.networking.istio.io")] == ["inner"]


def test_a_run_for_one_load_balancer_keeps_a_twin_for_the_others() -> None:
    other = service("shop", port("http", 80, 8080), port("http-more", 81, 9090))
    inner = ingress("in", path(backend("shop", 81)), class_name="in")
    before = cluster(other, *OBJECTS["http"][1:], *INNER[:3], inner, STRICT)
    both = run(before, "headless_twin").after
    for label in ("edge/lb", "inner/in"):
        assert contents(scoped(both, "headless_twin", label)) == contents(both)
    twin = both.get("Service", APPS, "shop0meshlb") or {}
    assert twin["metadata"]["annotations"]["networking.istio.io/exportTo"] == "edge,inner"
    assert [item["port"] for item in twin["spec"]["ports"]] == [8080, 9090]
    rule = both.get("DestinationRule.networking.istio.io", APPS, "shop0meshlb") or {}
    assert rule["spec"]["exportTo"] == ["edge", "inner"]
    # One after the other comes to the same, and a run for all drops what nobody needs any more.
    assert contents(scoped(scoped(before, "headless_twin", "edge/lb"), "headless_twin", "inner/in")) == contents(both)
    without = both.overlay([], [("Ingress.networking.k8s.io", APPS, "in")])
    alone = run(without, "headless_twin").after.get("Service", APPS, "shop0meshlb") or {}
    assert [item["port"] for item in alone["spec"]["ports"]] == [8080]


def test_objects_outside_the_runs_reach_are_not_taken_back() -> None:
    before = cluster(*OBJECTS["http"], STRICT)
    after = run(before, "headless_twin").after
    balancers = detect(after)[0]
    plan = plan_routes(after, without(after, ROUTING), balancers, PlanOptions(selected=lambda route: False), partial(is_owned, ROUTING))
    ledger = ledger_of(after, ROUTING)
    changes, dummy = routing_changes(ledger, plan, {"edge/lb"}, lambda obj: obj["metadata"].get("namespace") != APPS)
    assert changes == []


def test_another_tools_objects_are_said() -> None:
    item = ingress("shop", path(backend("shop")))
    item["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": "shop:networking.k8s.io/Ingress:apps/shop"}
    done = run(cluster(*OBJECTS["auto"][:2], item, STRICT), "service_vip")
    (found,) = [item.message for item in done.findings]
    assert "managed by Argo CD (Application shop)" in found and "MLB216" in done.codes
