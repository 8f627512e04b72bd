# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which listeners of the Gateway API take a route, and for which hosts; and why none does.

Source: kubernetes-sigs/gateway-api apis/v1 (ParentReference, AllowedRoutes, HTTPRouteSpec.hostnames) and its conformance tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ....core.model import Scheme
from ....kube.objects import Obj, dig, namespace_of
from .dialect import Dialect
from .listeners import GatewayListener, Listeners, ParentKey, allows_namespace, named_parents
from .names import GROUP, WITHOUT_HOSTS


@dataclass(frozen=True)
class Attachment:
    """A listener that takes a route: for these hosts (one empty host for any)."""

    listener: GatewayListener
    hosts: tuple[str, ...]
    scheme: Scheme

    @property
    def gateway(self) -> Obj:
        return self.listener.gateway

    @property
    def port(self) -> int:
        return self.listener.port


@dataclass(frozen=True)
class Attached:
    """Where a route is taken, and why it is not by a parent that it names, or not for a host. ``named``: it names one of the Gateways."""

    taken: tuple[Attachment, ...] = ()
    refusals: tuple[str, ...] = ()
    named: bool = False


def attached(route: Obj, labels: Mapping[str, str], listeners: Listeners, dialect: Dialect) -> Attached:
    """Every listener that takes a route, whose namespace has these labels, and why others do not."""
    parents = [(item, listeners[key], key) for key, item in named_parents(route) if key in listeners]
    judged = [_able(parent, here, key, route, labels, dialect) for parent, here, key in parents]
    able = [one for found, dummy in judged for one in found]
    taken: list[Attachment] = []
    lost: dict[str, str] = {}
    for one in able:
        owners = {host: _owner(one, host, listeners) for host in _hosts(one, route)} if dialect.isolates_hosts else {}
        lost.update((host, f"requests for {host} go to {other.label}") for host, other in owners.items() if other)
        kept = tuple(host for host in _hosts(one, route) if not owners.get(host))
        taken += [Attachment(one, kept, _scheme(one, route))] if kept else []
    got = {host for item in taken for host in item.hosts}
    missed = [host for host in _named_hosts(route) if host not in lost and not any(covers_host(host, item) for item in got)] if able else []
    refusals = [
        *(why for dummy, why in judged if why), *(why for host, why in lost.items() if host not in got),
        *(f"no listener that takes it has host {host}" for host in missed if "" not in got),
    ]
    return Attached(tuple(taken), tuple(dict.fromkeys(refusals)), bool(parents))


def _able(
    parent: Obj, here: Iterable[GatewayListener], key: ParentKey, route: Obj, labels: Mapping[str, str], dialect: Dialect
) -> tuple[list[GatewayListener], str]:
    """The listeners of a parent that take a route but for its hosts, or why none does."""
    place = f"{key[0].partition('.')[0]} {key[1]}/{key[2]}"
    meant = [one for one in here if _names(parent, one.spec)]
    if not meant:
        asked = [f"{word} {parent[field]}" for word, field in (("of the name", "sectionName"), ("on port", "port")) if parent.get(field)]
        return [], f"{place} has no listener {' '.join(asked)}".rstrip()
    working = [one for one in meant if not one.why_not]
    if not working:
        return [], meant[0].why_not
    of_kind = [one for one in working if route["kind"] in _kinds_of(one, dialect)]
    if not of_kind:
        return [], f"{working[0].label} takes no {route['kind']}s"
    allowed = [one for one in of_kind if allows_namespace(
        dig(one.spec, "allowedRoutes", "namespaces", default={}), "Same", one.holder, route, labels)]
    return allowed, "" if allowed else f"{of_kind[0].label} takes no routes of namespace {namespace_of(route)} (allowedRoutes)"


def _names(parent: Obj, listener: Obj) -> bool:
    section, port = parent.get("sectionName"), parent.get("port")
    return section in (None, "", listener.get("name")) and port in (None, listener.get("port"))


def _kinds_of(one: GatewayListener, dialect: Dialect) -> frozenset[str]:
    """The kinds of routes that a listener takes: by its protocol, and of those the ones that it lists."""
    by_protocol = dialect.kinds_of(one.spec)
    listed = dig(one.spec, "allowedRoutes", "kinds", default=[])
    return by_protocol & {str(item.get("kind")) for item in listed if item.get("group", GROUP) == GROUP} if listed else by_protocol


def _scheme(one: GatewayListener, route: Obj) -> Scheme:
    if route["kind"] in ("HTTPRoute", "GRPCRoute"):
        return "http"
    return "tls" if one.passes_through else "tcp"


def _named_hosts(route: Obj) -> list[str]:
    listed = [] if route["kind"] in WITHOUT_HOSTS else dig(route, "spec", "hostnames", default=[])
    return list(dict.fromkeys(str(item).lower() for item in listed))


def _hosts(one: GatewayListener, route: Obj) -> Iterator[str]:
    """Hosts that a route and a listener have in common; the narrower of two that cover one another."""
    if route["kind"] in WITHOUT_HOSTS:
        # What ends TLS is told apart by the name that clients ask for.
        yield one.hostname if one.protocol == "TLS" else ""
        return
    listed = _named_hosts(route)
    if not listed:
        yield one.hostname
    for host in listed:
        if not one.hostname or covers_host(one.hostname, host):
            yield host
        elif covers_host(host, one.hostname):
            yield one.hostname


def _owner(one: GatewayListener, host: str, listeners: Listeners) -> GatewayListener | None:
    """Another listener of the same port of a Gateway that has a host as its own."""
    same = (item for part in listeners.values() for item in part if item.gateway is one.gateway and item is not one)
    return next((item for item in same if host and (item.port, item.hostname) == (one.port, host) and one.hostname != host), None)


def covers_host(pattern: str, host: str) -> bool:
    """Whether a host or wildcard (``*.example.com``, any depth) takes in another; ``*.example.com`` is not in ``example.com``."""
    return pattern == host or (pattern.startswith("*.") and host.endswith(pattern[1:]) and host != pattern[1:])
