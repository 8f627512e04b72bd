# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GKE Ingress: a Google Cloud Application Load Balancer that GKE makes of an Ingress, with network endpoint groups (pod addresses).

Source: kubernetes/ingress-gce acbcf5d, pkg/annotations/{service,ingress}.go, pkg/negannotation, pkg/apis/{backendconfig/v1,
frontendconfig/v1beta1}/types.go, pkg/translator/healthchecks.go (which readiness probes it takes over), pkg/utils/utils.go (which
Ingresses are its own), pkg/loadbalancers/{l7,url_maps}.go (what an internal one cannot do). ManagedCertificate:
GoogleCloudPlatform/gke-networking-recipes cce1618, ingress/single-cluster/ingress-https.
"""

from __future__ import annotations

import json

from ...core.findings import finding
from ...core.model import Finding, Scheme
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, dig, ref_of
from ...kube.snapshot import Snapshot
from ..contract.chain import (
    STATUS_PATH,
    Capability,
    ChainFacts,
    ChainOption,
    ChainRequest,
    CheckTarget,
    HealthCheck,
    LoadBalancerSide,
    ServiceNeeds,
)
from ..contract.facts import Proof
from ..gke import shared as gke
from ..kit.cloud.bodies import ingress, metadata
from ..kit.cloud.platform import pod_port, refused
from ..kit.cloud.signs import PlatformSigns
from ..kit.cloud.wanted import NO_POD_PORT, certificate_missing, given, word
from ..kit.ingresses import CLASS_ANNOTATION
from ..legacy import Platform

BACKEND_CONFIG = "BackendConfig.cloud.google.com"
FRONTEND_CONFIG = "FrontendConfig.networking.gke.io"
MANAGED_CERTIFICATE = "ManagedCertificate.networking.gke.io"
APP_PROTOCOLS, OLD_APP_PROTOCOLS = "cloud.google.com/app-protocols", "service.alpha.kubernetes.io/app-protocols"
CONFIGURED = "cloud.google.com/backend-config"
GLOBAL, INTERNAL, REGIONAL = "gce", "gce-internal", "gce-regional-external"
CERTIFICATES = "tls_secret, pre_shared_certificate or managed_certificate"
STATUS = ("backends", "url-map", "forwarding-rule", "https-forwarding-rule", "target-proxy", "https-target-proxy", "ssl-cert", "static-ip")
"""What GKE writes back on an Ingress that it serves, as annotations ``ingress.kubernetes.io/…``."""


class GkeIngress(Platform):
    """No IngressClass stands for it, and it takes no Ingress that names one: the annotation decides, or that there is none."""

    id = "gke_ingress"
    title = "GKE Ingress"
    signs_outside = PlatformSigns(
        nodes=gke.NODES, class_annotations=(GLOBAL, INTERNAL, REGIONAL, "gce-multi-cluster"), unclassed=True,
        ingress_annotations=(
            *(f"ingress.kubernetes.io/{name}" for name in STATUS), "networking.gke.io/managed-certificates",
            "networking.gke.io/v1beta1.FrontendConfig", "ingress.gcp.kubernetes.io/*", "kubernetes.io/ingress.global-static-ip-name",
            "kubernetes.io/ingress.regional-static-ip-name",
        ),
        finalizers=("networking.gke.io/ingress-finalizer*",), kinds=(BACKEND_CONFIG, FRONTEND_CONFIG),
    )
    chain = ChainFacts(
        hops=gke.HOPS, forwarded_for="appended", server_name="never", ends_tls="optional", redirects=True,
        tls_to_gateway=f"annotation app-protocols on the Service: {gke.TLS_TO_GATEWAY}",
        health="BackendConfig, which is needed: without one the path / of the serving port is checked",
        objects=("Ingress", "BackendConfig", "FrontendConfig", "ManagedCertificate"), service_type="ClusterIP (network endpoint groups)",
        minimum="GKE with VPC-native networking, which network endpoint groups need",
        standalone=Capability(True, "yes, where plaintext is accepted; the check can go to the sidecar's status port (BackendConfig)"),
        cannot=(gke.NO_NAME, gke.NO_CLIENT_CERTIFICATE, "pass TLS through"),
        proof=Proof.SCHEMA,
    )
    chain_options = (
        ChainOption("class_name", "Which load balancer: global (gce, the default), internal or regional.", (GLOBAL, INTERNAL, REGIONAL)),
        ChainOption("static_ip", "Name of the reserved address."),
        ChainOption("tls_secret", "Secret in the gateway's namespace with the certificate for HTTPS."),
        ChainOption("pre_shared_certificate", "Names of certificates that are in Google Cloud already, with commas."),
        ChainOption("managed_certificate", "Whether a ManagedCertificate is made for the hosts (class gce only).", ("true", "false")),
        ChainOption("ssl_policy", "The SSL policy of its HTTPS side."),
        ChainOption("security_policy", "The Cloud Armor policy."),
        gke.BACKEND_PROTOCOL,
    )
    chain_kinds = (BACKEND_CONFIG, FRONTEND_CONFIG, MANAGED_CERTIFICATE)
    check_kinds = (BACKEND_CONFIG,)

    def scheme_of(self, snapshot: Snapshot, route: Obj) -> Scheme:
        return "http"

    def ends_tls(self, request: ChainRequest) -> bool:
        return _has_certificate(request)

    def chain_front(self, request: ChainRequest) -> LoadBalancerSide:
        refusal = refused(_reasons(request))
        check = self.health_of_gateway(request)
        if refusal is not None or check.refusal:
            return refusal or check
        annotations = dict(check.service.annotations)
        if request.gateway.tls:
            annotations[APP_PROTOCOLS] = gke.compact({request.gateway.port_name: gke.backend_protocol(request)})
        bodies = (*check.bodies, *_front_config(request), *_certificate(request), _ingress(request))
        return LoadBalancerSide(bodies=bodies, service=ServiceNeeds("ClusterIP", tuple(annotations.items())), check=check.check)

    def health_check(self, target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
        port = pod_port(target.check.port)
        if not port:
            return LoadBalancerSide(refusal=NO_POD_PORT)
        grouped, check = (gke.NEG, gke.compact({"ingress": True})), HealthCheck("http", port, target.check.path)
        if _own_config(request, target.service):
            return LoadBalancerSide(service=ServiceNeeds("ClusterIP", (grouped,)), check=check)
        configured = (CONFIGURED, json.dumps({"default": request.name}))
        return LoadBalancerSide(
            bodies=(_backend_config(target, request, port),), service=ServiceNeeds("ClusterIP", (grouped, configured)), check=check,
        )

    def chain_preflight(self, snapshot: Snapshot, request: ChainRequest) -> tuple[Finding, ...]:
        found = []
        if not snapshot.serves(BACKEND_CONFIG):
            found.append(finding("MLB604", f"the cluster does not serve {BACKEND_CONFIG}: is this GKE?"))
        own, port = _own_config(request, request.gateway.service), pod_port(request.gateway.status_port)
        config = snapshot.get(BACKEND_CONFIG, request.gateway.namespace, own) if own else None
        if own and not _checks(config or {}, port):
            text = f"BackendConfig {request.gateway.namespace}/{own} " + ("does not exist" if config is None else "checks something else")
            found.append(finding("MLB604", f"{text}: its healthCheck has to ask port {port} for {STATUS_PATH} by HTTP"))
        service = snapshot.get(kinds.SERVICE, request.gateway.namespace, request.gateway.service)
        older = annotations_of(service).get(OLD_APP_PROTOCOLS, "") if service else ""
        if service and older and _declared(older, request.gateway.port_name) != gke.backend_protocol(request):
            text = f"{OLD_APP_PROTOCOLS} is {older} and goes before {APP_PROTOCOLS}, which the chain needs"
            found.append(finding("MLB609", text, ref_of(service)))
        return tuple(found)


def _class(request: ChainRequest) -> str:
    return word(request, "class_name", GLOBAL)


def _managed(request: ChainRequest) -> bool:
    return word(request, "managed_certificate") == "true"


def _has_certificate(request: ChainRequest) -> bool:
    return bool(request.option("tls_secret") or request.option("pre_shared_certificate") or _managed(request))


def _reasons(request: ChainRequest) -> list[str]:
    managed, internal = _managed(request), _class(request) == INTERNAL
    wild = not request.hosts or any(host.startswith("*") for host in request.hosts)
    return [
        certificate_missing(request, _has_certificate(request), CERTIFICATES),
        "an internal GKE Ingress cannot redirect to HTTPS" if request.https_redirect and internal else "",
        "an internal GKE Ingress serves HTTP and HTTPS only at a reserved address: give static_ip in platform_options"
        if internal and _has_certificate(request) and not request.option("static_ip") else "",
        "managed_certificate is for class gce only" if managed and _class(request) != GLOBAL else "",
        "managed_certificate needs hosts, and none with a wildcard" if managed and wild else "",
        f"security_policy belongs into BackendConfig {_own_config(request, request.gateway.service)}, which the gateway's Service names"
        if request.option("security_policy") and _own_config(request, request.gateway.service) else "",
        "TLS to the gateway is declared by the name of the Service's port, and this port has none"
        if request.gateway.tls and not request.gateway.port_name else "",
    ]


def _own_config(request: ChainRequest, service: str) -> str:
    """The BackendConfig that somebody named for the gateway's port already; empty where none is."""
    gateway = request.gateway
    text = gateway.annotation(CONFIGURED) if service == gateway.service else ""
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return ""
    ports = dig(found, "ports", default={}) if isinstance(found, dict) else {}
    named = (ports.get(gateway.port_name) or ports.get(str(gateway.port))) if isinstance(ports, dict) else ""
    return str(named or (found.get("default") if isinstance(found, dict) else "") or "")


