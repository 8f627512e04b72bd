# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load balancers that cannot run on the lab, as objects on its API server: what carries their traffic (without pods), and routes.

Their kinds come from their projects' CustomResourceDefinitions, which are no part of this project: tests/tools/vendor_kinds.py finds them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .cluster import Obj

NAMESPACE = "schemas"  # of the load balancers; their routes are in that of the lab's applications
APPS = "apps"
GROUP = "gateway.networking.k8s.io"


@dataclass(frozen=True)
class Scene:
    """A load balancer and its routes.

    ``folder``: its CustomResourceDefinitions. ``written``: per strategy, what a plan changes of the vendor's objects and routes, as
    kind/name. ``sidecar``: what is labelled for it, as kind/name; empty where none is possible.
    """

    vendor: str
    name: str
    objects: tuple[Obj, ...]
    routes: int
    folder: str = ""
    written: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sidecar: str = ""

    @property
    def place(self) -> dict[str, str]:
        return {"namespace": NAMESPACE, "name": self.name}


def obj(api_version: str, kind: str, name: str, where: str = APPS, annotations: dict[str, str] | None = None, **content: Any) -> Obj:
    """Any object."""
    metadata: Obj = {"name": name, **({"namespace": where} if where else {}), **({"annotations": annotations} if annotations else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}


def deployment(name: str, *containers: Obj, init: tuple[Obj, ...] = (), marks: dict[str, str] | None = None) -> Obj:
    """A Deployment without pods; ``marks`` are labels of those."""
    pod = {"containers": list(containers), **({"initContainers": list(init)} if init else {})}
    template = {"metadata": {"labels": {"app": name, **(marks or {})}}, "spec": pod}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": template}
    return obj("apps/v1", "Deployment", name, NAMESPACE, spec=spec)


def container(image: str, *args: str, command: tuple[str, ...] = (), env: tuple[str, ...] = (), name: str = "main") -> Obj:
    """A container that is never started."""
    made: Obj = {"name": name, "image": image, "args": list(args), "command": list(command)}
    return {**made, "env": [{"name": item, "value": "x"} for item in env]}


def ingress_class(name: str, controller: str, **spec: Any) -> Obj:
    """An IngressClass."""
    return obj("networking.k8s.io/v1", "IngressClass", name, "", spec={"controller": controller, **spec})


def ingress(name: str, class_name: str, service: str = "echo-http", annotations: dict[str, str] | None = None) -> Obj:
    """An Ingress to one of the lab's applications."""
    backend = {"service": {"name": service, "port": {"number": 80}}}
    rule = {"host": host(name), "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    return obj("networking.k8s.io/v1", "Ingress", name, annotations=annotations, spec={"ingressClassName": class_name, "rules": [rule]})


def gateway(class_name: str, controller: str, name: str = "schemas", **spec: Any) -> tuple[Obj, Obj]:
    """A Gateway and its class."""
    everybody = {"namespaces": {"from": "All"}}
    listeners = [{"name": "web", "port": 80, "protocol": "HTTP", "allowedRoutes": everybody}]
    return (
        obj(f"{GROUP}/v1", "GatewayClass", class_name, "", spec={"controllerName": controller}),
        obj(f"{GROUP}/v1", "Gateway", name, NAMESPACE, spec={"gatewayClassName": class_name, "listeners": listeners, **spec}),
    )


def http_route(name: str, parent: str = "schemas", service: str = "echo-http") -> Obj:
    """An HTTPRoute to one of the lab's applications."""
    rule = {"backendRefs": [{"name": service, "port": 80}]}
    spec = {"parentRefs": [{"name": parent, "namespace": NAMESPACE}], "hostnames": [host(name)], "rules": [rule]}
    return obj(f"{GROUP}/v1", "HTTPRoute", name, spec=spec)


def host(name: str) -> str:
    """The host of a route."""
    return f"{name}.schemas.example.test"
