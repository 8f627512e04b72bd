# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""BackendTLSPolicy: the same Service ports are spoken to by TLS, whichever implementation of the Gateway API sends the requests."""

from __future__ import annotations

import pytest

from tests.unit.plugins.module_utils.balancers.gateways import gateway, gateway_class, route, rule, to_service
from tests.unit.plugins.module_utils.balancers.kit.gateway.support import policy
from tests.unit.plugins.module_utils.balancers.support import data_plane, meshed, reading
from tests.unit.plugins.module_utils.support.cluster import Obj, port, service

IMPLEMENTATIONS = {
    "envoy_gateway": (
        data_plane("envoy-edge-gw", image="x/y", pod_labels={
            "app.kubernetes.io/component": "proxy", "app.kubernetes.io/managed-by": "envoy-gateway"}),
        gateway_class("gateway.envoyproxy.io/gatewayclass-controller")),
    "nginx_gateway_fabric": (
        data_plane("gw-nginx", image="ghcr.io/nginx/nginx-gateway-fabric/nginx:edge"),
        gateway_class("gateway.nginx.org/nginx-gateway-controller")),
    "kgateway": (data_plane("gw", image="cr.kgateway.dev/kgateway-dev/envoy-wrapper:v2.0.0"), gateway_class("kgateway.dev/kgateway")),
}  # fmt: skip
TWO_PORTS = service("shop", port("web", 80), port("admin", 81, 8081))
UNNAMED = service("shop", port("", 80))

SCHEMES: dict[str, tuple[Obj, list[Obj], list[str]]] = {
    "no policy": (TWO_PORTS, [], ["http", "http"]),
    "the whole Service": (TWO_PORTS, [policy()], ["tls", "tls"]),
    "one port of two": (TWO_PORTS, [policy(section="admin")], ["http", "tls"]),
    "a port that the Service lacks": (TWO_PORTS, [policy(section="else")], ["http", "http"]),
    "another Service's port": (TWO_PORTS, [policy("other", section="admin")], ["http", "http"]),
    "one port and the whole Service": (
        TWO_PORTS, [policy(targetRefs=[{"group": "", "kind": "Service", "name": "shop", **more} for more in ({"sectionName": "web"}, {})])],
        ["tls", "tls"]),
    "a port without a name": (UNNAMED, [policy()], ["tls"]),
    "no name for a port without one": (UNNAMED, [policy(section="web")], ["http"]),
}  # fmt: skip


@pytest.mark.parametrize("vendor", IMPLEMENTATIONS)
@pytest.mark.parametrize(("shop", "policies", "schemes"), SCHEMES.values(), ids=SCHEMES)
def test_the_ports_that_a_policy_is_for(vendor: str, shop: Obj, policies: list[Obj], schemes: list[str]) -> None:
    rules = [rule(to_service("shop", item["port"]), path=f"/{item['port']}") for item in shop["spec"]["ports"]]
    found = reading(meshed(*IMPLEMENTATIONS[vendor], gateway(), shop, route("a", *rules), *policies), vendor)[0]
    assert [item.upstream.scheme for item in sorted(found, key=lambda item: item.path)] == schemes
