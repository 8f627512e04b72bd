# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``headless_twin``: nothing changes on the load balancer; a headless Service over the same pods makes their addresses known.

Istio decides about TLS to a headless Service when it first sees it, and takes one without endpoints for one without sidecars
(istio/istio pilot/pkg/model/push_context.go, BestEffortInferServiceMTLSMode); endpoints that come later do not change that, as
measured in the lab. So a DestinationRule says it: then it is mutual TLS whichever of Service, endpoints and rule is seen first, and
after the backend was scaled to zero and back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...core.model import EITHER_ADDRESS, Route
from ...core.printable import listed
from ...core.writes import Write
from ...istio.protocols import AUTO
from ...istio.visibility import EXPORT_TO
from ...kube import kinds
from ...kube.objects import Identity, Obj, annotations_of, dig, name_of, namespace_of
from ...kube.services import full_name
from .base import Context, Creation, Proposal, Strategy, made_for, metadata_for
from .host_entry import MESH_POLICY, mutual_tls_rule
from .twin_names import is_twin_name, known_names, valid_names
from .twins import named


def _is_for_a_twin(rule: Mapping[str, Any]) -> bool:
    name, namespace = (str(dig(rule, "metadata", key)) for key in ("name", "namespace"))
    return is_twin_name(name) and str(dig(rule, "spec", "host")).startswith(f"{name}.{namespace}.svc.")


class HeadlessTwin(Strategy):
    """One headless Service per backend, and a DestinationRule for it, exported to the load balancers' namespaces alone."""

    name = "headless_twin"
    gain = "the load balancer is left untouched and keeps its own balancing, and any host and any protocol is served"
    cost = (
        "one listener per pod in the load balancer's sidecar, the Service's own mesh policies do not apply, the sidecar accepts a "
        "connection to a pod that is gone and then closes it (so no POST is tried again), its telemetry knows TCP alone, and the "
        "Service's selector is copied as it is now"
    )
    loses = frozenset({MESH_POLICY, EITHER_ADDRESS})
    wide = True
    makes_objects_in = "backend"
    writes = (
        Write(kinds.SERVICE, named=lambda obj: is_twin_name(str(dig(obj, "metadata", "name"))), why="headless_twin: the twin"),
        Write(kinds.DESTINATION_RULE, named=_is_for_a_twin, why="headless_twin: mutual TLS to the twin"),
    )

    def earlier(self, route: Route) -> Iterable[Identity]:
        names = known_names(route.backend.service)
        return ((kind, route.backend.namespace, name) for kind in (kinds.SERVICE, kinds.DESTINATION_RULE) for name in names)

    def hazard(self, context: Context, route: Route, *, in_place: bool = False) -> str:
        facts = context.facts(route)
        if facts.switched:
            return f"{facts.switched}, and a twin selects the old pods until the next run"
        if facts.acting and not in_place:
            return f"{listed(list(map(str, facts.acting)), 3)} holds for the Service, and not for a second one over its pods"
        return ""

    def propose(self, context: Context, targets: Iterable[Route]) -> Proposal:
        refusals: dict[Route, str] = {}
        wanted: dict[tuple[str, str], list[Route]] = {}
        for route in targets:
            refusal = _refusal(context, route)
            if refusal:
                refusals[route] = refusal
            else:
                wanted.setdefault((route.backend.namespace, route.backend.service), []).append(route)
        return Proposal((), tuple(item for dummy, routes in sorted(wanted.items()) for item in _objects(context, routes)), refusals)


def is_shared(body: Obj) -> bool:
    """Whether load balancers of several namespaces may use this body: a twin, or the rule that goes with it."""
    return body["kind"] == "Service" or (body["kind"] == "DestinationRule" and bool(dig(body, "spec", "exportTo") != ["."]))


