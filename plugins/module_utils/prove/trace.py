# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of one request through a sidecar: from the address that is dialled to the clusters that may carry it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..core.expressions import Budget
from ..core.model import Scheme
from ..kube.objects import Obj, dig
from .listeners import HTTP_PROTOCOLS, HTTPS_PROTOCOLS, RAW, TLS, Connection, find_chain, find_listener
from .proxy import HTTP_MANAGER, TCP_PROXY, FilterChain, Proxy, join_address
from .virtual_hosts import ProxyDestination, RouteTable, destinations, strip_port

BLACK_HOLE = "BlackHoleCluster"


@dataclass(frozen=True)
class Dialed:
    """What the load balancer does: the address it dials, and what it sends there.

    ``path`` is ``None`` if it is not known; ``host_known`` is false if the load balancer makes the Host up at run time.
    ``budget`` is for expressions that the request is compared with: those who ask for a route pay for what it meets.
    """

    ip: str
    port: int
    scheme: Scheme = "http"
    host: str = ""
    path: str | None = "/"
    host_known: bool = True
    budget: Budget | None = field(default=None, compare=False, repr=False)

    @property
    def address(self) -> str:
        return join_address(self.ip, self.port)

    def describe(self) -> str:
        if self.scheme != "http":
            return f"{self.address} ({self.scheme})"
        return f"{self.address} with Host {self.host} and path {'(unknown)' if self.path is None else self.path}"


@dataclass(frozen=True)
class RequestCarrier:
    """A cluster that may carry the request, and how it is reached (a part of a sentence). ``http``: the sidecar reads it as HTTP."""

    cluster: str
    steps: str
    http: bool = False


@dataclass(frozen=True)
class RequestTrace:
    """Where a request ends. ``ended`` is empty when ``carriers`` carry it on; else it is the verdict and ``why`` the reason.

    ``doubt`` says why it is not known which of several ends it is.
    """

    steps: str
    carriers: tuple[RequestCarrier, ...] = ()
    ended: str = ""
    why: str = ""
    doubt: str = ""


def trace(proxy: Proxy, dialed: Dialed) -> RequestTrace:
    """Follow a request through listener, filter chain, route and virtual host."""
    listener = find_listener(proxy, dialed.ip, dialed.port)
    if listener is None:
        return RequestTrace("", ended="unknown", why="the configuration has no listener that could take it")
    steps = f"listener {listener.name}"
    if listener.chain_matcher:
        return RequestTrace(steps, ended="unknown", why="the listener chooses filter chains by a matcher tree, which is not read")
    chain = find_chain(listener, _connection(dialed))
    if chain is None:
        return RequestTrace(steps, ended="refused", why="no filter chain matches, so the sidecar closes the connection")
    if chain.name:
        steps = f"{steps}, filter chain {chain.name}"
    return _through(proxy, dialed, chain, steps)


_SNIFFED: Mapping[Scheme, tuple[str, ...]] = {"http": HTTP_PROTOCOLS[:1], "http/1.0": HTTP_PROTOCOLS[1:2]}


def _connection(dialed: Dialed) -> Connection:
    if dialed.scheme in ("tls", "mutual_tls"):
        return Connection(dialed.ip, dialed.port, TLS, HTTPS_PROTOCOLS, strip_port(dialed.host))
    return Connection(dialed.ip, dialed.port, RAW, _SNIFFED.get(dialed.scheme, ()))


def _through(proxy: Proxy, dialed: Dialed, chain: FilterChain, steps: str) -> RequestTrace:
    manager, relay = chain.filter(HTTP_MANAGER), chain.filter(TCP_PROXY)
    if manager is not None and dialed.scheme == "http":
        return _by_route(proxy, dialed, manager, steps)
    if manager is not None:
        return RequestTrace(steps, ended="unknown", why=f"the sidecar expects HTTP here and gets {dialed.scheme}")
    if relay is None:
        return RequestTrace(steps, ended="unknown", why="the filter chain ends in neither an HTTP nor a TCP proxy")
    names = _relay_clusters(relay)
    if not names:
        return RequestTrace(steps, ended="unknown", why="the TCP proxy names no cluster")
    return RequestTrace(steps, tuple(RequestCarrier(name, "") for name in names))


def _relay_clusters(relay: Obj) -> tuple[str, ...]:
    if relay.get("cluster"):
        return (str(relay["cluster"]),)
    weighted = dig(relay, "weighted_clusters", "clusters", default=[])
    return tuple(str(item["name"]) for item in weighted if item.get("name") and int(item.get("weight") or 0) > 0)


def _by_route(proxy: Proxy, dialed: Dialed, manager: Obj, steps: str) -> RequestTrace:
    table = _route_table(proxy, manager)
    if isinstance(table, str):
        return RequestTrace(steps, ended="unknown", why=f"route {table} is not in the configuration dump")
    steps = f"{steps}, route {table.name}"
    if not dialed.host_known and table.looks_at_host:
        return RequestTrace(steps, ended="unknown", why=f"the Host is made at run time ({dialed.host}), and decides here")
    host = strip_port(dialed.host) if manager.get("strip_any_host_port") else dialed.host
    found = destinations(table, host, dialed.path, dialed.budget)
    if not found:
        return RequestTrace(steps, ended="refused", why="no virtual host or route matches, so the sidecar answers 404")
    return _joined(found, steps)


def _route_table(proxy: Proxy, manager: Obj) -> RouteTable | str:
    """The table that an HTTP manager uses, or the name of one that is not there."""
    name = str(dig(manager, "rds", "route_config_name", default=""))
    config = proxy.route_config(name) if name else manager.get("route_config")
    if not isinstance(config, dict):
        return name or "(inline)"
    if not name:
        return RouteTable(config)
    return proxy.cached(("route table", name), lambda: RouteTable(config))


def _joined(found: list[ProxyDestination], steps: str) -> RequestTrace:
    strange = next((item for item in found if not item.understood), None)
    if strange is not None:
        return RequestTrace(steps, ended="unknown", why=f"route {strange.route} of {strange.virtual_host} chooses its cluster at run time")
    carriers = tuple(RequestCarrier(name, _describe(item), True) for item in found for name in item.clusters)
    answered = next((item for item in found if item.answer), None)
    why = f"{_describe(answered)} is answered by the sidecar itself ({answered.answer})" if answered is not None else ""
    doubted = next((item for item in found if item.doubt), None)
    doubt = f"the expression of entry {doubted.route} is not evaluated: {doubted.doubt}" if doubted is not None else ""
    if doubt and found[-1].conditional:
        return RequestTrace(steps, ended="unknown", why=doubt)
    if answered is not None and not carriers:
        return RequestTrace(steps, ended="refused", why=why)
    return RequestTrace(steps, carriers, why=why, doubt=doubt)


def _describe(item: ProxyDestination) -> str:
    condition = " (under further conditions)" if item.conditional else ""
    return f"virtual host {item.virtual_host}, entry {item.route}{condition}"
