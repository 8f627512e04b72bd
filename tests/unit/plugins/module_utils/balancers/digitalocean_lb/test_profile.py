# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DigitalOcean's load balancers: the gateway's own Service, how they are found, what they answer."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.chain import CheckTarget, HealthCheck
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.digitalocean_lb.profile import PROFILE as LB

from tests.unit.plugins.module_utils.balancers.cloud_support import balanced, found, node, request, target
from tests.unit.plugins.module_utils.support.cluster import Obj

PREFIX = "service.beta.kubernetes.io/do-loadbalancer-"
LOCAL = ((("externalTrafficPolicy",), "Local"),)
OVERRIDE = {
    "override-health-check": "true", "healthcheck-port": "15021", "healthcheck-path": "/healthz/ready", "healthcheck-protocol": "http",
}
NODE, STATUS = HealthCheck("node"), HealthCheck()
NETWORK, REGIONAL = {"type": "REGIONAL_NETWORK"}, {"type": "REGIONAL"}
PLAIN_443 = target(port=443)
HTTPS: dict[str, Any] = {**REGIONAL, "certificate_id": "c", "gateway": PLAIN_443}
SOURCE, PROXY, HEADER = ("source_address", 0), ("proxy_protocol", 0), ("x_forwarded_for", 1)

FRONTS: dict[str, tuple[dict[str, Any], dict[str, str], HealthCheck, tuple[str, int]]] = {
    "network": ({}, NETWORK, NODE, SOURCE),
    "network, TLS is passed through": (
        {"gateway": target(tls=True), "network": "INTERNAL"}, {**NETWORK, "network": "INTERNAL"}, NODE, SOURCE),
    "network, the gateway's own check": ({"check": "gateway"}, {**NETWORK, **OVERRIDE}, STATUS, SOURCE),
    "regional": (
        {"type": "regional", "hostname": "lb.example.com"},
        {**REGIONAL, "enable-proxy-protocol": "true", "hostname": "lb.example.com"}, NODE, PROXY),
    "regional, the gateway's own check": (
        {**REGIONAL, "check": "gateway"}, {**REGIONAL, "enable-proxy-protocol": "true", **OVERRIDE}, HealthCheck(proxy_header=True), PROXY),
    "HTTPS": (
        {**HTTPS, "https_redirect": True},
        {**REGIONAL, "certificate-id": "c", "tls-ports": "443", "http-ports": "80", "redirect-http-to-https": "true"}, NODE, HEADER),
    "HTTPS, without the client": (
        {**HTTPS, "client": "none"}, {**REGIONAL, "certificate-id": "c", "tls-ports": "443", "http-ports": "80"}, NODE, ("none", 0)),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "expected", "check", "client"), FRONTS.values(), ids=FRONTS)
def test_the_gateways_own_service(
    wanted: dict[str, Any], expected: dict[str, str], check: HealthCheck, client: tuple[str, int]
) -> None:
    asked = request(**wanted)
    front = LB.chain.front(asked)
    assert dict(front.service.annotations) == {f"{PREFIX}{key}": value for key, value in expected.items()}
    assert (front.bodies, front.refusal, front.service.type, front.service.fields, front.check) == ((), "", "LoadBalancer", LOCAL, check)
    learnt = LB.chain.client_address(asked)
    assert (learnt.mode, learnt.trusted_hops) == client
    # The module refuses what the facts rule out.
    assert LB.chain.facts.forwarded_for == "appended" and LB.chain.facts.proxy_protocol
    assert bool(front.environment) == check.proxy_header


def test_an_existing_load_balancer() -> None:
    assert dict(LB.chain.front(request(load_balancer_id="x")).service.annotations)["kubernetes.digitalocean.com/load-balancer-id"] == "x"


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a certificate on a network load balancer": ({"certificate_id": "x", "gateway": PLAIN_443}, "REGIONAL"),
    "a certificate, and TLS at the gateway": ({**HTTPS, "gateway": target(tls=True)}, "gateway.tls"),
    "a certificate at port 80": ({**HTTPS, "gateway": target()}, "gateway.port"),
    "a header that it does not write": ({"client": "x_forwarded_for"}, "X-Forwarded-For"),
    "PROXY protocol from a network load balancer": ({"client": "proxy_protocol"}, "REGIONAL"),
    "its own address": ({**REGIONAL, "client": "source_address"}, "proxy_protocol"),
}


@pytest.mark.parametrize(("wanted", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(wanted: dict[str, Any], said: str) -> None:
    assert said in LB.chain.front(request(**wanted)).refusal


def test_what_it_ends_and_sends() -> None:
    assert (LB.chain.ends_tls(request()), LB.chain.server_name(request())) == (False, "client")
    assert (LB.chain.ends_tls(request(**HTTPS)), LB.chain.server_name(request(**HTTPS))) == (True, "never")


def test_the_check_of_an_application() -> None:
    application = CheckTarget("apps", "shop", HealthCheck("http", 15021))
    assert LB.health.check(application, request()).check == NODE
    front = LB.health.check(application, request(check="gateway"))
    assert front.check == STATUS and "apps/shop" in front.steps[0]


NAME = "digitalocean_lb"
FOUND: dict[str, tuple[list[Obj], list[tuple[Any, ...]]]] = {
    "annotation": ([balanced(notes={f"{PREFIX}protocol": "tcp"})], [(NAME, "certain")]),
    "its id": ([balanced(notes={"kubernetes.digitalocean.com/load-balancer-id": "x"})], [(NAME, "certain")]),
    "on its nodes": ([node("digitalocean://1"), balanced()], [(NAME, "likely")]),
    "on others' nodes": ([node("oci://1"), balanced(notes={f"{PREFIX}protocol": "tcp"})], []),
    "nothing": ([node("digitalocean://1")], []),
}


@pytest.mark.parametrize(("objects", "expected"), FOUND.values(), ids=FOUND)
def test_how_it_is_found(objects: list[Obj], expected: list[tuple[Any, ...]]) -> None:
    assert [(item.name, item.confidence) for item in found(LB, *objects)] == expected
