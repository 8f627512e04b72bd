# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies in plans: nobody loses access, the best access wins, and findings name the policy, the identity and the rule."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Access, Decision, Finding, Outcome, RoutePlan
from ansible_collections.meshlb.istio.plugins.module_utils.plan.access import about_access, about_outcomes, admitting_rule, policy_named
from ansible_collections.meshlb.istio.plugins.module_utils.plan.sidecar_harm import Harm, about_harm
from ansible_collections.meshlb.istio.plugins.module_utils.plan.trial import becoming_worse, loses_access, worse

from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    EDGE,
    Obj,
    authorization_policy,
    backend,
    cluster,
    from_source,
    ingress,
    load_balancer,
    path,
    peer_authentication,
    pod,
    port,
    request_authentication,
    routes,
    service,
    to_operation,
)
from tests.unit.plugins.module_utils.support.planning import Run, run

OWN = "cluster.local/ns/edge/sa/default"
PERMISSIVE = peer_authentication("PERMISSIVE")
NO_EDGE = authorization_policy("no-edge", from_source(namespaces=[EDGE]), action="DENY")
NO_ADMIN = authorization_policy("no-admin", to_operation(paths=["/admin*"]), action="DENY")
OTHERS = authorization_policy("others", from_source(namespaces=["x"]))


def shop(name: str = "http", **annotations: str) -> list[Obj]:
    return [service("shop", port(name)), pod("shop", http=8080), ingress("shop", path(backend("shop")), **annotations)]


def said(found: Run, snapshot_of: list[Obj]) -> list[Finding]:
    return [*found.plan.findings, *found.findings, *about_access(cluster(*snapshot_of), found.plan.routes)]


def only(findings: list[Finding], code: str) -> Finding:
    (found,) = [item for item in findings if item.code == code]
    return found


@pytest.mark.parametrize("name", ["http", "web", "tcp-x"])
@pytest.mark.parametrize("strategy", ["auto", "host_entry", "headless_twin"])
def test_what_would_be_denied_is_left_as_it_is(name: str, strategy: str) -> None:
    """Plaintext that works has no identity to be denied; a strategy would give it one."""
    objects = [*shop(name), PERMISSIVE, NO_EDGE]
    found = run(cluster(*objects), strategy)
    plan = found.route("shop")
    assert (plan.before.access.decision, plan.after.verdict, plan.strategy) == ("allowed", "plaintext", "none")
    assert found.written == []
    finding = only(said(found, objects), "MLB241")
    assert "apps/no-edge" in finding.message and OWN in finding.message
    assert finding.cause is not None and finding.cause.name == "no-edge"


def test_what_the_user_allows_is_made() -> None:
    found = run(cluster(*shop(), PERMISSIVE, NO_EDGE), may_get_worse=lambda route: True)
    plan = found.route("shop")
    assert (plan.after.verdict, plan.after.access.decision, plan.strategy) == ("mutual_tls", "denied", "host_entry")
    assert found.written


def test_what_is_denied_anyway_gets_its_transport() -> None:
    """Nothing is lost where nothing is answered, and the finding says what would let it in."""
    objects = [*shop(), peer_authentication("STRICT"), OTHERS]
    found = run(cluster(*objects))
    plan = found.route("shop")
    assert (plan.before.verdict, plan.after.verdict, plan.after.access.decision) == ("refused", "mutual_tls", "denied")
    finding = only(said(found, objects), "MLB240")
    assert "apps/others" in finding.message and OWN in finding.message
    details = finding.to_result()["details"]
    assert details["identity"] == OWN and details["policies"] == ["apps/others"]
    assert yaml.safe_load(details["rule"]) == [{"from": [{"source": {"principals": [OWN]}}]}]
    assert details["rule"] in finding.remedy


def test_the_rule_that_is_named_admits() -> None:
    rule = yaml.safe_load(admitting_rule(OWN))
    admitted = authorization_policy("others", *OTHERS["spec"]["rules"], *rule)
    found = run(cluster(*shop(), peer_authentication("STRICT"), admitted))
    assert found.route("shop").after.access.decision == "allowed"


