# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS Application Load Balancer, as the AWS Load Balancer Controller (or EKS Auto Mode) makes it from Ingresses or Gateways.

Source: kubernetes-sigs/aws-load-balancer-controller 225f445, docs/guide/ingress/annotations.md, docs/guide/gateway, and
pkg/gateway/routeutils/backend_service.go (a check's port may be a port name of the Service).
"""

from __future__ import annotations

import json

from ...core.model import Scheme
from ...kube.objects import Obj, annotations_of
from ...kube.snapshot import Snapshot
from ..contract.chain import ChainFacts, ChainOption, ChainRequest, CheckTarget, LoadBalancerSide, ServiceNeeds
from ..contract.facts import Proof
from ..kit.cloud.bodies import gateway, http_route, ingress, listener, metadata, redirect_route
from ..kit.cloud.platform import refused
from ..kit.cloud.signs import PlatformSigns
from ..legacy import Platform

PREFIX = "alb.ingress.kubernetes.io"
OWN_KINDS = "gateway.k8s.aws/v1beta1"
OWN_KEYS = (
    "scheme", "target-type", "healthcheck-port", "success-codes", "certificate-arn", "ssl-policy", "group.name", "load-balancer-name",
    "load-balancer-attributes", "target-group-attributes", "backend-protocol-version", "security-groups", "subnets", "wafv2-acl-arn",
)
"""Keys below the prefix that the load balancer of the other cloud with the same prefix does not know."""


class AwsAlb(Platform):
    """An ALB is made per Ingress (or group of them) or per Gateway; it ends TLS and opens connections of its own to its targets."""

    id = "aws_alb"
    title = "AWS Application Load Balancer"
    class_controllers = ("ingress.k8s.aws/alb", "eks.amazonaws.com/alb")
    gateway_controllers = ("gateway.k8s.aws/alb",)
    signs_outside = PlatformSigns(
        nodes=("aws://",), class_annotations=("alb",), ingress_annotations=tuple(f"{PREFIX}/{key}" for key in OWN_KEYS),
        shared_annotations=(f"{PREFIX}/*",),
        finalizers=("ingress.k8s.aws/resources", "group.ingress.k8s.aws/*"), kinds=("TargetGroupBinding.elbv2.k8s.aws",),
    )
    chain = ChainFacts(
        hops=1, forwarded_for="appended", server_name="never", ends_tls="optional", redirects=True,
        tls_to_gateway="backend-protocol HTTPS; any certificate is accepted",
        health="annotations healthcheck-port: status-port, healthcheck-path (Ingress); TargetGroupConfiguration (Gateway API)",
        objects=("Ingress", "or Gateway, HTTPRoute, LoadBalancerConfiguration, TargetGroupConfiguration"),
        service_type="ClusterIP (targets: pods), NodePort (targets: nodes)",
        minimum="AWS Load Balancer Controller 2.x for Ingresses, 3.x for the Gateway API",
        cannot=("send a client certificate to its targets", "pass TLS through (a Network Load Balancer can)"),
        proof=Proof.SCHEMA,
    )
    certificate_options = ("certificate_arn",)
    chain_options = (
        ChainOption("front", "What the ALB is made from.", ("ingress", "gateway_api")),
        ChainOption("class_name", "Name of the IngressClass or GatewayClass, where it is not the one that was found."),
        ChainOption("scheme", "Where it can be reached from.", ("internet-facing", "internal")),
        ChainOption("target_type", "Whether it sends to pods (the default) or to nodes.", ("ip", "instance")),
        ChainOption("certificate_arn", "The certificate for HTTPS; without one it only takes HTTP."),
        ChainOption("ssl_policy", "The security policy of its HTTPS listener."),
        ChainOption("group_name", "The group of Ingresses that share one ALB."),
    )
    chain_kinds = (f"LoadBalancerConfiguration.{OWN_KINDS.partition('/')[0]}", f"TargetGroupConfiguration.{OWN_KINDS.partition('/')[0]}")
    check_kinds = (f"TargetGroupConfiguration.{OWN_KINDS.partition('/')[0]}",)

    def scheme_of(self, snapshot: Snapshot, route: Obj) -> Scheme:
        return "tls" if annotations_of(route).get(f"{PREFIX}/backend-protocol") == "HTTPS" else "http"

    def chain_front(self, request: ChainRequest) -> LoadBalancerSide:
        certain = bool(request.option("certificate_arn"))
        refusal = refused([
            "https_redirect needs an HTTPS listener: give platform_options.certificate_arn"
            if request.https_redirect and not certain else "",
        ])
        if refusal is not None:
            return refusal
        check = self.health_of_gateway(request)
        of_gateways = request.option("front") == "gateway_api"
        bodies = self._gateway(request) if of_gateways else (self._ingress(request, check.service.annotations),)
        return LoadBalancerSide(
            bodies=(*bodies, *check.bodies) if of_gateways else bodies, check=check.check,
            service=ServiceNeeds("NodePort" if _target_type(request) == "instance" else "ClusterIP"),
        )

    def health_check(self, target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
        port = target.check.port
        if isinstance(port, int) and _target_type(request) == "instance":
            return LoadBalancerSide(
                refusal="targets are nodes, so the check needs the name of a port of the Service, not a pod's port number"
            )
        if request.option("front") == "gateway_api":
            return LoadBalancerSide(bodies=(_target_group(target, request),), check=target.check)
        annotations = {
            f"{PREFIX}/healthcheck-protocol": "HTTP", f"{PREFIX}/healthcheck-port": str(port),
            f"{PREFIX}/healthcheck-path": target.check.path, f"{PREFIX}/success-codes": "200",
        }
        # The controller reads these from the Service as well as from the Ingress.
        return LoadBalancerSide(service=ServiceNeeds(annotations=tuple(annotations.items())), check=target.check)

    def _ingress(self, request: ChainRequest, health: tuple[tuple[str, str], ...]) -> Obj:
        certificate = str(request.option("certificate_arn", ""))
        listens = [{"HTTP": 80}, *([{"HTTPS": 443}] if certificate else [])]
        wanted = {
            "scheme": request.option("scheme"), "target-type": _target_type(request),
            "backend-protocol": "HTTPS" if request.gateway.tls else "HTTP", "listen-ports": json.dumps(listens),
            "certificate-arn": certificate, "ssl-policy": request.option("ssl_policy"), "group.name": request.option("group_name"),
            "ssl-redirect": "443" if request.https_redirect else "",
        }
        annotations = {f"{PREFIX}/{key}": str(value) for key, value in wanted.items() if value}
        return ingress(request, self.class_for(request, "alb"), {**annotations, **dict(health)})

    def _gateway(self, request: ChainRequest) -> tuple[Obj, ...]:
        certificate = str(request.option("certificate_arn", ""))
        group = OWN_KINDS.partition("/")[0]
        listeners = [listener("http", "HTTP", 80), *([listener("https", "HTTPS", 443)] if certificate else [])]
        reference = {"group": group, "kind": "LoadBalancerConfiguration", "name": request.name}
        front = gateway(request, self.class_for(request, "alb"), listeners, infrastructure={"parametersRef": reference})
        serving = ["https"] if request.https_redirect else [item["name"] for item in listeners]
        redirect = (redirect_route(request, "http"),) if request.https_redirect else ()
        return (_settings(request, certificate), front, http_route(request, serving), *redirect)


def _target_type(request: ChainRequest) -> str:
    return str(request.option("target_type", "ip"))


def _settings(request: ChainRequest, certificate: str) -> Obj:
    spec: Obj = {key: value for key, value in {"scheme": request.option("scheme")}.items() if value}
    if certificate:
        https: Obj = {"protocolPort": "HTTPS:443", "defaultCertificate": certificate, "sslPolicy": request.option("ssl_policy")}
        spec["listenerConfigurations"] = [
            {"protocolPort": "HTTP:80"}, {key: value for key, value in https.items() if value},
        ]
    return {
        "apiVersion": OWN_KINDS, "kind": "LoadBalancerConfiguration",
        "metadata": metadata(request.name, request.gateway.namespace), "spec": spec,
    }


def _target_group(target: CheckTarget, request: ChainRequest) -> Obj:
    check = {
        "healthCheckProtocol": "HTTP", "healthCheckPort": str(target.check.port), "healthCheckPath": target.check.path,
        "matcher": {"httpCode": "200"},
    }
    tls = request.gateway.tls and target.service == request.gateway.service
    return {
        "apiVersion": OWN_KINDS, "kind": "TargetGroupConfiguration", "metadata": metadata(request.name, target.namespace),
        "spec": {
            "targetReference": {"name": target.service},
            "defaultConfiguration": {
                "targetType": _target_type(request), "protocol": "HTTPS" if tls else "HTTP", "healthCheckConfig": check,
            },
        },
    }
