# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Higress (alibaba/higress): a fork of Istio's gateway with a control plane of its own, in which a second sidecar cannot work.

Source: helm/core/templates/_pod.tpl (user 1337, ``sidecar.istio.io/inject: "false"``), pkg/ingress/kube.
"""

from __future__ import annotations

from ..contract.facts import About, Facts
from ..contract.instances import InstanceReader
from ..contract.recognition import GatewayClasses, Recogniser, Signs
from ..contract.routes import RouteReader
from ..kit.classes import classes_in_settings
from ..kit.limited import limited, of_own_rule
from .settings import WHY_NOT, Settings, read_ingress_routes, read_settings

NO_SIDECAR = (
    "Higress' pods run Istio's own proxy as user or group 1337 under another control plane, and traffic of that user is never captured: "
    "use chained mode"
)
FACTS = Facts(
    routes=("Ingress", "HTTPRoute, GRPCRoute, TCPRoute, TLSRoute"), host="annotation upstream-vhost, of no use without Service routing",
    remark="chained mode only", versions="2.1",
)
SIGNS = Signs(images=("higress/gateway",), labels=(frozenset({("app", "higress-gateway")}),))
PROFILE = of_own_rule(
    limited(
        About("higress", "Higress", facts=FACTS, forbids_injection=NO_SIDECAR),
        Recogniser(SIGNS, ("higress.io/higress-controller",), GatewayClasses(("higress.io/gateway-controller",))), WHY_NOT,
    ),
    RouteReader(read_ingress_routes), InstanceReader(read_settings, classes=classes_in_settings(Settings)),
)
