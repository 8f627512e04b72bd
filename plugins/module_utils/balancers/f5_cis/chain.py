# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""F5 BIG-IP in front of a gateway: a VirtualServer whose pool is the gateway's Service."""

from __future__ import annotations

from collections.abc import Iterator

from ...kube.objects import Obj
from ..contract.chain import ChainRequest, CheckTarget, ClientAddress, HealthCheck, HealthChecker, LoadBalancerSide, ServiceNeeds
from ..contract.facts import Capability, ChainFacts, ChainOption, ProofLevel, ServerName
from ..kit.chain.answers import chain_side, unless, usual_client_address
from ..kit.cloud.bodies import metadata
from ..kit.cloud.health import pod_port
from ..kit.cloud.options import given, has_option, word
from ..kit.writes import declaring, made_for_chains

VIRTUAL_SERVER = "VirtualServer.cis.f5.com"
FACTS = ChainFacts(
    hops=1, forwarded_for="appended", server_name="settable", ends_tls="optional", redirects=True,
    tls_to_gateway="TLSProfile reencrypt; serverSSLParams.serverName with profiles from Secrets",
    health="pool monitor: http with targetPort 15021 (members: pods), tcp (members: nodes)",
    objects=("VirtualServer", "TLSProfile", "Policy"), service_type="ClusterIP (members: pods), NodePort (members: nodes)",
    minimum="CIS 2.20.4 where a server name is needed (TLSProfile's serverSSLParams.serverName)",
    cannot=("tell who the client is without an HTTP profile that inserts X-Forwarded-For", "send the mesh's certificate"),
    standalone_mtls=Capability(False, "no: a serverSSL profile can have a client certificate, not the mesh's identity"),
    kinds=(VIRTUAL_SERVER, "TLSProfile.cis.f5.com", "Policy.cis.f5.com"), proof=ProofLevel.SCHEMA,
    options=(
        ChainOption("address", "The virtual server's address on BIG-IP."),
        ChainOption("ipam_label", "The label by which its address is given out, instead of address."),
        ChainOption("members", "What the pool's members are, as the controller's --pool-member-type has it.", ("cluster", "nodeport")),
        ChainOption("reference", "Where the SSL profiles are.", ("bigip", "secret")),
        ChainOption("client_ssl", "Profile (bigip) or Secret with which it ends clients' TLS."),
        ChainOption("server_ssl", "Profile (bigip) or Secret for TLS to the gateway."),
        ChainOption("http_profile", "Path of a BIG-IP HTTP profile that inserts X-Forwarded-For."),
    ),
)


def _server_name(request: ChainRequest) -> ServerName:
    if request.gateway.tls and not request.option("client_ssl"):
        return "client"
    return "settable" if word(request, "reference", "bigip") == "secret" else "never"


def _client_address(request: ChainRequest) -> ClientAddress:
    if request.client == "auto" and not request.option("http_profile"):
        why = "connections come from BIG-IP's address; a profile that inserts X-Forwarded-For would tell (option http_profile)"
        return ClientAddress("none", 0, why)
    return usual_client_address("F5 BIG-IP (CIS)", FACTS, request)


def front(request: ChainRequest) -> LoadBalancerSide:
    """A virtual server whose pool is the gateway, with a profile for TLS and a policy where they are needed."""
    check, monitor = _monitor(request, HealthCheck(port=pod_port(request.gateway.status_port)))
    pool: Obj = {"path": "/", "service": request.gateway.service, "servicePort": request.gateway.port, "monitors": [monitor]}
    termination = _termination(request)
    spec = given(
        host=request.hosts[0] if request.hosts else "", hostAliases=list(request.hosts[1:]) or "",
        virtualServerAddress=str(request.option("address", "")), ipamLabel=str(request.option("ipam_label", "")),
        tlsProfileName=request.name if termination else "", httpTraffic="redirect" if request.https_redirect else "",
        policyName=request.name if request.option("http_profile") else "", pools=[pool],
    )
    bodies = [_body(request, "VirtualServer", spec)]
    if termination:
        hosts = {"hosts": list(request.hosts)} if request.hosts else {}
        bodies.append(_body(request, "TLSProfile", {"tls": _tls(request, termination), **hosts}))
    if request.option("http_profile"):
        bodies.append(_body(request, "Policy", {"profiles": {"http": str(request.option("http_profile"))}}))
    return LoadBalancerSide(bodies=tuple(bodies), check=check, service=ServiceNeeds("ClusterIP" if _by_pods(request) else "NodePort"))