def _checks(config: Obj, port: int) -> bool:
    """Whether a BackendConfig asks the gateway what it answers in clear."""
    check = dig(config, "spec", "healthCheck", default={})
    return (str(check.get("type", "HTTP")).upper(), check.get("port"), check.get("requestPath")) == ("HTTP", port, STATUS_PATH)


def _declared(text: str, port_name: str) -> str:
    try:
        found = json.loads(text)
    except ValueError:
        return ""
    return str(found.get(port_name, "HTTP")) if isinstance(found, dict) else ""


def _backend_config(target: CheckTarget, request: ChainRequest, port: int) -> Obj:
    check = {
        "type": "HTTP", "port": port, "requestPath": target.check.path, "checkIntervalSec": gke.INTERVAL, "timeoutSec": gke.TIMEOUT,
    }
    spec: Obj = {"healthCheck": check, "connectionDraining": {"drainingTimeoutSec": gke.DRAINING}}
    if request.option("security_policy"):
        spec["securityPolicy"] = {"name": str(request.option("security_policy"))}
    return {
        "apiVersion": "cloud.google.com/v1", "kind": "BackendConfig", "metadata": metadata(request.name, target.namespace), "spec": spec,
    }


def _front_config(request: ChainRequest) -> tuple[Obj, ...]:
    spec = given(sslPolicy=request.option("ssl_policy"))
    if request.https_redirect:
        spec["redirectToHttps"] = {"enabled": True, "responseCodeName": "MOVED_PERMANENTLY_DEFAULT"}
    if not spec:
        return ()
    return ({
        "apiVersion": "networking.gke.io/v1beta1", "kind": "FrontendConfig",
        "metadata": metadata(request.name, request.gateway.namespace), "spec": spec,
    },)


def _certificate(request: ChainRequest) -> tuple[Obj, ...]:
    if not _managed(request):
        return ()
    return ({
        "apiVersion": "networking.gke.io/v1", "kind": "ManagedCertificate",
        "metadata": metadata(request.name, request.gateway.namespace), "spec": {"domains": list(request.hosts)},
    },)


def _ingress(request: ChainRequest) -> Obj:
    address = "global" if _class(request) == GLOBAL else "regional"
    annotations = given(**{
        CLASS_ANNOTATION: _class(request), f"kubernetes.io/ingress.{address}-static-ip-name": request.option("static_ip"),
        "ingress.gcp.kubernetes.io/pre-shared-cert": request.option("pre_shared_certificate"),
        "networking.gke.io/managed-certificates": request.name if _managed(request) else "",
        "networking.gke.io/v1beta1.FrontendConfig": request.name if _front_config(request) else "",
    })
    return ingress(request, "", {key: str(value) for key, value in annotations.items()}, tls_secret=str(request.option("tls_secret", "")))
