# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Envoy Gateway: proxies that an operator makes, routingType by its precedence, and where pods are labelled."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.envoy_gateway.profile import sidecar_target
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.settings import neighbours_of

from tests.unit.plugins.module_utils.balancers.gateways import gateway, gateway_class, listener, route, rule, to_service
from tests.unit.plugins.module_utils.balancers.support import (
    HTTP,
    data_plane,
    meshed,
    misread,
    outcomes,
    patches,
    reading,
    served_by,
    shown,
    switches,
    the,
    undeclared,
)
from tests.unit.plugins.module_utils.support.cluster import APPS, EDGE, Obj, container, live, obj, pod, service
from tests.unit.plugins.module_utils.support.known import detect

EG = "envoy_gateway"
HOST = "shop.example.com"
CONTROLLER = "gateway.envoyproxy.io/gatewayclass-controller"
PREFIX = "gateway.envoyproxy.io/owning-gateway"
OWNED = {f"{PREFIX}-name": "gw", f"{PREFIX}-namespace": EDGE}
MANAGED = {"app.kubernetes.io/name": "envoy", "app.kubernetes.io/component": "proxy", "app.kubernetes.io/managed-by": "envoy-gateway"}


def proxy(version: str = "1.9.1", labels: dict[str, str] | None = None, **more: Any) -> Obj:
    companion = container("shutdown-manager", image=f"docker.io/envoyproxy/gateway:v{version}", command=["envoy-gateway"],
                          args=["envoy", "shutdown-manager"])  # fmt: skip
    made = {**MANAGED, **(OWNED if labels is None else labels)}
    return data_plane("envoy-edge-gw", "--service-cluster edge/gw", command=("envoy",), image="envoyproxy/envoy:distroless-v1.39.1",
                      containers=[companion], pod_labels=made, **more)  # fmt: skip


def envoy_proxy(name: str = "config", **spec: Any) -> Obj:
    return obj("gateway.envoyproxy.io/v1alpha1", "EnvoyProxy", EDGE, name, spec=spec)


def policy(kind: str = "HTTPRoute", name: str = "a", where: str = APPS, called: str = "p", created: str = "", **spec: Any) -> Obj:
    target = {"group": "gateway.networking.k8s.io", "kind": kind, "name": name, **spec.pop("target", {})}
    body = {"targetRefs": [target], **spec}
    return obj("gateway.envoyproxy.io/v1alpha1", "BackendTrafficPolicy", where, called, created=created, spec=body)


REF = {"group": "gateway.envoyproxy.io", "kind": "EnvoyProxy", "name": "config"}
OF_GATEWAY = gateway(infrastructure={"parametersRef": REF})
CLASS = gateway_class(CONTROLLER)
OF_CLASS: Obj = {**CLASS, "spec": {**CLASS["spec"], "parametersRef": {**REF, "name": "wide", "namespace": EDGE}}}
ROUTE = route("a", rule(to_service("shop")))


def cluster(*objects: Obj, of: Obj = OF_GATEWAY, classes: Obj = CLASS, version: str = "1.9.1", services: list[Obj] | None = None) -> Any:
    return meshed(proxy(version), classes, of, *(HTTP if services is None else services), *objects)


CONTROL = data_plane("envoy-gateway", "server", command=("envoy-gateway",), image="docker.io/envoyproxy/gateway:v1.9.1")


@pytest.mark.parametrize(
    ("item", "found"),
    [
        (proxy(), True), (CONTROL, False), (data_plane("e", image="x/y", pod_labels=MANAGED), True),
        (data_plane("e", command=("envoy",), image="envoyproxy/envoy:v1.39.1"), False),
    ],
)  # fmt: skip
def test_where_its_data_plane_is(item: Obj, found: bool) -> None:
    assert [one.vendor for one in detect(live(item))[0]] == ([EG] if found else [])


def test_its_version_and_its_controllers_name() -> None:
    settings = obj("v1", "ConfigMap", EDGE, "c", data={"envoy-gateway.yaml": "gateway:\n  controllerName: x.example.com/eg\n"})
    found = the(meshed(proxy(), settings), EG)
    assert (found.version, found.settings.controller) == ("1.9.1", "x.example.com/eg")
    assert the(meshed(proxy()), EG).settings.controller == CONTROLLER


@pytest.mark.parametrize("text", ["gateway: [", "just a text", "gateway: {controllerName: [a]}", "gateway: {controllerName: &a {b: *a}}"])
def test_a_configuration_that_cannot_be_read_is_no_absent_one(text: str) -> None:
    settings = obj("v1", "ConfigMap", EDGE, "c", data={"envoy-gateway.yaml": text})
    assert misread(meshed(proxy(), settings)) == [f"ConfigMap {EDGE}/c"]


