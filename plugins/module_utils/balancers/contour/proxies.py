# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading Contour's HTTPProxies: roots with a host, and those that they include.

Source: projectcontour/contour apis/projectcontour/v1/httpproxy.go and internal/dag/policy.go (Host among the request headers).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ...core.model import LoadBalancer, ObjectRef, Route, Scheme, Upstream
from ...kube.objects import Obj, annotations_of, dig, name_of, namespace_of, ref_of
from ...kube.snapshot import Snapshot
from ..kit.ingresses import class_of, is_ignored, make_backend, pinned_strategy
from ..legacy import RouteReading

HTTP_PROXY = "HTTPProxy.projectcontour.io"
OWN_CLASS = "projectcontour.io/ingress.class"
NO_SWITCH = (
    "Contour always sends to pod addresses; only an ExternalName Service that names the backend (enableExternalNameService) would "
    "make it dial the Service, and that is not done for you"
)
_DEPTH = 16


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


def http_proxies(
    snapshot: Snapshot, load_balancer: LoadBalancer, served: Callable[[Obj], bool], only: frozenset[ObjectRef] | None
) -> RouteReading:
    """Routes of all HTTPProxies that a root of this load balancer leads to."""
    routes: dict[Route, None] = {}
    for root in snapshot.all(HTTP_PROXY):
        host = dig(root, "spec", "virtualhost", "fqdn")
        if host and served(root):
            for obj, inherited in _tree(snapshot, root, Inherited(), _DEPTH):
                if only is None or ref_of(obj) in only:
                    found = (*_routes(obj, inherited), *_streams(root, obj))
                    routes.update(dict.fromkeys(_route(snapshot, load_balancer, obj, str(host), item) for item in found))
    return RouteReading(tuple(routes))


def _tree(snapshot: Snapshot, obj: Obj, inherited: Inherited, depth: int) -> Iterator[tuple[Obj, Inherited]]:
    yield obj, inherited
    for item in dig(obj, "spec", "includes", default=[]) if depth else []:
        found = snapshot.get(HTTP_PROXY, str(item.get("namespace") or namespace_of(obj)), str(item.get("name", "")))
        if found is not None and not dig(found, "spec", "virtualhost"):
            yield from _tree(snapshot, found, _below(inherited, item.get("conditions") or []), depth - 1)


def _below(inherited: Inherited, conditions: list[Obj]) -> Inherited:
    prefix = "".join(str(item.get("prefix", "")).rstrip("/") for item in conditions if item.get("prefix"))
    return Inherited(inherited.prefix + prefix, inherited.conditional or _is_conditional(conditions))


def _is_conditional(conditions: list[Obj]) -> bool:
    return any(item.get("header") or item.get("queryParameter") for item in conditions)


@dataclass(frozen=True)
class Target:
    """One service of one rule. ``shared``: it takes a share of a path's requests, or those that meet further conditions."""

    service: Obj
    rule: str
    path: str
    path_type: str
    upstream: Upstream
    features: tuple[str, ...] = ()
    shared: bool = False


def _routes(obj: Obj, inherited: Inherited) -> Iterator[Target]:
    for number, rule in enumerate(dig(obj, "spec", "routes", default=[])):
        conditions, services = rule.get("conditions") or [], rule.get("services") or []
        main: Obj = next((item for item in services if not item.get("mirror")), {})
        features = {*_features(rule), *(("canary", "weights") if len(services) > 1 else ())}
        for service in services:
            scheme: Scheme = "tls" if service.get("protocol") == "tls" else "http"
            yield Target(
                service, str(number), *_path(inherited.prefix, conditions),
                Upstream("pod_ips", _host(service) or _host(rule), scheme), tuple(sorted(features)),
                service is not main or inherited.conditional or _is_conditional(conditions),
            )


def _streams(root: Obj, obj: Obj) -> Iterator[Target]:
    scheme: Scheme = "tls" if dig(root, "spec", "virtualhost", "tls", "passthrough") else "tcp"
    for service in dig(obj, "spec", "tcpproxy", "services", default=[]):
        yield Target(service, "tcp", "tcp", "Stream", Upstream("pod_ips", "", scheme))


def _route(snapshot: Snapshot, load_balancer: LoadBalancer, obj: Obj, host: str, target: Target) -> Route:
    name, port = str(target.service.get("name", "")), int(target.service.get("port") or 0)
    return Route(
        load_balancer=load_balancer.key, object=ref_of(obj), host=host, path=target.path, path_type=target.path_type,
        backend=make_backend(snapshot, namespace_of(obj), name, port), upstream=target.upstream,
        upstream_group=f"HTTPProxy-{namespace_of(obj)}-{name_of(obj)}-{target.rule}-{name}-{port}",
        features=target.features, canary=target.shared, settable=False, why_not_settable=NO_SWITCH,
        ignored=is_ignored(obj), pinned_strategy=pinned_strategy(snapshot, obj),
    )


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
    for header in dig(part, "requestHeadersPolicy", "set", default=[]):
        if str(header.get("name", "")).lower() == "host":
            value = str(header.get("value", ""))
            return "$header" if value.startswith("%REQ(") else value
    return ""


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
