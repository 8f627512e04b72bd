# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS Network Load Balancer: the gateway's Service, how it is found, what it answers."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.aws_alb.profile import PROFILE as ALB
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.aws_nlb.profile import PROFILE as NLB
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.chain import CheckTarget, HealthCheck

from tests.unit.plugins.module_utils.balancers.cloud_support import GATEWAY, balanced, found, node, request, target
from tests.unit.plugins.module_utils.balancers.gateways import gateway_class
from tests.unit.plugins.module_utils.balancers.support import reading, shown
from tests.unit.plugins.module_utils.support.cluster import Obj, annotated, ingress_class, live, service

PREFIX = "service.beta.kubernetes.io/aws-load-balancer"
CERTIFICATE = "arn:aws:acm:eu-west-1:123456789012:certificate/1"
HTTP = {"healthcheck-protocol": "http", "healthcheck-port": "15021", "healthcheck-path": "/healthz/ready",
        "healthcheck-success-codes": "200"}  # fmt: skip
BY_NAME = {**HTTP, "healthcheck-port": "status-port"}
PROXY = {"target-group-attributes": "proxy_protocol_v2.enabled=true"}
TCP = {"healthcheck-protocol": "tcp", "healthcheck-port": "traffic-port"}
CLASS = (("loadBalancerClass",), "service.k8s.aws/nlb")
LOCAL = (("externalTrafficPolicy",), "Local")
STATUS = (("ENVOY_STATUS_PORT_ENABLE_PROXY_PROTOCOL", "true"),)
BY_STATUS = HealthCheck("http", 15021)

SERVICES: dict[str, tuple[dict[str, Any], dict[str, str], tuple[Any, ...], HealthCheck, tuple[Any, ...]]] = {
    "PROXY protocol to pods": (
        {}, {"nlb-target-type": "ip", **PROXY, **HTTP}, (CLASS,), HealthCheck("http", 15021, proxy_header=True), STATUS),
    "PROXY protocol with a TCP check": (
        {"health_check": "tcp"}, {"nlb-target-type": "ip", **PROXY, **TCP}, (CLASS,),
        HealthCheck("tcp", 80, "", proxy_header=True), ()),
    "PROXY protocol to nodes": (
        {"target_type": "instance"}, {"nlb-target-type": "instance", **PROXY, **BY_NAME}, (CLASS,),
        HealthCheck("http", "status-port", proxy_header=True), STATUS),
    "the client's own address at pods": (
        {"client": "source_address"},
        {"nlb-target-type": "ip", "target-group-attributes": "preserve_client_ip.enabled=true", **HTTP}, (CLASS,), BY_STATUS, ()),
    "the client's own address at nodes": (
        {"client": "source_address", "target_type": "instance"}, {"nlb-target-type": "instance", **BY_NAME}, (CLASS, LOCAL),
        HealthCheck("http", "status-port"), ()),
    "no client": ({"client": "none"}, {"nlb-target-type": "ip", **HTTP}, (CLASS,), BY_STATUS, ()),
    "EKS Auto Mode, from outside": (
        {"client": "none", "load_balancer_class": "eks.amazonaws.com/nlb", "scheme": "internet-facing"},
        {"scheme": "internet-facing", "nlb-target-type": "ip", **HTTP}, ((("loadBalancerClass",), "eks.amazonaws.com/nlb"),),
        BY_STATUS, ()),
    "TLS passes through": (
        {"client": "none", "gateway": target(tls=True)}, {"nlb-target-type": "ip", **HTTP}, (CLASS,), BY_STATUS, ()),
    "it ends TLS": (
        {"client": "none", "gateway": target(port=443, port_name="https"), "certificate_arn": CERTIFICATE, "ssl_policy": "modern"},
        {"nlb-target-type": "ip", "ssl-cert": CERTIFICATE, "ssl-ports": "443", "ssl-negotiation-policy": "modern", **HTTP}, (CLASS,),
        BY_STATUS, ()),
    "it ends TLS and speaks TLS": (
        {"client": "none", "gateway": target(tls=True), "certificate_arn": CERTIFICATE},
        {"nlb-target-type": "ip", "ssl-cert": CERTIFICATE, "ssl-ports": "443", "backend-protocol": "ssl", **HTTP}, (CLASS,), BY_STATUS, ()),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "notes", "fields", "check", "environment"), SERVICES.values(), ids=SERVICES)
def test_the_gateways_service(
    wanted: dict[str, Any], notes: dict[str, str], fields: tuple[Any, ...], check: HealthCheck, environment: tuple[Any, ...]
) -> None:
    front = NLB.chain.front(request(**wanted))
    assert front.bodies == () and front.service.type == "LoadBalancer"
    assert dict(front.service.annotations) == {f"{PREFIX}-{key}": value for key, value in notes.items()}
    assert (front.service.fields, front.check, front.environment) == (fields, check, environment)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a header that it does not write": ({"client": "x_forwarded_for"}, "X-Forwarded-For"),
    "TLS on port 80": ({"certificate_arn": CERTIFICATE}, "gateway.port"),
    "a pod's port, asked at nodes": ({"target_type": "instance", "gateway": target(status_port=15021)}, "name of a port"),
}


