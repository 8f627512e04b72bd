# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service mesh extension of the ALB controller, with which it speaks the mesh's mutual TLS by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, ObjectRef, replace
from ...kube import kinds
from ...kube.objects import Obj, labels_of, name_of, ref_of
from ...kube.snapshot import Snapshot
from ..contract.chain import ChainRequest
from ..contract.routes import RouteReader, RouteReading

EXTENSION = "alb-controller-istio-extension"
WHY = f"{EXTENSION} is here, so it speaks the mesh's mutual TLS by itself to namespace {{}}; not measured"


def notices(snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[Finding, ...]:
    """Whether what mutual TLS without a gateway needs is there."""
    extension = _extension(snapshot.all(kinds.DEPLOYMENT))
    state = "is here, so mutual TLS of the mesh goes" if extension else "was not found here; with it, mutual TLS of the mesh would go"
    text = f"its service mesh extension ({EXTENSION}) {state} to Services of namespaces that are labelled for injection, never ambient"
    return (finding("MLB614", text, ref_of(extension) if extension else None),)


def with_own_mutual_tls(usual: RouteReader) -> RouteReader:
    """The usual routes, of which those of the Gateway API may be reached by mutual TLS where the extension is."""

    def read(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
        reading = usual.read(snapshot, load_balancer, only)
        if _extension(snapshot.all(kinds.DEPLOYMENT)) is None:
            return reading
        labelled = {name_of(item) for item in snapshot.all(kinds.NAMESPACE) if _labelled(item)}
        return replace(reading, routes=tuple(
            replace(route, own_mutual_tls=WHY.format(route.backend.namespace))
            if route.object.group == "gateway.networking.k8s.io" and route.backend.namespace in labelled else route
            for route in reading.routes
        ))

    return replace(usual, read=read)


def extension_preflight(snapshot: Snapshot, request: ChainRequest) -> Iterator[Finding]:
    """Whether the extension would send the gateway mutual TLS that it does not take."""
    namespace = snapshot.get(kinds.NAMESPACE, "", request.gateway.namespace)
    if namespace and _labelled(namespace) and _extension(snapshot.all(kinds.DEPLOYMENT)):
        text = (
            f"with {EXTENSION} installed it sends the mesh's mutual TLS to all Services of a namespace that is labelled for injection, and "
            "a gateway does not take that: put the gateway where no such label is, and the label for injection on its pods alone"
        )
        yield finding("MLB617", text, ref_of(namespace))


def _extension(deployments: Iterable[Obj]) -> Obj | None:
    return next((item for item in deployments if name_of(item) == EXTENSION), None)


def _labelled(namespace: Obj) -> bool:
    """Whether the extension sends mutual TLS to a namespace: it looks at the labels for injection."""
    return labels_of(namespace).get("istio-injection") == "enabled" or "istio.io/rev" in labels_of(namespace)
