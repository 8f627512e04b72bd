# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traefik's own kinds and the Gateway API: which objects it serves, and how each route reaches its Service."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.traefik.profile import PROFILE
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Upstream

from tests.unit.plugins.module_utils.balancers.gateways import gateway, listener, rewrite, route, rule, to_service
from tests.unit.plugins.module_utils.balancers.traefik.cluster import (
    ALL,
    SHOP,
    balancer,
    cluster,
    entry,
    ingress_route,
    middleware,
    only,
    reading,
    routes,
    traefik_service,
)
from tests.unit.plugins.module_utils.balancers.traefik.support import (
    DROPPED,
    GATEWAY_DEFAULT,
    GATEWAY_NOTE,
    HOST,
    NEW,
    POD,
    PREFIX,
    VIP,
    classed,
)
from tests.unit.plugins.module_utils.support.cluster import APPS, NGINX, PUBLIC, Obj, external_name, port, service


@pytest.mark.parametrize(
    ("args", "item", "served"),
    [
        ((), {}, True),
        ((), {"annotations": {"kubernetes.io/ingress.class": "traefik"}}, True),
        ((), {"annotations": {"kubernetes.io/ingress.class": "x"}}, False),
        (("--providers.kubernetescrd.ingressclass=x",), {"annotations": {"kubernetes.io/ingress.class": "x"}}, True),
        (("--providers.kubernetescrd.ingressclass=x",), {"ingressClassName": "x"}, True),
        (("--providers.kubernetescrd.ingressclass=x",), {}, False),
        (("--providers.kubernetescrd.namespaces=x",), {}, False),
        (("--providers.kubernetescrd.labelselector=a=b",), {}, False),
        (("--providers.kubernetescrd=false",), {}, False),
    ],
)
def test_which_ingress_routes_it_serves(args: tuple[str, ...], item: dict[str, Any], served: bool) -> None:
    assert bool(routes(cluster(*SHOP, ingress_route("a", (HOST, [entry("shop")]), **item), args=(*ALL, *args)))) is served


def test_weights_mirrors_and_services_of_services() -> None:
    item = ingress_route("a", (HOST, [entry("split", kind="TraefikService")]))
    split = traefik_service("split", weighted={"services": [entry("shop", weight=3), entry("copy", kind="TraefikService")]})
    copied = traefik_service("copy", mirroring={**entry("next"), "mirrors": [entry("shadow", percent=10)]})
    others = [service("next"), service("shadow")]
    found = routes(cluster(*SHOP, *others, item, split, copied))
    assert [(item.backend.service, item.canary, item.features) for item in found] == [
        ("next", True, ("weights",)), ("shadow", True, ("weights",)), ("shop", False, ("weights",)),
    ]  # fmt: skip
    assert {item.object.kind for item in found} == {"IngressRoute"}


def test_other_groups_of_services() -> None:
    rendezvous = traefik_service("split", highestRandomWeight={"services": [entry("shop"), entry("next")]})
    spare = traefik_service("spare", failover={"service": entry("shop"), "fallback": entry("next")})
    for item in (rendezvous, spare):
        name = item["metadata"]["name"]
        made = ingress_route("a", (HOST, [{"kind": "TraefikService", "name": f"apps-{name}@kubernetescrd"}]))
        assert [found.backend.service for found in routes(cluster(*SHOP, service("next"), item, made))] == ["next", "shop"]


def test_features_of_a_service() -> None:
    item = ingress_route("a", (HOST, [entry("shop", sticky={"cookie": {}}, strategy="p2c")]))
    assert only(cluster(*SHOP, item)).features == ("affinity", "balancing")


@pytest.mark.parametrize(("objects", "code"), DROPPED.values(), ids=DROPPED)
def test_what_it_does_not_serve(objects: list[Obj], code: str) -> None:
    found = reading(cluster(*SHOP, *objects))
    assert (found.routes, [item.code for item in found.findings]) == ((), [code])


def test_its_own_dashboard_is_no_route() -> None:
    assert reading(cluster(ingress_route("a", (HOST, [{"kind": "TraefikService", "name": "api@internal"}])))) == reading(cluster())


def test_other_namespaces_where_they_are_allowed() -> None:
    item = ingress_route("a", (HOST, [entry("far", namespace="far")]))
    args = (*ALL, "--providers.kubernetescrd.allowcrossnamespace=true")
    assert only(cluster(service("far", where="far"), item, args=args)).backend.namespace == "far"


def test_middlewares_and_parents_of_an_ingress_route() -> None:
    item = ingress_route("a", ("PathPrefix(`/x`)", [entry("shop")]), parentRefs=[{"name": "top"}])
    item["spec"]["routes"][0]["middlewares"] = [{"name": "host"}]
    top = ingress_route("top", (HOST, []))
    host = middleware("host", headers={"customRequestHeaders": {"Host": "x.example.com"}}, replacePath={"path": "/"})
    found = only(cluster(*SHOP, item, top, host))
    assert (found.host, found.path, found.upstream.host, found.rewrites_path) == (PUBLIC, "/x", "x.example.com", True)


