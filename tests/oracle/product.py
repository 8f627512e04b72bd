# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection's side of the comparison: what it says of a cluster, and which calls its load balancers make.

This file and ``proof.py`` are the only ones here that use the collection's code. How a load balancer dials is read by the collection,
because it is a matter of the load balancer's settings and not of Istio; what becomes of that call is not.
"""

from __future__ import annotations

import copy
import json
import tempfile
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.meshlb.istio.plugins.module_utils.apply.writer import operations
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import REGISTRY
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Change, LoadBalancer, Route
from ansible_collections.meshlb.istio.plugins.module_utils.detect.inventory import beside_each_other
from ansible_collections.meshlb.istio.plugins.module_utils.detect.load_balancers import detect
from ansible_collections.meshlb.istio.plugins.module_utils.detect.routes import read_routes
from ansible_collections.meshlb.istio.plugins.module_utils.istio.network import seen_address
from ansible_collections.meshlb.istio.plugins.module_utils.kube.manifests import read_manifests
from ansible_collections.meshlb.istio.plugins.module_utils.kube.pods import workload_pods
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.routing import routing_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.routing import run_routing

from . import cluster
from .cluster import Obj

Key = tuple[str, ...]
Call = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A route as its load balancer serves it. ``client`` is one of the load balancer's pods; ``why`` says why there is nothing to ask."""

    key: Key
    client: Obj | None = None
    calls: tuple[Call, ...] = ()
    below: tuple[Call, ...] = ()
    """The same calls for paths of this route that rules of the mesh name, and no narrower route takes, and with headers that they name."""
    backend: tuple[str, ...] = ()
    own_name: str = ""
    why: str = ""

    @property
    def title(self) -> str:
        balancer, object_, host, path, backend = self.key
        return f"{object_} of {balancer}: {host or '*'}{path} -> {backend}"


@dataclass(frozen=True)
class Said:
    """What service_routing returns in check mode: for each route the verdicts; ``error`` where it refuses, ``crash`` where it breaks."""

    routes: dict[Key, list[dict[str, Any]]] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    error: str = ""
    crash: str = ""


def said(objects: Sequence[Obj], **options: Any) -> Said:
    """Run service_routing on manifests, in this process and in check mode. What breaks is told in ``crash``."""
    with _written(objects) as path:
        given = {"manifests": [path], "strategy": "auto", "preserve_host": True, "strict_exemption": False, "state": "present", **options}
        try:
            result = run_routing(routing_options(given, check_mode=True))
        except MeshlbError as error:
            return Said(error=str(error))
        except Exception:  # whatever a module would end with
            return Said(error="it breaks", crash=traceback.format_exc())
    routes: dict[Key, list[dict[str, Any]]] = {}
    for item in (plan.to_result() for plan in result.routes):
        about, backend = item["object"], item["backend"]
        object_ = f"{about['kind']} {about['namespace']}/{about['name']}"
        behind = f"{backend['namespace']}/{backend['service']}:{backend['port']}"
        routes.setdefault((item["load_balancer"], object_, item["host"], item["path"], behind), []).append(item)
    return Said(routes, tuple(result.changes))


def applied(objects: Sequence[Obj], changes: Iterable[Change], created: str = "2025-01-01T00:00:00Z") -> list[Obj]:
    """The objects after these changes, as an API server would make them; what is new is ``created`` then."""
    found = {_key(item): item for item in objects}
    for change in changes:
        about = change.object
        key = (about.api_version.rpartition("/")[0], about.kind, about.namespace, about.name)
        if change.action == "create":
            body = copy.deepcopy(dict(change.body or {}))
            body["metadata"].setdefault("creationTimestamp", created)
            found[key] = body
        elif change.action == "delete":
            del found[key]
        else:
            found[key] = patched(found[key], operations(change))
    return list(found.values())


def _key(item: Obj) -> Key:
    metadata = item["metadata"]
    return str(item["apiVersion"]).rpartition("/")[0], str(item["kind"]), str(metadata.get("namespace", "")), str(metadata["name"])


def patched(item: Obj, steps: Iterable[dict[str, Any]]) -> Obj:
    """A JSON Patch of the three words that the collection uses."""
    made = copy.deepcopy(item)
    for step in steps:
        *way, last = (part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:])
        node: Any = made
        for part in way:
            node = node[int(part) if isinstance(node, list) else part]
        place: Any = int(last) if isinstance(node, list) else last
        if step["op"] == "remove":
            del node[place]
        else:
            node[place] = copy.deepcopy(step["value"])
    return made


def snapshot(objects: Sequence[Obj]) -> Snapshot:
    """The objects as the collection reads them."""
    with _written(objects) as path:
        return read_manifests([path])


def asked(objects: Sequence[Obj]) -> list[Asked]:
    """Every route of a completed cluster, each with the calls that its load balancer makes. Empty where the collection refuses."""
    try:
        read = snapshot(objects)
        load_balancers = detect(read, REGISTRY)[0]
        routes = beside_each_other(read_routes(read, REGISTRY, load_balancers)[0])
    except MeshlbError:
        return []
    by_key, named = {item.key: item for item in load_balancers}, _named_by_rules(objects)
    return [_asked(read, objects, named, by_key[route.load_balancer], route) for route in routes]


