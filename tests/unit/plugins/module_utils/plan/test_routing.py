# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which strategy is chosen, for which routes together, and what is said about it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.plan.strategies.table import NAMES

from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    EDGE,
    PUBLIC,
    Obj,
    annotated,
    backend,
    cluster,
    config_map,
    destination_rule,
    external_name,
    ingress,
    ingress_class,
    namespace,
    nginx,
    path,
    peer_authentication,
    pod,
    port,
    service,
    sidecar,
    to,
    virtual_service,
)
from tests.unit.plugins.module_utils.support.planning import Run, run

FQDN = "shop.apps.svc.cluster.local"


def shop(name: str = "http", *more: Obj, **noted: str) -> list[Obj]:
    return [service("shop", port(name)), pod("shop"), ingress("shop", path(backend("shop")), **noted), *more]


def planned(*objects: Obj, strategy: str = "auto", **options: Any) -> Run:
    return run(cluster(*objects, peer_authentication()), strategy, **options)


AUTO: dict[str, tuple[list[Obj], str, str]] = {
    # name: objects, strategy, what is said against another one
    "http: what leaves the backend alone": (shop(), "host_entry", "not headless_twin: it touches the backend's side"),
    "auto: one annotation": (shop("web"), "service_vip", "not headless_twin: it touches the backend's side"),
    "affinity in use avoids the Service's address": (
        shop("web", affinity="cookie"), "host_entry", "not service_vip: it gives up more of what is in use here"),
    "a hash in use": (shop("web", upstream_hash_by="$uri"), "host_entry", "not service_vip: it gives up more"),
    "retries in use": (shop("web", proxy_next_upstream="error"), "headless_twin", "not service_vip: it gives up more"),
    "a DestinationRule in use": (
        shop("http", destination_rule("shop", trafficPolicy={"outlierDetection": {}})), "host_alias",
        "not headless_twin: it gives up more of what is in use here"),
    "a DestinationRule with subsets": (
        shop("http", destination_rule("shop", subsets=[{"name": "v1"}])), "host_alias", "not host_entry: it gives up more"),
    "a DestinationRule about TLS alone": (shop("http", destination_rule("shop", "ISTIO_MUTUAL")), "host_entry", "not host_alias: "),
    "a VirtualService in use": (
        shop("http", virtual_service("shop", http=[to("shop", retries={"attempts": 3})], where=APPS)), "host_entry",
        "not host_alias: its VirtualService goes before VirtualService apps/alias"),
    "affinity and a DestinationRule: one each, what leaves the backend alone": (
        shop("http", destination_rule("shop", trafficPolicy={"outlierDetection": {}}), affinity="cookie"), "host_entry",
        "not host_alias: "),
    "a Host of the user's own, Service routing on": (
        shop(service_upstream="true", upstream_vhost="x.example.com"), "none", "not host_rewrite: it changes the Host"),
    "catch-all": (
        [service("shop"), pod("shop"), ingress("shop", path(backend("shop")), host="")], "headless_twin",
        "not host_entry: a route without"),
    "Service routing is on already": (shop(service_upstream="true"), "host_entry", "not headless_twin: the load balancer dials"),
    "TLS to pods": (
        [service("shop", port("https", 443, 8443)), pod("shop"), ingress("shop", path(backend("shop", 443)), backend_protocol="HTTPS")],
        "service_vip", "not host_entry: only plain HTTP"),
    "mixed pods": (shop("web", pod("shop", sidecar=False, name="old")), "none", "not headless_twin: pod apps/old has no sidecar"),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "strategy", "said"), AUTO.values(), ids=AUTO)
def test_auto(objects: list[Obj], strategy: str, said: str) -> None:
    done = planned(*objects)
    found = done.route("shop")
    assert found.strategy == strategy
    if strategy != "none":
        assert found.after.verdict == "mutual_tls" and said in found.after.why and f"{strategy}: " in found.after.why
    else:
        assert done.written == [] and "MLB201" in done.codes


def test_what_is_lost_is_said() -> None:
    done = planned(*shop("web", affinity="cookie"), strategy="service_vip")
    (found,) = [item for item in done.plan.findings if item.code == "MLB215"]
    assert "service_vip gives up affinity" in found.message
    assert "MLB215" not in planned(*shop("web")).codes


