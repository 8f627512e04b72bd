# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an Envoy reports about its own configuration, as a typed view.

The text of ``/config_dump?include_eds`` is parsed once; what is large and never looked at (secrets, the bootstrap) is dropped
right away, and listeners, clusters and routes are read closely only when they are asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from ..core.errors import MeshlbError
from ..core.printable import clipped
from ..kube.objects import Obj, dig

HTTP_MANAGER = "HttpConnectionManager"
TCP_PROXY = "TcpProxy"
T = TypeVar("T")

MOST_VALUES, MOST_VALUES_OF_A_LISTENER = 5_000_000, 200_000
INBOUND_PORT = 15006
OUTBOUND_PORT = 15001


class ProxyDataError(MeshlbError):
    """What the proxy answered is not what its admin interface is known to answer."""


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Read what a proxy answered: it comes from a container, which may answer anything, of any shape.

    Raises :class:`ProxyDataError` for whatever goes wrong in the block.
    """
    try:
        yield
    except MeshlbError:
        raise
    except Exception as error:  # any reading of a value of another type
        said = clipped(" ".join(str(error).split()))
        raise ProxyDataError(f"{what} is not of the shape that Envoy's have ({type(error).__name__}: {said}).") from error


@dataclass(frozen=True)
class FilterChain:
    """``match`` is Envoy's ``filter_chain_match``; ``filters`` are (short type name, configuration) in their order."""

    name: str
    match: Obj
    filters: tuple[tuple[str, Obj], ...]
    transport_socket: Obj = field(default_factory=dict)

    def filter(self, short_type: str) -> Obj | None:
        """Configuration of the first network filter of that type, or ``None``."""
        return next((config for name, config in self.filters if name == short_type), None)

    @property
    def terminates_tls(self) -> bool:
        return type_of(dig(self.transport_socket, "typed_config", default={})) == "DownstreamTlsContext"


@dataclass(frozen=True)
class Listener:
    """``addresses`` are (ip, port); ``inspectors`` are Envoy's listener filters with their ``filter_disabled`` rules."""

    name: str
    addresses: tuple[tuple[str, int], ...]
    chains: tuple[FilterChain, ...]
    default_chain: FilterChain | None = None
    inspectors: tuple[Obj, ...] = ()
    chain_matcher: bool = False


@dataclass(frozen=True)
class EnvoyEndpoint:
    """``match`` is the metadata by which a cluster chooses a transport socket; ``tunnel`` names an internal listener."""

    ip: str
    port: int
    healthy: bool = True
    match: tuple[tuple[str, str], ...] = ()
    tunnel: str = ""

    @property
    def address(self) -> str:
        return join_address(self.ip, self.port)


@dataclass(frozen=True)
class EnvoyCluster:
    """``kind`` is Envoy's discovery type (``EDS``, ``ORIGINAL_DST``, ``STATIC`` ...) or a custom type's name."""

    name: str
    kind: str
    config: Obj

    @property
    def transport_socket(self) -> Obj:
        return dict(self.config.get("transport_socket") or {})

    @property
    def transport_socket_matches(self) -> list[Obj]:
        return list(self.config.get("transport_socket_matches") or [])


