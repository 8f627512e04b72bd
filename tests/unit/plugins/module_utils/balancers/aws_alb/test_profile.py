# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS Application Load Balancer: the objects, how it is found, what it answers."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.aws_alb.profile import PROFILE as ALB
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.chain import CheckTarget, HealthCheck

from tests.unit.plugins.module_utils.balancers.cloud_support import GATEWAY, HOST, annotations, found, made, node, request, target
from tests.unit.plugins.module_utils.balancers.gateways import gateway_class
from tests.unit.plugins.module_utils.balancers.support import noted, validated
from tests.unit.plugins.module_utils.support.cluster import Obj, backend, ingress, ingress_class, path

PREFIX = "alb.ingress.kubernetes.io"
CERTIFICATE = "arn:aws:acm:eu-west-1:123456789012:certificate/1"
HEALTH = {"healthcheck-protocol": "HTTP", "healthcheck-port": "status-port", "healthcheck-path": "/healthz/ready", "success-codes": "200"}

INGRESSES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "plain": ({}, {"target-type": "ip", "backend-protocol": "HTTP", "listen-ports": '[{"HTTP": 80}]'}),
    "TLS to the gateway": (
        {"gateway": target(tls=True)}, {"target-type": "ip", "backend-protocol": "HTTPS", "listen-ports": '[{"HTTP": 80}]'}),
    "HTTPS and a redirect": (
        {"certificate_arn": CERTIFICATE, "https_redirect": True, "scheme": "internet-facing"},
        {"target-type": "ip", "backend-protocol": "HTTP", "listen-ports": '[{"HTTP": 80}, {"HTTPS": 443}]', "certificate-arn": CERTIFICATE,
         "ssl-redirect": "443", "scheme": "internet-facing"}),
    "nodes": ({"target_type": "instance"}, {"target-type": "instance", "backend-protocol": "HTTP", "listen-ports": '[{"HTTP": 80}]'}),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "expected"), INGRESSES.values(), ids=INGRESSES)
def test_an_ingress_in_the_gateways_namespace(wanted: dict[str, Any], expected: dict[str, str]) -> None:
    asked = request(**wanted)
    front = ALB.chain.front(asked)
    (body,) = front.bodies
    assert annotations(body) == {f"{PREFIX}/{key}": value for key, value in {**expected, **HEALTH}.items()}
    assert body["metadata"]["namespace"] == GATEWAY and body["spec"]["ingressClassName"] == "alb"
    (rule,) = body["spec"]["rules"]
    assert rule["host"] == HOST
    assert rule["http"]["paths"][0]["backend"]["service"] == {"name": "gateway", "port": {"number": asked.gateway.port}}
    assert front.service.type == ("NodePort" if wanted.get("target_type") == "instance" else "ClusterIP")
    assert front.check == HealthCheck("http", "status-port")


def test_a_gateway_with_its_settings_is_valid_by_the_vendors_schemas() -> None:
    asked = request(gateway=target(tls=True), front="gateway_api", certificate_arn=CERTIFICATE, https_redirect=True, scheme="internal")
    front = ALB.chain.front(asked)
    objects = made(front)
    assert sorted(objects) == [
        "Gateway", "HTTPRoute chain", "HTTPRoute chain-redirect", "LoadBalancerConfiguration", "TargetGroupConfiguration"]  # fmt: skip
    assert objects["HTTPRoute chain"]["spec"]["parentRefs"] == [{"name": "chain", "sectionName": "https"}]
    settings = objects["TargetGroupConfiguration"]["spec"]["defaultConfiguration"]
    assert (settings["protocol"], settings["healthCheckConfig"]["healthCheckPort"]) == ("HTTPS", "status-port")
    for kind in ("LoadBalancerConfiguration", "TargetGroupConfiguration"):
        validated(objects[kind], "aws-load-balancer-controller")


def test_the_class_that_was_found_or_asked_for() -> None:
    assert ALB.chain.front(request(classes=("public",))).bodies[0]["spec"]["ingressClassName"] == "public"
    assert ALB.chain.front(request(classes=("public",), class_name="x")).bodies[0]["spec"]["ingressClassName"] == "x"


def test_a_redirect_without_a_certificate_is_refused() -> None:
    assert "certificate_arn" in ALB.chain.front(request(https_redirect=True)).refusal


def test_the_client_and_what_it_ends() -> None:
    client = ALB.chain.client_address(request())
    assert (client.mode, client.trusted_hops) == ("x_forwarded_for", 1)
    assert (ALB.chain.ends_tls(request()), ALB.chain.ends_tls(request(certificate_arn=CERTIFICATE))) == (False, True)
    assert ALB.chain.server_name(request()) == "never"


def test_the_check_of_an_application_goes_to_its_sidecar() -> None:
    application = CheckTarget("apps", "shop", HealthCheck("http", 15021))
    by_pod = dict(ALB.health.check(application, request()).service.annotations)
    assert by_pod[f"{PREFIX}/healthcheck-port"] == "15021"
    assert "pod's port number" in ALB.health.check(application, request(target_type="instance")).refusal
    (group,) = ALB.health.check(application, request(front="gateway_api", gateway=target(tls=True))).bodies
    assert group["metadata"]["namespace"] == "apps" and group["spec"]["defaultConfiguration"]["protocol"] == "HTTP"


BY_ANNOTATION = noted(ingress("a", path(backend("shop")), class_name=None), **{f"{PREFIX}/scheme": "internal"})
FOUND: dict[str, tuple[list[Obj], list[tuple[Any, ...]]]] = {
    "IngressClass": ([ingress_class("public", "ingress.k8s.aws/alb")], [("public", ("public",), "likely")]),
    "Auto Mode": ([ingress_class("alb", "eks.amazonaws.com/alb")], [("alb", ("alb",), "likely")]),
    "GatewayClass": ([gateway_class("gateway.k8s.aws/alb", "lb")], [("lb", ("lb",), "likely")]),
    "annotation": ([node("aws:///a/i-1"), BY_ANNOTATION], [("aws_alb", (), "certain")]),
    "annotation, on others' nodes": ([node("alicloud://x"), BY_ANNOTATION], []),
    "nothing": ([node("aws:///a/i-1")], []),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "expected"), FOUND.values(), ids=FOUND)
def test_how_it_is_found(objects: list[Obj], expected: list[tuple[Any, ...]]) -> None:
    assert [(item.name, item.classes, item.confidence) for item in found(ALB, *objects)] == expected
    for item in found(ALB, *objects):
        assert item.placement == "cloud" and item.evidence
        assert {name: mode.supported for name, mode in item.modes} == {
            "standalone_plaintext": True, "standalone_mtls": False, "chained": True}  # fmt: skip
