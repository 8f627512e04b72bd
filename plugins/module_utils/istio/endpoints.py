# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is behind a Service port: addresses, and pods with their sidecars, live or predicted from pod templates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from ..core.interception import Interception
from ..kube import kinds
from ..kube.objects import Obj, dig, labels_of, name_of, namespace_of, pod_template
from ..kube.pods import by_label, by_namespace, container_port, pods_by_ip
from ..kube.selectors import selects
from ..kube.services import slices_by_service, target_port
from ..kube.snapshot import Snapshot
from .injection import TLS_MODE, has_proxy, predicts_injection
from .interception import interception_of
from .mesh import interception_defaults

_DEPENDS = (kinds.POD, *kinds.WORKLOADS, kinds.NAMESPACE)


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


@dataclass(frozen=True)
class Endpoint:
    """One address behind a Service port; ``pod`` is ``None`` where the address belongs to no known pod."""

    ip: str
    port: int
    pod: PodView | None = None

    @property
    def key(self) -> tuple[str, str, int]:
        """Identity: the pod where there is one (manifests have no addresses), else the address."""
        return (self.pod.namespace, self.pod.name, self.port) if self.pod else ("", self.ip, self.port)


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
    labels = labels_of(snapshot.get(kinds.NAMESPACE, "", namespace) or {})
    workloads = (item for kind in kinds.WORKLOADS for item in snapshot.lookup(kind, by_namespace, namespace))
    return tuple(_predicted(item, labels, defaults) for item in workloads if selects(selector, labels_of(pod_template(item))))


def view_of(pod: Obj, defaults: Interception) -> PodView:
    """View of a pod that runs; ``defaults`` are the mesh's (:func:`mesh.interception_defaults`)."""
    proxy = has_proxy(pod)
    return PodView(
        namespace_of(pod), name_of(pod), str(dig(pod, "status", "podIP", default="")), proxy,
        labels_of(pod).get(TLS_MODE, "istio" if proxy else "disabled"),
        str(dig(pod, "spec", "serviceAccountName", default="default")), pod, interception_of(pod, defaults),
    )


def _predicted(workload: Obj, labels: Mapping[str, str], defaults: Interception) -> PodView:
    template, namespace = pod_template(workload), namespace_of(workload)
    sidecar = predicts_injection(labels, namespace, template)[0] or has_proxy(template)
    pod = {**template, "metadata": {**dig(template, "metadata", default={}), "namespace": namespace}}
    return PodView(
        namespace, f"{name_of(workload)}-*", "", sidecar,
        labels_of(template).get(TLS_MODE, "istio" if sidecar else "disabled"),
        str(dig(template, "spec", "serviceAccountName", default="default")), pod, interception_of(pod, defaults),
    )


def endpoints(snapshot: Snapshot, service: Obj, port: Obj) -> tuple[Endpoint, ...]:
    """Endpoints of one Service port: by its selector, or by its EndpointSlices where it has none."""
    selector = dig(service, "spec", "selector", default={})
    if selector:
        pods = pods_selected(snapshot, namespace_of(service), selector)
        found = ((pod, container_port(pod.pod, target_port(port))) for pod in pods)
        return tuple(Endpoint(pod.ip, number, pod) for pod, number in found if number)
    slices = snapshot.lookup(kinds.ENDPOINT_SLICE, slices_by_service, (namespace_of(service), name_of(service)))
    return tuple(_sliced(slices, port, partial(snapshot.lookup, kinds.POD, pods_by_ip), interception_defaults(snapshot)))


def _sliced(slices: Iterable[Obj], port: Obj, pods_at: Callable[[str], list[Obj]], defaults: Interception) -> Iterator[Endpoint]:
    for item in slices:
        numbers = [entry.get("port") for entry in item.get("ports") or [] if (entry.get("name") or "") == port.get("name", "")]
        for entry in item.get("endpoints") or []:
            for address in entry.get("addresses") or []:
                pods = pods_at(address)
                yield Endpoint(str(address), int((numbers or [0])[0] or 0), view_of(pods[0], defaults) if pods else None)