def _check(target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
    health, monitor = _monitor(request, HealthCheck("http", pod_port(target.check.port), target.check.path))
    if health.kind != "http":
        return LoadBalancerSide(refusal="pool members are nodes, where a pod's port number means nothing")
    return LoadBalancerSide(check=health, steps=(f"Give the pool of {target.namespace}/{target.service} the monitor {monitor}.",))


def _by_pods(request: ChainRequest) -> bool:
    return word(request, "members", "cluster") == "cluster"


def _termination(request: ChainRequest) -> str:
    if request.option("client_ssl"):
        return "reencrypt" if request.gateway.tls else "edge"
    return "passthrough" if request.gateway.tls else ""


def _reasons(request: ChainRequest) -> Iterator[str]:
    termination, mode = _termination(request), _client_address(request).mode
    if not (request.option("address") or request.option("ipam_label")):
        yield "a virtual server needs an address: give platform_options.address or ipam_label"
    if termination == "reencrypt" and not request.option("server_ssl"):
        yield "TLS to the gateway needs a server profile: give platform_options.server_ssl"
    if request.https_redirect and termination not in ("edge", "reencrypt"):
        yield "https_redirect needs TLS at BIG-IP: give platform_options.client_ssl"
    if mode == "x_forwarded_for" and not request.option("http_profile"):
        yield "without platform_options.http_profile nothing is inserted, so what the client wrote into X-Forwarded-For would be taken"
    if mode == "x_forwarded_for" and termination == "passthrough":
        yield "with passthrough BIG-IP reads no HTTP, so it writes no X-Forwarded-For"
    if mode in ("proxy_protocol", "source_address"):
        yield "connections come from BIG-IP's address, and no PROXY header to a pool is known: use client_address.mode x_forwarded_for"


def _monitor(request: ChainRequest, check: HealthCheck) -> tuple[HealthCheck, Obj]:
    times = {"interval": 5, "timeout": 16}
    if not (_by_pods(request) and check.port):
        return HealthCheck("tcp", request.gateway.target_port), {"type": "tcp", "send": "", "recv": "", **times}
    line = f"GET {check.path} HTTP/1.1\r\nHost: health\r\nConnection: close\r\n\r\n"
    return check, {"type": "http", "send": line, "recv": "^HTTP/1.[01] 200", "targetPort": check.port, **times}


def _tls(request: ChainRequest, termination: str) -> Obj:
    tls: Obj = {"termination": termination}
    if termination == "passthrough":
        return tls
    tls |= {"reference": word(request, "reference", "bigip"), "clientSSLs": [str(request.option("client_ssl"))]}
    if termination == "reencrypt":
        tls["serverSSLs"] = [str(request.option("server_ssl"))]
        if word(request, "reference", "bigip") == "secret" and request.gateway.server_name:
            tls["serverSSLParams"] = {"serverName": request.gateway.server_name}
    return tls


def _body(request: ChainRequest, kind: str, spec: Obj) -> Obj:
    labelled = {**metadata(request.name, request.gateway.namespace), "labels": {"f5cr": "true"}}
    return {"apiVersion": "cis.f5.com/v1", "kind": kind, "metadata": labelled, "spec": spec}


CHAIN = declaring(
    chain_side(
        "F5 BIG-IP (CIS)", FACTS, unless(_reasons, front), client_address=_client_address, ends_tls=has_option("client_ssl"),
        server_name=_server_name,
    ),
    *made_for_chains(*FACTS.kinds),
)
HEALTH = HealthChecker(_check)
