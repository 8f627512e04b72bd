# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kgateway (kgateway-dev/kgateway, once Gloo Gateway): its proxies take the mesh's certificates themselves.

Source: internal/kgateway/wellknown/controller.go, internal/kgateway/helm (an old snapshot, 2025-02); the name of the setting that
turns its automatic mutual TLS on was seen in repositories' texts only.
"""

from __future__ import annotations

from ..contract.facts import About, Facts
from ..contract.recognition import GatewayClasses, Recogniser, Signs
from ..kit.gateway.dialect import Dialect
from ..kit.gateway.names import LISTENER_SET, X_LISTENER_SET
from ..kit.limited import limited, of_labelled_gateway

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
PROFILE = limited(
    About("kgateway", "kgateway", facts=FACTS, forbids_injection=WHY_NOT),
    Recogniser(SIGNS, gateway_classes=GatewayClasses(("kgateway.dev/kgateway", "solo.io/gloo-gateway"), per_gateway=True)), WHY_NOT,
    carries=of_labelled_gateway("gateway.networking.k8s.io/gateway-name"),
    dialect=Dialect(listener_sets=frozenset({LISTENER_SET, X_LISTENER_SET})),
)
