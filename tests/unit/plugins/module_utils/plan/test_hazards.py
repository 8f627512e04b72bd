# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What auto does not choose for what it costs others, what it says where that is pinned, and that what is in place stays."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.kube import kinds
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    EDGE,
    PUBLIC,
    Obj,
    annotated,
    backend,
    cluster,
    destination_rule,
    ingress,
    mesh_config,
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


def test_what_is_in_place_stays_beside_what_nothing_serves() -> None:
    whole = [ingress("bare", path(backend("shop")), host=""), shop(host="*.example.com")[2]]
    ways = ("headless_twin", "host_entry")
    pinned = [annotated(item, strategy=way) for item, way in zip(whole, ways, strict=True)]
    hosts = {"api": "api.example.com", "left": ""}
    api = [ingress(name, path(backend("api")), host=host, service_upstream="true") for name, host in hosts.items()]
    first = run(cluster(*shop()[:2], *pinned), pinnable=ways)
    done = run(first.after.overlay([*whole, service("api"), pod("api"), *api]))
    assert done.strategies == {"bare": "headless_twin", "shop": "host_entry", "api": "host_entry", "left": "none"}
    assert not [item for item in done.written if item.startswith("delete")] and run(done.after).written == []


def test_of_several_strategies_the_one_that_does_harm_gives_way() -> None:
    """The rule for the host would cut off pods without a sidecar. That is no reason against the twin of others."""
    old = [service("old"), pod("old", sidecar=False), ingress("old", path(backend("old")), host="shop.example.com")]
    hosts = {"api": "api.example.com", "wild": "*.example.com"}
    routes = [ingress(name, path(backend("shop"), f"/{name}"), host=host) for name, host in hosts.items()]
    done = run(cluster(*shop()[:2], *old, *routes, ingress("bare", path(backend("shop"), "/bare"), host="")))
    assert done.strategies == {"api": "headless_twin", "wild": "headless_twin", "bare": "headless_twin", "old": "none"}
    assert run(done.after).written == []


def test_what_is_left_out_for_the_sake_of_others_is_tried_again_once_they_are_settled() -> None:
    """An alias for the wildcard would lead one of its routes astray; beside twins, one for the other host does not."""
    wide, vip = "*.example.com", {"service_upstream": "true"}
    ways = {"one": ("shop", PUBLIC, "/"), "two": ("more", PUBLIC, "/x"), "three": ("more", wide, "/"), "zero": ("shop", wide, "/")}
    routes = [ingress(key, path(backend(at), text), host=host, **({} if key == "two" else vip)) for key, (at, host, text) in ways.items()]
    old = [ingress(f"old-{number}", path(backend("old"), "/old"), host=host) for number, host in enumerate((PUBLIC, wide))]
    rule = destination_rule("more.apps.svc.cluster.local", trafficPolicy={"connectionPool": {"http": {"maxRetries": 3}}})
    made = [rule, service("shop"), pod("shop"), service("more"), pod("more"), service("old"), pod("old", sidecar=False)]
    done = run(cluster(*made, *routes, *old))
    assert {key: done.strategies[key] for key in ways} == {
        "one": "host_alias", "two": "headless_twin", "three": "headless_twin", "zero": "none",
    }  # fmt: skip
    assert run(done.after).written == []


def test_a_twin_serves_what_another_service_has_of_its_pods() -> None:
    """The other Service has no selector, so there is no twin of its own: it is served all the same, and says so in every run."""
    slices = obj(
        "discovery.k8s.io/v1", "EndpointSlice", APPS, "by-hand-1", labels={"kubernetes.io/service-name": "by-hand"}, addressType="IPv4",
        ports=[{"name": "web", "port": 8080}], endpoints=[{"addresses": ["10.7.7.7"]}],
    )
    routes = [ingress(name, path(backend(name), f"/{name}"), host="") for name in ("shop", "by-hand")]
    made = [service("shop", port("tcp")), service("by-hand", port("web"), selector={}), pod("shop", ip="10.7.7.7", name="shop-0")]
    first = run(cluster(mesh_config("enableAutoMtls: false"), *made, slices, *routes))
    again = run(first.after)
    for done in (first, again):
        assert done.strategies == {"shop": "headless_twin", "by-hand": "none"} and done.verdicts == {"mutual_tls"}
        assert "MLB201" not in done.codes
    assert again.written == []


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


