# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Skipper in front of a gateway: Ingresses and RouteGroups name the Service that stands for it, and get a filter for the client's address.

Source: zalando/skipper v0.21.0 net/headers.go and filters/xforward (nothing is added to X-Forwarded-For unless asked for),
dataclients/kubernetes/ingress.go (an ExternalName Service replaces the Host, after all filters), clusterstate.go (Endpoints, unless
enable-kubernetes-endpointslices), proxy/proxy.go (TLS: an address is dialled, so no server name is sent, and no certificate fits it but
with -insecure), config/config.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, Route, replace
from ...core.writes import Field, Write, annotation, none_before
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, dig, ref_of
from ...kube.snapshot import Snapshot
from ..contract.chain import ChainRequest, LoadBalancerSide
from ..contract.facts import Capability, ChainFacts, ChainOption, ProofLevel
from ..contract.switches import PatchSet
from ..kit.chain.answers import chain_side, usual_client_address
from ..kit.chain.ingress import PORT_NAME, alias_bodies, alias_name, new_ingress, redirected, with_annotations
from ..kit.chain.references import distinct_places
from ..kit.patches import PatchBuilder, PatchTarget, targets_of
from ..kit.settings import settings_of
from ..kit.writes import declaring, of_a_chain, redirects
from .routes import FILTER, GROUPS, PROTOCOL, ROUTE_GROUP
from .settings import Settings

_FORWARDED, _KEEP_HOST = "xforward()", 'preserveHost("true")'
_INSECURE = "Skipper dials the gateway's address, which no certificate holds: start it with -insecure, or set gateway.tls.mode to none"

FACTS = ChainFacts(
    hops=1, forwarded_for="appended", server_name="never", ends_tls="optional", begins_with=True,
    tls_to_gateway="annotation zalando.org/skipper-backend-protocol: https, with its option insecure alone",
    objects=(
        "Ingress or RouteGroup", "its backends, redirected to a Service that stands for the gateway", "its filter xforward()",
    ),
    standalone_mtls=Capability(True, "yes, with a sidecar"),
    cannot=(
        "send a server name to the gateway, or verify its certificate", "tell the gateway whether a client used TLS (X-Forwarded-Proto)",
        "keep its balancing per pod of the backend",
    ),
    options=(ChainOption("class_name", "Name of the class for new Ingresses, where it is not the one that was found."),),
    kinds=("Endpoints",), proof=ProofLevel.LAB,
)


def adds_client(request: ChainRequest) -> bool:
    """Whether the gateway is to get the client from X-Forwarded-For."""
    return usual_client_address("Skipper", FACTS, request).mode == "x_forwarded_for"


def front(request: ChainRequest) -> LoadBalancerSide:
    """A new Ingress."""
    annotations = {FILTER: " -> ".join([_KEEP_HOST, *([_FORWARDED] if adds_client(request) else [])])}
    if not request.gateway.tls:
        return new_ingress(request, annotations)
    side = new_ingress(request, {**annotations, PROTOCOL: "https"})
    return side if side.refusal else replace(side, steps=(f"{_INSECURE}.",))


def preflight(snapshot: Snapshot, request: ChainRequest) -> tuple[Finding, ...]:
    """What it cannot do at all."""
    reasons = []
    if request.alias == "name":
        reasons.append("Skipper sends an ExternalName Service's name as Host, and the public host is lost: leave route_backend out")
    if request.https_redirect:
        reasons.append(
            "Skipper does not tell the gateway whether a client used TLS, so the gateway cannot redirect to HTTPS: leave https_redirect "
            "out, and let Skipper redirect (annotation zalando.org/skipper-ingress-redirect)"
        )
    return tuple(finding("MLB617", why) for why in reasons)


def redirect(snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route], request: ChainRequest) -> PatchSet:
    """Redirect the routes of one object."""
    listed, settings = list(routes), settings_of(load_balancer, Settings)
    if not listed:
        return PatchSet()
    if request.gateway.tls and not settings.insecure:
        return PatchSet(refusal=_INSECURE, findings=(finding("MLB617", _INSECURE, load_balancer.workload),))
    targets, needs_filter = targets_of(snapshot, listed), adds_client(request) and not settings.adds_client
    if listed[0].object.kind == "RouteGroup":
        everything = GROUPS.read(snapshot, load_balancer, frozenset({listed[0].object})).routes
        answer = _group(targets[0].object, listed, everything, request, needs_filter=needs_filter)
    else:
        answer = _ingress(targets, request, needs_filter=needs_filter)
    return answer if settings.endpoint_slices else replace(answer, bodies=tuple(_as_endpoints(body) for body in answer.bodies))


