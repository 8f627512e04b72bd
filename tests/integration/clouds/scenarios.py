# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is tried with stand-ins, as data: the platform, its options, and how the gateway is to be asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

CERTIFICATE = "standin-certificate"
HOST = "cloud.example.test"


@dataclass(frozen=True)
class Scenario:
    """``by``: what its targets are. ``definitions``: folder of the vendor's CustomResourceDefinitions that it needs. ``tls``: the gateway
    takes TLS. ``passes_tls``: clients' TLS reaches the gateway. ``https``: it ends at the load balancer; ``redirected_by``: who sends those
    without TLS there. ``api``: with the Gateway API Istio makes the gateway's pods itself. ``undrained``: the stand-in is told to cut off
    requests that are under way on a target that leaves, whatever the objects say.
    """

    platform: str
    by: Literal["pods", "nodes", "service"]
    shows: str
    options: dict[str, Any] = field(default_factory=dict)
    client: str = "auto"
    tls: bool = False
    passes_tls: bool = False
    https: bool = False
    redirected_by: Literal["", "load balancer", "gateway"] = ""
    api: Literal["istio", "gateway_api"] = "istio"
    definitions: str = ""
    learns: str = "x_forwarded_for"
    hops: int = 0
    trusted_hops: int | None = None
    undrained: bool = False


