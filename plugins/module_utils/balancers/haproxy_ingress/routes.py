# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading HAProxy Ingress' routes as the controller does: oldest Ingress first, one backend per Service and target port."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, ObjectRef, Scheme, Upstream
from ...kube import kinds
from ...kube.objects import Obj, created_at, dig, name_of, namespace_of, ref_of
from ...kube.services import is_headless
from ...kube.snapshot import Snapshot
from ..contract.routes import RouteReader, RouteReading
from ..kit.annotations import GO_TRUE
from ..kit.classes import ClassRule
from ..kit.declared import DeclaredRoute, ServiceReference, host_among
from ..kit.gateway.dialect import Dialect, ignored_extension
from ..kit.gateway.names import KINDS, ROUTE_KINDS
from ..kit.gateway.routes import AttachPoint
from ..kit.ingresses import IngressEntry, entries, resource_findings
from ..kit.objects import BackendHandling, declared_reading, objects_of, served_object
from ..kit.own_requests import OwnRequests
from ..kit.patches import is_older
from ..kit.readers import gateway_reader
from ..kit.settings import settings_of
from ..kit.streams import tcp_services_reader
from .backends import HEADERS, SET_HEADERS, IngressPath, SharedBackends, host_in, service_port
from .settings import Settings

_TLS = frozenset({"h1-ssl", "https", "h2-ssl", "grpcs", "fcgi-ssl"})
_IN_USE = {
    "blue-green-balance": "balancing", "blue-green-deploy": "balancing", "balance-algorithm": "balancing",
    "health-check-uri": "health_checks", "agent-check-port": "health_checks",
}
_HEADLESS = "a headless Service has no address to send to, and would break HAProxy's configuration"


def serves(load_balancer: LoadBalancer, obj: Obj) -> bool:
    """Whether this instance serves an Ingress: the annotation before the class, unless it was started otherwise."""
    settings = settings_of(load_balancer, Settings)
    names = frozenset(load_balancer.classes), frozenset({settings.class_name})
    rule = ClassRule(*names, settings.without_class, settings.class_source)
    return settings.ingresses and settings.scope.covers(namespace_of(obj)) and rule.takes(obj)


@dataclass(frozen=True)
class AskedEntry:
    """The Ingresses that are read, and the paths of the default backend and of these."""

    ingresses: list[Obj]
    default: list[IngressPath]
    paths: list[IngressPath]


