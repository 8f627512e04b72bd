# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Contour's routes: Ingresses, the Gateway API, and its HTTPProxies, which are roots with a host and those that they include.

Source: projectcontour/contour apis/projectcontour/v1/httpproxy.go, internal/dag/policy.go (Host among the request headers) and
internal/gatewayapi/listeners.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from ...core.model import LoadBalancer, ObjectRef, Scheme, Upstream
from ...kube.objects import Obj, annotations_of, dig, name_of, namespace_of, ref_of
from ...kube.snapshot import Snapshot
from ..contract.routes import RouteReader, RouteReading
from ..kit.declared import DeclaredRoute, ServiceReference, host_among
from ..kit.gateway.dialect import Dialect, no_extension
from ..kit.ingresses import class_of
from ..kit.objects import BackendHandling, bounded, declared_reading, served_object
from ..kit.readers import always, gateway_reader, ingress_reader
from ..kit.settings import settings_of
from .settings import Settings

GATEWAY_CONTROLLER = "projectcontour.io/gateway-controller"
HTTP_PROXY = "HTTPProxy.projectcontour.io"
OWN_CLASS = "projectcontour.io/ingress.class"
# The first of two listeners in conflict goes on; there are no filters by reference.
DIALECT = Dialect(first_wins=frozenset({"HTTP", "HTTPS", "TLS", "TCP"}), certificates="all", extension=no_extension).without("UDPRoute")
NO_SWITCH = (
    "Contour always sends to pod addresses; only an ExternalName Service that names the backend (enableExternalNameService) would "
    "make it dial the Service, and that is not done for you"
)
_POD_IPS = always(BackendHandling(why_not_settable=NO_SWITCH))
_DEPTH = 16

Proxies = Mapping[tuple[str, str], Obj]
"""All HTTPProxies by namespace and name."""


@dataclass(frozen=True)
class Inherited:
    """What an HTTPProxy gets from the one that includes it: prefixes in front of its own, and whether more is asked for."""

    prefix: str = ""
    conditional: bool = False


def class_named(obj: Obj) -> str:
    """The class that an object names: by Contour's annotation, the usual one, then the field."""
    own = annotations_of(obj).get(OWN_CLASS)
    name, annotation = class_of(obj)
    return own if own is not None else annotation or name


def serves(load_balancer: LoadBalancer, obj: Obj) -> bool:
    """Whether an instance serves an Ingress or an HTTPProxy; one that was made for a Gateway serves neither."""
    settings, named = settings_of(load_balancer, Settings), class_named(obj)
    return not settings.gateway and (named in load_balancer.classes or (not named and not settings.class_names))


def serves_gateway(load_balancer: LoadBalancer, gateway: Obj) -> bool:
    """Whether an instance serves a Gateway: all of them, or the one that it was made for."""
    only = settings_of(load_balancer, Settings).gateway
    return not only or (name_of(gateway), namespace_of(gateway)) == (only, load_balancer.namespace)


