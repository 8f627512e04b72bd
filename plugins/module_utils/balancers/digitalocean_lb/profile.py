# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DigitalOcean's load balancers, which the cloud controller manager makes from the gateway's own Service.

Source: digitalocean/digitalocean-cloud-controller-manager 70d527e, docs/controllers/services/annotations.md and
cloud-controller-manager/do/loadbalancers.go: a check goes to kube-proxy, or to healthCheckNodePort with externalTrafficPolicy Local,
without a PROXY header; with the override it goes to the node port of a Service's port, with one, and speaks HTTP/1.1 (DigitalOcean's
page on health checks; Envoy would refuse 1.0). A network load balancer forwards to the Service's own ports on the nodes.
UNCONFIRMED: whether a regional one appends to X-Forwarded-For that a client sent or replaces it; counting from the right is right
either way.
"""

from __future__ import annotations

from ..contract.chain import (
    STATUS_PORT,
    Capability,
    ChainFacts,
    ChainOption,
    ChainRequest,
    CheckTarget,
    ClientAddress,
    HealthCheck,
    LoadBalancerSide,
    ServiceNeeds,
)
from ..kit.cloud.platform import STATUS_UNDERSTANDS_PROXY, plain_port_for_https, refused
from ..kit.cloud.signs import PlatformSigns
from ..kit.cloud.wanted import word
from ..legacy import Platform

PREFIX = "service.beta.kubernetes.io/do-loadbalancer-"
LOCAL = (("externalTrafficPolicy",), "Local")


class DigitaloceanLb(Platform):
    """A network load balancer (layer 4, addresses kept) or a regional one (a proxy)."""

    id = "digitalocean_lb"
    title = "DigitalOcean Load Balancer"
    signs_outside = PlatformSigns(
        nodes=("digitalocean://",),
        service_annotations=(f"{PREFIX}*", "kubernetes.digitalocean.com/load-balancer-id", "service.kubernetes.io/do-loadbalancer-disown"),
        all_services=True,
    )
    chain = ChainFacts(
        hops=1, forwarded_for="appended", proxy_protocol=True, server_name="client", ends_tls="optional",
        tls_to_gateway="passed through; none where the load balancer has the certificate",
        health="the node's, with externalTrafficPolicy Local: nodes with a ready gateway pod; port 15021 where the check is overridden",
        objects=("the gateway's own Service",), service_type="LoadBalancer",
        cannot=("send to pods directly", "send a client certificate to its servers", "check one pod of several on a node"),
        standalone=Capability(True, "yes, where plaintext is accepted (layer 4)"),
    )
    certificate_options = ("certificate_id",)
    chain_options = (
        ChainOption("type", "A network load balancer (the controller's default) or a regional one, which is a proxy.", (
            "REGIONAL_NETWORK", "REGIONAL")),
        ChainOption("network", "Where it can be reached from.", ("EXTERNAL", "INTERNAL")),
        ChainOption("certificate_id", "The certificate with which a regional one ends TLS itself; without one TLS is passed through."),
        ChainOption("check", "What is checked: the node (the default), or the gateway's status port through the override.", (
            "node", "gateway")),
        ChainOption("hostname", "A name for the Service's status, so that clients in the cluster do not go past the load balancer."),
        ChainOption("load_balancer_id", "An existing load balancer to use."),
    )

    def client_address(self, request: ChainRequest) -> ClientAddress:
        if self.ends_tls(request) and request.client in ("auto", "x_forwarded_for"):
            hops = 1 if request.trusted_hops is None else request.trusted_hops
            return ClientAddress("x_forwarded_for", hops, "with a certificate it adds 1 entry to X-Forwarded-For; counted from the right")
        if request.client != "auto":
            return super().client_address(request)
        if _regional(request):
            return ClientAddress("proxy_protocol", 0, f"{self.title} puts a PROXY header (version 1) before every connection")
        return ClientAddress("source_address", 0, "a network load balancer and externalTrafficPolicy Local keep the client's address")

    def chain_front(self, request: ChainRequest) -> LoadBalancerSide:
        mode, certificate, regional = self.client_address(request).mode, self.ends_tls(request), _regional(request)
        refusal = refused([
            "only a regional load balancer ends TLS: set platform_options.type to REGIONAL" if certificate and not regional else "",
            plain_port_for_https(request) if certificate else "",
            "only a regional load balancer with a certificate writes X-Forwarded-For"
            if mode == "x_forwarded_for" and not certificate else "",
            "only a regional load balancer sends a PROXY header: set platform_options.type to REGIONAL"
            if mode == "proxy_protocol" and not regional else "",
            "a regional load balancer is a proxy, so connections come from its address: use client_address.mode proxy_protocol"
            if mode == "source_address" and regional else "",
        ])
        if refusal is not None:
            return refusal
        wanted = {
            "type": word(request, "type", "regional_network").upper(), "network": word(request, "network").upper(),
            "certificate-id": request.option("certificate_id"), "tls-ports": request.gateway.port if certificate else "",
            "http-ports": "80" if certificate else "", "redirect-http-to-https": "true" if certificate and request.https_redirect else "",
            "enable-proxy-protocol": "true" if mode == "proxy_protocol" else "", "hostname": request.option("hostname"),
        }
        own = {f"{PREFIX}{key}": str(value) for key, value in wanted.items() if value}
        if request.option("load_balancer_id"):
            own["kubernetes.digitalocean.com/load-balancer-id"] = str(request.option("load_balancer_id"))
        health = self.health_of_gateway(request)
        check = health.check
        if check.kind == "http" and mode == "proxy_protocol":
            check = HealthCheck("http", check.port, check.path, proxy_header=True)
        service = ServiceNeeds("LoadBalancer", (*own.items(), *health.service.annotations), (LOCAL,))
        return LoadBalancerSide(service=service, check=check, environment=STATUS_UNDERSTANDS_PROXY if check.proxy_header else ())

    def health_check(self, target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
        if word(request, "check", "node") == "node":
            return LoadBalancerSide(service=ServiceNeeds("LoadBalancer", fields=(LOCAL,)), check=HealthCheck("node"))
        port = STATUS_PORT if isinstance(target.check.port, str) else target.check.port
        wanted = {
            "override-health-check": "true", "healthcheck-port": str(port), "healthcheck-path": target.check.path,
            "healthcheck-protocol": "http",
        }
        notes = tuple((f"{PREFIX}{key}", value) for key, value in wanted.items())
        step = f"The check goes to the node port for port {port} of {target.namespace}/{target.service}: that Service has to have the port."
        check = HealthCheck("http", port, target.check.path)
        return LoadBalancerSide(service=ServiceNeeds("LoadBalancer", notes, (LOCAL,)), check=check, steps=(step,))


def _regional(request: ChainRequest) -> bool:
    return word(request, "type", "regional_network") == "regional"