AGIC = {"forwarded_for_rewritten": True}
AGC = {"alb_namespace": "alb", "alb_name": "shop"}
SCENARIOS: dict[str, Scenario] = {
    "aws_alb-pods": Scenario("aws_alb", "pods", "pods as targets, plain HTTP, check of port 15021", hops=1),
    "aws_alb-nodes": Scenario(
        "aws_alb", "nodes", "nodes as targets, check of the status port's node port", {"target_type": "instance"}, hops=1),
    "aws_alb-tls": Scenario("aws_alb", "pods", "TLS to the gateway without a server name", tls=True, hops=1),
    "aws_alb-deployed": Scenario("aws_alb", "pods", "before a gateway that Istio deploys", api="gateway_api", hops=1),
    "aws_nlb-proxy": Scenario("aws_nlb", "pods", "PROXY protocol v2, also before the check", learns="proxy_protocol"),
    "aws_nlb-proxy-tls": Scenario(
        "aws_nlb", "pods", "clients' TLS passed through behind PROXY protocol v2", tls=True, passes_tls=True, learns="proxy_protocol"),
    "aws_nlb-nodes": Scenario(
        "aws_nlb", "nodes", "nodes as targets, addresses kept", {"target_type": "instance"}, client="source_address",
        learns="source_address"),
    "gke_gateway": Scenario("gke_gateway", "pods", "two entries in X-Forwarded-For", definitions="gke-gateway", hops=2),
    "gke_gateway-http2": Scenario(
        "gke_gateway", "pods", "HTTP/2 and TLS to the gateway without a server name, two entries in X-Forwarded-For", tls=True,
        definitions="gke-gateway", hops=2),
    "gke_ingress": Scenario(
        "gke_ingress", "pods", "BackendConfig's check of port 15021 and draining, two entries in X-Forwarded-For",
        definitions="gke-ingress", hops=2),
    "gke_ingress-http2": Scenario(
        "gke_ingress", "pods", "HTTP/2 and TLS to the gateway without a server name", tls=True, definitions="gke-ingress", hops=2),
    "gke_ingress-https": Scenario(
        "gke_ingress", "pods", "clients' TLS ends there, FrontendConfig's redirect", {"tls_secret": CERTIFICATE}, https=True,
        redirected_by="load balancer", definitions="gke-ingress", hops=2),
    "gke_neg": Scenario("gke_neg", "pods", "health check, protocol and draining as in the commands for gcloud", hops=2),
    "gke_neg-redirect": Scenario(
        "gke_neg", "pods", "clients' TLS ends there, the gateway redirects and believes X-Forwarded-Proto", https=True,
        redirected_by="gateway", hops=2),
    "azure_agic": Scenario(
        "azure_agic", "pods", "the rewrite takes ports out of X-Forwarded-For, probe of port 15021", AGIC, definitions="agic", hops=1),
    "azure_agic-tls": Scenario(
        "azure_agic", "pods", "TLS to the gateway, whose certificate is verified, backend-hostname as Host and server name",
        {**AGIC, "trusted_root": "gateway"}, tls=True, definitions="agic", hops=1),
    "azure_agc": Scenario("azure_agc", "pods", "HealthCheckPolicy of port 15021", AGC, definitions="agc", hops=1),
    "azure_agc-tls": Scenario(
        "azure_agc", "pods", "BackendTLSPolicy: TLS to the gateway with a server name, its certificate verified",
        {**AGC, "ca_secret": CERTIFICATE}, tls=True, definitions="agc", hops=1),
    "azure_lb": Scenario("azure_lb", "nodes", "addresses kept, probe of the status port's node port", learns="source_address"),
    "digitalocean_lb": Scenario("digitalocean_lb", "nodes", "addresses kept, the node's check", learns="source_address"),
    "digitalocean_lb-deployed": Scenario(
        "digitalocean_lb", "nodes", "the same before a gateway that Istio deploys", api="gateway_api", learns="source_address"),
    "digitalocean_lb-regional": Scenario(
        "digitalocean_lb", "nodes", "PROXY protocol v1, the node's check", {"type": "REGIONAL"}, learns="proxy_protocol"),
    "digitalocean_lb-override": Scenario(
        "digitalocean_lb", "nodes", "PROXY protocol v1, also before the check of the status port's node port",
        {"type": "REGIONAL", "check": "gateway"}, learns="proxy_protocol"),
    "oci_lb": Scenario("oci_lb", "nodes", "PROXY protocol v2, the node's check", learns="proxy_protocol"),
    "oci_lb-network": Scenario("oci_lb", "nodes", "addresses kept, the node's check", {"type": "nlb"}, learns="source_address"),
    "oci_lb-ingress": Scenario(
        "oci_lb", "pods", "from an Ingress: pods as backends, X-Forwarded-For, TCP check", {"front": "ingress"}, hops=1),
    "cloudflare_tunnel": Scenario("cloudflare_tunnel", "service", "no check, CF-Connecting-IP", hops=1),
    "cloudflare_tunnel-tls": Scenario("cloudflare_tunnel", "service", "TLS to the gateway, the host as server name", tls=True, hops=1),
    "alibaba_alb": Scenario("alibaba_alb", "pods", "pods as servers, check of port 15021 (the managed controller)", hops=1),
    "alibaba_clb": Scenario("alibaba_clb", "pods", "pods as servers, addresses kept, TCP check", learns="source_address"),
    "f5_cis": Scenario(
        "f5_cis", "pods", "pool members are pods, monitor of port 15021", {"address": "192.0.2.10", "http_profile": "/Common/http-xff"},
        definitions="f5-cis", hops=1),
    "openshift_route": Scenario("openshift_route", "pods", "X-Forwarded-For written anew, TCP check", definitions="openshift", hops=1),
}  # fmt: skip


@dataclass(frozen=True)
class Way:
    """A way to be set up whose objects are validated. ``folders``: of the vendor's definitions; ``writes``: kinds of these that it has."""

    platform: str
    options: dict[str, Any]
    tls: bool
    folders: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    redirect: bool = False


