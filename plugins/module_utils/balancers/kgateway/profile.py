# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kgateway (kgateway-dev/kgateway, once Gloo Gateway): its proxies take the mesh's certificates themselves.

Source: internal/kgateway/wellknown/controller.go, internal/kgateway/helm (an old snapshot, 2025-02); the name of the setting that
turns its automatic mutual TLS on was seen in repositories' texts only.
"""

from __future__ import annotations

from ...core.model import LoadBalancer, ObjectRef, replace
from ...kube.objects import containers_of, pod_template
from ...kube.snapshot import Snapshot
from ..contract.facts import About, Facts
from ..contract.recognition import GatewayClasses, Recogniser, Signs
from ..contract.routes import RouteReader, RouteReading
from ..kit.gateway.dialect import Dialect
from ..kit.gateway.names import LISTENER_SET, X_LISTENER_SET
from ..kit.limited import limited, of_labelled_gateway
from ..kit.settings import neighbours_of, variable

WHY_NOT = (
    "kgateway speaks mutual TLS with the mesh itself (KGW_ENABLE_ISTIO_AUTO_MTLS of its controller), and a sidecar beside its proxy would "
    "encrypt that again"
)
FACTS = Facts(
    routes=("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute"), versions="2.0",
    remark="its own mutual TLS is the way; no sidecar is injected (unconfirmed)",
)
SIGNS = Signs(
    images=("kgateway-dev/envoy-wrapper", "cr.kgateway.dev/envoy-wrapper", "envoy-wrapper"),
    labels=(frozenset({("kgateway", "kube-gateway")}),),
)
# Two containers beside Envoy fetch the mesh's certificates for it.
OWN_MUTUAL_TLS = "its pods fetch certificates of the mesh (sds) and speak mutual TLS themselves; what that gives is not predicted"


def with_own_mutual_tls(usual: RouteReader) -> RouteReader:
    """The usual routes, which may be reached by mutual TLS where the proxy's pods, or their controller's settings, have it."""

    def read(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
        reading, workload = usual.read(snapshot, load_balancer, only), snapshot.at(load_balancer.workload)
        beside = neighbours_of(snapshot).workloads if workload is None else (workload,)
        if not any(variable(item, name) == "true" for one in beside for item in containers_of(pod_template(one)) for name in TURNED_ON):
            return reading
        return replace(reading, routes=tuple(replace(route, own_mutual_tls=OWN_MUTUAL_TLS) for route in reading.routes))

    return replace(usual, read=read)


TURNED_ON = ("ISTIO_MTLS_SDS_ENABLED", "KGW_ENABLE_ISTIO_AUTO_MTLS", "KGW_ISTIO_AUTO_MTLS_ENABLED")
USUAL = limited(
    About("kgateway", "kgateway", facts=FACTS, forbids_injection=WHY_NOT),
    Recogniser(SIGNS, gateway_classes=GatewayClasses(("kgateway.dev/kgateway", "solo.io/gloo-gateway"), per_gateway=True)), WHY_NOT,
    carries=of_labelled_gateway("gateway.networking.k8s.io/gateway-name"),
    dialect=Dialect(listener_sets=frozenset({LISTENER_SET, X_LISTENER_SET})),
)
PROFILE = replace(USUAL, routes=tuple(map(with_own_mutual_tls, USUAL.routes)))
