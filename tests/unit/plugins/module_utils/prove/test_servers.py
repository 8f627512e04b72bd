# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's side of a connection."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.interception import Interception
from ansible_collections.meshlb.istio.plugins.module_utils.istio.endpoints import PodView, view_of
from ansible_collections.meshlb.istio.plugins.module_utils.prove.proxy import Proxy
from ansible_collections.meshlb.istio.plugins.module_utils.prove.servers import Readings, server_side

from tests.unit.plugins.module_utils.prove import envoy

IDENTITY = "spiffe://cluster.local/ns/apps/sa/echo"


def pod(*, sidecar: bool = True, annotations: dict[str, str] | None = None) -> dict[str, Any]:
    containers = [{"name": "app"}, *([{"name": "istio-proxy"}] if sidecar else [])]
    return {
        "metadata": {"namespace": "apps", "name": "echo-1", "annotations": annotations or {}},
        "spec": {"containers": containers, "serviceAccountName": "echo"},
        "status": {"podIP": "10.1.0.1", "phase": "Running"},
    }


def inbound(*chains: Any) -> Proxy:
    return envoy.proxy([envoy.listener("virtualInbound", "0.0.0.0", 15006, list(chains))])


DOWNSTREAM = {"typed_config": {"@type": f"{envoy.TLS}.DownstreamTlsContext"}}
ENCRYPTED = {
    **envoy.tcp_chain("inbound|8080||", {"destination_port": 8080, "transport_protocol": "tls"}, "mtls"),
    "transport_socket": DOWNSTREAM,
}
PLAIN = envoy.tcp_chain("inbound|8080||", {"destination_port": 8080, "transport_protocol": "raw_buffer"}, "plain")


def judge(view: PodView, proxy: Proxy | None, mode: str = "STRICT", representative: str = "", *, http: bool = False) -> Any:
    key = ("apps", representative or "echo-1")
    readings = Readings(
        {key: proxy} if proxy else {}, {("apps", "echo-1"): key}, {} if proxy else {key: "its sidecar could not be asked"}
    )
    return server_side(view, 8080, readings, lambda _pod, _port: mode, IDENTITY, lambda: http)


def test_strict_is_read_from_the_inbound_filter_chains() -> None:
    side = judge(view_of(pod(), Interception()), inbound(ENCRYPTED), "PERMISSIVE")
    assert (side.plaintext, side.mutual_tls, side.identity) == (False, True, IDENTITY)
    assert side.source == "sidecar of apps/echo-1"
    assert side.fact == (
        "apps/echo-1:8080 refuses plaintext and accepts mutual TLS: in its inbound listener only its TLS filter chains match"
    )


def test_permissive_is_read_from_the_inbound_filter_chains() -> None:
    side = judge(view_of(pod(), Interception()), inbound(ENCRYPTED, PLAIN))
    assert (side.plaintext, side.mutual_tls) == (True, True)
    assert "filter chain plain takes it" in side.fact


def test_disable_is_read_from_the_inbound_filter_chains() -> None:
    side = judge(view_of(pod(), Interception()), inbound(PLAIN))
    assert (side.plaintext, side.mutual_tls) == (True, False)


def test_a_pod_of_the_same_workload_can_stand_in() -> None:
    side = judge(view_of(pod(), Interception()), inbound(ENCRYPTED), representative="echo-2")
    assert side.source == "sidecar of apps/echo-2"


@pytest.mark.parametrize(("mode", "plaintext", "mutual"), [("STRICT", False, True), ("PERMISSIVE", True, True), ("DISABLE", True, False)])
def test_policies_are_asked_where_the_sidecar_cannot_be(mode: str, plaintext: bool, mutual: bool) -> None:
    side = judge(view_of(pod(), Interception()), None, mode)
    assert (side.plaintext, side.mutual_tls, side.identity) == (plaintext, mutual, IDENTITY)
    assert side.source == "PeerAuthentication policies"
    assert f"the mode in force is {mode} (its sidecar could not be asked)" in side.fact


