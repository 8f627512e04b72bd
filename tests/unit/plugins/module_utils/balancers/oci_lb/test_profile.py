# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Oracle Cloud's load balancers: from the gateway's own Service and from an Ingress, how they are found, what they answer."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.chain import CheckTarget, HealthCheck
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.oci_lb.profile import PROFILE as LB

from tests.unit.plugins.module_utils.balancers.cloud_support import HOST, annotations, balanced, found, node, request, target
from tests.unit.plugins.module_utils.balancers.support import noted
from tests.unit.plugins.module_utils.support.cluster import Obj, backend, ingress, ingress_class, path

TYPE = "oci.oraclecloud.com/load-balancer-type"
PREFIX, NETWORK = "service.beta.kubernetes.io/oci-load-balancer-", "oci-network-load-balancer.oraclecloud.com/"
NATIVE = "oci-native-ingress.oraclecloud.com/"
LOCAL = ((("externalTrafficPolicy",), "Local"),)
NODE = HealthCheck("node")
PLAIN_443 = target(port=443)
SOURCE, PROXY, HEADER = ("source_address", 0), ("proxy_protocol", 0), ("x_forwarded_for", 1)

SERVICES: dict[str, tuple[dict[str, Any], dict[str, str], tuple[str, int]]] = {
    "layer 4": ({}, {TYPE: "lb", f"{PREFIX}connection-proxy-protocol-version": "2"}, PROXY),
    "internal, of a shape, without the client": (
        {"internal": True, "shape": "flexible", "client": "none"},
        {TYPE: "lb", f"{PREFIX}internal": "true", f"{PREFIX}shape": "flexible"}, ("none", 0)),
    "HTTPS": (
        {"gateway": PLAIN_443, "tls_secret": "cert"},
        {TYPE: "lb", f"{PREFIX}tls-secret": "cert", f"{PREFIX}ssl-ports": "443", f"{PREFIX}backend-protocol": "HTTP"}, HEADER),
    "HTTPS, and TLS to the gateway": (
        {"gateway": target(tls=True), "tls_secret": "cert", "backend_secret": "ca"},
        {TYPE: "lb", f"{PREFIX}tls-secret": "cert", f"{PREFIX}ssl-ports": "443", f"{PREFIX}tls-backendset-secret": "ca",
         f"{PREFIX}backend-protocol": "HTTP"}, HEADER),
    "network": ({"type": "nlb"}, {TYPE: "nlb", f"{NETWORK}is-preserve-source": "true"}, SOURCE),
    "network, internal, PROXY protocol": (
        {"type": "nlb", "client": "proxy_protocol", "internal": "true"},
        {TYPE: "nlb", f"{NETWORK}internal": "true", f"{NETWORK}is-ppv2-enabled": "true"}, PROXY),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "expected", "client"), SERVICES.values(), ids=SERVICES)
def test_the_gateways_own_service(wanted: dict[str, Any], expected: dict[str, str], client: tuple[str, int]) -> None:
    asked = request(**wanted)
    front = LB.chain.front(asked)
    assert dict(front.service.annotations) == expected
    assert (front.bodies, front.refusal, front.service.type, front.service.fields, front.check) == ((), "", "LoadBalancer", LOCAL, NODE)
    learnt = LB.chain.client_address(asked)
    assert (learnt.mode, learnt.trusted_hops) == client
    # The module refuses what the facts rule out.
    assert LB.chain.facts.forwarded_for == "appended" and LB.chain.facts.proxy_protocol


HEALTH = {
    "healthcheck-protocol": "HTTP", "healthcheck-port": "15021", "healthcheck-path": "/healthz/ready", "healthcheck-return-code": "200",
}
INGRESSES: dict[str, tuple[dict[str, Any], dict[str, str], HealthCheck, str]] = {
    "plain": ({}, {"http-listener-port": "80", "healthcheck-protocol": "TCP"}, HealthCheck("tcp", 80), "ClusterIP"),
    "HTTPS, the status port": (
        {"tls_secret": "cert", "check": "http"}, {"https-listener-port": "443", "backend-tls-enabled": "false", **HEALTH}, HealthCheck(),
        "ClusterIP"),
    "TLS to the gateway, the status port": (
        {"tls_secret": "cert", "gateway": target(tls=True), "check": "http"},
        {"https-listener-port": "443", "backend-tls-enabled": "true", **HEALTH, "healthcheck-force-plaintext": "true"}, HealthCheck(),
        "ClusterIP"),
    "nodes": ({"targets": "nodes"}, {"http-listener-port": "80", "healthcheck-protocol": "TCP"}, NODE, "NodePort"),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "expected", "check", "service"), INGRESSES.values(), ids=INGRESSES)