SERVICE, ENDPOINT = {"routingType": "Service"}, {"routingType": "Endpoint"}
NAMED = route("a", {**rule(to_service("shop")), "name": "first"})
SECTION = route("a", rule(to_service("shop")), parents=[{"name": "gw", "namespace": EDGE, "sectionName": "web"}])
OF_THE_GATEWAY = {"kind": "Gateway", "name": "gw", "where": EDGE}
READ: dict[str, tuple[list[Obj], Obj, str]] = {
    "as it comes": ([ROUTE], CLASS, "pod_ips"),
    "its Gateway's EnvoyProxy": ([ROUTE, envoy_proxy(**SERVICE)], CLASS, "cluster_ip"),
    "its class's EnvoyProxy does not hold beside its own": ([ROUTE, envoy_proxy(), envoy_proxy("wide", **SERVICE)], OF_CLASS, "pod_ips"),
    "its class's EnvoyProxy where its own merges": (
        [ROUTE, envoy_proxy(mergeType="StrategicMerge"), envoy_proxy("wide", **SERVICE)], OF_CLASS, "cluster_ip"),
    "its class's EnvoyProxy where its own is not there": ([ROUTE, envoy_proxy("wide", **SERVICE)], OF_CLASS, "cluster_ip"),
    "a policy of the route before the EnvoyProxy": ([ROUTE, envoy_proxy(**SERVICE), policy(**ENDPOINT)], CLASS, "pod_ips"),
    "a policy of the route": ([ROUTE, policy(**SERVICE)], CLASS, "cluster_ip"),
    "a policy that says nothing leaves it to the EnvoyProxy": ([ROUTE, envoy_proxy(**SERVICE), policy()], CLASS, "cluster_ip"),
    "a policy of the route hides its Gateway's": ([ROUTE, policy(), policy(**OF_THE_GATEWAY, called="q", **SERVICE)], CLASS, "pod_ips"),
    "one that merges does not": (
        [ROUTE, policy(mergeType="StrategicMerge"), policy(**OF_THE_GATEWAY, called="q", **SERVICE)], CLASS, "cluster_ip"),
    "a policy of the Gateway": ([ROUTE, policy(**OF_THE_GATEWAY, **SERVICE)], CLASS, "cluster_ip"),
    "a policy of the listener that the route names": (
        [SECTION, policy(**OF_THE_GATEWAY, target={"sectionName": "web"}, **SERVICE)], CLASS, "cluster_ip"),
    "a policy of a listener that the route does not name": (
        [ROUTE, policy(**OF_THE_GATEWAY, target={"sectionName": "web"}, **SERVICE)], CLASS, "pod_ips"),
    "a policy of the rule before the route's": (
        [NAMED, policy(**ENDPOINT), policy(called="q", target={"sectionName": "first"}, **SERVICE)], CLASS, "cluster_ip"),
    "the oldest of two": (
        [ROUTE, policy(called="new", created="2025", **ENDPOINT), policy(called="old", created="2024", **SERVICE)], CLASS, "cluster_ip"),
    "a policy for another route": ([ROUTE, policy(name="b", **SERVICE)], CLASS, "pod_ips"),
    "a policy of another namespace": ([ROUTE, policy(where="x", **SERVICE)], CLASS, "pod_ips"),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "classes", "address"), READ.values(), ids=READ)
def test_who_decides_about_service_routing(objects: list[Obj], classes: Obj, address: str) -> None:
    assert shown(cluster(*objects, classes=classes), EG) == [(HOST, "/", "apps/shop:80", address, "", "http")]


def test_a_policy_by_labels() -> None:
    labelled = {**ROUTE, "metadata": {**ROUTE["metadata"], "labels": {"team": "a"}}}
    chosen = [{"kind": "HTTPRoute", "matchLabels": {"team": "a"}}]
    item = obj("gateway.envoyproxy.io/v1alpha1", "BackendTrafficPolicy", APPS, "p", spec={"targetSelectors": chosen, **SERVICE})
    assert [shown(cluster(one, item), EG)[0][3] for one in (labelled, ROUTE)] == ["cluster_ip", "pod_ips"]


def test_tls_to_the_backend() -> None:
    spec = {"targetRefs": [{"group": "", "kind": "Service", "name": "shop"}], "validation": {"hostname": "x"}}
    assert shown(cluster(ROUTE, obj("gateway.networking.k8s.io/v1", "BackendTLSPolicy", APPS, "t", spec=spec)), EG)[0][5] == "tls"


def test_which_gateways_a_workload_carries() -> None:
    other = route("b", rule(to_service("shop")), parents=[{"name": "other", "namespace": EDGE}])
    objects = [CLASS, gateway(), gateway(name="other"), *HTTP, ROUTE, other]
    assert [item.object.name for item in reading(meshed(proxy(), *objects), EG)[0]] == ["a"]
    merged = proxy(labels={f"{PREFIX}class": "gw"})
    assert [item.object.name for item in reading(meshed(merged, *objects), EG)[0]] == ["a", "b"]