GOOGLE = "networking.gke.io"
KINDS: dict[str, Way] = {
    "aws_alb, Gateway API": Way(
        "aws_alb", {"front": "gateway_api", "certificate_arn": "arn:aws:acm:eu-west-1:123456789012:certificate/1", "scheme": "internal"},
        True, ("aws-load-balancer-controller",),
        ("LoadBalancerConfiguration.gateway.k8s.aws", "TargetGroupConfiguration.gateway.k8s.aws"), redirect=True),
    "azure_agic": Way("azure_agic", AGIC, False, ("agic",), ("AzureApplicationGatewayRewrite.appgw.ingress.azure.io",)),
    "azure_agc": Way(
        "azure_agc", {**AGC, "tls_secret": "shop", "ca_secret": "root", "client_secret": "client"}, True, ("agc",),
        ("BackendTLSPolicy.alb.networking.azure.io", "HealthCheckPolicy.alb.networking.azure.io"), redirect=True),
    "gke_gateway": Way(
        "gke_gateway", {"certificate_map": "shop", "ssl_policy": "modern", "security_policy": "edge"}, True, ("gke-gateway",),
        tuple(f"{kind}.{GOOGLE}" for kind in ("GCPBackendPolicy", "GCPGatewayPolicy", "HealthCheckPolicy"))),
    "gke_ingress": Way(
        "gke_ingress", {"managed_certificate": True, "static_ip": "shop", "ssl_policy": "modern", "security_policy": "edge"}, True,
        ("gke-ingress", "gke-managed-certs"),
        ("BackendConfig.cloud.google.com", f"FrontendConfig.{GOOGLE}", f"ManagedCertificate.{GOOGLE}"), redirect=True),
    "f5_cis, edge": Way(
        "f5_cis", {"address": "192.0.2.10", "http_profile": "/Common/http-xff", "client_ssl": "/Common/clientssl"}, False, ("f5-cis",),
        ("Policy.cis.f5.com", "TLSProfile.cis.f5.com", "VirtualServer.cis.f5.com")),
    "f5_cis, TLS to the gateway": Way(
        "f5_cis", {"ipam_label": "prod", "reference": "secret", "client_ssl": "clients", "server_ssl": "gateway"}, True, ("f5-cis",),
        ("TLSProfile.cis.f5.com", "VirtualServer.cis.f5.com")),
    "openshift_route, edge": Way("openshift_route", {}, False, ("openshift",), ("Route.route.openshift.io",)),
    "openshift_route, TLS to the gateway": Way(
        "openshift_route", {"destination_ca": "PEM"}, True, ("openshift",), ("Route.route.openshift.io",)),
    "openshift_route, passthrough": Way(
        "openshift_route", {"termination": "passthrough"}, True, ("openshift",), ("Route.route.openshift.io",)),
    "alibaba_alb": Way("alibaba_alb", {"tls_secret": "shop"}, True),
    "oci_lb, Ingress": Way("oci_lb", {"front": "ingress", "tls_secret": "shop", "check": "http"}, True),
    "cloudflare_tunnel": Way("cloudflare_tunnel", {"tunnel": "shop", "ca_pool": "/ca.pem"}, True),
}  # fmt: skip

# Kinds that a stand-in needs on the API server, for where the vendor's own definitions cannot be had: they say nothing of any field, so
# nothing is validated by them. Folder, then group, version, kind and resource.
UNTYPED: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "agic": (("appgw.ingress.azure.io", "v1beta1", "AzureApplicationGatewayRewrite", "azureapplicationgatewayrewrites"),),
    "agc": (("alb.networking.azure.io", "v1", "HealthCheckPolicy", "healthcheckpolicy"),
            ("alb.networking.azure.io", "v1", "BackendTLSPolicy", "backendtlspolicies")),
}  # fmt: skip

# What is wrong on purpose, so that it is known that the tests would see it.
WRONG = {"one hop too many": Scenario("aws_alb", "pods", "nothing", hops=2, trusted_hops=2)}
UNDRAINED = {"no draining": Scenario("gke_ingress", "pods", "nothing", definitions="gke-ingress", hops=2, undrained=True)}


def validated() -> dict[str, list[str]]:
    """Kinds that are validated strictly by the vendors' own definitions, by platform."""
    found: dict[str, list[str]] = {}
    for item in KINDS.values():
        # Of what is untyped there is no definition at all but for those who have the vendor's file.
        if item.writes and "agc" not in item.folders:
            found.setdefault(item.platform, []).extend(kind for kind in item.writes if kind not in found.get(item.platform, []))
    return found


def shown() -> dict[str, list[str]]:
    """What stand-ins show, by platform: the generated page of platforms says it."""
    found: dict[str, list[str]] = {}
    for item in SCENARIOS.values():
        found.setdefault(item.platform, []).append(item.shows)
    return found
