# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes of a load balancer's own kinds: what an object declares becomes a route in one way, whatever its kind.

A load balancer says what its objects declare (:class:`DeclaredRoute`). Which objects are read, which Service port a reference means, and
what the user's annotations ask for is the same for all of them, and is answered here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ...core.model import Finding, LoadBalancer, ObjectRef, Route
from ...kube.objects import Obj, ref_of
from ...kube.snapshot import Snapshot
from ..contract.routes import RouteReader, RouteReading
from .declared import DeclaredRoute, as_route
from .objects import Carries, is_ignored, objects_of, reading_of, served_object

Declare = Callable[[LoadBalancer, Obj], "Iterable[DeclaredRoute | Finding]"]
"""What an object declares, and findings for what of it is not read."""


def own_routes(kind: str, served: Carries, declare: Declare) -> RouteReader:
    """The routes of all objects of a kind that are ``served``, where each of them is read by itself."""

    def read(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
        ours = (obj for obj in objects_of(snapshot, kind, only) if served(load_balancer, obj))
        return declared_reading(snapshot, load_balancer, ((obj, item) for obj in ours for item in declare(load_balancer, obj)))

    return RouteReader(read, (kind,))


def declared_reading(
    snapshot: Snapshot, load_balancer: LoadBalancer, declared: Iterable[tuple[Obj, DeclaredRoute | Finding]]
) -> RouteReading:
    """What objects declare, each with its object, as routes and findings; each of them once."""
    return reading_of(dict.fromkeys(
        item if isinstance(item, Finding) else declared_route(snapshot, load_balancer, obj, item) for obj, item in declared
    ))


def declared_route(snapshot: Snapshot, load_balancer: LoadBalancer, obj: Obj, declared: DeclaredRoute) -> Route:
    """The route that an object declares."""
    item = served_object(snapshot, load_balancer, obj)
    return as_route(load_balancer, ref_of(obj), declared, item.service, ignored=is_ignored(obj), pinned=item.pinned)