def test_the_host_may_be_given_up() -> None:
    objects = shop(service_upstream="true", more="x")
    taken = virtual_service(PUBLIC, http=[{"redirect": {"uri": "/"}}], gateways=["mesh"])
    assert planned(*objects, taken).strategies == {"shop": "none"}
    assert planned(*objects, taken, preserve_host=False).strategies == {"shop": "host_rewrite"}


PINS: dict[str, tuple[list[Obj], str, str]] = {
    # name: objects, the run's strategy, what is chosen
    "the run": (shop("web"), "host_entry", "host_entry"),
    "the namespace over the run": ([annotated(namespace(APPS), strategy="headless_twin"), *shop("web")], "host_entry", "headless_twin"),
    "the route over the namespace": (
        [annotated(namespace(APPS), strategy="headless_twin"), *shop("web")[:2],
         annotated(ingress("shop", path(backend("shop"))), strategy="host_alias")], "host_entry", "host_alias"),
    "auto on the route": (
        [*shop("web")[:2], annotated(ingress("shop", path(backend("shop"))), strategy="auto")], "host_entry", "service_vip"),
    "a pin may rewrite the Host": (shop(), "host_rewrite", "host_rewrite"),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "strategy", "chosen"), PINS.values(), ids=PINS)
def test_pins_and_their_precedence(objects: list[Obj], strategy: str, chosen: str) -> None:
    assert planned(*objects, strategy=strategy, pinnable=NAMES).strategies == {"shop": chosen}


def test_an_unknown_word_is_said_with_those_that_are_known() -> None:
    done = planned(*shop()[:2], annotated(ingress("shop", path(backend("shop"))), strategy="magic"))
    (found,) = [item for item in done.plan.findings if item.code == "MLB217"]
    assert "'magic' is no strategy" in found.message and "auto, service_vip, host_entry, headless_twin" in found.message
    assert done.written == [] and done.strategies == {"shop": "none"}


def test_a_pin_that_does_not_work_says_why() -> None:
    done = planned(*shop(), strategy="service_vip")
    (found,) = [item for item in done.plan.findings if item.code == "MLB202"]
    assert "not service_vip: Host shop.example.com matches nothing" in found.message


def test_different_pins_of_one_upstream_each_get_their_own() -> None:
    one = annotated(ingress("one", path(backend("shop")), host="one.example.com"), strategy="host_entry")
    two = annotated(ingress("two", path(backend("shop")), host="two.example.com"), strategy="host_alias")
    done = planned(*shop()[:2], one, two, pinnable=NAMES)
    assert done.strategies == {"one": "host_entry", "two": "host_alias"} and done.verdicts == {"mutual_tls"}


def test_what_is_ignored_is_left_alone_and_planned_around() -> None:
    left = annotated(ingress("left", path(backend("shop")), host="left.example.com"), ignore="true")
    done = planned(*shop("web"), left, strategy="service_vip")
    assert done.written == ["patch Ingress apps/shop"]
    # Of one age, the name that sorts last decides about the shared upstream: the patched one.
    assert done.strategies == {"left": "none", "shop": "service_vip"} and "MLB213" in done.codes
    decider = annotated(ingress("z", path(backend("shop")), host="z.example.com"), ignore="true")
    refused = planned(*shop("web"), decider, strategy="service_vip")
    assert refused.written == [] and "MLB202" in refused.codes


def test_what_is_not_selected_is_neither_shown_nor_written() -> None:
    other = ingress("other", path(backend("cart")), host="cart.example.com", where="other")
    objects = [*shop(), service("cart", where="other"), pod("cart", where="other"), other]
    done = planned(*objects, selected=lambda route: route.object.namespace == APPS)
    assert done.strategies == {"shop": "host_entry"} and all("other/" not in item for item in done.written)


def test_routes_of_one_upstream_are_switched_together() -> None:
    mates = [ingress(name, path(backend("shop")), host=f"{name}.example.com") for name in "ab"]
    done = planned(*shop("web"), *mates, strategy="service_vip")
    assert done.written == [f"patch Ingress apps/{name}" for name in ("a", "b", "shop")]
    assert set(done.strategies.values()) == {"service_vip"} and done.verdicts == {"mutual_tls"}


