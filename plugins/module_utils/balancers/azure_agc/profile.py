# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure Application Gateway for Containers, as its ALB controller sets it up from a Gateway.

Source: MicrosoftDocs/azure-docs, articles/application-gateway/for-containers: custom-health-probe.md (another port than the backend's is
asked in clear), how-to-backend-mtls-gateway-api.md, api-specification-kubernetes.md (fields of the policies),
application-gateway-for-containers-components.md of 2025-12-05 (headers), service-mesh-integration.md of 2026-04-22 (no longer called a
preview; that page of 2025-11-15 was). Fields of the policies again in Microsoft's Go types: Azure/Application-Gateway-for-Containers-
Migration-Utility 16f3beb, crds/v1. Its kinds' schemas are not public, so nothing here was validated by them.
"""

from __future__ import annotations

from ...kube.objects import Obj
from ..contract.chain import ChainRequest, CheckTarget, HealthChecker, LoadBalancerSide, ServiceNeeds
from ..contract.facts import Capability, ChainFacts, ChainOption
from ..contract.instances import InstanceReader
from ..contract.recognition import GatewayClasses, Recogniser
from ..kit.chain.answers import chain_side, unless
from ..kit.cloud.bodies import gateway_with_routes, https_listener, reference, resource
from ..kit.cloud.health import by_pod_port, gateway_check
from ..kit.cloud.options import certificate_missing, class_for, given, has_option, prefixed
from ..kit.cloud.platform import HOSTED, in_cloud, platform, platform_routes
from ..kit.cloud.preflight import joined_preflights, kind_is_served
from ..kit.cloud.signs import PlatformSigns
from ..kit.gateway.names import GATEWAY, HTTP_ROUTE
from ..kit.writes import declaring, made_for_chains
from .extension import extension_preflight, notices, with_own_mutual_tls

TITLE = "Azure Application Gateway for Containers"
GROUP = "alb.networking.azure.io"
HEALTH_CHECK, BACKEND_TLS = f"HealthCheckPolicy.{GROUP}", f"BackendTLSPolicy.{GROUP}"
USUAL_CLASS = "azure-alb-external"
PLACE = "say which one: platform_options.alb_namespace and alb_name (made by the controller), or alb_id and frontend (brought along)"
CONTROLLER = f"{GROUP}/alb-controller"
SIGNS = PlatformSigns(
    nodes=("azure://",), ingress_annotations=(f"{GROUP}/*",), kinds=(f"ApplicationLoadBalancer.{GROUP}", HEALTH_CHECK),
)
FACTS = ChainFacts(
    hops=1, forwarded_for="appended", server_name="settable", ends_tls="optional", redirects=True,
    tls_to_gateway="BackendTLSPolicy: server name, CA and client certificate", health="HealthCheckPolicy",
    objects=("Gateway", "HTTPRoute", "HealthCheckPolicy", "BackendTLSPolicy"), service_type="ClusterIP (pods)",
    minimum="ALB Controller 1.0; for standalone mutual TLS its service mesh extension and Istio 1.24",
    standalone=Capability(True, "yes, where plaintext is accepted; the check can go to the sidecar's status port (HealthCheckPolicy)"),
    standalone_mtls=Capability(True, (
        "yes, with the ALB controller's service mesh extension (called a preview until its page of 2026-04): Istio 1.24 or newer, "
        "sidecars only, routes of the Gateway API only; mutual TLS then goes to all Services of namespaces labelled istio-injection or "
        "istio.io/rev"
    )),
    cannot=(
        "pass TLS through", "have a private address",
        "reach a gateway in a namespace that is labelled for injection, once the extension is there: it sends mutual TLS to all of it",
        "be promised to reach injected pods in PERMISSIVE mode with the extension: its page says 503, Istio's own rules say it works "
        "(UNCONFIRMED)",
    ),
    options=(
        ChainOption("class_name", f"Name of the GatewayClass; {USUAL_CLASS} where none was found."),
        ChainOption("alb_namespace", "Namespace of the ApplicationLoadBalancer that the controller manages."),
        ChainOption("alb_name", "Name of the ApplicationLoadBalancer that the controller manages."),
        ChainOption("alb_id", "Azure's id of an Application Gateway for Containers that was made outside of the cluster."),
        ChainOption("frontend", "Name of the frontend of that one."),
        ChainOption("tls_secret", "Secret in the gateway's namespace with the certificate for HTTPS."),
        ChainOption("ca_secret", "Secret in the gateway's namespace with the CA of the gateway's certificate, which is then verified."),
        ChainOption("client_secret", "Secret in the gateway's namespace with the client certificate that it shows to the gateway."),
    ),
    kinds=(HEALTH_CHECK, BACKEND_TLS),
)
ends_tls = has_option("tls_secret")


@by_pod_port
def check(target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
    """A policy that is attached to the Service."""
    default = {
        "interval": "5s", "timeout": "3s", "healthyThreshold": 1, "unhealthyThreshold": 3, "port": target.check.port, "useTLS": False,
        "http": {"path": target.check.path, "match": {"statusCodes": [{"start": 200, "end": 200}]}},
    }
    body = _policy("HealthCheckPolicy", request.name, target.namespace, target.service, default)
    return LoadBalancerSide(bodies=(body,), service=ServiceNeeds("ClusterIP"), check=target.check)


def _reasons(request: ChainRequest) -> list[str]:
    named = [name for name in ("alb_namespace", "alb_name", "alb_id", "frontend") if request.option(name)]
    return [
        certificate_missing(request, ends_tls(request), "tls_secret"), check(gateway_check(request), request).refusal,
        "" if named in (["alb_namespace", "alb_name"], ["alb_id", "frontend"]) else PLACE,
        "give gateway.tls.host: the one name that it sends to the gateway in TLS handshakes"
        if request.gateway.tls and not _name_to_send(request) else "",
    ]


def front(request: ChainRequest) -> LoadBalancerSide:
    """A Gateway, with policies that are attached to the gateway's Service."""
    health = check(gateway_check(request), request)
    bodies = (*_gateway(request), *health.bodies, *([_backend_tls(request)] if request.gateway.tls else []))
    return LoadBalancerSide(bodies=bodies, service=ServiceNeeds("ClusterIP"), check=health.check)


