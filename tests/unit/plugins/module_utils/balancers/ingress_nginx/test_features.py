# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Canaries, what is in use on a route, backends, and what no annotation governs."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.ingress_nginx.routes import read_ingress_routes
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Route
from ansible_collections.meshlb.istio.plugins.module_utils.kube.objects import ref_of

from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    PUBLIC,
    Obj,
    annotated,
    backend,
    cluster,
    config_map,
    external_name,
    ingress,
    load_balancer,
    namespace,
    obj,
    path,
    pod,
    port,
    routes,
    service,
)
from tests.unit.plugins.module_utils.support.known import read_routes

SHOP = [service("shop"), pod("shop")]
TO_SHOP = path(backend("shop"))
OLD, NEW = "2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z"
POD = "pod_ips"
ON, OFF = {"service_upstream": "true"}, {"service_upstream": "false"}


def one(*objects: Obj, args: tuple[str, ...] = ()) -> Route:
    (found,) = routes(cluster(*objects, args=args))
    return found


def codes(*objects: Obj, args: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """Findings of the reading: code and name of the object."""
    snapshot = cluster(*objects, args=args)
    return [(item.code, item.object.name if item.object else "") for item in read_routes(snapshot, [load_balancer(snapshot)])[1]]


MAIN = ingress("main", TO_SHOP)
CANARY_SERVICE = [service("next"), pod("next")]


def canary(**more: str) -> Obj:
    return ingress("next", path(backend("next")), canary="true", canary_weight="10", **more)


def test_a_canary_is_a_feature_of_both_routes() -> None:
    found = {item.object.name: item for item in routes(cluster(*SHOP, *CANARY_SERVICE, MAIN, canary()))}
    assert {name: (item.canary, item.features) for name, item in found.items()} == {
        "main": (False, ("canary",)), "next": (True, ("canary",)),
    }  # fmt: skip


def test_a_canary_elsewhere_is_no_feature_and_no_route() -> None:
    found = routes(cluster(*SHOP, *CANARY_SERVICE, ingress("main", path(backend("shop"), "/x")), canary()))
    assert {item.object.name: item.features for item in found} == {"main": ()}


def test_a_canary_that_is_not_switched_on_is_an_ordinary_route() -> None:
    item = ingress("next", path(backend("next")), canary="yes")
    assert [route.canary for route in routes(cluster(*SHOP, *CANARY_SERVICE, item))] == [False]


def test_a_canary_sends_the_host_that_the_main_route_sets() -> None:
    own = canary(upstream_vhost="own.example.com")
    plain = routes(cluster(*SHOP, *CANARY_SERVICE, MAIN, own))
    assert {item.object.name: item.upstream.host for item in plain} == {"main": "", "next": ""}
    main = ingress("main", TO_SHOP, upstream_vhost="$service_name.$namespace")
    both = routes(cluster(*SHOP, *CANARY_SERVICE, main, own))
    assert {item.object.name: item.upstream.host for item in both} == {"main": "shop.apps", "next": "shop.apps"}


FEATURES: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "nothing": ({}, ()),
    "cookies": ({"affinity": "cookie"}, ("affinity",)),
    "affinity of no kind": ({"affinity": ""}, ()),
    "a hash": ({"upstream_hash_by": "$request_uri"}, ("balancing",)),
    "another way of balancing": ({"load_balance": "ewma"}, ("balancing",)),
    "other tries": ({"proxy_next_upstream": "error"}, ("retries",)),
    "several": ({"affinity": "cookie", "proxy_next_upstream": "error"}, ("affinity", "retries")),
}


@pytest.mark.parametrize(("noted", "features"), FEATURES.values(), ids=FEATURES)
def test_what_is_in_use(noted: dict[str, str], features: tuple[str, ...]) -> None:
    assert one(*SHOP, ingress("a", TO_SHOP, **noted)).features == features


