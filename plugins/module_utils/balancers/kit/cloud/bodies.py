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


def resource(
    api_version: str, kind: str, name: str, namespace: str, spec: Obj, annotations: Mapping[str, str] | None = None
) -> Obj:
    """An object that is its metadata and its ``spec``."""
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata(name, namespace, annotations), "spec": spec}


def ingress(request: ChainRequest, class_name: str, annotations: Mapping[str, str], *, tls_secret: str = "", path: str = "/") -> Obj:
    """An Ingress that sends all paths of the hosts (of any host, where there are none) to the gateway.

    It has no ``ingressClassName`` where ``class_name`` is empty.
    """
    port: Obj = {"number": request.gateway.port}
    paths = [{"path": path, "pathType": "Prefix", "backend": {"service": {"name": request.gateway.service, "port": port}}}]
    rules = [{**({"host": host} if host else {}), "http": {"paths": paths}} for host in request.hosts or ("",)]
    spec: Obj = {**({"ingressClassName": class_name} if class_name else {}), "rules": rules}
    if tls_secret:
        spec["tls"] = [{**({"hosts": list(request.hosts)} if request.hosts else {}), "secretName": tls_secret}]
    return resource("networking.k8s.io/v1", "Ingress", request.name, request.gateway.namespace, spec, annotations)


def gateway_with_routes(
    request: ChainRequest, class_name: str, https: Iterable[Obj] = (), annotations: Mapping[str, str] | None = None, **spec: Any
) -> tuple[Obj, ...]:
    """A Gateway in front of the gateway, and the HTTPRoutes that send everything to the gateway's Service.

    ``https`` are its listeners besides the one for HTTP; ``spec`` takes further fields of it, such as ``addresses``. With
    ``https_redirect``, requests in clear are answered with a redirect.
    """
    listeners = [_listener("http", "HTTP", 80), *https]
    gateway_spec = {"gatewayClassName": class_name, "listeners": listeners, **spec}
    backend = {"name": request.gateway.service, "port": request.gateway.port}
    send = {"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": [backend]}
    redirect = {"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}]}
    sections = ["https"] if request.https_redirect else [item["name"] for item in listeners]
    return (
        resource(GATEWAY_API, "Gateway", request.name, request.gateway.namespace, gateway_spec, annotations),
        _route(request, request.name, sections, send),
        *([_route(request, f"{request.name}-redirect", ["http"], redirect)] if request.https_redirect else []),
    )


def https_listener(secret: object = "", options: Obj | None = None) -> Obj:
    """A listener for HTTPS, whose certificate is said here or elsewhere."""
    tls = {**({"certificateRefs": [reference("Secret", secret)]} if secret else {}), **({"options": options} if options else {})}
    return _listener("https", "HTTPS", 443, **({"tls": {"mode": "Terminate", **tls}} if tls else {}))


def reference(kind: str, name: object, **more: str) -> Obj:
    """A reference of the Gateway API to an object of the core group, unless ``more`` names another one."""
    return {"group": "", "kind": kind, "name": str(name), **more}


def _listener(name: str, protocol: str, port: int, **more: Any) -> Obj:
    return {"name": name, "protocol": protocol, "port": port, "allowedRoutes": {"namespaces": {"from": "Same"}}, **more}


def _route(request: ChainRequest, name: str, sections: Iterable[str], rule: Obj) -> Obj:
    parents = [{"name": request.name, "sectionName": section} for section in sections]
    hosts = {"hostnames": list(request.hosts)} if request.hosts else {}
    spec = {"parentRefs": parents, **hosts, "rules": [rule]}
    return resource(GATEWAY_API, "HTTPRoute", name, request.gateway.namespace, spec)
