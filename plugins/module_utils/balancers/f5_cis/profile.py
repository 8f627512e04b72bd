# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""F5 BIG-IP with Container Ingress Services (F5Networks/k8s-bigip-ctlr): traffic leaves from BIG-IP, outside the cluster.

Source: docs/config_examples and helm-charts of the controller. What its own VirtualServers lead to is read, so that the plan can say
per route why only chained mode helps. For chained mode (68c2c90): CustomResource.md (pools, monitors with targetPort, TLSProfile) and
VirtualServerWithTLSProfile/tls-with-serverName (serverSSLParams.serverName is sent as server name, where the profiles come from Secrets).
UNCONFIRMED: which server name a profile of BIG-IP's own sends; its settings decide, so none is taken for granted.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...core.model import LoadBalancer, ObjectRef, Route, Upstream
from ...kube.objects import Obj, dig, name_of, namespace_of, ref_of
from ...kube.snapshot import Snapshot
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
from ..contract.facts import Proof
from ..contract.routes import joined_readings
from ..kit.cloud.bodies import metadata
from ..kit.cloud.health import pod_port
from ..kit.cloud.options import word
from ..kit.ingresses import is_ignored, make_backend, pinned_strategy
from ..legacy import Facts, Limited, RouteReading, Signs

VIRTUAL_SERVER = "VirtualServer.cis.f5.com"
_OWN = "cis.f5.com/v1"


