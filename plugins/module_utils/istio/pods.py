# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pods stand behind a Service or a workload, live or predicted from pod templates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..core.interception import Interception
from ..kube import kinds
from ..kube.objects import Obj, dig, labels_of, name_of, namespace_of, pod_template
from ..kube.selectors import object_selector, selects
from ..kube.snapshot import Snapshot
from .injection import TLS_MODE, has_proxy, predicts_injection
from .interception import interception_of
from .mesh import interception_defaults

_DEPENDS = (kinds.POD, *kinds.WORKLOADS, kinds.NAMESPACE)
_GONE_PHASES = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True)
class PodView:
    """What matters of a backend pod. ``sidecar`` is predicted where the pod was made up from a template (``ip`` empty)."""

    namespace: str
    name: str
    ip: str
    sidecar: bool
    tls_mode: str
    service_account: str
    pod: Obj = field(compare=False)
    interception: Interception = field(compare=False)

    def captures(self, port: int) -> bool:
        """Whether the sidecar takes inbound connections to this port."""
        return self.sidecar and self.interception.takes_inbound(port)

    def spiffe(self, trust_domain: str) -> str:
        return f"spiffe://{trust_domain}/ns/{self.namespace}/sa/{self.service_account}"


def by_label(pod: Obj) -> Iterator[tuple[str, str, str]]:
    """Index of Pods by namespace and single label."""
    if dig(pod, "status", "phase") not in _GONE_PHASES:
        for key, value in labels_of(pod).items():
            yield (namespace_of(pod), key, value)


def by_namespace(obj: Obj) -> tuple[str, ...]:
    """Index of namespaced objects by namespace."""
    return (namespace_of(obj),)


def pods_selected(snapshot: Snapshot, namespace: str, selector: dict[str, str]) -> tuple[PodView, ...]:
    """Pods that a Service's selector selects; where none runs, one made-up pod per workload whose template matches."""
    if not selector:
        return ()
    # A change of some ConfigMap leaves the pods as they are unless it changes the defaults, so these are in the key instead.
    defaults = interception_defaults(snapshot)
    key = ("pods", namespace, tuple(sorted(selector.items())), defaults)
    return snapshot.cached(key, lambda view: _select(view, namespace, selector, defaults), _DEPENDS)


def _select(snapshot: Snapshot, namespace: str, selector: dict[str, str], defaults: Interception) -> tuple[PodView, ...]:
    candidates = min(
        (snapshot.lookup(kinds.POD, by_label, (namespace, key, value)) for key, value in selector.items()), key=len
    )
    live = [pod for pod in candidates if selects(selector, labels_of(pod))]
    if live:
        return tuple(view_of(pod, defaults) for pod in sorted(live, key=name_of))
    made_up = []
    for kind in kinds.WORKLOADS:
        for workload in snapshot.lookup(kind, by_namespace, namespace):
            if selects(selector, labels_of(pod_template(workload))):
                made_up.append(_predicted(snapshot, workload, defaults))
    return tuple(made_up)


def view_of(pod: Obj, defaults: Interception) -> PodView:
    """View of a pod that runs; ``defaults`` are the mesh's (:func:`mesh.interception_defaults`)."""
    proxy = has_proxy(pod)
    return PodView(
        namespace_of(pod), name_of(pod), str(dig(pod, "status", "podIP", default="")), proxy,
        labels_of(pod).get(TLS_MODE, "istio" if proxy else "disabled"),
        str(dig(pod, "spec", "serviceAccountName", default="default")), pod, interception_of(pod, defaults),
    )


def _predicted(snapshot: Snapshot, workload: Obj, defaults: Interception) -> PodView:
    template, namespace = pod_template(workload), namespace_of(workload)
    sidecar = predicts_injection(snapshot, namespace, template)[0] or has_proxy(template)
    pod = {**template, "metadata": {**dig(template, "metadata", default={}), "namespace": namespace}}
    return PodView(
        namespace, f"{name_of(workload)}-*", "", sidecar,
        labels_of(template).get(TLS_MODE, "istio" if sidecar else "disabled"),
        str(dig(template, "spec", "serviceAccountName", default="default")), pod, interception_of(pod, defaults),
    )


def workload_pods(snapshot: Snapshot, workload: Obj) -> list[Obj]:
    """Running pods of a workload, told by its selector and, where pods carry one, by their owner's name."""
    selector = object_selector(dig(workload, "spec", "selector"))
    name = name_of(workload)
    found = []
    for pod in snapshot.lookup(kinds.POD, by_namespace, namespace_of(workload)):
        if dig(pod, "status", "phase") in _GONE_PHASES or not selector.matches(labels_of(pod)):
            continue
        owner = next((item for item in dig(pod, "metadata", "ownerReferences", default=[]) if item.get("controller")), None)
        if owner is None or owner.get("name") == name or str(owner.get("name", "")).rpartition("-")[0] == name:
            found.append(pod)
    return found


def container_port(pod: Obj, target: int | str) -> int:
    """The number of a target port in a pod; 0 where a name is not one of its containers' ports."""
    if isinstance(target, int) or str(target).isdigit():
        return int(target)
    for container in dig(pod, "spec", "containers", default=[]):
        for port in container.get("ports") or []:
            if port.get("name") == target:
                return int(port.get("containerPort", 0))
    return 0
