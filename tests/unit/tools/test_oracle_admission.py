# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the filters of a backend's sidecar let a request in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.oracle.admission import Request, Unclear, admitted, variants

EDGE = "spiffe://cluster.local/ns/ingress/sa/edge"
REQUEST = Request(EDGE, "10.0.9.9", ("10.0.1.1", 8080), "shop.example.com", "/a")
ANY = {"any": True}


def rbac(permission: Any, principal: Any, action: str = "ALLOW") -> dict[str, Any]:
    policies = {"one": {"permissions": [permission], "principals": [principal]}}
    return {"name": "envoy.filters.http.rbac", "settings": {"rules": {"action": action, "policies": policies}}}


def peer(**text: Any) -> dict[str, Any]:
    return {"filter_state": {"key": "io.istio.peer_principal", "string_match": text}}


def header(name: str, **text: str) -> dict[str, Any]:
    return {"header": {"name": name, "string_match": text}}


@pytest.mark.parametrize(
    ("guard", "passes"),
    [
        (rbac(ANY, ANY), True),
        (rbac(ANY, ANY, "DENY"), False),
        (rbac(ANY, ANY, "LOG"), True),
        ({"name": "envoy.filters.http.rbac", "settings": {"rules": {}}}, False),
        ({"name": "envoy.filters.http.rbac", "settings": {"shadow_rules": {}}}, True),
        (rbac(ANY, peer(exact=EDGE)), True),
        (rbac(ANY, peer(exact="spiffe://cluster.local/ns/tools/sa/default")), False),
        (rbac(ANY, peer(safe_regex={"regex": ".*/ns/ingress/.*"})), True),
        (rbac(ANY, {"not_id": peer(exact=EDGE)}), False),
        (rbac(ANY, {"direct_remote_ip": {"address_prefix": "10.0.9.0", "prefix_len": 24}}), True),
        (rbac(ANY, {"and_ids": {"ids": [ANY, {"or_ids": {"ids": [peer(prefix="x"), peer(suffix="edge")]}}]}}), True),
        (rbac({"destination_port": 8080}, ANY), True),
        (rbac({"destination_port": 80}, ANY), False),
        (rbac({"url_path": {"path": {"exact": "/a"}}}, ANY), True),
        (rbac({"not_rule": {"url_path": {"path": {"prefix": "/a"}}}}, ANY), False),
        (rbac({"and_rules": {"rules": [header(":method", exact="GET"), header(":authority", exact="shop.example.com")]}}, ANY), True),
        (rbac(header(":method", exact="POST"), ANY), False),
        (rbac(header("x-team", exact="shop"), ANY), False),
        (rbac(ANY, {"metadata": {"filter": "envoy.filters.http.jwt_authn"}}), False),
        ({"name": "envoy.filters.http.jwt_authn", "settings": {}}, True),
    ],
)
def test_a_request(guard: dict[str, Any], passes: bool) -> None:
    assert admitted([guard], REQUEST) == passes


def test_every_filter_has_to_let_it_in() -> None:
    assert not admitted([rbac(ANY, ANY), rbac(ANY, peer(exact=EDGE), "DENY")], REQUEST)


def test_in_plaintext_there_is_no_identity() -> None:
    plain = replace(REQUEST, identity="")
    assert not admitted([rbac(ANY, peer(prefix="spiffe://"))], plain)
    assert admitted([rbac(ANY, peer(exact=EDGE), "DENY")], plain)


def test_a_token_or_a_header_that_is_asked_for() -> None:
    tokens = {"name": "envoy.filters.http.jwt_authn", "settings": {}}
    for asked in (rbac(header("x-team", exact="shop"), ANY), rbac(ANY, {"metadata": {}})):
        assert admitted([tokens, asked], replace(REQUEST, more=True))


def test_where_nothing_checks_tokens_a_token_says_nothing() -> None:
    assert not admitted([rbac(ANY, {"metadata": {}})], replace(REQUEST, more=True))


def test_what_is_not_known_here_is_no_answer() -> None:
    for unclear in (rbac(ANY, {"remote_ip": {}}), {"name": "envoy.filters.http.ext_authz", "settings": {}}):
        with pytest.raises(Unclear):
            admitted([unclear], REQUEST)


def test_requests_of_one_route() -> None:
    found = list(variants(REQUEST, below=True))
    assert {one.path for one in found} == {"/a", "/a/admin", "/a/x"}
    assert {one.method for one in found} == {"GET", "POST"}
    assert {one.path for one in variants(REQUEST, below=False)} == {"/a"}
