# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS Network Load Balancer, as the AWS Load Balancer Controller (or EKS Auto Mode) makes it from the gateway's own Service.

Source: kubernetes-sigs/aws-load-balancer-controller 225f445, docs/guide/service/{annotations,nlb}.md and
pkg/service/model_build_target_group.go (a check's port may be a port name of the Service; preserve_client_ip's default per target type).
EKS Auto Mode: awsdocs/amazon-eks-user-guide, latest/ug/automode/auto-configure-nlb.adoc (no annotation proxy-protocol, but the target
group's attribute, which the controller reads too; a check's port by number).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ...core.findings import finding
from ...core.model import Finding
from ...core.writes import annotation, none_before
from ...kube.objects import Obj, dig, ref_of
from ..contract.chain import ChainRequest, CheckTarget, HealthCheck, HealthChecker, LoadBalancerSide
from ..contract.facts import Capability, ChainFacts, ChainOption
from ..contract.recognition import GatewayClasses, Recogniser
from ..kit.chain.answers import chain_side, unless, usual_client_address
from ..kit.cloud.health import LOCAL, NO_SERVICE_PORT, gateway_check, on_service, pod_port, with_proxy_header
from ..kit.cloud.options import has_option, is_word, prefixed, word
from ..kit.cloud.platform import HOSTED, in_cloud, platform
from ..kit.cloud.preflight import on_gateway_service
from ..kit.cloud.signs import PlatformSigns
from ..kit.writes import CLASS_FIELD, LOCAL_FIELD, declaring, gateway_service

PREFIX = "service.beta.kubernetes.io/aws-load-balancer"
TITLE = "AWS Network Load Balancer"
CONTROLLER_CLASS, AUTO_MODE_CLASS = "service.k8s.aws/nlb", "eks.amazonaws.com/nlb"
SIGNS = PlatformSigns(
    nodes=("aws://",), load_balancer_classes=(CONTROLLER_CLASS, AUTO_MODE_CLASS), service_annotations=(
        f"{PREFIX}-type=external", f"{PREFIX}-type=nlb-ip", f"{PREFIX}-type=nlb", f"{PREFIX}-nlb-target-type",
    ),
)
FACTS = ChainFacts(
    hops=0, forwarded_for="absent", proxy_protocol=True, server_name="client", ends_tls="optional",
    tls_to_gateway="clients' TLS passes through; with a certificate of its own: backend-protocol ssl, no server name",
    health="annotations healthcheck-protocol, -port and -path of the Service",
    objects=("annotations of the gateway's own Service",), service_type="LoadBalancer",
    minimum="AWS Load Balancer Controller 2.4; Istio 1.27 for PROXY protocol with an HTTP check, 1.19 with a TCP check",
    standalone=Capability(True, "yes, connections pass through to pods or nodes where plaintext is accepted"),
    standalone_mtls=Capability(False, "no: only a client that speaks TLS itself, to a workload that ends that TLS itself"),
    cannot=(
        "write X-Forwarded-For or X-Forwarded-Proto, even where it ends TLS",
        "keep the client's address with pods as targets, unless preserve_client_ip is switched on (client_address.mode source_address)",
        "be told apart per port: PROXY protocol is for every port of the gateway, so clients inside of the cluster have to send it too",
        "be made from a Gateway of class gateway.k8s.aws/nlb by this collection: its class is found, the gateway's Service is used",
        "be promised in EKS Auto Mode to check nodes by a port's name, to take an ssl_policy or to speak TLS to the gateway, since its "
        "list of annotations names none of these (UNCONFIRMED)",
    ),
    options=(
        ChainOption("load_balancer_class", "Who makes it: the controller (the default) or EKS Auto Mode.", (
            CONTROLLER_CLASS, AUTO_MODE_CLASS)),
        ChainOption("scheme", "Where it can be reached from; internal where nothing is said.", ("internet-facing", "internal")),
        ChainOption("target_type", "Whether it sends to pods (the default) or to nodes.", ("ip", "instance")),
        ChainOption("health_check", "How it checks: http at the status port (the default), or tcp at the port that traffic takes.", (
            "http", "tcp")),
        ChainOption("certificate_arn", "The certificate with which it ends TLS on the gateway's port; without one TLS passes through."),
        ChainOption("ssl_policy", "The security policy of its TLS side."),
    ),
)
client_address = partial(usual_client_address, TITLE, FACTS)
ends_tls = has_option("certificate_arn")
to_pods = is_word("target_type", "ip", "ip")


