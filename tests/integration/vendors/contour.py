# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Contour: HTTPProxies, Ingresses, and the Gateway API's routes of its one Gateway."""

from __future__ import annotations

from tests.integration.support import apps
from tests.integration.support.cluster import Obj
from tests.integration.support.gateways import GROUP, OF_GRPC, attached, gateway_with
from tests.integration.support.ways import NAMESPACE, OF_STREAMS, Place, Vendor, Way

HOME = "projectcontour"
GATEWAY = (HOME, "contour")


def proxy(place: Place) -> Obj:
    """An HTTPProxy."""
    route = {"conditions": [{"prefix": place.path}], "services": [{"name": place.service, "port": place.number}]}
    return {
        "apiVersion": "projectcontour.io/v1", "kind": "HTTPProxy", "metadata": {"name": place.name, "namespace": NAMESPACE},
        "spec": {"virtualhost": {"fqdn": place.host}, "routes": [route]},
    }  # fmt: skip


def root(place: Place) -> Obj:
    """An HTTPProxy that has a host, and its routes from another."""
    made = proxy(place)
    made["metadata"]["name"] = f"of-{place.name}"
    made["spec"] = {"virtualhost": {"fqdn": place.host}, "includes": [{"name": place.name}]}
    return made


def included(places: list[Place]) -> list[Obj]:
    """HTTPProxies with a host, whose routes are in others; and the Gateway with a listener for each stream."""
    roots = [place for place in places if place.name.startswith("included")]
    return [*map(root, roots), gateway_with("contour", GATEWAY, places, added=8000)]


def child(place: Place) -> Obj:
    """An HTTPProxy without a host of its own."""
    made = proxy(place)
    del made["spec"]["virtualhost"]
    return made


def ingress(place: Place) -> Obj:
    """An Ingress; there is no IngressClass of that name, and there need not be one."""
    return apps.ingress(NAMESPACE, place.name, place.host, (place.service, place.number), ingress_class="contour")


VENDOR = Vendor(
    id="contour",
    namespace=HOME,
    name="envoy",
    service="envoy",
    ways=(
        Way("httpproxy", proxy),
        Way("included", child, ("http-80", "http-8000")),
        Way("ingress", ingress),
        Way("httproute", lambda place: attached("HTTPRoute", place, GATEWAY, "http", hostnames=[place.host])),
        Way("grpcroute", lambda place: attached("GRPCRoute", place, GATEWAY, "http", hostnames=[place.host]), OF_GRPC),
        Way("tcproute", lambda place: attached("TCPRoute", place, GATEWAY, f"tcp-{place.stream}"), OF_STREAMS, stream=True),
    ),
    around=included,
    kinds=("httpproxies.projectcontour.io", *(f"{kind}.{GROUP}" for kind in ("httproutes", "grpcroutes", "tcproutes", "gateways"))),
)
