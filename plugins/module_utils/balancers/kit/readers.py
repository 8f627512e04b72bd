# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Route readers made of what a load balancer says about single objects, so that it need not look anything up in the cluster."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import Any

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, ObjectRef, Route, replace
from ...kube import kinds as known
from ...kube.objects import Obj, namespace_of, ref_of
from ...kube.snapshot import Snapshot
from ..contract.routes import RouteReader, RouteReading
from .classes import takes_class
from .gateway.dialect import Dialect
from .gateway.names import KINDS, ROUTE_KINDS
from .gateway.routes import STANDARD, HandlePoint, read_gateway_routes, served_gateways
from .ingresses import IngressEntry, entries, resource_findings
from .objects import BackendHandling, Carries, ServedObject, carries_all, objects_of, read_each, served_object

HandleEntry = Callable[[LoadBalancer, Obj, IngressEntry, Obj], BackendHandling]
"""How a load balancer reaches the backend of an Ingress's entry; last is the entry's Service, empty where there is none."""
Refine = Callable[[LoadBalancer, Obj, Route], Route]
"""A route of an Ingress as the load balancer understands it."""
EntriesOf = Callable[[Obj], Iterable[IngressEntry]]
"""What a load balancer reads in an Ingress."""
Remarks = Callable[[LoadBalancer, Obj, IngressEntry, Obj], Iterable[Finding]]


def always(handling: BackendHandling) -> Callable[..., BackendHandling]:
    """Every backend is reached in the same way."""

    def handle(*_about: Any) -> BackendHandling:
        return handling

    return handle


def ingress_reader(
    handle: HandleEntry, serves: Carries = takes_class, *, refine: Refine | None = None, remarks: Remarks | None = None,
    kinds: tuple[str, ...] = (),
) -> RouteReader:
    """Routes of the Ingresses that a load balancer serves. ``remarks`` are findings about single entries."""
    return RouteReader(partial(read_ingresses, handle=handle, serves=serves, refine=refine, remarks=remarks), kinds)


def read_ingresses(
    snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None, handle: HandleEntry,
    serves: Carries = takes_class, refine: Refine | None = None, remarks: Remarks | None = None, entries_of: EntriesOf = entries,
) -> RouteReading:
    """See :func:`ingress_reader`; for a load balancer whose ``handle`` depends on more of the cluster.

    ``entries_of`` is for one that reads more in an Ingress than Kubernetes does.
    """
    def read(obj: Obj) -> Iterable[Route | Finding]:
        served = serves(load_balancer, obj)
        return _of_ingress(served_object(snapshot, load_balancer, obj), handle, refine, remarks, entries_of) if served else ()

    return read_each(objects_of(snapshot, known.INGRESS, only), read)


def _of_ingress(
    item: ServedObject, handle: HandleEntry, refine: Refine | None, remarks: Remarks | None, entries_of: EntriesOf
) -> Iterator[Route | Finding]:
    ingress, load_balancer = item.obj, item.load_balancer
    for entry in entries_of(ingress):
        namespace = entry.namespace or namespace_of(ingress)
        about = (load_balancer, ingress, entry, item.service(namespace, entry.service))
        yield from remarks(*about) if remarks else ()
        handling = handle(*about)
        if handling.dropped:
            yield finding("MLB220", f"{entry.host}{entry.path}: {handling.dropped}", ref_of(ingress))
            continue
        handling = replace(handling, group=handling.group or f"{namespace}-{entry.service}-{entry.reference}")
        reference = (namespace, entry.service, entry.reference)
        route = item.route(reference, handling, host=entry.host, path=entry.path, path_type=entry.path_type)
        yield refine(load_balancer, ingress, route) if refine else route
    yield from resource_findings(ingress)


def gateway_reader(
    controllers: Collection[str] | Callable[[LoadBalancer], Collection[str]], handle: HandlePoint, serves: Carries = carries_all, *,
    dialect: Dialect | Callable[[Snapshot, LoadBalancer], Dialect] = STANDARD,
    per_backend_host: Callable[[LoadBalancer], bool] | None = None, kinds: tuple[str, ...] = (),
) -> RouteReader:
    """Gateway API routes of the Gateways that a load balancer serves; see :func:`gateway.routes.read_gateway_routes`.

    ``controllers`` are names of controllers, or what gives an instance's own. ``dialect`` is what it does in its own way, or what
    gives that for an instance. ``kinds`` are those that its dialect looks at.
    """

    def names_of(load_balancer: LoadBalancer) -> Collection[str]:
        return controllers(load_balancer) if callable(controllers) else controllers

    def read(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
        names = names_of(load_balancer)
        per_backend = bool(per_backend_host and per_backend_host(load_balancer))
        own = dialect if isinstance(dialect, Dialect) else dialect(snapshot, load_balancer)
        return read_gateway_routes(snapshot, load_balancer, only, names, handle, serves, per_backend_host=per_backend, dialect=own)

    def gateways(snapshot: Snapshot, load_balancer: LoadBalancer) -> Collection[tuple[str, str]]:
        return served_gateways(snapshot, load_balancer, names_of(load_balancer), serves)

    return RouteReader(read, (*KINDS, *kinds), ROUTE_KINDS, gateways)
