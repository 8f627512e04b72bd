# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which protocol Istio gives a Service port: the first thing that a sidecar's matching depends on.

Source: istio/istio pkg/config/kube/conversion.go (ConvertProtocol) and pkg/config/protocol/instance.go (Parse).
"""

from __future__ import annotations

from typing import Any

HTTP_PROTOCOLS = frozenset({"http", "http2", "grpc", "grpc-web", "http_proxy"})
TCP_PROTOCOLS = frozenset({"tcp", "https", "tls", "mongo", "redis", "mysql"})
TLS_PROTOCOLS = frozenset({"https", "tls"})
AUTO = "auto"

# appProtocol values of Kubernetes itself, with what Istio makes of them
_KUBERNETES_APP_PROTOCOLS = {"kubernetes.io/h2c": "http2", "kubernetes.io/ws": "http", "kubernetes.io/wss": "https"}
# Server-first protocols on well-known ports: Istio does not sniff there
_NEVER_SNIFFED = frozenset({25, 53, 3306, 27017})


def port_protocol(port: dict[str, Any]) -> str:
    """Return the protocol of a Service port (one entry of ``spec.ports``): ``auto`` where none is declared.

    ``appProtocol`` wins over the name's prefix; the comparison ignores case; UDP is ``udp`` whatever the name says.
    """
    if str(port.get("protocol", "TCP")).upper() == "UDP":
        return "udp"
    declared = port.get("appProtocol")
    if declared in _KUBERNETES_APP_PROTOCOLS:
        return _KUBERNETES_APP_PROTOCOLS[declared]
    return declared_protocol(str(declared if declared is not None else port.get("name") or ""), port.get("port", 0))


def declared_protocol(name: str, number: int) -> str:
    """Return the protocol that a port's name (or a ServiceEntry port's protocol) declares."""
    lowered = name.lower()
    if lowered.startswith("grpc-web"):
        return "grpc-web"
    prefix = lowered.partition("-")[0]
    if prefix in HTTP_PROTOCOLS or prefix in TCP_PROTOCOLS or prefix == "udp":
        return prefix
    return "tcp" if number in _NEVER_SNIFFED else AUTO


def is_http(protocol: str) -> bool:
    """Whether the Host header decides on a port of this protocol."""
    return protocol in HTTP_PROTOCOLS


def decided_by_address(protocol: str) -> bool:
    """Whether the destination address decides on a port of this protocol."""
    return protocol == AUTO or protocol in TCP_PROTOCOLS
