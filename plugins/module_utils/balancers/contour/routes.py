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

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, ObjectRef, Scheme, Upstream
from ...kube.objects import Obj, annotations_of, dig, name_of, namespace_of, ref_of
from ...kube.snapshot import Snapshot
from ..contract.routes import RouteReader, RouteReading
from ..kit.declared import DeclaredRoute, ServiceReference, host_among
from ..kit.gateway.dialect import Dialect, no_extension
from ..kit.ingresses import class_of
from ..kit.objects import BackendHandling, bounded, declared_reading, served_object
from ..kit.own_requests import OWN_HOST, OwnRequests
from ..kit.readers import always, gateway_reader, ingress_reader
from ..kit.settings import settings_of
from .roots import DELEGATION, Roots
from .settings import Settings

GATEWAY_CONTROLLER = Settings.controller
HTTP_PROXY, EXTENSION_SERVICE = "HTTPProxy.projectcontour.io", "ExtensionService.projectcontour.io"
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
    own = named in load_balancer.classes or (not named and not settings.class_names)
    return own and not settings.gateway and settings.scope.covers(namespace_of(obj))


def gateway_controllers(load_balancer: LoadBalancer) -> set[str]:
    """The controller of the GatewayClasses that it serves."""
    return {settings_of(load_balancer, Settings).controller}


def serves_gateway(load_balancer: LoadBalancer, gateway: Obj) -> bool:
    """Whether an instance serves a Gateway: all of them, or the one that it was made for or told of."""
    settings, key = settings_of(load_balancer, Settings), (namespace_of(gateway), name_of(gateway))
    return key == (load_balancer.namespace, settings.gateway) if settings.gateway else settings.gateway_ref in ((), key)


