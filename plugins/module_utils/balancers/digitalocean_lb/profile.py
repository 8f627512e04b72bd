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

from ...core.model import replace
from ...core.writes import annotation, none_before
from ..contract.chain import STATUS_PORT, ChainRequest, CheckTarget, ClientAddress, HealthCheck, HealthChecker, LoadBalancerSide
from ..contract.facts import Capability, ChainFacts, ChainOption
from ..kit.chain.answers import chain_side, unless
from ..kit.cloud.health import LOCAL, gateway_check, on_service, with_proxy_header
from ..kit.cloud.options import has_option, is_word, prefixed, word
from ..kit.cloud.platform import address_by_listener, in_cloud, plain_port_for_https, platform
from ..kit.cloud.signs import PlatformSigns
from ..kit.writes import LOCAL_FIELD, declaring, gateway_service

PREFIX = "service.beta.kubernetes.io/do-loadbalancer-"
TITLE = "DigitalOcean Load Balancer"
SIGNS = PlatformSigns(
    nodes=("digitalocean://",),
    service_annotations=(f"{PREFIX}*", "kubernetes.digitalocean.com/load-balancer-id", "service.kubernetes.io/do-loadbalancer-disown"),
    all_services=True,
)
FACTS = ChainFacts(
    hops=1, forwarded_for="appended", proxy_protocol=True, server_name="client", ends_tls="optional",
    tls_to_gateway="passed through; none where the load balancer has the certificate",
    health="the node's, with externalTrafficPolicy Local: nodes with a ready gateway pod; port 15021 where the check is overridden",
    objects=("the gateway's own Service",), service_type="LoadBalancer",
    cannot=("send to pods directly", "send a client certificate to its servers", "check one pod of several on a node"),
    standalone=Capability(True, "yes, where plaintext is accepted (layer 4)"),
    options=(
        ChainOption("type", "A network load balancer (the controller's default) or a regional one, which is a proxy.", (
            "REGIONAL_NETWORK", "REGIONAL")),
        ChainOption("network", "Where it can be reached from.", ("EXTERNAL", "INTERNAL")),
        ChainOption("certificate_id", "The certificate with which a regional one ends TLS itself; without one TLS is passed through."),
        ChainOption("check", "What is checked: the node (the default), or the gateway's status port through the override.", (
            "node", "gateway")),
        ChainOption("hostname", "A name for the Service's status, so that clients in the cluster do not go past the load balancer."),
        ChainOption("load_balancer_id", "An existing load balancer to use."),
    ),
)
ends_tls = has_option("certificate_id")
regional = is_word("type", "regional", "regional_network")


def _connection_address(request: ChainRequest) -> ClientAddress:
    if regional(request):
        return ClientAddress("proxy_protocol", 0, f"{TITLE} puts a PROXY header (version 1) before every connection")
    return ClientAddress("source_address", 0, "a network load balancer and externalTrafficPolicy Local keep the client's address")


client_address = address_by_listener(
    TITLE, FACTS, ends_tls, "with a certificate it adds 1 entry to X-Forwarded-For; counted from the right", _connection_address
)


def check(target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
    """The node's own check, or one that overrides it."""
    if word(request, "check", "node") == "node":
        return on_service(HealthCheck("node"), {}, LOCAL)
    port = STATUS_PORT if isinstance(target.check.port, str) else target.check.port
    annotations = prefixed(PREFIX, {
        "override-health-check": "true", "healthcheck-port": port, "healthcheck-path": target.check.path, "healthcheck-protocol": "http",
    })
    step = f"The check goes to the node port for port {port} of {target.namespace}/{target.service}: that Service has to have the port."
    return replace(on_service(HealthCheck("http", port, target.check.path), annotations, LOCAL), steps=(step,))


def _reasons(request: ChainRequest) -> list[str]:
    mode, certificate = client_address(request).mode, ends_tls(request)
    return [
        "only a regional load balancer ends TLS: set platform_options.type to REGIONAL" if certificate and not regional(request) else "",
        plain_port_for_https(request) if certificate else "",
        "only a regional load balancer with a certificate writes X-Forwarded-For"
        if mode == "x_forwarded_for" and not certificate else "",
        "only a regional load balancer sends a PROXY header: set platform_options.type to REGIONAL"
        if mode == "proxy_protocol" and not regional(request) else "",
        "a regional load balancer is a proxy, so connections come from its address: use client_address.mode proxy_protocol"
        if mode == "source_address" and regional(request) else "",
    ]


def front(request: ChainRequest) -> LoadBalancerSide:
    """The gateway's own Service, a network load balancer's (layer 4, addresses kept) or a regional one's (a proxy)."""
    certificate, proxy = ends_tls(request), client_address(request).mode == "proxy_protocol"
    health = check(gateway_check(request), request)
    annotations = {
        **prefixed(PREFIX, {
            "type": word(request, "type", "regional_network").upper(), "network": word(request, "network").upper(),
            "certificate-id": request.option("certificate_id"), "tls-ports": request.gateway.port if certificate else "",
            "http-ports": "80" if certificate else "", "redirect-http-to-https": "true" if certificate and request.https_redirect else "",
            "enable-proxy-protocol": "true" if proxy else "", "hostname": request.option("hostname"),
        }),
        **prefixed("kubernetes.digitalocean.com/", {"load-balancer-id": request.option("load_balancer_id")}),
        **dict(health.service.annotations),
    }
    side = on_service(health.check, annotations, LOCAL)
    return with_proxy_header(side) if proxy and side.check.kind == "http" else side


CHECKS = tuple(annotation(f"{PREFIX}{key}", none_before) for key in ("override-health-check", "healthcheck-*"))
WRITES = gateway_service(f"{PREFIX}*", "kubernetes.digitalocean.com/load-balancer-id", fields=(LOCAL_FIELD,))
CHAIN = declaring(chain_side(TITLE, FACTS, unless(_reasons, front), client_address=client_address, ends_tls=ends_tls), *WRITES)
PROFILE = platform(in_cloud("digitalocean_lb", TITLE), SIGNS, CHAIN, HealthChecker(check, annotations=CHECKS))
