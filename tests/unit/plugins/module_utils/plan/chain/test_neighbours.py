# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A chain beside other people's routing at the same gateway, and routes that lead to the gateway already."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Backend
from ansible_collections.meshlb.istio.plugins.module_utils.plan.chain.neighbours import neighbours, takes
from ansible_collections.meshlb.istio.plugins.module_utils.plan.chain.options import GatewayOptions

from tests.unit.plugins.module_utils.plan.chain.kit import (
    GATEWAYS,
    Chain,
    chain,
    gateway_service,
    gateway_workload,
    kubernetes,
    refusal,
    world,
)
from tests.unit.plugins.module_utils.support.cluster import PROXY, PUBLIC, Obj, backend, ingress, obj, path, to, virtual_service

SHOP = ingress("shop", path(backend("shop")))
CART = ingress("cart", path(backend("cart")), host="cart.example.com")
GATEWAY = f"{GATEWAYS}/meshlb"
OLD = to("old.other.svc.cluster.local", 80)


def legacy(*http: Obj, hosts: tuple[str, ...] = (PUBLIC,), where: str = "other", gateways: tuple[str, ...] = (GATEWAY,)) -> Obj:
    return virtual_service(*hosts, http=list(http) or [OLD], where=where, name="legacy", gateways=list(gateways))


def about(done: Chain, code: str) -> list[str]:
    return [f"{item.object} {item.cause or ''} {item.message}" for item in done.findings if item.code == code]


def test_an_older_virtual_service_of_the_host_keeps_its_requests() -> None:
    done = chain(world(SHOP, CART, legacy()))
    assert not done.route(host=PUBLIC).chained and done.route(host="cart.example.com").chained
    (found,) = about(done, "MLB622")
    assert found.startswith("Ingress apps/shop VirtualService other/legacy")
    assert not [item for item in done.changes if item.object.name.endswith(PUBLIC)]


def test_a_host_that_is_asked_for_by_name_is_refused() -> None:
    asked = [{"host": PUBLIC, "paths": [{"backend": {"namespace": "apps", "service": "shop", "port": 80}}]}]
    assert refusal(world(CART, legacy()), hosts=asked) == "MLB622"


HARMLESS: dict[str, Obj] = {
    "another gateway": legacy(gateways=("other/gw",)),
    "the mesh alone": legacy(gateways=("mesh",)),
    "another host": legacy(hosts=("old.example.com",)),
    "the same Service": legacy(to("shop.apps.svc.cluster.local", 80)),
}  # fmt: skip


@pytest.mark.parametrize("other", HARMLESS.values(), ids=HARMLESS)
def test_what_is_not_in_the_way(other: Obj) -> None:
    done = chain(world(SHOP, other))
    assert done.route(host=PUBLIC).chained and not about(done, "MLB622") + about(done, "MLB623")


SHARED: dict[str, tuple[Obj, str]] = {
    "a narrower path": (legacy({**OLD, "match": [{"uri": {"prefix": "/old"}}]}), "some requests"),
    "a header": (legacy({**OLD, "match": [{"headers": {"x-old": {"exact": "yes"}}}]}), "some requests"),
    "a wildcard": (legacy(hosts=("*.example.com",)), "by a wildcard"),
    "any host": (legacy(hosts=("*",)), "by a wildcard"),
}  # fmt: skip


@pytest.mark.parametrize(("other", "said"), SHARED.values(), ids=SHARED)
def test_what_is_shared_is_said(other: Obj, said: str) -> None:
    done = chain(world(SHOP, other))
    assert done.route(host=PUBLIC).chained
    (found,) = about(done, "MLB623")
    assert "VirtualService other/legacy" in found and said in found


def test_what_is_led_already_stays_beside_a_newcomer() -> None:
    first = chain(world(SHOP)).after
    made = [{**item, "metadata": {**item["metadata"], "creationTimestamp": "2024-01-01T00:00:00Z"}}
            for item in first.all("VirtualService.networking.istio.io")]
    late = legacy()
    late["metadata"]["creationTimestamp"] = "2025-01-01T00:00:00Z"
    done = chain(first.overlay([*made, late]))
    assert done.route(host=PUBLIC).chained and not about(done, "MLB622")


def by_hand(**more: Any) -> Obj:
    return ingress("edge", path(backend("gw", 80)), where=GATEWAYS, **more)


def test_a_route_that_leads_to_the_gateway_already_is_left_alone() -> None:
    done = chain(world(by_hand(), CART, legacy(hosts=("*",))))
    assert not done.route(host=PUBLIC).chained and done.route(host="cart.example.com").chained
    assert any("leads to an Istio gateway already" in item.message for item in done.findings if item.code == "MLB610")
    assert not [item for item in done.changes if item.object.name in ("edge", f"meshlb-{PUBLIC}")]


def test_a_gateway_is_no_backend_of_its_own() -> None:
    asked = [{"host": PUBLIC, "paths": [{"backend": {"namespace": GATEWAYS, "service": "gw", "port": 80}}]}]
    gateway = [gateway_service(), gateway_workload(containers=[PROXY])]
    with pytest.raises(MeshlbError, match="go round"):
        chain(world(CART, *gateway, gateway=False), hosts=asked)


def http_route(value: str, kind: str = "PathPrefix", **more: Any) -> Obj:
    rule = {"matches": [{"path": {"type": kind, "value": value}, **more}], "backendRefs": [{"name": "old", "port": 80}]}
    spec = {"parentRefs": [{"name": "edge", "namespace": GATEWAYS}], "hostnames": [PUBLIC], "rules": [rule]}
    return obj("gateway.networking.k8s.io/v1", "HTTPRoute", "other", "legacy", spec=spec)


def test_routes_of_the_gateway_api_go_by_how_narrow_they_are() -> None:
    options = GatewayOptions("edge", GATEWAYS, "gateway_api")
    shop = Backend("apps", "shop", 80)
    for other, expected in ((http_route("/app"), "all"), (http_route("/"), ""), (http_route("/app/old"), "some"),
                            (http_route("/app", headers=[{"name": "x", "value": "y"}]), "some")):
        (found,) = neighbours(world(other), options)
        assert takes(found, "/app", "Prefix", shop) == expected
    done = chain(world(SHOP, http_route("/")), gateway=kubernetes())
    assert not done.route(host=PUBLIC).chained and "HTTPRoute other/legacy" in about(done, "MLB622")[0]
