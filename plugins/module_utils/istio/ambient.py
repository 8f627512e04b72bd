# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ambient mode: which pods ztunnel carries. What it does with a connection is outside of the model, except that it enforces STRICT.

Source: istio/istio cni/pkg/util/podutil.go (a pod's own label goes before its namespace's; pods with a sidecar are left alone) and
pilot/pkg/networking/core/cluster_tls.go (a sidecar tunnels to such a pod where it can).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..core.findings import finding
from ..core.model import Finding, LoadBalancer
from ..kube import kinds
from ..kube.objects import containers_of, dig, labels_of, pod_template
from ..kube.snapshot import Snapshot
from .authentication import effective_mode
from .endpoints import PodView
from .mesh import AMBIENT_LABEL

WHY = "in ambient mode, ztunnel carries these connections, which is outside of what is predicted here"


def is_ambient(snapshot: Snapshot, namespace: str, labels: Mapping[str, str]) -> bool:
    """Whether a pod without a sidecar is in ambient mode: by its own label, else by its namespace's."""
    own = labels.get(AMBIENT_LABEL) or labels_of(snapshot.get(kinds.NAMESPACE, "", namespace) or {}).get(AMBIENT_LABEL)
    return own == "ambient"


def pod_is_ambient(snapshot: Snapshot, pod: PodView | None) -> bool:
    """Whether ztunnel takes connections to a backend's pod."""
    if pod is None or pod.sidecar or dig(pod.pod, "spec", "hostNetwork", default=False):
        return False
    return is_ambient(snapshot, pod.namespace, labels_of(pod.pod))


def balancer_is_ambient(snapshot: Snapshot, load_balancer: LoadBalancer) -> bool:
    """Whether ztunnel carries what a load balancer sends."""
    if load_balancer.workload is None or load_balancer.sidecar.present or load_balancer.placement == "node":
        return False
    return is_ambient(snapshot, load_balancer.namespace, dict(load_balancer.pod_labels))


def about_clients(snapshot: Snapshot, load_balancer: LoadBalancer) -> Iterator[Finding]:
    """Finding MLB126 where a load balancer in ambient mode is STRICT, so that ztunnel refuses clients from outside of the mesh."""
    workload = snapshot.at(load_balancer.workload)
    if workload is None or not balancer_is_ambient(snapshot, load_balancer):
        return
    template = {**pod_template(workload), "metadata": {"namespace": load_balancer.namespace, "labels": dict(load_balancer.pod_labels)}}
    ports = [int(port.get("containerPort", 0)) for item in containers_of(template) for port in item.get("ports") or []]
    strict = sorted({port for port in ports if effective_mode(snapshot, template, port) == "STRICT"})
    if strict or (not ports and effective_mode(snapshot, template, 0) == "STRICT"):
        where = ", ".join(map(str, strict)) or "its ports"
        message = f"{load_balancer.label} is in ambient mode and STRICT, so clients outside of the mesh are refused on {where}"
        yield finding("MLB126", message, load_balancer.workload, details={"ports": strict})