@pytest.mark.parametrize("policies", [[NO_ADMIN], [authorization_policy("get", to_operation(methods=["GET"]))],
                                      [request_authentication("https://issuer.example.com")]])
@pytest.mark.parametrize("name", ["http", "web"])
def test_no_twin_where_policies_are_about_http(policies: list[Obj], name: str) -> None:
    found = run(cluster(*shop(name), PERMISSIVE, *policies))
    plan = found.route("shop")
    assert (plan.after.verdict, plan.after.access.decision) == ("mutual_tls", "conditional")
    assert plan.strategy != "headless_twin"
    refused = run(cluster(*shop(name), PERMISSIVE, *policies), "headless_twin")
    assert refused.route("shop").strategy == "none" and "about HTTP" in refused.route("shop").after.why


def test_a_twin_of_a_port_that_is_tcp_anyway() -> None:
    """There is no HTTP that could be lost."""
    allow = authorization_policy("edge", {**from_source(principals=[OWN])})
    found = run(cluster(*shop("tcp-x"), peer_authentication("STRICT"), allow), "headless_twin")
    assert (found.route("shop").strategy, found.route("shop").after.access.decision) == ("headless_twin", "allowed")


def test_rules_about_http_on_a_tcp_port_are_said() -> None:
    objects = [*shop("tcp-x", service_upstream="true"), PERMISSIVE, NO_ADMIN]
    found = run(cluster(*objects))
    assert found.route("shop").after.access.decision == "denied"
    finding = only(said(found, objects), "MLB242")
    assert "apps/no-admin" in finding.message


def test_who_is_denied_whoever_it_is() -> None:
    everybody = authorization_policy("closed", {}, action="DENY")
    objects = [*shop("web", service_upstream="true"), PERMISSIVE, everybody]
    assert "apps/closed" in only(said(run(cluster(*objects)), objects), "MLB245").message


def test_nothing_is_said_of_who_is_admitted() -> None:
    allow = authorization_policy("edge", from_source(principals=[OWN]))
    watch = authorization_policy("watch", {}, action="AUDIT")
    objects = [*shop("web", service_upstream="true"), peer_authentication("STRICT"), allow, watch]
    codes = {item.code for item in said(run(cluster(*objects)), objects)}
    assert not codes & {"MLB240", "MLB241", "MLB242", "MLB244", "MLB245", "MLB246"}


def test_what_depends_on_something_else_is_said() -> None:
    asked = authorization_policy("asked", {}, action="CUSTOM", provider={"name": "opa"})
    objects = [*shop("web", service_upstream="true"), PERMISSIVE, asked]
    assert "apps/asked" in only(said(run(cluster(*objects)), objects), "MLB246").message


def test_another_route_that_would_lose_access_is_not_touched() -> None:
    """One rule for a host stands for both of its routes, and one of their backends denies the identity."""
    other = [
        service("cart", port()), pod("cart", http=8080), ingress("cart", path(backend("cart"), "/cart")),
        authorization_policy("cart-only", from_source(namespaces=[EDGE]), action="DENY", selector={"app": "cart"}),
    ]
    found = run(cluster(*shop(), *other, PERMISSIVE))
    assert found.route("cart").after.access.decision == "allowed"
    assert found.route("shop").after.verdict == "mutual_tls"


def access(decision: Decision, verdict: str = "mutual_tls", why: str = "so") -> Outcome:
    return Outcome(verdict, "", access=Access(decision, why, ("apps/x",), "rule", OWN))  # type: ignore[arg-type]


def test_what_is_worse_access() -> None:
    order: list[Decision] = ["denied", "conditional", "allowed"]
    for before in order:
        for after in order:
            lost = order.index(after) < order.index(before)
            assert loses_access(access(before), access(after)) is lost
            assert worse(access(before), access(after)) is lost
    assert not loses_access(access("unknown"), access("denied")) and not loses_access(access("allowed"), access("unknown"))


