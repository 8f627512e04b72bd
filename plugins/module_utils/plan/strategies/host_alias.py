# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``host_alias``: route to the Service's address, and tell the mesh that the public host stands for the Service."""

from __future__ import annotations

from collections.abc import Iterable

from ...core.model import Route
from ...core.printable import listed
from ...core.writes import Write
from ...istio.protocols import is_http
from ...kube import kinds
from ...kube.objects import Obj, dig
from ...kube.services import full_name
from .base import Context, Creation, Proposal, Strategy, joined, made_for, metadata_for, switched
from .host_entry import NETWORKING, breaks_raw_ports, in_the_mesh, named_after_host, others_in_mesh, service_entry, why_taken
from .naming import object_name
from .service_routing import BALANCING

PREFIX = "meshlb-alias-"


class HostAlias(Strategy):
    """A VirtualService on the mesh gateway takes the choice of backend over, so it must carry the same routing."""

    name = "host_alias"
    gain = "the Host is kept and the mesh's policies for the Service apply"
    cost = (
        "the mesh, not the load balancer, chooses and balances the backend for this host; what a VirtualService of the Service's own says "
        "does not hold"
    )
    loses = BALANCING | {"canary"}
    touches_load_balancer = True
    stands_for_hosts = True
    wide = True
    makes_objects_in = "load_balancer"
    writes = tuple(
        Write(kind, named=named_after_host(PREFIX), place="load_balancer", why="host_alias: a public host stands for a Service")
        for kind in (kinds.VIRTUAL_SERVICE, kinds.SERVICE_ENTRY)
    )

    def hazard(self, context: Context, route: Route, *, in_place: bool = False) -> str:
        if in_place:
            return ""
        acting = context.facts(route).acting
        if acting:
            named = listed(list(map(str, acting)), 3)
            return f"its VirtualService goes before {named}, whose timeouts, retries and shares then do not hold for {route.host}"
        others = others_in_mesh(context, [route])
        if others and not _load_balancers(context, [route]):
            names = listed(sorted({pod.name for pod in others}), 3)
            return f"its VirtualService also leads what other pods beside the load balancer send to {route.host} past it ({names})"
        return ""

    def propose(self, context: Context, targets: Iterable[Route]) -> Proposal:
        wanted = list(targets)
        refusals: dict[Route, str] = {}
        creations: list[Creation] = []
        for namespace, host in sorted({(route.load_balancer[0], route.host) for route in wanted}):
            everything = [route for route in context.routes if (route.load_balancer[0], route.host) == (namespace, host)]
            refusal = _refusal(context, everything, host)
            if refusal:
                refusals.update({route: refusal for route in wanted if route.host == host and route.load_balancer[0] == namespace})
            else:
                creations += _objects(context, namespace, host, everything)
        served = [route for route in wanted if route not in refusals]
        return joined(switched(context, served, host=False), Proposal((), tuple(creations), refusals))


def _refusal(context: Context, routes: list[Route], host: str) -> str:
    if not host:
        return "a route without a host cannot be told apart by its host"
    taken = why_taken(context, routes)
    if taken:
        return taken
    missing = next((item for item in routes if not _exists(context, item)), None)
    if missing is not None:
        return f"host {host} also leads to {missing.backend.namespace}/{missing.backend.service}, which does not exist or lacks that port"
    if any(route.canary for route in routes):
        return f"a canary shares host {host}, and a VirtualService would take its share away"
    if any(route.upstream.scheme != "http" for route in routes):
        return f"host {host} also has routes that are not plain HTTP"
    backends = {route.backend for route in routes}
    if len(backends) > 1 and any(route.path_type == "RegularExpression" for route in routes):
        return f"host {host} has several backends and a path that is a regular expression of the load balancer's own kind"
    if len(backends) > 1 and any(route.rewrites_path for route in routes):
        return f"the load balancer rewrites paths of host {host} before the mesh sees them, and it has several backends"
    return breaks_raw_ports(context, routes[0].load_balancer[0], _other_ports(routes))


def _exists(context: Context, route: Route) -> bool:
    return context.facts(route).backend.port is not None


def _load_balancers(context: Context, routes: Iterable[Route]) -> list[Obj]:
    """The labels of each load balancer's pods, for which alone a rule can be; none where the pods of one are not known by labels."""
    found = [context.pod_selector(key) for key in sorted({route.load_balancer for route in routes})]
    return found if all(found) else []


def _objects(context: Context, namespace: str, host: str, routes: list[Route]) -> list[Creation]:
    metadata = metadata_for(object_name(f"{PREFIX}{host}"), namespace, routes)
    rules = _rules(routes, context.load_balancer(routes[0]).cluster_domain)
    spec = {"hosts": [host], "gateways": ["mesh"], "exportTo": ["."], "http": rules}
    body = {"apiVersion": NETWORKING, "kind": "VirtualService", "metadata": metadata, "spec": spec}
    made, clients = context.live.existing(body), _load_balancers(context, routes)
    scoped = any("sourceLabels" in item for rule in dig(made, "spec", "http", default=[]) for item in rule.get("match") or [])
    # What an earlier release made for all pods stays as it is where there are no others.
    if not made or scoped or others_in_mesh(context, routes):
        spec["http"] = [_for_clients(rule, clients) for rule in rules]
    alias, ports = Creation(body, in_the_mesh(host)), _other_ports(routes)
    return made_for(routes, *([alias, service_entry(metadata, host, ports)] if ports else [alias]))


def _for_clients(rule: Obj, clients: list[Obj]) -> Obj:
    """A rule for these pods alone: other pods' requests go on as if it were not there (istio/istio route.go, sourceMatchHTTP)."""
    if not clients:
        return rule
    return {"match": [{**item, "sourceLabels": labels} for item in rule.get("match", [{}]) for labels in clients], "route": rule["route"]}


def _other_ports(routes: list[Route]) -> list[int]:
    # Istio adds hosts that no registry knows to port 80's routes only; a ServiceEntry makes it known on the others.
    return sorted({route.backend.port for route in routes if is_http(route.backend.protocol)} - {80})


def _rules(routes: list[Route], domain: str) -> list[Obj]:
    """Most specific first: exact paths, then prefixes from the longest to the shortest, each path once."""
    if len({route.backend for route in routes}) == 1:
        return [{"route": [_target(routes[0], domain)]}]
    rules, seen = [], set()
    for route in sorted(routes, key=lambda item: (item.path_type != "Exact", -len(item.path), item.path)):
        if (route.path, route.path_type) in seen:
            continue
        seen.add((route.path, route.path_type))
        rule: Obj = {"route": [_target(route, domain)]}
        match = _match(route)
        rules.append({"match": match, **rule} if match else rule)
    return rules


def _match(route: Route) -> list[Obj]:
    if route.path_type == "Exact":
        return [{"uri": {"exact": route.path}}]
    if route.path in ("", "/"):
        return []
    if route.path_type != "Prefix":
        return [{"uri": {"prefix": route.path}}]
    # Kubernetes' Prefix goes by path elements: /a covers /a and /a/b, but not /ab.
    stem = route.path.rstrip("/")
    return [{"uri": {"exact": stem}}, {"uri": {"prefix": f"{stem}/"}}]


def _target(route: Route, domain: str) -> Obj:
    backend = route.backend
    return {"destination": {"host": full_name(backend.namespace, backend.service, domain), "port": {"number": backend.port}}}
