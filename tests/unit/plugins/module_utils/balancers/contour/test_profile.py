# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Contour: which of its workloads carries the traffic, HTTPProxies and what they include, and why it has no switch."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contour.profile import PROFILE
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.settings import neighbours_of

from tests.unit.plugins.module_utils.balancers.gateways import gateway, gateway_class, route, rule, to_service
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
    undeclared,
)
from tests.unit.plugins.module_utils.support.cluster import APPS, EDGE, Obj, backend, container, ingress, live, obj, path
from tests.unit.plugins.module_utils.support.known import detect

HOST = "shop.example.com"
SHOP, CART = "apps/shop:80", "apps/cart:80"
ENVOY_ARGS = ("-c", "/config/envoy.json", "--service-cluster $(CONTOUR_NAMESPACE)", "--service-node $(ENVOY_POD_NAME)", "--log-level info")
CONTOUR = "ghcr.io/projectcontour/contour:v1.33.8"


def envoy(name: str = "envoy", *, manager: str = CONTOUR, **more: Any) -> Obj:
    companion = container("shutdown-manager", image=manager, command=["/bin/contour"], args=["envoy", "shutdown-manager"])
    more.setdefault("kind", "DaemonSet")
    return data_plane(name, *ENVOY_ARGS, command=("envoy",), image="envoyproxy/envoy:distroless-v1.38.9", containers=[companion], **more)


def controller(*args: str, **more: Any) -> Obj:
    return data_plane("contour", "serve", "--incluster", *args, command=("contour",), image=CONTOUR, **more)


def cluster(*objects: Obj, args: tuple[str, ...] = ()) -> Any:
    return meshed(envoy(), controller(*args), *objects)


def proxy(*rules: Obj, name: str = "a", host: str = HOST, class_name: str = "", where: str = APPS, **more: Any) -> Obj:
    spec: Obj = {"routes": list(rules)} if rules else {}
    if host:
        spec["virtualhost"] = {"fqdn": host, **more.pop("virtualhost", {})}
    if class_name:
        spec["ingressClassName"] = class_name
    return obj("projectcontour.io/v1", "HTTPProxy", where, name, spec={**spec, **more})


def to(*services: Obj, conditions: list[Obj] | None = None, **more: Any) -> Obj:
    return {"services": list(services), **({"conditions": conditions} if conditions else {}), **more}


def svc(name: str = "shop", host: str = "", **more: Any) -> Obj:
    headers = {"requestHeadersPolicy": {"set": [{"name": "Host", "value": host}]}} if host else {}
    return {"name": name, "port": 80, **headers, **more}


INIT = {"name": "envoy-initconfig", "image": "x/y:1", "command": ["contour"], "args": ["bootstrap", "/x.json", "--xds-port=8001"]}
FOUND: dict[str, tuple[Obj, bool]] = {
    "as its manifests have it": (envoy(), True),
    "a Deployment, mirrored": (envoy("proxy", manager="mirror.example.com/x/y:1", kind="Deployment"), True),
    "only its first step": (data_plane("e", *ENVOY_ARGS, command=("envoy",), image="x/envoy:1", initContainers=[INIT]), True),
    "its chart's labels": (
        data_plane("e", image="x/y", pod_labels={"app.kubernetes.io/name": "contour", "app.kubernetes.io/component": "envoy"}), True),
    "its controller": (controller(), False),
    "an Envoy of somebody else": (data_plane("e", *ENVOY_ARGS, command=("envoy",), image="envoyproxy/envoy:v1.38.9"), False),
}  # fmt: skip


@pytest.mark.parametrize(("item", "found"), FOUND.values(), ids=FOUND)
def test_where_its_data_plane_is(item: Obj, found: bool) -> None:
    assert [one.vendor for one in detect(live(item))[0]] == (["contour"] if found else [])


def test_its_version_is_the_controllers() -> None:
    assert the(cluster(), "contour").version == "1.33.8"


PODS = ("pod_ips", "", "http")
CHILD = proxy(to(svc("cart"), conditions=[{"prefix": "/b"}]), name="child", host="")
READ: dict[str, tuple[list[Obj], list[tuple[Any, ...]]]] = {
    "an HTTPProxy": ([proxy(to(svc()))], [(HOST, "/", SHOP, *PODS)]),
    "a Host of a route": (
        [proxy(to(svc(), requestHeadersPolicy={"set": [{"name": "host", "value": "x"}]}))], [(HOST, "/", SHOP, "pod_ips", "x", "http")]),
    "a Host of a service": ([proxy(to(svc(host=SHOP_NAME)))], [(HOST, "/", SHOP, "pod_ips", SHOP_NAME, "http")]),
    "a Host that is made": ([proxy(to(svc(host="%REQ(x-host)%")))], [(HOST, "/", SHOP, "pod_ips", "$header", "http")]),
    "TLS to the backend": ([proxy(to(svc(protocol="tls")))], [(HOST, "/", SHOP, "pod_ips", "", "tls")]),
    "what is included": (
        [proxy(name="root", includes=[{"name": "child", "conditions": [{"prefix": "/a/"}]}]), CHILD], [(HOST, "/a/b", CART, *PODS)]),
    "what nothing includes": ([CHILD], []),
    "what includes itself": ([proxy(to(svc()), includes=[{"name": "a"}])], [(HOST, "/", SHOP, *PODS)]),
    "TCP": ([proxy(tcpproxy={"services": [svc()]}, virtualhost={"tls": {"secretName": "s"}})], [(HOST, "tcp", SHOP, "pod_ips", "", "tcp")]),
    "TLS that is passed through": (
        [proxy(tcpproxy={"services": [svc()]}, virtualhost={"tls": {"passthrough": True}})], [(HOST, "tcp", SHOP, "pod_ips", "", "tls")]),
    "its class": ([proxy(to(svc()), class_name="contour")], [(HOST, "/", SHOP, *PODS)]),
    "another class": ([proxy(to(svc()), class_name="x")], []),
    "its annotation before the field": ([noted(proxy(to(svc()), class_name="contour"), **{"projectcontour.io/ingress.class": "x"})], []),
    "an Ingress": ([ingress("i", path(backend("shop")), host=HOST, class_name="contour")], [(HOST, "/", SHOP, *PODS)]),
    "an Ingress without a class": ([ingress("i", path(backend("shop")), host=HOST, class_name=None)], [(HOST, "/", SHOP, *PODS)]),
    "a Gateway's route": (
        [gateway_class("projectcontour.io/gateway-controller"), gateway(), route("g", rule(to_service("shop")))],
        [(HOST, "/", SHOP, *PODS)]),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "expected"), READ.values(), ids=READ)