def _ingress(targets: list[PatchTarget], request: ChainRequest, *, needs_filter: bool) -> PatchSet:
    answer, ingress = redirected(targets, request, "never"), targets[0].object
    if request.gateway.tls and not answer.refusal:
        answer = with_annotations(answer, targets, {PROTOCOL: "https"})
    filters = annotations_of(ingress).get(FILTER, "")
    if answer.refusal or not needs_filter or _adds_last(filters):
        return answer
    patches = PatchBuilder()
    patches.write(ingress, ("metadata", "annotations", FILTER), f"{filters} -> {_FORWARDED}" if filters.strip() else _FORWARDED)
    return replace(answer, patches=(*answer.patches, *patches.switch().patches))


def _adds_last(filters: str) -> bool:
    """Whether the entry for the client is written already, and nothing is done after that."""
    return filters.replace(" ", "").endswith(_FORWARDED)


def _group(group: Obj, routes: list[Route], everything: Iterable[Route], request: ChainRequest, *, needs_filter: bool) -> PatchSet:
    if len(distinct_places(routes)) < len(distinct_places(everything)):
        return PatchSet(refusal=f"{ref_of(group)} is led to the gateway as a whole, and some of its routes stay with their backends")
    patches = PatchBuilder()
    for number, backend in enumerate(dig(group, "spec", "backends", default=[])):
        if backend.get("type") == "service":
            patches.write(group, ("spec", "backends", number, "serviceName"), alias_name(request.gateway))
            patches.write(group, ("spec", "backends", number, "servicePort"), request.gateway.port)
    if request.gateway.tls:
        patches.annotate(group, PROTOCOL, "https")
    for path, value in _with_filter(group) if needs_filter else ():
        patches.write(group, path, value)
    answer = patches.switch()
    return answer if answer.refusal else replace(answer, bodies=alias_bodies(routes[0].object.namespace, request, "never"))


def _with_filter(group: Obj) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Where a RouteGroup has filters; one that has no routes has only backends, and takes every path."""
    rules = dig(group, "spec", "routes", default=[])
    if not rules:
        yield ("spec", "routes"), [{"pathSubtree": "/", "filters": [_FORWARDED]}]
    for number, rule in enumerate(rules):
        filters = list(rule.get("filters") or [])
        if not filters or not _adds_last(str(filters[-1])):
            yield ("spec", "routes", number, "filters"), [*filters, _FORWARDED]


def _as_endpoints(body: Obj) -> Obj:
    """What it reads instead of an EndpointSlice; nobody is to make slices of it."""
    if body["kind"] != "EndpointSlice":
        return body
    metadata = {key: body["metadata"][key] for key in ("name", "namespace", "annotations")}
    made: Obj = {
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": {**metadata, "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
    }
    addresses = [{"ip": address} for endpoint in body["endpoints"] for address in endpoint["addresses"]]
    if addresses:
        ports = [{"name": PORT_NAME, "port": item["port"], "protocol": "TCP"} for item in body["ports"]]
        made["subsets"] = [{"addresses": addresses, "ports": ports}]
    return made


def _without_filter(value: Any, was: Any) -> bool:
    """What filters may have been before: those that the last one was added to."""
    if isinstance(was, str):
        return bool(value == (f"{was} -> {_FORWARDED}" if was.strip() else _FORWARDED))
    return isinstance(was, list) and value == [*was, _FORWARDED]


_LEADS = "leads requests to the gateway"
WRITES = (
    *redirects(annotations=(PROTOCOL,)), Write(kinds.INGRESS, (annotation(FILTER, _without_filter),), why=_LEADS),
    Write("Endpoints", named=of_a_chain, why="stands for the gateway where routes are"),
    Write(ROUTE_GROUP, (
        Field("/spec/backends/*/serviceName"), Field("/spec/backends/*/servicePort"), annotation(PROTOCOL, none_before),
        Field("/spec/routes/*/filters", _without_filter), Field("/spec/routes"),
    ), why=_LEADS),
)  # fmt: skip
CHAIN = declaring(chain_side("Skipper", FACTS, front, redirect, preflight=preflight), *WRITES)
