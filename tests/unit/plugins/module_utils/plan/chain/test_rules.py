# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of a vendor's own kind and HTTPRoutes are led rule by rule: a rule as a whole, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.balancers import gateways
from tests.unit.plugins.module_utils.balancers.contour import test_profile as test_contour
from tests.unit.plugins.module_utils.balancers.f5_nginx import test_profile as test_f5_nginx
from tests.unit.plugins.module_utils.balancers.traefik.cluster import entry, ingress_route
from tests.unit.plugins.module_utils.plan.chain.kit import chain
from tests.unit.plugins.module_utils.plan.chain.test_vendor_chains import ALIAS, CONTOUR, F5, TRAEFIK, cluster, led
from tests.unit.plugins.module_utils.support.cluster import APPS, PUBLIC, Obj

NEWS = "news.example.com"
SHOP_RULE, NEWS_RULE = (f"Host(`{PUBLIC}`)", [entry("shop")]), (f"Host(`{NEWS}`)", [entry("cart")])
BOTH_RULE = (f"Host(`{PUBLIC}`) || Host(`{NEWS}`)", [entry("shop")])
EDGE = [gateways.gateway_class("traefik.io/gateway-controller"), gateways.gateway(gateways.listener())]
ROOT, CART = gateways.rule(gateways.to_service("shop"), path="/"), gateways.rule(gateways.to_service("cart"), path="/cart")
LOST = gateways.rule(gateways.to_service("nobody"), path="/no")
SHARED = gateways.rule(gateways.to_service("shop", weight=1), gateways.to_service("cart", weight=1), path="/both")
PROXY, NOBODY = test_contour.to(test_contour.svc("shop")), test_contour.to(test_contour.svc("nobody"), conditions=[{"prefix": "/no"}])
CHOSEN = test_contour.to(test_contour.svc("cart"), conditions=[{"prefix": "/"}, {"header": {"name": "x", "present": True}}])
SERVER = test_f5_nginx.server(
    {"path": "/", "action": test_f5_nginx.to("shop")}, {"path": "/cart", "action": test_f5_nginx.to("cart")}, name="a",
    upstreams=test_f5_nginx.BOTH,
)
Case = tuple[str, list[Obj], Obj, list[str], list[str]]
CASES: dict[str, Case] = {
    "an IngressRoute": ("traefik", TRAEFIK, ingress_route("a", SHOP_RULE), [], [ALIAS]),
    "an IngressRoute of two hosts": ("traefik", TRAEFIK, ingress_route("a", SHOP_RULE, NEWS_RULE), [], [ALIAS, ALIAS]),
    "one host of an IngressRoute": ("traefik", TRAEFIK, ingress_route("a", SHOP_RULE, NEWS_RULE), [NEWS], ["shop", ALIAS]),
    "one host of a rule with two": ("traefik", TRAEFIK, ingress_route("a", BOTH_RULE), [NEWS], ["shop"]),
    "both hosts of a rule with two": ("traefik", TRAEFIK, ingress_route("a", BOTH_RULE), [NEWS, PUBLIC], [ALIAS]),
    "an HTTPRoute": ("traefik", [*TRAEFIK, *EDGE], gateways.route("a", ROOT, CART), [], [ALIAS, ALIAS]),
    "one host of an HTTPRoute": (
        "traefik", [*TRAEFIK, *EDGE], gateways.route("a", ROOT, CART, hosts=(PUBLIC, NEWS)), [NEWS], ["shop", "cart"]),
    "an HTTPRoute with a rule to nowhere": ("traefik", [*TRAEFIK, *EDGE], gateways.route("a", ROOT, LOST), [], [ALIAS, "nobody"]),
    "an HTTPRoute with a rule of shares": ("traefik", [*TRAEFIK, *EDGE], gateways.route("a", ROOT, SHARED), [], [ALIAS, "shop", "cart"]),
    "an HTTPProxy": ("contour", CONTOUR, test_contour.proxy(PROXY), [], [ALIAS]),
    "an HTTPProxy with a rule to nowhere": ("contour", CONTOUR, test_contour.proxy(PROXY, NOBODY), [], [ALIAS, "nobody"]),
    "an HTTPProxy with a rule for a header": ("contour", CONTOUR, test_contour.proxy(PROXY, CHOSEN), [], [ALIAS, "cart"]),
}  # fmt: skip


def named(obj: Any) -> list[str]:
    """The Services that an object names, in order."""
    rules = obj["spec"].get("routes") or obj["spec"]["rules"]
    return [item["name"] for rule in rules for item in rule.get("services") or rule.get("backendRefs")]


@pytest.mark.parametrize(("vendor", "own", "item", "hosts", "expected"), CASES.values(), ids=CASES)
def test_which_rules_are_led(vendor: str, own: list[Obj], item: Obj, hosts: list[str], expected: list[str]) -> None:
    done = led(cluster(*own, item), vendor, **({"hosts": hosts} if hosts else {}))
    key = f"{item['kind']}.{item['apiVersion'].partition('/')[0]}"
    assert named(done.after.get(key, APPS, "a")) == expected
    assert any(route.chained for route in done.plan.routes) is (ALIAS in expected)
    # What was asked for and stays is said, with the reason.
    assert ("MLB610" in done.codes) is (ALIAS not in expected if hosts else {*expected} != {ALIAS})


def test_one_host_of_an_ingress_route_is_taken_back_alone() -> None:
    done = chain(cluster(*TRAEFIK, ingress_route("a", SHOP_RULE, NEWS_RULE)), platform="traefik")
    rest = chain(done.after, platform="traefik", state="absent", hosts=[PUBLIC])
    assert named(rest.after.get("IngressRoute.traefik.io", APPS, "a")) == ["shop", ALIAS]
    assert [item for item in rest.written if "IngressRoute" in item] == [f"2 patch IngressRoute {APPS}/a"]
    assert not any(" Service " in item for item in rest.written)


def test_references_outside_of_rules_are_led_together() -> None:
    done = led(cluster(*F5, SERVER), "f5_nginx")
    assert [item["service"] for item in done.after.get("VirtualServer.k8s.nginx.org", APPS, "a")["spec"]["upstreams"]] == [  # type: ignore[index]
        ALIAS, ALIAS]  # fmt: skip
