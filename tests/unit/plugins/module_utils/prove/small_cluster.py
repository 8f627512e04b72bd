# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small cluster for tests of the proof: one load balancer with two pods, and backends."""

from __future__ import annotations

from typing import Any

from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Backend, LoadBalancer, ObjectRef, Route, Upstream
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

VIP = "10.96.0.5"
WORKLOAD = ObjectRef("apps/v1", "Deployment", "lb", "nginx")
LB = LoadBalancer("nginx", "lb", "some", "Some", workload=WORKLOAD)
INGRESS = ObjectRef("networking.k8s.io/v1", "Ingress", "apps", "shop")


def pod(namespace: str, name: str, ip: str, labels: dict[str, str], *, sidecar: bool = True, **status: Any) -> dict[str, Any]:
    owner = name.rpartition("-")[0]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": namespace,
            "name": name,
            "labels": labels,
            "ownerReferences": [{"controller": True, "kind": "ReplicaSet", "name": owner, "uid": owner}],
        },
        "spec": {
            "containers": [{"name": "app"}, *([{"name": "istio-proxy"}] if sidecar else [])],
            "serviceAccountName": "echo",
        },
        "status": {"phase": "Running", "podIP": ip, **status},
    }


def service(name: str, ip: str, port: dict[str, Any], selector: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": "apps", "name": name},
        "spec": {"clusterIP": ip, "ports": [port], "selector": selector or {"app": "echo"}, **spec},
    }


def deployment() -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": "lb", "name": "nginx"},
        "spec": {"selector": {"matchLabels": {"app": "nginx"}}, "template": {"metadata": {"labels": {"app": "nginx"}}}},
    }


def snapshot(*more: dict[str, Any], sidecars: bool = True) -> Snapshot:
    ready = [{"type": "Ready", "status": "True"}]
    return Snapshot(
        [
            deployment(),
            pod("lb", "nginx-rs-1", "10.1.1.1", {"app": "nginx"}, sidecar=sidecars),
            pod("lb", "nginx-rs-2", "10.1.1.2", {"app": "nginx"}, sidecar=sidecars),
            pod("apps", "echo-rs-1", "10.1.0.1", {"app": "echo"}, conditions=ready),
            pod("apps", "echo-rs-2", "10.1.0.2", {"app": "echo"}, conditions=ready),
            service("echo", VIP, {"name": "http", "port": 80, "targetPort": 8080}),
            *more,
        ]
    )


def route(host: str = "shop.example.com", path: str = "/", address: Any = "cluster_ip", **more: Any) -> Route:
    upstream = Upstream(address, more.pop("sent_host", ""), more.pop("scheme", "http"))
    backend = more.pop("backend", Backend("apps", "echo", 80, "http", "http"))
    return Route(LB.key, INGRESS, host, path, backend, upstream, **more)
