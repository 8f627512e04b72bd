# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traefik's routes: which objects it serves, and how each kind of route reaches its Service."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.model import Upstream
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.traefik import Traefik

from tests.unit.plugins.module_utils.cluster import (
    APPS,
    NGINX,
    PUBLIC,
    Obj,
    backend,
    external_name,
    ingress,
    ingress_class,
    path,
    port,
    service,
)
from tests.unit.plugins.module_utils.vendors.gateways import gateway, listener, rewrite, route, rule, to_service
from tests.unit.plugins.module_utils.vendors.traefik_cluster import (
    ALL,
    NGINX_TOO,
    SHOP,
    balancer,
    cluster,
    entry,
    ingress_route,
    middleware,
    noted,
    only,
    reading,
    routes,
    traefik_service,
)

TO_SHOP = path(backend("shop"))
POD, VIP = "pod_ips", "cluster_ip"
PREFIX = "traefik.ingress.kubernetes.io"
HOST = f"Host(`{PUBLIC}`)"


def classed(name: str | None = "traefik", *paths: Obj, annotation: str | None = None, **more: Any) -> Obj:
    made = ingress("a", *(paths or (TO_SHOP,)), class_name=name, **more)
    if annotation is not None:
        made["metadata"].setdefault("annotations", {})["kubernetes.io/ingress.class"] = annotation
    return made


OWN_CLASS = (*ALL, "--providers.kubernetesingress.ingressclass=second")
SERVED: dict[str, tuple[tuple[str, ...], Obj, bool]] = {
    "by its class": (ALL, classed(), True),
    "by another class of its controller": (ALL, classed("second"), True),
    "by the class of another": (ALL, classed("alien"), False),
    "without a class": (ALL, classed(None), True),
    "by annotation": (ALL, classed(None, annotation="traefik"), True),
    "by another annotation": (ALL, classed(None, annotation="alien"), False),
    "told one class": (OWN_CLASS, classed("second"), True),
    "told another class": (OWN_CLASS, classed(), False),
    "told a class, and none is there": (OWN_CLASS, classed(None), False),
    "told a class, by annotation": (OWN_CLASS, classed(None, annotation="second"), True),
    "told a class, by another annotation": (OWN_CLASS, classed(None, annotation="traefik"), False),
    "not told of Ingresses": (("--providers.kubernetescrd",), classed(), False),
    "in its namespaces": ((*ALL, "--providers.kubernetesingress.namespaces=x,apps"), classed(), True),
    "in other namespaces": ((*ALL, "--providers.kubernetesingress.namespaces=x"), classed(), False),
    "by label": ((*ALL, "--providers.kubernetesingress.labelselector=a=b"), classed(), False),
}  # fmt: skip


@pytest.mark.parametrize(("args", "item", "served"), SERVED.values(), ids=SERVED)
def test_which_ingresses_it_serves(args: tuple[str, ...], item: Obj, served: bool) -> None:
    classes = [ingress_class("second", "traefik.io/ingress-controller"), ingress_class("alien", "x.example.com/y")]
    assert bool(routes(cluster(*SHOP, *classes, item, args=args))) is served


BY_DEFAULT = (*ALL, "--providers.kubernetesingress.nativelbbydefault=true")
UPSTREAMS: dict[str, tuple[tuple[str, ...], dict[str, str], Upstream]] = {
    "nothing": (ALL, {}, Upstream(POD, "")),
    "native": (ALL, {"nativelb": "true"}, Upstream(VIP, "")),
    "in other letters": (ALL, {"nativeLB": "True"}, Upstream(VIP, "")),
    "not native": (ALL, {"nativelb": "false"}, Upstream(POD, "")),
    "by default": (BY_DEFAULT, {}, Upstream(VIP, "")),
    "against the default": (BY_DEFAULT, {"nativelb": "false"}, Upstream(POD, "")),
    "another provider's default": ((*ALL, "--providers.kubernetescrd.nativelbbydefault"), {}, Upstream(POD, "")),
    "its address as Host": (ALL, {"nativelb": "true", "passhostheader": "false"}, Upstream(VIP, "10.96.9.9")),
    "a pod's address as Host": (ALL, {"passhostheader": "false"}, Upstream(POD, "<pod address>")),
    "the client's Host, said": (ALL, {"passhostheader": "true"}, Upstream(POD, "")),
    "TLS": (ALL, {"serversscheme": "https"}, Upstream(POD, "", "tls")),
    "HTTP/2": (ALL, {"serversscheme": "h2c"}, Upstream(POD, "")),
    "to nodes": (ALL, {"nodeportlb": "true"}, Upstream("external", "")),
}  # fmt: skip


