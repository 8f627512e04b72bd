# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes of the Gateway API whose parent is a Service: Istio reads them as a VirtualService of that Service.

Source: istio/istio pilot/pkg/config/kube/gateway/conversion.go (parents of kind Service; the order of rules by how narrow they are; rules
whose backends have no weight) and pilot/pkg/networking/core/route/route.go (a route is for clients of its own namespace, or for all where
it is in the Service's).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..kube import kinds
from ..kube.objects import Obj, dig, kind_key_of, name_of, namespace_of
from ..kube.services import full_name
from ..kube.snapshot import Snapshot
from .mesh import cluster_domain
from .virtual_services import ENDS

_PATHS = {"Exact": "exact", "PathPrefix": "prefix", "RegularExpression": "regex"}
_HTTP = (kinds.HTTP_ROUTE, kinds.GRPC_ROUTE)
_STREAMS = (kinds.TCP_ROUTE, kinds.TLS_ROUTE)


def by_parent_service(route: Obj) -> Iterator[tuple[str, str]]:
    """Index of routes by namespace and name of the Services that are their parents."""
    for parent in dig(route, "spec", "parentRefs", default=[]):
        if parent.get("kind") == "Service" and not parent.get("group"):
            yield str(parent.get("namespace") or namespace_of(route)), str(parent.get("name"))


def mesh_routes(snapshot: Snapshot, service: Obj, viewer_namespace: str) -> list[Obj]:
    """The routes of a Service that hold for clients of a namespace, each as the VirtualService that Istio makes of it."""
    key, home = (namespace_of(service), name_of(service)), namespace_of(service)
    found = [item for kind in (*_HTTP, *_STREAMS) for item in snapshot.lookup(kind, by_parent_service, key)]
    return [_virtual(item, service, cluster_domain(snapshot)) for item in found if namespace_of(item) in (home, viewer_namespace)]


def _virtual(route: Obj, service: Obj, domain: str) -> Obj:
    own = (namespace_of(service), name_of(service))
    parents = [item for item in dig(route, "spec", "parentRefs", default=[]) if item.get("kind") == "Service"]
    ports = [item.get("port") for item in parents if (str(item.get("namespace") or namespace_of(route)), str(item.get("name"))) == own]
    rules = [(rule, match) for rule in dig(route, "spec", "rules", default=[]) for match in rule.get("matches") or [{}]]
    if kind_key_of(route) in _STREAMS:
        matches = [_port(port) for port in ports]
        made: Obj = {"tcp": [{"match": matches, **_led(route, rule, domain, "closes these connections")} for rule, _matched in rules]}
    else:
        ordered = sorted(rules, key=lambda item: _width(item[1]))
        made = {"http": [_rule(route, rule, match, ports, domain) for rule, match in ordered]}
    return {"apiVersion": route.get("apiVersion"), "kind": route.get("kind"), "metadata": route.get("metadata"),
            "spec": {"hosts": [full_name(*own, domain)], **made}}


def _port(number: Any) -> Obj:
    return {"port": int(number)} if number else {}


def _rule(route: Obj, rule: Obj, match: Obj, ports: list[Any], domain: str) -> Obj:
    redirects = any(item.get("type") == "RequestRedirect" for item in rule.get("filters") or [])
    made: Obj = {"match": [{**_match(match), **_port(number)} for number in ports]}
    return {**made, "redirect": {"uri": "/"}} if redirects else {**made, **_led(route, rule, domain, "answers 500")}


def _led(route: Obj, rule: Obj, domain: str, without: str) -> Obj:
    """Where a rule leads. Backends of weight 0 get nothing, and where no other is left, the sidecar ends it: ``without`` says how."""
    found = [(item, 1 if item.get("weight") is None else item["weight"]) for item in rule.get("backendRefs") or []]
    weighed = [{"destination": _destination(route, item, domain), "weight": weight} for item, weight in found if weight]
    return {"route": weighed} if weighed else {ENDS: f"has no backend with a weight, so the sidecar {without}"}


def _match(match: Obj) -> Obj:
    """A match in a VirtualService's words; a method of gRPC is a path."""
    made: Obj = {}
    path, method = match.get("path") or {}, match.get("method")
    if path and not (path.get("type", "PathPrefix") == "PathPrefix" and path.get("value") in ("/", None)):
        made["uri"] = {_PATHS.get(str(path.get("type") or "PathPrefix"), "regex"): str(path.get("value") or "/")}
    if isinstance(method, dict):
        made["uri"] = _called(str(method.get("service") or ""), str(method.get("method") or ""))
    elif method:
        made["method"] = {"exact": method}
    for field in ("headers", "queryParams"):
        if match.get(field):
            made[field] = match[field]
    return made


def _called(service: str, method: str) -> Obj:
    """A method of gRPC as a path."""
    if not service:
        return {"regex": f"/.*/{method}"}
    return {"exact": f"/{service}/{method}"} if method else {"prefix": f"/{service}/"}


def _width(match: Obj) -> tuple[int, ...]:
    """The order of rules: exact paths, then long ones, then those with a method, headers, parameters."""
    uri = _match(match).get("uri") or {}
    return (
        0 if "exact" in uri else 1, -len(str(next(iter(uri.values()), ""))), 0 if match.get("method") else 1,
        *(-len(found) if isinstance(found := match.get(field), list) else 0 for field in ("headers", "queryParams")),
    )


def _destination(route: Obj, backend: Obj, domain: str) -> Obj:
    """A Service of the route's own namespace; what else may be behind a rule is not known here, and has no name."""
    home = str(backend.get("namespace") or namespace_of(route))
    if backend.get("kind", "Service") != "Service" or home != namespace_of(route):
        return {"host": ""}
    return {"host": full_name(home, str(backend.get("name")), domain), "port": {"number": backend.get("port", 0)}}