def also_serving(body: Obj, existing: Obj, namespaces: Iterable[str]) -> Obj:
    """A twin or its rule that also serves load balancers of these namespaces, about which this run does not decide: ports stay."""
    if body["kind"] == "DestinationRule":
        seers = {*dig(body, "spec", "exportTo", default=[]), *namespaces}
        return {**body, "spec": {**body["spec"], "exportTo": sorted(seers)}}
    told = {*annotations_of(body).get(EXPORT_TO, "").split(","), *namespaces} - {""}
    metadata = {**body["metadata"], "annotations": {**annotations_of(body), EXPORT_TO: ",".join(sorted(told))}}
    ports = {item["port"]: item for item in (*dig(existing, "spec", "ports", default=[]), *body["spec"]["ports"])}
    return {**body, "metadata": metadata, "spec": {**body["spec"], "ports": [ports[number] for number in sorted(ports)]}}


def _refusal(context: Context, route: Route) -> str:
    facts = context.facts(route)
    service = facts.backend.service
    if service is None or facts.backend.port is None:
        return "the backend does not exist"
    if not dig(service, "spec", "selector", default={}):
        return f"Service {route.backend.service} has no selector, so there is nothing to take a twin of"
    if facts.seen_address != "pod_ips":
        return "the load balancer dials the Service's address, not the pods'"
    if not facts.backend.endpoints:
        return "no pods are known behind the Service"
    standing = any(not twin.harm for twin in context.live.twins(service))
    if facts.http_policies and not (standing and route.backend.protocol != AUTO):
        named = ", ".join(facts.http_policies[:3])
        return f"policies about HTTP hold for the backend ({named}), and a second Service over its pods can turn their port into TCP"
    outside = facts.without_mutual_tls
    if outside:
        return f"{outside}, and one TLS setting holds for all pods of a headless Service"
    return "" if _name(context, service)[0] else f"no valid name for a twin of Service {route.backend.service} comes after its own"


def _name(context: Context, service: Obj) -> tuple[str, str]:
    """What the twin is called, and why it is made where one of another name is there already; empty where no name is left.

    A twin that harms nobody keeps its name. One that does is replaced by another one beside it, which is the younger one.
    """
    standing = context.live.twins(service)
    kept = next((name_of(twin.service) for twin in standing if not twin.harm), "")
    if kept:
        return kept, ""
    namespace = namespace_of(service)
    free = (name for name in valid_names(name_of(service)) if context.live.existing(named(name, namespace)) is None)
    return next(free, ""), standing[0].harm if standing else ""


def _objects(context: Context, routes: list[Route]) -> list[Creation]:
    namespace = routes[0].backend.namespace
    name, harm = _name(context, context.facts(routes[0]).backend.service or {})
    instead = f"; {harm}" if harm else ""
    viewers = sorted({route.load_balancer[0] for route in routes})
    host = full_name(namespace, name, context.load_balancer(routes[0]).cluster_domain)
    twin = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata_for(name, namespace, routes, {EXPORT_TO: ",".join(viewers)}),
        "spec": _twin_spec(context, routes),
    }
    return made_for(
        routes, mutual_tls_rule(metadata_for(name, namespace, routes), host, viewers),
        Creation(twin, f"makes the addresses of the pods known to the load balancer's sidecar{instead}"),
    )


def _twin_spec(context: Context, routes: list[Route]) -> Obj:
    service = context.facts(routes[0]).backend.service or {}
    numbers = {item.port for route in routes for item in context.endpoints(route)}
    spec: Obj = {
        "clusterIP": "None",
        "selector": dict(dig(service, "spec", "selector", default={})),
        # Not HTTP, so that the sidecar matches by address. Declared as TCP rather than left open: an undeclared port's HTTP
        # routes vanish before its kept-alive connections do, which lost requests when a twin was taken back under load.
        "ports": [
            {"name": f"tcp-{number}", "port": number, "targetPort": number, "protocol": "TCP"} for number in sorted(numbers)
        ],
    }
    if dig(service, "spec", "publishNotReadyAddresses", default=False):
        spec["publishNotReadyAddresses"] = True
    return spec
