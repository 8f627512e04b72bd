# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NGINX Gateway Fabric: useClusterIP by its precedence and version, and pods that are labelled through their Gateway."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.settings import neighbours_of
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.nginx_gateway_fabric.profile import sidecar_target

from tests.unit.plugins.module_utils.balancers.gateways import gateway, gateway_class, listener, route, rule, to_service
from tests.unit.plugins.module_utils.balancers.support import (
    HTTP,
    data_plane,
    meshed,
    outcomes,
    patches,
    reading,
    served_by,
    shown,
    switches,
    undeclared,
    validated_after,
)
from tests.unit.plugins.module_utils.support.cluster import APPS, EDGE, Obj, live, obj
from tests.unit.plugins.module_utils.support.known import detect

NGF = "nginx_gateway_fabric"
HOST = "shop.example.com"
INIT = {"name": "init", "image": "x/y:edge", "command": ["/usr/bin/gateway", "initialize", "--source", "/agent/nginx-agent.conf"]}
LABEL = {"gateway.networking.k8s.io/gateway-name": "gw"}
REF = {"group": "gateway.nginx.org", "kind": "NginxProxy", "name": "config"}
CLASS = gateway_class("gateway.nginx.org/nginx-gateway-controller")
OF_CLASS: Obj = {**CLASS, "spec": {**CLASS["spec"], "parametersRef": {**REF, "name": "wide", "namespace": EDGE}}}
OF_GATEWAY = gateway(infrastructure={"parametersRef": REF})
ROUTE = route("a", rule(to_service("shop")))


def nginx(version: str = "edge", **more: Any) -> Obj:
    more.setdefault("pod_labels", LABEL)
    return data_plane("gw-nginx", image=f"ghcr.io/nginx/nginx-gateway-fabric/nginx:{version}", **more)


def config(name: str = "config", **spec: Any) -> Obj:
    return obj("gateway.nginx.org/v1alpha2", "NginxProxy", EDGE, name, spec=spec)


def policy(service: str = "shop", name: str = "p", **spec: Any) -> Obj:
    target = [{"group": "core", "kind": "Service", "name": service}]
    return obj("gateway.nginx.org/v1alpha1", "UpstreamSettingsPolicy", APPS, name, spec={"targetRefs": target, **spec})


def cluster(*objects: Obj, of: Obj = OF_GATEWAY, classes: Obj = CLASS, version: str = "edge", services: list[Obj] | None = None) -> Any:
    return meshed(nginx(version), classes, of, *(HTTP if services is None else services), *objects)


@pytest.mark.parametrize(
    ("item", "found"),
    [
        (nginx(), True), (data_plane("a", image="m.example.com/nginx-gateway-fabric/nginx-plus:2"), True),
        (data_plane("a", image="x/y", initContainers=[INIT]), True),
        (data_plane("control", "controller", command=("/usr/bin/gateway",), image="ghcr.io/nginx/nginx-gateway-fabric:2.6.7"), False),
    ],
)  # fmt: skip
def test_where_its_data_plane_is(item: Obj, found: bool) -> None:
    assert [one.vendor for one in detect(live(item))[0]] == ([NGF] if found else [])


ON, OFF = {"useClusterIP": True}, {"useClusterIP": False}
READ: dict[str, tuple[list[Obj], Obj, str]] = {
    "as it comes": ([], CLASS, "pod_ips"), "the NginxProxy": ([config(**ON)], CLASS, "cluster_ip"),
    "its class's": ([config(), config("wide", **ON)], OF_CLASS, "cluster_ip"),
    "its own before its class's": ([config(**OFF), config("wide", **ON)], OF_CLASS, "pod_ips"),
    "a policy": ([policy(**ON)], CLASS, "cluster_ip"), "a policy before the NginxProxy": ([config(**ON), policy(**OFF)], CLASS, "pod_ips"),
    "a policy that says nothing": ([config(**ON), policy()], CLASS, "cluster_ip"),
    "a policy for another Service": ([policy("cart", **ON)], CLASS, "pod_ips"),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "classes", "address"), READ.values(), ids=READ)
def test_who_decides(objects: list[Obj], classes: Obj, address: str) -> None:
    assert shown(cluster(ROUTE, *objects, classes=classes), NGF) == [(HOST, "/", "apps/shop:80", address, "", "http")]


def test_switches() -> None:
    assert patches(switches(cluster(ROUTE, config(), policy()), NGF)[0]) == {"UpstreamSettingsPolicy/p spec.useClusterIP": True}
    assert patches(switches(cluster(ROUTE, config()), NGF)[0]) == {"NginxProxy/config spec.useClusterIP": True}


@pytest.mark.parametrize(
    ("objects", "version", "said"),
    [([], "edge", "attach an UpstreamSettingsPolicy"), ([config()], "2.6.7", "comes after 2.6.7"),
     ([policy(**OFF)], "edge", "useClusterIP is False"), ([config(**OFF)], "2.7.0", "useClusterIP is False")],
)  # fmt: skip
def test_refusals(objects: list[Obj], version: str, said: str) -> None:
    answer = switches(cluster(ROUTE, *objects, version=version), NGF)[0]
    assert answer.patches == () and said in answer.refusal


ALL = {"service_vip": "plaintext", "host_rewrite": "mutual_tls", "host_alias": "mutual_tls", "host_entry": "mutual_tls",
       "headless_twin": "mutual_tls"}  # fmt: skip


def test_strategies() -> None:
    assert outcomes(cluster(ROUTE, policy())) == ALL
    released = outcomes(cluster(ROUTE, policy(), version="2.6.7"))
    assert {name for name, verdict in released.items() if verdict == "mutual_tls"} == {"host_entry", "headless_twin"}
    assert served_by(cluster(ROUTE, policy(), services=undeclared()), "service_vip").written == ["patch UpstreamSettingsPolicy apps/p"]


def test_tcp_goes_to_pods_whatever_is_set() -> None:
    tcp = route("t", rule(to_service("shop")), kind="TCPRoute")
    (found,) = reading(cluster(tcp, config(**ON), of=gateway(listener("t", "TCP", 9))), NGF)[0]
    assert (found.upstream.address, found.settable) == ("pod_ips", False)


def test_which_gateway_a_workload_carries_and_where_its_pods_are_labelled() -> None:
    other = route("b", rule(to_service("shop")), parents=[{"name": "other", "namespace": EDGE}])
    snapshot = cluster(ROUTE, other, gateway(name="other"))
    assert [item.object.name for item in reading(snapshot, NGF)[0]] == ["a"]
    target = sidecar_target(nginx(), neighbours_of(snapshot))
    assert (target.object["kind"], target.labels_path) == ("Gateway", ("spec", "infrastructure", "labels"))
    assert "is not known" in sidecar_target(nginx(pod_labels={}), neighbours_of(snapshot)).refusal


def test_what_is_written_is_valid_by_the_vendors_schema() -> None:
    assert validated_after(cluster(ROUTE, config(), policy()), "nginx-gateway-fabric", "service_vip", "host_rewrite") == 4
    assert validated_after(cluster(ROUTE, config()), "nginx-gateway-fabric", "host_rewrite") == 1
