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

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, Route, replace
from ...kube.objects import Obj, annotations_of, argument, dig, ref_of
from ...kube.snapshot import Snapshot
from ..contract.chain import Capability, ChainFacts, ChainOption, ChainRequest, LoadBalancerSide
from ..contract.facts import Proof
from ..contract.switches import PatchSet
from ..kit.chain.ingress import PORT_NAME, alias_bodies, alias_name, new_ingress, redirected, with_annotations
from ..kit.patches import PatchBuilder, object_of

FILTER, PROTOCOL = "zalando.org/skipper-filter", "zalando.org/skipper-backend-protocol"
_PATH_MODE = "zalando.org/skipper-ingress-path-mode"
_FORWARDED, _KEEP_HOST = "xforward()", 'preserveHost("true")'
_REWRITES = re.compile(r"\b(?:setPath|modPath)\(")
_INSECURE = "Skipper dials the gateway's address, which no certificate holds: start it with -insecure, or set gateway.tls.mode to none"

FACTS = ChainFacts(
    hops=1, forwarded_for="appended", server_name="never", ends_tls="optional",
    tls_to_gateway="annotation zalando.org/skipper-backend-protocol: https, with its option insecure alone",
    objects=(
        "Ingress or RouteGroup", "its backends, redirected to a Service that stands for the gateway", "its filter xforward()",
    ),
    standalone_mtls=Capability(True, "yes, with a sidecar"),
    cannot=(
        "send a server name to the gateway, or verify its certificate", "tell the gateway whether a client used TLS (X-Forwarded-Proto)",
        "keep its balancing per pod of the backend",
    ),
    proof=Proof.LAB,
)
OPTIONS = (
    ChainOption("class_name", "Name of the class for new Ingresses, where it is not the one that was found."),
)


def told(container: Obj) -> dict[str, Any]:
    """What its options say that matters for a chain."""
    headers = (argument(container, "forwarded-headers") or "").split(",")
    everybody = argument(container, "forwarded-headers-exclude-cidrs") is None
    return {
        "adds_client": "X-Forwarded-For" in headers and everybody, "insecure": is_on(argument(container, "insecure")),
        "endpoint_slices": is_on(argument(container, "enable-kubernetes-endpointslices")),
        "path_mode": argument(container, "kubernetes-path-mode") or "",
    }


def is_on(value: str | None) -> bool:
    """Whether an option that is a switch is on, as Go reads it."""
    return value is not None and value not in ("false", "0", "f", "F", "FALSE", "False")


def rewrites_path(filters: str) -> bool:
    """Whether filters change the path."""
    return _REWRITES.search(filters) is not None


def in_its_words(load_balancer: LoadBalancer, ingress: Obj, route: Route) -> Route:
    """A route of an Ingress with what Skipper makes of its path: by elements, or as an expression, where the type leaves it open."""
    notes = annotations_of(ingress)
    mode, changed = notes.get(_PATH_MODE) or load_balancer.setting("path_mode"), rewrites_path(notes.get(FILTER, ""))
    kind = route.path_type
    if kind == "ImplementationSpecific" and route.path != "/":
        kind = {"path-prefix": "Prefix", "path-regexp": "RegularExpression"}.get(mode, kind)
    return replace(route, path_type=kind, rewrites_path=changed)


def front(request: ChainRequest, *, adds_client: bool) -> LoadBalancerSide:
    """A new Ingress."""
    notes = {FILTER: " -> ".join([_KEEP_HOST, *([_FORWARDED] if adds_client else [])])}
    if not request.gateway.tls:
        return new_ingress(request, notes)
    made = new_ingress(request, {**notes, PROTOCOL: "https"})
    return made if made.refusal else replace(made, steps=(f"{_INSECURE}.",))


