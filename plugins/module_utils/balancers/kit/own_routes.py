# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes of a load balancer's own kinds: what an object declares becomes a route in one way, whatever its kind.

A load balancer says what its objects declare (:class:`DeclaredRoute`). Which objects are read, which Service port a reference means, and
what the user's annotations ask for is the same for all of them, and is answered here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ...core.model import Backend, Finding, LoadBalancer, ObjectRef, Route, Upstream
from ...kube import kinds
from ...kube.objects import Obj, ref_of
from ...kube.snapshot import Snapshot
from ..contract.routes import RouteReader, RouteReading
from .objects import is_ignored, make_backend, objects_of, pinned_strategy


@dataclass(frozen=True)
class ServiceReference:
    """A Service port as an object names it, by number or by name."""

    namespace: str
    service: str
    port: int | str = 0


@dataclass(frozen=True)
class DeclaredRoute:
    """What an object declares of one host and path.

    ``backend`` is resolved already where it may be no Service. ``upstream`` may depend on the Service, which is empty where there is none.
    ``group`` names the upstream inside the load balancer. ``why_not_settable`` is empty where the load balancer has a switch for the route.
    The other fields are those of :class:`core.model.Route`.
    """

    backend: ServiceReference | Backend
    host: str = ""
    path: str = "/"
    path_type: str = "Prefix"
    upstream: Upstream | Callable[[Obj], Upstream] = Upstream()
    group: str = ""
    features: Iterable[str] = ()
    canary: bool = False
    rewrites_path: bool = False
    why_not_settable: str = ""


Declare = Callable[[LoadBalancer, Obj], "Iterable[DeclaredRoute | Finding]"]
"""What an object declares, and findings for what of it is not read."""


def own_routes(kind: str, served: Callable[[LoadBalancer, Obj], bool], declare: Declare) -> RouteReader:
    """The routes of all objects of a kind that are ``served``, where each of them is read by itself."""

    def read(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
        ours = (obj for obj in objects_of(snapshot, kind, only) if served(load_balancer, obj))
        return declared_reading(snapshot, load_balancer, ((obj, item) for obj in ours for item in declare(load_balancer, obj)))

    return RouteReader(read, (kind,))


def declared_reading(
    snapshot: Snapshot, load_balancer: LoadBalancer, declared: Iterable[tuple[Obj, DeclaredRoute | Finding]]
) -> RouteReading:
    """What objects declare, each with its object, as routes and findings; each of them once."""
    routes: dict[Route, None] = {}
    findings: dict[Finding, None] = {}
    for obj, item in declared:
        if isinstance(item, Finding):
            findings[item] = None
        else:
            routes[declared_route(snapshot, load_balancer, obj, item)] = None
    return RouteReading(tuple(routes), tuple(findings))


def declared_route(snapshot: Snapshot, load_balancer: LoadBalancer, obj: Obj, declared: DeclaredRoute) -> Route:
    """The route that an object declares."""
    target, upstream = declared.backend, declared.upstream
    backend = target if isinstance(target, Backend) else make_backend(snapshot, target.namespace, target.service, target.port)
    return Route(
        load_balancer=load_balancer.key, object=ref_of(obj), host=declared.host, path=declared.path, path_type=declared.path_type,
        backend=backend, upstream_group=declared.group,
        upstream=upstream if isinstance(upstream, Upstream) else upstream(
            snapshot.get(kinds.SERVICE, backend.namespace, backend.service) or {}
        ),
        features=tuple(sorted(set(declared.features))), canary=declared.canary, rewrites_path=declared.rewrites_path,
        settable=not declared.why_not_settable, why_not_settable=declared.why_not_settable,
        ignored=is_ignored(obj), pinned_strategy=pinned_strategy(snapshot, obj),
    )
