# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traefik's routes of Ingresses: which of them it serves, and how each route reaches its Service."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Upstream

from tests.unit.plugins.module_utils.balancers.traefik.cluster import (
    ALL,
    SHOP,
    cluster,
    entry,
    ingress_route,
    middleware,
    noted,
    only,
    reading,
    routes,
)
from tests.unit.plugins.module_utils.balancers.traefik.support import (
    BY_DEFAULT,
    ENTRIES,
    HOST,
    NEW,
    POD,
    PREFIX,
    SERVED,
    TO_SHOP,
    UPSTREAMS,
    VIP,
    classed,
    nginx_routes,
)
from tests.unit.plugins.module_utils.support.cluster import PUBLIC, Obj, backend, ingress, ingress_class, path, port, service


@pytest.mark.parametrize(("args", "item", "served"), SERVED.values(), ids=SERVED)
def test_which_ingresses_it_serves(args: tuple[str, ...], item: Obj, served: bool) -> None:
    classes = [ingress_class("second", "traefik.io/ingress-controller"), ingress_class("alien", "x.example.com/y")]
    assert bool(routes(cluster(*SHOP, *classes, item, args=args))) is served


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


@pytest.mark.parametrize(("args", "item", "expected"), ENTRIES.values(), ids=ENTRIES)
def test_services_of_an_ingress_route(args: tuple[str, ...], item: Obj, expected: Upstream) -> None:
    found = only(cluster(*SHOP, ingress_route("a", (HOST, [item])), args=args))
    assert (found.upstream, found.backend.port, found.host, found.path) == (expected, 80, PUBLIC, "/")


def test_annotations_of_services_mean_nothing_to_its_own_kinds() -> None:
    assert only(cluster(noted("shop", nativelb="true"), ingress_route("a", (HOST, [entry("shop")])))).upstream.address == POD
