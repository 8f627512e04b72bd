# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access as it is measured: by the filters of the backend's own configuration, and by what a client was answered."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Access
from ansible_collections.meshlb.istio.plugins.module_utils.istio.authorization.answers import Incoming
from ansible_collections.meshlb.istio.plugins.module_utils.istio.authorization.requests import RouteScope
from ansible_collections.meshlb.istio.plugins.module_utils.prove.access import about_access_seen, access_seen
from ansible_collections.meshlb.istio.plugins.module_utils.prove.admission import Admission
from ansible_collections.meshlb.istio.plugins.module_utils.prove.carriers import Carriers
from ansible_collections.meshlb.istio.plugins.module_utils.prove.guards import Guards, guard_of, guards_of
from ansible_collections.meshlb.istio.plugins.module_utils.prove.proxy import FilterChain, Proxy, parse_inbound
from ansible_collections.meshlb.istio.plugins.module_utils.prove.traffic import Answers, Measurement

from tests.unit.plugins.module_utils.prove import envoy
from tests.unit.plugins.module_utils.prove.answering import GOOD, Sidecars, inbound_dump, run

Obj = dict[str, Any]
HTTP_RBAC, TCP_RBAC = (f"{envoy.TYPES}.filters.{kind}.rbac.v3.RBAC" for kind in ("http", "network"))
JWT, EXT_AUTHZ = f"{envoy.TYPES}.filters.http.jwt_authn.v3.JwtAuthentication", f"{envoy.TYPES}.filters.http.ext_authz.v3.ExtAuthz"
OWN = "spiffe://cluster.local/ns/lb/sa/echo"
ANY: Obj = {"any": True}
RULE = "ns[apps]-policy[callers]-rule[0]"


def policy(principals: list[Obj] | None = None, permissions: list[Obj] | None = None, name: str = RULE) -> Obj:
    return {"policies": {name: {
        "permissions": [{"and_rules": {"rules": permissions or [ANY]}}], "principals": [{"and_ids": {"ids": principals or [ANY]}}],
    }}}


def sender(**matcher: Any) -> Obj:
    return {"or_ids": {"ids": [{"authenticated": {"principal_name": matcher}}]}}


def path(**matcher: Any) -> Obj:
    return {"or_rules": {"rules": [{"url_path": {"path": matcher}}]}}


def header(name: str, **matcher: Any) -> Obj:
    return {"header": {"name": name, **matcher}}


def claim(name: str, *values: Obj) -> Obj:
    of_list: Obj = {"list_match": {"one_of": {"or_match": {"value_matchers": [{"string_match": item} for item in values]}}}}
    of_text: Obj = {"or_match": {"value_matchers": [{"string_match": item} for item in values]}}
    value = {"or_match": {"value_matchers": [of_list, of_text]}}
    return {"metadata": {"filter": "envoy.filters.http.jwt_authn", "path": [{"key": "payload"}, {"key": name}], "value": value}}


def rbac(rules: Obj | None = None, **more: Any) -> Obj:
    return {"typed_config": {"@type": HTTP_RBAC, **({"rules": rules} if rules is not None else {}), **more}}


TOKENS = {"typed_config": {"@type": JWT, "providers": {"origins-0": {"issuer": "https://issuer.example"}}}}
NAMESPACE = sender(safe_regex={"regex": ".*/ns/lb/.*"})
ACCOUNT = sender(safe_regex={"regex": "spiffe://.+/ns/lb/(.+/|)sa/echo(/.+)?"})
ADMIN = path(prefix="/admin")

