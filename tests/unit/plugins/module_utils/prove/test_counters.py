# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading an Envoy's counters and certificates."""

from __future__ import annotations

import json

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.prove.counters import parse_certs, parse_clusters
from ansible_collections.meshlb.istio.plugins.module_utils.prove.proxy import ProxyDataError

TEXT = """\
outbound|80||echo.apps.svc.cluster.local::observability_name::outbound|80||echo.apps.svc.cluster.local
outbound|80||echo.apps.svc.cluster.local::default_priority::max_connections::4294967295
outbound|80||echo.apps.svc.cluster.local::10.1.0.1:8080::cx_active::1
outbound|80||echo.apps.svc.cluster.local::10.1.0.1:8080::cx_total::2
outbound|80||echo.apps.svc.cluster.local::10.1.0.1:8080::rq_total::7
outbound|80||echo.apps.svc.cluster.local::10.1.0.1:8080::hostname::
outbound|80||echo.apps.svc.cluster.local::[fd00::7]:8080::rq_total::3
PassthroughCluster::10.1.0.2:8080::rq_total::1
inbound|8080||::10.1.0.9:8080::rq_total::5
xds-grpc::./etc/istio/proxy/XDS::rq_total::1
"""


def status(name: str, address: str, **counters: int) -> dict[str, object]:
    stats = [{"name": key, "value": str(value)} if value else {"name": key} for key, value in counters.items()]
    socket = {"socket_address": {"address": address, "port_value": 8080}}
    return {"name": name, "host_statuses": [{"address": socket, "stats": stats}]}


def test_text_and_json_give_the_same_reading() -> None:
    name = "outbound|80||echo.apps.svc.cluster.local"
    text = json.dumps({"cluster_statuses": [status(name, "10.1.0.1", cx_active=1, cx_total=2, rq_total=7)]})
    assert parse_clusters(text) == {(name, "10.1.0.1:8080"): {"cx_active": 1, "cx_total": 2, "rq_total": 7}}
    assert parse_clusters(TEXT)[(name, "10.1.0.1:8080")] == {"cx_active": 1, "cx_total": 2, "rq_total": 7}


def test_ipv6_addresses_are_kept_whole() -> None:
    assert parse_clusters(TEXT)[("outbound|80||echo.apps.svc.cluster.local", "[fd00::7]:8080")] == {"rq_total": 3}


def test_inbound_and_the_proxys_own_clusters_are_left_out() -> None:
    assert {cluster for cluster, _address in parse_clusters(TEXT)} == {
        "outbound|80||echo.apps.svc.cluster.local",
        "PassthroughCluster",
    }


def test_a_counter_of_nought_has_no_value_in_json() -> None:
    text = json.dumps({"cluster_statuses": [status("PassthroughCluster", "10.1.0.2", rq_total=0)]})
    assert parse_clusters(text) == {("PassthroughCluster", "10.1.0.2:8080"): {"rq_total": 0}}


@pytest.mark.parametrize("text", ["upstream connect error", "{broken"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ProxyDataError):
        parse_clusters(text)


def test_the_workload_certificate_is_told_by_its_spiffe_id() -> None:
    entry = {"subject_alt_names": [{"uri": "spiffe://cluster.local/ns/lb/sa/nginx"}], "expiration_time": "2026-11-22T00:00:00Z"}
    found = parse_certs(json.dumps({"certificates": [{"cert_chain": [entry]}]}))
    assert found.identity == "spiffe://cluster.local/ns/lb/sa/nginx"
    assert found.expires == "2026-11-22T00:00:00Z"


@pytest.mark.parametrize("text", ["no", '{"certificates": []}'])
def test_no_certificate_is_an_error(text: str) -> None:
    with pytest.raises(ProxyDataError):
        parse_certs(text)
