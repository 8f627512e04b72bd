# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Istio reads from a Service port."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.istio.protocols import (
    AUTO,
    decided_by_address,
    declared_protocol,
    is_http,
    port_protocol,
)

NAMES = {
    "http": "http", "http-web": "http", "http2": "http2", "http2-web": "http2", "grpc": "grpc", "grpc-api": "grpc",
    "grpc-web": "grpc-web", "grpc-web-ui": "grpc-web", "grpc-webby": "grpc-web", "http_proxy": "http_proxy",
    "HTTP-Upper": "http", "GRPC-Web": "grpc-web", "tcp": "tcp", "tcp-db": "tcp", "https": "https", "https-web": "https",
    "tls": "tls", "tls-x": "tls", "mongo": "mongo", "redis-cache": "redis", "mysql": "mysql", "udp": "udp",
    "": AUTO, "web": AUTO, "httpx": AUTO, "http1": AUTO, "my-http": AUTO, "grpcweb": AUTO, "hbone": AUTO,
}  # fmt: skip


@pytest.mark.parametrize(("name", "protocol"), NAMES.items())
def test_the_name_declares_up_to_its_first_dash(name: str, protocol: str) -> None:
    assert port_protocol({"name": name, "port": 8000, "protocol": "TCP"}) == protocol


APP_PROTOCOLS = {
    "http": "http", "HTTP": "http", "https": "https", "tcp": "tcp", "grpc": "grpc", "grpc-web": "grpc-web",
    "kubernetes.io/h2c": "http2", "kubernetes.io/ws": "http", "kubernetes.io/wss": "https",
    "kubernetes.io/other": AUTO, "Kubernetes.io/h2c": AUTO, "http-anything": "http", "example.com/http": AUTO, "": AUTO,
}  # fmt: skip


@pytest.mark.parametrize(("declared", "protocol"), APP_PROTOCOLS.items())
def test_app_protocol_is_all_that_counts_where_it_is_given(declared: str, protocol: str) -> None:
    assert port_protocol({"name": "mongo-x", "port": 8000, "appProtocol": declared}) == protocol


@pytest.mark.parametrize(
    ("port", "protocol"),
    [
        ({"port": 80, "name": "http", "protocol": "UDP"}, "udp"),
        ({"port": 80, "name": "http", "appProtocol": "http", "protocol": "UDP"}, "udp"),
        ({"port": 80}, AUTO),
        ({"port": 80, "name": None}, AUTO),
        ({"port": 3306}, "tcp"),
        ({"port": 25}, "tcp"),
        ({"port": 53, "name": "dns"}, "tcp"),
        ({"port": 27017, "appProtocol": "strange"}, "tcp"),
        ({"port": 3306, "name": "http"}, "http"),
        ({"port": 3307}, AUTO),
        ({"port": 80, "name": "kubernetes.io/h2c"}, AUTO),
    ],
)
def test_transport_and_well_known_ports(port: dict[str, Any], protocol: str) -> None:
    assert port_protocol(port) == protocol


@pytest.mark.parametrize(
    ("protocol", "by_host", "by_address"),
    [
        ("http", True, False), ("http2", True, False), ("grpc", True, False), ("grpc-web", True, False), ("http_proxy", True, False),
        ("tcp", False, True), ("https", False, True), ("tls", False, True), ("mongo", False, True), ("redis", False, True),
        ("mysql", False, True), (AUTO, False, True), ("udp", False, False), ("unknown", False, False),
    ],
)  # fmt: skip
def test_host_or_address_decides(protocol: str, by_host: bool, by_address: bool) -> None:
    assert (is_http(protocol), decided_by_address(protocol)) == (by_host, by_address)


def test_a_service_entry_writes_the_protocol_in_capitals() -> None:
    assert [declared_protocol(word, 9000) for word in ("HTTP", "GRPC", "TLS", "TCP", "")] == ["http", "grpc", "tls", "tcp", AUTO]
