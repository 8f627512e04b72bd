# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloudflare Tunnel: the tunnel's rules, how it is found, what it answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.cloudflare_tunnel.profile import PROFILE as TUNNEL
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.chain import CheckTarget, HealthCheck

from tests.unit.plugins.module_utils.balancers.cloud_support import GATEWAY, HOST, found, request, target
from tests.unit.plugins.module_utils.balancers.support import data_plane
from tests.unit.plugins.module_utils.support.cluster import EDGE, Obj, live, obj, pod

HTTP, HTTPS = "http://gateway.ingress.svc:80", "https://gateway.ingress.svc:443"
REST = {"service": "http_status:404"}

RULES: dict[str, tuple[dict[str, Any], list[Obj], str]] = {
    "plain": ({}, [{"hostname": HOST, "service": HTTP}, REST], "host"),
    "any host": ({"hosts": ()}, [{"service": HTTP}], "host"),
    "TLS": (
        {"gateway": target(tls=True)},
        [{"hostname": HOST, "service": HTTPS, "originRequest": {"matchSNItoHost": True, "noTLSVerify": True}}, REST], "host"),
    "TLS, verified, by a name, HTTP/2": (
        {"gateway": target(tls=True, server_name="gw.example.com"), "ca_pool": "/ca.pem", "http2": "true"},
        [{"hostname": HOST, "service": HTTPS,
          "originRequest": {"originServerName": "gw.example.com", "caPool": "/ca.pem", "http2Origin": True}}, REST], "settable"),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "rules", "name"), RULES.values(), ids=RULES)
def test_a_config_map_with_the_rules(wanted: dict[str, Any], rules: list[Obj], name: str) -> None:
    asked = request(tunnel="t", credentials_file="/c.json", **wanted)
    front = TUNNEL.chain.front(asked)
    (body,) = front.bodies
    assert (body["kind"], body["metadata"]) == ("ConfigMap", {"name": "chain", "namespace": GATEWAY})
    assert json.loads(body["data"]["config.yaml"]) == {"tunnel": "t", "credentials-file": "/c.json", "ingress": rules}
    assert (front.check, front.service.type, TUNNEL.chain.server_name(asked)) == (HealthCheck("none"), "ClusterIP", name)


def test_what_is_left_to_do() -> None:
    (plain,) = TUNNEL.chain.front(request(config_map="rules")).steps
    assert "ConfigMap ingress/rules" in plain and "dashboard" in plain
    rest = TUNNEL.chain.front(request(https_redirect=True, gateway=target(tls=True))).steps[1:]
    assert [word in step for word, step in zip(("Always Use HTTPS", "noTLSVerify"), rest, strict=True)] == [True, True]


def test_the_client_is_the_last_entry() -> None:
    client = TUNNEL.chain.client_address(request())
    assert (client.mode, client.trusted_hops, TUNNEL.chain.ends_tls(request())) == ("x_forwarded_for", 1, True)


@pytest.mark.parametrize("mode", ["proxy_protocol", "source_address"])
def test_other_ways_to_know_the_client_are_refused(mode: str) -> None:
    assert "x_forwarded_for" in TUNNEL.chain.front(request(client=mode)).refusal


def test_it_checks_nothing() -> None:
    assert "checks nothing" in TUNNEL.health.check(CheckTarget("apps", "shop"), request()).refusal


PROGRAM = data_plane("tunnel", "tunnel", "run", image="cloudflare/cloudflared:2026.8.0", command=("cloudflared",))
FOUND: dict[str, tuple[list[Obj], list[tuple[Any, ...]]]] = {
    "by its program": ([PROGRAM], [("tunnel", EDGE, "certain")]),
    "by its token": ([data_plane("tunnel", "tunnel", image="x/y", env=("TUNNEL_TOKEN",))], [("tunnel", EDGE, "certain")]),
    "nothing": ([data_plane("web", image="nginx:1")], []),
}


@pytest.mark.parametrize(("objects", "expected"), FOUND.values(), ids=FOUND)
def test_how_it_is_found(objects: list[Obj], expected: list[tuple[Any, ...]]) -> None:
    made = found(TUNNEL, *objects)
    assert [(item.name, item.namespace, item.confidence) for item in made] == expected
    for item in made:
        assert item.placement == "external" and not item.mode("standalone_mtls").supported


def virtual_service(*gateways: str) -> Obj:
    spec = {"hosts": [HOST], **({"gateways": list(gateways)} if gateways else {})}
    return obj("networking.istio.io/v1", "VirtualService", "apps", "shop", spec=spec)


INJECTED = [PROGRAM, pod("tunnel", where=EDGE)]
DIVERTED: dict[str, tuple[list[Obj], dict[str, Any], int]] = {
    "a sidecar that knows the host": ([*INJECTED, virtual_service()], {}, 1),
    "the sidecar does not look into TLS": ([*INJECTED, virtual_service()], {"gateway": target(tls=True)}, 0),
    "the host is only the gateway's": ([*INJECTED, virtual_service("ingress/gateway")], {}, 0),
    "no sidecar": ([PROGRAM, pod("tunnel", where=EDGE, sidecar=False), virtual_service()], {}, 0),
}


@pytest.mark.parametrize(("objects", "wanted", "number"), DIVERTED.values(), ids=DIVERTED)
def test_a_sidecar_that_would_take_requests_elsewhere(objects: list[Obj], wanted: dict[str, Any], number: int) -> None:
    findings = TUNNEL.chain.preflight(live(*objects), request(**wanted))
    assert [item.code for item in findings] == ["MLB605"] * number