def test_an_ingress(wanted: dict[str, Any], expected: dict[str, str], check: HealthCheck, service: str) -> None:
    asked = request(front="ingress", **wanted)
    front = LB.chain.front(asked)
    (body,) = front.bodies
    assert annotations(body) == {f"{NATIVE}{key}": value for key, value in expected.items()}
    assert body["spec"]["rules"][0]["host"] == HOST
    assert body["spec"].get("tls", []) == ([{"hosts": [HOST], "secretName": "cert"}] if "tls_secret" in wanted else [])
    assert (front.check, front.service.type) == (check, service)
    learnt = LB.chain.client_address(asked)
    assert (learnt.mode, learnt.trusted_hops, LB.chain.server_name(asked)) == (*HEADER, "never")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a network load balancer that ends TLS": ({"type": "nlb", "tls_secret": "x"}, "cannot end TLS"),
    "a header that it does not write": ({"client": "x_forwarded_for"}, "only an HTTP listener"),
    "PROXY protocol with HTTP": ({"client": "proxy_protocol", "tls_secret": "x", "gateway": PLAIN_443}, "no PROXY header"),
    "a proxy's own address": ({"client": "source_address"}, "is a proxy"),
    "whom it trusts": ({"tls_secret": "x", "gateway": target(tls=True)}, "backend_secret"),
    "a certificate at port 80": ({"tls_secret": "x"}, "gateway.port"),
    "trust for TLS of its own that it has not": ({"backend_secret": "x"}, "passed through"),
    "TLS to the gateway from an Ingress without a Secret": ({"front": "ingress", "gateway": target(tls=True)}, "tls_secret"),
}


@pytest.mark.parametrize(("wanted", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(wanted: dict[str, Any], said: str) -> None:
    assert said in LB.chain.front(request(**wanted)).refusal


def test_what_it_ends_and_sends() -> None:
    assert (LB.chain.ends_tls(request()), LB.chain.server_name(request())) == (False, "client")
    assert (LB.chain.ends_tls(request(tls_secret="x")), LB.chain.server_name(request(tls_secret="x"))) == (True, "never")


def test_the_check_of_an_application() -> None:
    application = CheckTarget("apps", "shop", HealthCheck("http", 15021))
    assert LB.health.check(application, request()).check == NODE
    front = LB.health.check(application, request(front="ingress", check="http"))
    assert front.check == HealthCheck() and "apps/shop" in front.steps[0]
    assert LB.health.check(application, request(front="ingress")).check.kind == "tcp"
    assert "targets to pods" in LB.health.check(application, request(front="ingress", targets="nodes")).refusal


NAME = "oci_lb"
BY_ANNOTATION = noted(ingress("a", path(backend("shop")), class_name=None), **{f"{NATIVE}id": "x"})
FOUND: dict[str, tuple[list[Obj], list[tuple[Any, ...]]]] = {
    "annotation": ([balanced(notes={TYPE: "nlb"})], [(NAME, "certain")]),
    "annotation of a proxy": ([balanced(notes={f"{PREFIX}shape": "x"})], [(NAME, "certain")]),
    "on its nodes": ([node("oci://1"), balanced()], [(NAME, "likely")]),
    "on its nodes, the other form": ([node("ocid1.instance.oc1.x"), balanced()], [(NAME, "likely")]),
    "IngressClass": ([ingress_class("native", "oci.oraclecloud.com/native-ingress-controller")], [("native", "likely")]),
    "an Ingress's annotation": ([node("ocid1.instance.x"), BY_ANNOTATION], [(NAME, "certain")]),
    "on others' nodes": ([node("azure:///1"), balanced(notes={TYPE: "nlb"})], []),
}


@pytest.mark.parametrize(("objects", "expected"), FOUND.values(), ids=FOUND)
def test_how_it_is_found(objects: list[Obj], expected: list[tuple[Any, ...]]) -> None:
    assert [(item.name, item.confidence) for item in found(LB, *objects)] == expected
