# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that can be said about a cluster's load balancers without planning anything."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from ..balancers.contract.profile import Registry
from ..core.findings import finding
from ..core.model import Finding, Route
from ..istio.mesh import read_mesh
from ..kube.snapshot import Snapshot
from .load_balancers import detect
from .routes import read_routes


def describe(snapshot: Snapshot, registry: Registry, namespaces: Collection[str] = ()) -> dict[str, Any]:
    """Return ``{load_balancers, mesh, findings}`` as the lb_info module gives them."""
    found, findings = detect(snapshot, registry)
    shown = [item for item in found if not namespaces or item.namespace in namespaces]
    routes, about_routes = read_routes(snapshot, registry, shown)
    of: dict[tuple[str, str], list[Route]] = {}
    for route in routes:
        of.setdefault(route.load_balancer, []).append(route)
    mesh = read_mesh(snapshot)
    remarks = [*about_reading(snapshot), *findings, *about_routes]
    if not mesh.installed:
        remarks.insert(0, finding("MLB101", "no istiod was found and none of Istio's kinds is served"))
    return {
        "load_balancers": [item.to_result(tuple(of.get(item.key, ()))) for item in shown],
        "mesh": mesh.to_result(),
        "findings": [item.to_result() for item in remarks],
    }


def about_reading(snapshot: Snapshot) -> Iterator[Finding]:
    """Kinds that could not be read: whatever depends on them is not known."""
    for kind, sentence in sorted(snapshot.source.denied.items()):
        yield finding("MLB105", f"{kind}: {sentence}", details={"kind": kind})