def test_a_dump_without_an_inbound_listener_says_nothing() -> None:
    side = judge(view_of(pod(), Interception()), envoy.proxy([]))
    assert side.source == "PeerAuthentication policies"
    assert "its sidecar was not asked" in side.fact


def test_a_pod_without_a_sidecar_takes_plaintext_only() -> None:
    side = judge(view_of(pod(sidecar=False), Interception()), None)
    assert (side.plaintext, side.mutual_tls) == (True, False)


@pytest.mark.parametrize("annotation", [{"includeInboundPorts": ""}, {"includeInboundPorts": "9000"}, {"excludeInboundPorts": "8080"}])
def test_a_port_that_is_not_captured_is_outside_the_sidecar(annotation: dict[str, str]) -> None:
    annotations = {f"traffic.sidecar.istio.io/{name}": value for name, value in annotation.items()}
    side = judge(view_of(pod(annotations=annotations), Interception()), inbound(ENCRYPTED))
    assert (side.plaintext, side.mutual_tls) == (True, False)
    assert "does not capture port 8080" in side.fact


PORT = {"destination_port": 8080}
MESH_ONLY = {**PORT, "transport_protocol": "tls", "application_protocols": ["istio", "istio-peer-exchange", "istio-http/1.1"]}
DEMANDED = {"typed_config": {**DOWNSTREAM["typed_config"], "require_client_certificate": True}}
MUTUAL_HTTP = {**envoy.http_chain(MESH_ONLY, inline={}), "transport_socket": DEMANDED}
MUTUAL_TCP = {**envoy.tcp_chain("inbound|8080||", MESH_ONLY), "transport_socket": DEMANDED}
RAW_HTTP = envoy.http_chain({**PORT, "transport_protocol": "raw_buffer"}, inline={})
RELAYED = envoy.tcp_chain("inbound|8080||", {**PORT, "transport_protocol": "tls"})
UNINSPECTED = {"listener_filters": []}


@pytest.mark.parametrize(
    ("chains", "more", "taken"),
    [
        pytest.param([MUTUAL_HTTP, RAW_HTTP], {}, (False, False), id="HTTP, PERMISSIVE"),
        pytest.param([MUTUAL_TCP, RELAYED, PLAIN], {}, (True, True), id="TCP, PERMISSIVE"),
        pytest.param([RAW_HTTP], UNINSPECTED, (False, None), id="HTTP, DISABLE"),
        pytest.param([PLAIN], UNINSPECTED, (True, None), id="TCP, DISABLE"),
        pytest.param([PLAIN], {}, (False, None), id="plaintext alone, told from TLS"),
        pytest.param([{**envoy.http_chain(PORT, inline={}), "transport_socket": DEMANDED}], {}, (False, False), id="HTTP, STRICT"),
        pytest.param([ENCRYPTED], {}, (None, True), id="TLS that asks for no certificate"),
    ],
)
def test_tls_of_the_load_balancers_own_meets_the_chains_that_take_it(chains: Any, more: Any, taken: Any) -> None:
    proxy = envoy.proxy([envoy.listener("virtualInbound", "0.0.0.0", 15006, chains, **more)])
    side = judge(view_of(pod(), Interception()), proxy)
    assert (side.own_tls, side.own_tls_inside) == taken


@pytest.mark.parametrize(
    ("mode", "http", "taken"),
    [
        ("STRICT", False, (False, True)), ("STRICT", True, (False, False)), ("PERMISSIVE", False, (True, True)),
        ("PERMISSIVE", True, (False, False)), ("DISABLE", False, (True, False)), ("DISABLE", True, (False, False)),
    ],
)  # fmt: skip
def test_without_its_sidecar_the_declared_protocol_says_whether_such_tls_is_taken(mode: str, http: bool, taken: Any) -> None:
    side = judge(view_of(pod(), Interception()), None, mode, http=http)
    assert (side.own_tls, side.own_tls_inside) == taken


def test_a_pod_without_a_sidecar_gets_such_tls() -> None:
    side = judge(view_of(pod(sidecar=False), Interception()), None, http=True)
    assert (side.own_tls, side.own_tls_inside) == (True, False)
