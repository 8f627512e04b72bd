# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects of a cluster, as small as the control plane and the collection take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.oracle.cluster import TLS_MODE, Obj

PROXY = {"name": "istio-proxy", "image": "istio/proxyv2:1.31.0"}


def namespace(name: str, *, mesh: bool = False, labels: Mapping[str, str] | None = None) -> Obj:
    own = {"kubernetes.io/metadata.name": name, **({"istio-injection": "enabled"} if mesh else {}), **(labels or {})}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": own}}


def status(ip: str, *, ready: bool = True) -> Obj:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": conditions}


def pod(
    home: str, name: str, ip: str, labels: Mapping[str, str], *, sidecar: bool = True, account: str = "default",
    ports: Sequence[tuple[int, str]] = (), notes: Mapping[str, str] | None = None, ready: bool = True,
    container: Obj | None = None, owner: str = "",
) -> Obj:
    """A running pod. ``labels`` may name another tlsMode than a sidecar gives it."""
    app = container or {"name": "app", "image": "app:1", "ports": [{"containerPort": number, "name": called} for number, called in ports]}
    metadata: Obj = {
        "name": name, "namespace": home, "labels": {**({TLS_MODE: "istio"} if sidecar else {}), **labels},
        "annotations": dict(notes or {}), "creationTimestamp": "2024-01-01T00:00:00Z",
    }
    if owner:
        metadata["ownerReferences"] = [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": owner, "controller": True}]
    spec = {"serviceAccountName": account, "containers": [app, *([dict(PROXY)] if sidecar else [])]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status(ip, ready=ready)}


def service(
    home: str, name: str, ports: Sequence[Obj], selector: Mapping[str, str] | None, *, ip: str, created: str,
    notes: Mapping[str, str] | None = None, **more: Any,
) -> Obj:
    """A Service; ``ip`` is ``None`` (as text) for a headless one."""
    spec: Obj = {"ports": list(ports), **more}
    if ip:
        spec.update({"clusterIP": ip, "clusterIPs": [ip]})
    if selector:
        spec["selector"] = dict(selector)
    metadata = {"name": name, "namespace": home, "creationTimestamp": created, "annotations": dict(notes or {})}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def port(number: int, target: int | str, name: str = "", app: str = "") -> Obj:
    """A Service's port."""
    extra = {**({"name": name} if name else {}), **({"appProtocol": app} if app else {})}
    return {"port": number, "targetPort": target, "protocol": "TCP", **extra}


def istio(kind: str, home: str, name: str, spec: Obj, created: str, group: str = "networking") -> Obj:
    metadata = {"name": name, "namespace": home, "creationTimestamp": created}
    return {"apiVersion": f"{group}.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def mesh_settings(text: str, name: str = "istio") -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "istio-system"}, "data": {"mesh": text}}


def ingress(
    home: str, name: str, class_name: str, host: str, path: str, backend: tuple[str, int], created: str, notes: Mapping[str, str]
) -> Obj:
    to = {"service": {"name": backend[0], "port": {"number": backend[1]}}}
    rule: Obj = {"http": {"paths": [{"path": path, "pathType": "Prefix", "backend": to}]}}
    if host:
        rule["host"] = host
    return {
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": name, "namespace": home, "annotations": dict(notes), "creationTimestamp": created},
        "spec": {"ingressClassName": class_name, "rules": [rule]},
    }
