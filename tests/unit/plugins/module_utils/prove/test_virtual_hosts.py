# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual hosts and routes."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.expressions import Budget
from ansible_collections.meshlb.istio.plugins.module_utils.prove.virtual_hosts import RouteTable, destinations, string_matches, strip_port

from tests.unit.plugins.module_utils.prove import envoy

CONFIG = envoy.routes(
    "80",
    envoy.virtual_host("any", ["*"]),
    envoy.virtual_host("suffix", ["*.example.com"]),
    envoy.virtual_host("longer", ["*.shop.example.com"]),
    envoy.virtual_host("prefix", ["shop.*"]),
    envoy.virtual_host("exact", ["shop.example.com", "shop.example.com:80"]),
)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("shop.example.com", "exact"),
        ("SHOP.example.com:8443", "exact"),
        ("a.shop.example.com", "longer"),
        ("a.example.com", "suffix"),
        ("shop.example.org", "prefix"),
        ("example.com", "any"),
        (".example.com", "any"),
        ("[fd00::1]:80", "any"),
    ],
)
def test_the_most_specific_domain_wins(host: str, expected: str) -> None:
    found = RouteTable(CONFIG).find(host)
    assert found is not None
    assert found["name"] == expected


def test_a_port_counts_unless_it_is_ignored() -> None:
    config = {**CONFIG, "ignore_port_in_host_matching": False}
    found = RouteTable(config).find("shop.example.com:8080")
    assert found is not None
    assert found["name"] == "prefix"


@pytest.mark.parametrize(
    ("host", "expected"), [("a:80", "a"), ("a", "a"), ("[fd00::1]:80", "[fd00::1]"), ("[fd00::1]", "[fd00::1]"), ("fd00::1", "fd00::1")]
)
def test_ports_are_cut_off_hosts(host: str, expected: str) -> None:
    assert strip_port(host) == expected


def clusters_for(path: str | None, *routes: Any) -> list[tuple[str, bool]]:
    config = envoy.routes("80", envoy.virtual_host("v", ["*"], *routes))
    return [(item.clusters[0], item.conditional) for item in destinations(RouteTable(config), "a.example.com", path)]


@pytest.mark.parametrize(
    ("match", "path", "matched"),
    [
        ({"prefix": "/a"}, "/ab", True),
        ({"prefix": "/a"}, "/b", False),
        ({"prefix": "/A", "case_sensitive": False}, "/ab", True),
        ({"path": "/a"}, "/a", True),
        ({"path": "/a"}, "/a/b", False),
        ({"path_separated_prefix": "/a"}, "/a/b", True),
        ({"path_separated_prefix": "/a"}, "/ab", False),
        ({"safe_regex": {"regex": "/a.*"}}, "/abc", True),
        ({"safe_regex": {"regex": "/a"}}, "/abc", False),
        ({"connect_matcher": {}}, "/", False),
        ({"prefix": "/", "headers": [{"name": ":method", "string_match": {"exact": "POST"}}]}, "/", False),
        ({"prefix": "/", "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]}, "/", True),
        ({"prefix": "/", "headers": [{"name": ":authority", "exact_match": "a.example.com"}]}, "/", True),
        ({"prefix": "/", "headers": [{"name": ":authority", "exact_match": "b", "invert_match": True}]}, "/", True),
    ],
)
def test_one_route(match: Any, path: str, matched: bool) -> None:
    assert clusters_for(path, envoy.route(match, "c")) == ([("c", False)] if matched else [])


def test_the_first_match_ends_the_search() -> None:
    first, second = envoy.route({"prefix": "/a"}, "one"), envoy.route({"prefix": "/"}, "two")
    assert clusters_for("/a", first, second) == [("one", False)]
    assert clusters_for("/b", first, second) == [("two", False)]


@pytest.mark.parametrize(
    "match",
    [
        {"prefix": "/", "headers": [{"name": "x-user", "string_match": {"exact": "me"}}]},
        {"prefix": "/", "headers": [{"name": ":authority", "custom": 1}]},
        {"prefix": "/", "query_parameters": [{"name": "q"}]},
        {"prefix": "/", "runtime_fraction": {"default_value": {"numerator": 5}}},
        {"path_match_policy": {"name": "x"}},
    ],
)
def test_what_depends_on_the_request_may_match(match: Any) -> None:
    assert clusters_for("/a", envoy.route(match, "maybe"), envoy.route({"prefix": "/"}, "else")) == [
        ("maybe", True),
        ("else", False),
    ]


def test_an_unknown_path_can_meet_every_route() -> None:
    routes = [envoy.route({"prefix": "/a"}, "one"), envoy.route({"prefix": "/"}, "two"), envoy.route({"path": "/c"}, "never")]
    assert clusters_for(None, *routes) == [("one", True), ("two", False)]


@pytest.mark.parametrize(
    ("matcher", "expected"),
    [
        ({"exact": "spiffe://a"}, True),
        ({"exact": "SPIFFE://A"}, False),
        ({"exact": "SPIFFE://A", "ignore_case": True}, True),
        ({"prefix": "spiffe://"}, True),
        ({"suffix": "/b"}, False),
        ({"contains": "iffe"}, True),
        ({"safe_regex": {"regex": "spiffe://."}}, True),
        ({"custom": {}}, None),
    ],
)
def test_string_matchers(matcher: Any, expected: bool | None) -> None:
    assert string_matches(matcher, "spiffe://a") is expected


@pytest.mark.parametrize(("regex", "expected"), [("/a|/b", ["c"]), ("/b.*", ["c"]), ("/", [])])
def test_a_regex_must_match_the_whole(regex: str, expected: list[str]) -> None:
    assert [name for name, _conditional in clusters_for("/b", envoy.route({"safe_regex": {"regex": regex}}, "c"))] == expected


@pytest.mark.parametrize(
    "match",
    [
        {"safe_regex": {"regex": "("}},
        {"safe_regex": {"regex": "/(?=a)"}},
        {"prefix": "/", "headers": [{"name": ":authority", "string_match": {"safe_regex": {"regex": "(a{100}){1000}"}}}]},
    ],
)
def test_an_expression_that_is_not_evaluated_may_match(match: Any) -> None:
    config = envoy.routes("80", envoy.virtual_host("v", ["*"], envoy.route(match, "maybe"), envoy.route({"prefix": "/"}, "else")))
    first, second = destinations(RouteTable(config), "a.example.com", "/abc")
    assert (first.clusters, first.conditional, second.clusters, second.doubt) == (("maybe",), True, ("else",), "")
    assert first.doubt


def test_expressions_of_one_request_share_its_budget() -> None:
    slow = [envoy.route({"safe_regex": {"regex": f"/(a|b)*{number}"}}, "c") for number in range(500)]
    found = destinations(RouteTable(envoy.routes("80", envoy.virtual_host("v", ["*"], *slow))), "a", "/" + "ab" * 100, Budget(5000))
    assert {item.doubt for item in found} == {"it takes too many steps"}
