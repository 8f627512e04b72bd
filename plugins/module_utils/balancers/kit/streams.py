# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes that no annotation governs: TCP services listed in a ConfigMap (``port: namespace/service:port[:…]``), for every vendor
that has such a list, and other routes that always go to pod addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...core.model import LoadBalancer, ObjectRef, Route, Scheme, Upstream
from ...kube import kinds
from ...kube.objects import Obj, dig, ref_of
from ...kube.snapshot import Snapshot
from ..contract.routes import RouteReader, RouteReading
from .declared import DeclaredRoute, ServiceLookup, ServiceReference, as_route
from .objects import BackendReference, is_ignored, services_of

NOT_SETTABLE = "this kind of route always goes to pod addresses"


def tcp_services_reader(config_map: Callable[[LoadBalancer], str]) -> RouteReader:
    """Routes of the ConfigMap (``namespace/name``) that an instance reads TCP services from."""

    def read(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
        namespace, slash, name = config_map(load_balancer).partition("/")
        listed = snapshot.get(kinds.CONFIG_MAP, namespace, name) if slash else None
        asked = listed is not None and (only is None or ref_of(listed) in only)
        return RouteReading(tuple(tcp_services(load_balancer, listed, services_of(snapshot)) if asked else ()))

    return RouteReader(read)


def default_backend_reader(service: Callable[[LoadBalancer], str]) -> RouteReader:
    """The route of the Service (``namespace/name``) that gets the requests that no other route takes: to its first port."""

    def read(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
        namespace, slash, name = service(load_balancer).partition("/")
        ports = dig(snapshot.get(kinds.SERVICE, namespace, name), "spec", "ports", default=[]) if slash else []
        workload = load_balancer.workload
        if not ports or workload is None or (only is not None and workload not in only):
            return RouteReading()
        target, asks = (namespace, name, int(ports[0].get("port", 0))), is_ignored(snapshot.at(workload) or {})
        return RouteReading((fixed_route(load_balancer, workload, "default-backend", target, "http", services_of(snapshot), ignored=asks),))

    return RouteReader(read)


def declared_stream(path: str, target: ServiceReference, scheme: Scheme = "tcp") -> DeclaredRoute:
    """A route of an object of its own to pod addresses that has no switch."""
    group = f"{path}-{target.namespace}-{target.service}-{target.port}"
    return DeclaredRoute(target, "", path, "Stream", Upstream("pod_ips", "", scheme), group, why_not_settable=NOT_SETTABLE)


def tcp_services(load_balancer: LoadBalancer, config_map: Obj | None, service: ServiceLookup) -> Iterator[Route]:
    """Routes of the ConfigMap that a controller was told to read TCP services from."""
    for port, text in sorted(dig(config_map, "data", default={}).items()):
        target = _reference(str(text))
        if target is not None and config_map is not None:
            yield fixed_route(load_balancer, ref_of(config_map), f"tcp:{port}", target, "tcp", service, ignored=is_ignored(config_map))


def _reference(text: str) -> BackendReference | None:
    namespace, dummy, rest = text.partition("/")
    service, dummy, more = rest.partition(":")
    reference = more.partition(":")[0]
    if not service or not reference:
        return None
    return (namespace, service, int(reference) if reference.isdigit() else reference)


def fixed_route(
    load_balancer: LoadBalancer, ref: ObjectRef, path: str, target: BackendReference, scheme: Scheme, service: ServiceLookup, *,
    ignored: bool,
) -> Route:
    """A route to pod addresses that has no switch. ``ignored``: its object asks to be left alone."""
    return as_route(load_balancer, ref, declared_stream(path, ServiceReference(*target), scheme), service, ignored=ignored)
