# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a Gateway takes no routes from a backend's namespace, they lie beside it, and a grant lets them lead there."""

from __future__ import annotations

from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Backend
from ansible_collections.meshlb.istio.plugins.module_utils.plan.chain import gateway_api
from ansible_collections.meshlb.istio.plugins.module_utils.plan.chain.carry import HostRules
from ansible_collections.meshlb.istio.plugins.module_utils.plan.chain.options import GatewayOptions
from ansible_collections.meshlb.istio.plugins.module_utils.plan.chain.paths import PathRule


def test_routes_beside_the_gateway_need_a_grant() -> None:
    options = GatewayOptions("edge", "gateways", "gateway_api")
    rules = HostRules("shop.example.com", (PathRule("prefix", "/", Backend("apps", "shop", 80)),))
    beside = gateway_api.route_bodies(options, [rules], lambda namespace: True, redirect=False)
    assert [(item["kind"], item["metadata"]["namespace"]) for item in beside] == [("HTTPRoute", "apps")]
    granted = gateway_api.route_bodies(options, [rules], lambda namespace: False, redirect=False)
    assert [(item["kind"], item["metadata"]["namespace"]) for item in granted] == [("ReferenceGrant", "apps"), ("HTTPRoute", "gateways")]
