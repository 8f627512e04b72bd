# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GKE Ingress in front of a gateway."""

from __future__ import annotations

from collections.abc import Iterator

from ...core.findings import finding
from ...core.model import Finding
from ...kube import kinds
from ...kube.default_class import CLASS_ANNOTATION
from ...kube.json_text import json_map
from ...kube.objects import Obj, annotations_of, ref_of
from ..contract.chain import ChainRequest, LoadBalancerSide, ServiceNeeds
from ..contract.facts import Capability, ChainFacts, ChainOption, ProofLevel
from ..gke import shared as gke
from ..kit.chain.answers import chain_side, unless
from ..kit.cloud.bodies import ingress, resource
from ..kit.cloud.health import gateway_check
from ..kit.cloud.options import certificate_missing, given, is_word, prefixed, word
from ..kit.cloud.preflight import joined_preflights, kind_is_served, on_gateway_service
from ..kit.writes import declaring, gateway_service, made_for_chains
from .health import BACKEND_CONFIG, CONFIGURED, check, check_of_named_config, named_config

TITLE = "GKE Ingress"
FRONTEND_CONFIG = "FrontendConfig.networking.gke.io"
MANAGED_CERTIFICATE = "ManagedCertificate.networking.gke.io"
APP_PROTOCOLS, OLD_APP_PROTOCOLS = "cloud.google.com/app-protocols", "service.alpha.kubernetes.io/app-protocols"
GLOBAL, INTERNAL, REGIONAL = "gce", "gce-internal", "gce-regional-external"
FACTS = ChainFacts(
    hops=gke.HOPS, forwarded_for="appended", server_name="never", ends_tls="optional", redirects=True,
    tls_to_gateway=f"annotation app-protocols on the Service: {gke.TLS_TO_GATEWAY}",
    health="BackendConfig, which is needed: without one the path / of the serving port is checked",
    objects=("Ingress", "BackendConfig", "FrontendConfig", "ManagedCertificate"), service_type="ClusterIP (network endpoint groups)",
    minimum="GKE with VPC-native networking, which network endpoint groups need",
    standalone=Capability(True, "yes, where plaintext is accepted; the check can go to the sidecar's status port (BackendConfig)"),
    cannot=(gke.NO_NAME, gke.NO_CLIENT_CERTIFICATE, "pass TLS through"),
    proof=ProofLevel.SCHEMA,
    options=(
        ChainOption("class_name", "Which load balancer: global (gce, the default), internal or regional.", (GLOBAL, INTERNAL, REGIONAL)),
        ChainOption("static_ip", "Name of the reserved address."),
        ChainOption("tls_secret", "Secret in the gateway's namespace with the certificate for HTTPS."),
        ChainOption("pre_shared_certificate", "Names of certificates that are in Google Cloud already, with commas."),
        ChainOption("managed_certificate", "Whether a ManagedCertificate is made for the hosts (class gce only).", ("true", "false")),
        ChainOption("ssl_policy", "The SSL policy of its HTTPS side."),
        ChainOption("security_policy", "The Cloud Armor policy."),
        gke.BACKEND_PROTOCOL,
    ),
    kinds=(BACKEND_CONFIG, FRONTEND_CONFIG, MANAGED_CERTIFICATE),
)
managed = is_word("managed_certificate", "true", "")


def ends_tls(request: ChainRequest) -> bool:
    """Whether it has a certificate, or is to get one."""
    return bool(request.option("tls_secret") or request.option("pre_shared_certificate") or managed(request))


