# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Sidecar resource lets in: hosts by namespace, by port, and without those that it leaves out.

Source: istio/istio pilot/pkg/model/sidecar.go (convertIstioListenerToWrapper, selectServices, GetEgressListenerForRDS) and
pilot/pkg/networking/core/listener.go (a port that has a listener of its own takes no other HTTP services, but may have other listeners at
addresses) and httproute.go (routes of a port are those of its own listener, whichever listener asks for them).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..kube.objects import Obj, dig

UNNAMED = -1
"""A port that no listener is for by its number: what only the one of all other ports serves."""
EXCLUDES_SINCE = (1, 31)
"""The first version that knows hosts which are left out."""


@dataclass(frozen=True)
class Egress:
    """One listener of a Sidecar. ``port`` is 0 for that of all other ports. ``hosts`` and ``without`` are pairs of namespace and host."""

    port: int
    protocol: str
    hosts: tuple[tuple[str, str], ...]
    without: tuple[tuple[str, str], ...] = ()

    def lets_in(self, home: str, hosts: Sequence[str], *, overlapping: bool = False) -> bool:
        """Whether one of ``hosts``, defined in namespace ``home``, is let in; for rules it is enough that hosts overlap."""
        return any(_any(self.hosts, home, host, overlapping) and not _any(self.without, home, host, False) for host in hosts)

    def names(self, home: str, host: str, alias: str) -> bool:
        """Whether a Service of namespace ``home`` keeps another name: by its namespace's hosts where they let it in, else by the rest."""
        own = [pair for pair in self.hosts if pair[0] == home]
        return _any(own if _any(own, home, host, False) else self.hosts, home, alias, False)


def egress_of(sidecar: Obj | None, viewer_namespace: str, version: tuple[int, ...]) -> tuple[Egress, ...] | None:
    """The listeners that a client of a namespace has by a Sidecar; ``None`` where nothing is limited.

    A listener on an address of its own takes nothing that is dialled elsewhere, so it is left out.
    """
    found, told = [], dig(sidecar, "spec", "egress", default=[]) if sidecar else []
    for item in told:
        pairs = [str(host).partition("/") for host in item.get("hosts") or []]
        named = [(namespace, host) for namespace, slash, host in pairs if slash]
        excludes = not version or version >= EXCLUDES_SINCE
        without = [(namespace[1:] or "*", host) for namespace, host in named if namespace.startswith("~") and excludes]
        hosts = [pair for pair in named if not pair[0].startswith("~")]
        port = int(dig(item, "port", "number", default=0) or 0)
        if port and (item.get("bind") or item.get("captureMode") == "NONE"):
            continue
        protocol = str(dig(item, "port", "protocol", default=""))
        found.append(Egress(port, protocol, _resolved(hosts, viewer_namespace), _resolved(without, viewer_namespace)))
    return tuple(found) if told else None


def listeners_for(egress: Sequence[Egress], port: int, *, http: bool) -> Sequence[Egress]:
    """The listeners that serve a port: its own alone for HTTP, else those of all other ports as well. All of them for port 0."""
    own = [item for item in egress if item.port == port]
    if not port:
        return egress
    return own if own and http else [item for item in egress if item.port in (0, port)]


def _resolved(pairs: Sequence[tuple[str, str]], viewer_namespace: str) -> tuple[tuple[str, str], ...]:
    return tuple((viewer_namespace if namespace == "." else namespace, host) for namespace, host in pairs)


def _any(pairs: Sequence[tuple[str, str]], home: str, host: str, overlapping: bool) -> bool:
    return any(
        namespace in ("*", home) and (host_matches(pattern, host) or (overlapping and host_matches(pattern=host, host=pattern)))
        for namespace, pattern in pairs
    )


def host_matches(pattern: str, host: str) -> bool:
    """Whether a host pattern (exact, ``*.suffix`` or ``*``) covers a host or a narrower pattern."""
    pattern, host = pattern.lower(), host.lower()
    if pattern in ("*", host):
        return True
    return pattern.startswith("*.") and host.endswith(pattern[1:]) and host != pattern[1:]