# name: HTTP filters, what they say to the load balancer, and to a sender without an identity
FILTERS: dict[str, tuple[list[Obj], tuple[str, str]]] = {
    "none": ([], ("allowed", "allowed")),
    "no policy that allows": ([rbac({})], ("denied", "denied")),
    "allow by name": ([rbac(policy([sender(exact=OWN)]))], ("allowed", "denied")),
    "allow by namespace": ([rbac(policy([NAMESPACE]))], ("allowed", "denied")),
    "allow by service account": ([rbac(policy([ACCOUNT]))], ("allowed", "denied")),
    "allow another": ([rbac(policy([sender(prefix="spiffe://cluster.local/ns/x/")]))], ("denied", "denied")),
    "allow all others": ([rbac(policy([{"not_id": NAMESPACE}]))], ("denied", "allowed")),
    "deny by namespace": ([rbac({"action": "DENY", **policy([NAMESPACE])})], ("denied", "allowed")),
    "deny a path": ([rbac({"action": "DENY", **policy([], [ADMIN])})], ("conditional", "conditional")),
    "deny a path to others": ([rbac({"action": "DENY", **policy([{"not_id": NAMESPACE}], [ADMIN])})], ("allowed", "conditional")),
    "allow a method": ([rbac(policy([], [header(":method", string_match={"exact": "GET"})]))], ("conditional", "conditional")),
    "allow the host": ([rbac(policy([], [header(":authority", string_match={"exact": "SHOP.example.com", "ignore_case": True})]))],
                       ("allowed", "allowed")),
    "allow another host": ([rbac(policy([], [header(":authority", string_match={"suffix": ".example.org"})]))], ("denied", "denied")),
    "a header's presence": ([rbac(policy([header("x-team", present_match=True)]))], ("conditional", "conditional")),
    "a template": ([rbac(policy([], [{"uri_template": {"typed_config": {"path_template": "/**"}}}]))], ("allowed", "allowed")),
    "the pod's port": ([rbac(policy([], [{"destination_port": 8080}]))], ("allowed", "allowed")),
    "another port": ([rbac(policy([], [{"destination_port": 80}]))], ("denied", "denied")),
    "an address": ([rbac(policy([{"direct_remote_ip": {"address_prefix": "10.2.0.0", "prefix_len": 16}}]))], ("allowed", "allowed")),
    "a client's address": ([rbac(policy([{"remote_ip": {"address_prefix": "203.0.113.0", "prefix_len": 24}}]))], ("conditional",) * 2),
    "tokens": ([TOKENS], ("conditional", "conditional")),
    "a claim, and nobody issues tokens": ([rbac(policy([claim("iss", {"exact": "x"})]))], ("denied", "denied")),
    "a claim": ([TOKENS, rbac(policy([claim("group", {"exact": "a"}, {"prefix": "b"})]))], ("conditional", "conditional")),
    "audit": ([rbac({"action": "LOG", **policy()})], ("allowed", "allowed")),
    "a dry run": ([rbac(None, shadow_rules={}, shadow_rules_stat_prefix="istio_dry_run_allow_")], ("allowed", "allowed")),
    "a service is asked": (
        [rbac(None, shadow_rules=policy(), shadow_rules_stat_prefix="istio_ext_authz_"), {"typed_config": {"@type": EXT_AUTHZ}}],
        ("unknown", "unknown")),
    "a service is asked about others": (
        [rbac(None, shadow_rules=policy([], [{"destination_port": 80}]), shadow_rules_stat_prefix="istio_ext_authz_"),
         {"typed_config": {"@type": EXT_AUTHZ}}], ("allowed", "allowed")),
    "a way of matching that is not known": ([rbac(policy([{"sourced_metadata": {}}]))], ("unknown", "unknown")),
    "rules as a matcher tree": ([rbac(None, matcher={"matcher_tree": {}})], ("unknown", "unknown")),
}


@pytest.mark.parametrize("name", FILTERS)
def test_what_filters_say(name: str) -> None:
    filters, expected = FILTERS[name]
    chain = FilterChain("", {}, (("HttpConnectionManager", {"http_filters": filters}),))
    asked = RouteScope("shop.example.com", "/")
    found = [Admission(guard_of(chain), Incoming(identity, ("10.2.0.1",), 8080)).access(asked) for identity in (OWN, "")]
    assert tuple(item.decision for item in found) == expected


def test_an_identity_that_is_not_known_decides_nothing() -> None:
    chain = FilterChain("", {}, (("HttpConnectionManager", {"http_filters": [rbac(policy([NAMESPACE]))]}),))
    assert Admission(guard_of(chain), Incoming(None)).access(RouteScope("", "/")).decision == "unknown"


