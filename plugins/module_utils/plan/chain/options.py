# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user asked for: the gateway, the hosts, and how the client's address is to be known. Values only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ...balancers.contract.chain import Api
from ...core.model import Finding, Route, replace
from ...kube.objects import Obj
from .carry import HostRules, sent_host

FROM_LOAD_BALANCER = "from_load_balancer"
DEFAULT_NAME = "meshlb"
DEFAULT_NAMESPACE = "istio-ingress"
CLASS = "istio"


@dataclass(frozen=True)
class GatewayOptions:
    """The gateway as it was asked for; empty means: work it out.

    ``service`` may be ``namespace/name`` where the gateway's pods are elsewhere. ``credential`` names the certificate's Secret in the
    namespace of the gateway's pods; ``server_name`` is what the load balancer is to send as SNI.
    """

    name: str = DEFAULT_NAME
    namespace: str = DEFAULT_NAMESPACE
    api: Api = "istio"
    create: bool = False
    class_name: str = CLASS
    selector: tuple[tuple[str, str], ...] = ()
    service: str = ""
    port: int = 0
    tls: bool = False
    credential: str = ""
    server_name: str = ""

    @property
    def number(self) -> int:
        """The port of its Service that the load balancer sends to."""
        return self.port or (443 if self.tls else 80)


@dataclass(frozen=True)
class ChainPlanOptions:
    """One run's patches.

    ``carry``: whose hosts come from the load balancer's own routes (``only`` names them, all where it is empty); else ``hosts`` says
    them. ``without``: hosts that are to be taken back. ``alias``: how redirected routes name the gateway. ``locked`` tells why no field of
    an object may be set, ``taken`` why none may be made in its place, both empty where that may be. ``barred`` are routes that must not
    be carried over, each with what is to be said of it; ``standing`` are those that go through the gateway already, as their own objects
    have it, and ``vouched`` those for which the gateway's routing says so too. Those ``kept`` stay there though nobody named them.
    """

    gateway: GatewayOptions
    carry: bool = False
    only: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    hosts: tuple[HostRules, ...] = ()
    client: str = "auto"
    trusted_hops: int | None = None
    https_redirect: bool = False
    alias: Literal["auto", "address", "name"] = "auto"
    platform_options: Mapping[str, Any] = field(default_factory=dict)
    locked: Callable[[Obj], str] = lambda obj: ""
    taken: Callable[[Obj], str] = lambda obj: ""
    barred: Mapping[Route, Finding] = field(default_factory=dict)
    standing: Collection[Route] = ()
    vouched: Collection[Route] = ()
    kept: Mapping[Route, Finding] = field(default_factory=dict)

    def barring(self, routes: Mapping[Route, Finding], kept: Mapping[Route, Finding]) -> ChainPlanOptions:
        """The same, with these routes barred, and those kept."""
        return replace(self, barred=routes, kept=kept)

    @property
    def leaving(self) -> list[Route]:
        """The routes that go through the gateway, and that nobody names any more."""
        return [
            route for route in self.standing
            if self.carry and route not in self.kept and not self.names(route) and not self.takes_back(route)
        ]

    def takes_back(self, route: Route) -> bool:
        """Whether a route is to be led away from the gateway, by its name."""
        return not self.without.isdisjoint((route.host, sent_host(route)))

    def names(self, route: Route) -> bool:
        """Whether a route is to be led to the gateway by the names that were given."""
        hosts = {route.host, sent_host(route)}
        return bool((not self.only or hosts & self.only) and not self.takes_back(route))