@pytest.mark.parametrize(("key", "rewrites"), [("rewrite_target", True), ("app_root", True), ("use_regex", True), ("canary", False)])
def test_what_changes_the_path(key: str, rewrites: bool) -> None:
    assert one(*SHOP, ingress("a", TO_SHOP, **{key: "/x"})).rewrites_path is rewrites


BACKENDS: dict[str, tuple[list[Obj], Any, dict[str, Any]]] = {
    "by number": ([service("shop")], 80, {"port": 80, "protocol": "http"}),
    "by name": ([service("shop", port("web"))], "web", {"port": 80, "protocol": "auto"}),
    "a name made of digits": ([service("shop")], "80", {"port": 80, "protocol": "http"}),
    "no such port": ([service("shop")], 81, {"port": 81, "protocol": "unknown"}),
    "no such name": ([service("shop")], "web", {"port": 0, "protocol": "unknown"}),
    "no such Service": ([], 80, {"port": 80, "protocol": "unknown"}),
    "an ExternalName": ([external_name("shop", "x.example.com")], 80, {"port": 80, "protocol": "http"}),
    "TCP beside UDP": (
        [service("shop", port("quic", 443, protocol="UDP"), port("https", 443))], 443, {"port": 443, "protocol": "https"}),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "reference", "expected"), BACKENDS.values(), ids=BACKENDS)
def test_backends(objects: list[Obj], reference: int | str, expected: dict[str, Any]) -> None:
    found = one(*objects, ingress("a", path(backend("shop", reference)))).to_result()["backend"]
    assert found == {"namespace": APPS, "service": "shop", **expected}


def test_a_resource_is_no_route_but_a_finding() -> None:
    resource = {"resource": {"apiGroup": "x.example.com", "kind": "Bucket", "name": "b"}}
    item = ingress("a", path(resource, "/static"), TO_SHOP)
    assert [route.path for route in routes(cluster(*SHOP, item))] == ["/"]
    assert codes(*SHOP, item) == [("MLB208", "a")]


def test_the_ingress_that_decides_is_the_reason() -> None:
    snapshot = cluster(*SHOP, ingress("a", TO_SHOP, created=OLD), ingress("b", TO_SHOP, created=NEW, **ON))
    (found,) = read_routes(snapshot, [load_balancer(snapshot)])[1]
    assert str(found.cause) == f"Ingress {APPS}/a"


def test_findings_of_the_reading() -> None:
    older, younger = ingress("a", TO_SHOP, created=OLD), ingress("b", TO_SHOP, created=NEW, **ON)
    assert codes(*SHOP, older, younger) == [("MLB210", "b")]
    assert codes(*SHOP, older, ingress("b", TO_SHOP, created=NEW, **OFF)) == []
    assert codes(*SHOP, ingress("a", TO_SHOP, backend_protocol="HTTPS")) == [("MLB209", "a")]
    assert codes(*SHOP, ingress("a", TO_SHOP, proxy_http_version="1.0")) == [("MLB230", "a")]
    assert codes(*SHOP, ingress("a", TO_SHOP, proxy_http_version="1.1")) == []
    assert codes(*SHOP, ingress("a", TO_SHOP, default_backend="errors")) == [("MLB205", "a")]


TCP = ("--tcp-services-configmap=$(POD_NAMESPACE)/tcp",)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("apps/shop:80", ("shop", 80)), ("apps/shop:http", ("shop", 80)), ("apps/shop:80:PROXY:PROXY", ("shop", 80)),
        ("apps/shop:81", ("shop", 81)), ("apps/shop", None), ("shop:80", None), ("", None),
    ],
)  # fmt: skip
def test_tcp_services(target: str, expected: tuple[str, int] | None) -> None:
    found = routes(cluster(*SHOP, config_map("tcp", **{"9000": target}), args=TCP))
    assert [(item.backend.service, item.backend.port) for item in found] == ([expected] if expected else [])
    for item in found:
        assert (item.path, item.upstream.address, item.upstream.scheme, item.settable) == ("tcp:9000", POD, "tcp", False)


