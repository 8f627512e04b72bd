# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tailscale: which proxies lead into the cluster, what each of them carries, and where its pods get their labels from."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.settings import neighbours_of
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import REGISTRY

from tests.unit.plugins.module_utils.balancers.support import (
    HTTP,
    data_plane,
    meshed,
    noted,
    outcomes,
    reading,
    shown,
    switches,
    the,
    undeclared,
)
from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    PROXY,
    Obj,
    backend,
    ingress,
    ingress_class,
    live,
    obj,
    path,
    port,
    service,
)
from tests.unit.plugins.module_utils.support.known import detect

IMAGE, PARENT = "tailscale/tailscale:v1.98.9", "tailscale.com/parent-resource"
CLASS = ingress_class("tailscale", "tailscale.com/ts-ingress")
NAME = "shop.tail1234.ts.net"
CLUSTER_IP = (NAME, "/", "apps/shop:80", "cluster_ip", "", "http")
APPS_OF = {"ingress": "k8s-operator-ingress-resource", "svc": "k8s-operator-ingress-proxy", "proxygroup": "k8s-operator-proxygroup-ingress"}


def proxy(kind: str = "ingress", parent: str = "shop", name: str = "ts-shop-x7k2p", **more: Any) -> Obj:
    labels = {"tailscale.com/managed": "true", f"{PARENT}-type": kind, PARENT: parent}
    if kind != "proxygroup":
        labels[f"{PARENT}-ns"] = APPS
    env = ("TS_KUBE_SECRET", f"TS_INTERNAL_APP={APPS_OF[kind]}")
    return data_plane(name, image=IMAGE, kind="StatefulSet", env=env, pod_labels=labels, **more)


def operator(*env: str) -> Obj:
    return data_plane("operator", image="tailscale/k8s-operator:v1.98.9", env=(f"PROXY_IMAGE={IMAGE}", *env))


def shop(*paths: Obj, name: str = "shop", host: str = "", class_name: str | None = "tailscale", **annotations: str) -> Obj:
    """An Ingress as the operator leaves it, with the name that it published."""
    made = noted(ingress(name, *(paths or [path(backend("shop"))]), host=host, class_name=class_name), **annotations)
    made["spec"]["tls"] = [{"hosts": ["shop"]}]
    return {**made, "status": {"loadBalancer": {"ingress": [{"hostname": NAME}]}}}


IN_GROUP = {"tailscale.com/proxy-group": "edge-proxies"}
GROUP = proxy("proxygroup", "edge-proxies", "edge-proxies")
FOUND: dict[str, tuple[list[Obj], list[tuple[str, str]]]] = {
    "an Ingress's proxy, not the operator": ([proxy(), operator()], [("tailscale", "edge/ts-shop-x7k2p")]),
    "a Service's proxy": ([proxy("svc")], [("tailscale", "edge/ts-shop-x7k2p")]),
    "a group": ([GROUP], [("tailscale", "edge/edge-proxies")]),
    "a way out of the cluster": ([data_plane("ts-db", image=IMAGE, env=("TS_INTERNAL_APP=k8s-operator-egress-proxy",))], []),
    "Tailscale by hand": ([data_plane("router", image=IMAGE, env=("TS_KUBE_SECRET", "TS_ROUTES"))], []),
    "a class of that name": ([ingress_class("tailscale", "example.com/other")], [("unknown", "tailscale")]),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "expected"), FOUND.values(), ids=FOUND)
def test_what_is_found(objects: list[Obj], expected: list[tuple[str, str]]) -> None:
    assert [(item.vendor, item.label) for item in detect(live(*objects))[0]] == expected


@pytest.mark.parametrize(
    ("objects", "expected"),
    [([CLASS], ("tailscale",)), ([CLASS, operator("OPERATOR_INGRESS_CLASS_NAME=tailnet")], ()),
     ([ingress_class("tailnet", "tailscale.com/ts-ingress"), operator("OPERATOR_INGRESS_CLASS_NAME=tailnet")], ("tailnet",)),
     ([ingress_class("tailscale", "example.com/other")], ())],
    ids=["usual", "the operator looks for another", "another", "somebody else's"],
)  # fmt: skip
def test_its_class_is_the_one_that_the_operator_compares(objects: list[Obj], expected: tuple[str, ...]) -> None:
    assert the(meshed(proxy(), *objects), "tailscale").classes == expected


def test_several_proxies_of_one_class_are_no_conflict() -> None:
    found, findings = detect(meshed(proxy(), proxy(name="ts-cart-y8l3q", parent="cart"), CLASS))
    assert [item.classes for item in found] == [("tailscale",), ("tailscale",)]
    assert not {item.code for item in findings} & {"MLB104", "MLB106", "MLB109"}


READ: dict[str, tuple[list[Obj], list[tuple[Any, ...]]]] = {
    "its own Ingress": ([proxy(), shop()], [CLUSTER_IP]),
    "the Ingress of another proxy": ([proxy(parent="cart"), shop()], []),
    "an Ingress that is for a group": ([proxy(), shop(**IN_GROUP)], []),
    "a group's Ingresses": ([GROUP, shop(**IN_GROUP), shop(name="b", **{"tailscale.com/proxy-group": "other"})], [CLUSTER_IP]),
    "an Ingress without a class": ([proxy(), shop(class_name=None)], []),
    "a rule for its own host": ([proxy(), shop(host="shop")], [CLUSTER_IP]),
    "a group's rule for its published host": ([GROUP, shop(host=NAME, **IN_GROUP)], [CLUSTER_IP]),
    "an exact path": ([proxy(), shop(path(backend("shop"), "/x", "Exact"))], [(NAME, "/x", *CLUSTER_IP[2:])]),
    "TLS by the port's number": (
        [proxy(), service("safe", port("web", 443)), shop(path(backend("safe", "web")))],
        [(NAME, "/", "apps/safe:443", "cluster_ip", "", "tls")]),
    "TLS by the port's name": (
        [proxy(), service("safe", port("https", 8443)), shop(path(backend("safe", "https")))],
        [(NAME, "/", "apps/safe:8443", "cluster_ip", "", "tls")]),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "expected"), READ.values(), ids=READ)
