# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy Ingress (jcmoraisjr): recognising it, its routes, its four places for a key, and plans."""

from __future__ import annotations

import pytest

from tests.unit.plugins.module_utils.balancers.haproxy_ingress.support import (
    CONTROLLER,
    IMAGE,
    NEW,
    OFF,
    OLD,
    ON,
    OTHER_HOST,
    PLACES,
    PORTS,
    RECOGNISED,
    SERVED,
    SHARED,
    SHOP_NAME,
    VIP,
    balancer,
    cluster,
    ingress,
    keys,
    lb,
    noted,
    one,
    reading,
    routes,
)
from tests.unit.plugins.module_utils.support.cluster import (
    EDGE,
    Obj,
    backend,
    container,
    ingress_class,
    live,
    namespace,
    path,
    port,
    service,
    workload,
)
from tests.unit.plugins.module_utils.support.known import config_map_namespaces, detect


@pytest.mark.parametrize("item", RECOGNISED.values(), ids=RECOGNISED)
def test_recognised(item: Obj) -> None:
    assert balancer(live(namespace(EDGE), item)).vendor == "haproxy_ingress"


@pytest.mark.parametrize("image", ["docker.io/haproxytech/kubernetes-ingress:3.2.9", "docker.io/library/haproxy:3.0"])
def test_not_recognised(image: str) -> None:
    item = workload("lb", where=EDGE, containers=[container("c", image=image)])
    assert [found.vendor for found in detect(live(namespace(EDGE), item))[0] if found.vendor == "haproxy_ingress"] == []


@pytest.mark.parametrize(
    ("args", "controller"),
    [
        ((), CONTROLLER), (("--controller-class=staging",), f"{CONTROLLER}/staging"),
        (("--controller-class=/staging",), f"{CONTROLLER}/staging"),
        (("--full-controller-name=x.example.com/y",), "x.example.com/y"),
    ],
)  # fmt: skip
def test_classes(args: tuple[str, ...], controller: str) -> None:
    snapshot = cluster(ingress_class("mine", controller), ingress_class("alien", "haproxy.org/ingress-controller"), args=args)
    assert "mine" in balancer(snapshot).classes
    assert "alien" not in balancer(snapshot).classes


def test_config_maps_that_it_reads() -> None:
    assert {"edge", "far"} <= config_map_namespaces(cluster(args=["--configmap=far/lb"]))


@pytest.mark.parametrize(("args", "item", "served"), SERVED.values(), ids=SERVED)
def test_which_ingresses_it_serves(args: tuple[str, ...], item: Obj, served: bool) -> None:
    assert bool(routes(service("shop"), ingress_class("alien", "x.example.com/y"), item, args=args)) is served


@pytest.mark.parametrize(("objects", "address"), PLACES.values(), ids=PLACES)
def test_places_of_a_key(objects: list[Obj], address: str) -> None:
    assert one(*objects).upstream.address == address


def test_a_prefix_of_ones_own() -> None:
    found = one(service("shop", annotations=keys("lb.example.com", **ON)), ingress(**OFF), args=["--annotations-prefix=lb.example.com"])
    assert found.upstream.address == VIP


@pytest.mark.parametrize(("objects", "expected"), SHARED.values(), ids=SHARED)
def test_who_decides_about_a_shared_backend(objects: list[Obj], expected: list[str]) -> None:
    made = service("shop", port(), port("more", 81, 8081), port("also", 82, 8080))
    found = {item.object.name: item.upstream.address for item in routes(made, *objects)}
    assert [found[name] for name in sorted(found)] == expected


def test_headers_count_from_the_first_ingress_that_has_them() -> None:
    older, younger = ingress("a", created=OLD), ingress("b", created=NEW, headers="host: x.example.com", **OTHER_HOST)
    assert {item.upstream.host for item in routes(service("shop"), older, younger)} == {"x.example.com"}


def test_a_younger_ingress_without_effect_is_said() -> None:
    found = reading(cluster(service("shop"), ingress("a", created=OLD), ingress("b", created=NEW, **ON, **OTHER_HOST)))
    assert [(item.code, item.object and item.object.name) for item in found.findings] == [("MLB210", "b")]


def test_a_path_that_an_older_ingress_has_is_dropped() -> None:
    found = reading(cluster(service("shop"), ingress("a", created=NEW, **ON), ingress("b", created=OLD)))
    assert [item.object.name for item in found.routes] == ["b"]
    assert [item.code for item in found.findings] == ["MLB220"]


@pytest.mark.parametrize(
    ("options", "image", "host"),
    [
        ({"headers": "host: x.example.com"}, IMAGE, "x.example.com"),
        ({"headers": "x-path: /\nHost x.example.com"}, IMAGE, "x.example.com"),
        ({"headers": "host: %[service].%[namespace].svc.cluster.local"}, IMAGE, SHOP_NAME),
        ({"headers": "x-path: /"}, IMAGE, ""),
        ({"headers": "host: %[req.hdr(x)]"}, IMAGE, "$[req.hdr(x)]"),
        ({"request_set_headers": "host: x.example.com"}, IMAGE, ""),
        ({"request_set_headers": "host: x.example.com", "headers": "host: y"}, "haproxy-ingress:v0.17.0", "x.example.com"),
        ({"request_set_headers": "", "headers": "host: y"}, "haproxy-ingress:v0.17.0", "y"),
    ],
)  # fmt: skip
def test_hosts_that_headers_set(options: dict[str, str], image: str, host: str) -> None:
    assert one(service("shop"), ingress(**options), image=image).upstream.host == host
    assert one(noted(**options), ingress(), image=image).upstream.host == host
    assert one(service("shop"), ingress(), lb(**options), image=image).upstream.host == host


@pytest.mark.parametrize(
    ("options", "scheme"),
    [
        ({}, "http"), ({"backend_protocol": "h2"}, "http"), ({"backend_protocol": "H1-SSL"}, "tls"), ({"backend_protocol": "grpcs"}, "tls"),
        ({"secure_backends": "true"}, "tls"), ({"backend_protocol": "fcgi"}, "tcp"), ({"proxy_protocol": "v2"}, "tcp"),
        ({"ssl_passthrough": "true"}, "tls"), ({"ssl_passthrough": "false"}, "http"),
    ],
)  # fmt: skip
def test_schemes(options: dict[str, str], scheme: str) -> None:
    assert one(service("shop"), ingress(**options)).upstream.scheme == scheme


@pytest.mark.parametrize(
    ("options", "features"),
    [
        ({}, ()), ({"affinity": "cookie"}, ("affinity",)), ({"blue_green_deploy": "a=b=1"}, ("balancing",)),
        ({"balance_algorithm": "leastconn", "health_check_uri": "/"}, ("balancing", "health_checks")),
    ],
)  # fmt: skip
def test_features(options: dict[str, str], features: tuple[str, ...]) -> None:
    assert one(service("shop"), ingress(**options)).features == features


@pytest.mark.parametrize(("reference", "number"), [(80, 80), ("http", 80), (8080, 80), (9090, 8080), ("admin", 8080), (81, 81)])
def test_ports_are_found_by_name_and_target_first(reference: int | str, number: int) -> None:
    assert one(service("shop", *PORTS), ingress("a", path(backend("shop", reference)))).backend.port == number


def test_headless_services() -> None:
    assert one(service("shop", ip="None"), ingress()).settable is False
    found = reading(cluster(service("shop", ip="None"), ingress(), lb(**ON)))
    assert (found.routes, [item.code for item in found.findings]) == ((), ["MLB220"])