class _written:
    """Objects as a file that a module can read; JSON, which is read faster than YAML."""

    def __init__(self, objects: Sequence[Obj]) -> None:
        self.objects = objects

    def __enter__(self) -> str:
        self.folder = tempfile.TemporaryDirectory(prefix="meshlb-oracle-")
        path = Path(self.folder.name) / "objects.json"
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(self.objects)}))
        return str(path)

    def __exit__(self, *_unused: object) -> None:
        self.folder.cleanup()


def _asked(read: Snapshot, objects: Sequence[Obj], named: _Named, load_balancer: LoadBalancer, route: Route) -> Asked:
    backend = route.backend
    key = (
        route.load_balancer_name, f"{route.object.kind} {route.object.namespace}/{route.object.name}", route.host, route.path,
        f"{backend.namespace}/{backend.service}:{backend.port}",
    )
    own_name = f"{backend.service}.{backend.namespace}.svc.cluster.local"
    client = _client(read, load_balancer)
    if client is None:
        return Asked(key, why="the load balancer has no pod here")
    service = _named(objects, backend.namespace, backend.service)
    ports = [item for item in ((service or {}).get("spec") or {}).get("ports") or [] if item.get("port") == backend.port]
    if service is None or not ports:
        return Asked(key, client, why="there is no such Service port")
    meant = _behind_alias(objects, service)
    entries = [item for item in meant["spec"].get("ports") or [] if item.get("port") == backend.port]
    found = cluster.service_endpoints(objects, cluster.namespace(meant), cluster.name(meant), entries[0]) if entries else []
    if not found:
        return Asked(key, client, why="no pod is ready behind the Service")
    address = seen_address(read, route.upstream.address)
    vip = str(meant["spec"].get("clusterIP") or "None")
    if (address == "external" and meant is service) or route.upstream.scheme == "mutual_tls":
        return Asked(key, client, why="the load balancer leaves the cluster, or speaks mutual TLS itself")
    dialed = [(vip, int(backend.port))] if (address in ("cluster_ip", "host_name") or meant is not service) and vip != "None" else found
    calls = tuple(_call(route, number, ip, port) for number, (ip, port) in enumerate(dialed))
    others: list[Call] = [{"path": path} for path in _paths_below(named, route)]
    others += [{"headers": headers} for headers in named.headers]
    below = tuple({**call, **one} for one in others for call in calls)
    return Asked(key, client, calls, below, tuple(sorted({ip for ip, _port in found})), own_name)


@dataclass(frozen=True)
class _Named:
    """What rules of the mesh name: paths, and the sets of headers that a rule of a VirtualService asks for."""

    paths: frozenset[str]
    headers: tuple[dict[str, str], ...]


def _named_by_rules(objects: Sequence[Obj]) -> _Named:
    rules = [rule for item in cluster.of_kind(objects, "VirtualService") for rule in item["spec"].get("http") or []]
    matches = [match for rule in rules for match in rule.get("match") or []]
    paths = {text for match in matches for text in (match.get("uri") or {}).values()}
    routes = [rule for item in cluster.of_kind(objects, "HTTPRoute") for rule in item["spec"].get("rules") or []]
    paths |= {match["path"]["value"] for rule in routes for match in rule.get("matches") or [] if match.get("path")}
    asked = [match["headers"] for match in matches if match.get("headers")]
    headers = {tuple((name, wanted["exact"]) for name, wanted in one.items() if "exact" in wanted) for one in asked}
    return _Named(frozenset(paths), tuple(dict(pairs) for pairs in sorted(headers) if pairs))


def _paths_below(named: _Named, route: Route) -> list[str]:
    if route.path_type == "Exact" or route.rewrites_path:
        return []
    own = {route.path, f"{route.path.rstrip('/')}/"}
    narrower = [other for other, _type in route.beside]
    below = (path for path in named.paths - own if _is_below(path, route.path))
    return sorted(path for path in below if not any(_is_below(path, other) for other in narrower))


def _is_below(path: str, other: str) -> bool:
    return f"{path.rstrip('/')}/".startswith(f"{other.rstrip('/')}/")


def _named(objects: Sequence[Obj], home: str, called: str) -> Obj | None:
    return next((item for item in cluster.of_kind(objects, "Service") if _is(item, home, called)), None)


def _behind_alias(objects: Sequence[Obj], service: Obj) -> Obj:
    """The Service that an ExternalName names, where it is one of this cluster: a load balancer dials its address."""
    called, _dot, rest = str(service["spec"].get("externalName") or "").partition(".")
    home, _dot, suffix = rest.partition(".")
    return (_named(objects, home, called) if suffix == "svc.cluster.local" else None) or service


def _is(item: Obj, home: str, called: str) -> bool:
    return str(item.get("apiVersion")) == "v1" and cluster.namespace(item) == home and cluster.name(item) == called


def _client(read: Snapshot, load_balancer: LoadBalancer) -> Obj | None:
    workload = read.at(load_balancer.workload)
    pods = workload_pods(read, workload) if workload else []
    return dict(pods[0]) if pods else None


def _call(route: Route, number: int, ip: str, port: int) -> Call:
    host = route.upstream.host or (route.host.replace("*", "any", 1) if route.host else "any.invalid")
    return {
        "name": f"call {number}", "address": ip, "port": port, "host": host.lower(),
        "path": route.path if route.path.startswith("/") else "/",
        "protocol": "tcp" if route.upstream.scheme == "tcp" else "http", "tls": "tls" if route.upstream.scheme == "tls" else "plaintext",
    }
