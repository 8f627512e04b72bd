# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Traefik: its own Ingresses and those that it serves in ingress-nginx's place, its own kinds, and the Gateway API's."""

from __future__ import annotations

from tests.integration.support import apps
from tests.integration.support.cluster import Obj
from tests.integration.support.ways import NAMESPACE, OF_STREAMS, Place, Vendor, Way

GATEWAY = "gateway.networking.k8s.io"
WEB = 8000  # the port of Traefik's entry point for HTTP, which its Gateways name


def own(kind: str, place: Place, entry: str, match: str) -> Obj:
    """An object of Traefik's own kinds."""
    route = {"match": match, "services": [{"name": place.service, "port": place.number}]}
    if kind == "IngressRoute":
        route["kind"] = "Rule"
    return {
        "apiVersion": "traefik.io/v1alpha1", "kind": kind, "metadata": {"name": place.name, "namespace": NAMESPACE},
        "spec": {"entryPoints": [entry], "routes": [route]},
    }  # fmt: skip


def attached(kind: str, version: str, place: Place, listener: str, **spec: object) -> Obj:
    """A route of the Gateway API."""
    rule = {"backendRefs": [{"name": place.service, "port": place.number}]}
    return {
        "apiVersion": f"{GATEWAY}/{version}", "kind": kind, "metadata": {"name": place.name, "namespace": NAMESPACE},
        "spec": {"parentRefs": [{"name": "traefik", "sectionName": listener}], "rules": [rule], **spec},
    }  # fmt: skip


def gateway(places: list[Place]) -> list[Obj]:
    """The Gateway that the routes are attached to."""
    listeners = [{"name": "web", "port": WEB, "protocol": "HTTP"}]
    listeners += [{"name": f"tcp-{place.stream}", "port": place.stream, "protocol": "TCP"} for place in places if place.stream]
    metadata = {"name": "traefik", "namespace": NAMESPACE}
    spec = {"gatewayClassName": "traefik", "listeners": listeners}
    return [{"apiVersion": f"{GATEWAY}/v1", "kind": "Gateway", "metadata": metadata, "spec": spec}]


def ingress(name: str) -> Way:
    """Ingresses of a class."""
    return Way(name, lambda place: apps.ingress(NAMESPACE, place.name, place.host, (place.service, place.number), ingress_class=name))


VENDOR = Vendor(
    id="traefik",
    namespace="traefik",
    name="traefik",
    service="traefik",
    ways=(
        ingress("traefik"),
        ingress("traefik-as-nginx"),
        Way("ingressroute", lambda place: own("IngressRoute", place, "web", f"Host(`{place.host}`)")),
        Way("httproute", lambda place: attached("HTTPRoute", "v1", place, "web", hostnames=[place.host])),
        Way("ingressroutetcp", lambda place: own("IngressRouteTCP", place, f"tcp-{place.stream}", "HostSNI(`*`)"), OF_STREAMS, stream=True),
        Way("tcproute", lambda place: attached("TCPRoute", "v1alpha2", place, f"tcp-{place.stream}"), OF_STREAMS, stream=True),
    ),
    around=gateway,
    kinds=(
        "ingressroutes.traefik.io",
        "ingressroutetcps.traefik.io",
        *(f"{kind}.{GATEWAY}" for kind in ("httproutes", "tcproutes", "gateways")),
    ),
)
