# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GKE Gateway: a Google Cloud Application Load Balancer that GKE makes of a Gateway ("from edge to mesh" is Google's page about it).

Source: cloud.google.com/architecture/exposing-service-mesh-apps-through-gke-ingress/deployment; the policies' fields:
GoogleCloudPlatform/gke-gateway-api fc40d60, config/crd. That a port's appProtocol has to be in capitals: users' reports
(gitlab.com/gitlab-org/charts/gitlab/-/issues/4937), which is how the pages write it too.
"""

from __future__ import annotations

from ...kube.objects import Obj
from ..contract.chain import ChainRequest, CheckTarget, HealthChecker, LoadBalancerSide, ServiceNeeds
from ..contract.facts import Capability, ChainFacts, ChainOption, ProofLevel
from ..contract.recognition import GatewayClasses, Recogniser
from ..gke import shared as gke
from ..kit.chain.answers import chain_side, unless
from ..kit.cloud.bodies import gateway_with_routes, https_listener, reference, resource
from ..kit.cloud.health import by_pod_port, gateway_check
from ..kit.cloud.options import certificate_missing, class_for, given, has_option, prefixed
from ..kit.cloud.platform import HOSTED, in_cloud, platform
from ..kit.cloud.preflight import kind_is_served
from ..kit.cloud.signs import PlatformSigns
from ..kit.gateway.names import GATEWAY, HTTP_ROUTE
from ..kit.writes import declaring, made_for_chains

TITLE = "GKE Gateway"
GROUP = "networking.gke.io"
HEALTH_CHECK = f"HealthCheckPolicy.{GROUP}"
BACKEND_POLICY = f"GCPBackendPolicy.{GROUP}"
GATEWAY_POLICY = f"GCPGatewayPolicy.{GROUP}"
USUAL_CLASS = "gke-l7-global-external-managed"
SIGNS = PlatformSigns(nodes=gke.NODES, kinds=(HEALTH_CHECK, BACKEND_POLICY))
FACTS = ChainFacts(
    hops=gke.HOPS, forwarded_for="appended", server_name="never", ends_tls="optional", redirects=True,
    tls_to_gateway=f"appProtocol of the Service's port, in capitals: {gke.TLS_TO_GATEWAY}",
    health="HealthCheckPolicy", objects=("Gateway", "HTTPRoute", "HealthCheckPolicy", "GCPBackendPolicy", "GCPGatewayPolicy"),
    service_type="ClusterIP (network endpoint groups)",
    minimum="GKE with the Gateway API enabled; Istio 1.13.9, 1.14.5 or 1.15.2 (older ones do not leave its Gateways alone)",
    standalone=Capability(True, "yes, where plaintext is accepted; the check can go to the sidecar's status port (HealthCheckPolicy)"),
    cannot=(
        gke.NO_NAME, gke.NO_CLIENT_CERTIFICATE,
        "pass TLS through as it is set up here (Google's regional and internal classes can, by a TLSRoute, from GKE 1.35 on)",
    ),
    proof=ProofLevel.SCHEMA,
    options=(
        ChainOption("class_name", f"Name of the GatewayClass; {USUAL_CLASS} where nothing is said."),
        ChainOption("address", "Name of the reserved address."),
        ChainOption("certificate_map", "The Certificate Manager map with the certificates for HTTPS."),
        ChainOption("tls_secret", "Secret in the gateway's namespace with the certificate for HTTPS."),
        ChainOption("pre_shared_certificate", "Names of certificates that are in Google Cloud already, with commas."),
        ChainOption("ssl_policy", "The SSL policy of its HTTPS side."),
        ChainOption("security_policy", "The Cloud Armor policy."),
        gke.BACKEND_PROTOCOL,
    ),
    kinds=(HEALTH_CHECK, BACKEND_POLICY, GATEWAY_POLICY),
)
ends_tls = has_option("certificate_map", "tls_secret", "pre_shared_certificate")


@by_pod_port
def check(target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
    """A policy that is attached to the Service."""
    asked = {"port": target.check.port, "portSpecification": "USE_FIXED_PORT", "requestPath": target.check.path}
    default = {
        "checkIntervalSec": gke.INTERVAL, "timeoutSec": gke.TIMEOUT, "config": {"type": "HTTP", "httpHealthCheck": asked},
    }
    body = _policy("HealthCheckPolicy", request.name, target.namespace, default, reference("Service", target.service))
    return LoadBalancerSide(bodies=(body,), service=ServiceNeeds("ClusterIP"), check=target.check)


def _reasons(request: ChainRequest) -> list[str]:
    missing = certificate_missing(request, ends_tls(request), "certificate_map, tls_secret or pre_shared_certificate")
    return [missing, check(gateway_check(request), request).refusal]


def front(request: ChainRequest) -> LoadBalancerSide:
    """A Gateway; policies that are attached to the Service take the place of BackendConfig and FrontendConfig, which it ignores."""
    health = check(gateway_check(request), request)
    # What Istio makes itself of a Gateway has appProtocol in small letters, so it is said again; a chart's port has none.
    says = request.gateway.tls or request.gateway.api == "gateway_api"
    service = ServiceNeeds("ClusterIP", app_protocol=gke.backend_protocol(request) if says else "")
    return LoadBalancerSide(bodies=(*_gateway(request), *health.bodies, *_policies(request)), service=service, check=health.check)


def _gateway(request: ChainRequest) -> tuple[Obj, ...]:
    address, options = request.option("address"), prefixed(f"{GROUP}/", {"pre-shared-certs": request.option("pre_shared_certificate")})
    https = [https_listener(request.option("tls_secret"), options)] if ends_tls(request) else []
    # GKE installs one class per kind of load balancer; which of them comes first by name means nothing.
    return gateway_with_routes(
        request, class_for(request, USUAL_CLASS, prefer_usual=True), https,
        prefixed(f"{GROUP}/", {"certmap": request.option("certificate_map")}),
        **given(addresses=[{"type": "NamedAddress", "value": str(address)}] if address else []),
    )


def _policies(request: ChainRequest) -> tuple[Obj, ...]:
    name, namespace, ssl = request.name, request.gateway.namespace, request.option("ssl_policy")
    default = given(connectionDraining={"drainingTimeoutSec": gke.DRAINING}, securityPolicy=request.option("security_policy"))
    backend = _policy("GCPBackendPolicy", name, namespace, default, reference("Service", request.gateway.service))
    target = reference("Gateway", name, group="gateway.networking.k8s.io")
    return (backend, *([_policy("GCPGatewayPolicy", name, namespace, {"sslPolicy": str(ssl)}, target)] if ssl else []))


def _policy(kind: str, name: str, namespace: str, default: Obj, target: Obj) -> Obj:
    return resource(f"{GROUP}/v1", kind, name, namespace, {"default": default, "targetRef": target})


WRITES = made_for_chains(GATEWAY, HTTP_ROUTE, HEALTH_CHECK, BACKEND_POLICY, GATEWAY_POLICY)
CHAIN = declaring(
    chain_side(
        TITLE, FACTS, unless(_reasons, front), ends_tls=ends_tls,
        preflight=kind_is_served(HEALTH_CHECK, "is the Gateway API enabled on this GKE cluster?"),
    ),
    *WRITES,
)
PROFILE = platform(
    in_cloud("gke_gateway", TITLE), SIGNS, CHAIN, HealthChecker(check, (HEALTH_CHECK,)),
    recogniser=Recogniser(gateway_classes=GatewayClasses(("networking.gke.io/gateway",), ("gke-l7-*",))),
    dialect=HOSTED.without("TCPRoute", "UDPRoute"),
)