def preflight(request: ChainRequest) -> tuple[Finding, ...]:
    """What it cannot do at all."""
    found = []
    if request.alias == "name":
        found.append("Skipper sends an ExternalName Service's name as Host, and the public host is lost: leave route_backend out")
    if request.https_redirect:
        found.append(
            "Skipper does not tell the gateway whether a client used TLS, so the gateway cannot redirect to HTTPS: leave https_redirect "
            "out, and let Skipper redirect (annotation zalando.org/skipper-ingress-redirect)"
        )
    return tuple(finding("MLB617", why) for why in found)


def switch(
    snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route], group_routes: Iterable[Route], request: ChainRequest, *,
    adds_client: bool,
) -> PatchSet:
    """Lead routes of one object to the gateway; ``group_routes`` are all of a RouteGroup."""
    wanted = list(routes)
    if not wanted:
        return PatchSet()
    obj = object_of(snapshot, wanted[0])
    if request.gateway.tls and not load_balancer.setting("insecure"):
        return PatchSet(refusal=_INSECURE, findings=(finding("MLB617", _INSECURE, load_balancer.workload),))
    needs_filter = adds_client and not load_balancer.setting("adds_client")
    if wanted[0].object.kind == "RouteGroup":
        found = _group(obj, wanted, list(group_routes), request, needs_filter=needs_filter)
    else:
        found = _ingress(snapshot, obj, wanted, request, needs_filter=needs_filter)
    if load_balancer.setting("endpoint_slices"):
        return found
    return replace(found, bodies=tuple(_as_endpoints(body) for body in found.bodies))


def _ingress(snapshot: Snapshot, ingress: Obj, routes: list[Route], request: ChainRequest, *, needs_filter: bool) -> PatchSet:
    found = redirected(snapshot, routes, request, "never")
    if found.refusal:
        return found
    if request.gateway.tls:
        found = with_annotations(found, ingress, routes, {PROTOCOL: "https"})
    own = annotations_of(ingress).get(FILTER, "")
    if found.refusal or not needs_filter or _adds_last(own):
        return found
    patches = PatchBuilder()
    patches.write(ingress, ("metadata", "annotations", FILTER), f"{own} -> {_FORWARDED}" if own.strip() else _FORWARDED)
    return replace(found, patches=(*found.patches, *patches.switch().patches))


def _adds_last(filters: str) -> bool:
    """Whether the entry for the client is written already, and nothing is done after that."""
    return filters.replace(" ", "").endswith(_FORWARDED)


def _group(
    group: Obj, routes: list[Route], everything: list[Route], request: ChainRequest, *, needs_filter: bool
) -> PatchSet:
    if len(_places(routes)) < len(_places(everything)):
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


def _places(routes: Iterable[Route]) -> set[tuple[object, ...]]:
    return {(item.host, item.path, item.path_type, item.backend, item.canary) for item in routes}


def _with_filter(group: Obj) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Where a RouteGroup has filters; one that has no routes has only backends, and takes every path."""
    rules = dig(group, "spec", "routes", default=[])
    if not rules:
        yield ("spec", "routes"), [{"pathSubtree": "/", "filters": [_FORWARDED]}]
    for number, rule in enumerate(rules):
        own = list(rule.get("filters") or [])
        if not own or not _adds_last(str(own[-1])):
            yield ("spec", "routes", number, "filters"), [*own, _FORWARDED]


def _as_endpoints(body: Obj) -> Obj:
    """What it reads instead of an EndpointSlice; nobody is to make slices of it."""
    if body["kind"] != "EndpointSlice":
        return body
    given = body["metadata"]
    kept = {"name": given["name"], "namespace": given["namespace"], "annotations": given["annotations"]}
    made: Obj = {"apiVersion": "v1", "kind": "Endpoints"}
    made["metadata"] = {**kept, "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}
    addresses = [{"ip": address} for endpoint in body["endpoints"] for address in endpoint["addresses"]]
    if addresses:
        ports = [{"name": PORT_NAME, "port": item["port"], "protocol": "TCP"} for item in body["ports"]]
        made["subsets"] = [{"addresses": addresses, "ports": ports}]
    return made
