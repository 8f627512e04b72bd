# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kong's routes, as its controller translates Ingresses, Gateway API routes and TCPIngresses."""

from __future__ import annotations

from collections.abc import Iterator

from ...core.model import LoadBalancer, ObjectRef, Route, Scheme, Upstream, replace
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, dig, namespace_of, ref_of
from ...kube.snapshot import Snapshot
from ..contract.routes import RouteReader, RouteReading
from ..kit.gateway.routes import KINDS, AttachPoint, BackendHandling, read_gateway_routes
from ..kit.ingresses import CLASS_ANNOTATION, Entry, is_ignored, make_backend, pinned_strategy
from ..kit.patches import object_of
from ..kit.plain import of_classes, read_ingresses
from ..kit.settings import settings_of
from .settings import PARAMETERS, Settings

GATEWAY_CONTROLLER = "konghq.com/kic-gateway-controller"
TCP_INGRESS = "TCPIngress.configuration.konghq.com"
SERVICE_UPSTREAM = "ingress.kubernetes.io/service-upstream"
PRESERVE_HOST = "konghq.com/preserve-host"
HOST_HEADER = "konghq.com/host-header"
_TLS = frozenset({"https", "tls", "grpcs"})


def read_ingress_routes(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Routes of Ingresses of its class, or without one where its class is the cluster's default."""
    settings, of_class = settings_of(load_balancer, Settings), of_classes(load_balancer)

    def served(ingress: Obj) -> bool:
        has_class = dig(ingress, "spec", "ingressClassName") or CLASS_ANNOTATION in annotations_of(ingress)
        return of_class(ingress) if has_class else settings.default_class

    def of_entry(ingress: Obj, entry: Entry, service: Obj) -> BackendHandling:
        routed, host = is_routed(settings, service), ""
        if annotations_of(ingress).get(PRESERVE_HOST, "").lower() == "false":
            # Kong then sends the name of the target: the Service's name, or a pod's address.
            target = f"{entry.service}.{namespace_of(ingress)}.svc" if routed else "$pod_address"
            host = annotations_of(service).get(HOST_HEADER) or target
        return _handling(settings, service, host, _scheme(service) or "http")

    reading = read_ingresses(snapshot, load_balancer, of_entry, only, served)
    return replace(reading, routes=tuple(_with_path(route, object_of(snapshot, route)) for route in reading.routes))


def read_gateways(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Routes of the Gateway API."""
    settings = settings_of(load_balancer, Settings)

    def of_point(point: AttachPoint) -> BackendHandling:
        return _handling(settings, point.target, None, _scheme(point.target))

    return read_gateway_routes(snapshot, load_balancer, {GATEWAY_CONTROLLER}, of_point, only)


def read_tcp_ingresses(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Routes of TCPIngresses."""
    return RouteReading(tuple(_tcp_routes(snapshot, load_balancer, only)))


def _tcp_routes(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> Iterator[Route]:
    settings = settings_of(load_balancer, Settings)
    for obj in snapshot.all(TCP_INGRESS):
        if annotations_of(obj).get(CLASS_ANNOTATION) not in load_balancer.classes or (only is not None and ref_of(obj) not in only):
            continue
        for rule in dig(obj, "spec", "rules", default=[]):
            target = rule.get("backend") or {}
            namespace, name, port = namespace_of(obj), str(target.get("serviceName", "")), int(target.get("servicePort") or 0)
            routed = is_routed(settings, snapshot.get(kinds.SERVICE, namespace, name) or {})
            yield Route(
                load_balancer=load_balancer.key, object=ref_of(obj), host=str(rule.get("host", "")),
                path=f"tcp:{rule.get('port', 0)}", path_type="Stream", backend=make_backend(snapshot, namespace, name, port),
                upstream=Upstream("cluster_ip" if routed else "pod_ips", "", "tcp"), upstream_group=f"{namespace}-{name}-{port}",
                ignored=is_ignored(obj), pinned_strategy=pinned_strategy(snapshot, obj),
            )


def is_routed(settings: Settings, service: Obj) -> bool:
    """Whether requests go to the Service's address: by its class's parameters, or by the Service's annotation."""
    return settings.class_wide or annotations_of(service).get(SERVICE_UPSTREAM) == "true"


def _handling(settings: Settings, service: Obj, host: str | None, scheme: Scheme | None) -> BackendHandling:
    features = ("balancing",) if annotations_of(service).get("konghq.com/upstream-policy") else ()
    return BackendHandling("cluster_ip" if is_routed(settings, service) else "pod_ips", host, features=features, scheme=scheme)


def _with_path(route: Route, ingress: Obj) -> Route:
    annotations = annotations_of(ingress)
    rewrites = annotations.get("konghq.com/strip-path") == "true" or "konghq.com/rewrite" in annotations
    if route.path.startswith("/~"):
        return replace(route, path=route.path[2:], path_type="RegularExpression", rewrites_path=rewrites)
    return replace(route, rewrites_path=rewrites)


def _scheme(service: Obj) -> Scheme | None:
    return "tls" if annotations_of(service).get("konghq.com/protocol") in _TLS else None


READERS = (
    RouteReader(read_ingress_routes, (PARAMETERS,)), RouteReader(read_gateways, KINDS), RouteReader(read_tcp_ingresses, (TCP_INGRESS,)),
)
