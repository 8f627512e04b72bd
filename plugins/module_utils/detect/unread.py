# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is not known because a list could not be read: of which routes, and why."""

from __future__ import annotations

from collections.abc import Iterator

from ..balancers.contract.profile import Profile
from ..balancers.contract.routes import RouteReader, RouteReading
from ..balancers.kit.recognition import recognition_of
from ..core.model import LoadBalancer, Route, replace
from ..istio.doubts import doubts
from ..istio.mesh import config_map_namespaces
from ..kube import kinds
from ..kube.objects import Obj
from ..kube.snapshot import Snapshot

DECIDING = (kinds.NAMESPACE, kinds.POD, kinds.SERVICE, kinds.ENDPOINT_SLICE, *kinds.ISTIO)
"""Kinds without which nothing is known of any route."""
EVERY_KIND = "*"
"""Stands for all kinds of routes of a load balancer."""


def why_unclear(snapshot: Snapshot, profile: Profile, load_balancer: LoadBalancer) -> str:
    """Why nothing is known of all routes of a load balancer, as a clause; empty where that is not so."""
    kind = next((kind for kind in DECIDING if not snapshot.readable(kind)), "")
    if kind:
        return f"{kind} cannot be read, and it decides about every route"
    closed = snapshot.source.closed
    namespace = next((name for name in _settings(
        config_map_namespaces(snapshot), snapshot.at(load_balancer.workload), profile
    ) if name in closed), "") if closed else ""
    return f"the ConfigMaps of namespace {namespace} cannot be read, and they hold settings" if namespace else ""


def _settings(of_mesh: set[str], workload: Obj | None, profile: Profile) -> Iterator[str]:
    """Namespaces whose ConfigMaps hold settings: the mesh's, and those of a load balancer."""
    yield from sorted(of_mesh)
    match = recognition_of(profile.recogniser, workload) if workload is not None else None
    if workload is not None and match is not None:
        yield from profile.instance.config_maps(workload, match.container)


def marked(snapshot: Snapshot, reader: RouteReader, reading: RouteReading, why: str) -> RouteReading:
    """A reading whose routes say why nothing is known of them: for ``why``, or for what their reader lacks."""
    kind = "" if why else reader.unclear(snapshot)
    reason = why or (f"{kind} cannot be read, and it says how these routes are served" if kind else "")
    return replace(reading, routes=tuple(replace(route, unread=reason) for route in reading.routes)) if reason else reading


def doubted(snapshot: Snapshot, load_balancer: LoadBalancer, route: Route) -> Route:
    """A route that says why nothing is known of it where an object that it depends on could not be read."""
    unreadable = None if route.unread else doubts(snapshot).about(load_balancer, route)
    return replace(route, unread=f"{unreadable} could not be read as a whole") if unreadable else route


def unknown_kinds(snapshot: Snapshot, profile: Profile, load_balancer: LoadBalancer) -> frozenset[str]:
    """Kinds of a load balancer's routes of which nobody knows what there is; :data:`EVERY_KIND` for all."""
    if why_unclear(snapshot, profile, load_balancer):
        return frozenset({EVERY_KIND})
    return frozenset().union(*(reader.unknown(snapshot) for reader in profile.routes))


def unserved_kinds(snapshot: Snapshot, profile: Profile) -> frozenset[str]:
    """Kinds that a load balancer would read routes from, and that the API server does not serve: as a rule, none were ever there."""
    return frozenset(kind for reader in profile.routes for kind in reader.kinds if not snapshot.serves(kind))