def test_features() -> None:
    used = policy(loadBalancer={"type": "ConsistentHash"}, healthCheck={"active": {}}, retry={"numRetries": 1})
    assert reading(cluster(ROUTE, used), EG)[0][0].features == ("affinity", "health_checks", "retries")


def test_switches_the_narrowest_object_that_is_there() -> None:
    assert patches(switches(cluster(ROUTE, envoy_proxy()), EG)[0]) == {"EnvoyProxy/config spec.routingType": "Service"}
    both = cluster(ROUTE, envoy_proxy(), policy())
    assert patches(switches(both, EG)[0]) == {"BackendTrafficPolicy/p spec.routingType": "Service"}
    assert patches(switches(cluster(ROUTE, envoy_proxy(), policy(), version="1.6.9"), EG)[0]) == {
        "EnvoyProxy/config spec.routingType": "Service"}  # fmt: skip


@pytest.mark.parametrize(
    ("objects", "said"),
    [([ROUTE], "attach an EnvoyProxy"), ([ROUTE, envoy_proxy(**ENDPOINT)], "routingType is 'Endpoint'"),
     ([ROUTE, policy(**ENDPOINT)], "routingType is 'Endpoint'")],
)  # fmt: skip
def test_refusals(objects: list[Obj], said: str) -> None:
    answer = switches(cluster(*objects), EG)[0]
    assert answer.patches == () and said in answer.refusal


def test_strategies() -> None:
    assert outcomes(cluster(ROUTE, envoy_proxy())) == {
        "service_vip": "plaintext", "host_rewrite": "mutual_tls", "host_alias": "mutual_tls", "host_entry": "mutual_tls",
        "headless_twin": "mutual_tls",
    }  # fmt: skip
    assert set(outcomes(cluster(ROUTE, envoy_proxy(), services=undeclared())).values()) == {"mutual_tls"}
    assert outcomes(cluster(ROUTE))["host_rewrite"] == "plaintext"


def test_routes_under_one_object_are_planned_as_one() -> None:
    other = route("b", rule(to_service("cart")), hosts=("cart.example.com",))
    snapshot = cluster(ROUTE, other, envoy_proxy())
    assert len({item.upstream_group for item in reading(snapshot, EG)[0]}) == 1
    found = served_by(snapshot, "host_rewrite")
    assert found.verdicts == {"mutual_tls"} and found.written == [
        "patch EnvoyProxy edge/config", "patch HTTPRoute apps/a", "patch HTTPRoute apps/b",
    ]  # fmt: skip


def test_where_its_pods_are_labelled() -> None:
    kubernetes = {"provider": {"type": "Kubernetes"}}
    target = sidecar_target(proxy(), neighbours_of(cluster(envoy_proxy(**kubernetes))))
    pod = ("spec", "provider", "kubernetes", "envoyDeployment", "pod")
    assert (target.object["kind"], target.labels_path, target.annotations_path) == ("EnvoyProxy", (*pod, "labels"), (*pod, "annotations"))
    assert target.annotations == (("traffic.sidecar.istio.io/excludeOutboundPorts", "18000,18001"),)
    assert sidecar_target(proxy(kind="DaemonSet"), neighbours_of(cluster(envoy_proxy(**kubernetes)))).labels_path[3] == "envoyDaemonSet"
    merged = proxy(labels={f"{PREFIX}class": "gw"})
    assert sidecar_target(merged, neighbours_of(cluster(envoy_proxy(**kubernetes)))).object["kind"] == "EnvoyProxy"


@pytest.mark.parametrize(
    ("objects", "said"), [([], "attach an EnvoyProxy to the Gateway"), ([envoy_proxy()], "has no spec.provider.type")],
)  # fmt: skip
def test_where_there_is_no_place_to_label_pods(objects: list[Obj], said: str) -> None:
    assert said in sidecar_target(proxy(), neighbours_of(cluster(*objects))).refusal


def test_a_listener_of_another_protocol() -> None:
    tcp = route("t", rule(to_service("shop")), kind="TCPRoute")
    of = gateway(listener("db", "TCP", 5432), infrastructure={"parametersRef": REF})
    assert outcomes(cluster(tcp, envoy_proxy(), of=of, services=undeclared()))["service_vip"] == "mutual_tls"
    assert not switches(cluster(tcp, envoy_proxy(), of=of), EG)[1].refusal


def test_a_stream_is_not_in_the_way_of_a_host() -> None:
    """One object decides for both, and only one of them has a Host."""
    both = [route("a", rule(to_service("shop"))), route("t", rule(to_service("cart")), kind="TCPRoute"), envoy_proxy()]
    of = gateway(listener(), listener("db", "TCP", 5432), infrastructure={"parametersRef": REF})
    services = [*undeclared("cart"), service("shop"), pod("shop")]
    first = served_by(cluster(*both, of=of, services=services), "host_rewrite")
    assert set(first.verdicts) == {"mutual_tls"}
