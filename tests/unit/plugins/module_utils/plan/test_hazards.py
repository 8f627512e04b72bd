# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What auto does not choose for what it costs others, what it says where that is pinned, and that what is in place stays."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.kube import kinds

from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    EDGE,
    PUBLIC,
    Obj,
    annotated,
    backend,
    cluster,
    ingress,
    nginx,
    obj,
    path,
    peer_authentication,
    pod,
    port,
    service,
    to,
    virtual_service,
    workload,
)
from tests.unit.plugins.module_utils.support.planning import Run, run

ENTRY = f"edge/meshlb-entry-{PUBLIC}"
STRICT = peer_authentication()


def shop(*more: Obj, name: str = "http", host: str = PUBLIC, **spec: str) -> list[Obj]:
    target = ingress("shop", path(backend("shop")), host=host)
    return [service("shop", port(name), **({"selector": spec} if spec else {})), pod("shop", labels=spec), target, STRICT, *more]


def hazard(done: Run) -> str:
    return " ".join(item.message for item in done.plan.findings if item.code == "MLB251")


SWITCH = {"blueGreen": {"activeService": "shop", "previewService": "next"}}
ROLLOUT = obj("argoproj.io/v1alpha1", "Rollout", APPS, "web", spec={"strategy": SWITCH})
CANARY = obj("flagger.app/v1beta1", "Canary", APPS, "shop", spec={"targetRef": {"kind": "Deployment", "name": "shop"}})
BLUE_GREEN = [workload("shop", pod_labels={"slot": word}) for word in ("blue", "green")]
BLUE_GREEN[1]["metadata"]["name"] = "shop-green"
SWITCHED: dict[str, tuple[list[Obj], str]] = {
    "a hash in the selector": (shop(app="shop", **{"rollouts-pod-template-hash": "7b"}), "Argo Rollouts"),
    "a Rollout that names it": (shop(ROLLOUT), "Argo's Rollout apps/web"),
    "a Canary": (shop(CANARY), "Flagger's Canary apps/shop"),
    "two colours": (shop(*BLUE_GREEN, app="shop", slot="blue"), "slot: green"),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "said"), SWITCHED.values(), ids=SWITCHED)
def test_a_selector_that_is_switched_gets_no_twin(objects: list[Obj], said: str) -> None:
    found = run(cluster(*objects))
    assert found.strategies == {"shop": "host_entry"} and said in found.route().after.why
    pinned = run(cluster(*objects), "headless_twin")
    assert pinned.strategies == {"shop": "headless_twin"} and said in hazard(pinned)
    # It is no better for being in place.
    assert run(pinned.after).strategies == {"shop": "host_entry"}


@pytest.mark.parametrize("labels", [{"app": "shop", "component": "server"}, {"app": "shop", "version": "v1"}])
def test_two_workloads_beside_each_other_are_no_switch(labels: dict[str, str]) -> None:
    other = workload("shop", pod_labels={**labels, "component": "worker", "version": "v2"})
    done = run(cluster(*shop(other, host="", **labels)))
    assert done.strategies == {"shop": "headless_twin"} and hazard(done) == ""


def test_what_acts_on_a_service_keeps_it_from_twin_and_alias() -> None:
    acting = virtual_service("shop", http=[to("shop", timeout="2s")], where=APPS, name="resilience")
    done = run(cluster(*shop(acting)))
    assert done.strategies == {"shop": "host_entry"}
    assert "VirtualService apps/resilience" in done.route().after.why
    for strategy in ("headless_twin", "host_alias"):
        pinned = run(cluster(*shop(acting)), strategy)
        assert pinned.strategies == {"shop": strategy} and "VirtualService apps/resilience" in hazard(pinned)
        # What is in place and harms nobody stays, and is said.
        again = run(pinned.after)
        assert again.strategies == {"shop": strategy} and again.written == []
    assert hazard(run(cluster(*shop()), "host_alias")) == ""


def test_a_route_of_the_gateway_api_acts_on_a_service_too() -> None:
    parent = {"kind": "Service", "group": "", "name": "shop", "port": 80}
    rules = [{"backendRefs": [{"name": "shop", "port": 80}]}]
    acting = obj("gateway.networking.k8s.io/v1", "HTTPRoute", APPS, "mesh", spec={"parentRefs": [parent], "rules": rules})
    assert "HTTPRoute apps/mesh" in hazard(run(cluster(*shop(acting)), "host_alias"))


def test_what_is_in_place_stays_beside_what_is_new() -> None:
    twin = run(cluster(*shop()), "headless_twin").after
    new = [service("new"), pod("new"), ingress("new", path(backend("new"), "/new"))]
    done = run(twin.overlay(new))
    assert done.strategies["shop"] == "headless_twin" and done.verdicts == {"mutual_tls"}
    assert not [item for item in done.written if item.startswith("delete")]
    assert "not host_entry" in done.route("shop").after.why
    assert run(done.after).written == []


def test_routes_that_are_served_each_in_its_own_way_stay_so() -> None:
    whole = [ingress("bare", path(backend("shop")), host=""), *shop()]
    bare = [annotated(whole[0], strategy="headless_twin"), annotated(whole[3], strategy="host_entry"), *whole[1:3], STRICT]
    first = run(cluster(*bare), pinnable=("headless_twin", "host_entry"))
    assert first.strategies == {"bare": "headless_twin", "shop": "host_entry"}
    done = run(first.after.overlay([whole[0], whole[3]]))
    assert done.strategies == first.strategies and done.written == []


