# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load balancers without a switch: what is read of them, why no sidecar or no setting helps, and what still does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.balancers.gateways import gateway, gateway_class, route, rule, to_service
from tests.unit.plugins.module_utils.balancers.support import HTTP, data_plane, meshed, outcomes, reading, shown, switches, the, validated
from tests.unit.plugins.module_utils.support.cluster import APPS, Obj, backend, ingress, ingress_class, live, obj, path
from tests.unit.plugins.module_utils.support.known import detect

HOST = "shop.example.com"
SHOP, CART = "apps/shop:80", "apps/cart:80"
GATEWAY = [gateway(), route("a", rule(to_service("shop")))]


def plain(class_name: str) -> Obj:
    return ingress("a", path(backend("shop")), host=HOST, class_name=class_name)


def labelled(name: str, *args: str, image: str = "x/y", where: str = "edge", **labels: str) -> Obj:
    return data_plane(name, *args, image=image, where=where, pod_labels={key.replace("_", "-"): value for key, value in labels.items()})


GLOO = labelled("gateway-proxy", image="quay.io/solo-io/gloo-envoy-wrapper:1.17.16", gloo="gateway-proxy")
KGATEWAY = data_plane("gw", image="cr.kgateway.dev/kgateway-dev/envoy-wrapper:v2.0.0")
HIGRESS = labelled("higress-gateway", "proxy", "router", image="higress-registry.cn-hangzhou.cr.aliyuncs.com/higress/gateway:2.1.0")
EASEGRESS = data_plane("easegress", image="megaease/easegress:v2.10.0")
VOYAGER = labelled("voyager-a", where=APPS, origin="voyager")
CPX = data_plane("cpx", image="quay.io/netscaler/netscaler-cpx:14.1-66.59")
ROUTER = data_plane("router", image="openshift/origin-haproxy-router:v4.0.0", env=("ROUTER_SERVICE_HTTP_PORT",))
CIS = data_plane("cis", "--bigip-partition=k8s", image="f5networks/k8s-bigip-ctlr:2.20.0", where="kube-system")
CIC = data_plane("cic", image="quay.io/netscaler/netscaler-k8s-ingress-controller:4.1.17")


def virtual_service(*rules: Obj) -> Obj:
    return obj("gateway.solo.io/v1", "VirtualService", APPS, "v", spec={"virtualHost": {"domains": [HOST], "routes": list(rules)}})


UPSTREAM = obj("gloo.solo.io/v1", "Upstream", "gloo-system", "u", spec={
    "kube": {"serviceName": "shop", "serviceNamespace": APPS, "servicePort": 80}})  # fmt: skip
BY_UPSTREAM = {"upstream": {"name": "u", "namespace": "gloo-system"}}
BY_KUBE = {"kube": {"ref": {"name": "cart", "namespace": APPS}, "port": 80}}
PODS = ("pod_ips", "", "http")
VOYAGER_INGRESS = obj("voyager.appscode.com/v1", "Ingress", APPS, "a", spec=plain("")["spec"])


def openshift_route(**spec: Any) -> Obj:
    return obj("route.openshift.io/v1", "Route", APPS, "r", spec={"host": HOST, "to": {"kind": "Service", "name": "shop"}, **spec})


CIS_SERVER = obj("cis.f5.com/v1", "VirtualServer", APPS, "v", spec={
    "host": HOST, "virtualServerAddress": "192.0.2.1", "pools": [{"path": "/", "service": "shop", "servicePort": 80}]})  # fmt: skip
SET_HOST = {"httpHeaders": {"actions": {"request": [{"name": "Host", "action": {"type": "Set", "set": {"value": "x"}}}]}}}

READ: dict[str, tuple[str, list[Obj], list[tuple[Any, ...]]]] = {
    "Gloo, by Upstream": ("gloo", [GLOO, UPSTREAM, virtual_service({"routeAction": {"single": BY_UPSTREAM}})], [(HOST, "/", SHOP, *PODS)]),
    "Gloo, weighted": (
        "gloo", [GLOO, UPSTREAM, virtual_service({"matchers": [{"exact": "/x"}], "routeAction": {
            "multi": {"destinations": [{"destination": BY_UPSTREAM}, {"destination": BY_KUBE}]}}})],
        [(HOST, "/x", CART, *PODS), (HOST, "/x", SHOP, *PODS)]),
    "Gloo, delegated": ("gloo", [GLOO, virtual_service({"delegateAction": {"ref": {"name": "x"}}})], []),
    "kgateway": ("kgateway", [KGATEWAY, gateway_class("kgateway.dev/kgateway"), *GATEWAY], [(HOST, "/", SHOP, *PODS)]),
    "Higress": ("higress", [HIGRESS, plain("higress")], [(HOST, "/", SHOP, *PODS)]),
    "Higress, Gateway API": ("higress", [HIGRESS, gateway_class("higress.io/gateway-controller"), *GATEWAY], [(HOST, "/", SHOP, *PODS)]),
    "Easegress": ("easegress", [EASEGRESS, plain("easegress")], [(HOST, "/", SHOP, *PODS)]),
    "Voyager": ("voyager", [VOYAGER, plain("voyager")], [(HOST, "/", SHOP, *PODS)]),
    "Voyager, another Ingress": ("voyager", [VOYAGER, ingress("b", path(backend("shop")), class_name="voyager")], []),
    "Voyager's own kind": ("voyager", [VOYAGER, VOYAGER_INGRESS], [(HOST, "/", SHOP, *PODS)]),
    "Cilium": ("cilium", [ingress_class("cilium", "cilium.io/ingress-controller"), plain("cilium")], [(HOST, "/", SHOP, *PODS)]),
    "Cilium, Gateway API": ("cilium", [gateway_class("io.cilium/gateway-controller"), *GATEWAY], [(HOST, "/", SHOP, *PODS)]),
    "NetScaler CPX": ("netscaler", [CPX, ingress_class("cpx", "citrix.com/ingress-controller"), plain("cpx")], [(HOST, "/", SHOP, *PODS)]),
    "BIG-IP": ("f5_cis", [ingress_class("f5", "f5.com/cntr-ingress-svcs"), plain("f5")], [(HOST, "/", SHOP, *PODS)]),
    "BIG-IP, its own kind": ("f5_cis", [CIS, CIS_SERVER], [(HOST, "/", SHOP, *PODS)]),
    "OpenShift": ("openshift_router", [ROUTER, openshift_route()], [(HOST, "/", SHOP, *PODS)]),
    "OpenShift, by target port": ("openshift_router", [ROUTER, openshift_route(port={"targetPort": 8080})], [(HOST, "/", SHOP, *PODS)]),
    "OpenShift, a Host": ("openshift_router", [ROUTER, openshift_route(**SET_HOST)], [(HOST, "/", SHOP, "pod_ips", "x", "http")]),
    "OpenShift, passed through": (
        "openshift_router", [ROUTER, openshift_route(tls={"termination": "passthrough"})], [(HOST, "/", SHOP, "pod_ips", "", "tls")]),
    "OpenShift, weighted": (
        "openshift_router", [ROUTER, openshift_route(alternateBackends=[{"kind": "Service", "name": "cart", "weight": 1}])],
        [(HOST, "/", CART, *PODS), (HOST, "/", SHOP, *PODS)]),
}  # fmt: skip


