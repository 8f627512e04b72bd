# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Oracle Cloud's load balancers in front of a gateway."""

from __future__ import annotations

from ...kube import kinds
from ..contract.chain import ChainRequest, CheckTarget, ClientAddress, HealthCheck, LoadBalancerSide, ServiceNeeds
from ..contract.facts import Capability, ChainFacts, ChainOption
from ..kit.chain.answers import chain_side, unless
from ..kit.cloud.bodies import ingress
from ..kit.cloud.health import LOCAL, check_by_hand, gateway_check, on_service, pod_port
from ..kit.cloud.options import class_for, has_option, is_word, prefixed, word
from ..kit.cloud.platform import address_by_listener, plain_port_for_https
from ..kit.writes import LOCAL_FIELD, declaring, gateway_service, made_for_chains

TITLE = "Oracle Cloud Load Balancer"
PREFIX = "service.beta.kubernetes.io/oci-load-balancer-"
NETWORK_PREFIX = "oci-network-load-balancer.oraclecloud.com/"
NATIVE_PREFIX = "oci-native-ingress.oraclecloud.com/"
TYPE = "oci.oraclecloud.com/load-balancer-type"
FACTS = ChainFacts(
    hops=1, forwarded_for="appended", proxy_protocol=True, server_name="client", ends_tls="optional",
    tls_to_gateway="passed through; tls-backendset-secret (from a Service), backend-tls-enabled (from an Ingress)",
    health="the node's, with externalTrafficPolicy Local: nodes with a ready gateway pod; from an Ingress TCP at the serving port, "
           "on request HTTP at healthcheck-port 15021 (UNCONFIRMED: Envoy refuses HTTP/1.0)",
    objects=("the gateway's own Service", "or Ingress"), service_type="LoadBalancer (from a Service), ClusterIP (Ingress, pods)",
    cannot=("check the gateway's own status port from a Service", "send to pods directly from a Service"),
    standalone=Capability(True, "yes, where plaintext is accepted"),
    options=(
        ChainOption("front", "What it is made from: the gateway's own Service (the default) or an Ingress.", ("service", "ingress")),
        ChainOption("class_name", "Name of the IngressClass, where it is not the one that was found (from an Ingress)."),
        ChainOption("type", "A proxy (the default) or a network load balancer, which keeps addresses (from a Service).", ("lb", "nlb")),
        ChainOption("internal", "Whether it only has a private address (from a Service).", ("true", "false")),
        ChainOption("shape", "The shape of a proxy (from a Service)."),
        ChainOption("tls_secret", "The Secret with the certificate for HTTPS, where it ends TLS itself."),
        ChainOption("backend_secret", "The Secret with the certificate that it trusts for TLS to the gateway (from a Service)."),
        ChainOption("targets", "Whether an Ingress leads to pods (the default) or to nodes.", ("pods", "nodes")),
        ChainOption("check", "What an Ingress's pods are asked: a connection (the default), or HTTP at the status port.", ("tcp", "http")),
    ),
)
ends_tls = has_option("tls_secret")
from_ingress = is_word("front", "ingress", "service")
to_pods = is_word("targets", "pods", "pods")


def _network(request: ChainRequest) -> bool:
    return not from_ingress(request) and word(request, "type", "lb") == "nlb"


def _reads_http(request: ChainRequest) -> bool:
    return from_ingress(request) or (ends_tls(request) and not _network(request))


def _connection_address(request: ChainRequest) -> ClientAddress:
    if _network(request):
        return ClientAddress("source_address", 0, "it keeps the client's address, and so do nodes with externalTrafficPolicy Local")
    return ClientAddress("proxy_protocol", 0, f"{TITLE} puts a PROXY header (version 2) before every connection")


client_address = address_by_listener(
    TITLE, FACTS, _reads_http, "it appends 1 entry to X-Forwarded-For; the gateway counts from the right", _connection_address
)


