# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects for tests: applications that echo, Services before them, Ingresses, policies."""

from __future__ import annotations

from typing import Any

from .cluster import Obj


def namespace(name: str, **labels: str) -> Obj:
    """A namespace; its pods get sidecars."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"istio-injection": "enabled", **labels}}}


def echo(where: str, name: str, image: str, ports: list[int], *, sidecar: bool = True, group: str = "") -> list[Obj]:
    """An application with an account of its own that answers on these ports; ``group`` is a label that several may share."""
    labels = {"app": name, "group": group or name, "sidecar.istio.io/inject": str(sidecar).lower()}
    container = {
        "name": "echo", "image": image, "imagePullPolicy": "IfNotPresent", "args": [str(port) for port in ports],
        "env": [{"name": "APP", "value": name}, {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "ports": [{"containerPort": port} for port in ports],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": ports[0]}, "periodSeconds": 2},
        "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}},
    }  # fmt: skip
    pod = {"serviceAccountName": name, "terminationGracePeriodSeconds": 1, "containers": [container]}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": where}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": where}, "spec": spec},
    ]


def service(where: str, name: str, selector: dict[str, str], ports: list[Obj], **spec: Any) -> Obj:
    """A Service; ``headless=True`` for one without an address."""
    body: Obj = {"selector": selector, "ports": ports}
    if spec.pop("headless", False):
        body["clusterIP"] = "None"
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": where}, "spec": {**body, **spec}}


def port(number: int, target: int, name: str = "") -> Obj:
    """A Service port; without a name it declares no protocol."""
    return {"port": number, "targetPort": target, **({"name": name} if name else {})}


def ingress(
    where: str, name: str, host: str, backend: tuple[str, int | str], *, path: str = "/", annotations: dict[str, str] | None = None,
    ingress_class: str = "nginx",
) -> Obj:
    """An Ingress with one route."""
    service_name, number = backend
    reference = {"number": number} if isinstance(number, int) else {"name": number}
    rule: Obj = {
        "http": {"paths": [{"path": path, "pathType": "Prefix", "backend": {"service": {"name": service_name, "port": reference}}}]}
    }
    if host:
        rule["host"] = host
    return {
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": name, "namespace": where, "annotations": annotations or {}},
        "spec": {"ingressClassName": ingress_class, "rules": [rule]},
    }  # fmt: skip


def peer_authentication(mode: str, where: str = "istio-system", name: str = "default") -> Obj:
    """A policy for a whole namespace; in the root namespace for the whole mesh."""
    return {
        "apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
        "metadata": {"name": name, "namespace": where}, "spec": {"mtls": {"mode": mode}},
    }  # fmt: skip
