# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GKE Gateway: a Google Cloud Application Load Balancer that GKE makes of a Gateway ("from edge to mesh" is Google's page about it).

Source: cloud.google.com/architecture/exposing-service-mesh-apps-through-gke-ingress/deployment; the policies' fields:
GoogleCloudPlatform/gke-gateway-api fc40d60, config/crd. That a port's appProtocol has to be in capitals: users' reports
(gitlab.com/gitlab-org/charts/gitlab/-/issues/4937), which is how the pages write it too.
"""

from __future__ import annotations

from ...core.findings import finding
from ...core.model import Finding
from ...kube.objects import Obj
from ...kube.snapshot import Snapshot
from ..contract.chain import Capability, ChainFacts, ChainOption, ChainRequest, CheckTarget, HealthCheck, LoadBalancerSide, ServiceNeeds
from ..contract.facts import Proof
from ..gke import shared as gke
from ..kit.cloud.bodies import gateway, http_route, listener, metadata, redirect_route
from ..kit.cloud.platform import pod_port, refused
from ..kit.cloud.signs import PlatformSigns
from ..kit.cloud.wanted import NO_POD_PORT, certificate_missing, given
from ..legacy import Platform

GROUP = "networking.gke.io"
VERSION = f"{GROUP}/v1"
HEALTH_CHECK = f"HealthCheckPolicy.{GROUP}"
BACKEND_POLICY = f"GCPBackendPolicy.{GROUP}"
GATEWAY_POLICY = f"GCPGatewayPolicy.{GROUP}"
USUAL_CLASS = "gke-l7-global-external-managed"
CERTIFICATES = "certificate_map, tls_secret or pre_shared_certificate"


class GkeGateway(Platform):
    """Policies that are attached to the Service take the place of BackendConfig and FrontendConfig, which it ignores."""

    id = "gke_gateway"
    title = "GKE Gateway"
    gateway_controllers = ("networking.gke.io/gateway",)
    signs_outside = PlatformSigns(nodes=gke.NODES, kinds=(HEALTH_CHECK, BACKEND_POLICY))
    chain = ChainFacts(
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
        proof=Proof.SCHEMA,
    )
    chain_options = (
        ChainOption("class_name", f"Name of the GatewayClass; {USUAL_CLASS} where nothing is said."),
        ChainOption("address", "Name of the reserved address."),
        ChainOption("certificate_map", "The Certificate Manager map with the certificates for HTTPS."),
        ChainOption("tls_secret", "Secret in the gateway's namespace with the certificate for HTTPS."),
        ChainOption("pre_shared_certificate", "Names of certificates that are in Google Cloud already, with commas."),
        ChainOption("ssl_policy", "The SSL policy of its HTTPS side."),
        ChainOption("security_policy", "The Cloud Armor policy."),
        gke.BACKEND_PROTOCOL,
    )
    chain_kinds = (HEALTH_CHECK, BACKEND_POLICY, GATEWAY_POLICY)
    check_kinds = (HEALTH_CHECK,)

    def ends_tls(self, request: ChainRequest) -> bool:
        return _has_certificate(request)

    def chain_front(self, request: ChainRequest) -> LoadBalancerSide:
        refusal = refused([certificate_missing(request, _has_certificate(request), CERTIFICATES)])
        check = self.health_of_gateway(request)
        if refusal is not None or check.refusal:
            return refusal or check
        listeners = [listener("http", "HTTP", 80), *_https(request)]
        serving = ["https"] if request.https_redirect else [item["name"] for item in listeners]
        redirect = (redirect_route(request, "http"),) if request.https_redirect else ()
        routes = (_gateway(request, self._class(request), listeners), http_route(request, serving), *redirect)
        # What Istio makes itself of a Gateway has appProtocol in small letters, so it is said again; a chart's port has none.
        says = request.gateway.tls or request.gateway.api == "gateway_api"
        needs = ServiceNeeds("ClusterIP", app_protocol=gke.backend_protocol(request) if says else "")
        return LoadBalancerSide(bodies=(*routes, *check.bodies, _backend_policy(request), *_ssl(request)), service=needs, check=check.check)

    def health_check(self, target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
        port = pod_port(target.check.port)
        if not port:
            return LoadBalancerSide(refusal=NO_POD_PORT)
        check = {"port": port, "portSpecification": "USE_FIXED_PORT", "requestPath": target.check.path}
        default = {
            "checkIntervalSec": gke.INTERVAL, "timeoutSec": gke.TIMEOUT, "config": {"type": "HTTP", "httpHealthCheck": check},
        }
        body = _policy("HealthCheckPolicy", request.name, target.namespace, default, target.service)
        return LoadBalancerSide(bodies=(body,), service=ServiceNeeds("ClusterIP"), check=HealthCheck("http", port, target.check.path))

    def chain_preflight(self, snapshot: Snapshot, request: ChainRequest) -> tuple[Finding, ...]:
        if snapshot.serves(HEALTH_CHECK):
            return ()
        return (finding("MLB604", f"the cluster does not serve {HEALTH_CHECK}: is the Gateway API enabled on this GKE cluster?"),)

    def _class(self, request: ChainRequest) -> str:
        # GKE installs one class per kind of load balancer; which of them comes first by name means nothing.
        usual = not request.classes or USUAL_CLASS in request.classes
        return USUAL_CLASS if usual and not request.option("class_name") else self.class_for(request)


def _has_certificate(request: ChainRequest) -> bool:
    return any(request.option(name) for name in ("certificate_map", "tls_secret", "pre_shared_certificate"))


def _https(request: ChainRequest) -> list[Obj]:
    tls: Obj = {}
    if request.option("tls_secret"):
        tls["certificateRefs"] = [{"group": "", "kind": "Secret", "name": str(request.option("tls_secret"))}]
    if request.option("pre_shared_certificate"):
        tls["options"] = {f"{GROUP}/pre-shared-certs": str(request.option("pre_shared_certificate"))}
    if tls:
        return [listener("https", "HTTPS", 443, tls={"mode": "Terminate", **tls})]
    return [listener("https", "HTTPS", 443)] if _has_certificate(request) else []


def _gateway(request: ChainRequest, class_name: str, listeners: list[Obj]) -> Obj:
    annotations = given(**{f"{GROUP}/certmap": request.option("certificate_map")})
    address = request.option("address")
    more: Obj = {"addresses": [{"type": "NamedAddress", "value": str(address)}]} if address else {}
    return gateway(request, class_name, listeners, {key: str(value) for key, value in annotations.items()}, **more)


def _backend_policy(request: ChainRequest) -> Obj:
    default = given(connectionDraining={"drainingTimeoutSec": gke.DRAINING}, securityPolicy=request.option("security_policy"))
    return _policy("GCPBackendPolicy", request.name, request.gateway.namespace, default, request.gateway.service)


def _ssl(request: ChainRequest) -> tuple[Obj, ...]:
    if not request.option("ssl_policy"):
        return ()
    default = {"sslPolicy": str(request.option("ssl_policy"))}
    body = _policy("GCPGatewayPolicy", request.name, request.gateway.namespace, default, request.name)
    body["spec"]["targetRef"] = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": request.name}
    return (body,)


def _policy(kind: str, name: str, namespace: str, default: Obj, service: str) -> Obj:
    return {
        "apiVersion": VERSION, "kind": kind, "metadata": metadata(name, namespace),
        "spec": {"default": default, "targetRef": {"group": "", "kind": "Service", "name": service}},
    }
