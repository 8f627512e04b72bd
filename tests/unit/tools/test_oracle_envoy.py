# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Envoy as the judge of what filters let in, where the lab has one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.oracle.access import ENVOY, SETTINGS, access_of
from tests.oracle.admission import Request, Unclear, admitted
from tests.oracle.credentials import CONSENT, asked_claims, asked_headers
from tests.oracle.envoy import Envoy
from tests.oracle.judge import Step

EDGE = "spiffe://cluster.local/ns/ingress/sa/edge"
REQUEST = Request(EDGE, "10.0.9.9", ("10.0.1.1", 8080), "shop.example.com", "/a")
ANY = {"any": True}
EXACT = {"string_match": {"exact": "a"}}
CLAIM = {
    "metadata": {
        "filter": "envoy.filters.http.jwt_authn", "path": [{"key": "payload"}, {"key": "group"}],
        "value": {"or_match": {"value_matchers": [{"list_match": {"one_of": EXACT}}, EXACT]}},
    }
}  # fmt: skip
ISSUER = {"issuer": "https://issuer.example.com", "local_jwks": {"inline_string": '{"keys": []}'}, "payload_in_metadata": "payload"}
TOKENS = {
    "name": "envoy.filters.http.jwt_authn",
    "settings": {
        "providers": {"origins-0": ISSUER},
        "rules": [{
            "match": {"prefix": "/"},
            "requires": {"requires_any": {"requirements": [{"provider_name": "origins-0"}, {"allow_missing": {}}]}},
        }],
    },
}  # fmt: skip


def rbac(permission: Any = None, principal: Any = None, action: str = "ALLOW", over: str = "http") -> dict[str, Any]:
    policies = {"one": {"permissions": [permission or ANY], "principals": [principal or ANY]}}
    named = {"stat_prefix": "tcp."} if over == "network" else {}
    return {"name": f"envoy.filters.{over}.rbac", "settings": {"rules": {"action": action, "policies": policies}, **named}}


def peer(**text: Any) -> dict[str, Any]:
    return {"authenticated": {"principal_name": text}}


def header(name: str, value: str) -> dict[str, Any]:
    return {"header": {"name": name, "string_match": {"exact": value}}}


def source(prefix: str, length: int) -> dict[str, Any]:
    return {"direct_remote_ip": {"address_prefix": prefix, "prefix_len": length}}


@pytest.fixture(scope="module")
def envoy() -> Iterator[Envoy]:
    with Envoy() as found:
        if not found.there:
            pytest.skip("SKIPPED, there is no Envoy: lab/lab oracle --keep-caches")
        yield found


@pytest.mark.parametrize(
    ("filters", "request_", "passes"),
    [
        ([rbac()], REQUEST, True),
        ([rbac(action="DENY")], REQUEST, False),
        ([rbac(action="LOG")], REQUEST, True),
        ([{"name": "envoy.filters.http.rbac", "settings": {"rules": {}}}], REQUEST, False),
        ([rbac(principal=peer(exact=EDGE))], REQUEST, True),
        ([rbac(principal=peer(exact=EDGE))], replace(REQUEST, identity="spiffe://cluster.local/ns/tools/sa/default"), False),
        ([rbac(principal=peer(exact=EDGE))], replace(REQUEST, identity=""), False),
        ([rbac(principal=peer(safe_regex={"regex": ".*/ns/ingress/.*"}), action="DENY")], REQUEST, False),
        ([rbac(principal=source("10.0.9.9", 32))], REQUEST, True),
        ([rbac(principal=source("10.0.9.0", 24))], replace(REQUEST, address="10.0.8.1"), False),
        ([rbac(principal=source("0.0.0.0", 0))], REQUEST, True),
        ([rbac(principal=source("192.168.0.0", 16))], REQUEST, False),
        ([rbac({"destination_port": 8080})], REQUEST, True),
        ([rbac({"destination_ip": {"address_prefix": "10.0.1.1", "prefix_len": 32}})], REQUEST, True),
        ([rbac({"destination_port": 80})], REQUEST, False),
        ([rbac({"url_path": {"path": {"exact": "/a"}}}), rbac(header(":method", "POST"))], REQUEST, False),
        ([rbac(header("x-team", "shop"))], REQUEST, False),
        ([rbac(header("x-team", "shop"))], replace(REQUEST, more=True), True),
        ([TOKENS], REQUEST, True),
        ([TOKENS, rbac(principal=CLAIM)], REQUEST, False),
        ([TOKENS, rbac(principal=CLAIM)], replace(REQUEST, more=True), True),
        ([rbac(principal=CLAIM)], replace(REQUEST, more=True), False),
        ([rbac(principal=peer(exact=EDGE), over="network")], REQUEST, True),
        ([rbac(principal=peer(exact=EDGE), action="DENY", over="network")], REQUEST, False),
        ([rbac(principal=source("10.0.9.9", 32), action="DENY", over="network")], replace(REQUEST, identity=""), False),
    ],
)  # fmt: skip
def test_a_request(envoy: Envoy, filters: list[dict[str, Any]], request_: Request, passes: bool) -> None:
    """And the second opinion is the same."""
    reads_http = not any("network" in one["name"] for one in filters)
    assert envoy.admits(filters, [request_], reads_http=reads_http) == [passes]
    assert admitted(filters, request_) == passes


