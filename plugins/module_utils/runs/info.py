# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of lb_info, from its options to its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..core.findings import finding
from ..core.model import Finding, LoadBalancer, Route
from ..detect.description import about_absence, about_reading
from ..detect.load_balancers import detect, setting_namespaces
from ..detect.orphans import about_orphans
from ..detect.routes import read_routes
from ..istio.mesh import Mesh, as_far_as_known
from ..kube import kinds
from .options.info import InfoOptions
from .results import Result, cluster_result
from .session import reading_kinds, start


@dataclass(frozen=True)
class InfoResult:
    """Everything that can be said about a cluster's load balancers without planning anything."""

    load_balancers: Sequence[LoadBalancer]
    routes: Sequence[Route]
    mesh: Mesh
    findings: Sequence[Finding]
    cluster: Result = field(default_factory=dict)

    def to_result(self, diff: bool) -> Result:
        """The module's result, which never has a diff."""
        of: dict[tuple[str, str], list[Route]] = {}
        for route in self.routes:
            of.setdefault(route.load_balancer, []).append(route)
        return {
            "changed": False,
            "load_balancers": [item.to_result(tuple(of.get(item.key, ()))) for item in self.load_balancers],
            "mesh": self.mesh.to_result(),
            "findings": [item.to_result() for item in self.findings],
            **cluster_result(self.cluster),
        }


def run_info(options: InfoOptions) -> InfoResult:
    """Look, and tell. Raises :class:`core.errors.MeshlbError`."""
    session = start(options.common, reading_kinds(), setting_namespaces)
    snapshot, registry = session.snapshot, session.registry
    found, findings = detect(snapshot, registry)
    shown = [item for item in found if not options.namespaces or item.namespace in options.namespaces]
    routes, about_routes = read_routes(snapshot, registry, shown)
    mesh = as_far_as_known(snapshot)
    # Of load balancers that are not shown nothing was read, and they may serve anything.
    orphans = about_orphans(snapshot, registry, found, routes, about_routes) if len(shown) == len(found) else ()
    remarks = [*about_reading(snapshot), *about_absence(snapshot, found), *findings, *about_routes, *orphans]
    if not mesh.installed and snapshot.readable(kinds.DEPLOYMENT):
        remarks.insert(0, finding("MLB101", "no istiod was found and none of Istio's kinds is served"))
    return InfoResult(shown, routes, mesh, remarks, session.cluster)