def check(target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
    """The node's own check, or that of the backends of an Ingress that somebody else wrote."""
    if not from_ingress(request):
        return on_service(HealthCheck("node"), {}, LOCAL)
    answer, annotations = _ingress_check(target, request)
    if answer.kind == "node":
        return LoadBalancerSide(
            refusal="it sends to nodes, where a pod's port number means nothing: set platform_options.targets to pods"
        )
    return check_by_hand(target, answer, annotations)


def _ingress_check(target: CheckTarget, request: ChainRequest) -> tuple[HealthCheck, dict[str, str]]:
    """The check of an Ingress's backends; where they are nodes, only that their port takes connections."""
    port, path = pod_port(target.check.port), target.check.path
    by_connection = {f"{NATIVE_PREFIX}healthcheck-protocol": "TCP"}
    if not (to_pods(request) and port):
        return HealthCheck("node"), by_connection
    if word(request, "check", "tcp") == "tcp":
        return HealthCheck("tcp", request.gateway.target_port), by_connection
    return HealthCheck("http", port, path), prefixed(f"{NATIVE_PREFIX}healthcheck-", {
        "protocol": "HTTP", "port": port, "path": path, "return-code": "200", "force-plaintext": "true" if request.gateway.tls else "",
    })


def _reasons(request: ChainRequest) -> list[str]:
    mode, http, of_service = client_address(request).mode, _reads_http(request), not from_ingress(request)
    secret, backend, tls = ends_tls(request), request.option("backend_secret"), request.gateway.tls
    return [
        "a network load balancer cannot end TLS: leave platform_options.tls_secret out" if _network(request) and secret else "",
        "only an HTTP listener (tls_secret, or from an Ingress) writes X-Forwarded-For"
        if mode == "x_forwarded_for" and not http else "",
        "its HTTP listeners send no PROXY header: use client_address.mode x_forwarded_for" if mode == "proxy_protocol" and http else "",
        "it is a proxy, so connections come from its address" if mode == "source_address" and not _network(request) else "",
        "it ends TLS, so TLS to the gateway is a new one: give platform_options.backend_secret, which says whom it trusts"
        if of_service and secret and tls and not backend else "",
        plain_port_for_https(request) if of_service and secret and not tls else "",
        "without platform_options.tls_secret TLS is passed through, so it opens none to the gateway"
        if of_service and backend and not secret else "",
        "it is not known to speak TLS to backends without a Secret of its own: give platform_options.tls_secret"
        if not of_service and tls and not secret else "",
    ]


def front(request: ChainRequest) -> LoadBalancerSide:
    """A proxy (type lb) or a network load balancer (type nlb) of the gateway's own Service, or a proxy of an Ingress."""
    if from_ingress(request):
        return _by_ingress(request)
    mode, secret = client_address(request).mode, request.option("tls_secret")
    if _network(request):
        annotations = {TYPE: "nlb", **prefixed(NETWORK_PREFIX, {
            "internal": word(request, "internal"), "is-preserve-source": "true" if mode == "source_address" else "",
            "is-ppv2-enabled": "true" if mode == "proxy_protocol" else "",
        })}  # fmt: skip
    else:
        annotations = {TYPE: "lb", **prefixed(PREFIX, {
            "internal": word(request, "internal"), "shape": request.option("shape"), "tls-secret": secret,
            "ssl-ports": request.gateway.port if secret else "", "tls-backendset-secret": request.option("backend_secret"),
            "backend-protocol": "HTTP" if secret else "",
            "connection-proxy-protocol-version": "2" if mode == "proxy_protocol" else "",
        })}  # fmt: skip
    return on_service(HealthCheck("node"), annotations, LOCAL)


def _by_ingress(request: ChainRequest) -> LoadBalancerSide:
    secret, tls = str(request.option("tls_secret", "")), "true" if request.gateway.tls else "false"
    health, checked = _ingress_check(gateway_check(request), request)
    annotations = prefixed(NATIVE_PREFIX, {
        "https-listener-port": "443" if secret else "", "http-listener-port": "" if secret else "80",
        "backend-tls-enabled": tls if secret else "",
    })
    body = ingress(request, class_for(request, "native-ic-ingress-class"), {**annotations, **checked}, tls_secret=secret)
    service = ServiceNeeds() if to_pods(request) else ServiceNeeds("NodePort", fields=(LOCAL,))
    return LoadBalancerSide(bodies=(body,), check=health, service=service)


WRITES = (
    *made_for_chains(kinds.INGRESS), *gateway_service(TYPE, f"{PREFIX}*", f"{NETWORK_PREFIX}*", fields=(LOCAL_FIELD,)),
)
CHAIN = declaring(
    chain_side(
        TITLE, FACTS, unless(_reasons, front), client_address=client_address, ends_tls=ends_tls,
        server_name=lambda request: "never" if from_ingress(request) or ends_tls(request) else "client",
    ),
    *WRITES,
)
