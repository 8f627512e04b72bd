# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Skipper: its options, Ingress and RouteGroup, and its global switch that dials the target port."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.balancers.support import (
    HTTP,
    SHOP_NAME,
    data_plane,
    meshed,
    noted,
    outcomes,
    reading,
    served_by,
    shown,
    switches,
    the,
)
from tests.unit.plugins.module_utils.support.cluster import APPS, Obj, backend, ingress, live, obj, path, pod, port, service
from tests.unit.plugins.module_utils.support.known import detect

HOST = "shop.example.com"
SHOP = "apps/shop:80"
IMAGE = "registry.opensource.zalan.do/teapot/skipper:v0.22.170"


def skipper(*args: str, image: str = IMAGE, **more: Any) -> Obj:
    return data_plane("skipper-ingress", "skipper", "-kubernetes", "-kubernetes-in-cluster", *args, image=image, **more)


def cluster(*objects: Obj, args: tuple[str, ...] = ()) -> Any:
    return meshed(skipper(*args), *objects)


def plain(class_name: str | None = None, **annotations: str) -> Obj:
    made = ingress("a", path(backend("shop")), host=HOST, class_name=class_name)
    keys = {"filter": "zalando.org/skipper-filter", "protocol": "zalando.org/skipper-backend-protocol",
            "algorithm": "zalando.org/skipper-loadbalancer", "class_": "kubernetes.io/ingress.class"}  # fmt: skip
    return noted(made, **{keys[key]: value for key, value in annotations.items()})


def group(*rules: Obj, backends: list[Obj] | None = None, default: list[Obj] | None = None, class_: str = "") -> Obj:
    made = [{"name": "shop", "type": "service", "serviceName": "shop", "servicePort": 80}]
    spec: Obj = {"hosts": [HOST], "backends": backends or made, "defaultBackends": default or [{"backendName": "shop"}]}
    found = obj("zalando.org/v1", "RouteGroup", APPS, "g", spec={**spec, **({"routes": list(rules)} if rules else {})})
    return noted(found, **{"zalando.org/routegroup.class": class_}) if class_ else found


@pytest.mark.parametrize(
    ("item", "found"),
    [
        (skipper(), True), (skipper(image="mirror.example.com/a/b:1"), True),
        (data_plane("s", "skipper", "-routes-file=x", image=IMAGE), False),
        (data_plane("s", image="x/y", pod_labels={"application": "skipper-ingress"}), True),
        (data_plane("s", "-kubernetes", "-kubernetes-path-mode=path-prefix", image="x/y"), True),
    ],
)  # fmt: skip
def test_it_is_recognised(item: Obj, found: bool) -> None:
    assert [one.vendor for one in detect(live(item))[0]] == (["skipper"] if found else [])


def test_the_hosts_network_is_said_and_the_way_out() -> None:
    mode = the(meshed(skipper(hostNetwork=True)), "skipper").mode("standalone_mtls")
    assert not mode.supported and "a sidecar is possible" in " ".join(mode.blockers)


PRESERVE = ("-proxy-preserve-host",)
READ: dict[str, tuple[tuple[str, ...], Obj, tuple[Any, ...]]] = {
    "as it comes": ((), plain(), ("pod_ips", "$pod_address", "http")),
    "the client's Host": (PRESERVE, plain(), ("pod_ips", "", "http")),
    "the client's Host by a filter": ((), plain(filter='preserveHost("true")'), ("pod_ips", "", "http")),
    "the backend's Host by a filter": (PRESERVE, plain(filter='preserveHost("false")'), ("pod_ips", "$pod_address", "http")),
    "a Host by a filter": (PRESERVE, plain(filter='setRequestHeader("Host", "x")'), ("pod_ips", "x", "http")),
    "TLS": (PRESERVE, plain(protocol="https"), ("pod_ips", "", "tls")),
    "a RouteGroup": (PRESERVE, group(), ("pod_ips", "", "http")),
    "a RouteGroup's filter": (PRESERVE, group({"filters": ['preserveHost("false")']}), ("pod_ips", "$pod_address", "http")),
    "a RouteGroup whatever is forced": (("-kubernetes-force-service", *PRESERVE), group(), ("pod_ips", "", "http")),
}


