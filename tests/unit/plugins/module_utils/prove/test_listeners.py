# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which listener and filter chain take a connection."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.prove.listeners import Connection, find_chain, find_listener
from ansible_collections.meshlb.istio.plugins.module_utils.prove.proxy import parse_config_dump

from tests.unit.plugins.module_utils.prove import envoy


def test_an_exact_address_wins_over_the_wildcard_and_that_over_the_catch_all() -> None:
    listeners = [envoy.listener("exact", "10.0.0.1", 80, []), envoy.http_listener(80), envoy.outbound()]
    proxy = envoy.proxy(listeners)
    found = [find_listener(proxy, ip, port) for ip, port in (("10.0.0.1", 80), ("10.0.0.2", 80), ("10.0.0.1", 81))]
    assert [item.name for item in found if item] == ["exact", "0.0.0.0_80", "virtualOutbound"]


def test_ipv6_has_its_own_wildcard() -> None:
    proxy = envoy.proxy([envoy.http_listener(80), envoy.listener("six", "::", 80, []), envoy.outbound()])
    found = find_listener(proxy, "fd00::1", 80)
    assert found is not None
    assert found.name == "six"


def chosen(chains: list[Any], connection: Connection, **more: Any) -> str:
    raw = envoy.listener("l", "0.0.0.0", 15006, chains, **more)
    listener = parse_config_dump(envoy.dump([raw])).listener("l")
    assert listener is not None
    chain = find_chain(listener, connection)
    return chain.name if chain else "closed"


def named(name: str, match: dict[str, Any]) -> dict[str, Any]:
    return envoy.tcp_chain("c", match, name)


PORT = named("port", {"destination_port": 8080, "transport_protocol": "tls"})
ANY = named("any", {"prefix_ranges": [{"address_prefix": "0.0.0.0", "prefix_len": 0}]})
NARROW = named("narrow", {"prefix_ranges": [{"address_prefix": "10.1.0.0", "prefix_len": 16}]})


def test_a_step_taken_is_never_taken_back() -> None:
    # Port 8080 has a chain, so the chain for all addresses is out, even though the transport then does not match.
    assert chosen([PORT, ANY], Connection("10.1.0.1", 8080)) == "closed"
    assert chosen([PORT, ANY], Connection("10.1.0.1", 8080, "tls")) == "port"
    assert chosen([PORT, ANY], Connection("10.1.0.1", 8081)) == "any"


def test_the_default_chain_takes_what_no_other_does() -> None:
    assert chosen([PORT], Connection("10.1.0.1", 8080), default_filter_chain=named("default", {})) == "default"


def test_the_longest_prefix_wins() -> None:
    assert chosen([ANY, NARROW], Connection("10.1.0.1", 1)) == "narrow"
    assert chosen([ANY, NARROW], Connection("10.2.0.1", 1)) == "any"


@pytest.mark.parametrize(
    ("name", "expected"), [("a.example.com", "exact"), ("b.example.com", "wild"), ("b.example.org", "none"), ("", "none")]
)
def test_server_names(name: str, expected: str) -> None:
    chains = [
        named("exact", {"server_names": ["a.example.com"]}),
        named("wild", {"server_names": ["*.example.com"]}),
        named("none", {}),
    ]
    assert chosen(chains, Connection("10.1.0.1", 443, "tls", (), name)) == expected


def test_the_connections_own_order_of_protocols_decides() -> None:
    chains = [named("mesh", {"application_protocols": ["istio"]}), named("h2", {"application_protocols": ["h2"]})]
    assert chosen(chains, Connection("10.1.0.1", 443, "tls", ("h2", "istio"))) == "h2"
    assert chosen(chains, Connection("10.1.0.1", 443, "tls", ("istio", "h2"))) == "mesh"


DISABLED_ON_80 = {"destination_port_range": {"start": 80, "end": 81}}


@pytest.mark.parametrize(
    ("rule", "port", "expected"),
    [
        (None, 80, "http"),
        (DISABLED_ON_80, 80, "other"),
        (DISABLED_ON_80, 81, "http"),
        ({"not_match": DISABLED_ON_80}, 80, "http"),
        ({"or_match": {"rules": [DISABLED_ON_80, {"any_match": True}]}}, 81, "other"),
        ({"any_match": True}, 1, "other"),
    ],
)
def test_http_is_only_seen_where_it_is_looked_for(rule: Any, port: int, expected: str) -> None:
    inspector = {"name": "envoy.filters.listener.http_inspector", **({"filter_disabled": rule} if rule else {})}
    chains = [named("http", {"application_protocols": ["http/1.1"]})]
    connection = Connection("10.1.0.1", port, protocols=("http/1.1",))
    found = chosen(chains, connection, listener_filters=[inspector], default_filter_chain=named("other", {}))
    assert found == expected


def test_without_a_tls_inspector_tls_is_raw_bytes() -> None:
    chains = [named("tls", {"transport_protocol": "tls"}), named("raw", {"transport_protocol": "raw_buffer"})]
    assert chosen(chains, Connection("10.1.0.1", 1, "tls"), listener_filters=[]) == "raw"
    assert chosen(chains, Connection("10.1.0.1", 1, "tls")) == "tls"
