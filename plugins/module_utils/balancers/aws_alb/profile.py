# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS Application Load Balancer, as the AWS Load Balancer Controller (or EKS Auto Mode) makes it from Ingresses or Gateways.

Source: kubernetes-sigs/aws-load-balancer-controller 225f445, docs/guide/ingress/annotations.md, docs/guide/gateway, and
pkg/gateway/routeutils/backend_service.go (a check's port may be a port name of the Service).
"""

from __future__ import annotations

from ...core.writes import annotation, none_before
from ...kube import kinds
from ...kube.objects import Obj
from ..contract.chain import ChainRequest, CheckTarget, HealthChecker, LoadBalancerSide, ServiceNeeds
from ..contract.facts import ChainFacts, ChainOption, ProofLevel
from ..contract.recognition import GatewayClasses, Recogniser
from ..kit.chain.answers import chain_side, unless
from ..kit.cloud.bodies import gateway_with_routes, https_listener, ingress, resource
from ..kit.cloud.health import NO_SERVICE_PORT, gateway_check, on_service
from ..kit.cloud.options import class_for, given, has_option, listen_ports, prefixed
from ..kit.cloud.platform import HOSTED, in_cloud, platform, platform_routes, scheme_by_annotation
from ..kit.cloud.signs import PlatformSigns
from ..kit.gateway.names import GATEWAY, HTTP_ROUTE
from ..kit.writes import declaring, made_for_chains
from .routes import PREFIX, entries_with_actions

TITLE = "AWS Application Load Balancer"
GROUP = "gateway.k8s.aws"
VERSION = f"{GROUP}/v1beta1"
SETTINGS, TARGET_GROUP = f"LoadBalancerConfiguration.{GROUP}", f"TargetGroupConfiguration.{GROUP}"
OWN_KEYS = (
    "scheme", "target-type", "healthcheck-port", "success-codes", "certificate-arn", "ssl-policy", "group.name", "load-balancer-name",
    "load-balancer-attributes", "target-group-attributes", "backend-protocol-version", "security-groups", "subnets", "wafv2-acl-arn",
)
"""Keys below the prefix that the load balancer of the other cloud with the same prefix does not know."""
RECOGNISER = Recogniser(classes=("ingress.k8s.aws/alb", "eks.amazonaws.com/alb"), gateway_classes=GatewayClasses(("gateway.k8s.aws/alb",)))
SIGNS = PlatformSigns(
    nodes=("aws://",), class_annotations=("alb",), ingress_annotations=tuple(f"{PREFIX}/{key}" for key in OWN_KEYS),
    shared_annotations=(f"{PREFIX}/*",),
    finalizers=("ingress.k8s.aws/resources", "group.ingress.k8s.aws/*"), kinds=("TargetGroupBinding.elbv2.k8s.aws",),
)
FACTS = ChainFacts(
    hops=1, forwarded_for="appended", server_name="never", ends_tls="optional", redirects=True,
    tls_to_gateway="backend-protocol HTTPS; any certificate is accepted",
    health="annotations healthcheck-port: status-port, healthcheck-path (Ingress); TargetGroupConfiguration (Gateway API)",
    objects=("Ingress", "or Gateway, HTTPRoute, LoadBalancerConfiguration, TargetGroupConfiguration"),
    service_type="ClusterIP (targets: pods), NodePort (targets: nodes)",
    minimum="AWS Load Balancer Controller 2.x for Ingresses, 3.x for the Gateway API",
    cannot=("send a client certificate to its targets", "pass TLS through (a Network Load Balancer can)"),
    proof=ProofLevel.SCHEMA,
    options=(
        ChainOption("front", "What the ALB is made from.", ("ingress", "gateway_api")),
        ChainOption("class_name", "Name of the IngressClass or GatewayClass, where it is not the one that was found."),
        ChainOption("scheme", "Where it can be reached from.", ("internet-facing", "internal")),
        ChainOption("target_type", "Whether it sends to pods (the default) or to nodes.", ("ip", "instance")),
        ChainOption("certificate_arn", "The certificate for HTTPS; without one it only takes HTTP."),
        ChainOption("ssl_policy", "The security policy of its HTTPS listener."),
        ChainOption("group_name", "The group of Ingresses that share one ALB."),
    ),
    kinds=(SETTINGS, TARGET_GROUP),
)
ends_tls = has_option("certificate_arn")


def check(target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
    """A check by annotations of the Service, which the controller reads as well as those of the Ingress; or by an object."""
    if isinstance(target.check.port, int) and _target_type(request) == "instance":
        return LoadBalancerSide(refusal=NO_SERVICE_PORT)
    if _from_gateway(request):
        return LoadBalancerSide(bodies=(_target_group(target, request),), check=target.check)
    annotations = prefixed(f"{PREFIX}/", {
        "healthcheck-protocol": "HTTP", "healthcheck-port": target.check.port, "healthcheck-path": target.check.path,
        "success-codes": "200",
    })
    return on_service(target.check, annotations, service_type="ClusterIP")


def _reasons(request: ChainRequest) -> list[str]:
    missing = request.https_redirect and not ends_tls(request)
    return ["https_redirect needs an HTTPS listener: give platform_options.certificate_arn" if missing else ""]


def front(request: ChainRequest) -> LoadBalancerSide:
    """An ALB per Ingress (or group of them) or per Gateway; it ends TLS and opens connections of its own to its targets."""
    health = check(gateway_check(request), request)
    bodies = (*_gateway(request), *health.bodies) if _from_gateway(request) else (_ingress(request, dict(health.service.annotations)),)
    service = ServiceNeeds("NodePort" if _target_type(request) == "instance" else "ClusterIP")
    return LoadBalancerSide(bodies=bodies, check=health.check, service=service)


def _ingress(request: ChainRequest, health: dict[str, str]) -> Obj:
    annotations = prefixed(f"{PREFIX}/", {
        "scheme": request.option("scheme"), "target-type": _target_type(request),
        "backend-protocol": "HTTPS" if request.gateway.tls else "HTTP", "listen-ports": listen_ports(https=ends_tls(request)),
        "certificate-arn": request.option("certificate_arn"), "ssl-policy": request.option("ssl_policy"),
        "group.name": request.option("group_name"), "ssl-redirect": "443" if request.https_redirect else "",
    })
    return ingress(request, class_for(request, "alb"), {**annotations, **health})


def _gateway(request: ChainRequest) -> tuple[Obj, ...]:
    spec = given(scheme=request.option("scheme"))
    if ends_tls(request):
        certificate = given(defaultCertificate=request.option("certificate_arn"), sslPolicy=request.option("ssl_policy"))
        spec["listenerConfigurations"] = [{"protocolPort": "HTTP:80"}, {"protocolPort": "HTTPS:443", **certificate}]
    https = [https_listener()] if ends_tls(request) else []
    kind = SETTINGS.partition(".")[0]
    reference = {"group": GROUP, "kind": kind, "name": request.name}
    return (
        resource(VERSION, kind, request.name, request.gateway.namespace, spec),
        *gateway_with_routes(request, class_for(request, "alb"), https, infrastructure={"parametersRef": reference}),
    )


def _target_type(request: ChainRequest) -> str:
    return str(request.option("target_type", "ip"))


def _from_gateway(request: ChainRequest) -> bool:
    return bool(request.option("front") == "gateway_api")


def _target_group(target: CheckTarget, request: ChainRequest) -> Obj:
    asked = {
        "healthCheckProtocol": "HTTP", "healthCheckPort": str(target.check.port), "healthCheckPath": target.check.path,
        "matcher": {"httpCode": "200"},
    }
    tls = request.gateway.tls and target.service == request.gateway.service
    default = {"targetType": _target_type(request), "protocol": "HTTPS" if tls else "HTTP", "healthCheckConfig": asked}
    spec = {"targetReference": {"name": target.service}, "defaultConfiguration": default}
    return resource(VERSION, TARGET_GROUP.partition(".")[0], request.name, target.namespace, spec)


CHECKS = tuple(annotation(f"{PREFIX}/{key}", none_before) for key in ("healthcheck-*", "success-codes"))
WRITES = made_for_chains(kinds.INGRESS, GATEWAY, HTTP_ROUTE, SETTINGS, TARGET_GROUP)
PROFILE = platform(
    in_cloud("aws_alb", TITLE), SIGNS, declaring(chain_side(TITLE, FACTS, unless(_reasons, front), ends_tls=ends_tls), *WRITES),
    HealthChecker(check, (TARGET_GROUP,), CHECKS), recogniser=RECOGNISER,
    routes=platform_routes(
        SIGNS, RECOGNISER.gateway_classes.controllers, scheme_by_annotation(f"{PREFIX}/backend-protocol", "HTTPS"), entries_with_actions,
        HOSTED.without("TCPRoute", "TLSRoute", "UDPRoute"),
    ),
)
