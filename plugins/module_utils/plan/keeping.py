# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What earlier runs wrote for routes that this run may not touch: their owner wants them left alone, or they could not be read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..balancers.contract.profile import Registry
from ..core.marks import APPLIED, ROUTES_IN
from ..core.model import Route, replace
from ..detect.claims import HostClaims
from ..detect.inventory import Inventory, route_facts
from ..istio.doubts import doubts
from ..istio.outcome import predict
from ..kube import kinds
from ..kube.objects import Identity, Obj, annotations_of, identity, identity_of, namespace_of
from ..kube.snapshot import Snapshot
from .remarks import is_frozen
from .strategies.base import Context, namespaces_served
from .strategies.table import STRATEGIES
from .trial import SnapshotCluster

Holds = Callable[[Obj], bool]


def held_back(
    found: Inventory, live: Snapshot, bare: Callable[[], Snapshot], registry: Registry, load_balancers_of: Callable[[Obj], Iterable[str]]
) -> Holds:
    """Whether an object of this collection has to stay as it is.

    ``bare`` gives the cluster without this collection's own changes, and ``load_balancers_of`` names those that an object was written for.
    What was written for routes that ask to be left alone, or of which something is not followed, is known by name. What was written for
    routes that cannot be read is not: that is everything for their namespaces.
    """
    left = [route for route in found.routes if route.ignored or _is_frozen(live, found, route)]
    own = _written_for(left, found, bare(), registry) if left else {}
    unknown, unreadable = doubts(live), live.source.unreadable

    def holds(obj: Obj) -> bool:
        key = identity(obj)
        # Whoever writes a route chooses its host, and so the name of what is made for it: what others made is not kept for that.
        if key in unreadable or (key in own and (ROUTES_IN not in annotations_of(obj) or own[key] & namespaces_served(obj))):
            return True
        if not unreadable:
            return False
        homes = {name.partition("/")[0] for name in load_balancers_of(obj) if "/" in name}
        return unknown.touch({namespace_of(obj), *namespaces_served(obj)}) or not homes.isdisjoint(unknown.load_balancers_in)

    return holds


def _is_frozen(live: Snapshot, found: Inventory, route: Route) -> bool:
    """Whether something acts on a route's requests that is not followed, so that nobody knows whether what is there is needed."""
    load_balancer = found.load_balancers[route.load_balancer]
    return live.count(kinds.ENVOY_FILTER) > 0 and is_frozen(predict(live, load_balancer, route, sidecar=True))


def _written_for(routes: list[Route], found: Inventory, bare: Snapshot, registry: Registry) -> dict[Identity, set[str]]:
    """Everything that any strategy would write for these routes, as nothing says which one did; each with the routes' namespaces."""
    asked = tuple(replace(route, ignored=False) for route in routes)
    claims = HostClaims(bare, asked)
    facts = {route: route_facts(bare, found.load_balancers[route.load_balancer], route, claims) for route in asked}
    cluster = SnapshotCluster(bare, registry, found.load_balancers)
    context = Context(replace(found, routes=asked, facts=facts), registry, asked, cluster, cluster)
    written: dict[Identity, set[str]] = {}
    for route in asked:
        keys = {identity_of(route.object), (kinds.SERVICE, route.backend.namespace, route.backend.service)}
        for strategy in STRATEGIES:
            keys |= set(strategy.earlier(route))
            proposal = strategy.propose(replace(context, routes=(route,)), [route])
            keys |= {identity(item.body) for item in proposal.creations} | {identity(patch.object) for patch in proposal.patches}
        for key in keys:
            written.setdefault(key, set()).add(route.object.namespace)
    return written


def includes(wide: Any, narrow: Any) -> bool:
    """Whether all that an object says, another one says as well; a list may have more items, in any order."""
    if isinstance(wide, Mapping) and isinstance(narrow, Mapping):
        return all(key in wide and includes(wide[key], value) for key, value in narrow.items())
    if isinstance(wide, list) and isinstance(narrow, list):
        return all(any(includes(other, item) for other in wide) for item in narrow)
    return bool(wide == narrow)


def spec_as_written(existing: Obj) -> Any:
    """What an earlier run wrote, without what the API server added."""
    try:
        return json.loads(annotations_of(existing)[APPLIED])["spec"]
    except (LookupError, TypeError, ValueError, RecursionError):
        return existing.get("spec")