def test_routes_as_they_are_read(objects: list[Obj], expected: list[tuple[Any, ...]]) -> None:
    assert shown(cluster(*HTTP, *objects), "contour") == expected


def test_classes_that_it_was_told() -> None:
    args = ("--ingress-class-name=one,two",)
    names = ("one", "two", "contour", "")
    items = [proxy(to(svc()), name=name or "none", class_name=name, host=f"{name or 'none'}.{HOST}") for name in names]
    assert [item.object.name for item in reading(cluster(*HTTP, *items, args=args), "contour")[0]] == ["one", "two"]


def test_features_and_shares() -> None:
    used = to(svc(), svc("cart", weight=10), loadBalancerPolicy={"strategy": "Cookie"}, retryPolicy={}, healthCheckPolicy={"path": "/"})
    cart, shop = reading(cluster(*HTTP, proxy({**used, "retryPolicy": {"count": 1}})), "contour")[0]
    assert shop.features == ("affinity", "canary", "health_checks", "retries", "weights") and cart.canary and not shop.canary
    (header,) = reading(cluster(*HTTP, proxy(to(svc(), conditions=[{"header": {"name": "x", "present": True}}]))), "contour")[0]
    assert header.canary


@pytest.mark.parametrize(
    ("condition", "expected"),
    [({"prefix": "/a"}, ("/a", "ImplementationSpecific")), ({"exact": "/a"}, ("/a", "Exact")),
     ({"regex": "/a.*"}, ("/a.*", "RegularExpression"))],
)  # fmt: skip
def test_paths(condition: Obj, expected: tuple[str, str]) -> None:
    (found,) = reading(cluster(*HTTP, proxy(to(svc(), conditions=[condition]))), "contour")[0]
    assert (found.path, found.path_type) == expected


ONLY_MESH = {"service_vip": "plaintext", "host_rewrite": "plaintext", "host_alias": "plaintext", "host_entry": "mutual_tls",
             "headless_twin": "mutual_tls"}  # fmt: skip


def test_only_what_needs_no_switch_serves() -> None:
    assert outcomes(cluster(*HTTP, proxy(to(svc())))) == ONLY_MESH
    assert outcomes(cluster(*undeclared(), proxy(to(svc())))) == ONLY_MESH
    why = served_by(cluster(*HTTP, proxy(to(svc()))), "service_vip").plan.routes[0].after.why
    assert "ExternalName" in why
    assert all(item.refusal for item in switches(cluster(*HTTP, proxy(to(svc()))), "contour"))


def test_weights_stay_with_what_needs_no_switch() -> None:
    assert served_by(cluster(*HTTP, proxy(to(svc(), svc("cart")))), "auto", preserve_host=True).verdicts == {"mutual_tls"}


def test_its_sidecar_leaves_its_own_control_plane_alone() -> None:
    target = PROFILE.instance.sidecar_target(envoy(), neighbours_of(live()))
    assert target.annotations == (("traffic.sidecar.istio.io/excludeOutboundPorts", "8001"),) and not target.refusal


def test_pods_of_the_provisioner_are_made_elsewhere() -> None:
    made = envoy("envoy-gw", labels={"projectcontour.io/owning-gateway-name": "gw"})
    assert "ContourDeployment" in PROFILE.instance.sidecar_target(made, neighbours_of(live())).refusal
    objects = [gateway_class("projectcontour.io/gateway-controller"), gateway(), gateway(name="other"), *HTTP]
    routes = [route("g", rule(to_service("shop"))), route("o", rule(to_service("shop")), parents=[{"name": "other", "namespace": EDGE}])]
    assert [item.object.name for item in reading(meshed(made, *objects, *routes), "contour")[0]] == ["g"]


def test_what_its_own_sidecar_is_told_is_no_gap() -> None:
    key = "traffic.sidecar.istio.io/excludeOutboundPorts"
    for value, codes in (("8001", set()), ("8001,9000", {"MLB304"})):
        item = envoy(annotations={key: value, "traffic.sidecar.istio.io/includeInboundPorts": ""})
        assert set(served_by(meshed(item, *HTTP, proxy(to(svc()))), "host_entry").codes) & {"MLB304"} == codes