UNSELECTED = "not host_alias: its VirtualService also leads what other pods beside the load balancer send"


def unlabelled(*more: Obj) -> Snapshot:
    """A load balancer whose workload does not say by which labels it knows its pods."""
    found = cluster(*shop(*more))
    (balancer,) = (item for item in found.all(kinds.DEPLOYMENT) if item["metadata"]["name"] == "lb")
    return found.overlay([{**balancer, "spec": {**balancer["spec"], "selector": {}}}])


def test_an_alias_leads_other_pods_beside_the_load_balancer_past_it() -> None:
    assert UNSELECTED in run(unlabelled(beside())).route("shop").after.why
    pinned = run(unlabelled(beside()), "host_alias")
    assert pinned.strategies == {"shop": "host_alias"} and "proxy-1" in hazard(pinned)
    assert UNSELECTED not in run(cluster(*shop())).route("shop").after.why


def test_an_alias_is_for_the_load_balancers_pods_alone() -> None:
    """So requests of other pods beside them go where they went."""
    assert UNSELECTED not in run(cluster(*shop(beside()))).route("shop").after.why
    for objects, labels in ((shop(beside()), [{"app": "lb"}]), (two_balancers(beside()), [{"app": "in"}, {"app": "lb"}])):
        done = run(cluster(*objects), "host_alias")
        assert set(done.strategies.values()) == {"host_alias"} and done.verdicts == {"mutual_tls"} and hazard(done) == ""
        (rule,) = done.body("VirtualService")["spec"]["http"]
        assert [item["sourceLabels"] for item in rule["match"]] == labels
        assert run(done.after, "host_alias").written == []


def test_an_alias_for_all_pods_that_an_earlier_release_made_changes_only_where_there_are_others() -> None:
    there = run(cluster(*shop()), "host_alias").after
    alias = there.get(kinds.VIRTUAL_SERVICE, EDGE, f"meshlb-alias-{PUBLIC}") or {}
    rules = [{"route": rule["route"]} for rule in alias["spec"]["http"]]
    there = there.overlay([{**alias, "spec": {**alias["spec"], "http": rules}}])
    assert "http" not in fields(run(there, "host_alias")) and "http" in fields(run(there.overlay([beside()]), "host_alias"))


def test_an_entry_puts_nobody_elses_rule_in_force_for_other_pods() -> None:
    """A VirtualService for a host that no registry knows holds on port 80 as soon as that is one of HTTP."""
    there = [service("shop", port("web")), *shop()[1:], virtual_service("other.example.com", http=[to("shop.apps.svc.cluster.local")])]
    pinned = run(cluster(*there, beside()), "host_entry")
    assert pinned.strategies == {"shop": "host_entry"} and "makes port 80 one of HTTP" in hazard(pinned)
    refused = "not host_entry: its ServiceEntry makes port 80"
    assert refused in run(cluster(*there, beside())).route("shop").after.why
    for harmless in (cluster(*there), cluster(*there, beside(), service("web", port("http"))), cluster(*there[:-1], beside())):
        assert refused not in run(harmless).route("shop").after.why


def test_pods_that_the_user_calls_harmless_are_no_reason_against_anything() -> None:
    there = [service("shop", port("web")), *shop()[1:], virtual_service("other.example.com", http=[to("shop.apps.svc.cluster.local")])]
    entries = (cluster(*two_balancers(beside())), cluster(*there, beside()))
    cases = {"host_entry": entries, "host_alias": (unlabelled(beside(), pod("lb", where=EDGE)),)}
    for strategy, snapshots in cases.items():
        for snapshot in snapshots:
            done = run(snapshot, strategy, is_harmless=lambda pod: pod["metadata"]["labels"]["app"] in ("proxy", "lb"))
            assert set(done.strategies.values()) == {strategy} and hazard(done) == ""
            other = run(snapshot, strategy, is_harmless=lambda pod: pod["metadata"]["labels"]["app"] == "x")
            assert set(other.strategies.values()) == {"none"} or hazard(other)


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