@pytest.mark.parametrize(("args", "item", "expected"), READ.values(), ids=READ)
def test_routes_as_they_are_read(args: tuple[str, ...], item: Obj, expected: tuple[Any, ...]) -> None:
    assert shown(cluster(*HTTP, item, args=args), "skipper") == [(HOST, "/", SHOP, *expected)]


SERVED: dict[str, tuple[tuple[str, ...], Obj, int]] = {
    "without a class": ((), plain(), 1), "its class": ((), plain("skipper"), 1), "another class": ((), plain("nginx"), 0),
    "another annotation": ((), plain(class_="nginx"), 0), "by its expression": (("-kubernetes-ingress-class=^(a|b)$",), plain("b"), 1),
    "not by its expression": (("-kubernetes-ingress-class=^(a|b)$",), plain("ab"), 0),
    "an expression that is none": (("-kubernetes-ingress-class=(",), plain("x"), 0),
    "a slow expression": (("-kubernetes-ingress-class=^(a+)+$",), plain("a" * 60 + "b"), 0),
    "another namespace": (("-kubernetes-namespace=x",), plain(), 0), "a group of another class": ((), group(class_="x"), 0),
}  # fmt: skip


@pytest.mark.parametrize(("args", "item", "number"), SERVED.values(), ids=SERVED)
def test_what_it_serves(args: tuple[str, ...], item: Obj, number: int) -> None:
    assert len(reading(cluster(*HTTP, item, args=args), "skipper")[0]) == number


FORCED = ("-kubernetes-force-service",)


def test_the_global_switch_dials_the_target_port() -> None:
    same = [service("shop", port("http", 8080, 8080)), pod("shop")]
    item = ingress("a", path(backend("shop", 8080)), host=HOST, class_name="skipper")
    assert shown(cluster(*same, item, args=FORCED), "skipper") == [(HOST, "/", "apps/shop:8080", "cluster_ip", SHOP_NAME, "http")]
    assert served_by(cluster(*same, item, args=FORCED), "service_vip").verdicts == {"mutual_tls"}
    routes, findings = reading(cluster(*HTTP, plain("skipper"), args=FORCED), "skipper")
    assert routes[0].upstream.address == "host_name" and [item.code for item in findings] == ["MLB206"]
    assert served_by(cluster(*HTTP, plain("skipper"), args=FORCED), "service_vip").verdicts == {"unknown"}


def test_route_groups() -> None:
    backends = [
        {"name": "shop", "type": "service", "serviceName": "shop", "servicePort": 80, "algorithm": "consistentHash"},
        {"name": "cart", "type": "service", "serviceName": "cart", "servicePort": 80}, {"name": "none", "type": "shunt"},
    ]  # fmt: skip
    rules = [
        {"pathSubtree": "/a", "backends": [{"backendName": "shop", "weight": 9}, {"backendName": "cart", "weight": 1}]},
        {"path": "/b"}, {"pathRegexp": "^/c", "predicates": ['Header("x", "y")']}, {"path": "/d", "backends": [{"backendName": "none"}]},
    ]
    found = reading(cluster(*HTTP, group(*rules, backends=backends)), "skipper")[0]
    assert [(item.path, item.path_type, item.backend.service, item.canary) for item in found] == [
        ("/a", "Prefix", "cart", True), ("/a", "Prefix", "shop", False), ("/b", "Exact", "shop", False),
        ("^/c", "RegularExpression", "shop", True),
    ]  # fmt: skip
    assert found[1].features == ("affinity", "canary", "weights")


def test_only_what_needs_no_switch_serves() -> None:
    for item in (plain("skipper"), group()):
        assert outcomes(cluster(*HTTP, item, args=PRESERVE)) == {
            "service_vip": "plaintext", "host_rewrite": "plaintext", "host_alias": "plaintext", "host_entry": "mutual_tls",
            "headless_twin": "mutual_tls",
        }  # fmt: skip
        assert all(answer.refusal for answer in switches(cluster(*HTTP, item), "skipper"))


def test_a_host_that_is_a_pods_address_needs_a_twin() -> None:
    found = outcomes(cluster(*HTTP, plain("skipper")))
    assert found["headless_twin"] == "mutual_tls" and found["host_entry"] != "mutual_tls"
