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
    """``by``: what its targets are. ``definitions``: folder of the vendor's CustomResourceDefinitions that it needs.
    ``passes_tls``: clients' TLS reaches the gateway. ``api``: with the Gateway API Istio makes the gateway's pods itself.
    """

    platform: str
    by: Literal["pods", "nodes", "service"]
    shows: str
    options: dict[str, Any] = field(default_factory=dict)
    client: str = "auto"
    tls: bool = False
    passes_tls: bool = False
    api: Literal["istio", "gateway_api"] = "istio"
    definitions: str = ""
    learns: str = "x_forwarded_for"
    hops: int = 0
    trusted_hops: int | None = None


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
    "cloudflare_tunnel": Scenario("cloudflare_tunnel", "service", "no check, CF-Connecting-IP", hops=1),
    "cloudflare_tunnel-tls": Scenario("cloudflare_tunnel", "service", "TLS to the gateway, the host as server name", tls=True, hops=1),
    "alibaba_alb": Scenario("alibaba_alb", "pods", "pods as servers, check of port 15021 (the managed controller)", hops=1),
    "alibaba_clb": Scenario("alibaba_clb", "pods", "pods as servers, addresses kept, TCP check", learns="source_address"),
    "f5_cis": Scenario(
        "f5_cis", "pods", "pool members are pods, monitor of port 15021", {"address": "192.0.2.10", "http_profile": "/Common/http-xff"},
        definitions="f5-cis", hops=1),
    "openshift_route": Scenario("openshift_route", "pods", "X-Forwarded-For written anew, TCP check", definitions="openshift", hops=1),
}  # fmt: skip


# Ways to be set up whose objects are of the vendor's own kinds: platform, options, TLS to the gateway, folder of definitions.
KINDS: dict[str, tuple[str, dict[str, Any], bool, str]] = {
    "aws_alb, Gateway API": (
        "aws_alb", {"front": "gateway_api", "certificate_arn": "arn:aws:acm:eu-west-1:123456789012:certificate/1", "scheme": "internal"},
        True, "aws-load-balancer-controller"),
    "azure_agic": ("azure_agic", {"forwarded_for_rewritten": True}, False, "agic"),
    "gke_gateway": ("gke_gateway", {"certificate_map": "shop", "ssl_policy": "modern", "security_policy": "edge"}, True, "gke-gateway"),
    "f5_cis, edge": (
        "f5_cis", {"address": "192.0.2.10", "http_profile": "/Common/http-xff", "client_ssl": "/Common/clientssl"}, False, "f5-cis"),
    "f5_cis, TLS to the gateway": (
        "f5_cis", {"ipam_label": "prod", "reference": "secret", "client_ssl": "clients", "server_ssl": "gateway"}, True, "f5-cis"),
    "openshift_route, edge": ("openshift_route", {}, False, "openshift"),
    "openshift_route, TLS to the gateway": ("openshift_route", {"destination_ca": "PEM"}, True, "openshift"),
    "openshift_route, passthrough": ("openshift_route", {"termination": "passthrough"}, True, "openshift"),
    "alibaba_alb": ("alibaba_alb", {"tls_secret": "shop"}, True, ""),
    "oci_lb, Ingress": ("oci_lb", {"front": "ingress", "tls_secret": "shop", "check": "http"}, True, ""),
    "cloudflare_tunnel": ("cloudflare_tunnel", {"tunnel": "shop", "ca_pool": "/ca.pem"}, True, ""),
}  # fmt: skip

# What is wrong on purpose, so that it is known that the tests would see it.
WRONG = {"one hop too many": Scenario("aws_alb", "pods", "nothing", hops=2, trusted_hops=2)}


def shown() -> dict[str, list[str]]:
    """What stand-ins show, by platform: the generated page of platforms says it."""
    found: dict[str, list[str]] = {}
    for item in SCENARIOS.values():
        found.setdefault(item.platform, []).append(item.shows)
    return found
