# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small Gateway API objects for tests of every vendor that serves them. Gateways live in ``edge``, routes in ``apps``."""

from __future__ import annotations

from typing import Any

from tests.unit.plugins.module_utils.support.cluster import APPS, EDGE, PUBLIC, Obj, obj

GROUP = "gateway.networking.k8s.io"
VERSIONS = {"TCPRoute": "v1alpha2", "TLSRoute": "v1alpha3", "ReferenceGrant": "v1beta1"}
ALL = {"namespaces": {"from": "All"}}


def gateway_class(controller: str, name: str = "gw") -> Obj:
    return obj(f"{GROUP}/v1", "GatewayClass", "", name, spec={"controllerName": controller})


def listener(name: str = "web", protocol: str = "HTTP", port: int = 80, hostname: str = "", **more: Any) -> Obj:
    made: Obj = {"name": name, "protocol": protocol, "port": port, "allowedRoutes": ALL, **more}
    return {**made, **({"hostname": hostname} if hostname else {})}


def gateway(*listeners: Obj, name: str = "gw", where: str = EDGE, class_name: str = "gw", **more: Any) -> Obj:
    spec = {"gatewayClassName": class_name, "listeners": list(listeners) or [listener()], **more}
    return obj(f"{GROUP}/v1", "Gateway", where, name, spec=spec)


def to_service(name: str, port: int = 80, **more: Any) -> Obj:
    """A backendRef (``weight``, ``namespace``, ``filters`` and so on as keywords)."""
    return {"name": name, "port": port, **more}


def rule(*backends: Obj, path: str = "", kind: str = "PathPrefix", **more: Any) -> Obj:
    made: Obj = {"backendRefs": list(backends)} if backends else {}
    if path:
        made["matches"] = [{"path": {"type": kind, "value": path}}]
    return {**made, **more}


def route(
    name: str, *rules: Obj, kind: str = "HTTPRoute", hosts: tuple[str, ...] = (PUBLIC,), where: str = APPS,
    parents: list[Obj] | None = None, annotations: Obj | None = None,
) -> Obj:
    spec: Obj = {"parentRefs": [{"name": "gw", "namespace": EDGE}] if parents is None else parents, "rules": list(rules)}
    if hosts and kind != "TCPRoute":
        spec["hostnames"] = list(hosts)
    return obj(f"{GROUP}/{VERSIONS.get(kind, 'v1')}", kind, where, name, annotations=annotations, spec=spec)


def rewrite(host: str = "", **more: Any) -> Obj:
    return {"type": "URLRewrite", "urlRewrite": {**({"hostname": host} if host else {}), **more}}


def grant(where: str, source: str = APPS, kind: str = "HTTPRoute", service: str = "") -> Obj:
    allowed: Obj = {"group": "", "kind": "Service", **({"name": service} if service else {})}
    spec = {"from": [{"group": GROUP, "kind": kind, "namespace": source}], "to": [allowed]}
    return obj(f"{GROUP}/v1beta1", "ReferenceGrant", where, "grant", spec=spec)
