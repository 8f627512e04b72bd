# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenShift's router in front of a gateway: a host is the oldest Route's, so the Route stays and names another Service.

Source: openshift/router 4b401a8, pkg/router/controller/factory (EndpointSlices are watched, whoever made them) and
pkg/router/template/plugin.go (a Route's targetPort is looked up by name or number among the ports of the endpoints).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ...core.model import Finding, LoadBalancer, Route
from ...core.writes import Field, Write, annotation
from ...kube import kinds
from ...kube.objects import Obj, dig, namespace_of, value_at
from ...kube.snapshot import Snapshot
from ..contract.chain import ChainRequest, ClientAddress, HealthCheck, LoadBalancerSide
from ..contract.facts import Capability, ChainFacts, ChainOption, ProofLevel
from ..contract.switches import FieldPatch, PatchSet
from ..kit.chain.answers import chain_side, unless, usual_client_address
from ..kit.chain.ingress import PORT_NAME, alias_bodies, alias_name
from ..kit.cloud.options import taken, word
from ..kit.patches import object_of
from ..kit.writes import declaring, of_a_chain

FORWARDED = "haproxy.router.openshift.io/set-forwarded-headers"
ROUTE = "Route.route.openshift.io"
FACTS = ChainFacts(
    hops=1, forwarded_for="replaced", server_name="never", ends_tls="optional", redirects=True,
    tls_to_gateway="termination reencrypt with destinationCACertificate; passthrough leaves the client's own TLS",
    health="TCP, only where the gateway has several pods; it sends to ready pods",
    objects=("Route, its Service, which becomes one that stands for the gateway",),
    cannot=("send a client certificate to the gateway", "tell a gateway behind passthrough who the client is"),
    standalone_mtls=Capability(False, "no where its operator makes it; with a sidecar where the router is one's own"),
    kinds=(ROUTE,), proof=ProofLevel.SCHEMA,
    options=(
        ChainOption("termination", "Where clients' TLS ends; without it edge, or reencrypt where the gateway takes TLS.", (
            "none", "edge", "reencrypt", "passthrough")),
        ChainOption("destination_ca", "PEM certificates that sign the gateway's certificate (reencrypt)."),
    ),
)


def _client_address(request: ChainRequest) -> ClientAddress:
    if _termination(request) == "passthrough" and request.client == "auto":
        return ClientAddress("none", 0, "passthrough brings no X-Forwarded-For and no PROXY header: the gateway sees the router")
    return usual_client_address("OpenShift router", FACTS, request)


def front(request: ChainRequest) -> LoadBalancerSide:
    """One Route per host, since a Route has one."""
    termination, steps = _termination(request), tuple[str, ...]()
    if termination == "reencrypt" and not request.option("destination_ca"):
        steps = ("Without platform_options.destination_ca the router only takes a gateway's certificate of OpenShift's service CA.",)
    routes = tuple(_route(request, termination, number, host) for number, host in enumerate(request.hosts))
    return LoadBalancerSide(bodies=routes, check=HealthCheck("tcp", request.gateway.target_port), steps=steps)


def redirect(snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route], request: ChainRequest) -> PatchSet:
    """The fields of one Route, and what represents the gateway in its namespace."""
    asked = next(iter(routes))
    ref, route = asked.object, object_of(snapshot, asked)
    if ref.kind != "Route" or not route:
        return PatchSet(refusal=f"{ref} becomes Routes, which are not known here")
    termination = str(dig(route, "spec", "tls", "termination", default="none"))
    refusal = _redirect_refusal(route, request, termination)
    if refusal:
        return PatchSet(refusal=f"{ref} {refusal}")
    fields: list[tuple[tuple[str, ...], object]] = [
        (("spec", "to", "name"), alias_name(request.gateway)), (("spec", "port"), {"targetPort": PORT_NAME}),
        # What a client wrote into X-Forwarded-For is not handed on.
        (("metadata", "annotations", FORWARDED), "replace"),
    ]
    if request.gateway.tls:
        fields.append((("spec", "tls", "termination"), "reencrypt"))
        if request.option("destination_ca"):
            fields.append((("spec", "tls", "destinationCACertificate"), str(request.option("destination_ca"))))
    if request.https_redirect:
        fields.append((("spec", "tls", "insecureEdgeTerminationPolicy"), "Redirect"))
    patches = tuple(FieldPatch(route, path, value) for path, value in fields if value_at(route, path) != value)
    return PatchSet(patches, bodies=alias_bodies(namespace_of(route), request, "never"))


