# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a load balancer's sidecar would make a route worse: one of its own, or one that leads to its pods."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ..balancers.contract.profile import Registry
from ..core.findings import finding, request_details
from ..core.model import Finding, LoadBalancer, Outcome, Route
from ..core.printable import listed
from ..detect.inventory import known_backend, take_inventory
from ..istio.outcome import predict
from ..kube.snapshot import Snapshot
from .trial import becoming_worse, worse

_SHOWN = 3


@dataclass(frozen=True)
class Becoming:
    """A load balancer as it will be, in a ``view`` of the cluster without its present ``pods`` (namespace and name)."""

    load_balancer: LoadBalancer
    view: Snapshot
    pods: frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Harm:
    """What a sidecar would do to one route."""

    route: Route
    before: Outcome
    after: Outcome


def harm_of(
    live: Snapshot, registry: Registry, load_balancers: Iterable[LoadBalancer], becoming: Becoming, may_get_worse: Callable[[Route], bool]
) -> Iterator[Harm]:
    """The routes that would be worse off, but for those of which the user allows it."""
    inventory = take_inventory(live, registry, load_balancers)
    for route in inventory.routes:
        now = inventory.load_balancers[route.load_balancer]
        own = now.key == becoming.load_balancer.key
        if not own and not _leads_to(live, route, becoming):
            continue
        before = predict(live, now, route)
        after = predict(becoming.view, becoming.load_balancer, route, sidecar=True) if own else predict(becoming.view, now, route)
        if worse(before, after) and not may_get_worse(route):
            yield Harm(route, before, after)


def _leads_to(live: Snapshot, route: Route, becoming: Becoming) -> bool:
    return any(item.pod and (item.pod.namespace, item.pod.name) in becoming.pods for item in known_backend(live, route).endpoints)


def about_harm(load_balancer: LoadBalancer, harmed: Iterable[Harm]) -> Finding:
    """That the sidecar is left out, for whose sake, and whom else that concerns."""
    found = list(harmed)
    first = found[0].route
    each = [
        f"{item.route.host or '*'}{item.route.path} of {item.route.object} {becoming_worse(item.before, item.after)}" for item in found
    ]
    message = (
        f"left out: the sidecar of {load_balancer.label}, on which all of its routes depend, whoever's they are. "
        f"It would take {listed(each, _SHOWN, '; ')}"
    )
    details = request_details(
        first, suffers=first.object, load_balancer=load_balancer.label, before=found[0].before.verdict, after=found[0].after.verdict,
        routes=len(found),
    )
    return finding("MLB223", message, load_balancer.workload, cause=first.object, details=details)