def check(target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
    """A check of the status port, or of the port that traffic takes.

    Pods are asked by number, which both controllers understand; nodes by the name of the Service's port, behind which is a node port.
    """
    port = (pod_port(target.check.port) if to_pods(request) else 0) or target.check.port
    if word(request, "health_check") == "tcp":
        annotations = {"protocol": "tcp", "port": "traffic-port"}
        asked = HealthCheck("tcp", request.gateway.target_port, "")
    elif isinstance(port, int) and not to_pods(request):
        return LoadBalancerSide(refusal=NO_SERVICE_PORT)
    else:
        annotations = {"protocol": "http", "port": str(port), "path": target.check.path, "success-codes": "200"}
        asked = HealthCheck("http", port, target.check.path)
    return on_service(asked, prefixed(f"{PREFIX}-healthcheck-", annotations))


def _reasons(request: ChainRequest) -> list[str]:
    return [
        check(gateway_check(request), request).refusal,
        "it does not write X-Forwarded-For: use proxy_protocol or source_address"
        if client_address(request).mode == "x_forwarded_for" else "",
        "with certificate_arn clients speak TLS to the gateway's port, and this one is 80: name another in gateway.port"
        if ends_tls(request) and request.gateway.port == 80 else "",
    ]


def front(request: ChainRequest) -> LoadBalancerSide:
    """The gateway's own Service: connections pass on with a PROXY header (the usual way), the client's own address, or neither."""
    mode, certificate = client_address(request).mode, request.option("certificate_arn")
    health = check(gateway_check(request), request)
    annotations = prefixed(f"{PREFIX}-", {
        "scheme": word(request, "scheme"), "nlb-target-type": word(request, "target_type", "ip"),
        "target-group-attributes": "proxy_protocol_v2.enabled=true" if mode == "proxy_protocol" else
        "preserve_client_ip.enabled=true" if mode == "source_address" and to_pods(request) else "",
        "ssl-cert": certificate, "ssl-ports": request.gateway.port if certificate else "",
        "ssl-negotiation-policy": request.option("ssl_policy") if certificate else "",
        "backend-protocol": "ssl" if certificate and request.gateway.tls else "",
    })
    # A node that has no pod of the gateway would send on under its own address, so such nodes are left out.
    local = (LOCAL,) if mode == "source_address" and not to_pods(request) else ()
    named = () if _by_annotation(request) else ((("loadBalancerClass",), _class(request)),)
    side = on_service(health.check, {**annotations, **dict(health.service.annotations)}, *named, *local)
    return with_proxy_header(side) if mode == "proxy_protocol" else side


def what_is_wrong(service: Obj, request: ChainRequest) -> Iterator[Finding]:
    """A class that is missing. Another one than the wanted one is seen without this; that none cannot become one is not."""
    made = dig(service, "spec", "type") == "LoadBalancer" and not dig(service, "spec", "loadBalancerClass")
    if made and not _by_annotation(request):
        text = f"it is of type LoadBalancer without loadBalancerClass {_class(request)}, which cannot be set while it is"
        yield finding("MLB609", text, ref_of(service))


def _class(request: ChainRequest) -> str:
    return word(request, "load_balancer_class", CONTROLLER_CLASS)


def _by_annotation(request: ChainRequest) -> bool:
    """Whether the controller takes the Service for an annotation of before there were classes."""
    return request.gateway.annotation(f"{PREFIX}-type") in ("external", "nlb-ip")


CHECKS = (annotation(f"{PREFIX}-healthcheck-*", none_before),)
WRITES = gateway_service(f"{PREFIX}-*", fields=(LOCAL_FIELD, CLASS_FIELD))
CHAIN = declaring(
    chain_side(
        TITLE, FACTS, unless(_reasons, front), preflight=on_gateway_service(what_is_wrong), client_address=client_address,
        ends_tls=ends_tls,
    ),
    *WRITES,
)
PROFILE = platform(
    in_cloud("aws_nlb", TITLE), SIGNS, CHAIN, HealthChecker(check, annotations=CHECKS),
    recogniser=Recogniser(gateway_classes=GatewayClasses(("gateway.k8s.aws/nlb",))), dialect=HOSTED.without("HTTPRoute", "GRPCRoute"),
)