@pytest.mark.parametrize(("wanted", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(wanted: dict[str, Any], reason: str) -> None:
    front = NLB.chain.front(request(**wanted))
    assert reason in front.refusal and front.service.annotations == ()


def test_a_status_port_of_another_name_is_asked_by_it() -> None:
    front = NLB.chain.front(request(gateway=target(status_port="health")))
    assert dict(front.service.annotations)[f"{PREFIX}-healthcheck-port"] == "health" and front.check.port == "health"


def test_the_client_and_what_it_ends() -> None:
    assert (NLB.chain.client_address(request()).mode, NLB.chain.client_address(request()).trusted_hops) == ("proxy_protocol", 0)
    own = request(certificate_arn=CERTIFICATE)
    assert (NLB.chain.ends_tls(request()), NLB.chain.server_name(request())) == (False, "client")
    assert (NLB.chain.ends_tls(own), NLB.chain.server_name(own)) == (True, "never")
    assert not NLB.chain.facts.redirects


def test_the_check_of_an_application_goes_to_its_sidecar() -> None:
    application = CheckTarget("apps", "shop", HealthCheck("http", 15021))
    assert dict(NLB.health.check(application, request()).service.annotations)[f"{PREFIX}-healthcheck-port"] == "15021"
    assert "name of a port" in NLB.health.check(application, request(target_type="instance")).refusal


def there(kind: str, class_name: str = "") -> Obj:
    made = service("gateway", where=GATEWAY)
    made["spec"].update({"type": kind, **({"loadBalancerClass": class_name} if class_name else {})})
    return made


PREFLIGHT: dict[str, tuple[list[Obj], list[str]]] = {
    "nothing yet": ([], []),
    "of another type": ([there("ClusterIP")], []),
    "balanced by somebody else": ([there("LoadBalancer")], ["MLB609"]),
    "with a class (which of them is seen elsewhere)": ([there("LoadBalancer", "service.k8s.aws/nlb")], []),
}


@pytest.mark.parametrize(("objects", "expected"), PREFLIGHT.values(), ids=PREFLIGHT)
def test_a_class_cannot_be_given_later(objects: list[Obj], expected: list[str]) -> None:
    assert [item.code for item in NLB.chain.preflight(live(*objects), request())] == expected


@pytest.mark.parametrize(("kind", "codes"), [("external", []), ("nlb-ip", []), ("nlb", ["MLB609"])])
def test_a_service_that_an_annotation_gave_it_needs_no_class(kind: str, codes: list[str]) -> None:
    chained = request(gateway=target(annotations=((f"{PREFIX}-type", kind),)))
    assert [item.code for item in NLB.chain.preflight(live(there("LoadBalancer")), chained)] == codes
    assert (("loadBalancerClass",) in dict(NLB.chain.front(chained).service.fields)) is bool(codes)


AWS = node("aws:///a/i-1")
NOTED = balanced(notes={f"{PREFIX}-type": "external", f"{PREFIX}-nlb-target-type": "ip"})
FOUND: dict[str, tuple[list[Obj], list[str]]] = {
    "loadBalancerClass": ([balanced(class_name="service.k8s.aws/nlb")], ["certain"]),
    "loadBalancerClass of Auto Mode": ([AWS, balanced(class_name="eks.amazonaws.com/nlb")], ["certain"]),
    "annotations": ([AWS, NOTED], ["certain"]),
    "annotations, on others' nodes": ([node("gce://p/z/vm"), NOTED], []),
    "annotations beside another class": ([AWS, balanced(class_name="other", notes={f"{PREFIX}-type": "external"})], []),
    "of an older controller, a classic one perhaps": ([AWS, balanced()], []),
    "GatewayClass": ([gateway_class("gateway.k8s.aws/nlb", "nlb")], ["likely"]),
    "no LoadBalancer": ([AWS, service("web")], []),
}


@pytest.mark.parametrize(("objects", "expected"), FOUND.values(), ids=FOUND)
def test_how_it_is_found(objects: list[Obj], expected: list[str]) -> None:
    assert [item.confidence for item in found(NLB, *objects)] == expected


def test_both_of_amazon_in_one_cluster_are_told_apart() -> None:
    objects = [AWS, NOTED, ingress_class("alb", "ingress.k8s.aws/alb"), gateway_class("gateway.k8s.aws/nlb", "nlb")]
    ((nlb,), (alb,)) = found(NLB, *objects), found(ALB, *objects)
    assert (nlb.classes, alb.classes) == (("nlb",), ("alb",))


def test_its_routes_are_the_ports_of_services() -> None:
    snapshot = live(AWS, NOTED, balanced("other"))
    assert [(item[2], item[5]) for item in shown(snapshot, NLB.about.id)] == [("apps/web:80", "tcp")]


def test_a_service_may_ask_to_be_left_alone() -> None:
    for item, expected in ((NOTED, False), (annotated(NOTED, ignore="true"), True)):
        assert [route.ignored for route in reading(live(AWS, item), NLB.about.id)[0]] == [expected]
