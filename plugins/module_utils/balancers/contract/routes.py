# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the routes of one load balancer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ...core.model import Finding, LoadBalancer, ObjectRef, Route
from ...kube.snapshot import Snapshot


@dataclass(frozen=True)
class RouteReading:
    """What was read of a load balancer's routes."""

    routes: tuple[Route, ...] = ()
    findings: tuple[Finding, ...] = ()


class ReadRoutes(Protocol):
    """Reads the routes of one load balancer; ``only`` limits the reading to routes of these objects."""

    def __call__(self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None, /) -> RouteReading:
        """The routes, and findings for what of them was not read."""


@dataclass(frozen=True)
class RouteReader:
    """Routes of some kinds. ``kinds`` are the kind keys that it reads besides the common ones."""

    read: ReadRoutes
    kinds: tuple[str, ...] = ()


def joined_readings(*readings: RouteReading) -> RouteReading:
    """Several kinds of routes of one load balancer."""
    return RouteReading(
        tuple(route for item in readings for route in item.routes), tuple(remark for item in readings for remark in item.findings)
    )
