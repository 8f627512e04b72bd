# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a request behind the gateway: the gateway's proxy is a client of the mesh like any sidecar."""

from __future__ import annotations

from ...core.model import Backend, Outcome, replace
from ...istio.beyond import at_backends, uncertain
from ...istio.endpoints import endpoints
from ...istio.registry import fqdn
from ...istio.transport import Transport
from ...istio.visibility import Viewer, Visibility
from ...kube import kinds
from ...kube.objects import labels_of, namespace_of, pod_template
from ...kube.services import find_port, is_headless
from ...kube.snapshot import Snapshot
from .target import GatewayState


def through_gateway(snapshot: Snapshot, state: GatewayState, backend: Backend) -> Outcome:
    """The verdict for a backend as the gateway meets it."""
    service = snapshot.get(kinds.SERVICE, backend.namespace, backend.service)
    port = find_port(service, backend.port) if service else None
    if service is None or port is None:
        return Outcome("unknown", f"Service {backend.namespace}/{backend.service} has no port {backend.port_name or backend.port}")
    workload = state.workload or {}
    labels = tuple(sorted(labels_of(pod_template(workload)).items()))
    visibility = Visibility(snapshot, Viewer(namespace_of(workload) or state.target.namespace, labels))
    if not visibility.sees(service, [fqdn(snapshot, service)]):
        hidden = f"{backend.namespace}/{backend.service} is hidden from the gateway's namespace {visibility.viewer.namespace}"
        return Outcome("refused", f"Service {hidden}")
    found = endpoints(snapshot, service, port)
    outcome = Transport(visibility).to_endpoints(
        fqdn(snapshot, service), namespace_of(service), backend.port, found,
        together=found if is_headless(service) else None,
    )
    outcome = uncertain(outcome, at_backends(snapshot, outcome) if outcome.verdict != "unknown" else None)
    return replace(outcome, why=f"through gateway {state.target.namespace}/{state.target.name}: {outcome.why}")