def test_the_policy_is_named() -> None:
    chain = FilterChain("", {}, (("RBAC", {"rules": {"action": "DENY", **policy()}}),))
    found = Admission(guard_of(chain), Incoming(OWN)).access(RouteScope("", "/"))
    assert (found.decision, found.policies) == ("denied", ("apps/callers",))
    assert OWN.removeprefix("spiffe://") in found.why


def test_rules_without_end_are_not_followed() -> None:
    node: Obj = ANY
    for _level in range(200):
        node = {"not_id": node}
    chain = FilterChain("", {}, (("RBAC", {"rules": policy([node])}),))
    assert Admission(guard_of(chain), Incoming(OWN)).access(RouteScope("", "/")).decision == "unknown"


def test_an_expression_that_is_not_evaluated_decides_nothing() -> None:
    chain = FilterChain("", {}, (("RBAC", {"rules": policy([sender(safe_regex={"regex": "(?=a)"})])}),))
    assert Admission(guard_of(chain), Incoming(OWN)).access(RouteScope("", "/")).decision == "unknown"


def test_more_rules_than_anybody_writes_are_not_followed() -> None:
    many = {"policies": {f"p{number}": policy([], [path(prefix=f"/{number}/")])["policies"][RULE] for number in range(3000)}}
    chain = FilterChain("", {}, (("HttpConnectionManager", {"http_filters": [rbac(many)]}),))
    assert Admission(guard_of(chain), Incoming(OWN)).access(RouteScope("", "/")).decision == "unknown"


def test_the_filters_are_kept_of_what_a_backend_answers() -> None:
    """Only what keeps requests out, of a listener that is otherwise bare."""
    proxy = parse_inbound(inbound_dump({"typed_config": {"@type": TCP_RBAC, "rules": {}}}))
    assert proxy.inbound is not None
    found = guards_of(proxy.inbound, "10.1.0.1", 8080)
    guard = found.on(mutual=True, http=False)
    assert guard is not None and guard.stages == (("rules", {}),)
    assert found.on(mutual=False, http=True) is None
    assert Guards().on(mutual=True, http=True) is None
    assert isinstance(proxy, Proxy)


def test_a_proof_says_who_is_admitted() -> None:
    sidecars = Sidecars()
    proven, codes, _messages = run(sidecars, GOOD)
    assert (proven[0].verdict, proven[0].access.decision) == ("mutual_tls", "allowed")
    assert not {"MLB505", "MLB506", "MLB507"} & set(codes)
    sidecars.guards = ({"typed_config": {"@type": TCP_RBAC, "rules": policy([sender(prefix="spiffe://cluster.local/ns/x/")])}},)
    proven, codes, messages = run(sidecars, GOOD)
    assert (proven[0].verdict, proven[0].access.decision) == ("mutual_tls", "denied")
    assert proven[0].to_result()["access"]["policies"] == ["apps/callers"]
    assert "MLB505" in codes and any("apps/callers" in str(item) or "lb/sa/echo" in item for item in messages)


def test_a_prediction_that_differs_is_said() -> None:
    denied, allowed = Access("denied", "so", ("apps/x",)), Access("allowed", "so")
    assert [item.code for item in about_access_seen(GOOD, "here", denied, allowed)] == ["MLB505", "MLB506"]
    assert [item.code for item in about_access_seen(GOOD, "here", allowed, denied)] == ["MLB506"]
    assert not list(about_access_seen(GOOD, "here", allowed, allowed))
    assert not list(about_access_seen(GOOD, "here", Access("unknown"), denied))


@pytest.mark.parametrize(("statuses", "errors", "denied"), [
    ((403, 403), (), True), ((401,), (), True), ((403, 200), (), False), ((403,), ("no answer in time",), False), ((), (), False),
    ((404,), (), False),
])
def test_answers_that_deny(statuses: tuple[int, ...], errors: tuple[str, ...], denied: bool) -> None:
    assert Answers("http://x/", "shop.example.com", statuses, errors).only_denials is denied


def test_denied_requests_are_no_success() -> None:
    measured = Measurement("mutual_tls", "", kept_out="3 requests: status 403 3x")
    found = access_seen(GOOD, {}, Carriers({}), measured)
    assert (found.decision, found.reason) == ("denied", "answers")
    assert [item.code for item in about_access_seen(GOOD, "here", found, Access("allowed"))] == ["MLB507"]
