# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alibaba Cloud's Classic and Network Load Balancer: the gateway's own Service, how it is found, what it answers."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.alibaba_clb.profile import PROFILE as CLB
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.chain import CheckTarget, HealthCheck

from tests.unit.plugins.module_utils.balancers.cloud_support import balanced, found, node, request, target
from tests.unit.plugins.module_utils.support.cluster import Obj

PREFIX = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-"
TCP = {
    "health-check-flag": "on", "health-check-switch": "on", "health-check-type": "tcp", "service.beta.kubernetes.io/backend-type": "eni",
}
PODS = {
    "health-check-flag": "on", "health-check-switch": "on", "health-check-type": "http", "health-check-uri": "/healthz/ready",
    "health-check-connect-port": "15021", "health-check-httpcode": "http_2xx", "service.beta.kubernetes.io/backend-type": "eni",
}
NETWORK_PODS = {key: value for key, value in PODS.items() if key != "health-check-switch"}
NETWORK_TCP = {key: value for key, value in TCP.items() if key != "health-check-switch"}
NODES = {"health-check-flag": "on", "health-check-switch": "on", "health-check-type": "tcp"}
LOCAL, NLB = (("externalTrafficPolicy",), "Local"), (("loadBalancerClass",), "alibabacloud.com/nlb")
ZONES = {"type": "nlb", "zone_maps": "a:vsw-1,b:vsw-2"}
PLAIN_443 = target(port=443)
BY_TCP = HealthCheck("tcp", 80)
SOURCE, PROXY, HEADER = ("source_address", 0), ("proxy_protocol", 0), ("x_forwarded_for", 1)

FRONTS: dict[str, tuple[dict[str, Any], dict[str, str], tuple[Any, ...], HealthCheck, tuple[str, int]]] = {
    "layer 4": ({}, TCP, (), BY_TCP, SOURCE),
    "layer 4, the status port": ({"check": "http"}, PODS, (), HealthCheck(), SOURCE),
    "TLS is passed through": ({"gateway": target(tls=True)}, TCP, (), HealthCheck("tcp", 443), SOURCE),
    "PROXY protocol": ({"client": "proxy_protocol"}, {"proxy-protocol": "on", **TCP}, (), BY_TCP, PROXY),
    "PROXY protocol, the status port": (
        {"client": "proxy_protocol", "check": "http"}, {"proxy-protocol": "on", **PODS}, (), HealthCheck(proxy_header=True), PROXY),
    "HTTPS": (
        {"gateway": PLAIN_443, "certificate_id": "1-cn", "https_redirect": True, "address_type": "internet"},
        {"address-type": "internet", "cert-id": "1-cn", "protocol-port": "https:443,http:80", "xforwardedfor-proto": "on",
         "forward-port": "80:443", **TCP}, (), BY_TCP, HEADER),
    "nodes": ({"targets": "nodes"}, NODES, (LOCAL,), HealthCheck("node"), SOURCE),
    "network, pods": (
        {**ZONES, "check": "http"}, {"zone-maps": ZONES["zone_maps"], "proxy-protocol": "on", **NETWORK_PODS}, (NLB,),
        HealthCheck(proxy_header=True), PROXY),
    "network, an existing one, nodes": (
        {"type": "nlb", "load_balancer_id": "nlb-1", "targets": "nodes"},
        {"id": "nlb-1", "preserve-client-ip": "on", "health-check-flag": "on", "health-check-type": "tcp"}, (NLB, LOCAL),
        HealthCheck("node"), SOURCE),
    "network, with a certificate": (
        {**ZONES, "gateway": PLAIN_443, "certificate_id": "1-cn"},
        {"zone-maps": ZONES["zone_maps"], "cert-id": "1-cn", "protocol-port": "tcpssl:443,tcp:80", "proxy-protocol": "on", **NETWORK_TCP},
        (NLB,), BY_TCP, PROXY),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "expected", "fields", "check", "client"), FRONTS.values(), ids=FRONTS)
def test_the_gateways_own_service(
    wanted: dict[str, Any], expected: dict[str, str], fields: tuple[Any, ...], check: HealthCheck, client: tuple[str, int]
) -> None:
    asked = request(**wanted)
    front = CLB.chain.front(asked)
    assert dict(front.service.annotations) == {key if "/" in key else f"{PREFIX}{key}": value for key, value in expected.items()}
    assert (front.bodies, front.refusal, front.service.type, front.service.fields, front.check) == ((), "", "LoadBalancer", fields, check)
    learnt = CLB.chain.client_address(asked)
    assert (learnt.mode, learnt.trusted_hops) == client
    # The module refuses what the facts rule out.
    assert CLB.chain.facts.forwarded_for == "appended" and CLB.chain.facts.proxy_protocol
    assert bool(front.environment) == check.proxy_header


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a certificate, and TLS at the gateway": ({"certificate_id": "x", "gateway": target(tls=True)}, "gateway.tls"),
    "a certificate at port 80": ({"certificate_id": "x"}, "gateway.port"),
    "a network load balancer nowhere": ({"type": "nlb"}, "zone_maps"),
    "a header that it does not write": ({"client": "x_forwarded_for"}, "only an HTTPS listener"),
    "PROXY protocol with HTTPS": ({"client": "proxy_protocol", "certificate_id": "x", "gateway": PLAIN_443}, "layer 4"),
}


@pytest.mark.parametrize(("wanted", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(wanted: dict[str, Any], said: str) -> None:
    assert said in CLB.chain.front(request(**wanted)).refusal


def test_what_it_ends_and_sends() -> None:
    assert (CLB.chain.ends_tls(request()), CLB.chain.server_name(request())) == (False, "client")
    assert (CLB.chain.ends_tls(request(certificate_id="x")), CLB.chain.server_name(request(certificate_id="x"))) == (True, "never")


def test_the_check_of_an_application_goes_to_its_sidecar() -> None:
    front = CLB.health.check(CheckTarget("apps", "shop", HealthCheck("http", 15021)), request(check="http"))
    assert dict(front.service.annotations)[f"{PREFIX}health-check-connect-port"] == "15021"
    assert "is a name" in CLB.health.check(CheckTarget("apps", "shop", HealthCheck("http", "health")), request(check="http")).refusal


NAME = "alibaba_clb"
FOUND: dict[str, tuple[list[Obj], list[tuple[Any, ...]]]] = {
    "annotation": ([balanced(notes={f"{PREFIX}spec": "x"})], [(NAME, "certain")]),
    "older annotation": ([balanced(notes={"service.beta.kubernetes.io/alicloud-loadbalancer-id": "x"})], [(NAME, "certain")]),
    "loadBalancerClass": ([balanced(class_name="alibabacloud.com/nlb")], [(NAME, "certain")]),
    "on its nodes": ([node("cn-hangzhou.i-1"), balanced()], [(NAME, "likely")]),
    "another's class on its nodes": ([node("cn-hangzhou.i-1"), balanced(class_name="io.cilium/x")], []),
    "on others' nodes": ([node("digitalocean://1"), balanced(notes={f"{PREFIX}spec": "x"})], []),
    "on no known nodes": ([balanced()], []),
}


@pytest.mark.parametrize(("objects", "expected"), FOUND.values(), ids=FOUND)
def test_how_it_is_found(objects: list[Obj], expected: list[tuple[Any, ...]]) -> None:
    assert [(item.name, item.confidence) for item in found(CLB, *objects)] == expected
