# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kgateway (kgateway-dev/kgateway, once Gloo Gateway): its proxies take the mesh's certificates themselves.

Source: internal/kgateway/wellknown/controller.go, internal/kgateway/helm (an old snapshot, 2025-02); the name of the setting that
turns its automatic mutual TLS on was seen in repositories' texts only.
"""

from __future__ import annotations

from ..kit.gateway.routes import KINDS
from ..legacy import Facts, Limited, Signs

_WHY = (
    "kgateway speaks mutual TLS with the mesh itself (KGW_ENABLE_ISTIO_AUTO_MTLS of its controller), and a sidecar beside its proxy would "
    "encrypt that again"
)


class Kgateway(Limited):
    """kgateway's proxies, one per Gateway."""

    id = "kgateway"
    title = "kgateway"
    gateway_controllers = ("kgateway.dev/kgateway", "solo.io/gloo-gateway")
    kinds = KINDS
    gateway_label = "gateway.networking.k8s.io/gateway-name"
    signs = Signs(
        images=("kgateway-dev/envoy-wrapper", "cr.kgateway.dev/envoy-wrapper", "envoy-wrapper"),
        labels=(frozenset({("kgateway", "kube-gateway")}),),
    )
    forbids_injection = _WHY
    why_not = _WHY
    facts = Facts(
        routes=("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute"), versions="2.0",
        remark="its own mutual TLS is the way; no sidecar is injected (unconfirmed)",
    )
