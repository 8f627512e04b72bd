# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Easegress (easegress-io/easegress) as an ingress controller: it dials pod addresses, and has no setting for that or for the Host.

Source: pkg/object/ingresscontroller/k8s.go (classes), docs/04.Cloud-Native.
"""

from __future__ import annotations

from ..kit.gateway.routes import KINDS
from ..legacy import Facts, Limited, Signs


class Easegress(Limited):
    """Easegress; the class it serves is a setting of an object inside it, taken to be the default."""

    id = "easegress"
    title = "Easegress"
    gateway_controllers = ("megaease.com/gateway-controller",)
    class_controllers = ("megaease.com/ingress-controller",)
    class_names = ("easegress",)
    kinds = KINDS
    signs = Signs(
        commands=("easegress-server",),
        images=("megaease/easegress", "easegress"),
        labels=(frozenset({("app.kubernetes.io/name", "easegress")}), frozenset({("app", "easegress-ingress")})),
    )
    why_not = "Easegress watches endpoints and has no setting for Service routing"
    facts = Facts(routes=("Ingress", "HTTPRoute"), remark="only what needs no setting of its own, or chained mode", versions="2.10")
