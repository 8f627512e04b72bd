# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""HAProxy Ingress: Ingresses, TCP services of its ConfigMap, and Ingresses that are TCP services."""

from __future__ import annotations

from tests.integration.support import apps
from tests.integration.support.cluster import Obj
from tests.integration.support.ways import NAMESPACE, OF_STREAMS, Place, Vendor, Way

HOME = "haproxy-ingress"
LISTED = "tcp-services"


def ingress(place: Place) -> Obj:
    """An Ingress of HTTP."""
    return apps.ingress(NAMESPACE, place.name, place.host, (place.service, place.number), ingress_class="haproxy")


def stream(place: Place) -> Obj:
    """An Ingress whose Service gets a port of its own."""
    notes = {"haproxy-ingress.github.io/tcp-service-port": str(place.stream)}
    made = apps.ingress(NAMESPACE, place.name, "", (place.service, place.number), ingress_class="haproxy", annotations=notes)
    backend = made["spec"].pop("rules")[0]["http"]["paths"][0]["backend"]
    made["spec"]["defaultBackend"] = backend
    return made


def listed(places: list[Place]) -> list[Obj]:
    """The ConfigMap of TCP services."""
    data = {str(place.stream): f"{NAMESPACE}/{place.service}:{place.number}" for place in places if place.name.startswith(LISTED)}
    return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": LISTED, "namespace": HOME}, "data": data}]


VENDOR = Vendor(
    id="haproxy_ingress",
    namespace=HOME,
    name=HOME,
    service=HOME,
    ways=(
        Way("ingress", ingress),
        Way(LISTED, lambda place: None, OF_STREAMS, stream=True),
        Way("ingress-tcp", stream, OF_STREAMS, stream=True),
    ),
    around=listed,
)