class Proxy:
    """One Envoy's configuration. Lookups are by name or by address and cost nothing that grows with the mesh."""

    def __init__(self, configs: Iterable[Obj]) -> None:
        self._listeners: dict[str, Obj] = {}
        self._addresses: dict[tuple[str, int], str] = {}
        self._routes: dict[str, Obj] = {}
        self._clusters: dict[str, Obj] = {}
        self._assignments: dict[str, Obj] = {}
        self._memo: dict[Hashable, Any] = {}
        for section in configs:
            self._read(section)

    def _read(self, section: Obj) -> None:
        for item in _entries(section, "listeners", "listener"):
            name = str(item.get("name", ""))
            self._listeners[name] = item
            for address in _listener_addresses(item):
                self._addresses.setdefault(address, name)
        for item in _entries(section, "route_configs", "route_config"):
            self._routes[str(item.get("name", ""))] = item
        for item in _entries(section, "clusters", "cluster"):
            self._clusters[str(item.get("name", ""))] = item
        for item in _entries(section, "endpoint_configs", "endpoint_config"):
            self._assignments[str(item.get("cluster_name", ""))] = item

    def listener_at(self, ip: str, port: int) -> Listener | None:
        """The listener on exactly that address."""
        name = self._addresses.get((ip, port))
        return None if name is None else self.listener(name)

    def listener(self, name: str) -> Listener | None:
        raw = self._listeners.get(name)
        return None if raw is None else self.cached(("listener", name), lambda: _listener(raw))

    @property
    def outbound(self) -> Listener | None:
        """The listener that receives everything that is captured on its way out."""
        return self.listener("virtualOutbound") or self.listener_at("0.0.0.0", OUTBOUND_PORT)

    @property
    def inbound(self) -> Listener | None:
        """The listener that receives everything that is captured on its way in."""
        return self.listener("virtualInbound") or self.listener_at("0.0.0.0", INBOUND_PORT)

    def keep_inbound(self) -> None:
        """Read the inbound listener, and forget everything else."""
        listener = self.inbound
        for held in (self._listeners, self._addresses, self._routes, self._clusters, self._assignments, self._memo):
            held.clear()
        if listener is not None:
            self._listeners["virtualInbound"] = {}
            default = listener.default_chain
            self._memo[("listener", "virtualInbound")] = replace(
                listener, chains=tuple(_bare(item) for item in listener.chains), default_chain=_bare(default) if default else None
            )

    def route_config(self, name: str) -> Obj | None:
        return self._routes.get(name)

    def cluster(self, name: str) -> EnvoyCluster | None:
        raw = self._clusters.get(name)
        if raw is None:
            return None
        custom = dig(raw, "cluster_type", "name", default="")
        return EnvoyCluster(name, str(custom or raw.get("type") or "STATIC"), raw)

    def endpoints(self, cluster: EnvoyCluster) -> list[EnvoyEndpoint]:
        """The endpoints that the cluster was given; an empty list for clusters that dial the original destination."""
        return self.cached(("endpoints", cluster.name), lambda: list(_endpoints(self._assignment(cluster))))

    def _assignment(self, cluster: EnvoyCluster) -> Obj:
        service_name = dig(cluster.config, "eds_cluster_config", "service_name", default="") or cluster.name
        found = self._assignments.get(str(service_name)) or self._assignments.get(cluster.name)
        return dict(found or cluster.config.get("load_assignment") or {})

    def cached(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Compute something about this proxy once."""
        if key not in self._memo:
            self._memo[key] = compute()
        found: T = self._memo[key]
        return found


def parse_config_dump(text: str | bytes | Obj) -> Proxy:
    """Read the answer to ``/config_dump?include_eds``.

    Sections that are missing count as empty. Raises :class:`ProxyDataError` when it is no configuration dump at all.
    """
    data = text if isinstance(text, dict) else load_json(text)
    configs = data.get("configs")
    if not isinstance(configs, list):
        raise ProxyDataError("The proxy's answer has no list of configurations, so it is no configuration dump.")
    return Proxy(_flatten(configs))


def parse_inbound(text: str) -> Proxy:
    """Read the answer of a backend, of which nothing but the inbound listener is used, and that listener at once.

    Raises :class:`ProxyDataError`, also for what holds more than a listener can.
    """
    proxy = parse_config_dump(load_json(text, MOST_VALUES_OF_A_LISTENER))
    proxy.keep_inbound()
    return proxy


def _flatten(configs: list[Any]) -> Iterator[Obj]:
    """Sections as they are; single resources (from a request for one ``resource``) as sections of one entry."""
    names = {"DynamicListener": "dynamic_listeners", "DynamicCluster": "dynamic_active_clusters",
             "DynamicRouteConfig": "dynamic_route_configs", "DynamicEndpointConfig": "dynamic_endpoint_configs"}
    for item in configs:
        if isinstance(item, dict):
            section = names.get(type_of(item))
            yield {section: [item]} if section else item


def load_json(text: str | bytes, most: int = MOST_VALUES) -> Obj:
    """Read the JSON object in an answer; log lines that the agent writes before it are skipped.

    Raises :class:`ProxyDataError`, with the beginning of the answer, when there is no object in it, or about more than ``most``
    values: they take far more memory than the text.
    """
    whole = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    start = 0 if whole.startswith("{") else whole.find("\n{") + 1
    if sum(whole.count(sign) for sign in "[{,") > most:
        raise ProxyDataError(f"The proxy's answer has more than {most} values.")
    try:
        data = json.loads(whole[start:] if start else whole)
    except (ValueError, RecursionError) as error:
        shown = " ".join(whole[:200].split()) or "(empty)"
        raise ProxyDataError(f"The proxy's answer is not JSON ({error}): {shown}") from error
    if not isinstance(data, dict):
        raise ProxyDataError("The proxy's answer is JSON, but not an object.")
    return data


def _entries(section: Obj, plural: str, singular: str) -> Iterator[Obj]:
    """Static entries first, so that a dynamic one of the same name wins, as it does in Envoy's admin page."""
    for prefix in ("static_", "dynamic_active_", "dynamic_"):
        for item in section.get(prefix + plural) or []:
            entry = item.get("active_state") or item
            found = entry.get(singular)
            if isinstance(found, dict):
                yield found


def type_of(config: Obj) -> str:
    """Last part of the type of an ``Any`` (``TcpProxy``), looking into a TypedStruct."""
    url = str(config.get("type_url") or config.get("@type") or "")
    return url.rpartition("/")[2].rpartition(".")[2]


def typed_config(item: Obj) -> Obj:
    """The configuration inside ``typed_config``, also where it is wrapped as a TypedStruct."""
    config = item.get("typed_config") or {}
    if "type_url" in config and isinstance(config.get("value"), dict):
        return {"@type": config["type_url"], **config["value"]}
    return dict(config)


def join_address(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _listener_addresses(raw: Obj) -> Iterator[tuple[str, int]]:
    for holder in [raw, *(raw.get("additional_addresses") or [])]:
        socket = dig(holder, "address", "socket_address", default={})
        if socket.get("address"):
            yield str(socket["address"]), int(socket.get("port_value") or 0)


def _listener(raw: Obj) -> Listener:
    default = raw.get("default_filter_chain")
    return Listener(
        name=str(raw.get("name", "")),
        addresses=tuple(_listener_addresses(raw)),
        chains=tuple(_chain(item) for item in raw.get("filter_chains") or []),
        default_chain=_chain(default) if isinstance(default, dict) else None,
        inspectors=tuple(item for item in raw.get("listener_filters") or [] if isinstance(item, dict)),
        chain_matcher="filter_chain_matcher" in raw,
    )


def _chain(raw: Obj) -> FilterChain:
    filters = [typed_config(item) for item in raw.get("filters") or []]
    return FilterChain(
        name=str(raw.get("name", "")),
        match=dict(raw.get("filter_chain_match") or {}),
        filters=tuple((type_of(config), config) for config in filters),
        transport_socket=dict(raw.get("transport_socket") or {}),
    )


GUARDS = ("RBAC", "JwtAuthentication", "ExtAuthz")
"""Short types of the filters that keep requests out, of connections and of HTTP alike."""


def _bare(chain: FilterChain) -> FilterChain:
    """A chain with nothing of its filters but those that keep requests out."""
    kept: list[tuple[str, Obj]] = []
    for name, config in chain.filters:
        if name in GUARDS:
            kept.append((name, config))
        elif name == HTTP_MANAGER:
            guards = [item for item in config.get("http_filters") or [] if type_of(typed_config(item)) in GUARDS]
            kept.append((name, {"http_filters": guards}))
    return replace(chain, filters=tuple(kept))


def _endpoints(assignment: Obj) -> Iterator[EnvoyEndpoint]:
    for group in assignment.get("endpoints") or []:
        inherited = _socket_match(group)
        for item in group.get("lb_endpoints") or []:
            address = dig(item, "endpoint", "address", default={})
            socket = address.get("socket_address") or {}
            internal = address.get("envoy_internal_address") or {}
            ip, port = str(socket.get("address", "")), int(socket.get("port_value") or 0)
            if internal:
                ip, port = split_address(str(internal.get("endpoint_id", "")))
            yield EnvoyEndpoint(
                ip=ip,
                port=port,
                healthy=item.get("health_status", "UNKNOWN") in ("UNKNOWN", "HEALTHY", "DEGRADED"),
                match=tuple(sorted({**inherited, **_socket_match(item)}.items())),
                tunnel=str(internal.get("server_listener_name", "")),
            )


def _socket_match(item: Obj) -> dict[str, str]:
    metadata = dig(item, "metadata", "filter_metadata", "envoy.transport_socket_match", default={})
    return {str(key): str(value) for key, value in metadata.items()}


def split_address(text: str) -> tuple[str, int]:
    """The opposite of :func:`join_address`; the port is 0 where there is none."""
    host, _colon, port = text.rpartition(":")
    return host.strip("[]"), int(port) if port.isdigit() else 0