def _reasons(request: ChainRequest) -> list[str]:
    internal, config = _class(request) == INTERNAL, named_config(request, request.gateway.service)
    wild = not request.hosts or any(host.startswith("*") for host in request.hosts)
    return [
        certificate_missing(request, ends_tls(request), "tls_secret, pre_shared_certificate or managed_certificate"),
        "an internal GKE Ingress cannot redirect to HTTPS" if request.https_redirect and internal else "",
        "an internal GKE Ingress serves HTTP and HTTPS only at a reserved address: give static_ip in platform_options"
        if internal and ends_tls(request) and not request.option("static_ip") else "",
        "managed_certificate is for class gce only" if managed(request) and _class(request) != GLOBAL else "",
        "managed_certificate needs hosts, and none with a wildcard" if managed(request) and wild else "",
        f"security_policy belongs into BackendConfig {config}, which the gateway's Service names"
        if request.option("security_policy") and config else "",
        "TLS to the gateway is declared by the name of the Service's port, and this port has none"
        if request.gateway.tls and not request.gateway.port_name else "",
        check(gateway_check(request), request).refusal,
    ]


def front(request: ChainRequest) -> LoadBalancerSide:
    """An Ingress with the objects that it names."""
    health = check(gateway_check(request), request)
    protocol = gke.compact_json({request.gateway.port_name: gke.backend_protocol(request)})
    declared = ((APP_PROTOCOLS, protocol),) if request.gateway.tls else ()
    extra = (*_front_config(request), *_certificate(request))
    return LoadBalancerSide(
        bodies=(*health.bodies, *extra, _ingress(request, {item["kind"] for item in extra})), check=health.check,
        service=ServiceNeeds("ClusterIP", (*health.service.annotations, *declared)),
    )


def _class(request: ChainRequest) -> str:
    return word(request, "class_name", GLOBAL)


def _front_config(request: ChainRequest) -> Iterator[Obj]:
    redirect = {"enabled": True, "responseCodeName": "MOVED_PERMANENTLY_DEFAULT"}
    spec = given(sslPolicy=request.option("ssl_policy"), redirectToHttps=redirect if request.https_redirect else {})
    if spec:
        yield resource("networking.gke.io/v1beta1", "FrontendConfig", request.name, request.gateway.namespace, spec)


def _certificate(request: ChainRequest) -> Iterator[Obj]:
    if managed(request):
        spec = {"domains": list(request.hosts)}
        yield resource("networking.gke.io/v1", "ManagedCertificate", request.name, request.gateway.namespace, spec)


def _ingress(request: ChainRequest, named: set[str]) -> Obj:
    address = "global" if _class(request) == GLOBAL else "regional"
    annotations = prefixed("", {
        CLASS_ANNOTATION: _class(request), f"kubernetes.io/ingress.{address}-static-ip-name": request.option("static_ip"),
        "ingress.gcp.kubernetes.io/pre-shared-cert": request.option("pre_shared_certificate"),
        "networking.gke.io/managed-certificates": request.name if "ManagedCertificate" in named else "",
        "networking.gke.io/v1beta1.FrontendConfig": request.name if "FrontendConfig" in named else "",
    })
    return ingress(request, "", annotations, tls_secret=str(request.option("tls_secret", "")))


def what_is_wrong(service: Obj, request: ChainRequest) -> Iterator[Finding]:
    """An older annotation that says something else of the gateway's port."""
    older = annotations_of(service).get(OLD_APP_PROTOCOLS, "")
    protocols = json_map(older)
    if older and (protocols is None or protocols.get(request.gateway.port_name, "HTTP") != gke.backend_protocol(request)):
        text = f"{OLD_APP_PROTOCOLS} is {older} and goes before {APP_PROTOCOLS}, which the chain needs"
        yield finding("MLB609", text, ref_of(service))


WRITES = (
    *made_for_chains(kinds.INGRESS, BACKEND_CONFIG, FRONTEND_CONFIG, MANAGED_CERTIFICATE),
    *gateway_service(gke.NEG, CONFIGURED, APP_PROTOCOLS),
)
CHAIN = declaring(
    chain_side(
        TITLE, FACTS, unless(_reasons, front), ends_tls=ends_tls,
        preflight=joined_preflights(
            kind_is_served(BACKEND_CONFIG, "is this GKE?"), check_of_named_config, on_gateway_service(what_is_wrong)
        ),
    ),
    *WRITES,
)
