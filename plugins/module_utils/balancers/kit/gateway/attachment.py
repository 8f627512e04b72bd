# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Gateways of the Gateway API take a route, and for which hosts; and which references across namespaces are allowed.

Source: kubernetes-sigs/gateway-api apis/v1 (ParentReference, AllowedRoutes, HTTPRouteSpec.hostnames) and apis/v1beta1
(ReferenceGrant).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ....core.model import Scheme
from ....kube import kinds
from ....kube.objects import Obj, dig, kind_key, name_of, namespace_of
from ....kube.selectors import object_selector

GROUP = "gateway.networking.k8s.io"
GATEWAY_CLASS = f"GatewayClass.{GROUP}"
GATEWAY = f"Gateway.{GROUP}"
HTTP_ROUTE = kinds.HTTP_ROUTE
GRPC_ROUTE = kinds.GRPC_ROUTE
TCP_ROUTE = kinds.TCP_ROUTE
TLS_ROUTE = kinds.TLS_ROUTE
REFERENCE_GRANT = f"ReferenceGrant.{GROUP}"
BACKEND_TLS_POLICY = f"BackendTLSPolicy.{GROUP}"
ROUTE_KINDS = (HTTP_ROUTE, GRPC_ROUTE, TCP_ROUTE, TLS_ROUTE)
KINDS = (GATEWAY_CLASS, GATEWAY, *ROUTE_KINDS, REFERENCE_GRANT, BACKEND_TLS_POLICY)
"""What a profile that reads Gateway API routes names in its ``kinds``."""

_DEFAULT_KINDS = {
    "HTTP": frozenset({"HTTPRoute", "GRPCRoute"}), "HTTPS": frozenset({"HTTPRoute", "GRPCRoute"}),
    "TLS": frozenset({"TLSRoute", "TCPRoute"}), "TCP": frozenset({"TCPRoute"}),
}
_WITHOUT_HOSTS = frozenset({"TCPRoute"})

Gateways = Mapping[tuple[str, str], Obj]


@dataclass(frozen=True)
class Attachment:
    """A Gateway's listener that takes a route: for these hosts (one empty host for any), on this port."""

    gateway: Obj
    port: int
    hosts: tuple[str, ...]
    scheme: Scheme


def gateways_of(listed: Callable[[str], Iterable[Obj]], controllers: Collection[str]) -> dict[tuple[str, str], Obj]:
    """Gateways by namespace and name whose GatewayClass has one of these controller names; ``listed`` gives all objects of a kind."""
    classes = {
        name_of(item) for item in listed(GATEWAY_CLASS) if dig(item, "spec", "controllerName") in controllers
    }
    return {
        (namespace_of(item), name_of(item)): item
        for item in listed(GATEWAY) if dig(item, "spec", "gatewayClassName") in classes
    }


def attachments(route: Obj, labels: Mapping[str, str], gateways: Gateways) -> Iterator[Attachment]:
    """Every listener of these Gateways that takes a route, whose namespace has these labels."""
    for parent in dig(route, "spec", "parentRefs", default=[]):
        if (parent.get("group", GROUP), parent.get("kind", "Gateway")) != (GROUP, "Gateway"):
            continue
        gateway = gateways.get((str(parent.get("namespace") or namespace_of(route)), str(parent.get("name", ""))))
        for listener in dig(gateway, "spec", "listeners", default=[]):
            if _names(parent, listener) and _allows(gateway or {}, listener, route, labels):
                hosts = tuple(_hosts(listener, route))
                if hosts:
                    yield Attachment(gateway or {}, int(listener.get("port", 0)), hosts, _scheme(listener, route))


def _names(parent: Obj, listener: Obj) -> bool:
    section, port = parent.get("sectionName"), parent.get("port")
    return section in (None, "", listener.get("name")) and port in (None, listener.get("port"))


def _allows(gateway: Obj, listener: Obj, route: Obj, labels: Mapping[str, str]) -> bool:
    """Whether a listener takes routes of this kind (by its own list, else by its protocol) from this namespace."""
    listed = dig(listener, "allowedRoutes", "kinds", default=[])
    named = frozenset(item.get("kind") for item in listed if item.get("group", GROUP) == GROUP)
    if route["kind"] not in (named if listed else _DEFAULT_KINDS.get(str(listener.get("protocol")), frozenset())):
        return False
    source = str(dig(listener, "allowedRoutes", "namespaces", "from", default="Same"))
    if source == "Selector":
        selector = dig(listener, "allowedRoutes", "namespaces", "selector")
        return object_selector(selector).matches({"kubernetes.io/metadata.name": namespace_of(route), **labels})
    return source == "All" or (source == "Same" and namespace_of(route) == namespace_of(gateway))


def _scheme(listener: Obj, route: Obj) -> Scheme:
    if route["kind"] in ("HTTPRoute", "GRPCRoute"):
        return "http"
    # A listener that ends TLS, which is the default, sends what was inside.
    return "tls" if dig(listener, "tls", "mode", default="Terminate") == "Passthrough" else "tcp"


def _hosts(listener: Obj, route: Obj) -> Iterator[str]:
    """Hosts that a route and a listener have in common; the narrower of two that cover one another."""
    own = str(listener.get("hostname") or "").lower()
    listed = [] if route["kind"] in _WITHOUT_HOSTS else [str(item).lower() for item in dig(route, "spec", "hostnames", default=[])]
    if route["kind"] in _WITHOUT_HOSTS:
        yield ""
        return
    if not listed:
        yield own
    for host in dict.fromkeys(listed):
        if not own or _covers(own, host):
            yield host
        elif _covers(host, own):
            yield own


def _covers(pattern: str, host: str) -> bool:
    """Whether a host or wildcard (``*.example.com``, any depth) takes in another; ``*.example.com`` is not in ``example.com``."""
    return pattern == host or (pattern.startswith("*.") and host.endswith(pattern[1:]) and host != pattern[1:])


def granted(route: Obj, namespace: str, service: str, grants: Callable[[str], Iterable[Obj]]) -> bool:
    """Whether a route may name a Service: one of its own namespace, or one to which a ReferenceGrant there gives access.

    ``grants`` gives the ReferenceGrants of a namespace.
    """
    return namespace == namespace_of(route) or any(_grants(item, route, service) for item in grants(namespace))


def _grants(grant: Obj, route: Obj, service: str) -> bool:
    group = kind_key(str(route["apiVersion"]), "").lstrip(".")
    allowed = any(
        (item.get("group"), item.get("kind"), item.get("namespace")) == (group, route["kind"], namespace_of(route))
        for item in dig(grant, "spec", "from", default=[])
    )
    return allowed and any(
        (item.get("group", ""), item.get("kind")) == ("", "Service") and item.get("name") in (None, "", service)
        for item in dig(grant, "spec", "to", default=[])
    )
