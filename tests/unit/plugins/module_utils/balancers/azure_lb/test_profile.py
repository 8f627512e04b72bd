# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure Load Balancer: the gateway's Service, how it is found, what it answers."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.azure_lb.profile import PROFILE as LB
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.chain import CheckTarget, HealthCheck

from tests.unit.plugins.module_utils.balancers.cloud_support import GATEWAY, balanced, found, node, request, target
from tests.unit.plugins.module_utils.balancers.support import shown
from tests.unit.plugins.module_utils.support.cluster import Obj, live, service

PREFIX = "service.beta.kubernetes.io"
LOCAL = (("externalTrafficPolicy",), "Local")


def probe(port: int) -> dict[str, str]:
    return {
        f"port_{port}_health-probe_port": "status-port", f"port_{port}_health-probe_protocol": "http",
        f"port_{port}_health-probe_request-path": "/healthz/ready", "port_15021_no_lb_rule": "true",
    }


SERVICES: dict[str, tuple[dict[str, Any], dict[str, str], tuple[Any, ...]]] = {
    "plain": ({}, probe(80), (LOCAL,)),
    "TLS passes through": ({"gateway": target(tls=True)}, probe(443), (LOCAL,)),
    "no client": ({"client": "none"}, probe(80), ()),
    "internal": (
        {"scheme": "internal", "subnet": "apps", "address": "10.0.0.4"},
        {"azure-load-balancer-internal": "true", "azure-load-balancer-internal-subnet": "apps", "azure-load-balancer-ipv4": "10.0.0.4",
         **probe(80)}, (LOCAL,)),
    "public, with a name": (
        {"scheme": "public", "public_ip_name": "pip", "dns_label": "shop"},
        {"azure-pip-name": "pip", "azure-dns-label-name": "shop", **probe(80)}, (LOCAL,)),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "notes", "fields"), SERVICES.values(), ids=SERVICES)
def test_the_gateways_service(wanted: dict[str, Any], notes: dict[str, str], fields: tuple[Any, ...]) -> None:
    front = LB.chain.front(request(**wanted))
    assert front.bodies == () and front.service.type == "LoadBalancer" and front.service.fields == fields
    assert dict(front.service.annotations) == {f"{PREFIX}/{key}": value for key, value in notes.items()}
    assert front.check == HealthCheck("http", "status-port")


def test_a_status_port_of_another_name_is_not_hidden_by_a_guess() -> None:
    notes = dict(LB.chain.front(request(gateway=target(status_port="health"))).service.annotations)
    assert notes[f"{PREFIX}/port_80_health-probe_port"] == "health" and f"{PREFIX}/port_15021_no_lb_rule" not in notes


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a header that it does not write": ({"client": "x_forwarded_for"}, "x_forwarded_for"),
    "a PROXY header": ({"client": "proxy_protocol"}, "proxy_protocol"),
    "a Service without a status port": ({"gateway": target(status_port=15021)}, "node ports"),
}


@pytest.mark.parametrize(("wanted", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(wanted: dict[str, Any], reason: str) -> None:
    assert reason in LB.chain.front(request(**wanted)).refusal


def test_the_client_and_tls() -> None:
    assert LB.chain.client_address(request()).mode == "source_address"
    assert not LB.chain.ends_tls(request()) and LB.chain.server_name(request()) == "client"


def test_the_check_of_an_application() -> None:
    named = CheckTarget("apps", "shop", HealthCheck("http", "status-port"))
    notes = dict(LB.health.check(named, request(service_port=8080)).service.annotations)
    assert notes[f"{PREFIX}/port_8080_health-probe_port"] == "status-port"
    assert "which port" in LB.health.check(named, request()).refusal
    assert "node ports" in LB.health.check(CheckTarget("apps", "shop"), request(service_port=8080)).refusal


PREFLIGHT: dict[str, tuple[dict[str, Any], list[str]]] = {
    "as it should be": ({"type": "LoadBalancer"}, []),
    "of another class": ({"type": "LoadBalancer", "loadBalancerClass": "other"}, ["MLB609"]),
    "without node ports": ({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False}, ["MLB609"]),
}


@pytest.mark.parametrize(("fields", "expected"), PREFLIGHT.values(), ids=PREFLIGHT)
def test_what_the_cluster_shows_to_fail(fields: dict[str, Any], expected: list[str]) -> None:
    there = service("gateway", where=GATEWAY)
    there["spec"].update(fields)
    assert [item.code for item in LB.chain.preflight(live(there), request())] == expected
    assert LB.chain.preflight(live(), request()) == ()


AKS = node("azure:///subscriptions/s/vm-1")
NOTED = balanced(notes={f"{PREFIX}/azure-load-balancer-internal": "true"})
FOUND: dict[str, tuple[list[Obj], list[str]]] = {
    "annotations": ([AKS, NOTED], ["certain"]),
    "annotations of a port": ([AKS, balanced(notes={f"{PREFIX}/port_80_no_probe_rule": "true"})], ["certain"]),
    "a LoadBalancer on its nodes": ([AKS, balanced()], ["likely"]),
    "a LoadBalancer on others' nodes": ([node("aws:///a/i-1"), balanced(), NOTED], []),
    "a LoadBalancer, nodes unknown": ([balanced()], []),
    "a LoadBalancer of another class": ([AKS, balanced(class_name="other")], []),
    "no LoadBalancer": ([AKS, service("web")], []),
}


@pytest.mark.parametrize(("objects", "expected"), FOUND.values(), ids=FOUND)
def test_how_it_is_found(objects: list[Obj], expected: list[str]) -> None:
    assert [item.confidence for item in found(LB, *objects)] == expected


def test_its_routes_are_the_ports_of_services() -> None:
    assert [(item[2], item[5]) for item in shown(live(AKS, balanced(), service("inner")), LB.about.id)] == [("apps/web:80", "tcp")]
