# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Oracle Cloud's load balancers: from the gateway's own Service (cloud controller manager) or from an Ingress (native ingress controller).

Source: oracle/oci-cloud-controller-manager 1100ac3, docs/load-balancer-annotations.md and load_balancer_spec.go (the check is fixed:
kube-proxy, or healthCheckNodePort with externalTrafficPolicy Local); oracle/oci-native-ingress-controller 44dbdb0, main.go (class
controller), GettingStarted.md (check, TLS); Oracle's page on load balancer headers (X-Forwarded-For is appended to).
UNCONFIRMED: whether TLS to the backends has a server name (taken as none), and which version of HTTP the checks of an Ingress's
backends speak (so they are of TCP unless http is asked for: Envoy answers HTTP/1.0 with 426, istio/istio#44889).
"""

from __future__ import annotations

from ..contract.chain import (
    Capability,
    ChainFacts,
    ChainOption,
    ChainRequest,
    CheckTarget,
    ClientAddress,
    HealthCheck,
    LoadBalancerSide,
    ServerName,
    ServiceNeeds,
)
from ..kit.cloud.bodies import ingress
from ..kit.cloud.platform import plain_port_for_https, pod_port, refused
from ..kit.cloud.signs import PlatformSigns
from ..kit.cloud.wanted import word
from ..legacy import Platform

PREFIX = "service.beta.kubernetes.io/oci-load-balancer-"
NETWORK_PREFIX = "oci-network-load-balancer.oraclecloud.com/"
NATIVE_PREFIX = "oci-native-ingress.oraclecloud.com/"
TYPE = "oci.oraclecloud.com/load-balancer-type"
LOCAL = (("externalTrafficPolicy",), "Local")
Notes = dict[str, str]


class OciLb(Platform):
    """A proxy (type lb) or a network load balancer (type nlb) per Service, or a proxy from Ingresses."""

    id = "oci_lb"
    title = "Oracle Cloud Load Balancer"
    also_called = ("oci_nlb",)
    class_controllers = ("oci.oraclecloud.com/native-ingress-controller",)
    signs_outside = PlatformSigns(
        nodes=("oci://", "ocid1."), ingress_annotations=(f"{NATIVE_PREFIX}*",), all_services=True,
        service_annotations=(TYPE, f"{PREFIX}*", f"{NETWORK_PREFIX}*", "oci.oraclecloud.com/oci-network-security-groups"),
    )
    chain = ChainFacts(
        hops=1, forwarded_for="appended", proxy_protocol=True, server_name="client", ends_tls="optional",
        tls_to_gateway="passed through; tls-backendset-secret (from a Service), backend-tls-enabled (from an Ingress)",
        health="the node's, with externalTrafficPolicy Local: nodes with a ready gateway pod; from an Ingress TCP at the serving port, "
               "on request HTTP at healthcheck-port 15021 (UNCONFIRMED: Envoy refuses HTTP/1.0)",
        objects=("the gateway's own Service", "or Ingress"), service_type="LoadBalancer (from a Service), ClusterIP (Ingress, pods)",
        cannot=("check the gateway's own status port from a Service", "send to pods directly from a Service"),
        standalone=Capability(True, "yes, where plaintext is accepted"),
    )
    certificate_options = ("tls_secret",)
    chain_options = (
        ChainOption("front", "What it is made from: the gateway's own Service (the default) or an Ingress.", ("service", "ingress")),
        ChainOption("class_name", "Name of the IngressClass, where it is not the one that was found (from an Ingress)."),
        ChainOption("type", "A proxy (the default) or a network load balancer, which keeps addresses (from a Service).", ("lb", "nlb")),
        ChainOption("internal", "Whether it only has a private address (from a Service).", ("true", "false")),
        ChainOption("shape", "The shape of a proxy (from a Service)."),
        ChainOption("tls_secret", "The Secret with the certificate for HTTPS, where it ends TLS itself."),
        ChainOption("backend_secret", "The Secret with the certificate that it trusts for TLS to the gateway (from a Service)."),
        ChainOption("targets", "Whether an Ingress leads to pods (the default) or to nodes.", ("pods", "nodes")),
        ChainOption("check", "What an Ingress's pods are asked: a connection (the default), or HTTP at the status port.", ("tcp", "http")),
    )

    def server_name(self, request: ChainRequest) -> ServerName:
        return "never" if _from_ingress(request) else super().server_name(request)

    def client_address(self, request: ChainRequest) -> ClientAddress:
        if _reads_http(request) and request.client in ("auto", "x_forwarded_for"):
            hops = 1 if request.trusted_hops is None else request.trusted_hops
            return ClientAddress("x_forwarded_for", hops, "it appends 1 entry to X-Forwarded-For; the gateway counts from the right")
        if request.client != "auto":
            return super().client_address(request)
        if _network(request):
            return ClientAddress("source_address", 0, "it keeps the client's address, and so do nodes with externalTrafficPolicy Local")
        return ClientAddress("proxy_protocol", 0, f"{self.title} puts a PROXY header (version 2) before every connection")

    def chain_front(self, request: ChainRequest) -> LoadBalancerSide:
        mode, network = self.client_address(request).mode, _network(request)
        http = _reads_http(request)
        refusal = refused([
            "a network load balancer cannot end TLS: leave platform_options.tls_secret out" if network and self.ends_tls(request) else "",
            "only an HTTP listener (tls_secret, or from an Ingress) writes X-Forwarded-For"
            if mode == "x_forwarded_for" and not http else "",
            "its HTTP listeners send no PROXY header: use client_address.mode x_forwarded_for" if mode == "proxy_protocol" and http else "",
            "it is a proxy, so connections come from its address" if mode == "source_address" and not network else "",
        ])
        if refusal is not None:
            return refusal
        return self._by_ingress(request) if _from_ingress(request) else self._by_service(request, mode)

    def health_check(self, target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
        if not _from_ingress(request):
            return LoadBalancerSide(service=ServiceNeeds("LoadBalancer", fields=(LOCAL,)), check=HealthCheck("node"))
        check, notes = _native_check(target.check, request)
        if check.kind == "node":
            return LoadBalancerSide(
                refusal="it sends to nodes, where a pod's port number means nothing: set platform_options.targets to pods"
            )
        text = ", ".join(f"{key}: {value!r}" for key, value in notes.items())
        return LoadBalancerSide(check=check, steps=(f"Set on the Ingress that leads to {target.namespace}/{target.service}: {text}.",))

    def _by_service(self, request: ChainRequest, mode: str) -> LoadBalancerSide:
        secret, backend = request.option("tls_secret", ""), request.option("backend_secret", "")
        refusal = refused([
            "it ends TLS, so TLS to the gateway is a new one: give platform_options.backend_secret, which says whom it trusts"
            if secret and request.gateway.tls and not backend else "",
            plain_port_for_https(request) if secret and not request.gateway.tls else "",
            "without platform_options.tls_secret TLS is passed through, so it opens none to the gateway" if backend and not secret else "",
        ])
        if refusal is not None:
            return refusal
        if _network(request):
            wanted = {TYPE: "nlb", f"{NETWORK_PREFIX}internal": word(request, "internal"),
                      f"{NETWORK_PREFIX}is-preserve-source": "true" if mode == "source_address" else "",
                      f"{NETWORK_PREFIX}is-ppv2-enabled": "true" if mode == "proxy_protocol" else ""}  # fmt: skip
        else:
            wanted = {TYPE: "lb", f"{PREFIX}internal": word(request, "internal"), f"{PREFIX}shape": request.option("shape"),
                      f"{PREFIX}tls-secret": secret, f"{PREFIX}ssl-ports": str(request.gateway.port) if secret else "",
                      f"{PREFIX}tls-backendset-secret": backend, f"{PREFIX}backend-protocol": "HTTP" if secret else "",
                      f"{PREFIX}connection-proxy-protocol-version": "2" if mode == "proxy_protocol" else ""}  # fmt: skip
        notes = tuple((key, str(value)) for key, value in wanted.items() if value)
        return LoadBalancerSide(service=ServiceNeeds("LoadBalancer", notes, (LOCAL,)), check=HealthCheck("node"))

    def _by_ingress(self, request: ChainRequest) -> LoadBalancerSide:
        secret, by_pods = str(request.option("tls_secret", "")), _by_pods(request)
        refusal = refused([
            "it is not known to speak TLS to backends without a Secret of its own: give platform_options.tls_secret"
            if request.gateway.tls and not secret else "",
        ])
        if refusal is not None:
            return refusal
        check, health = _native_check(HealthCheck(port=pod_port(request.gateway.status_port)), request)
        ports = {"https-listener-port": "443"} if secret else {"http-listener-port": "80"}
        notes = {f"{NATIVE_PREFIX}{key}": value for key, value in ports.items()}
        if secret:
            notes[f"{NATIVE_PREFIX}backend-tls-enabled"] = "true" if request.gateway.tls else "false"
        body = ingress(request, self.class_for(request, "native-ic-ingress-class"), {**notes, **health}, tls_secret=secret)
        return LoadBalancerSide(
            bodies=(body,), check=check, service=ServiceNeeds() if by_pods else ServiceNeeds("NodePort", fields=(LOCAL,))
        )


def _native_check(check: HealthCheck, request: ChainRequest) -> tuple[HealthCheck, Notes]:
    """The check of an Ingress's backends; where they are nodes, only that their port takes connections."""
    port = pod_port(check.port)
    if not (_by_pods(request) and port):
        return HealthCheck("node"), {f"{NATIVE_PREFIX}healthcheck-protocol": "TCP"}
    if word(request, "check", "tcp") == "tcp":
        return HealthCheck("tcp", request.gateway.target_port), {f"{NATIVE_PREFIX}healthcheck-protocol": "TCP"}
    wanted = {
        "healthcheck-protocol": "HTTP", "healthcheck-port": str(port), "healthcheck-path": check.path, "healthcheck-return-code": "200",
        "healthcheck-force-plaintext": "true" if request.gateway.tls else "",
    }
    return HealthCheck("http", port, check.path), {f"{NATIVE_PREFIX}{key}": value for key, value in wanted.items() if value}


def _from_ingress(request: ChainRequest) -> bool:
    return word(request, "front", "service") == "ingress"


def _network(request: ChainRequest) -> bool:
    return not _from_ingress(request) and word(request, "type", "lb") == "nlb"


def _by_pods(request: ChainRequest) -> bool:
    return word(request, "targets", "pods") == "pods"


def _reads_http(request: ChainRequest) -> bool:
    """Whether its listener reads HTTP, and so writes headers."""
    return _from_ingress(request) or (bool(request.option("tls_secret")) and not _network(request))