def test_of_two_strategies_in_place_the_one_stays_that_is_there_for_this_route_alone() -> None:
    """Rules for a host are in place for all of its routes, also for one that has a twin."""
    whole = [ingress("more", path(backend("more"), "/more")), shop()[2]]
    ways = ("headless_twin", "host_entry")
    pinned = [annotated(item, strategy=way) for item, way in zip(whole, ways, strict=True)]
    first = run(cluster(service("more", port("http")), pod("more"), *shop(), *pinned), pinnable=ways)
    assert first.strategies == {"more": "headless_twin", "shop": "host_entry"}
    done = run(first.after.overlay(whole))
    assert done.strategies == first.strategies and done.written == []


def test_who_came_later_from_elsewhere_does_not_change_how_a_host_is_served() -> None:
    there = run(cluster(*shop())).after
    target = ingress("late", path(backend("old"), "/x"), where="tenant")
    late = [service("old", where="tenant"), pod("old", where="tenant", sidecar=False), target]
    done = run(there.overlay(late))
    assert done.written == [] and done.strategies == {"late": "none", "shop": "host_entry"}
    assert run(cluster(*shop(*late))).strategies["shop"] == "headless_twin"


# host_entry ---------------------------------------------------------------------------------------------------------------


def beside(app: str = "proxy", **more: str) -> Obj:
    return pod(app, where=EDGE, name=f"{app}-1", labels=more)


def test_the_rule_of_a_host_is_for_the_load_balancers_pods_alone() -> None:
    rule = run(cluster(*shop(beside())), "host_entry").body("DestinationRule")
    assert rule["spec"]["workloadSelector"] == {"matchLabels": {"app": "lb"}}
    assert rule["spec"]["trafficPolicy"]["connectionPool"] == {"http": {"useClientProtocol": True}}


def two_balancers(*more: Obj, **labels: str) -> list[Obj]:
    second = nginx("in", "--controller-class=k8s.io/in", pod_labels={"team": "edge"})
    second["spec"]["selector"]["matchLabels"] = {"app": "in", **labels}
    of_class = obj("networking.k8s.io/v1", "IngressClass", "", "in", spec={"controller": "k8s.io/in"})
    return [*shop(*more), second, of_class, ingress("in", path(backend("shop")), class_name="in")]


def test_where_no_labels_tell_the_load_balancers_from_others_it_is_no_choice() -> None:
    alone = run(cluster(*two_balancers()), "host_entry")
    assert set(alone.strategies.values()) == {"host_entry"} and "workloadSelector" not in alone.body("DestinationRule")["spec"]
    done = run(cluster(*two_balancers(beside())), "host_entry")
    assert set(done.strategies.values()) == {"none"} and "proxy-1" in done.route("shop").after.why
    assert set(run(cluster(*two_balancers(beside()))).strategies.values()) == {"headless_twin"}


def test_an_alias_leads_other_pods_beside_the_load_balancer_past_it() -> None:
    def planned(*more: Obj, strategy: str = "auto") -> Run:
        return run(cluster(*shop(beside(), *more)), strategy)

    past = "not host_alias: its VirtualService also leads what other pods beside the load balancer send"
    assert past in planned().route("shop").after.why
    assert planned(strategy="host_alias").strategies == {"shop": "host_alias"}
    assert "proxy-1" in hazard(planned(strategy="host_alias"))
    assert "not host_alias: its VirtualService" not in run(cluster(*shop())).route("shop").after.why


def earlier(*objects: Obj) -> Run:
    """As an earlier release made it: for the whole namespace, and HTTP/1.1 to the backend."""
    there = run(cluster(*objects), "host_entry").after
    rule = there.get(kinds.DESTINATION_RULE, EDGE, f"meshlb-entry-{PUBLIC}") or {}
    spec = {key: value for key, value in rule["spec"].items() if key != "workloadSelector"}
    spec["trafficPolicy"] = {"tls": spec["trafficPolicy"]["tls"]}
    return run(there.overlay([{**rule, "spec": spec}]))


def fields(done: Run) -> set[str]:
    return {str(step) for item in done.changes for field in item.fields for step in field.path}


def test_what_an_earlier_release_made_changes_only_where_it_harms() -> None:
    assert fields(earlier(*shop())) <= {"metadata", "annotations", "meshlb.istio/applied"}
    assert "connectionPool" in fields(earlier(*shop(name="grpc"))) and "workloadSelector" not in fields(earlier(*shop(name="grpc")))
    assert "workloadSelector" in fields(earlier(*shop(beside()))) and "connectionPool" not in fields(earlier(*shop(beside())))


def test_retries_of_the_load_balancer_are_lost_with_a_host_entry() -> None:
    objects = shop()
    objects[2]["metadata"]["annotations"] = {"nginx.ingress.kubernetes.io/proxy-next-upstream": "error timeout"}
    assert run(cluster(*objects)).strategies == {"shop": "headless_twin"}
    done = run(cluster(*objects), "host_entry")
    (found,) = (item.message for item in done.plan.findings if item.code == "MLB215")
    assert "retries" in found and "503" in found
