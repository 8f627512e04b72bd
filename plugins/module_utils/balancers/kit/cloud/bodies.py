# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects that many load balancers take alike: an Ingress, and a Gateway of the Gateway API with its HTTPRoutes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ....kube.objects import Obj
from ...contract.chain import ChainRequest

GATEWAY_API = "gateway.networking.k8s.io/v1"


def metadata(name: str, namespace: str, annotations: Mapping[str, str] | None = None) -> Obj:
    """Metadata with annotations only where there are some."""
    return {"name": name, "namespace": namespace, **({"annotations": dict(annotations)} if annotations else {})}


def ingress(request: ChainRequest, class_name: str, annotations: Mapping[str, str], *, tls_secret: str = "", path: str = "/") -> Obj:
    """An Ingress that leads all paths of the hosts (of any host, where there are none) to the gateway.

    It has no ``ingressClassName`` where ``class_name`` is empty.
    """
    port: Obj = {"number": request.gateway.port}
    paths = [{"path": path, "pathType": "Prefix", "backend": {"service": {"name": request.gateway.service, "port": port}}}]
    rules = [{**({"host": host} if host else {}), "http": {"paths": paths}} for host in request.hosts or ("",)]
    spec: Obj = {**({"ingressClassName": class_name} if class_name else {}), "rules": rules}
    if tls_secret:
        spec["tls"] = [{**({"hosts": list(request.hosts)} if request.hosts else {}), "secretName": tls_secret}]
    return {
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": metadata(request.name, request.gateway.namespace, annotations), "spec": spec,
    }


def gateway(
    request: ChainRequest, class_name: str, listeners: Iterable[Obj], annotations: Mapping[str, str] | None = None, **spec: Any
) -> Obj:
    """A Gateway in front of the gateway; ``spec`` takes further fields, such as ``addresses``."""
    return {
        "apiVersion": GATEWAY_API, "kind": "Gateway", "metadata": metadata(request.name, request.gateway.namespace, annotations),
        "spec": {"gatewayClassName": class_name, "listeners": list(listeners), **spec},
    }


def listener(name: str, protocol: str, port: int, **more: Any) -> Obj:
    """A listener that takes routes of its own namespace."""
    return {"name": name, "protocol": protocol, "port": port, "allowedRoutes": {"namespaces": {"from": "Same"}}, **more}


def http_route(request: ChainRequest, sections: Iterable[str], name: str = "") -> Obj:
    """An HTTPRoute on listeners of :func:`gateway` that leads everything to the gateway's Service."""
    backend = {"name": request.gateway.service, "port": request.gateway.port}
    rule = {"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": [backend]}
    return _route(request, name or request.name, sections, rule)


def redirect_route(request: ChainRequest, section: str) -> Obj:
    """An HTTPRoute that answers everything on one listener with a redirect to HTTPS."""
    rule = {"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}]}
    return _route(request, f"{request.name}-redirect", [section], rule)


def _route(request: ChainRequest, name: str, sections: Iterable[str], rule: Obj) -> Obj:
    parents = [{"name": request.name, "sectionName": section} for section in sections]
    hosts = {"hostnames": list(request.hosts)} if request.hosts else {}
    return {
        "apiVersion": GATEWAY_API, "kind": "HTTPRoute", "metadata": metadata(name, request.gateway.namespace),
        "spec": {"parentRefs": parents, **hosts, "rules": [rule]},
    }