@pytest.mark.parametrize(("args", "options", "expected"), UPSTREAMS.values(), ids=UPSTREAMS)
def test_annotations_of_a_service(args: tuple[str, ...], options: dict[str, str], expected: Upstream) -> None:
    made = noted("shop", ip="10.96.9.9", **options)
    made["spec"]["type"] = "NodePort"
    assert only(cluster(made, classed(), args=args)).upstream == expected


@pytest.mark.parametrize(
    ("made", "scheme"),
    [(port("https", 8443), "tls"), (port("https-web", 80), "tls"), (port("web", 443), "tls"), (port("http", 80), "http")],
)
def test_the_scheme_that_it_guesses(made: Obj, scheme: str) -> None:
    assert only(cluster(service("shop", made), classed("traefik", path(backend("shop", made["port"]))))).upstream.scheme == scheme


def test_one_services_annotations_hold_for_all_ingresses_and_ports() -> None:
    made = noted("shop", ports=[port(), port("admin", 81)])
    both = classed("traefik", TO_SHOP, path(backend("shop", 81), "/admin"))
    found = routes(cluster(made, both, ingress("b", TO_SHOP, class_name="traefik")))
    assert {item.upstream_group for item in found} == {"service-apps-shop"}


def test_sticky_sessions_are_seen() -> None:
    assert only(cluster(noted("shop", sticky_cookie="true"), classed())).features == ("affinity",)


def test_a_headless_service_cannot_be_told_and_is_dropped_when_it_was() -> None:
    plain = only(cluster(noted("shop", ip="None"), classed()))
    assert (plain.upstream.address, plain.settable) == (POD, False)
    for made, args in ((noted("shop", ip="None"), BY_DEFAULT), (noted("shop", ip="None", nativelb="true"), ALL)):
        found = reading(cluster(made, classed(), args=args))
        assert (found.routes, [item.code for item in found.findings]) == ((), ["MLB220"])


def test_old_versions_have_no_switch() -> None:
    found = only(cluster(*SHOP, classed(), image="traefik:v2.9.6"))
    assert found.why_not_settable == "Traefik 2.9.6 cannot send to a Service's address; 2.10 can"
    assert only(cluster(*SHOP, classed(), image="traefik:v2.10.0")).settable


def test_default_backends() -> None:
    alone = ingress("a", default=backend("shop"), class_name="traefik")
    assert [(item.host, item.path) for item in routes(cluster(*SHOP, alone))] == [("", "/")]
    beside = ingress("a", path(backend("shop"), "/x"), default=backend("shop"), class_name="traefik")
    assert [(item.host, item.path) for item in routes(cluster(*SHOP, beside))] == [(PUBLIC, "/x")]


@pytest.mark.parametrize(
    ("kind", "matcher", "args", "expected"),
    [
        ("Prefix", "", ALL, ("ImplementationSpecific", False)),
        ("Prefix", "", (*ALL, "--providers.kubernetesingress.strictprefixmatching"), ("Prefix", False)),
        ("Exact", "PathRegexp", ALL, ("Exact", False)),
        ("ImplementationSpecific", "", ALL, ("ImplementationSpecific", False)),
        ("ImplementationSpecific", "Path", ALL, ("Exact", False)),
        ("ImplementationSpecific", "PathRegexp", ALL, ("ImplementationSpecific", True)),
    ],
)  # fmt: skip
def test_paths_of_ingresses(kind: str, matcher: str, args: tuple[str, ...], expected: tuple[str, bool]) -> None:
    made = classed("traefik", path(backend("shop"), "/x", kind))
    if matcher:
        made["metadata"].setdefault("annotations", {})[f"{PREFIX}/router.pathmatcher"] = matcher
    found = only(cluster(*SHOP, made, args=args))
    assert (found.path_type, found.rewrites_path) == expected


