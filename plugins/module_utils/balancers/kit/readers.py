# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Route readers made of what a load balancer says about single objects, so that it need not look anything up in the cluster."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from ...core.model import Finding, LoadBalancer, ObjectRef, Route, replace
from ...kube.objects import Obj
from ...kube.snapshot import Snapshot
from ..contract.routes import RouteReader, RouteReading
from .gateway.routes import KINDS, AttachPoint, BackendHandling, read_gateway_routes
from .ingress_routes import read_ingresses
from .ingresses import IngressEntry
from .objects import Carries, carries_all
from .patches import object_of

HandleEntry = Callable[[LoadBalancer, Obj, IngressEntry, Obj], BackendHandling]
"""How a load balancer reaches the backend of an Ingress's entry; last is the entry's Service, empty where there is none."""
HandlePoint = Callable[[LoadBalancer, AttachPoint], BackendHandling]
Refine = Callable[[LoadBalancer, Obj, Route], Route]
"""A route of an Ingress as the load balancer understands it."""
Remarks = Callable[[LoadBalancer, Obj, IngressEntry, Obj], Iterable[Finding]]


def always(handling: BackendHandling) -> Callable[..., BackendHandling]:
    """Every backend is reached in the same way."""

    def handle(*_about: Any) -> BackendHandling:
        return handling

    return handle


def ingress_reader(
    handle: HandleEntry, serves: Carries, *, refine: Refine | None = None, remarks: Remarks | None = None, kinds: tuple[str, ...] = ()
) -> RouteReader:
    """Routes of the Ingresses that a load balancer serves. ``remarks`` are findings about single entries."""

    def read(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
        findings: list[Finding] = []

        def of_entry(ingress: Obj, entry: IngressEntry, service: Obj) -> BackendHandling:
            findings.extend(remarks(load_balancer, ingress, entry, service) if remarks else ())
            return handle(load_balancer, ingress, entry, service)

        reading = read_ingresses(snapshot, load_balancer, of_entry, only, lambda ingress: serves(load_balancer, ingress))
        routes = reading.routes
        if refine:
            routes = tuple(refine(load_balancer, object_of(snapshot, route), route) for route in routes)
        return replace(reading, routes=routes, findings=(*reading.findings, *findings))

    return RouteReader(read, kinds)


def gateway_reader(
    controllers: Collection[str] | Callable[[LoadBalancer], Collection[str]], handle: HandlePoint, serves: Carries = carries_all, *,
    without: Collection[str] = (), per_backend_host: Callable[[LoadBalancer], bool] | None = None,
) -> RouteReader:
    """Gateway API routes of the Gateways that a load balancer serves; see :func:`gateway.routes.read_gateway_routes`.

    ``controllers`` are names of controllers, or what gives an instance's own. ``without`` are kinds that it does not read.
    """

    def read(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
        names = controllers(load_balancer) if callable(controllers) else controllers
        reading = read_gateway_routes(
            snapshot, load_balancer, names, lambda point: handle(load_balancer, point), only,
            lambda gateway: serves(load_balancer, gateway), per_backend_host=bool(per_backend_host and per_backend_host(load_balancer)),
        )
        return replace(reading, routes=tuple(route for route in reading.routes if route.object.kind not in without))

    return RouteReader(read, KINDS)