@pytest.mark.parametrize(("vendor", "objects", "expected"), READ.values(), ids=READ)
def test_routes_as_they_are_read(vendor: str, objects: list[Obj], expected: list[tuple[Any, ...]]) -> None:
    snapshot = meshed(*HTTP, *objects)
    assert shown(snapshot, vendor) == expected
    assert all(answer.refusal for answer in switches(snapshot, vendor))
    assert not any(item.settable for item in reading(snapshot, vendor)[0])


IMPOSSIBLE: dict[str, tuple[str, list[Obj], str]] = {
    "Gloo": ("gloo", [GLOO], "istioIntegration"), "kgateway": ("kgateway", [KGATEWAY], "KGW_ENABLE_ISTIO_AUTO_MTLS"),
    "Higress": ("higress", [HIGRESS], "1337"), "Cilium": ("cilium", [ingress_class("c", "cilium.io/ingress-controller")], "chained mode"),
    "BIG-IP": ("f5_cis", [CIS], "BIG-IP outside the cluster"), "NetScaler outside": ("netscaler", [CIC], "outside the cluster"),
    "OpenShift's operator": (
        "openshift_router", [{**ROUTER, "metadata": {"name": "router", "namespace": "openshift-ingress"}}], "operator"),
}  # fmt: skip


@pytest.mark.parametrize(("vendor", "objects", "said"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_why_no_sidecar_is_possible_and_what_is_left(vendor: str, objects: list[Obj], said: str) -> None:
    found = the(meshed(*objects), vendor)
    assert not found.mode("standalone_mtls").supported and said in found.mode("standalone_mtls").why
    assert found.mode("chained").supported
    assert ("by hand" in found.mode("chained").why) is (vendor not in ("f5_cis", "openshift_router"))


SERVED = {"service_vip": "plaintext", "host_rewrite": "plaintext", "host_alias": "plaintext", "host_entry": "mutual_tls",
          "headless_twin": "mutual_tls"}  # fmt: skip


CPX_CLASS = ingress_class("cpx", "citrix.com/ingress-controller")


@pytest.mark.parametrize("objects", [[EASEGRESS, plain("easegress")], [CPX, CPX_CLASS, plain("cpx")], [ROUTER, openshift_route()]])
def test_what_needs_no_switch_still_serves(objects: list[Obj]) -> None:
    assert outcomes(meshed(*HTTP, *objects)) == SERVED


def test_what_is_outside_is_named_by_its_class_or_else_by_its_controller() -> None:
    both = detect(live(CIS, ingress_class("f5", "f5.com/cntr-ingress-svcs"), ingress_class("g", "f5.com/cntr-ingress-svcs")))[0]
    assert [(item.vendor, item.label, item.classes, item.placement) for item in both] == [("f5_cis", "f5", ("f5", "g"), "external")]
    alone = detect(live(CIS))[0]
    assert [(item.label, item.version, item.workload, item.placement) for item in alone] == [
        ("kube-system/cis", "2.20.0", None, "external")]  # fmt: skip
    of_gateways = gateway_class("io.cilium/gateway-controller", "cilium")
    merged = detect(live(ingress_class("cilium", "cilium.io/ingress-controller"), of_gateways))[0]
    assert [(item.vendor, item.label, item.placement) for item in merged] == [("cilium", "cilium", "node")]


def test_a_controller_beside_its_cpx_is_no_second_load_balancer() -> None:
    found = detect(live(CPX, CIC, ingress_class("cpx", "citrix.com/ingress-controller")))[0]
    assert [(item.vendor, item.label, item.classes) for item in found] == [("netscaler", "edge/cpx", ("cpx",))]


def test_findings_of_what_is_outside() -> None:
    assert [item.code for item in detect(live(ingress_class("cilium", "cilium.io/ingress-controller")))[1]] == []


def test_what_is_read_is_valid_by_the_vendors_schemas() -> None:
    validated(CIS_SERVER, "f5-cis")
    validated(openshift_route(**SET_HOST, alternateBackends=[{"kind": "Service", "name": "cart", "weight": 1}]), "openshift")