def test_middlewares_of_an_ingress() -> None:
    made = classed()
    made["metadata"]["annotations"] = {f"{PREFIX}/router.middlewares": "apps-both@kubernetescrd, apps-x@file"}
    chain = middleware("both", chain={"middlewares": [{"name": "host"}, {"name": "strip"}]})
    host = middleware("host", headers={"customRequestHeaders": {"host": "x.example.com"}})
    others = [host, middleware("strip", stripPrefix={"prefixes": ["/x"]})]
    found = only(cluster(*SHOP, made, chain, *others))
    assert (found.upstream.host, found.rewrites_path) == ("x.example.com", True)


def test_resources_are_said() -> None:
    made = classed("traefik", path({"resource": {"kind": "Bucket", "name": "b"}}, "/b"))
    assert [item.code for item in reading(cluster(made)).findings] == ["MLB208"]


# In ingress-nginx's place ------------------------------------------------------------------------------------------------

NEW = "traefik:v3.7.9"


def nginx_routes(*objects: Obj, image: str = NEW, args: tuple[str, ...] = NGINX_TOO) -> Any:
    return routes(cluster(*SHOP, ingress_class("nginx"), *objects, image=image, args=args))


@pytest.mark.parametrize(
    ("notes", "image", "expected"),
    [
        ({}, NEW, Upstream(POD, "")),
        ({"service_upstream": "true"}, NEW, Upstream(VIP, "")),
        ({"service_upstream": "yes"}, NEW, Upstream(POD, "")),
        ({"upstream_vhost": "x.example.com"}, NEW, Upstream(POD, "x.example.com")),
        ({"upstream_vhost": "$service_name.$namespace"}, NEW, Upstream(POD, "shop.apps")),
        ({"upstream_vhost": "$host"}, NEW, Upstream(POD, "")),
        ({"upstream_vhost": "x.example.com"}, "traefik:v3.6.12", Upstream(POD, "")),
        ({"backend_protocol": "HTTPS"}, NEW, Upstream(POD, "", "tls")),
        ({"ssl_passthrough": "true", "service_upstream": "true"}, NEW, Upstream(VIP, "", "tls")),
    ],
)  # fmt: skip
def test_ingress_nginx_annotations(notes: dict[str, str], image: str, expected: Upstream) -> None:
    (found,) = nginx_routes(ingress("a", TO_SHOP, **notes), image=image)
    assert found.upstream == expected


def test_each_ingress_has_its_own_upstream_there() -> None:
    found = nginx_routes(ingress("a", TO_SHOP, service_upstream="true", affinity="cookie"), ingress("b", TO_SHOP, host="b.example.com"))
    assert {item.object.name: (item.upstream.address, item.features) for item in found} == {"a": (VIP, ("affinity",)), "b": (POD, ())}


def test_canaries_follow_their_main_ingress() -> None:
    main = ingress("main", TO_SHOP, service_upstream="true", upstream_vhost="$service_name")
    canary = ingress("next", path(backend("next")), canary="true")
    found = {item.object.name: item for item in nginx_routes(main, canary, service("next"))}
    assert found["next"].upstream == found["main"].upstream == Upstream(VIP, "shop")
    assert (found["next"].canary, found["main"].canary) == (True, False)
    assert found["next"].upstream_group == found["main"].upstream_group
    assert found["main"].features == ("canary",)
    before = {item.object.name: item for item in nginx_routes(main, canary, service("next"), image="traefik:v3.6.12")}
    assert (before["next"].canary, before["next"].upstream) == (False, Upstream(POD, ""))


def test_a_canary_without_a_main_ingress_is_nothing() -> None:
    assert nginx_routes(ingress("next", TO_SHOP, canary="true")) == []


def test_default_backends_there() -> None:
    beside = ingress("a", path(backend("shop"), "/x"), default=backend("shop"))
    assert [(item.host, item.path) for item in nginx_routes(beside)] == [(PUBLIC, "/"), (PUBLIC, "/x")]