def read_http_proxies(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Routes of all HTTPProxies that a root of this load balancer includes."""
    proxies = {(namespace_of(item), name_of(item)): item for item in snapshot.all(HTTP_PROXY)}
    return declared_reading(partial(served_object, snapshot, load_balancer), (
        (obj, item)
        for root in proxies.values() if (host := dig(root, "spec", "virtualhost", "fqdn")) and serves(load_balancer, root)
        for obj, inherited in bounded(_tree(proxies, root, Inherited(), _DEPTH), "HTTPProxies that one includes")
        if only is None or ref_of(obj) in only
        for item in (*_routes(obj, str(host), inherited), *_streams(root, obj, str(host)))
    ))


def _tree(proxies: Proxies, obj: Obj, inherited: Inherited, depth: int) -> Iterator[tuple[Obj, Inherited]]:
    yield obj, inherited
    for item in dig(obj, "spec", "includes", default=[]) if depth else []:
        included = proxies.get((str(item.get("namespace") or namespace_of(obj)), str(item.get("name", ""))))
        if included is not None and not dig(included, "spec", "virtualhost"):
            yield from _tree(proxies, included, _below(inherited, item.get("conditions") or []), depth - 1)


def _below(inherited: Inherited, conditions: list[Obj]) -> Inherited:
    prefix = "".join(str(item.get("prefix", "")).rstrip("/") for item in conditions if item.get("prefix"))
    return Inherited(inherited.prefix + prefix, inherited.conditional or _is_conditional(conditions))


def _is_conditional(conditions: list[Obj]) -> bool:
    return any(item.get("header") or item.get("queryParameter") for item in conditions)


def _routes(obj: Obj, host: str, inherited: Inherited) -> Iterator[DeclaredRoute]:
    """What the rules of an HTTPProxy declare; a service may take a share of the requests, or those that meet further conditions."""
    for number, rule in enumerate(dig(obj, "spec", "routes", default=[])):
        conditions, services = rule.get("conditions") or [], rule.get("services") or []
        main: Obj = next((item for item in services if not item.get("mirror")), {})
        path, path_type = _path(inherited.prefix, conditions)
        for service in services:
            scheme: Scheme = "tls" if service.get("protocol") == "tls" else "http"
            reference = _reference(obj, service)
            yield DeclaredRoute(
                reference, host, path, path_type, Upstream("pod_ips", _host(service) or _host(rule), scheme),
                _group(obj, number, reference), (*_features(rule), *(("canary", "weights") if len(services) > 1 else ())),
                canary=service is not main or inherited.conditional or _is_conditional(conditions), why_not_settable=NO_SWITCH,
            )


def _streams(root: Obj, obj: Obj, host: str) -> Iterator[DeclaredRoute]:
    scheme: Scheme = "tls" if dig(root, "spec", "virtualhost", "tls", "passthrough") else "tcp"
    for service in dig(obj, "spec", "tcpproxy", "services", default=[]):
        reference = _reference(obj, service)
        yield DeclaredRoute(
            reference, host, "tcp", "Stream", Upstream("pod_ips", "", scheme), _group(obj, "tcp", reference),
            why_not_settable=NO_SWITCH,
        )


def _reference(obj: Obj, service: Obj) -> ServiceReference:
    return ServiceReference(namespace_of(obj), str(service.get("name", "")), int(service.get("port") or 0))


def _group(obj: Obj, rule: int | str, reference: ServiceReference) -> str:
    return f"HTTPProxy-{namespace_of(obj)}-{name_of(obj)}-{rule}-{reference.service}-{reference.port}"


def _path(prefix: str, conditions: list[Obj]) -> tuple[str, str]:
    own = ""
    for item in conditions:
        if item.get("exact"):
            return prefix + str(item["exact"]), "Exact"
        if item.get("regex"):
            return prefix + str(item["regex"]), "RegularExpression"
        own = str(item.get("prefix") or own)
    return prefix + own or "/", "ImplementationSpecific"


def _host(part: Obj) -> str:
    """The Host that a route or one of its services sends; one that is made of another header is not known beforehand."""
    value = host_among(dig(part, "requestHeadersPolicy", "set", default=[])) or ""
    return "$header" if value.startswith("%REQ(") else value


def _features(rule: Obj) -> Iterator[str]:
    strategy = str(dig(rule, "loadBalancerPolicy", "strategy", default=""))
    if strategy in ("Cookie", "RequestHash"):
        yield "affinity"
    elif strategy not in ("", "RoundRobin"):
        yield "balancing"
    if rule.get("retryPolicy"):
        yield "retries"
    if rule.get("healthCheckPolicy"):
        yield "health_checks"


READERS = (
    ingress_reader(_POD_IPS, serves), RouteReader(read_http_proxies, (HTTP_PROXY,), (HTTP_PROXY,)),
    gateway_reader({GATEWAY_CONTROLLER}, _POD_IPS, serves_gateway, dialect=DIALECT),
)