def read_http_proxies(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Routes of all HTTPProxies that a valid root of this load balancer includes; the others are told of."""
    settings = settings_of(load_balancer, Settings)
    own = OwnRequests(snapshot, load_balancer)
    proxies = {
        (namespace_of(item), name_of(item)): item for item in snapshot.all(HTTP_PROXY) if settings.scope.covers(namespace_of(item))
    }
    roots = [item for item in proxies.values() if dig(item, "spec", "virtualhost") is not None and serves(load_balancer, item)]
    valid, seen = Roots(settings, roots, tuple(snapshot.all(DELEGATION))), set[tuple[str, str]]()

    def declared() -> Iterator[tuple[Obj, DeclaredRoute | Finding]]:
        for root in roots:
            why = valid.why_invalid(root)
            if why:
                yield root, finding("MLB220", f"{why}, so it is invalid, and nothing of it is served", ref_of(root))
                continue
            yield from ((root, part) for part in _asked(own, settings, root))
            for obj, part in _of_root(proxies, root):
                seen.add((namespace_of(obj), name_of(obj)))
                yield obj, part
        for key, obj in proxies.items():
            if key not in seen and dig(obj, "spec", "virtualhost") is None and serves(load_balancer, obj):
                yield obj, finding("MLB220", "no valid HTTPProxy with a host includes it, so it is orphaned and not served", ref_of(obj))

    asked = ((obj, part) for obj, part in declared() if only is None or ref_of(obj) in only)
    return declared_reading(partial(served_object, snapshot, load_balancer), asked)


def _of_root(proxies: Proxies, root: Obj) -> Iterator[tuple[Obj, DeclaredRoute | Finding]]:
    host, carries_tcp = str(dig(root, "spec", "virtualhost", "fqdn")), bool(dig(root, "spec", "tcpproxy"))
    for obj, inherited in bounded(_tree(proxies, root, Inherited(), _DEPTH), "HTTPProxies that one includes"):
        if isinstance(inherited, Finding):
            yield obj, inherited
            continue
        wrong = next((number for number, rule in enumerate(dig(obj, "spec", "routes", default=[]), 1) if _actions(rule) != 1), 0)
        if wrong:
            message = f"route {wrong} needs services, a redirect or a direct response, just one of them, so none of its routes is served"
            yield obj, finding("MLB220", message, ref_of(obj))
            continue
        yield from ((obj, part) for part in _routes(obj, host, inherited, only_in_clear=carries_tcp))
    for obj, part in _streams(proxies, root, root, host, _DEPTH):
        yield obj, part


def _actions(rule: Obj) -> int:
    return sum(1 for key in ("services", "requestRedirectPolicy", "directResponsePolicy") if rule.get(key))


def _tree(proxies: Proxies, obj: Obj, inherited: Inherited, depth: int) -> Iterator[tuple[Obj, Inherited | Finding]]:
    yield obj, inherited
    for item in dig(obj, "spec", "includes", default=[]) if depth else []:
        included, why = _included(proxies, obj, item)
        if included is None:
            yield obj, finding("MLB220", why, ref_of(obj))
        else:
            yield from _tree(proxies, included, _below(inherited, item.get("conditions") or []), depth - 1)


def _included(proxies: Proxies, obj: Obj, item: Obj) -> tuple[Obj | None, str]:
    namespace, name = str(item.get("namespace") or namespace_of(obj)), str(item.get("name", ""))
    included = proxies.get((namespace, name))
    if included is None:
        return None, f"it includes HTTPProxy {namespace}/{name}, which does not exist"
    is_root = dig(included, "spec", "virtualhost") is not None
    return (None, f"it includes HTTPProxy {namespace}/{name}, which has a host of its own") if is_root else (included, "")


def _asked(own: OwnRequests, settings: Settings, root: Obj) -> Iterator[DeclaredRoute | Finding]:
    """What Envoy asks before it serves a root: its authoriser or the one for all, and the rate limiter for all."""
    auth = dig(root, "spec", "virtualhost", "authorization", default={})
    reference = auth.get("extensionRef") or {}
    named = f"{reference.get('namespace') or namespace_of(root)}/{reference['name']}" if reference.get("name") else ""
    for_all = "" if dig(auth, "authPolicy", "disabled") else settings.authoriser
    for what, full_name in (("external authorization", named or for_all), ("the rate limit service", settings.rate_limiter)):
        namespace, slash, name = full_name.partition("/")
        service = own.snapshot.get(EXTENSION_SERVICE, namespace, name) if slash else None
        if slash and service is None:
            yield finding("MLB220", f"{what} is ExtensionService {full_name}, which does not exist", ref_of(root))
        scheme: Scheme = "tls" if dig(service, "spec", "protocol") == "h2" else "http"
        for item in dig(service, "spec", "services", default=[]):
            target = ServiceReference(namespace, str(item.get("name", "")), int(item.get("port") or 0))
            yield own.to_service(what, target, Upstream("pod_ips", OWN_HOST, scheme))


def _below(inherited: Inherited, conditions: list[Obj]) -> Inherited:
    prefix = "".join(str(item.get("prefix", "")).rstrip("/") for item in conditions if item.get("prefix"))
    return Inherited(inherited.prefix + prefix, inherited.conditional or _is_conditional(conditions))


def _is_conditional(conditions: list[Obj]) -> bool:
    return any(item.get("header") or item.get("queryParameter") for item in conditions)


def _routes(obj: Obj, host: str, inherited: Inherited, *, only_in_clear: bool = False) -> Iterator[DeclaredRoute]:
    """What the rules of an HTTPProxy declare; a service may take a share of the requests, or those that meet further conditions.

    ``only_in_clear``: the host's TLS is a stream's, so that rules are for what comes without, if they permit that.
    """
    for number, rule in enumerate(dig(obj, "spec", "routes", default=[])):
        if only_in_clear and not rule.get("permitInsecure"):
            continue
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


def _streams(proxies: Proxies, root: Obj, obj: Obj, host: str, depth: int) -> Iterator[tuple[Obj, DeclaredRoute | Finding]]:
    """The stream of a root: its own, or that of the HTTPProxy that it includes for it."""
    scheme: Scheme = "tls" if dig(root, "spec", "virtualhost", "tls", "passthrough") else "tcp"
    for service in dig(obj, "spec", "tcpproxy", "services", default=[]):
        reference = _reference(obj, service)
        yield obj, DeclaredRoute(
            reference, host, "tcp", "Stream", Upstream("pod_ips", "", scheme), _group(obj, "tcp", reference),
            why_not_settable=NO_SWITCH,
        )
    item = dig(obj, "spec", "tcpproxy", "include") or dig(obj, "spec", "tcpproxy", "includes")
    if item and depth:
        included, why = _included(proxies, obj, item)
        if included is None or not dig(included, "spec", "tcpproxy"):
            missing = why or f"it includes HTTPProxy {namespace_of(included or {})}/{name_of(included or {})}, which has no tcpproxy"
            yield obj, finding("MLB220", missing, ref_of(obj))
        else:
            yield from _streams(proxies, root, included, host, depth - 1)


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
    ingress_reader(_POD_IPS, serves),
    RouteReader(read_http_proxies, (HTTP_PROXY, EXTENSION_SERVICE, DELEGATION), (HTTP_PROXY,)),
    gateway_reader(gateway_controllers, _POD_IPS, serves_gateway, dialect=DIALECT),
)