def _gateway(request: ChainRequest) -> tuple[Obj, ...]:
    secret, frontend = request.option("tls_secret"), request.option("frontend")
    annotations = prefixed(f"{GROUP}/", {
        "alb-namespace": request.option("alb_namespace"), "alb-name": request.option("alb_name"), "alb-id": request.option("alb_id"),
    })
    # Of its classes some may be IngressClasses, so the usual name goes before the first one.
    return gateway_with_routes(
        request, class_for(request, USUAL_CLASS, prefer_usual=True), [https_listener(secret)] if secret else [], annotations,
        **given(addresses=[{"type": f"{GROUP}/alb-frontend", "value": str(frontend)}] if frontend else []),
    )


def _name_to_send(request: ChainRequest) -> str:
    """The name that was asked for, else the first host that is one."""
    return request.gateway.server_name or next((host for host in request.hosts if not host.startswith("*")), "")


def _backend_tls(request: ChainRequest) -> Obj:
    name, authority, client = _name_to_send(request), request.option("ca_secret"), request.option("client_secret")
    default = given(
        sni=name, ports=[{"port": request.gateway.port}], clientCertificateRef=reference("Secret", client) if client else {},
        verify={"caCertificateRef": reference("Secret", authority), "subjectAltName": name} if authority else {},
    )
    return _policy("BackendTLSPolicy", request.name, request.gateway.namespace, request.gateway.service, default)


def _policy(kind: str, name: str, namespace: str, service: str, default: Obj) -> Obj:
    target = reference("Service", service, namespace=namespace)
    return resource(f"{GROUP}/v1", kind, name, namespace, {"targetRef": target, "default": default})


PREFLIGHT = joined_preflights(kind_is_served(HEALTH_CHECK, "is the ALB controller installed?"), extension_preflight)
WRITES = made_for_chains(GATEWAY, HTTP_ROUTE, HEALTH_CHECK, BACKEND_TLS)
CHAIN = declaring(chain_side(TITLE, FACTS, unless(_reasons, front), preflight=PREFLIGHT, ends_tls=ends_tls), *WRITES)
PROFILE = platform(
    in_cloud("azure_agc", TITLE, "agc"), SIGNS, CHAIN, HealthChecker(check, (HEALTH_CHECK,)),
    recogniser=Recogniser(classes=(CONTROLLER,), gateway_classes=GatewayClasses((CONTROLLER,), ("azure-alb-external",))),
    instance=InstanceReader(notices=notices),
    routes=with_own_mutual_tls(platform_routes(SIGNS, (CONTROLLER,), dialect=HOSTED.without("TCPRoute", "TLSRoute", "UDPRoute"))),
)