def test_filters_that_envoy_does_not_take_are_told(envoy: Envoy) -> None:
    wrong = rbac(principal={"authenticated": {"principal_name": {"safe_regex": {"regex": "("}}}})
    with pytest.raises(Unclear, match="does not take these filters"):
        envoy.admits([wrong], [REQUEST], reads_http=True)
    assert envoy.admits([rbac()], [REQUEST], reads_http=True) == [True]


def test_a_filter_that_is_not_known_is_unclear(envoy: Envoy) -> None:
    with pytest.raises(Unclear, match="not run here"):
        envoy.admits([{"name": "envoy.filters.network.ext_authz", "settings": {}}], [REQUEST], reads_http=False)


SERVER = {"server_uri": {"uri": "http://authz.tools", "cluster": "outbound|80||authz.tools.svc.cluster.local", "timeout": "5s"}}
ASKS = {
    "name": "envoy.filters.http.ext_authz",
    "settings": {"http_service": SERVER, "allowed_headers": {"patterns": [{"exact": "x-ext-authz"}]}, "transport_api_version": "V3"},
}
CLIENTS = {"remote_ip": {"address_prefix": "198.51.100.0", "prefix_len": 24}}


@pytest.mark.parametrize("filters", [[ASKS], [rbac(principal=CLIENTS)], [rbac(principal={"not_id": CLIENTS}, action="DENY")]])
def test_what_depends_on_another_server_or_on_the_client_behind_the_load_balancer(envoy: Envoy, filters: list[dict[str, Any]]) -> None:
    """Of these there is no second opinion."""
    assert envoy.admits(filters, [REQUEST, replace(REQUEST, more=True)], reads_http=True) == [False, True]
    with pytest.raises(Unclear):
        admitted(filters, REQUEST)


def test_what_is_asked_for() -> None:
    filters = [rbac({"header": {"name": "x-team", "string_match": {"prefix": "sh"}}}, CLAIM)]
    assert asked_headers(filters) == {"x-team": "sh", **CONSENT}
    assert asked_claims(filters) == {"group": "a"}


class Other(Envoy):
    """One that turns everybody away."""

    def __init__(self) -> None:
        super().__init__(Path("envoy"))

    def admits(self, filters: Sequence[Any], requests: Sequence[Request], *, reads_http: bool) -> list[bool]:
        return [False] * len(requests)


def access(envoy: Envoy | None, guard: dict[str, Any]) -> Any:
    step = Step("mutual_tls", "why", to="10.0.1.1:8080", guards=(guard,), identity=EDGE, reads_http=True)
    return access_of(envoy, [step], {"host": "shop.example.com", "path": "/a"}, "10.0.9.9")


def test_envoy_has_the_last_word_and_a_doubt_is_told() -> None:
    found = access(Other(), rbac())
    assert (found.decision, dict(found.judges), len(found.doubts)) == ("denied", {ENVOY: 1}, 12)


def test_what_ztunnel_lets_in_is_not_known() -> None:
    found = access(Envoy(Path("envoy")), {"name": "ztunnel", "settings": {}})
    assert (found.decision, dict(found.judges), found.doubts) == ("", {}, [])


def test_without_envoy_the_settings_decide_and_that_is_counted() -> None:
    found = access(None, rbac({"url_path": {"path": {"exact": "/a"}}}))
    assert (found.decision, dict(found.judges), found.doubts) == ("conditional", {SETTINGS: 1}, [])
