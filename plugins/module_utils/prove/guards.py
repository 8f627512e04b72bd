# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters with which a backend's sidecar keeps requests out, as its inbound listener has them: RBAC, tokens, a service that is asked.

Rules that only watch (shadow rules) do not count, but for those that have a service asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..kube.objects import Obj
from .listeners import ISTIO_PROTOCOLS, ISTIO_TCP_PROTOCOLS, RAW, TLS, Connection, find_chain
from .proxy import GUARDS, HTTP_MANAGER, FilterChain, Listener, type_of, typed_config

_ASKED = "istio_ext_authz_"
"""How Istio names the watching rules that say which requests a service is asked about."""


@dataclass(frozen=True)
class Guard:
    """What stands in front of a backend on one kind of connection, in order. ``http``: the sidecar reads HTTP there.

    ``stages`` are (what it is, configuration): ``rules``, ``watched`` (rules whose match has a service asked), ``tokens`` and
    ``service``.
    """

    stages: tuple[tuple[str, Obj], ...] = ()
    http: bool = True


@dataclass(frozen=True)
class Guards:
    """The guards of one port of a pod, by (mutual TLS, HTTP); ``known``: they were read. A connection that has none is closed."""

    by: dict[tuple[bool, bool], Guard] = field(default_factory=dict)
    known: bool = False

    def on(self, *, mutual: bool, http: bool) -> Guard | None:
        """What a connection meets, ``None`` where that is not known."""
        return self.by.get((mutual, http)) if self.known else None


_KINDS = tuple((mutual, http) for mutual in (True, False) for http in (True, False))
UNGUARDED = Guards({kind: Guard() for kind in _KINDS}, True)
"""Of a pod without a sidecar."""


def guards_of(listener: Listener, ip: str, port: int) -> Guards:
    """What an inbound listener puts in front of one port."""
    found = {}
    for mutual, http in _KINDS:
        protocols = (ISTIO_PROTOCOLS if http else ISTIO_TCP_PROTOCOLS) if mutual else ("http/1.1",) if http else ()
        chain = find_chain(listener, Connection(ip, port, TLS if mutual else RAW, protocols))
        if chain is not None:
            found[(mutual, http)] = guard_of(chain)
    return Guards(found, True)


def guard_of(chain: FilterChain) -> Guard:
    """What one filter chain keeps out."""
    manager = chain.filter(HTTP_MANAGER)
    filters = [(name, config) for name, config in chain.filters if name in GUARDS]
    if manager is not None:
        configs = (typed_config(item) for item in manager.get("http_filters") or [])
        filters += [(type_of(config), config) for config in configs if type_of(config) in GUARDS]
    return Guard(tuple(stage for name, config in filters for stage in _stages(name, config)), manager is not None)


def _stages(name: str, config: Obj) -> Iterator[tuple[str, Obj]]:
    if name == "JwtAuthentication":
        yield "tokens", config
    elif name == "ExtAuthz":
        yield "service", config
    else:
        if "shadow_rules" in config and str(config.get("shadow_rules_stat_prefix", "")).startswith(_ASKED):
            yield "watched", dict(config["shadow_rules"] or {})
        if "matcher" in config:
            yield "unread", {}
        elif "rules" in config:
            yield "rules", dict(config["rules"] or {})
