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

from ..alibaba_alb.profile import BACKEND_TYPE, NODES
from ..contract.chain import (
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
from ..kit.cloud.platform import STATUS_UNDERSTANDS_PROXY, plain_port_for_https, pod_port, refused
from ..kit.cloud.signs import PlatformSigns
from ..kit.cloud.wanted import word
from ..legacy import Platform

PREFIX = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-"
OLD_PREFIX = "service.beta.kubernetes.io/alicloud-loadbalancer-"
NETWORK_CLASS = "alibabacloud.com/nlb"


class AlibabaClb(Platform):
    """One load balancer per Service of type LoadBalancer; layer 4 unless it is given a certificate."""

    id = "alibaba_clb"
    title = "Alibaba Cloud Classic or Network Load Balancer"
    also_called = ("alibaba_nlb",)
    signs_outside = PlatformSigns(
        nodes=NODES, service_annotations=(f"{PREFIX}*", f"{OLD_PREFIX}*"), load_balancer_classes=(NETWORK_CLASS,), all_services=True,
    )
    chain = ChainFacts(
        hops=1, forwarded_for="appended", proxy_protocol=True, server_name="client", ends_tls="optional",
        tls_to_gateway="passed through; none where the load balancer has the certificate",
        health="TCP at the serving port; on request HTTP at health-check-connect-port 15021 (pods; UNCONFIRMED: Envoy refuses HTTP/1.0)",
        objects=("the gateway's own Service",), service_type="LoadBalancer",
        minimum="cloud controller manager with PROXY protocol v2 where that is asked for",
        cannot=("send a client certificate to its servers", "check the gateway's own readiness where nodes are its servers"),
        standalone=Capability(True, "yes, where plaintext is accepted (layer 4)"),
    )
    certificate_options = ("certificate_id",)
    chain_options = (
        ChainOption("type", "Classic (the default) or Network Load Balancer.", ("clb", "nlb")),
        ChainOption("targets", "Whether it sends to pods (the default, needs Terway) or to nodes.", ("pods", "nodes")),
        ChainOption("check", "What pods are asked: a connection (the default), or HTTP at the gateway's status port.", ("tcp", "http")),
        ChainOption("address_type", "Where it can be reached from.", ("internet", "intranet")),
        ChainOption("certificate_id", "The certificate with which it ends TLS itself; without one TLS is passed through."),
        ChainOption("zone_maps", "Zones and switches of a Network Load Balancer, as the annotation takes them."),
        ChainOption("load_balancer_id", "An existing load balancer to use."),
    )

    def client_address(self, request: ChainRequest) -> ClientAddress:
        if _layer_7(request) and request.client in ("auto", "x_forwarded_for"):
            hops = 1 if request.trusted_hops is None else request.trusted_hops
            return ClientAddress("x_forwarded_for", hops, "its HTTPS listener adds 1 entry to X-Forwarded-For; the last ones are counted")
        if request.client != "auto":
            return super().client_address(request)
        if _network(request) and (_by_pods(request) or self.ends_tls(request)):
            return ClientAddress("proxy_protocol", 0, f"{self.title} puts a PROXY header (version 2) before every connection")
        return ClientAddress("source_address", 0, "servers of a layer 4 listener see the client's connection itself")

    def chain_front(self, request: ChainRequest) -> LoadBalancerSide:
        mode, certificate = self.client_address(request).mode, str(request.option("certificate_id", ""))
        refusal = refused([
            plain_port_for_https(request) if certificate else "",
            "a Network Load Balancer is made in zones: give platform_options.zone_maps (or load_balancer_id)"
            if _network(request) and not (request.option("zone_maps") or request.option("load_balancer_id")) else "",
            "only an HTTPS listener (type clb with certificate_id) writes X-Forwarded-For: use client_address.mode proxy_protocol"
            if mode == "x_forwarded_for" and not _layer_7(request) else "",
            "PROXY protocol is for layer 4: without certificate_id, or with type nlb"
            if mode == "proxy_protocol" and _layer_7(request) else "",
        ])
        if refusal is not None:
            return refusal
        wanted = {
            "address-type": word(request, "address_type"), "id": request.option("load_balancer_id"),
            "zone-maps": request.option("zone_maps") if _network(request) else "", "cert-id": certificate,
            "protocol-port": _protocols(request) if certificate else "", "xforwardedfor-proto": "on" if _layer_7(request) else "",
            "forward-port": f"80:{request.gateway.port}" if _layer_7(request) and request.https_redirect else "",
            "proxy-protocol": "on" if mode == "proxy_protocol" else "",
            "preserve-client-ip": "on" if _network(request) and mode == "source_address" else "",
        }
        own = {f"{PREFIX}{key}": str(value) for key, value in wanted.items() if value}
        health = self.health_of_gateway(request)
        check = health.check
        if mode == "proxy_protocol" and check.kind == "http":
            check = HealthCheck("http", check.port, check.path, proxy_header=True)
        fields = ((("loadBalancerClass",), NETWORK_CLASS),) if _network(request) else ()
        local = () if _by_pods(request) else ((("externalTrafficPolicy",), "Local"),)
        service = ServiceNeeds("LoadBalancer", (*own.items(), *health.service.annotations), (*fields, *local))
        return LoadBalancerSide(service=service, check=check, environment=STATUS_UNDERSTANDS_PROXY if check.proxy_header else ())

    def health_check(self, target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
        switch = {} if _network(request) else {"health-check-switch": "on"}
        if not _by_pods(request) or word(request, "check", "tcp") == "tcp":
            backends = {BACKEND_TYPE: "eni"} if _by_pods(request) else {}
            wanted = {"health-check-flag": "on", **switch, "health-check-type": "tcp", **backends}
            return LoadBalancerSide(
                service=_noted(wanted), check=HealthCheck("tcp", request.gateway.target_port) if backends else HealthCheck("node")
            )
        port = pod_port(target.check.port)
        if not port:
            return LoadBalancerSide(refusal=f"it checks a port's number, and {target.check.port} is a name")
        wanted = {
            "health-check-flag": "on", **switch, "health-check-type": "http", "health-check-uri": target.check.path,
            "health-check-connect-port": str(port), "health-check-httpcode": "http_2xx",
        }
        noted = _noted({**wanted, BACKEND_TYPE: "eni"})
        return LoadBalancerSide(service=noted, check=HealthCheck("http", port, target.check.path))


def _noted(wanted: dict[str, str]) -> ServiceNeeds:
    pairs = tuple((key if "/" in key else f"{PREFIX}{key}", value) for key, value in wanted.items())
    return ServiceNeeds("LoadBalancer", pairs)


def _network(request: ChainRequest) -> bool:
    return word(request, "type", "clb") == "nlb"


def _by_pods(request: ChainRequest) -> bool:
    return word(request, "targets", "pods") == "pods"


def _layer_7(request: ChainRequest) -> bool:
    return bool(request.option("certificate_id")) and not _network(request)


def _protocols(request: ChainRequest) -> str:
    """Protocols of its listeners, which are the Service's ports: the gateway's port for HTTPS, 80 beside it."""
    first, second = ("tcpssl", "tcp") if _network(request) else ("https", "http")
    return f"{first}:{request.gateway.port},{second}:80"
