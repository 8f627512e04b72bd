# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A chain claims no host of the mesh, makes no route worse, and gives nobody up for a newcomer. Everybody else is chained."""

from __future__ import annotations

import pytest

from tests.unit.plugins.module_utils.plan.chain.kit import Chain, chain, refusal, round_trip, world
from tests.unit.plugins.module_utils.support.cluster import Obj, annotated, backend, ingress, path, peer_authentication, pod, port, service

SHOP = ingress("shop", path(backend("shop")))
EVIL = [service("evil", where="tenant"), pod("evil", where="tenant")]


def hosts(done: Chain) -> set[str]:
    return {host for item in done.after.all("VirtualService.networking.istio.io") for host in item["spec"]["hosts"]}


@pytest.mark.parametrize("host", ["cart.apps.svc.cluster.local", "*.svc.cluster.local", "*.local", "cart.apps", "cart.apps.svc"])
def test_a_name_of_the_mesh_stays_where_it_is(host: str) -> None:
    done = round_trip(world(SHOP, *EVIL, ingress("mine", path(backend("evil")), where="tenant", host=host)))
    assert hosts(done) == {"shop.example.com"}
    (found,) = (item for item in done.findings if item.code == "MLB222")
    assert found.severity == "error" and str(found.object) == "Ingress tenant/mine" and not done.route(host=host).chained


def test_the_name_of_ones_own_backend_may_be_sent_and_no_other() -> None:
    own = ingress("own", path(backend("cart")), host="cart.example.com", upstream_vhost="cart.apps.svc.cluster.local")
    other = ingress("other", path(backend("evil")), where="tenant", host="t.example.com", upstream_vhost="cart.apps.svc.cluster.local")
    done = chain(world(SHOP, own, *EVIL, other))
    assert done.route(host="cart.example.com").chained and not done.route(host="t.example.com").chained
    assert [str(item.object) for item in done.findings if item.code == "MLB222"] == ["Ingress tenant/other"]


def test_a_host_of_the_mesh_that_is_asked_for_is_refused() -> None:
    asked = [{"host": "cart.apps.svc", "paths": [{"backend": {"namespace": "apps", "service": "shop", "port": 80}}]}]
    assert refusal(world(SHOP), hosts=asked) == "MLB222"


def disabled() -> list[Obj]:
    """A backend that mutual TLS reaches today, and that is hidden from the gateway."""
    made = service("near", port("web"), where="apps", annotations={"networking.istio.io/exportTo": "edge"})
    return [made, pod("near"), ingress("near", path(backend("near")), host="near.example.com", service_upstream="true")]


def test_what_would_be_worse_behind_the_gateway_stays() -> None:
    snapshot = world(SHOP, *disabled(), peer_authentication(), injected=True)
    done = round_trip(snapshot)
    near = done.route(host="near.example.com")
    assert (near.before.verdict, near.after.verdict, near.chained) == ("mutual_tls", "mutual_tls", False)
    (found,) = (item for item in done.findings if item.code == "MLB223")
    assert str(found.object) == "Ingress apps/near" and "from mutual_tls to refused" in found.message
    assert done.route(host="shop.example.com").chained
    allowed = chain(snapshot, allow_regressions=["apps/Ingress/near"])
    assert allowed.route(host="near.example.com").chained


@pytest.mark.parametrize("squat", [
    ingress("a", path(backend("evil")), where="tenant"),
    ingress("a", path(backend("evil"), "/zz"), where="tenant", rewrite_target="/"),
    ingress("zz", path(backend("gone")), where="tenant"),
])  # fmt: skip
def test_a_newcomer_takes_nobody_off_the_chain(squat: Obj) -> None:
    first = chain(world(SHOP))
    again = chain(first.after.overlay([*EVIL, squat]))
    kept = [item for item in again.plan.routes if item.object and item.object.name == "shop"]
    assert [item.chained for item in kept] == [True] and not [item for item in again.written if "apps/shop" in item]


CART = ingress("cart", path(backend("cart")), host="cart.example.com")


def test_who_is_not_named_any_more_stays_where_that_would_be_worse() -> None:
    first = chain(world(SHOP, CART))
    again = chain(first.after, hosts=["shop.example.com"])
    assert again.written == [] and again.route(host="cart.example.com").chained
    (found,) = (item for item in again.findings if item.code == "MLB223")
    assert str(found.object) == "Ingress apps/cart" and "from mutual_tls to plaintext" in found.message
    allowed = chain(first.after, hosts=["shop.example.com"], allow_regressions=["apps/Ingress/cart"])
    assert hosts(allowed) == {"shop.example.com"} and "MLB223" not in allowed.codes
    # By name it is taken back without a word.
    back = chain(first.after, hosts=["cart.example.com"], state="absent")
    assert hosts(back) == {"shop.example.com"} and "MLB223" not in back.codes


def test_who_gets_along_without_the_gateway_leaves_it() -> None:
    named = {"host": "cart.example.com", "service_upstream": "true", "upstream_vhost": "cart.apps.svc.cluster.local"}
    first = chain(world(SHOP, ingress("cart", path(backend("cart")), **named), injected=True))
    again = chain(first.after, hosts=["shop.example.com"])
    assert hosts(again) == {"shop.example.com"} and "MLB223" not in again.codes


@pytest.mark.parametrize("asked", ["from_load_balancer", ["shop.example.com"]])
@pytest.mark.parametrize("value", ["true", "perhaps"])
def test_who_opts_out_stays_as_it_is_until_it_is_taken_back(asked: object, value: str) -> None:
    first = chain(world(SHOP, CART))
    cart = first.after.get("Ingress.networking.k8s.io", "apps", "cart")
    assert cart is not None
    now = first.after.overlay([annotated(cart, ignore=value)])
    again = chain(now, hosts=asked)
    assert again.written == [] and "MLB213" in again.codes
    back = chain(now, hosts=["cart.example.com"], state="absent")
    assert hosts(back) == {"shop.example.com"}
    restored = back.after.get("Ingress.networking.k8s.io", "apps", "cart")
    assert restored is not None and restored["spec"] == CART["spec"]


def test_a_canary_of_somebody_else_takes_nobody_off_the_chain() -> None:
    first = chain(world(SHOP))
    canary = ingress("zz", path(backend("evil")), where="tenant", canary="true", canary_weight="50")
    again = chain(first.after.overlay([*EVIL, canary]))
    assert hosts(again) == {"shop.example.com"} and not [item for item in again.written if "apps/shop" in item]
