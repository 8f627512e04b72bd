# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sidecars: which pods have one, and which would get one.

Source: istio/istio pkg/kube/inject/inject.go (injectRequired) and the webhook selectors of the istiod chart.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..core.model import UNKNOWN, SidecarState
from ..kube import kinds
from ..kube.objects import Obj, annotations_of, containers_of, dig, labels_of
from ..kube.snapshot import Snapshot
from .interception import interception_of
from .mesh import interception_defaults

INJECT = "sidecar.istio.io/inject"
INJECTION = "istio-injection"
REVISION = "istio.io/rev"
TLS_MODE = "security.istio.io/tlsMode"
PROXY_CONTAINER = "istio-proxy"
STATUS = "sidecar.istio.io/status"
NEVER_INJECTED = frozenset({"kube-system", "kube-public", "kube-node-lease", "local-path-storage"})


def has_proxy(pod: Obj) -> bool:
    """Whether a pod (or a template that somebody injected by hand) runs Istio's proxy beside another container."""
    names = [item.get("name") for item in containers_of(pod)]
    return PROXY_CONTAINER in names and len(names) > 1 and not _brings_its_own(pod)


def _brings_its_own(pod: Obj) -> bool:
    """Whether a container of that name is a product's own, for certificates alone: no injection is wanted, and nothing was injected."""
    initial = [str(item.get("name")) for item in dig(pod, "spec", "initContainers", default=[])]
    injected = STATUS in annotations_of(pod) or any(name in ("istio-init", "istio-validation") for name in initial)
    return labels_of(pod).get(INJECT) == "false" and not injected


def predicts_injection(own: Mapping[str, str], namespace: str, template: Obj) -> tuple[bool, str]:
    """Whether a new pod of this template would be injected in a namespace with these labels, and the sentence that says why."""
    if dig(template, "spec", "hostNetwork", default=False):
        return False, "pods on the host's network are never injected"
    if namespace in NEVER_INJECTED:
        return False, f"the injector leaves namespace {namespace} out"
    wanted = labels_of(template).get(INJECT)
    if own.get(INJECTION) == "disabled":
        return False, f"namespace {namespace} is labelled {INJECTION}=disabled"
    # Any other value is none: the namespace decides.
    if wanted in ("true", "false"):
        return wanted == "true", f"the pod is labelled {INJECT}={wanted}"
    if wanted is None and annotations_of(template).get(INJECT) == "false":
        return False, f"the pod is annotated {INJECT}: \"false\""
    if own.get(INJECTION) == "enabled":
        return True, f"namespace {namespace} is labelled {INJECTION}=enabled"
    revision = own.get(REVISION) or labels_of(template).get(REVISION)
    if revision:
        return True, f"{REVISION}={revision} is set"
    return False, f"neither the pod nor namespace {namespace} asks for injection"


def sidecar_state(snapshot: Snapshot, namespace: str, template: Obj, pods: list[Obj]) -> SidecarState:
    """State of a workload: from its running pods where there are any, else predicted from its template.

    Pods that are leaving count no more: they get no new requests, though a load balancer's may take minutes to drain.
    """
    staying = [pod for pod in pods if not dig(pod, "metadata", "deletionTimestamp")]
    capture = interception_of(staying[0] if staying else template, interception_defaults(snapshot)).inbound_capture
    if staying:
        return SidecarState(all(has_proxy(pod) for pod in staying), capture)
    if not snapshot.readable(kinds.POD):
        return SidecarState(UNKNOWN, UNKNOWN)
    predicted, dummy = predicts_injection(labels_of(snapshot.get(kinds.NAMESPACE, "", namespace) or {}), namespace, template)
    return SidecarState("predicted" if predicted or has_proxy(template) else False, capture)
