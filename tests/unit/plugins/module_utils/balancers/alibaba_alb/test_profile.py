# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alibaba Cloud Application Load Balancer: the objects, how it is found, what it answers."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.alibaba_alb.profile import PROFILE as ALB
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.chain import CheckTarget, HealthCheck

from tests.unit.plugins.module_utils.balancers.cloud_support import GATEWAY, HOST, annotations, found, node, request, target
from tests.unit.plugins.module_utils.balancers.support import noted
from tests.unit.plugins.module_utils.support.cluster import Obj, backend, ingress, ingress_class, path

PREFIX = "alb.ingress.kubernetes.io"
HTTP, BOTH = '[{"HTTP": 80}]', '[{"HTTP": 80}, {"HTTPS": 443}]'
HEALTH = {
    "healthcheck-enabled": "true", "healthcheck-protocol": "HTTP", "healthcheck-method": "GET", "healthcheck-path": "/healthz/ready",
    "healthcheck-httpcode": "http_2xx", "healthcheck-connect-port": "15021",
}
CHECK, NONE = HealthCheck("http", 15021), HealthCheck("none")
PODS = ("ClusterIP", (("service.beta.kubernetes.io/backend-type", "eni"),), ())
NODES = ("NodePort", (), ((("externalTrafficPolicy",), "Local"),))

INGRESSES: dict[str, tuple[dict[str, Any], dict[str, str], HealthCheck, tuple[Any, ...]]] = {
    "plain": ({}, {"listen-ports": HTTP, "backend-protocol": "http", **HEALTH}, CHECK, PODS),
    "TLS to the gateway": ({"gateway": target(tls=True)}, {"listen-ports": HTTP, "backend-protocol": "https", **HEALTH}, CHECK, PODS),
    "HTTPS and a redirect": (
        {"tls_secret": "shop", "https_redirect": True},
        {"listen-ports": BOTH, "backend-protocol": "http", "ssl-redirect": "true", **HEALTH}, CHECK, PODS),
    "nodes": ({"targets": "nodes"}, {"listen-ports": HTTP, "backend-protocol": "http"}, NONE, NODES),
    "open source": ({"controller": "open_source"}, {"listen-ports": HTTP}, NONE, PODS),
    "a status port by number": (
        {"gateway": target(status_port=16021)},
        {"listen-ports": HTTP, "backend-protocol": "http", **HEALTH, "healthcheck-connect-port": "16021"},
        HealthCheck("http", 16021), PODS),
    "a status port by a name of its own": (
        {"gateway": target(status_port="health")}, {"listen-ports": HTTP, "backend-protocol": "http"}, NONE, PODS),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "expected", "check", "service"), INGRESSES.values(), ids=INGRESSES)
def test_an_ingress_in_the_gateways_namespace(
    wanted: dict[str, Any], expected: dict[str, str], check: HealthCheck, service: tuple[Any, ...]
) -> None:
    front = ALB.chain.front(request(**wanted))
    (body,) = front.bodies
    assert annotations(body) == {f"{PREFIX}/{key}": value for key, value in expected.items()}
    assert body["metadata"]["namespace"] == GATEWAY and body["spec"]["ingressClassName"] == "alb"
    assert body["spec"]["rules"][0]["host"] == HOST
    assert front.check == check
    assert (front.service.type, front.service.annotations, front.service.fields) == service


def test_certificates() -> None:
    by_secret = ALB.chain.front(request(tls_secret="shop"))
    assert by_secret.bodies[0]["spec"]["tls"] == [{"hosts": [HOST], "secretName": "shop"}]
    by_host = ALB.chain.front(request(discover_certificate="true"))
    assert by_host.bodies[0]["spec"]["tls"] == [{"hosts": [HOST]}]
    assert "XForwardedForProtoEnabled" in by_host.steps[0] and not ALB.chain.front(request()).steps
    asked = [request(), request(tls_secret="x"), request(discover_certificate="no")]
    assert [ALB.chain.ends_tls(item) for item in asked] == [False, True, False]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "redirect without a certificate": ({"https_redirect": True}, "tls_secret"),
    "TLS to the gateway, open source": ({"controller": "open_source", "gateway": target(tls=True)}, "open-source"),
    "a certificate for no host": ({"discover_certificate": "true", "hosts": ()}, "give hosts"),
}


@pytest.mark.parametrize(("wanted", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(wanted: dict[str, Any], said: str) -> None:
    assert said in ALB.chain.front(request(**wanted)).refusal


def test_the_check_of_an_application_goes_to_its_sidecar() -> None:
    application = CheckTarget("apps", "shop", HealthCheck("http", 15021))
    front = ALB.health.check(application, request())
    assert front.check == CHECK and "apps/shop" in front.steps[0] and "connect-port: '15021'" in front.steps[0]
    for options in ({"controller": "open_source"}, {"targets": "nodes"}):
        assert "managed controller" in ALB.health.check(application, request(**options)).refusal


def test_the_client() -> None:
    client = ALB.chain.client_address(request())
    assert (client.mode, client.trusted_hops, ALB.chain.server_name(request())) == ("x_forwarded_for", 1, "never")


def annotated(key: str) -> Obj:
    return noted(ingress("a", path(backend("shop")), class_name=None), **{f"{PREFIX}/{key}": "x"})


def addressed(name: str) -> Obj:
    return {**ingress("a", path(backend("shop")), class_name=None), "status": {"loadBalancer": {"ingress": [{"hostname": name}]}}}


FOUND: dict[str, tuple[list[Obj], list[tuple[Any, ...]]]] = {
    "IngressClass": ([ingress_class("public", "ingress.k8s.alibabacloud/alb")], [("public", ("public",), "likely")]),
    "annotation": ([node("cn-hangzhou.i-1"), annotated("vswitch-ids")], [("alibaba_alb", (), "certain")]),
    "annotation, the other form of providerID": (
        [node("alicloud://cn-hangzhou.i-1"), annotated("healthcheck-httpcode")], [("alibaba_alb", (), "certain")]),
    "annotation of both, on others' nodes": ([node("aws:///a/i-1"), annotated("listen-ports")], []),
    "the name that it got": ([addressed("alb-x.cn-hangzhou.alb.aliyuncs.com")], [("alibaba_alb", (), "likely")]),
    "another name": ([addressed("x.us-east-1.elb.amazonaws.com")], []),
    "nothing": ([node("cn-hangzhou.i-1")], []),
}


@pytest.mark.parametrize(("objects", "expected"), FOUND.values(), ids=FOUND)
def test_how_it_is_found(objects: list[Obj], expected: list[tuple[Any, ...]]) -> None:
    assert [(item.name, item.classes, item.confidence) for item in found(ALB, *objects)] == expected
