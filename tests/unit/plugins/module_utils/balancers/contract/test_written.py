# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a load balancer's own code makes and sets is what is declared for it, for each of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.chain import ChainRequest, GatewayTarget
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.profile import Profile
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import REGISTRY
from ansible_collections.meshlb.istio.plugins.module_utils.detect.inventory import take_inventory
from ansible_collections.meshlb.istio.plugins.module_utils.kube.objects import kind_key_of
from ansible_collections.meshlb.istio.plugins.module_utils.plan.writes import chain_writes

from tests.unit.plugins.module_utils.balancers.haproxy_ingress import support as haproxy_ingress
from tests.unit.plugins.module_utils.plan.chain.test_vendor_chains import cluster
from tests.unit.plugins.module_utils.support.cluster import APPS, EDGE, Obj, ingress_class, obj
from tests.unit.plugins.module_utils.support.known import detect

GATEWAY = GatewayTarget("meshlb", "istio-ingress", service="gw", address="10.96.0.20")
GIVEN = {
    "address": "203.0.113.9", "class_name": "own", "server_ssl": "/Common/serverssl", "client_ssl": "/Common/clientssl",
    "http_profile": "/Common/http_xff",
}
CHAINED = [item for item in REGISTRY.profiles if item.chain]


def request(profile: Profile, **more: Any) -> ChainRequest:
    known = {item.name for item in profile.chain.facts.options} if profile.chain else set()
    options = {name: value for name, value in GIVEN.items() if name in known}
    return ChainRequest("meshlb-x", GATEWAY, ("a.example.com",), classes=("own",), addressed=True, options=options, **more)


def declared(profile: Profile) -> set[str]:
    return {item.kind for item in chain_writes(profile) if item.named is not None}


@pytest.mark.parametrize("profile", CHAINED, ids=lambda item: item.about.id)
@pytest.mark.parametrize("tls", [False, True])
def test_a_new_route_makes_what_is_declared(profile: Profile, tls: bool) -> None:
    assert profile.chain is not None
    asked = request(profile)
    asked = replace(asked, gateway=replace(asked.gateway, tls=tls, server_name="gw.example.com" if tls else ""))
    for client in ("auto", "proxy_protocol", "none"):
        found = profile.chain.front(replace(asked, client=client))
        assert {kind_key_of(item) for item in found.bodies} <= declared(profile)


def attached() -> list[Obj]:
    """An HTTPRoute that HAProxy Ingress serves."""
    version = "gateway.networking.k8s.io/v1"
    listener = {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}
    rule = {"backendRefs": [{"name": "shop", "port": 80}]}
    return [
        obj(version, "GatewayClass", "", "haproxy", spec={"controllerName": haproxy_ingress.CONTROLLER}),
        obj(version, "Gateway", EDGE, "front", spec={"gatewayClassName": "haproxy", "listeners": [listener]}),
        obj(version, "HTTPRoute", APPS, "shop", spec={
            "parentRefs": [{"name": "front", "namespace": EDGE}], "hostnames": ["a.example.com"], "rules": [rule],
        }),
    ]  # fmt: skip


def test_a_route_of_the_gateway_api_is_led_by_its_references() -> None:
    workload = haproxy_ingress.haproxy(image="quay.io/jcmoraisjr/haproxy-ingress:v0.15.0")
    snapshot = cluster(workload, ingress_class("haproxy", haproxy_ingress.CONTROLLER), *attached())
    (found,) = (item for item in detect(snapshot)[0] if item.vendor == "haproxy_ingress")
    profile = REGISTRY.get(found.vendor)
    assert profile.chain is not None and profile.chain.redirect is not None
    routes = [item for item in take_inventory(snapshot, REGISTRY, [found]).routes if item.object.kind == "HTTPRoute"]
    assert [item.host for item in routes] == ["a.example.com"]
    answer = profile.chain.redirect(snapshot, found, routes, request(profile, alias="address"))
    assert {kind_key_of(item.object) for item in answer.patches} == {"HTTPRoute.gateway.networking.k8s.io"}
    assert {kind_key_of(item) for item in answer.bodies} == {"Service", "EndpointSlice.discovery.k8s.io"} <= declared(profile)
