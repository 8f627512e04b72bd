# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the routes of load balancers through their profiles."""

from __future__ import annotations

from collections.abc import Iterable

from ..balancers.contract.profile import Registry
from ..core.model import Finding, LoadBalancer, ObjectRef, Route
from ..kube.snapshot import Snapshot
from .inventory import take_inventory


def read_routes(
    snapshot: Snapshot, registry: Registry, load_balancers: Iterable[LoadBalancer], only: frozenset[ObjectRef] | None = None
) -> tuple[list[Route], list[Finding]]:
    """All routes, sorted, and what is remarkable about them; ``only`` limits the reading to these objects."""
    found = take_inventory(snapshot, registry, load_balancers, only)
    return list(found.routes), [remark for remarks in found.findings.values() for remark in remarks]