def test_a_mate_that_says_no_keeps_the_group_from_service_routing() -> None:
    mate = ingress("mate", path(backend("shop")), host="mate.example.com", service_upstream="false")
    done = planned(*shop("web"), mate, strategy="service_vip")
    assert done.written == [] and done.strategies == {"mate": "none", "shop": "none"}


def test_the_global_key_needs_no_annotation_except_where_one_says_no() -> None:
    everywhere = config_map("lb", service_upstream="true")
    assert planned(*shop("web"), everywhere).written == []
    assert planned(*shop("web"), everywhere).verdicts == {"mutual_tls"}
    assert planned(*shop("web", service_upstream="false"), everywhere).strategies == {"shop": "host_entry"}


def test_a_canary_keeps_its_share() -> None:
    other = [service("next", port("web")), pod("next"), ingress("next", path(backend("next")), canary="true")]
    done = planned(*shop("web"), *other)
    assert done.verdicts == {"mutual_tls"} and set(done.strategies.values()) == {"service_vip"}
    other[0] = service("next")
    assert set(planned(*shop(), *other).strategies.values()) <= {"headless_twin", "host_entry"}


def test_a_host_of_two_services_whose_alias_would_mislead() -> None:
    objects = [*shop(), service("cart"), pod("cart"), ingress("cart", path(backend("cart"), "/cart"))]
    for strategy in ("host_entry", "headless_twin", "host_alias", "host_rewrite"):
        done = planned(*objects, strategy=strategy)
        assert set(done.strategies.values()) == {strategy} and not any(item.after.misrouted_to for item in done.plan.routes)


def test_a_route_that_is_misrouted_is_put_right() -> None:
    objects = [*shop(service_upstream="true", upstream_vhost="cart.apps"), service("cart"), pod("cart")]
    done = planned(*objects)
    assert "MLB204" in done.codes and done.route("shop").before.misrouted_to == "apps/cart"


FINDINGS: dict[str, tuple[list[Obj], str, str]] = {
    "no Service": ([ingress("shop", path(backend("shop")))], "MLB206", "Service apps/shop does not exist"),
    "no port": ([service("shop"), ingress("shop", path(backend("shop", "web")))], "MLB206", "has no port web"),
    "an ExternalName": ([external_name("shop", "x.example.com"), ingress("shop", path(backend("shop")))], "MLB208", "ExternalName"),
    "no pods": (shop()[::2], "MLB211", "no pod is known"),
    "pods without a sidecar": (
        [*shop()[::2], *(pod("shop", sidecar=False, name=f"old-{number}") for number in range(5))], "MLB207",
        "no sidecar in 5 of 5 pods (old-0, old-1, old-2 and 2 more)"),
    "a hidden Service": (shop("web", sidecar("./*")), "MLB212", f"namespace {EDGE} is not told"),
    "a DestinationRule about TLS": (shop("web", destination_rule("shop", "SIMPLE")), "MLB214", "its TLS mode is SIMPLE"),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "code", "said"), FINDINGS.values(), ids=FINDINGS)
def test_what_is_said_about_a_route(objects: list[Obj], code: str, said: str) -> None:
    found = [item.message for item in planned(*objects).plan.findings if item.code == code]
    assert len(found) == 1 and said in found[0] and f"{PUBLIC}/ -> apps/shop:" in found[0]


NEXT = [service("cart"), pod("cart")]
CAUSES: dict[str, tuple[list[Obj], str, str, dict[str, Any]]] = {
    "no port": ([service("shop"), ingress("shop", path(backend("shop", "web")))], "MLB206", "Service apps/shop", {"port_name": "web"}),
    "an ExternalName": (
        [external_name("shop", "x.example.com"), ingress("shop", path(backend("shop")))], "MLB208", "Service apps/shop", {}),
    "another Service": ([*shop(service_upstream="true", upstream_vhost="cart.apps"), *NEXT], "MLB204", "Service apps/cart", {}),
    "a DestinationRule": (shop("web", destination_rule("shop", "SIMPLE")), "MLB214", "DestinationRule apps/rule", {"mode": "SIMPLE"}),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "code", "cause", "more"), CAUSES.values(), ids=CAUSES)
