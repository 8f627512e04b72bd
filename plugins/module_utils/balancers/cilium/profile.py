# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cilium's Ingress and Gateway API: an Envoy on every node, on the host's network, that no sidecar can stand beside.

Source: cilium/cilium operator/pkg/ingress, operator/pkg/gateway-api and Documentation/network/servicemesh. What Cilium does as a
CNI is another thing: istio/network.py reads that.
"""

from __future__ import annotations

from ..contract.facts import About, Facts
from ..contract.recognition import GatewayClasses, Recogniser
from ..kit.gateway.dialect import Dialect, ignored_extension
from ..kit.limited import limited

FACTS = Facts(routes=("Ingress", "HTTPRoute, GRPCRoute, TLSRoute"), versions="1.18",
              remark="chained mode only; Cilium's own L7 policies do not see into mutual TLS")  # fmt: skip
OUTSIDE = "its traffic leaves from an Envoy on every node, on the host's network, where no sidecar can be: use chained mode"
WHY_NOT = "Cilium's Envoy sends to pod addresses, and no sidecar sees that"
PROFILE = limited(
    About("cilium", "Cilium", placement="node", outside=OUTSIDE, facts=FACTS),
    Recogniser(classes=("cilium.io/ingress-controller",), gateway_classes=GatewayClasses(("io.cilium/gateway-controller",), ("cilium",))),
    WHY_NOT, dialect=Dialect(extension=ignored_extension).without("TCPRoute", "UDPRoute"),
)