def test_routes_of_ingresses(objects: list[Obj], expected: list[tuple[Any, ...]]) -> None:
    snapshot = meshed(*HTTP, CLASS, *objects)
    assert shown(snapshot, "tailscale") == expected
    assert all(item.path_type == "Prefix" for item in reading(snapshot, "tailscale")[0])
    to_service_address, host = switches(snapshot, "tailscale")
    assert (to_service_address.refusal, to_service_address.patches) == ("", ()) and host.refusal


def test_before_the_operator_wrote_a_name_none_is_known() -> None:
    early = {key: value for key, value in shop().items() if key != "status"}
    assert shown(meshed(*HTTP, CLASS, proxy(), early), "tailscale") == [("", *CLUSTER_IP[1:])]


@pytest.mark.parametrize(
    ("objects", "said"),
    [([proxy(), shop(host="other")], "another host"), ([GROUP, shop(host="shop", **IN_GROUP)], "another host"),
     ([proxy(), service("none", ip="None"), shop(path(backend("none")))], "address of their own")],
    ids=["another host", "a group's short name", "a headless Service"],
)  # fmt: skip
def test_what_the_operator_leaves_out(objects: list[Obj], said: str) -> None:
    routes, findings = reading(meshed(*HTTP, CLASS, *objects), "tailscale")
    assert (routes, [item.code for item in findings]) == ([], ["MLB220"]) and said in findings[0].message


BY_ANNOTATION = noted(service("shop"), **{"tailscale.com/expose": "true"})
BY_CLASS = service("shop", type="LoadBalancer", loadBalancerClass="tailscale")
STREAM = [("", "tcp:80", "apps/shop:80", "cluster_ip", "", "tcp")]


@pytest.mark.parametrize(
    ("exposed", "expected"),
    [(BY_ANNOTATION, STREAM), (BY_CLASS, STREAM), (service("shop", type="LoadBalancer"), []), (service("cart"), [])],
    ids=["annotation", "load balancer class", "another load balancer's", "another Service"],
)  # fmt: skip
def test_a_services_proxy_forwards_its_ports_and_can_have_no_sidecar(exposed: Obj, expected: list[tuple[Any, ...]]) -> None:
    snapshot = live(proxy("svc"), exposed)
    assert shown(snapshot, "tailscale") == expected
    mode = the(snapshot, "tailscale").mode("standalone_mtls")
    assert not mode.supported and "DNAT" in mode.why


def test_what_no_sidecar_sees_is_never_called_mutual_tls() -> None:
    shared = noted(BY_CLASS, **IN_GROUP)
    injected = proxy("svc", containers=[PROXY])
    for snapshot in (meshed(GROUP, shared), meshed(injected, BY_ANNOTATION)):
        routes, findings = reading(snapshot, "tailscale")
        assert (routes, [item.code for item in findings]) == ([], ["MLB221"])


def test_what_each_strategy_gives() -> None:
    served = {"service_vip": "plaintext", "host_rewrite": "plaintext", "host_alias": "mutual_tls", "host_entry": "mutual_tls"}
    assert outcomes(meshed(proxy(), *HTTP, CLASS, shop())) == {**served, "headless_twin": "plaintext"}
    assert outcomes(meshed(proxy(), *undeclared(), CLASS, shop()))["service_vip"] == "mutual_tls"


def proxy_class(name: str) -> Obj:
    return obj("tailscale.com/v1alpha1", "ProxyClass", "", name, spec={"statefulSet": {"pod": {}}})


MESH = proxy_class("mesh")
OF_GROUP = obj("tailscale.com/v1alpha1", "ProxyGroup", "", "edge-proxies", spec={"type": "ingress", "proxyClass": "mesh"})
LABELLED = {**shop(), "metadata": {**shop()["metadata"], "labels": {"tailscale.com/proxy-class": "mesh"}}}


@pytest.mark.parametrize(
    ("workload", "objects", "expected"),
    [(proxy(), [LABELLED, MESH], "mesh"), (proxy(), [shop(**{"tailscale.com/proxy-class": "mesh"}), MESH], "mesh"),
     (proxy(), [shop(), MESH, operator("PROXY_DEFAULT_CLASS=mesh")], "mesh"), (GROUP, [OF_GROUP, MESH], "mesh"),
     (proxy(), [shop(), MESH], ""), (proxy(), [LABELLED], ""), (GROUP, [MESH], "")],
    ids=["label", "annotation", "default", "group", "none", "missing", "group that is missing"],
)  # fmt: skip
def test_its_pods_are_labelled_through_a_proxy_class(workload: Obj, objects: list[Obj], expected: str) -> None:
    target = REGISTRY.get("tailscale").instance.sidecar_target(workload, neighbours_of(meshed(workload, *objects)))
    assert bool(target.refusal) is not bool(expected)
    if expected:
        assert (target.object["metadata"]["name"], target.labels_path) == (expected, ("spec", "statefulSet", "pod", "labels"))
