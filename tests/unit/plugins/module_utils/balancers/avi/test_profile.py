# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Avi: what tells of it in the cluster, what AKO serves, and what becomes of routes once AKO has a certificate of the mesh."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.avi.profile import OWN_MUTUAL_TLS
from ansible_collections.meshlb.istio.plugins.module_utils.istio.outcome import predict

from tests.unit.plugins.module_utils.balancers.gateways import gateway, gateway_class, route, rule, to_service
from tests.unit.plugins.module_utils.balancers.support import HTTP, data_plane, meshed, noted, reading, shown, switches, the
from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    PUBLIC,
    Obj,
    backend,
    ingress,
    ingress_class,
    live,
    obj,
    path,
    pod,
    service,
)
from tests.unit.plugins.module_utils.support.known import detect

NAME = "ako.vmware.com/avi-lb"
CLASS, GATEWAY_CLASS = ingress_class("avi-lb", NAME), gateway_class(NAME, "avi-lb")
AKO = data_plane("ako", image="projects.packages.broadcom.com/ako/ako:2.2.1", kind="StatefulSet", where="avi-system")
SHOP = ingress("shop", path(backend("shop")), class_name="avi-lb")
MADE_BY_AKO = {"ako.vmware.com/host-fqdn-vs-uuid-map": "{}"}


def exposed(**spec: Any) -> Obj:
    return service("shop", type="LoadBalancer", **spec)


def http_rule(where: str = APPS, target: str = "/", fqdn: str = PUBLIC) -> Obj:
    paths = [{"target": target, "tls": {"type": "reencrypt", "sslProfile": "avi-ssl-profile"}}]
    return obj("ako.vmware.com/v1beta1", "HTTPRule", where, "shop", spec={"fqdn": fqdn, "paths": paths})


def with_istio() -> Obj:
    made = deepcopy(AKO)
    made["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = [{"name": "istio-certs", "mountPath": "/etc/istio-output-certs/"}]
    return made


FOUND: dict[str, tuple[list[Obj], list[tuple[str, str]]]] = {
    "its classes": ([CLASS, GATEWAY_CLASS], [("avi", "avi-lb")]),
    "AKO alone": ([AKO], [("avi", "avi-system/ako")]),
    "AKO under another image's name": (
        [data_plane("ako", image="own/build", env=("CTRL_IPADDRESS", "SHARD_VS_SIZE"), where="avi-system")], [("avi", "avi-system/ako")]),
    "a Service of its load balancer class": ([exposed(loadBalancerClass=NAME)], [("avi", "avi")]),
    "a Service that AKO took": ([noted(exposed(), **MADE_BY_AKO)], [("avi", "avi")]),
    "somebody else's Service": ([exposed(loadBalancerClass="example.com/other")], []),
    "a class that only has its name": ([ingress_class("avi-lb", "example.com/other")], [("unknown", "avi-lb")]),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "expected"), FOUND.values(), ids=FOUND)
def test_what_tells_of_it(objects: list[Obj], expected: list[tuple[str, str]]) -> None:
    assert [(item.vendor, item.label) for item in detect(live(*objects))[0]] == expected


PODS = ("pod_ips", "")
READ: dict[str, tuple[list[Obj], list[tuple[Any, ...]]]] = {
    "an Ingress of its class": ([SHOP], [(PUBLIC, "/", "apps/shop:80", *PODS, "http")]),
    "an Ingress that AKO took by its default class": (
        [noted(ingress("a", path(backend("shop")), class_name=None), **MADE_BY_AKO)], [(PUBLIC, "/", "apps/shop:80", *PODS, "http")]),
    "another class": ([ingress("a", path(backend("shop")), class_name="other")], []),
    "an HTTPRoute": (
        [GATEWAY_CLASS, gateway(class_name="avi-lb"), route("a", rule(to_service("shop")))],
        [(PUBLIC, "/", "apps/shop:80", *PODS, "http")]),
    "TLS by an HTTPRule": ([SHOP, http_rule()], [(PUBLIC, "/", "apps/shop:80", *PODS, "tls")]),
    "an HTTPRule for another path": ([SHOP, http_rule(target="/cart")], [(PUBLIC, "/", "apps/shop:80", *PODS, "http")]),
    "an HTTPRule of another namespace": ([SHOP, http_rule(where="other")], [(PUBLIC, "/", "apps/shop:80", *PODS, "http")]),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "expected"), READ.values(), ids=READ)
def test_routes_as_they_are_read(objects: list[Obj], expected: list[tuple[Any, ...]]) -> None:
    snapshot = meshed(*HTTP, CLASS, *objects)
    assert shown(snapshot, "avi") == expected
    assert all(answer.refusal for answer in switches(snapshot, "avi"))


def test_a_service_is_a_stream_to_its_pods() -> None:
    snapshot = meshed(exposed(loadBalancerClass=NAME), pod("shop"))
    assert shown(snapshot, "avi") == [("", "tcp:80", "apps/shop:80", *PODS, "tcp")]


def test_ako_serves_no_other_route_than_an_http_route() -> None:
    grpc = route("a", rule(to_service("shop")), kind="GRPCRoute")
    routes, findings = reading(meshed(*HTTP, GATEWAY_CLASS, gateway(class_name="avi-lb"), grpc), "avi")
    assert (routes, [(item.code, item.message) for item in findings]) == ([], [("MLB220", "AKO serves no GRPCRoute")])


def test_with_istio_enabled_nothing_is_certain() -> None:
    found = []
    for controller in (AKO, with_istio()):
        snapshot = meshed(*HTTP, CLASS, SHOP, controller)
        found.append(predict(snapshot, the(snapshot, "avi"), reading(snapshot, "avi")[0][0]))
    assert [item.verdict for item in found] == ["plaintext", "unknown"]
    assert found[1].why == OWN_MUTUAL_TLS


def test_no_sidecar_is_possible_and_what_is_instead() -> None:
    mode = the(meshed(CLASS), "avi").mode("standalone_mtls")
    assert not mode.supported and "istioEnabled" in mode.why and "chained mode" in mode.why
