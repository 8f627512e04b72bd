# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies and chains: the backend sees the gateway, and the gateway sees the load balancer."""

from __future__ import annotations

from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Finding

from tests.unit.plugins.module_utils.plan.chain.kit import GATEWAYS, Chain, chain, world
from tests.unit.plugins.module_utils.support.cluster import (
    ROOT,
    Obj,
    authorization_policy,
    backend,
    from_source,
    ingress,
    path,
    peer_authentication,
    to_operation,
)

SHOP = ingress("shop", path(backend("shop")))
GATEWAY = f"cluster.local/ns/{GATEWAYS}/sa/default"
STRICT = peer_authentication("STRICT")


def policy(*rules: Obj, name: str = "callers", **more: str) -> Obj:
    return authorization_policy(name, *rules, selector={"app": "shop"}, **more)


def finding(done: Chain, code: str) -> Finding:
    (found,) = [item for item in done.findings if item.code == code]
    return found


def test_the_backend_has_to_admit_the_gateway() -> None:
    done = chain(world(SHOP, STRICT, policy(from_source(principals=["cluster.local/ns/edge/sa/default"]))))
    route = done.route(host="shop.example.com")
    assert (route.after.verdict, route.after.access.decision, route.after.access.identity) == ("mutual_tls", "denied", GATEWAY)
    found = finding(done, "MLB240")
    assert "apps/callers" in found.message and GATEWAY in found.message and GATEWAY in found.remedy


def test_a_gateway_that_is_admitted() -> None:
    done = chain(world(SHOP, STRICT, policy(from_source(namespaces=[GATEWAYS]))))
    assert done.route(host="shop.example.com").after.access.decision == "allowed"
    assert not {"MLB240", "MLB243", "MLB245"} & {item.code for item in done.findings}


def test_what_would_lose_access_stays() -> None:
    """Plaintext works today; the gateway's identity would be denied."""
    snapshot = world(SHOP, policy(from_source(namespaces=[GATEWAYS]), action="DENY"))
    done = chain(snapshot)
    route = done.route(host="shop.example.com")
    assert (route.chained, route.before.access.decision) == (False, "allowed")
    assert "access denied" in finding(done, "MLB223").message
    allowed = chain(snapshot, allow_regressions=["apps/Ingress/shop"])
    assert allowed.route(host="shop.example.com").chained


def test_the_gateways_own_policies_meet_the_load_balancer() -> None:
    """An empty policy in the root namespace closes the gateway as well."""
    nothing = authorization_policy("allow-nothing", where=ROOT)
    open_backend = policy(from_source(namespaces=[GATEWAYS]))
    done = chain(world(SHOP, STRICT, nothing, open_backend))
    route = done.route(host="shop.example.com")
    assert (route.after.access.decision, route.after.access.policies) == ("denied", (f"{ROOT}/allow-nothing",))
    assert "at the gateway" in route.after.access.why


def test_paths_at_the_gateway_are_those_of_the_route() -> None:
    public = authorization_policy("public", to_operation(paths=["/public/*"]), where=GATEWAYS)
    done = chain(world(ingress("shop", path(backend("shop"), "/public")), STRICT, public))
    assert done.route("/public").after.access.decision == "conditional"
    closed = authorization_policy("closed", to_operation(paths=["/private/*"]), where=GATEWAYS)
    done = chain(world(ingress("shop", path(backend("shop"), "/public")), STRICT, closed))
    assert done.route("/public").after.access.decision == "denied"


def test_addresses_mean_another_one() -> None:
    done = chain(world(SHOP, STRICT, policy(from_source(ipBlocks=["192.0.2.0/24"]), from_source(namespaces=[GATEWAYS]))))
    assert "apps/callers" in finding(done, "MLB243").message