class F5Cis(Limited):
    """BIG-IP, as its classes and its controller in the cluster tell of it."""

    id = "f5_cis"
    title = "F5 BIG-IP (CIS)"
    placement = "external"
    class_controllers = ("f5.com/cntr-ingress-svcs",)
    kinds = (VIRTUAL_SERVER,)
    controller_signs = Signs(
        commands=("k8s-bigip-ctlr",), flags=(frozenset({"bigip-partition"}),), images=("k8s-bigip-ctlr", "cntr-ingress-svcs"),
    )
    outside = "its traffic leaves from BIG-IP outside the cluster, where no sidecar can be: use chained mode (a pool of Istio's gateway)"
    why_not = "BIG-IP is outside the mesh"
    facts = Facts(
        routes=("Ingress", "VirtualServer (cis.f5.com)"), host="hostRewrite of a pool, of no use outside the mesh",
        remark="chained mode only", versions="2.20",
    )
    chain = ChainFacts(
        hops=1, forwarded_for="appended", server_name="settable", ends_tls="optional", redirects=True,
        tls_to_gateway="TLSProfile reencrypt; serverSSLParams.serverName with profiles from Secrets",
        health="pool monitor: http with targetPort 15021 (members: pods), tcp (members: nodes)",
        objects=("VirtualServer", "TLSProfile", "Policy"), service_type="ClusterIP (members: pods), NodePort (members: nodes)",
        minimum="CIS 2.20.4 where a server name is needed (TLSProfile's serverSSLParams.serverName)",
        cannot=("tell who the client is without an HTTP profile that inserts X-Forwarded-For", "send the mesh's certificate"),
        standalone_mtls=Capability(False, "no: a serverSSL profile can have a client certificate, not the mesh's identity"),
        proof=Proof.SCHEMA,
    )
    chain_kinds = (VIRTUAL_SERVER, "TLSProfile.cis.f5.com", "Policy.cis.f5.com")
    chain_options = (
        ChainOption("address", "The virtual server's address on BIG-IP."),
        ChainOption("ipam_label", "The label by which its address is given out, instead of address."),
        ChainOption("members", "What the pool's members are, as the controller's --pool-member-type has it.", ("cluster", "nodeport")),
        ChainOption("reference", "Where the SSL profiles are.", ("bigip", "secret")),
        ChainOption("client_ssl", "Profile (bigip) or Secret with which it ends clients' TLS."),
        ChainOption("server_ssl", "Profile (bigip) or Secret for TLS to the gateway."),
        ChainOption("http_profile", "Path of a BIG-IP HTTP profile that inserts X-Forwarded-For."),
    )

    def ends_tls(self, request: ChainRequest) -> bool:
        return bool(request.option("client_ssl"))

    def server_name(self, request: ChainRequest) -> ServerName:
        if request.gateway.tls and not self.ends_tls(request):
            return "client"
        return "settable" if word(request, "reference", "bigip") == "secret" else "never"

    def client_address(self, request: ChainRequest) -> ClientAddress:
        if request.client == "auto" and not request.option("http_profile"):
            why = "connections come from BIG-IP's address; a profile that inserts X-Forwarded-For would tell (option http_profile)"
            return ClientAddress("none", 0, why)
        return super().client_address(request)

    def chain_front(self, request: ChainRequest) -> LoadBalancerSide:
        refusal = _refusal(request, self.client_address(request).mode)
        if refusal:
            return LoadBalancerSide(refusal=refusal)
        check, monitor = _monitor(request, HealthCheck(port=pod_port(request.gateway.status_port)))
        pool: Obj = {"path": "/", "service": request.gateway.service, "servicePort": request.gateway.port, "monitors": [monitor]}
        termination = _termination(request)
        spec: Obj = {
            **({"host": request.hosts[0]} if request.hosts else {}),
            **({"hostAliases": list(request.hosts[1:])} if request.hosts[1:] else {}),
            **({"virtualServerAddress": str(request.option("address"))} if request.option("address") else {}),
            **({"ipamLabel": str(request.option("ipam_label"))} if request.option("ipam_label") else {}),
            **({"tlsProfileName": request.name} if termination else {}),
            **({"httpTraffic": "redirect"} if request.https_redirect else {}),
            **({"policyName": request.name} if request.option("http_profile") else {}),
            "pools": [pool],
        }
        bodies = [_body(request, "VirtualServer", spec)]
        if termination:
            hosts = {"hosts": list(request.hosts)} if request.hosts else {}
            bodies.append(_body(request, "TLSProfile", {"tls": _tls(request, termination), **hosts}))
        if request.option("http_profile"):
            bodies.append(_body(request, "Policy", {"profiles": {"http": str(request.option("http_profile"))}}))
        return LoadBalancerSide(bodies=tuple(bodies), check=check, service=ServiceNeeds("ClusterIP" if _by_pods(request) else "NodePort"))

    def health_check(self, target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
        check, monitor = _monitor(request, HealthCheck("http", pod_port(target.check.port), target.check.path))
        if check.kind != "http":
            return LoadBalancerSide(refusal="pool members are nodes, where a pod's port number means nothing")
        return LoadBalancerSide(check=check, steps=(f"Give the pool of {target.namespace}/{target.service} the monitor {monitor}.",))

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        own = (
            route for obj in snapshot.all(VIRTUAL_SERVER) if only is None or ref_of(obj) in only
            for route in self._own(snapshot, load_balancer, obj)
        )
        return joined_readings(super().routes(snapshot, load_balancer, only), RouteReading(tuple(dict.fromkeys(own))))

    def _own(self, snapshot: Snapshot, load_balancer: LoadBalancer, obj: Obj) -> Iterator[Route]:
        pools = dig(obj, "spec", "pools", default=[])
        for pool in pools:
            namespace, port = str(pool.get("serviceNamespace") or namespace_of(obj)), pool.get("servicePort") or 0
            yield Route(
                load_balancer=load_balancer.key, object=ref_of(obj), host=str(dig(obj, "spec", "host", default="")),
                path=str(pool.get("path") or "/"), path_type="ImplementationSpecific",
                backend=make_backend(snapshot, namespace, str(pool.get("service", "")), port),
                upstream=Upstream("pod_ips", str(pool.get("hostRewrite") or ""), "http"),
                upstream_group=f"VirtualServer-{namespace_of(obj)}-{name_of(obj)}-{pool.get('service')}-{port}",
                settable=False, why_not_settable=self.why_not, ignored=is_ignored(obj), pinned_strategy=pinned_strategy(snapshot, obj),
            )


def _by_pods(request: ChainRequest) -> bool:
    return word(request, "members", "cluster") == "cluster"


def _termination(request: ChainRequest) -> str:
    if request.option("client_ssl"):
        return "reencrypt" if request.gateway.tls else "edge"
    return "passthrough" if request.gateway.tls else ""


def _refusal(request: ChainRequest, mode: str) -> str:
    termination = _termination(request)
    if not (request.option("address") or request.option("ipam_label")):
        return "a virtual server needs an address: give platform_options.address or ipam_label"
    if termination == "reencrypt" and not request.option("server_ssl"):
        return "TLS to the gateway needs a server profile: give platform_options.server_ssl"
    if request.https_redirect and termination not in ("edge", "reencrypt"):
        return "https_redirect needs TLS at BIG-IP: give platform_options.client_ssl"
    if mode == "x_forwarded_for" and not request.option("http_profile"):
        return "without platform_options.http_profile nothing is inserted, so what the client wrote into X-Forwarded-For would be taken"
    if mode == "x_forwarded_for" and termination == "passthrough":
        return "with passthrough BIG-IP reads no HTTP, so it writes no X-Forwarded-For"
    if mode in ("proxy_protocol", "source_address"):
        return "connections come from BIG-IP's address, and no PROXY header to a pool is known: use client_address.mode x_forwarded_for"
    return ""


def _monitor(request: ChainRequest, check: HealthCheck) -> tuple[HealthCheck, Obj]:
    times = {"interval": 5, "timeout": 16}
    if not (_by_pods(request) and check.port):
        return HealthCheck("tcp", request.gateway.target_port), {"type": "tcp", "send": "", "recv": "", **times}
    line = f"GET {check.path} HTTP/1.1\r\nHost: health\r\nConnection: close\r\n\r\n"
    return check, {"type": "http", "send": line, "recv": "^HTTP/1.[01] 200", "targetPort": check.port, **times}


def _tls(request: ChainRequest, termination: str) -> Obj:
    made: Obj = {"termination": termination}
    if termination == "passthrough":
        return made
    made |= {"reference": word(request, "reference", "bigip"), "clientSSLs": [str(request.option("client_ssl"))]}
    if termination == "reencrypt":
        made["serverSSLs"] = [str(request.option("server_ssl"))]
        if word(request, "reference", "bigip") == "secret" and request.gateway.server_name:
            made["serverSSLParams"] = {"serverName": request.gateway.server_name}
    return made


def _body(request: ChainRequest, kind: str, spec: Obj) -> Obj:
    named = {**metadata(request.name, request.gateway.namespace), "labels": {"f5cr": "true"}}
    return {"apiVersion": _OWN, "kind": kind, "metadata": named, "spec": spec}
