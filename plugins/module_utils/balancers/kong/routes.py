# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kong's routes, as its controller translates Ingresses, Gateway API routes and TCPIngresses."""

from __future__ import annotations

from collections.abc import Iterator

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, ObjectRef, Route, Scheme, Upstream, replace
from ...kube import kinds
from ...kube.default_class import CLASS_ANNOTATION
from ...kube.objects import Obj, annotations_of, dig, namespace_of, ref_of
from ...kube.snapshot import Snapshot
from ..contract.routes import RouteReader, RouteReading
from ..kit.classes import takes_class
from ..kit.conflicts import by_age
from ..kit.declared import DeclaredRoute, ServiceReference
from ..kit.gateway.routes import AttachPoint
from ..kit.ingresses import IngressEntry, entries
from ..kit.objects import BackendHandling, ServedObject, object_reader
from ..kit.readers import gateway_reader, read_ingresses
from ..kit.settings import settings_of
from .dialect import PLUGIN, dialect_of
from .settings import PARAMETERS, Settings

GATEWAY_CONTROLLER = Settings.gateway_controller
TCP_INGRESS, UDP_INGRESS = "TCPIngress.configuration.konghq.com", "UDPIngress.configuration.konghq.com"
SERVICE_UPSTREAM = "ingress.kubernetes.io/service-upstream"
PRESERVE_HOST = "konghq.com/preserve-host"
HOST_HEADER = "konghq.com/host-header"
_TLS = frozenset({"https", "tls", "grpcs"})


def serves(load_balancer: LoadBalancer, obj: Obj) -> bool:
    """Ingresses of its class, or without one where its class is the cluster's default."""
    settings = settings_of(load_balancer, Settings)
    looked_at = settings.scope.covers(namespace_of(obj)) and "ingress-networkingv1" not in settings.off
    return looked_at and takes_class(load_balancer, obj, without_class=settings.default_class)


def of_entry(load_balancer: LoadBalancer, ingress: Obj, entry: IngressEntry, service: Obj) -> BackendHandling:
    """How it reaches the backend of an Ingress."""
    settings, host = settings_of(load_balancer, Settings), ""
    if annotations_of(ingress).get(PRESERVE_HOST, "").lower() == "false":
        # Kong then sends the name of the target: the Service's name, or a pod's address.
        target = f"{entry.service}.{namespace_of(ingress)}.svc" if is_routed(settings, service) else "$pod_address"
        host = annotations_of(service).get(HOST_HEADER) or target
    return _handling(settings, service, host, _scheme(service) or "http")


def gateway_controllers(load_balancer: LoadBalancer) -> set[str]:
    """The controller of the GatewayClasses that it serves."""
    return {settings_of(load_balancer, Settings).gateway_controller}


def of_point(load_balancer: LoadBalancer, point: AttachPoint) -> BackendHandling:
    """How it reaches the backend of a Gateway API route."""
    return _handling(settings_of(load_balancer, Settings), point.target, None, _scheme(point.target))


def serves_tcp(load_balancer: LoadBalancer, obj: Obj) -> bool:
    """A TCPIngress names its class by annotation alone."""
    settings = settings_of(load_balancer, Settings)
    looked_at = settings.scope.covers(namespace_of(obj)) and "tcpingress" not in settings.off
    return looked_at and annotations_of(obj).get(CLASS_ANNOTATION) in load_balancer.classes


def declared_tcp(item: ServedObject) -> Iterator[DeclaredRoute]:
    """What a TCPIngress declares."""
    settings = settings_of(item.load_balancer, Settings)
    for rule in dig(item.obj, "spec", "rules", default=[]):
        target = rule.get("backend") or {}
        backend = ServiceReference(namespace_of(item.obj), str(target.get("serviceName", "")), int(target.get("servicePort") or 0))
        yield DeclaredRoute(
            backend, str(rule.get("host", "")), f"tcp:{rule.get('port', 0)}", "Stream",
            lambda service: Upstream("cluster_ip" if is_routed(settings, service) else "pod_ips", "", "tcp"),
            f"{backend.namespace}-{backend.service}-{backend.port}",
        )


def is_routed(settings: Settings, service: Obj) -> bool:
    """Whether requests go to the Service's address: by its class's parameters, or by the Service's annotation."""
    return settings.class_wide or annotations_of(service).get(SERVICE_UPSTREAM) == "true"


def _handling(settings: Settings, service: Obj, host: str | None, scheme: Scheme | None) -> BackendHandling:
    features = ("balancing",) if annotations_of(service).get("konghq.com/upstream-policy") else ()
    return BackendHandling("cluster_ip" if is_routed(settings, service) else "pod_ips", host, features=features, scheme=scheme)


def with_path(_load_balancer: LoadBalancer, ingress: Obj, route: Route) -> Route:
    """The path as it means it: a tilde marks a regular expression."""
    annotations = annotations_of(ingress)
    rewrites = annotations.get("konghq.com/strip-path") == "true" or "konghq.com/rewrite" in annotations
    prefix = annotations.get("konghq.com/regex-prefix") or "/~"
    if route.path.startswith(prefix):
        return replace(route, path=route.path[len(prefix) :], path_type="RegularExpression", rewrites_path=rewrites)
    return replace(route, rewrites_path=rewrites)


def entries_of(ingress: Obj) -> Iterator[IngressEntry]:
    """Its entries, each for the hosts that an annotation adds as well."""
    aliases = [name.strip() for name in annotations_of(ingress).get("konghq.com/host-aliases", "").split(",") if name.strip()]
    for entry in entries(ingress):
        hosts = [entry.host] if entry.default or not aliases else [*filter(None, [entry.host]), *aliases]
        yield from (replace(entry, host=host) for host in dict.fromkeys(hosts))


def read_ingress_routes(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Routes of its Ingresses, of which the oldest default backend is that of all."""
    ours = (item for item in snapshot.all(kinds.INGRESS) if serves(load_balancer, item) and dig(item, "spec", "defaultBackend"))
    oldest = next(iter(by_age(ours)), None)

    def handle(load_balancer: LoadBalancer, ingress: Obj, entry: IngressEntry, service: Obj) -> BackendHandling:
        made = of_entry(load_balancer, ingress, entry, service)
        if not entry.default or oldest is None or ref_of(oldest) == ref_of(ingress):
            return made
        return replace(made, dropped=f"Kong has one default backend, that of the oldest Ingress, {ref_of(oldest)}")

    return read_ingresses(snapshot, load_balancer, only, handle, serves, with_path, entries_of=entries_of)


def declared_udp(item: ServedObject) -> Iterator[Finding]:
    """That a UDPIngress is no route of the mesh."""
    ports = ", ".join(str(rule.get("port")) for rule in dig(item.obj, "spec", "rules", default=[]))
    yield finding("MLB205", f"UDP port {ports} is carried outside the mesh", ref_of(item.obj))


def _scheme(service: Obj) -> Scheme | None:
    return "tls" if annotations_of(service).get("konghq.com/protocol") in _TLS else None


READERS = (
    RouteReader(read_ingress_routes, (PARAMETERS,)),
    gateway_reader(gateway_controllers, of_point, dialect=dialect_of, kinds=(PLUGIN,)),
    object_reader(TCP_INGRESS, declared_tcp, serves_tcp), object_reader(UDP_INGRESS, declared_udp, serves_tcp),
)
