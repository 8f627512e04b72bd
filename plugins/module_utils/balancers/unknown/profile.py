# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A load balancer that no profile knows: its plain Ingresses are read, and nothing is assumed beyond that."""

from __future__ import annotations

from ...core.model import EITHER_ADDRESS, LoadBalancer, ObjectRef, replace
from ...kube.snapshot import Snapshot
from ..kit.plain import plain_routes
from ..legacy import Profile, RouteReading


class Unknown(Profile):
    """Stands in where an IngressClass's controller is nobody's."""

    id = "unknown"
    title = "unknown ingress controller"

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        reading = plain_routes(snapshot, load_balancer, only)
        return RouteReading(tuple(replace(route, features=(EITHER_ADDRESS,)) for route in reading.routes), reading.findings)
