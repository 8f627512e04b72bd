# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Easegress (easegress-io/easegress) as an ingress controller: it dials pod addresses, and has no setting for that or for the Host.

Source: pkg/object/ingresscontroller/k8s.go (classes), docs/04.Cloud-Native. The class that it serves is a setting of an object inside it,
taken to be the default.
"""

from __future__ import annotations

from ..contract.facts import About, Facts
from ..contract.recognition import GatewayClasses, Recogniser, Signs
from ..kit.limited import limited

FACTS = Facts(routes=("Ingress", "HTTPRoute"), remark="only what needs no setting of its own, or chained mode", versions="2.10")
SIGNS = Signs(
    commands=("easegress-server",), images=("megaease/easegress", "easegress"),
    labels=(frozenset({("app.kubernetes.io/name", "easegress")}), frozenset({("app", "easegress-ingress")})),
)
PROFILE = limited(
    About("easegress", "Easegress", facts=FACTS),
    Recogniser(SIGNS, ("megaease.com/ingress-controller",), GatewayClasses(("megaease.com/gateway-controller",))),
    "Easegress watches endpoints and has no setting for Service routing", class_names=("easegress",),
)
