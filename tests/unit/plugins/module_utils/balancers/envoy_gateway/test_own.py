# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that Envoy Gateway's proxies make themselves, and the namespaces that its operator watches."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.balancers.envoy_gateway.test_profile import CLASS, EG, OF_GATEWAY, OWNED, envoy_proxy, proxy
from tests.unit.plugins.module_utils.balancers.gateways import GROUP, gateway, route, rule, to_service
from tests.unit.plugins.module_utils.balancers.support import meshed, reading
from tests.unit.plugins.module_utils.support.cluster import APPS, EDGE, Obj, annotated, container, live, namespace, obj, service, workload
from tests.unit.plugins.module_utils.support.known import detect, read_routes

ROUTE = route("a", rule(to_service("shop")))
ASKED = {"http": {"backendRefs": [to_service("gate", 9002)]}}


def policy(kind: str = "SecurityPolicy", target: str = "HTTPRoute", name: str = "a", where: str = APPS, **spec: Any) -> Obj:
    targets = spec.pop("targets", {"targetRefs": [{"group": GROUP, "kind": target, "name": name}]})
    return obj("gateway.envoyproxy.io/v1alpha1", kind, where, "p", spec={**targets, **spec})


def asked(*objects: Obj, of: Obj | None = None) -> list[tuple[str, str, int, str]]:
    snapshot = meshed(proxy(), CLASS, of or gateway(), ROUTE, service("gate"), *objects)
    return [
        (item.backend.namespace, item.backend.service, item.backend.port, item.upstream.address)
        for item in reading(snapshot, EG)[0] if item.object.kind != "HTTPRoute"
    ]


@pytest.mark.parametrize(
    "made",
    [
        policy(extAuth=ASKED), policy(extAuth={"grpc": {"backendRef": to_service("gate", 9002)}}),
        policy(targets={"targetRef": {"group": GROUP, "kind": "HTTPRoute", "name": "a"}}, extAuth=ASKED),
        policy(targets={"targetSelectors": [{"kind": "HTTPRoute", "matchLabels": {}}]}, extAuth=ASKED),
        policy(oidc={"provider": {"backendRefs": [to_service("gate", 9002)]}}),
        policy(jwt={"providers": [{"remoteJWKS": {"backendRefs": [to_service("gate", 9002)]}}]}),
        policy("EnvoyExtensionPolicy", extProc=[{"backendRefs": [to_service("gate", 9002)]}]),
    ],
)  # fmt: skip
def test_what_is_asked_is_a_route(made: Obj) -> None:
    assert asked(made) == [(APPS, "gate", 9002, "pod_ips")]


def test_of_a_gateway_and_by_its_routing_type() -> None:
    whole = policy(target="Gateway", name="gw", where=EDGE, extAuth={"http": {"backendRefs": [to_service("gate", 9002, namespace=APPS)]}})
    assert asked(whole) == []
    to = [{"group": "", "kind": "Service"}]
    grant = obj(f"{GROUP}/v1beta1", "ReferenceGrant", APPS, "g", spec={
        "from": [{"group": "gateway.envoyproxy.io", "kind": "SecurityPolicy", "namespace": EDGE}], "to": to,
    })  # fmt: skip
    assert asked(whole, grant) == [(APPS, "gate", 9002, "pod_ips")]
    assert asked(whole, grant, envoy_proxy(routingType="Service"), of=OF_GATEWAY) == [(APPS, "gate", 9002, "cluster_ip")]


def test_policies_that_hold_for_nothing_here() -> None:
    assert asked(policy(name="other", extAuth=ASKED)) == asked(policy(where=EDGE, extAuth=ASKED)) == asked(policy(cors={})) == []
    foreign = policy(extAuth={"http": {"backendRefs": [{"group": "gateway.envoyproxy.io", "kind": "Backend", "name": "x"}]}})
    assert asked(foreign) == []
    assert asked(annotated(policy(extAuth=ASKED), ignore="true")) == [(APPS, "gate", 9002, "pod_ips")]


def config(text: str, where: str = EDGE) -> Obj:
    return {**obj("v1", "ConfigMap", where, "eg"), "data": {"envoy-gateway.yaml": text}}


WATCH = "provider:\n  kubernetes:\n    watch:\n      "


@pytest.mark.parametrize(
    ("watch", "read"),
    [
        ("type: Namespaces\n      namespaces: [edge, apps]", True), ("type: Namespaces\n      namespaces: [edge]", False),
        ("type: NamespaceSelector\n      namespaceSelector: {matchLabels: {team: a}}", True),
        ("type: NamespaceSelector\n      namespaceSelector: {matchLabels: {team: b}}", False),
        ("type: NamespaceSelector\n      namespaceSelector: {matchExpressions: [{key: team, operator: Exists}]}", True),
        ("{}", True),
    ],
)  # fmt: skip
def test_watched_namespaces(watch: str, read: bool) -> None:
    objects = [namespace(EDGE, team="a"), namespace(APPS, team="a"), service("shop"), proxy(), CLASS, gateway(), ROUTE]
    snapshot = live(*objects, config(WATCH + watch))
    found = [item for item in detect(snapshot)[0] if item.vendor == EG]
    assert bool(read_routes(snapshot, found)[0]) is read


def test_an_operator_in_another_namespace() -> None:
    server = container("envoy-gateway", image="docker.io/envoyproxy/gateway:v1.9.1", args=["server", "--config-path=/c"])
    operator = workload("envoy-gateway", where="system", containers=[server])
    own = {**CLASS, "spec": {"controllerName": "example.com/own"}}
    objects = [namespace(EDGE), namespace(APPS), service("shop"), proxy(labels=OWNED), own, gateway(), ROUTE, operator]
    snapshot = live(*objects, config("gateway: {controllerName: example.com/own}", "system"))
    found = [item for item in detect(snapshot)[0] if item.workload]
    assert [item.object.name for item in read_routes(snapshot, found)[0]] == ["a"]