def test_the_object_that_is_the_reason_is_named(objects: list[Obj], code: str, cause: str, more: dict[str, Any]) -> None:
    done = planned(*objects)
    (found,) = (item for item in done.plan.findings if item.code == code)
    route = done.route("shop").route.to_result()
    assert (str(found.object), str(found.cause)) == ("Ingress apps/shop", cause)
    assert found.details.to_result() == {**{key: route[key] for key in ("host", "path", "backend")}, **more}


def edge(**more: Any) -> list[Obj]:
    return [namespace(EDGE), nginx("lb", **more), ingress_class()]


NO_CAPTURE = {"traffic.sidecar.istio.io/includeInboundPorts": ""}
INSTANCES: dict[str, tuple[list[Obj], str, str]] = {
    "no sidecar yet": (edge(), "MLB302", "has no sidecar yet"),
    "on the host's network": (edge(hostNetwork=True), "MLB301", "hostNetwork"),
    "inbound is captured": ([*edge(), pod("lb", where=EDGE)], "MLB303", "captures all"),
    "outbound is not": (
        [*edge(), pod("lb", where=EDGE, annotations={**NO_CAPTURE, "traffic.sidecar.istio.io/excludeOutboundIPRanges": "10.0.0.0/8"})],
        "MLB304", "excludeOutboundIPRanges"),
    "some ports of outbound are not": (
        [*edge(), pod("lb", where=EDGE, annotations={**NO_CAPTURE, "traffic.sidecar.istio.io/excludeOutboundPorts": "8080"})],
        "MLB304", "excludeOutboundPorts"),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "code", "said"), INSTANCES.values(), ids=INSTANCES)
def test_what_is_said_about_a_load_balancer(objects: list[Obj], code: str, said: str) -> None:
    found = [item.message for item in run(cluster(*objects, injected=False)).plan.findings if item.code.startswith("MLB30")]
    assert len(found) == 1 and said in found[0]
    assert [item.code for item in run(cluster(*objects, injected=False)).plan.findings if item.code.startswith("MLB30")] == [code]


def test_a_load_balancer_that_cannot_have_a_sidecar_is_not_planned_for() -> None:
    done = run(cluster(*edge(hostNetwork=True), *shop("web"), injected=False))
    assert done.written == [] and done.strategies == {"shop": "none"} and done.verdicts == {"plaintext"}


def test_two_load_balancers_share_a_twin_and_not_a_host_entry() -> None:
    second = [
        namespace("inner", istio_injection="enabled"), nginx("in", "--controller-class=k8s.io/in", where="inner"),
        ingress_class("in", "k8s.io/in"), ingress("in", path(backend("shop")), class_name="in"),
    ]  # fmt: skip
    twin = planned(*shop(), *second, strategy="headless_twin")
    assert twin.written == ["create DestinationRule apps/shop0meshlb", "create Service apps/shop0meshlb"]
    assert twin.body("Service")["metadata"]["annotations"]["networking.istio.io/exportTo"] == "edge,inner"
    entries = planned(*shop(), *second, strategy="host_entry")
    assert [item for item in entries.written if "ServiceEntry" in item] == [
        f"create ServiceEntry {where}/meshlb-entry-{PUBLIC}" for where in ("edge", "inner")
    ]


def test_a_wildcard_is_planned_with_the_hosts_below_it() -> None:
    legacy = [service("old"), pod("old", sidecar=False), ingress("old", path(backend("old")), host="old.example.com")]
    wide = [service("shop"), pod("shop"), ingress("shop", path(backend("shop")), host="*.example.com")]
    done = run(cluster(*wide, *legacy), "host_entry")
    assert done.written == [] and "would break old.example.com/" in done.route("shop").after.why


def test_a_new_listener_lets_the_tls_of_another_route_through() -> None:
    speaks_tls = ingress("safe", path(backend("safe", 443)), host="s.example.com", backend_protocol="HTTPS", service_upstream="false")
    done = run(cluster(*shop(), service("safe", port("https", 443, 8080)), pod("safe"), speaks_tls), "host_entry")
    assert done.route("shop").strategy == "host_entry" and done.route("safe").after.verdict == "plaintext"
