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

from collections.abc import Iterator

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, ObjectRef, Route, replace
from ...kube import kinds
from ...kube.objects import Obj, labels_of, name_of, ref_of
from ...kube.snapshot import Snapshot
from ..contract.chain import Capability, ChainFacts, ChainOption, ChainRequest, CheckTarget, HealthCheck, LoadBalancerSide, ServiceNeeds
from ..contract.facts import Proof
from ..contract.routes import RouteReading
from ..kit.cloud.bodies import gateway, http_route, listener, metadata, redirect_route
from ..kit.cloud.platform import pod_port, refused
from ..kit.cloud.signs import PlatformSigns
from ..kit.cloud.wanted import NO_POD_PORT, certificate_missing, given
from ..legacy import Platform

GROUP = "alb.networking.azure.io"
CONTROLLER, USUAL_CLASS = f"{GROUP}/alb-controller", "azure-alb-external"
HEALTH_CHECK, BACKEND_TLS = f"HealthCheckPolicy.{GROUP}", f"BackendTLSPolicy.{GROUP}"
EXTENSION = "alb-controller-istio-extension"
PLACE = "say which one: platform_options.alb_namespace and alb_name (made by the controller), or alb_id and frontend (brought along)"


class AzureAgc(Platform):
    """It sends to pods, and it can present a client certificate: with an extension even one of the mesh."""

    id = "azure_agc"
    title = "Azure Application Gateway for Containers"
    also_called = ("agc",)
    class_controllers = (CONTROLLER,)
    gateway_controllers = (CONTROLLER,)
    signs_outside = PlatformSigns(
        nodes=("azure://",), ingress_annotations=(f"{GROUP}/*",), kinds=(f"ApplicationLoadBalancer.{GROUP}", HEALTH_CHECK),
    )
    chain = ChainFacts(
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
        proof=Proof.SOURCE,
    )
    certificate_options = ("tls_secret",)
    chain_options = (
        ChainOption("class_name", f"Name of the GatewayClass; {USUAL_CLASS} where none was found."),
        ChainOption("alb_namespace", "Namespace of the ApplicationLoadBalancer that the controller manages."),
        ChainOption("alb_name", "Name of the ApplicationLoadBalancer that the controller manages."),
        ChainOption("alb_id", "Azure's id of an Application Gateway for Containers that was made outside of the cluster."),
        ChainOption("frontend", "Name of the frontend of that one."),
        ChainOption("tls_secret", "Secret in the gateway's namespace with the certificate for HTTPS."),
        ChainOption("ca_secret", "Secret in the gateway's namespace with the CA of the gateway's certificate, which is then verified."),
        ChainOption("client_secret", "Secret in the gateway's namespace with the client certificate that it shows to the gateway."),
    )
    chain_kinds = (HEALTH_CHECK, BACKEND_TLS)
    check_kinds = (HEALTH_CHECK,)

    def chain_front(self, request: ChainRequest) -> LoadBalancerSide:
        check = self.health_of_gateway(request)
        refusal = refused([
            certificate_missing(request, self.ends_tls(request), "tls_secret"), check.refusal, _no_place(request),
            "give gateway.tls.host: the one name that it sends to the gateway in TLS handshakes"
            if request.gateway.tls and not _name_to_send(request) else "",
        ])
        if refusal is not None:
            return refusal
        secret = request.option("tls_secret")
        certificates = {"mode": "Terminate", "certificateRefs": [_secret(secret)]}
        listeners = [listener("http", "HTTP", 80), *([listener("https", "HTTPS", 443, tls=certificates)] if secret else [])]
        serving = ["https"] if request.https_redirect else [item["name"] for item in listeners]
        redirect = (redirect_route(request, "http"),) if request.https_redirect else ()
        tls = (_backend_tls(request),) if request.gateway.tls else ()
        bodies = (self._gateway(request, listeners), http_route(request, serving), *redirect, *check.bodies, *tls)
        return LoadBalancerSide(bodies=bodies, service=ServiceNeeds("ClusterIP"), check=check.check)

    def health_check(self, target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
        port = pod_port(target.check.port)
        if not port:
            return LoadBalancerSide(refusal=NO_POD_PORT)
        default = {
            "interval": "5s", "timeout": "3s", "healthyThreshold": 1, "unhealthyThreshold": 3, "port": port, "useTLS": False,
            "http": {"path": target.check.path, "match": {"statusCodes": [{"start": 200, "end": 200}]}},
        }
        body = _policy("HealthCheckPolicy", request.name, target.namespace, target.service, default)
        return LoadBalancerSide(bodies=(body,), service=ServiceNeeds("ClusterIP"), check=HealthCheck("http", port, target.check.path))

    def chain_preflight(self, snapshot: Snapshot, request: ChainRequest) -> tuple[Finding, ...]:
        return tuple(_preflight(snapshot, request))

    def notices(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[Finding, ...]:
        """Whether what mutual TLS without a gateway needs is there."""
        here = _extension(snapshot)
        state = "is here, so mutual TLS of the mesh goes" if here else "was not found here; with it, mutual TLS of the mesh would go"
        text = f"its service mesh extension ({EXTENSION}) {state} to Services of namespaces that are labelled for injection, never ambient"
        return (finding("MLB614", text, ref_of(here) if here else None),)

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        found = super().routes(snapshot, load_balancer, only)
        return replace(found, routes=tuple(replace(route, own_mutual_tls=_own_mutual_tls(snapshot, route)) for route in found.routes))

    def _gateway(self, request: ChainRequest, listeners: list[Obj]) -> Obj:
        annotations = {f"{GROUP}/{key}": str(value) for key, value in given(**{
            "alb-namespace": request.option("alb_namespace"), "alb-name": request.option("alb_name"), "alb-id": request.option("alb_id"),
        }).items()}  # fmt: skip
        frontend = request.option("frontend")
        more: Obj = {"addresses": [{"type": f"{GROUP}/alb-frontend", "value": str(frontend)}]} if frontend else {}
        # Of its classes some may be IngressClasses, so the usual name goes before the first one.
        usual = USUAL_CLASS in request.classes and not request.option("class_name")
        return gateway(request, USUAL_CLASS if usual else self.class_for(request, USUAL_CLASS), listeners, annotations, **more)


def _own_mutual_tls(snapshot: Snapshot, route: Route) -> str:
    served = route.object.group == "gateway.networking.k8s.io" and _labelled(snapshot, route.backend.namespace)
    if not served or _extension(snapshot) is None:
        return ""
    return f"{EXTENSION} is here, so it speaks the mesh's mutual TLS by itself to namespace {route.backend.namespace}; not measured"


def _preflight(snapshot: Snapshot, request: ChainRequest) -> Iterator[Finding]:
    if not snapshot.serves(HEALTH_CHECK):
        yield finding("MLB604", f"the cluster does not serve {HEALTH_CHECK}: is the ALB controller installed?")
    namespace = snapshot.get(kinds.NAMESPACE, "", request.gateway.namespace)
    if namespace and _labelled(snapshot, request.gateway.namespace) and _extension(snapshot) is not None:
        text = (
            f"with {EXTENSION} installed it sends the mesh's mutual TLS to all Services of a namespace that is labelled for injection, and "
            "a gateway does not take that: put the gateway where no such label is, and the label for injection on its pods alone"
        )
        yield finding("MLB617", text, ref_of(namespace))


def _extension(snapshot: Snapshot) -> Obj | None:
    return next((item for item in snapshot.all(kinds.DEPLOYMENT) if name_of(item) == EXTENSION), None)


def _labelled(snapshot: Snapshot, namespace: str) -> bool:
    """Whether the extension sends mutual TLS to a namespace: it looks at the labels for injection."""
    labels = labels_of(snapshot.get(kinds.NAMESPACE, "", namespace) or {})
    return labels.get("istio-injection") == "enabled" or "istio.io/rev" in labels


def _no_place(request: ChainRequest) -> str:
    managed = bool(request.option("alb_namespace")) and bool(request.option("alb_name"))
    brought = bool(request.option("alb_id")) and bool(request.option("frontend"))
    named = [name for name in ("alb_namespace", "alb_name", "alb_id", "frontend") if request.option(name)]
    return "" if managed != brought and len(named) == 2 else PLACE


def _name_to_send(request: ChainRequest) -> str:
    """The name that was asked for, else the first host that is one."""
    named = [host for host in request.hosts if not host.startswith("*")]
    return request.gateway.server_name or (named[0] if named else "")


def _backend_tls(request: ChainRequest) -> Obj:
    name, authority, client = _name_to_send(request), request.option("ca_secret"), request.option("client_secret")
    default: Obj = {"sni": name, "ports": [{"port": request.gateway.port}]}
    if client:
        default["clientCertificateRef"] = _secret(client)
    if authority:
        default["verify"] = {"caCertificateRef": _secret(authority), "subjectAltName": name}
    return _policy("BackendTLSPolicy", request.name, request.gateway.namespace, request.gateway.service, default)


def _secret(name: object) -> Obj:
    return {"group": "", "kind": "Secret", "name": str(name)}


def _policy(kind: str, name: str, namespace: str, service: str, default: Obj) -> Obj:
    target = {"group": "", "kind": "Service", "name": service, "namespace": namespace}
    return {
        "apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata(name, namespace), "spec": {"targetRef": target, "default": default},
    }
