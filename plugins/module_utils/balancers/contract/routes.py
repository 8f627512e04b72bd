# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the routes of one load balancer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from ...core.model import Finding, LoadBalancer, ObjectRef, Route
from ...kube.kinds import INGRESS, SERVICE
from ...kube.snapshot import Snapshot, Unreadable
from .instances import none_at_all


@dataclass(frozen=True)
class RouteReading:
    """What was read of a load balancer's routes; ``unreadable`` are objects whose routes are not known."""

    routes: tuple[Route, ...] = ()
    findings: tuple[Finding, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()


class ReadRoutes(Protocol):
    """Reads the routes of one load balancer; ``only`` limits the reading to routes of these objects."""

    def __call__(self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None, /) -> RouteReading:
        """The routes, and findings for what of them was not read."""


@dataclass(frozen=True)
class RouteReader:
    """Routes of some kinds. ``kinds`` are the kind keys that it reads besides the common ones.

    ``routes`` are those of them whose objects are routes by themselves: where one cannot be read, its own routes are not known, and
    no others. Any other kind may say how all the routes are to be understood. ``gateways`` are namespace and name of the Gateways of the
    Gateway API that the load balancer serves, or leaves alone for a reason that its reader tells.
    """

    read: ReadRoutes
    kinds: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    gateways: Callable[[Snapshot, LoadBalancer], Iterable[tuple[str, str]]] = none_at_all

    def unclear(self, snapshot: Snapshot) -> str:
        """The kind for want of which none of its routes is understood, empty where there is none."""
        return next((kind for kind in self.kinds if kind not in self.routes and not snapshot.readable(kind)), "")

    def unknown(self, snapshot: Snapshot) -> frozenset[str]:
        """The kinds of whose routes nobody knows whether there are any, or what becomes of them."""
        if self.unclear(snapshot):
            return frozenset(self.routes or (*self.kinds, INGRESS, SERVICE))
        return frozenset(kind for kind in self.routes if not snapshot.readable(kind))


def joined_readings(*readings: RouteReading) -> RouteReading:
    """Several kinds of routes of one load balancer."""
    return RouteReading(
        tuple(route for item in readings for route in item.routes), tuple(remark for item in readings for remark in item.findings),
        tuple(obj for item in readings for obj in item.unreadable),
    )
