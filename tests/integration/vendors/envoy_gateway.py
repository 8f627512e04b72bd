# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Envoy Gateway: the Gateway API's routes, with a policy for their Gateway and with policies of their own.

Its only setting for how long connections to backends last is a policy, so there is always one for the Gateway.
"""

from __future__ import annotations

from tests.integration.support.cluster import Obj
from tests.integration.support.gateways import GROUP, OF_GRPC, attached, gateway_with
from tests.integration.support.ways import NAMESPACE, OF_STREAMS, Place, Vendor, Way

HOME = "envoy-gateway-system"
GATEWAY = (HOME, "lab")
PROXY = "envoy-envoy-gateway-system-lab-e04561c8"
OWN_POLICY = "policed"


def policy(namespace: str, name: str, kind: str) -> Obj:
    """A BackendTrafficPolicy that says nothing of how backends are reached: a request per connection."""
    target = {"group": "gateway.networking.k8s.io", "kind": kind, "name": name}
    return {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "BackendTrafficPolicy", "metadata": {"name": name, "namespace": namespace},
        "spec": {"targetRefs": [target], "circuitBreaker": {"maxRequestsPerConnection": 1}},
    }  # fmt: skip


def around(places: list[Place]) -> list[Obj]:
    """The Gateway with a listener for each stream, its policy, and those of routes that have their own."""
    own = [policy(NAMESPACE, place.name, "HTTPRoute") for place in places if place.name.startswith(OWN_POLICY)]
    return [gateway_with("envoy-gateway", GATEWAY, places), policy(*GATEWAY, "Gateway"), *own]


VENDOR = Vendor(
    id="envoy_gateway",
    namespace=HOME,
    name=PROXY,
    service=PROXY,
    ways=(
        Way("httproute", lambda place: attached("HTTPRoute", place, GATEWAY, "http", hostnames=[place.host])),
        Way(OWN_POLICY, lambda place: attached("HTTPRoute", place, GATEWAY, "http", hostnames=[place.host])),
        Way("grpcroute", lambda place: attached("GRPCRoute", place, GATEWAY, "http", hostnames=[place.host]), OF_GRPC),
        Way("tcproute", lambda place: attached("TCPRoute", place, GATEWAY, f"tcp-{place.stream}"), OF_STREAMS, stream=True),
    ),
    around=around,
    kinds=(
        *(f"{kind}.{GROUP}" for kind in ("httproutes", "grpcroutes", "tcproutes", "gateways")),
        *(f"{kind}.gateway.envoyproxy.io" for kind in ("envoyproxies", "backendtrafficpolicies")),
    ),
)
