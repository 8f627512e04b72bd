# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Emissary: its routes of every kind, under both global resolvers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.integration.support import apps
from tests.integration.support.cluster import Obj
from tests.integration.support.ways import NAMESPACE, OF_STREAMS, WITH_ADDRESS, Place, Vendor, Way

HOME = "emissary"
V3 = "getambassador.io/v3alpha1"
ENDPOINT = {"resolver": "endpoint"}
BALANCED = {"load_balancer": {"policy": "ring_hash", "header": "x-user"}, **ENDPOINT}
ONE = ("http-80",)


def full_name(place: Place) -> str:
    """The Service's name in the mesh."""
    return f"{place.service}.{NAMESPACE}.svc.cluster.local"


def obj(kind: str, place: Place, spec: Obj) -> Obj:
    """A Mapping or a TCPMapping."""
    return {"apiVersion": V3, "kind": kind, "metadata": {"name": place.name, "namespace": NAMESPACE}, "spec": spec}


def mapping(**more: Any) -> Callable[[Place], Obj]:
    """Mappings with these fields besides."""

    def make(place: Place) -> Obj:
        fields = {"hostname": place.host, "prefix": place.path, "service": f"{place.service}:{place.number}", **more}
        return obj("Mapping", place, {key: value(place) if callable(value) else value for key, value in fields.items()})

    return make


def note(place: Place) -> dict[str, str]:
    """A Mapping inside of a Service's annotation."""
    lines = (f"apiVersion: {V3}", "kind: Mapping", f"name: {place.name}", f"hostname: {place.host}", "prefix: /")
    return {"getambassador.io/config": "\n".join((*lines, f"service: {place.service}:{place.number}", ""))}


def stream(place: Place) -> Obj:
    """A TCPMapping."""
    return obj("TCPMapping", place, {"port": place.stream, "service": f"{place.service}:{place.number}"})


def resolver(name: str) -> list[Obj]:
    """Emissary's global settings with this resolver; the rest is as the lab sets it."""
    config = {"resolver": name, "cluster_max_connection_lifetime_ms": 1000}
    return [{"apiVersion": V3, "kind": "Module", "metadata": {"name": "ambassador", "namespace": HOME}, "spec": {"config": config}}]


VENDOR = Vendor(
    id="emissary",
    namespace=HOME,
    name="emissary-ingress",
    service="emissary-ingress",
    ways=(
        Way("mapping", mapping()),
        Way("endpoint", mapping(**ENDPOINT), WITH_ADDRESS),
        Way(
            "ingress",
            lambda place: apps.ingress(NAMESPACE, place.name, place.host, (place.service, place.number), ingress_class="ambassador"),
            WITH_ADDRESS,
        ),
        Way("annotation", lambda place: None, ("http-80", "http-8000", "auto", "tcp"), notes=note),
        Way("tcpmapping", stream, OF_STREAMS, stream=True),
        Way("bare", mapping(service=lambda place: place.service), ONE),
        Way("full-name", mapping(service=full_name), ONE),
        Way("rewritten", mapping(host_rewrite=full_name), ONE),
        Way("resolved", mapping(service=lambda place: f"{place.service}.{NAMESPACE}", auto_host_rewrite=True), ONE),
        Way("prefixed", mapping(), ONE, path="/p/"),
        Way("balanced", mapping(**BALANCED), ONE),
        # One upstream for both: the first one's resolver holds for the second as well.
        Way("shared-a", mapping(**ENDPOINT), ONE, service="shared"),
        Way("shared-b", mapping(), ONE, service="shared"),
    ),
    kinds=tuple(f"{kind}.getambassador.io" for kind in ("mappings", "tcpmappings", "modules", "tlscontexts")),
    variants={name: resolver(name) for name in ("kubernetes-service", "endpoint")},
)