def _redirect_refusal(route: Obj, request: ChainRequest, termination: str) -> str:
    makers = [item for item in dig(route, "metadata", "ownerReferences", default=[]) if item.get("kind") == "Ingress"]
    if makers:
        return f"is made from Ingress {makers[0].get('name')}, whose controller would put it back"
    if dig(route, "spec", "alternateBackends", default=[]):
        return "shares its requests among several Services"
    if termination == "passthrough":
        return "passes clients' TLS through, which only a new Route can (name the host in hosts with its paths)"
    if termination == "reencrypt" and not request.gateway.tls:
        return "speaks TLS to its Service, and the gateway's port takes none: set gateway.tls"
    if termination == "none" and (request.gateway.tls or request.https_redirect):
        return "has no TLS, which re-encryption and a redirect to HTTPS need"
    return ""


def preflight(snapshot: Snapshot, request: ChainRequest) -> tuple[Finding, ...]:
    """A Route whose host another namespace's older one has is not admitted; in one namespace the older one keeps the path."""
    here = request.gateway.namespace
    whole = ((obj, str(dig(obj, "spec", "host", default=""))) for obj in snapshot.all(ROUTE)
             if namespace_of(obj) != here or dig(obj, "spec", "path", default="/") in ("", "/"))  # fmt: skip
    return tuple(taken(request, whole, "the router leaves a host to the oldest Route"))


def _termination(request: ChainRequest) -> str:
    return word(request, "termination") or ("reencrypt" if request.gateway.tls else "edge")


def _reasons(request: ChainRequest) -> Iterator[str]:
    termination, mode = _termination(request), _client_address(request).mode
    takes_tls = termination in ("reencrypt", "passthrough")
    if not request.hosts:
        yield "a Route serves one host: give hosts"
    if takes_tls != request.gateway.tls:
        yield f"termination {termination} sends {'TLS' if takes_tls else 'plain HTTP'}, and the gateway's port is not for that"
    if termination == "none" and request.https_redirect:
        yield "https_redirect needs TLS at the router: set platform_options.termination"
    if mode in ("proxy_protocol", "source_address"):
        yield "the router sends no PROXY header, and its connections come from its own address: use client_address.mode x_forwarded_for"
    if termination == "passthrough" and mode == "x_forwarded_for":
        yield "with passthrough the router writes no X-Forwarded-For, so whatever the client wrote there would be taken"


def _route(request: ChainRequest, termination: str, number: int, host: str) -> Obj:
    wildcard = host.startswith("*.")
    tls: Obj = {"termination": termination}
    if termination == "reencrypt" and request.option("destination_ca"):
        tls["destinationCACertificate"] = str(request.option("destination_ca"))
    if request.https_redirect or termination == "edge":
        tls["insecureEdgeTerminationPolicy"] = "Redirect" if request.https_redirect else "Allow"
    name = request.name if not number else f"{request.name}-{number + 1}"
    spec: Obj = {
        "host": f"wildcard{host[1:]}" if wildcard else host, "wildcardPolicy": "Subdomain" if wildcard else "None",
        "to": {"kind": "Service", "name": request.gateway.service, "weight": 100},
        "port": {"targetPort": request.gateway.port_name},
    }
    return {
        "apiVersion": "route.openshift.io/v1", "kind": "Route",
        # What a client wrote into X-Forwarded-For is not handed on.
        "metadata": {"name": name, "namespace": request.gateway.namespace, "annotations": {FORWARDED: "replace"}},
        "spec": {**spec, **({"tls": tls} if termination != "none" else {})},
    }


def _port(value: Any, was: Any) -> bool:
    return isinstance(was, dict) and set(was) == {"targetPort"} and isinstance(was["targetPort"], (int, str))


WRITES = (
    *(Write(kind, named=of_a_chain, why="stands for the gateway where routes are") for kind in (kinds.SERVICE, kinds.ENDPOINT_SLICE)),
    Write(ROUTE, (
        Field("/spec/to/name"), Field("/spec/port", _port), annotation(FORWARDED), Field("/spec/tls/termination"),
        Field("/spec/tls/destinationCACertificate"), Field("/spec/tls/insecureEdgeTerminationPolicy"),
    ), of_a_chain, why="leads requests to the gateway"),
)  # fmt: skip
CHAIN = declaring(
    chain_side(
        "OpenShift router", FACTS, unless(_reasons, front), redirect, preflight=preflight, client_address=_client_address,
        ends_tls=lambda request: _termination(request) in ("edge", "reencrypt"),
        server_name=lambda request: "client" if _termination(request) == "passthrough" else "never",
    ),
    *WRITES,
)