@pytest.mark.parametrize(
    ("args", "item", "served"),
    [
        ((), classed("nginx"), True),
        ((), classed(None, annotation="nginx"), True),
        ((), classed(None, annotation="alien"), False),
        ((), classed(None), False),
        (("--providers.kubernetesingressnginx.watchingresswithoutclass",), classed(None), True),
        (("--providers.kubernetesingressnginx.watchnamespace=x",), classed("nginx"), False),
        (("--providers.kubernetesingressnginx.watchnamespaceselector=a=b",), classed("nginx"), False),
        (("--providers.kubernetesingressnginx.watchnamespaceselector=kubernetes.io/metadata.name=apps",), classed("nginx"), True),
    ],
)
def test_which_ingresses_it_serves_there(args: tuple[str, ...], item: Obj, served: bool) -> None:
    assert bool(nginx_routes(item, args=("--providers.kubernetesingressnginx=true", *args))) is served


# Its own kinds -----------------------------------------------------------------------------------------------------------

CRD_DEFAULT = (*ALL, "--providers.kubernetescrd.nativelbbydefault=true")
ENTRIES: dict[str, tuple[tuple[str, ...], Obj, Upstream]] = {
    "nothing": (ALL, entry("shop"), Upstream(POD, "")),
    "native": (ALL, entry("shop", nativeLB=True), Upstream(VIP, "")),
    "by default": (CRD_DEFAULT, entry("shop"), Upstream(VIP, "")),
    "against the default": (CRD_DEFAULT, entry("shop", nativeLB=False), Upstream(POD, "")),
    "the other provider's default": (BY_DEFAULT, entry("shop"), Upstream(POD, "")),
    "its address as Host": (ALL, entry("shop", nativeLB=True, passHostHeader=False), Upstream(VIP, "10.96.9.1")),
    "TLS": (ALL, entry("shop", scheme="https"), Upstream(POD, "", "tls")),
    "a port by name": (ALL, entry("shop", "http"), Upstream(POD, "")),
    "a number as text": (ALL, entry("shop", "80"), Upstream(POD, "")),
    "to nodes": (ALL, entry("shop", nodePortLB=True), Upstream("external", "")),
}  # fmt: skip


@pytest.mark.parametrize(("args", "item", "expected"), ENTRIES.values(), ids=ENTRIES)
def test_services_of_an_ingress_route(args: tuple[str, ...], item: Obj, expected: Upstream) -> None:
    found = only(cluster(*SHOP, ingress_route("a", (HOST, [item])), args=args))
    assert (found.upstream, found.backend.port, found.host, found.path) == (expected, 80, PUBLIC, "/")


def test_annotations_of_services_mean_nothing_to_its_own_kinds() -> None:
    assert only(cluster(noted("shop", nativelb="true"), ingress_route("a", (HOST, [entry("shop")])))).upstream.address == POD


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


DROPPED: dict[str, tuple[list[Obj], str]] = {
    "a service of services that is not there": ([ingress_route("a", (HOST, [entry("x", kind="TraefikService")]))], "MLB220"),
    "another provider's service": ([ingress_route("a", (HOST, [entry("x@file", kind="TraefikService")]))], "MLB208"),
    "another namespace": ([ingress_route("a", (HOST, [entry("far", namespace="far")])), service("far", where="far")], "MLB220"),
    "a rule that cannot be read": ([ingress_route("a", ("Host(", [entry("shop")]))], "MLB220"),
    "no address": ([service("none", ip="None"), ingress_route("a", (HOST, [entry("none", nativeLB=True)]))], "MLB220"),
}


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
    assert [item.code for item in Traefik().notices(snapshot, balancer(snapshot))] == ["MLB205"]


# Gateway API -------------------------------------------------------------------------------------------------------------

GATEWAY_NOTE = "traefik.io/service.nativelb"
GATEWAY_DEFAULT = (*ALL, "--providers.kubernetesgateway.nativelbbydefault=true")


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
        assert list(Traefik().routes(snapshot, balancer(snapshot), frozenset([item.object])).routes) == [item]


def test_the_prefix_is_not_anothers() -> None:
    made = service("shop", annotations={f"{NGINX}/service.nativelb": "true"})
    assert only(cluster(made, classed())).upstream.address == POD
