# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading an Envoy's configuration dump."""

from __future__ import annotations

import json

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.prove.proxy import ProxyDataError, parse_config_dump

from tests.unit.plugins.module_utils.prove import envoy


def test_static_and_dynamic_listeners_are_found_by_address() -> None:
    static = {"static_listeners": [{"listener": envoy.listener("stats", "0.0.0.0", 15090, [])}]}
    dump = {"configs": [static, *envoy.dump([envoy.http_listener(80), envoy.outbound()])["configs"]]}
    proxy = parse_config_dump(json.dumps(dump))
    found = proxy.listener_at("0.0.0.0", 15090)
    assert found is not None
    assert found.name == "stats"
    assert proxy.listener("0.0.0.0_80") is not None
    assert proxy.outbound is not None
    assert proxy.outbound.name == "virtualOutbound"


def test_additional_addresses_are_listened_on_too() -> None:
    more = [{"address": {"socket_address": {"address": "fd00::1", "port_value": 80}}}]
    proxy = envoy.proxy([envoy.listener("dual", "10.0.0.1", 80, [], additional_addresses=more)])
    found = proxy.listener_at("fd00::1", 80)
    assert found is not None
    assert found.addresses == (("10.0.0.1", 80), ("fd00::1", 80))


def test_a_listener_that_is_still_warming_has_no_address() -> None:
    section = {"dynamic_listeners": [{"name": "warming", "warming_state": {"listener": envoy.http_listener(80)}}]}
    assert parse_config_dump({"configs": [section]}).listener_at("0.0.0.0", 80) is None


def test_endpoints_carry_their_transport_metadata_and_health() -> None:
    name = "outbound|80||echo.apps.svc.cluster.local"
    eds = envoy.assignment(
        name,
        envoy.endpoint("10.1.0.1", 8080),
        envoy.endpoint("10.1.0.2", 8080, meshed=False, health_status="UNHEALTHY"),
    )
    proxy = envoy.proxy([], [envoy.cluster(name)], eds=[eds])
    cluster = proxy.cluster(name)
    assert cluster is not None
    first, second = proxy.endpoints(cluster)
    assert (first.address, first.match, first.healthy) == ("10.1.0.1:8080", (("tlsMode", "istio"),), True)
    assert (second.match, second.healthy) == ((), False)


def test_locality_metadata_holds_for_its_endpoints() -> None:
    eds = envoy.assignment("c", envoy.endpoint("10.1.0.1", 1, meshed=False))
    metadata = {"filter_metadata": {"envoy.transport_socket_match": {"tlsMode": "istio"}}}
    eds["endpoint_config"]["endpoints"][0]["metadata"] = metadata
    proxy = envoy.proxy([], [envoy.cluster("c")], eds=[eds])
    cluster = proxy.cluster("c")
    assert cluster is not None
    assert proxy.endpoints(cluster)[0].match == (("tlsMode", "istio"),)


def test_a_tunnelled_endpoint_names_its_internal_listener() -> None:
    internal = {"envoy_internal_address": {"server_listener_name": "connect_originate", "endpoint_id": "10.1.0.1:8080"}}
    eds = envoy.assignment("c", {"endpoint": {"address": internal}})
    proxy = envoy.proxy([], [envoy.cluster("c")], eds=[eds])
    cluster = proxy.cluster("c")
    assert cluster is not None
    found = proxy.endpoints(cluster)[0]
    assert (found.address, found.tunnel) == ("10.1.0.1:8080", "connect_originate")


def test_endpoints_inside_the_cluster_count_where_no_assignment_was_sent() -> None:
    inline = envoy.assignment("dns", envoy.endpoint("10.1.0.9", 80))["endpoint_config"]
    proxy = envoy.proxy([], [envoy.cluster("dns", "STRICT_DNS", load_assignment=inline)])
    cluster = proxy.cluster("dns")
    assert cluster is not None
    assert [item.ip for item in proxy.endpoints(cluster)] == ["10.1.0.9"]


def test_a_dump_of_one_resource_is_read_like_a_section() -> None:
    state = {"listener": envoy.listener("virtualInbound", "0.0.0.0", 15006, [])}
    single = {
        "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump.DynamicListener",
        "name": "virtualInbound",
        "active_state": state,
    }
    proxy = parse_config_dump({"configs": [single]})
    assert proxy.inbound is not None


def test_missing_sections_count_as_empty() -> None:
    proxy = parse_config_dump({"configs": []})
    assert proxy.outbound is None
    assert proxy.route_config("80") is None
    assert proxy.cluster("c") is None


def test_log_lines_before_the_answer_are_skipped() -> None:
    text = "2026-11-21T06:56:31Z\twarn\tsomething {odd}\n" + json.dumps(envoy.dump([envoy.outbound()]))
    assert parse_config_dump(text.encode()).outbound is not None


@pytest.mark.parametrize("text", ["", "not json", "[]", '{"configs": 3}', "{}"])
def test_anything_else_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ProxyDataError, match="proxy's answer"):
        parse_config_dump(text)