@pytest.mark.parametrize(
    ("spec", "item", "expected"),
    [
        ({}, entry("shop"), Upstream(POD, "", "tcp")),
        ({}, entry("shop", nativeLB=True), Upstream(VIP, "", "tcp")),
        ({}, entry("shop", tls=True), Upstream(POD, "", "tls")),
        ({"tls": {"passthrough": True}}, entry("shop"), Upstream(POD, "", "tls")),
        ({"tls": {}}, entry("shop"), Upstream(POD, "", "tcp")),
        ({}, entry("shop", nodePortLB=True, nativeLB=True), Upstream("external", "", "tcp")),
    ],
)
def test_tcp_routes(spec: Obj, item: Obj, expected: Upstream) -> None:
    made = ingress_route("a", ("HostSNI(`*`)", [item]), kind="IngressRouteTCP", entryPoints=["db"], **spec)
    found = only(cluster(*SHOP, made))
    assert (found.upstream, found.path, found.path_type, found.host) == (expected, "tcp:db", "Stream", "")


def test_udp_is_said() -> None:
    snapshot = cluster(*SHOP, ingress_route("a", ("x", [entry("shop")]), kind="IngressRouteUDP"))
    assert [item.code for item in PROFILE.instance.notices(snapshot, balancer(snapshot))] == ["MLB205"]


@pytest.mark.parametrize(
    ("args", "notes", "address"),
    [
        (ALL, {}, POD), (ALL, {GATEWAY_NOTE: "true"}, VIP), (ALL, {"traefik.io/service.nativeLB": "true"}, VIP),
        (ALL, {f"{PREFIX}/service.nativelb": "true"}, POD), (GATEWAY_DEFAULT, {}, VIP), (GATEWAY_DEFAULT, {GATEWAY_NOTE: "false"}, POD),
    ],
)  # fmt: skip
def test_gateway_routes(args: tuple[str, ...], notes: dict[str, str], address: str) -> None:
    made = service("shop", annotations=notes)
    found = only(cluster(made, gateway(), route("a", rule(to_service("shop"), filters=[rewrite("x.example.com")])), args=args))
    assert (found.upstream, found.upstream_group) == (Upstream(address, "x.example.com"), "gateway-apps-shop")


def test_gateway_routes_it_was_not_told_of_and_those_it_drops() -> None:
    assert routes(cluster(*SHOP, gateway(), route("a", rule(to_service("shop"))), args=ALL[:2])) == []
    found = reading(cluster(service("shop", ip="None"), gateway(), route("a", rule(to_service("shop"))), args=GATEWAY_DEFAULT))
    assert (found.routes, [item.code for item in found.findings]) == ((), ["MLB220"])


@pytest.mark.parametrize(
    ("made", "scheme"),
    [
        (port("https", 80), "tls"), (port("x", 80, appProtocol="HTTPS"), "tls"), (port("https", 80, appProtocol="http"), "http"),
        (port(), "http"),
    ],
)
def test_the_scheme_of_a_gateway_route(made: Obj, scheme: str) -> None:
    assert only(cluster(service("shop", made), gateway(), route("a", rule(to_service("shop"))))).upstream.scheme == scheme


def test_streams_of_the_experimental_channel() -> None:
    objects = [
        *SHOP, gateway(listener("t", "TCP", 9000), listener("s", "TLS", 9443, tls={"mode": "Passthrough"})),
        route("a", rule(to_service("shop")), kind="TCPRoute"), route("b", rule(to_service("shop")), kind="TLSRoute"),
    ]
    assert [item.object.name for item in routes(cluster(*objects))] == []
    assert [item.object.name for item in routes(cluster(*objects, image=NEW))] == ["b"]
    told = (*ALL, "--providers.kubernetesgateway.experimentalchannel=true")
    assert {item.object.name for item in routes(cluster(*objects, args=told))} == {"a", "b"}


def test_external_names_are_outside() -> None:
    assert only(cluster(external_name("shop", "x.example.com"), classed())).upstream.address == "external"


def test_reading_only_some_objects_gives_the_same_routes() -> None:
    objects = [
        *SHOP, classed(), ingress_route("b", (HOST, [entry("shop")])), gateway(), route("c", rule(to_service("shop"))),
        ingress_route("d", ("HostSNI(`*`)", [entry("shop")]), kind="IngressRouteTCP"),
    ]
    snapshot = cluster(*objects)
    everything = routes(snapshot)
    assert [item.object.namespace for item in everything] == [APPS] * 4
    for item in everything:
        assert list(reading(snapshot, frozenset([item.object])).routes) == [item]


def test_the_prefix_is_not_anothers() -> None:
    made = service("shop", annotations={f"{NGINX}/service.nativelb": "true"})
    assert only(cluster(made, classed())).upstream.address == POD