def read_ingress_routes(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Routes of its Ingresses and of its default backend, which share backends."""
    read = read_paths(snapshot, load_balancer, only)
    declared = (*declared_paths(load_balancer, read), *_asked(OwnRequests(snapshot, load_balancer), read.ingresses))
    return declared_reading(partial(served_object, snapshot, load_balancer), declared)


def _asked(own: OwnRequests, ingresses: Iterable[Obj]) -> Iterator[tuple[Obj, DeclaredRoute | Finding]]:
    """Whom HAProxy asks whether a request is allowed: pods of a Service (``svc://``), or a URL."""
    keys = settings_of(own.load_balancer, Settings).keys
    for ingress in ingresses:
        url = keys.value("auth-url", ingress) or ""
        scheme, dummy, rest = url.partition("://")
        if scheme in ("svc", "service"):
            where, dummy, path = rest.partition("/")
            if ":" not in where:  # the namespace comes first
                namespace, (where, dummy, path) = where, path.partition("/")
            else:
                namespace = namespace_of(ingress)
            name, dummy, port = where.partition(":")
            yield ingress, own.to_service("auth-url", ServiceReference(namespace, name, int(port) if port.isdigit() else port))
        else:
            yield from ((ingress, part) for part in own.to_url(ingress, "auth-url", url, home=own.load_balancer.namespace))


def read_paths(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> AskedEntry:
    """Paths in the controller's own order: of the oldest Ingress first, then by name; redirects are none."""
    settings = settings_of(load_balancer, Settings)
    ours = [item for item in objects_of(snapshot, kinds.INGRESS, only) if serves(load_balancer, item)]
    ours.sort(key=lambda item: (created_at(item), f"{namespace_of(item)}/{name_of(item)}"))
    paths = []
    for item in ours:
        said, namespace = settings.keys.of(item), namespace_of(item)
        for entry in entries(item):
            if entry.default or not said.get("redirect-to"):
                service = snapshot.get(kinds.SERVICE, namespace, entry.service) or {}
                paths.append(IngressPath(item, said, entry, namespace, service, service_port(service, entry.reference)))
    namespace, slash, name = settings.default_backend.partition("/")
    service, workload = (snapshot.get(kinds.SERVICE, namespace, name) if slash else None) or {}, load_balancer.workload
    ports = dig(service, "spec", "ports", default=[])
    if not ports or workload is None or not settings.ingresses or (only is not None and workload not in only):
        return AskedEntry(ours, [], paths)
    metadata = {"namespace": workload.namespace, "name": workload.name}
    obj = {"apiVersion": workload.api_version, "kind": workload.kind, "metadata": metadata}
    entry = IngressEntry("", "default-backend", "Stream", name, int(ports[0]["port"]), default=True)
    return AskedEntry(ours, [IngressPath(obj, {}, entry, namespace, service, ports[0])], paths)


def shared_backends(load_balancer: LoadBalancer, asked: AskedEntry) -> SharedBackends:
    """The backends of all paths."""
    backends = SharedBackends(settings_of(load_balancer, Settings), load_balancer.version)
    for path in asked.default:
        backends.register(path)
    backends.add(asked.paths)
    return backends


def declared_paths(load_balancer: LoadBalancer, asked: AskedEntry) -> Iterator[tuple[Obj, DeclaredRoute | Finding]]:
    """What the paths declare together. The keys of the default backend come from its Service and the global ConfigMap alone."""
    backends = SharedBackends(settings_of(load_balancer, Settings), load_balancer.version)
    for path in asked.default:
        backends.register(path)
        yield from ((path.object, item) for item in _declared(backends, path))
    backends.add(asked.paths)
    yield from backends.remarks
    yield from ((ingress, remark) for ingress in asked.ingresses for remark in resource_findings(ingress))
    yield from ((path.object, item) for path in backends.paths.values() for item in _declared(backends, path))


def _declared(backends: SharedBackends, path: IngressPath) -> Iterator[DeclaredRoute | Finding]:
    entry, backend = path.entry, backends.of(path)
    headless = bool(path.service) and is_headless(path.service)
    if headless and backend.service_upstream:
        message = f"service-upstream makes HAProxy look for a server called None: headless Service {entry.service} has no address"
        yield finding("MLB220", message, ref_of(path.object))
        return
    scheme = _scheme(backends, path)
    if scheme == "tls":
        yield finding("MLB209", f"TLS is spoken to {entry.service} past the sidecar", ref_of(path.object))
    path_type, is_regexp = _path_type(path)
    host = host_in(backends.headers(path.backend)[1], path.namespace, entry.service)
    yield DeclaredRoute(
        ServiceReference(path.namespace, entry.service, int(path.port["port"]) if path.port else entry.reference), entry.host,
        f"tcp:{path.tcp_port}" if path.tcp_port else entry.path, "Stream" if path.tcp_port else path_type,
        Upstream("cluster_ip" if backend.service_upstream else "pod_ips", host, scheme),
        # The switches are annotations of the Service, which hold for all of its ports.
        f"{path.namespace}-{entry.service}", _features(backends, path.backend),
        rewrites_path=is_regexp or any(path.said.get(key) for key in ("rewrite-target", "app-root")),
        why_not_settable=_HEADLESS if headless else "",
    )


def _scheme(backends: SharedBackends, path: IngressPath) -> Scheme:
    protocol = backends.value(path.backend, "backend-protocol").lower()
    if path.passes_tls or protocol in _TLS or backends.value(path.backend, "secure-backends") in GO_TRUE:
        return "tls"
    # Behind PROXY protocol or FastCGI a sidecar sees no HTTP.
    raw = backends.of(path).tcp or protocol == "fcgi" or bool(backends.value(path.backend, "proxy-protocol"))
    return "tcp" if raw else "http"


def _path_type(path: IngressPath) -> tuple[str, bool]:
    """The type of a path, and whether it is a regular expression."""
    written = path.entry.path_type
    said = path.said.get("path-type", "").lower() if written == "ImplementationSpecific" else ""
    return {"exact": "Exact", "prefix": "Prefix"}.get(said, written), said == "regex"


def _features(backends: SharedBackends, backend: str) -> Iterator[str]:
    yield from (word for key, word in _IN_USE.items() if backends.value(backend, key))
    if backends.value(backend, "affinity") == "cookie":
        yield "affinity"


def of_point(load_balancer: LoadBalancer, point: AttachPoint) -> BackendHandling:
    """Gateway API routes: always endpoints; of a Service's keys they take all but service-upstream."""
    keys = settings_of(load_balancer, Settings).keys
    newer = "" if is_older(load_balancer.version, 0, 17) else keys.value(SET_HEADERS, point.target)
    return BackendHandling(
        host=host_in(newer or keys.value(HEADERS, point.target) or "", point.namespace, point.service) or _set_by_filters(point),
        features=("affinity",) if keys.value("affinity", point.target) == "cookie" else (),
        why_not_settable="HAProxy Ingress sends Gateway API routes to pod addresses, whatever service-upstream says",
    )


def _set_by_filters(point: AttachPoint) -> str:
    """It knows RequestHeaderModifier, but neither URLRewrite nor filters of a backend."""
    rule = point.route["spec"]["rules"][point.rule]
    headers = (
        header for item in rule.get("filters") or [] for header in dig(item, "requestHeaderModifier", "set", default=[])
    )
    return host_among(headers) or ""


def gateway_controllers(load_balancer: LoadBalancer) -> set[str]:
    """The controller of the GatewayClasses that it serves."""
    settings = settings_of(load_balancer, Settings)
    return {settings.controller} if settings.gateways else set()


GATEWAYS = gateway_reader(
    gateway_controllers, of_point, dialect=Dialect(extension=ignored_extension).without("GRPCRoute", "UDPRoute"),
)


def read_gateways(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Gateway API routes: before 0.15 it knows the Gateway API's first versions alone, which clusters no longer have."""
    reading = GATEWAYS.read(snapshot, load_balancer, only)
    if not is_older(load_balancer.version, 0, 15):
        return reading
    why = f"HAProxy Ingress {load_balancer.version} reads the Gateway API as v1alpha1 and v1alpha2 only; 0.15 reads today's"
    return RouteReading(findings=tuple(dict.fromkeys(finding("MLB220", why, route.object) for route in reading.routes)))


READERS = (
    RouteReader(read_ingress_routes), RouteReader(read_gateways, KINDS, ROUTE_KINDS, GATEWAYS.gateways),
    tcp_services_reader(lambda load_balancer: settings_of(load_balancer, Settings).tcp_services),
)
