# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateways that no workload serves, and routes of the Gateway API that nobody takes."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Finding, LoadBalancer, Route
from ansible_collections.meshlb.istio.plugins.module_utils.detect.orphans import about_orphans
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.unit.plugins.module_utils.balancers.envoy_gateway.test_profile import CLASS, proxy
from tests.unit.plugins.module_utils.balancers.gateways import GROUP, gateway, gateway_class, route, rule, to_service
from tests.unit.plugins.module_utils.balancers.traefik.cluster import traefik
from tests.unit.plugins.module_utils.support.cluster import APPS, EDGE, Obj, live, namespace, obj, service
from tests.unit.plugins.module_utils.support.known import REGISTRY, detect, read_routes

ROUTE = route("a", rule(to_service("shop")))


def seen(*objects: Obj) -> tuple[Snapshot, list[LoadBalancer], list[Finding]]:
    snapshot = live(namespace(EDGE), namespace(APPS), service("shop"), *objects)
    return (snapshot, *detect(snapshot))


def read(snapshot: Snapshot, found: list[LoadBalancer]) -> tuple[list[Route], list[Finding]]:
    return read_routes(snapshot, found)


def codes(findings: list[Finding]) -> list[str]:
    return [item.code for item in findings if item.code.startswith("MLB14") or item.code == "MLB156"]


@pytest.mark.parametrize(
    ("objects", "key", "vendor", "said"),
    [
        ([CLASS, gateway()], (EDGE, "gw"), "envoy_gateway", ["MLB144"]),
        ([gateway_class("gateway.nginx.org/nginx-gateway-controller"), gateway()], (EDGE, "gw"), "nginx_gateway_fabric", ["MLB144"]),
        ([gateway_class("traefik.io/gateway-controller"), gateway()], ("", "gw"), "traefik", ["MLB144"]),
        ([gateway_class("application-networking.k8s.aws/gateway-api-controller"), gateway()], ("", "gw"), "unknown", ["MLB143"]),
        ([gateway(class_name="misspelt")], ("", "misspelt"), "unknown", ["MLB143"]),
        ([gateway(class_name="gke-l7-rilb")], ("", "gke-l7-rilb"), "gke_gateway", []),
        ([gateway_class("networking.gke.io/gateway"), gateway()], ("", "gw"), "gke_gateway", []),
        ([gateway(class_name="cilium")], ("", "cilium"), "cilium", []),
    ],
)  # fmt: skip
def test_gateways_without_a_workload(objects: list[Obj], key: tuple[str, str], vendor: str, said: list[str]) -> None:
    snapshot, found, findings = seen(*objects, ROUTE)
    assert [(item.key, item.vendor, item.workload) for item in found] == [(key, vendor, None)]
    assert codes(findings) == said
    assert [(item.object.name, item.load_balancer) for item in read(snapshot, found)[0]] == [("a", key)]


@pytest.mark.parametrize(
    ("controller", "name"),
    [("istio.io/gateway-controller", "any"), ("istio.io/mesh-controller", "any"), ("openshift.io/gateway-controller/v1", "any"),
     ("", "istio"), ("", "istio-waypoint"), ("", "openshift-default")],
)  # fmt: skip
def test_istios_own_gateways_are_none(controller: str, name: str) -> None:
    objects = [gateway(class_name=name), *([gateway_class(controller, name)] if controller else [])]
    snapshot, found, findings = seen(*objects, ROUTE)
    assert (found, codes(findings), list(about_orphans(snapshot, REGISTRY, found, [], []))) == ([], [], [])


def test_each_gateway_of_an_operator_is_one_and_those_of_a_class_are_one() -> None:
    other = route("b", rule(to_service("shop")), parents=[{"name": "other", "namespace": EDGE}])
    snapshot, found, dummy = seen(CLASS, proxy(), gateway(), gateway(name="other"), ROUTE, other)
    assert sorted(item.name for item in found) == ["envoy-edge-gw", "other"]
    assert [(item.object.name, item.load_balancer[1]) for item in read(snapshot, found)[0]] == [("a", "envoy-edge-gw"), ("b", "other")]
    snapshot, found, dummy = seen(gateway_class("example.com/x"), gateway(), gateway(name="other"), ROUTE, other)
    assert [item.gateways for item in found] == [((EDGE, "gw"), (EDGE, "other"))] and len(read(snapshot, found)[0]) == 2


def test_a_class_of_a_load_balancer_that_was_told_another_name() -> None:
    here = traefik("--providers.kubernetesgateway=false", "--providers.kubernetescrd")
    snapshot, found, findings = seen(here, gateway_class("traefik.io/gateway-controller"), gateway(), ROUTE)
    assert [item.name for item in found] == ["lb"] and codes(findings) == ["MLB145"]
    assert read(snapshot, found)[0] == []


def orphan(*objects: Obj, parents: list[Obj]) -> list[str]:
    snapshot, found, dummy = seen(*objects, route("a", rule(to_service("shop")), parents=parents))
    routes, findings = read(snapshot, found)
    return [item.message for item in about_orphans(snapshot, REGISTRY, found, routes, findings) if item.object and item.object.name == "a"]


def test_routes_that_nobody_takes() -> None:
    elsewhere = {"name": "gone", "namespace": EDGE}
    assert orphan(parents=[elsewhere]) == ["nobody serves it: its parent Gateway edge/gone is not among what was read"]
    assert orphan(parents=[elsewhere, {"group": "", "kind": "Service", "name": "shop"}]) == orphan(parents=[]) == []
    assert orphan(gateway_class("example.com/x"), gateway(), parents=[{"name": "gw", "namespace": EDGE}, elsewhere]) == []
    added = obj(f"{GROUP}/v1", "ListenerSet", APPS, "more", spec={"parentRef": {"name": "gw", "namespace": EDGE}, "listeners": []})
    parent = {"group": GROUP, "kind": "ListenerSet", "name": "more"}
    here = [traefik("--providers.kubernetesgateway"), gateway_class("traefik.io/gateway-controller"), gateway()]
    assert orphan(*here, added, parents=[parent]) == [
        "nobody serves it: its parent ListenerSet apps/more adds to no Gateway of a load balancer that reads ListenerSets"
    ]
