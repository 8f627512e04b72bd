# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is behind a Service port: addresses, and pods with their sidecars, live or predicted from pod templates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
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

ENDPOINTS = "Endpoints"
_FINITE = frozenset({kinds.POD, "Job.batch", "CronJob.batch"})
"""Kinds with a pod template that keep no pods."""
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
    """One address behind a Service port; ``pod`` is ``None`` where the address belongs to no known pod.

    ``registered`` is false where Istio does not find the pod, as an EndpointSlice of another namespace holds its bare address. ``listed``:
    a slice that somebody writes has it, so that the slice and not the pod says whether it is ready.
    """

    ip: str
    port: int
    pod: PodView | None = None
    registered: bool = True
    listed: bool = False

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
    chosen = [pod for pod in candidates if selects(selector, labels_of(pod))]
    labels = labels_of(snapshot.get(kinds.NAMESPACE, "", namespace) or {})
    if chosen:
        seen = snapshot.source.live
        return tuple(view_of(pod, defaults) if seen else _of_manifest(pod, labels, defaults) for pod in sorted(chosen, key=name_of))
    return tuple(
        _predicted(item, labels, defaults) for item in workloads_in(snapshot, namespace) if selects(selector, labels_of(pod_template(item)))
    )


def workloads_in(snapshot: Snapshot, namespace: str) -> Iterator[Obj]:
    """Whatever makes pods that stay in a namespace: the usual kinds, and any other with a pod template, as its manifests have it."""
    others = [] if snapshot.source.live else [kind for kind in snapshot.kinds() if kind not in kinds.WORKLOADS and kind not in _FINITE]
    for kind in (*kinds.WORKLOADS, *others):
        for item in snapshot.lookup(kind, by_namespace, namespace):
            if isinstance(dig(pod_template(item), "spec", "containers"), list):
                yield item


def _of_manifest(pod: Obj, labels: Mapping[str, str], defaults: Interception) -> PodView:
    """View of a pod in manifests: one without an address is still to be made, so the injector has not seen it."""
    if dig(pod, "status", "podIP") or has_proxy(pod):
        return view_of(pod, defaults)
    sidecar = predicts_injection(labels, namespace_of(pod), pod)[0]
    view = view_of(pod, defaults)
    return replace(view, sidecar=sidecar, tls_mode=labels_of(pod).get(TLS_MODE, "istio" if sidecar else "disabled"))


def pods_in(snapshot: Snapshot, namespace: str) -> tuple[PodView, ...]:
    """All pods of a namespace, and one made-up pod for each workload of which none runs."""
    defaults = interception_defaults(snapshot)
    key = ("pods of", namespace, defaults)
    return snapshot.cached(key, lambda view: tuple(_all(view, namespace, defaults)), _DEPENDS)


def _all(snapshot: Snapshot, namespace: str, defaults: Interception) -> Iterator[PodView]:
    live = snapshot.lookup(kinds.POD, by_namespace, namespace)
    yield from (view_of(pod, defaults) for pod in sorted(live, key=name_of))
    labels = labels_of(snapshot.get(kinds.NAMESPACE, "", namespace) or {})
    for workload in (item for kind in kinds.WORKLOADS for item in snapshot.lookup(kind, by_namespace, namespace)):
        own = labels_of(pod_template(workload))
        if not any(selects(own, labels_of(pod)) for pod in live):
            yield _predicted(workload, labels, defaults)


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
    key = (namespace_of(service), name_of(service))
    slices = snapshot.lookup(kinds.ENDPOINT_SLICE, slices_by_service, key) or _mirrored(snapshot.get(ENDPOINTS, *key))
    return tuple(_sliced(slices, port, partial(_pod_of, snapshot), interception_defaults(snapshot)))


def _mirrored(endpoints_object: Obj | None) -> list[Obj]:
    """An Endpoints object as the EndpointSlices that Kubernetes makes of it."""
    metadata = {"namespace": namespace_of(endpoints_object or {})}
    return [
        {"metadata": metadata, "ports": subset.get("ports"), "endpoints": [
            {"addresses": [item.get("ip")], **({"targetRef": item["targetRef"]} if item.get("targetRef") else {})}
            for item in subset.get("addresses") or []
        ]}
        for subset in dig(endpoints_object, "subsets", default=[])
    ]


def _pod_of(snapshot: Snapshot, namespace: str, address: str, reference: Obj | None) -> tuple[Obj | None, bool]:
    """The pod behind an address of an EndpointSlice, and whether Istio finds it: by reference, else among those of the slice's namespace.

    Source: istio/istio pilot/pkg/serviceregistry/kube/controller/endpointslice.go (getPod).
    """
    found = snapshot.lookup(kinds.POD, pods_by_ip, address)
    if reference and reference.get("kind") == "Pod":
        named = snapshot.get(kinds.POD, str(reference.get("namespace") or namespace), str(reference.get("name")))
        return named or (found[0] if found else None), named is not None
    near = next((pod for pod in found if namespace_of(pod) == namespace), None)
    return near or (found[0] if found else None), near is not None


def _sliced(
    slices: Iterable[Obj], port: Obj, pod_of: Callable[[str, str, Obj | None], tuple[Obj | None, bool]], defaults: Interception
) -> Iterator[Endpoint]:
    for item in slices:
        numbers = [entry.get("port") for entry in item.get("ports") or [] if (entry.get("name") or "") == port.get("name", "")]
        for entry in item.get("endpoints") or []:
            if dig(entry, "conditions", "ready") is False:
                continue
            for address in entry.get("addresses") or []:
                pod, registered = pod_of(namespace_of(item), str(address), entry.get("targetRef"))
                view = view_of(pod, defaults) if pod else None
                yield Endpoint(str(address), int((numbers or [0])[0] or 0), view, registered or pod is None, True)


def ready(found: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
    """Endpoints whose pods are ready, or all of them where none is."""
    good = tuple(item for item in found if item.pod is None or item.listed or _is_ready(item.pod.pod))
    return good or found


def serving(snapshot: Snapshot, service: Obj, port: Obj) -> tuple[Endpoint, ...]:
    """Endpoints of a Service port that get requests: those that are ready, unless the Service says that it does not matter."""
    found = endpoints(snapshot, service, port)
    return found if dig(service, "spec", "publishNotReadyAddresses", default=False) else ready(found)


def _is_ready(pod: Obj) -> bool:
    conditions = dig(pod, "status", "conditions", default=[])
    return not is_leaving(pod) and all(item.get("status") == "True" for item in conditions if item.get("type") == "Ready")


def is_leaving(pod: Obj) -> bool:
    """Whether a pod is being deleted."""
    return dig(pod, "metadata", "deletionTimestamp") is not None
