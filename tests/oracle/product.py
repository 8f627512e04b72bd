# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection's side of the comparison: what it says of a cluster, and which calls its load balancers make.

This is the one file here that uses the collection's code. How a load balancer dials is read by the collection, because it is a matter of
the load balancer's settings and not of Istio; what becomes of that call is not.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import REGISTRY
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import LoadBalancer, Route
from ansible_collections.meshlb.istio.plugins.module_utils.detect.load_balancers import detect
from ansible_collections.meshlb.istio.plugins.module_utils.detect.routes import read_routes
from ansible_collections.meshlb.istio.plugins.module_utils.istio.network import seen_address
from ansible_collections.meshlb.istio.plugins.module_utils.kube.manifests import read_manifests
from ansible_collections.meshlb.istio.plugins.module_utils.kube.pods import workload_pods
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.tools.record_behaviour import call as run_module

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
    backend: tuple[str, ...] = ()
    own_name: str = ""
    why: str = ""

    @property
    def title(self) -> str:
        balancer, object_, host, path, backend = self.key
        return f"{object_} of {balancer}: {host or '*'}{path} -> {backend}"


@dataclass(frozen=True)
class Said:
    """What service_routing returns in check mode: for each route the verdicts; ``error`` where it refuses."""

    routes: dict[Key, list[dict[str, Any]]] = field(default_factory=dict)
    changes: tuple[dict[str, Any], ...] = ()
    error: str = ""


def said(objects: Sequence[Obj], **options: Any) -> Said:
    """Run service_routing on manifests, in this process and in check mode."""
    with _written(objects) as path:
        found = run_module("service_routing", {"manifests": [path], "_ansible_check_mode": True, "_ansible_diff": True, **options})
    if "routes" not in found:
        return Said(error=str(found.get("msg") or found))
    routes: dict[Key, list[dict[str, Any]]] = {}
    for item in found["routes"]:
        about, backend = item["object"], item["backend"]
        object_ = f"{about['kind']} {about['namespace']}/{about['name']}"
        behind = f"{backend['namespace']}/{backend['service']}:{backend['port']}"
        routes.setdefault((item["load_balancer"], object_, item["host"], item["path"], behind), []).append(item)
    return Said(routes, tuple(found["changes"]))


def asked(objects: Sequence[Obj]) -> list[Asked]:
    """Every route of a completed cluster, each with the calls that its load balancer makes. Empty where the collection refuses."""
    with _written(objects) as path:
        try:
            snapshot = read_manifests([path])
            load_balancers = detect(snapshot, REGISTRY)[0]
            routes = read_routes(snapshot, REGISTRY, load_balancers)[0]
        except MeshlbError:
            return []
    by_key = {item.key: item for item in load_balancers}
    return [_asked(snapshot, objects, by_key[route.load_balancer], route) for route in routes]


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


def _asked(snapshot: Snapshot, objects: Sequence[Obj], load_balancer: LoadBalancer, route: Route) -> Asked:
    backend = route.backend
    key = (
        route.load_balancer_name, f"{route.object.kind} {route.object.namespace}/{route.object.name}", route.host, route.path,
        f"{backend.namespace}/{backend.service}:{backend.port}",
    )
    own_name = f"{backend.service}.{backend.namespace}.svc.cluster.local"
    client = _client(snapshot, load_balancer)
    if client is None:
        return Asked(key, why="the load balancer has no pod here")
    service = next((item for item in cluster.of_kind(objects, "Service") if _is(item, backend.namespace, backend.service)), None)
    ports = [item for item in ((service or {}).get("spec") or {}).get("ports") or [] if item.get("port") == backend.port]
    if service is None or not ports:
        return Asked(key, client, why="there is no such Service port")
    found = cluster.service_endpoints(objects, backend.namespace, backend.service, ports[0])
    if not found:
        return Asked(key, client, why="no pod is ready behind the Service")
    address = seen_address(snapshot, route.upstream.address)
    vip = str(service["spec"].get("clusterIP") or "None")
    if address == "external" or route.upstream.scheme == "mutual_tls":
        return Asked(key, client, why="the load balancer leaves the cluster, or speaks mutual TLS itself")
    dialed = [(vip, int(backend.port))] if address in ("cluster_ip", "host_name") and vip != "None" else found
    calls = tuple(_call(route, number, ip, port) for number, (ip, port) in enumerate(dialed))
    return Asked(key, client, calls, tuple(sorted({ip for ip, _port in found})), own_name)


def _is(item: Obj, home: str, called: str) -> bool:
    return str(item.get("apiVersion")) == "v1" and cluster.namespace(item) == home and cluster.name(item) == called


def _client(snapshot: Snapshot, load_balancer: LoadBalancer) -> Obj | None:
    workload = snapshot.at(load_balancer.workload)
    pods = workload_pods(snapshot, workload) if workload else []
    return dict(pods[0]) if pods else None


def _call(route: Route, number: int, ip: str, port: int) -> Call:
    host = route.upstream.host or (route.host.replace("*", "any", 1) if route.host else "any.invalid")
    return {
        "name": f"call {number}", "address": ip, "port": port, "host": host.lower(),
        "path": route.path if route.path.startswith("/") else "/",
        "protocol": "tcp" if route.upstream.scheme == "tcp" else "http", "tls": "tls" if route.upstream.scheme == "tls" else "plaintext",
    }


def case_of(objects: Sequence[Obj], item: Asked) -> dict[str, Any]:
    """The question to Istio about a route."""
    client = item.client or {}
    spec = client.get("spec", {})
    ends = [{"ip": ip, "port": port} for call in item.calls for ip, port in cluster.behind(objects, call["address"], call["port"])]
    return {
        "id": item.title, "objects": list(_seen(objects)), "mesh": cluster.mesh_settings(objects),
        "calls": list(item.calls), "inbound": ends,
        "client": {
            "namespace": cluster.namespace(client), "name": cluster.name(client), "ip": cluster.address(client), "kind": "sidecar",
            "labels": cluster.labels(client), "service_account": spec.get("serviceAccountName") or "default",
        },
    }


def _seen(objects: Sequence[Obj]) -> Iterator[Obj]:
    """What Istio's control plane reads: of the rest, some kinds are of versions that its client no longer knows."""
    groups = ("", "istio.io", "gateway.networking.k8s.io", "discovery.k8s.io")
    for item in objects:
        group = str(item.get("apiVersion", "")).rpartition("/")[0]
        if any(group == known or (known and group.endswith("." + known)) for known in groups):
            yield item
