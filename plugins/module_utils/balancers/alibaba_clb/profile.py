# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alibaba Cloud's Classic and Network Load Balancer, which the cloud controller manager makes from the gateway's own Service.

Source: kubernetes/cloud-provider-alibaba-cloud eeb0ddc, pkg/controller/service/reconcile/annotation, clbv1/listeners.go (protocols,
PROXY protocol, check), nlbv2/server_groups.go, pkg/controller/helper/service_utils.go (which Service is whose), and Alibaba Cloud's
help page on layer 4 listeners: backends see the client's address itself, PROXY protocol is version 2.
UNCONFIRMED: whether health-check-connect-port is a port of the node where nodes are the servers (so it is only set where pods are);
which version of HTTP its checks speak (so they are of TCP unless http is asked for: Envoy answers HTTP/1.0 with 426, istio/istio#44889);
and whether they begin with a PROXY header (so the gateway is made to understand one, which does no harm without).
"""

from __future__ import annotations

from ...core.writes import annotation, none_before
from ..alibaba.shared import BACKEND_TYPE, NODES, TARGETS
from ..contract.chain import ChainRequest, CheckTarget, ClientAddress, HealthCheck, HealthChecker, LoadBalancerSide
from ..contract.facts import Capability, ChainFacts, ChainOption
from ..kit.chain.answers import chain_side, unless
from ..kit.cloud.health import LOCAL, gateway_check, on_service, pod_port, with_proxy_header
from ..kit.cloud.options import has_option, is_word, prefixed, word
from ..kit.cloud.platform import address_by_listener, in_cloud, plain_port_for_https, platform
from ..kit.cloud.signs import PlatformSigns
from ..kit.writes import CLASS_FIELD, LOCAL_FIELD, declaring, gateway_service

PREFIX = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-"
OLD_PREFIX = "service.beta.kubernetes.io/alicloud-loadbalancer-"
TITLE = "Alibaba Cloud Classic or Network Load Balancer"
NETWORK_CLASS = "alibabacloud.com/nlb"
SIGNS = PlatformSigns(
    nodes=NODES, service_annotations=(f"{PREFIX}*", f"{OLD_PREFIX}*"), load_balancer_classes=(NETWORK_CLASS,), all_services=True,
)
FACTS = ChainFacts(
    hops=1, forwarded_for="appended", proxy_protocol=True, server_name="client", ends_tls="optional",
    tls_to_gateway="passed through; none where the load balancer has the certificate",
    health="TCP at the serving port; on request HTTP at health-check-connect-port 15021 (pods; UNCONFIRMED: Envoy refuses HTTP/1.0)",
    objects=("the gateway's own Service",), service_type="LoadBalancer",
    minimum="cloud controller manager with PROXY protocol v2 where that is asked for",
    cannot=("send a client certificate to its servers", "check the gateway's own readiness where nodes are its servers"),
    standalone=Capability(True, "yes, where plaintext is accepted (layer 4)"),
    options=(
        ChainOption("type", "Classic (the default) or Network Load Balancer.", ("clb", "nlb")),
        TARGETS,
        ChainOption("check", "What pods are asked: a connection (the default), or HTTP at the gateway's status port.", ("tcp", "http")),
        ChainOption("address_type", "Where it can be reached from.", ("internet", "intranet")),
        ChainOption("certificate_id", "The certificate with which it ends TLS itself; without one TLS is passed through."),
        ChainOption("zone_maps", "Zones and switches of a Network Load Balancer, as the annotation takes them."),
        ChainOption("load_balancer_id", "An existing load balancer to use."),
    ),
)
ends_tls = has_option("certificate_id")
network = is_word("type", "nlb", "clb")
to_pods = is_word("targets", "pods", "pods")


def _reads_http(request: ChainRequest) -> bool:
    return ends_tls(request) and not network(request)


def _connection_address(request: ChainRequest) -> ClientAddress:
    if network(request) and (to_pods(request) or ends_tls(request)):
        return ClientAddress("proxy_protocol", 0, f"{TITLE} puts a PROXY header (version 2) before every connection")
    return ClientAddress("source_address", 0, "servers of a layer 4 listener see the client's connection itself")


client_address = address_by_listener(
    TITLE, FACTS, _reads_http, "its HTTPS listener adds 1 entry to X-Forwarded-For; the last ones are counted", _connection_address
)


def check(target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
    """A connection to the serving port, or, where it is asked for and pods are the servers, HTTP at another port."""
    switch = {} if network(request) else {"switch": "on"}
    backends = {BACKEND_TYPE: "eni"} if to_pods(request) else {}
    port = pod_port(target.check.port)
    if not backends or word(request, "check", "tcp") == "tcp":
        asked: dict[str, str | int] = {"type": "tcp"}
        answer = HealthCheck("tcp", request.gateway.target_port) if backends else HealthCheck("node")
    elif not port:
        return LoadBalancerSide(refusal=f"it checks a port's number, and {target.check.port} is a name")
    else:
        asked = {"type": "http", "uri": target.check.path, "connect-port": port, "httpcode": "http_2xx"}
        answer = HealthCheck("http", port, target.check.path)
    return on_service(answer, {**prefixed(f"{PREFIX}health-check-", {"flag": "on", **switch, **asked}), **backends})


def _reasons(request: ChainRequest) -> list[str]:
    mode = client_address(request).mode
    return [
        plain_port_for_https(request) if ends_tls(request) else "",
        "a Network Load Balancer is made in zones: give platform_options.zone_maps (or load_balancer_id)"
        if network(request) and not (request.option("zone_maps") or request.option("load_balancer_id")) else "",
        "only an HTTPS listener (type clb with certificate_id) writes X-Forwarded-For: use client_address.mode proxy_protocol"
        if mode == "x_forwarded_for" and not _reads_http(request) else "",
        "PROXY protocol is for layer 4: without certificate_id, or with type nlb"
        if mode == "proxy_protocol" and _reads_http(request) else "",
    ]


def front(request: ChainRequest) -> LoadBalancerSide:
    """The gateway's own Service; its listeners are of layer 4 unless a Classic one is given a certificate."""
    mode, of_layer_7 = client_address(request).mode, _reads_http(request)
    annotations = prefixed(PREFIX, {
        "address-type": word(request, "address_type"), "id": request.option("load_balancer_id"),
        "zone-maps": request.option("zone_maps") if network(request) else "", "cert-id": request.option("certificate_id"),
        "protocol-port": _protocols(request) if ends_tls(request) else "", "xforwardedfor-proto": "on" if of_layer_7 else "",
        "forward-port": f"80:{request.gateway.port}" if of_layer_7 and request.https_redirect else "",
        "proxy-protocol": "on" if mode == "proxy_protocol" else "",
        "preserve-client-ip": "on" if network(request) and mode == "source_address" else "",
    })
    health = check(gateway_check(request), request)
    named = ((("loadBalancerClass",), NETWORK_CLASS),) if network(request) else ()
    local = () if to_pods(request) else (LOCAL,)
    side = on_service(health.check, {**annotations, **dict(health.service.annotations)}, *named, *local)
    return with_proxy_header(side) if mode == "proxy_protocol" and side.check.kind == "http" else side


def _protocols(request: ChainRequest) -> str:
    """Protocols of its listeners, which are the Service's ports: the gateway's port for HTTPS, 80 beside it."""
    first, second = ("tcpssl", "tcp") if network(request) else ("https", "http")
    return f"{first}:{request.gateway.port},{second}:80"


CHECKS = tuple(annotation(key, none_before) for key in (f"{PREFIX}health-check-*", BACKEND_TYPE))
WRITES = gateway_service(f"{PREFIX}*", BACKEND_TYPE, fields=(LOCAL_FIELD, CLASS_FIELD))
CHAIN = declaring(chain_side(TITLE, FACTS, unless(_reasons, front), client_address=client_address, ends_tls=ends_tls), *WRITES)
PROFILE = platform(in_cloud("alibaba_clb", TITLE, "alibaba_nlb"), SIGNS, CHAIN, HealthChecker(check, annotations=CHECKS))