def test_the_controllers_default_backend_is_a_route_to_pods() -> None:
    args = ("--default-backend-service=apps/shop",)
    found = one(service("shop", port("web", 8000)), args=args)
    assert (found.path, found.backend.port, found.object.kind, found.settable) == ("default-backend", 8000, "Deployment", False)
    assert routes(cluster(args=args)) == []


def test_an_ingress_of_default_backend_and_rules() -> None:
    item = ingress("a", path(backend("shop"), "/x", "Exact"), default=backend("shop", "http"))
    found = routes(cluster(*SHOP, item))
    # Measured: such a default backend answers for the rest of the rules' hosts, and for no other host.
    assert [(route.host, route.path, route.path_type) for route in found] == [(PUBLIC, "/", "Prefix"), (PUBLIC, "/x", "Exact")]


def test_a_default_backend_beside_a_rule_for_all_of_a_host_gets_nothing() -> None:
    item = ingress("a", path(backend("shop"), "/"), default=backend("shop", "http"))
    found = routes(cluster(*SHOP, item))
    assert [(route.host, route.path) for route in found] == [(PUBLIC, "/")]


def test_rules_without_paths_and_paths_without_text() -> None:
    item = ingress("a", {"backend": backend("shop")})
    item["spec"]["rules"].append({"host": "empty.example.com"})
    assert [(route.host, route.path, route.path_type) for route in routes(cluster(*SHOP, item))] == [
        (PUBLIC, "/", "ImplementationSpecific")
    ]


def test_pins_and_ignoring_are_read_from_the_object_then_its_namespace() -> None:
    wide = annotated(namespace(APPS), strategy="host_entry")
    pinned = annotated(ingress("a", TO_SHOP), strategy="host_alias")
    ignored = annotated(ingress("b", TO_SHOP), ignore="true")
    other = annotated(ingress("c", TO_SHOP), ignore="no")
    found = {item.object.name: item for item in routes(cluster(*SHOP, wide, pinned, ignored, other))}
    assert {name: (item.pinned_strategy, item.ignored) for name, item in found.items()} == {
        "a": ("host_alias", False), "b": ("host_entry", True), "c": ("host_entry", False),
    }  # fmt: skip


def test_reading_only_some_objects_gives_the_same_routes() -> None:
    streams = config_map("tcp", **{"9000": "apps/shop:80"})
    snapshot = cluster(*SHOP, ingress("a", TO_SHOP), ingress("b", path(backend("shop", "http"))), streams, args=TCP)
    everything = routes(snapshot)
    for item in everything:
        only, dummy = read_routes(snapshot, [load_balancer(snapshot)], frozenset([item.object]))
        assert only == [item]


def test_an_ingress_that_is_read_in_an_older_version_keeps_it() -> None:
    item = {**ingress("a", TO_SHOP), "apiVersion": "networking.k8s.io/v1beta1"}
    assert one(*SHOP, item).object.api_version == "networking.k8s.io/v1beta1"
    assert obj("v1", "Pod", "", "x")["metadata"] == {"name": "x"}


@pytest.mark.parametrize(("decides", "settable"), [("next", False), ("main", True)])
def test_an_older_canary_that_is_left_out_decides_all_the_same(decides: str, settable: bool) -> None:
    made = {"next": "2024-01-02T00:00:00Z", "main": "2024-01-02T00:00:00Z", decides: "2024-01-01T00:00:00Z"}
    main = ingress("main", path(backend("shop")), created=made["main"])
    snapshot = cluster(*SHOP, main, ingress("next", path(backend("shop")), created=made["next"], canary="true"))
    for only in (None, frozenset({ref_of(main)})):
        (found,) = read_ingress_routes(snapshot, load_balancer(snapshot), only).routes
        assert (found.object.name, found.settable) == ("main", settable)
        assert ("Ingress apps/next" in found.why_not_settable) is not settable
