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

from ...core.findings import finding
from ...core.model import Finding
from ...kube import kinds
from ...kube.objects import dig, ref_of
from ...kube.snapshot import Snapshot
from ..contract.chain import Capability, ChainFacts, ChainOption, ChainRequest, CheckTarget, HealthCheck, LoadBalancerSide, ServiceNeeds
from ..contract.facts import Proof
from ..kit.cloud.platform import STATUS_UNDERSTANDS_PROXY, pod_port, refused
from ..kit.cloud.signs import PlatformSigns
from ..kit.cloud.wanted import given, word
from ..legacy import Platform

PREFIX = "service.beta.kubernetes.io/aws-load-balancer"
CONTROLLER_CLASS, AUTO_MODE_CLASS = "service.k8s.aws/nlb", "eks.amazonaws.com/nlb"


class AwsNlb(Platform):
    """An NLB passes connections on, with a PROXY header (the usual way here), with the client's own address, or with neither."""

    id = "aws_nlb"
    title = "AWS Network Load Balancer"
    gateway_controllers = ("gateway.k8s.aws/nlb",)
    signs_outside = PlatformSigns(
        nodes=("aws://",), load_balancer_classes=(CONTROLLER_CLASS, AUTO_MODE_CLASS), service_annotations=(
            f"{PREFIX}-type=external", f"{PREFIX}-type=nlb-ip", f"{PREFIX}-type=nlb", f"{PREFIX}-nlb-target-type",
        ),
    )
    chain = ChainFacts(
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
        proof=Proof.SOURCE,
    )
    certificate_options = ("certificate_arn",)
    chain_options = (
        ChainOption("load_balancer_class", "Who makes it: the controller (the default) or EKS Auto Mode.", (
            CONTROLLER_CLASS, AUTO_MODE_CLASS)),
        ChainOption("scheme", "Where it can be reached from; internal where nothing is said.", ("internet-facing", "internal")),
        ChainOption("target_type", "Whether it sends to pods (the default) or to nodes.", ("ip", "instance")),
        ChainOption("health_check", "How it checks: http at the status port (the default), or tcp at the port that traffic takes.", (
            "http", "tcp")),
        ChainOption("certificate_arn", "The certificate with which it ends TLS on the gateway's port; without one TLS passes through."),
        ChainOption("ssl_policy", "The security policy of its TLS side."),
    )

    def chain_front(self, request: ChainRequest) -> LoadBalancerSide:
        mode, certificate = self.client_address(request).mode, request.option("certificate_arn")
        check = self.health_of_gateway(request)
        refusal = refused([
            check.refusal,
            "it does not write X-Forwarded-For: use proxy_protocol or source_address" if mode == "x_forwarded_for" else "",
            "with certificate_arn clients speak TLS to the gateway's port, and this one is 80: name another in gateway.port"
            if certificate and request.gateway.port == 80 else "",
        ])
        if refusal is not None:
            return refusal
        headers = mode == "proxy_protocol"
        by_status = check.check.kind == "http"
        return LoadBalancerSide(
            service=ServiceNeeds("LoadBalancer", (*_annotations(request, mode), *check.service.annotations), _fields(request, mode)),
            check=HealthCheck(check.check.kind, check.check.port, check.check.path, proxy_header=headers),
            environment=STATUS_UNDERSTANDS_PROXY if headers and by_status else (),
        )

    def health_check(self, target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
        # Pods are asked by number, which both controllers understand; nodes by the name of the Service's port, behind which is a node port.
        by_pods = _target_type(request) == "ip"
        port = (pod_port(target.check.port) if by_pods else 0) or target.check.port
        if word(request, "health_check") == "tcp":
            annotations = {"protocol": "tcp", "port": "traffic-port"}
            check = HealthCheck("tcp", request.gateway.target_port, "")
        elif isinstance(port, int) and not by_pods:
            return LoadBalancerSide(
                refusal="targets are nodes, so the check needs the name of a port of the Service, not a pod's port number"
            )
        else:
            annotations = {"protocol": "http", "port": str(port), "path": target.check.path, "success-codes": "200"}
            check = HealthCheck("http", port, target.check.path)
        notes = tuple((f"{PREFIX}-healthcheck-{key}", value) for key, value in annotations.items())
        return LoadBalancerSide(service=ServiceNeeds("LoadBalancer", notes), check=check)

    def chain_preflight(self, snapshot: Snapshot, request: ChainRequest) -> tuple[Finding, ...]:
        service = snapshot.get(kinds.SERVICE, request.gateway.namespace, request.gateway.service)
        if _by_annotation(request):
            return ()
        # Another class than the wanted one is seen without this; that none cannot become one is not.
        if service is None or dig(service, "spec", "type") != "LoadBalancer" or dig(service, "spec", "loadBalancerClass"):
            return ()
        text = f"it is of type LoadBalancer without loadBalancerClass {_class(request)}, which cannot be set while it is"
        return (finding("MLB609", text, ref_of(service)),)


def _class(request: ChainRequest) -> str:
    return word(request, "load_balancer_class", CONTROLLER_CLASS)


def _by_annotation(request: ChainRequest) -> bool:
    """Whether the controller takes the Service for an annotation of before there were classes."""
    return request.gateway.annotation(f"{PREFIX}-type") in ("external", "nlb-ip")


def _target_type(request: ChainRequest) -> str:
    return word(request, "target_type", "ip")


def _annotations(request: ChainRequest, mode: str) -> tuple[tuple[str, str], ...]:
    certificate, by_pods = request.option("certificate_arn"), _target_type(request) == "ip"
    wanted = given(**{
        "scheme": word(request, "scheme"), "nlb-target-type": _target_type(request),
        "target-group-attributes": "proxy_protocol_v2.enabled=true" if mode == "proxy_protocol" else
        "preserve_client_ip.enabled=true" if mode == "source_address" and by_pods else "",
        "ssl-cert": certificate, "ssl-ports": str(request.gateway.port) if certificate else "",
        "ssl-negotiation-policy": request.option("ssl_policy") if certificate else "",
        "backend-protocol": "ssl" if certificate and request.gateway.tls else "",
    })
    return tuple((f"{PREFIX}-{key}", str(value)) for key, value in wanted.items())


def _fields(request: ChainRequest, mode: str) -> tuple[tuple[tuple[str, ...], str], ...]:
    """A node that has no pod of the gateway would send on under its own address, so such nodes are left out."""
    local = mode == "source_address" and _target_type(request) == "instance"
    named = [] if _by_annotation(request) else [(("loadBalancerClass",), _class(request))]
    return (*named, *([(("externalTrafficPolicy",), "Local")] if local else []))
