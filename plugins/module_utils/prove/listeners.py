# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which listener and which filter chain of a sidecar receive a connection: Envoy's own matching, step by step.

Envoy looks at one condition after the other (destination port, destination address, server name, transport protocol,
application protocols), keeps the most specific chains at every step, and never goes back.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass

from ..kube.objects import Obj, dig
from .proxy import FilterChain, Listener, Proxy

RAW, TLS = "raw_buffer", "tls"
HTTP_PROTOCOLS = ("http/1.1", "http/1.0", "h2c")
ISTIO_PROTOCOLS = ("istio-http/1.1", "istio-peer-exchange", "istio")
"""What sidecars offer in the mesh's mutual TLS with HTTP inside."""
ISTIO_TCP_PROTOCOLS = ISTIO_PROTOCOLS[1:]
HTTPS_PROTOCOLS = ("h2", "http/1.1")
"""What clients offer in TLS that is not the mesh's. What a load balancer offers is not known; HTTPS clients offer these."""

_WILDCARDS = {4: "0.0.0.0", 6: "::"}
_Score = Callable[[Obj], "int | None"]


@dataclass(frozen=True)
class Connection:
    """A connection as a listener sees it before its first filter. ``protocols`` are what ALPN or the HTTP inspector told."""

    ip: str
    port: int
    transport: str = RAW
    protocols: tuple[str, ...] = ()
    server_name: str = ""


def find_listener(proxy: Proxy, ip: str, port: int) -> Listener | None:
    """The listener that takes over a captured connection: exact address, wildcard address, else the catch-all itself."""
    exact = proxy.listener_at(ip, port)
    if exact is not None:
        return exact
    wildcard = _WILDCARDS.get(ipaddress.ip_address(ip).version, "")
    found = proxy.listener_at(wildcard, port)
    # Envoy's dual-stack listeners stand on "::" and take IPv4 as well.
    return found or proxy.listener_at("::", port) or proxy.outbound


def find_chain(listener: Listener, connection: Connection) -> FilterChain | None:
    """The filter chain for a connection, the listener's default chain where none matches, else ``None`` (it is closed)."""
    seen = _inspected(listener, connection)
    chains = list(listener.chains)
    for score in _steps(seen):
        chains = _most_specific(chains, score)
    return chains[0] if chains else listener.default_chain


def _most_specific(chains: list[FilterChain], score: _Score) -> list[FilterChain]:
    scored = [(score(chain.match), chain) for chain in chains]
    best = max((value for value, _chain in scored if value is not None), default=None)
    return [] if best is None else [chain for value, chain in scored if value == best]


def _steps(connection: Connection) -> list[_Score]:
    def port(match: Obj) -> int | None:
        wanted = match.get("destination_port")
        return 0 if wanted is None else (1 if int(wanted) == connection.port else None)

    def prefix(match: Obj) -> int | None:
        return _longest_prefix(match.get("prefix_ranges") or [], connection.ip)

    def server_name(match: Obj) -> int | None:
        return _server_name(match.get("server_names") or [], connection.server_name)

    def transport(match: Obj) -> int | None:
        wanted = match.get("transport_protocol") or ""
        return 0 if not wanted else (1 if wanted == connection.transport else None)

    def protocols(match: Obj) -> int | None:
        wanted = match.get("application_protocols") or []
        if not wanted:
            return 0
        # The connection's own order decides between chains: the first protocol that any chain names wins.
        ranks = [len(connection.protocols) - connection.protocols.index(item) for item in wanted if item in connection.protocols]
        return max(ranks, default=None)

    return [port, prefix, server_name, transport, protocols]


def _longest_prefix(ranges: list[Obj], ip: str) -> int | None:
    if not ranges:
        return 0
    address = ipaddress.ip_address(ip)
    lengths = []
    for item in ranges:
        network = ipaddress.ip_network(f"{item.get('address_prefix')}/{int(item.get('prefix_len') or 0)}", strict=False)
        if network.version == address.version and address in network:
            lengths.append(network.prefixlen + 1)
    return max(lengths, default=None)


def _server_name(wanted: list[str], name: str) -> int | None:
    if not wanted:
        return 0
    scores = [len(item) + 1000 for item in wanted if item == name]
    scores += [len(item) for item in wanted if item.startswith("*.") and name.endswith(item[1:])]
    return max(scores, default=None)


def _inspected(listener: Listener, connection: Connection) -> Connection:
    """What is really known of a connection: without an inspector TLS looks like raw bytes, and HTTP like TCP."""
    transport, protocols = connection.transport, connection.protocols
    if transport == TLS and not _inspects(listener, "tls_inspector", connection.port):
        transport, protocols = RAW, ()
    if transport == RAW and not _inspects(listener, "http_inspector", connection.port):
        protocols = ()
    return Connection(connection.ip, connection.port, transport, protocols, connection.server_name)


def _inspects(listener: Listener, inspector: str, port: int) -> bool:
    for item in listener.inspectors:
        if str(item.get("name", "")).endswith(inspector):
            disabled = item.get("filter_disabled")
            return not (isinstance(disabled, dict) and _predicate(disabled, port))
    return False


def _predicate(rule: Obj, port: int) -> bool:
    if rule.get("any_match"):
        return True
    if "destination_port_range" in rule:
        low = int(dig(rule, "destination_port_range", "start", default=0))
        return low <= port < int(dig(rule, "destination_port_range", "end", default=0))
    if "not_match" in rule:
        return not _predicate(rule["not_match"], port)
    if "or_match" in rule:
        return any(_predicate(item, port) for item in dig(rule, "or_match", "rules", default=[]))
    return all(_predicate(item, port) for item in dig(rule, "and_match", "rules", default=[{"any_match": False}]))