def test_lost_access_is_told_as_that() -> None:
    text = becoming_worse(access("allowed", "plaintext"), access("denied", why="apps/x denies it"))
    assert text == "from plaintext (access allowed) to mutual_tls (access denied): apps/x denies it"
    snapshot = cluster(*shop())
    harm = Harm(routes(snapshot)[0], access("allowed", "plaintext"), access("denied", why="apps/x denies it"))
    assert "access denied" in about_harm(load_balancer(snapshot), [harm]).message


def test_a_deny_rule_that_ends_to_hold_is_said() -> None:
    """Whoever has no identity is denied; with mutual TLS the load balancer has one."""
    snapshot = cluster(*shop(), authorization_policy("x", where=APPS))
    before = Outcome("plaintext", "", access=Access("denied", "x denies a sender", ("apps/x",), "rule"))
    after = Outcome("mutual_tls", "", access=Access("allowed", "", (), "no_policy", OWN))
    plan = RoutePlan(routes(snapshot)[0], before, after)
    assert [item.code for item in about_access(snapshot, [plan])] == ["MLB241"]


def test_what_could_not_be_read_is_said() -> None:
    snapshot = cluster(*shop())
    unread = Outcome("mutual_tls", "", access=Access("unknown", "AuthorizationPolicy cannot be read", reason="unread"))
    assert [item.code for item in about_outcomes(snapshot, routes(snapshot)[0], unread, unread)] == ["MLB244"]


TOKENS = request_authentication("https://issuer.example.com", name="no-edge")
LATER = authorization_policy("zz", from_source(requestPrincipals=["*"]))


@pytest.mark.parametrize(
    ("access", "kind", "name"),
    [
        (Access("conditional", policies=("apps/no-edge",), reason="token"), "RequestAuthentication", "no-edge"),
        (Access("denied", policies=("apps/no-edge",), reason="rule"), "AuthorizationPolicy", "no-edge"),
        (Access("conditional", policies=("apps/no-edge", "apps/zz"), reason="rule"), "AuthorizationPolicy", "no-edge"),
        (Access("conditional", policies=("apps/tokens", "apps/zz"), reason="not_admitted"), "AuthorizationPolicy", "zz"),
        (Access("conditional", policies=("apps/no-edge", "apps/zz"), reason="token"), "RequestAuthentication", "no-edge"),
    ],
)  # fmt: skip
def test_the_policy_that_decides_is_named_by_its_kind(access: Access, kind: str, name: str) -> None:
    """Policies of both kinds can have one name."""
    found = policy_named(cluster(NO_EDGE, TOKENS, LATER, request_authentication("i")).at, access)
    assert found is not None and (found.kind, found.name) == (kind, name)


def test_nothing_is_named_that_is_not_there() -> None:
    assert policy_named(cluster().at, Access("denied", policies=("apps/gone",))) is None
    assert policy_named(cluster().at, Access("allowed")) is None


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (OTHERS, True),
        (authorization_policy("x", targetRefs=[{"kind": "Service", "group": "", "name": "shop"}]), True),
        (authorization_policy("x", targetRefs=[{"kind": "Gateway", "group": "gateway.networking.k8s.io", "name": "waypoint"}]), True),
        (authorization_policy("x", from_source(namespaces=["x"]), where="elsewhere"), False),
        (authorization_policy("x", selector={"app": "cart"}), False),
    ],
)  # fmt: skip
def test_policies_of_an_ambient_backend_are_told(policy: Obj, told: bool) -> None:
    ambient = pod("shop", sidecar=False, labels={"istio.io/dataplane-mode": "ambient"}, http=8080)
    objects = [service("shop"), ambient, ingress("shop", path(backend("shop"))), policy]
    assert [item.code for item in about_access(cluster(*objects), run(cluster(*objects)).plan.routes)] == (["MLB246"] if told else [])
