# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects of the Gateway API for load balancers whose one Gateway the lab makes."""

from __future__ import annotations

from collections.abc import Iterable

from .cluster import Obj
from .ways import NAMESPACE, PORTS, Place

GROUP = "gateway.networking.k8s.io"
# Backends of a GRPCRoute are spoken to in HTTP/2, which sidecars before an application understand and the lab's application does not.
OF_GRPC = tuple(kind for kind in PORTS if kind != "no-sidecar")


def attached(kind: str, place: Place, gateway: tuple[str, str], listener: str, **spec: object) -> Obj:
    """A route of the Gateway API."""
    parent = {"namespace": gateway[0], "name": gateway[1], "sectionName": listener}
    rule = {"backendRefs": [{"name": place.service, "port": place.number}]}
    return {
        "apiVersion": f"{GROUP}/{'v1alpha2' if kind == 'TCPRoute' else 'v1'}", "kind": kind,
        "metadata": {"name": place.name, "namespace": NAMESPACE}, "spec": {"parentRefs": [parent], "rules": [rule], **spec},
    }  # fmt: skip


def gateway_with(class_name: str, gateway: tuple[str, str], places: Iterable[Place], added: int = 0) -> Obj:
    """The lab's Gateway with a listener for each stream; ``added`` is what the load balancer adds to a listener's port to get its own."""
    everybody = {"namespaces": {"from": "All"}}
    ports = {"http": ("HTTP", 80), **{f"tcp-{place.stream}": ("TCP", place.stream - added) for place in places if place.stream}}
    listeners = [{"name": name, "protocol": protocol, "port": port, "allowedRoutes": everybody} for name, (protocol, port) in ports.items()]
    return {
        "apiVersion": f"{GROUP}/v1", "kind": "Gateway", "metadata": {"namespace": gateway[0], "name": gateway[1]},
        "spec": {"gatewayClassName": class_name, "listeners": listeners},
    }  # fmt: skip
