# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The questions of chained mode that every load balancer's file answers, with the answers that hold for most of them."""

from __future__ import annotations

from collections.abc import Iterable

from ...core.model import Finding, LoadBalancer, Route
from ...kube.snapshot import Snapshot
from .chain import ChainFacts, ChainOption, ChainRequest, CheckTarget, ClientAddress, LoadBalancerSide, ServerName
from .switches import PatchSet


class Chained:
    """One kind of load balancer, seen from the gateway behind it."""

    title: str = ""
    also_called: tuple[str, ...] = ()
    """Other words by which the option ``platform`` may name it."""
    chain: ChainFacts = ChainFacts(proof="")
    """Facts; an empty ``proof`` says that nothing is known of it in chained mode."""
    switches_routes: bool = False
    """Whether routes that exist can be led to a gateway (:meth:`chain_switch`); else new ones are made beside them."""
    begins_with: bool = False
    """Whether a path of type ImplementationSpecific takes every path that begins so, not only whole elements of it."""
    chain_options: tuple[ChainOption, ...] = ()
    """Keys of ``platform_options`` that it understands; all others are refused."""
    chain_kinds: tuple[str, ...] = ()
    """Kind keys that :meth:`chain_front` may create: read in a run of chained mode, besides those of ``kinds``."""

    check_kinds: tuple[str, ...] = ()
    """Kind keys that :meth:`health_check` may create, also for an application: standalone mode has to find them again."""

    def chain_front(self, request: ChainRequest) -> LoadBalancerSide:
        """What it needs on its own side so that it sends to the gateway: a pure function of the request."""
        return LoadBalancerSide(refusal=f"how {self.title} is given a new route to a gateway is not known")

    def chain_switch(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route], request: ChainRequest
    ) -> PatchSet:
        """Fields (and helper objects) that lead routes of one object to the gateway, so that each can be taken back alone.

        Bodies are made with the mesh's side, before any of the fields is set, and go after all of them were given back.
        """
        return PatchSet(refusal=f"{self.title} has no way that is known to lead its routes to a gateway one by one")

    def chain_preflight(self, snapshot: Snapshot, request: ChainRequest) -> tuple[Finding, ...]:
        """What else the cluster shows to fail with this load balancer: findings of severity error refuse the run."""
        return ()

    def client_address(self, request: ChainRequest) -> ClientAddress:
        """How the gateway gets to know the client; with ``auto`` the best that this load balancer can do."""
        facts, mode = self.chain, request.client
        if mode == "auto":
            best = "x_forwarded_for" if facts.hops else "source_address"
            mode = "proxy_protocol" if facts.proxy_protocol and not facts.hops else best
        if mode == "x_forwarded_for":
            hops = facts.hops if request.trusted_hops is None else request.trusted_hops
            return ClientAddress("x_forwarded_for", hops, self._about_header(hops))
        if mode == "proxy_protocol":
            why = f"{self.title} puts a PROXY header before every connection; X-Forwarded-For of the client is not looked at"
            return ClientAddress("proxy_protocol", 0, why)
        if mode == "source_address":
            return ClientAddress("source_address", 0, "the gateway sees the client's connection itself; X-Forwarded-For is not looked at")
        return ClientAddress("none", 0, "the gateway takes the load balancer for the client, as was asked for")

    def _about_header(self, hops: int) -> str:
        entries = "1 entry" if self.chain.hops == 1 else f"{self.chain.hops} entries"
        if hops < self.chain.hops:
            told = f"the gateway is told of {hops}, so it takes the load balancer for the client"
            return f"{self.title} adds {entries} to X-Forwarded-For, and {told}"
        if hops > self.chain.hops:
            before = f"{hops - self.chain.hops} before that are trusted, as proxies before it are said to write them"
            return f"{self.title} adds {entries} to X-Forwarded-For, and {before}"
        if self.chain.forwarded_for == "replaced":
            return f"{self.title} writes X-Forwarded-For anew ({entries} from the right are trusted), so what a client sends there is lost"
        return f"{self.title} adds {entries} to X-Forwarded-For; the gateway counts from the right and never takes what a client wrote"

    def ends_tls(self, request: ChainRequest) -> bool:
        """Whether clients' TLS ends at the load balancer in this chain, so that only a header says that it was there."""
        return self.chain.ends_tls == "always"

    def server_name(self, request: ChainRequest) -> ServerName:
        """What it sends as server name (SNI) to the gateway in this chain."""
        return self.chain.server_name

    def own_mutual_tls(self, snapshot: Snapshot, route: Route) -> str:
        """Why it may speak the mesh's mutual TLS on a route without a sidecar, so that nothing is certain; empty where it does not."""
        return ""

    def about_chaining(self) -> str:
        """Whether somebody has to write its routes to a gateway, or the collection can."""
        by_whom = "" if self.chain.proof else "; chained_gateway does not know how to lead it there: write its routes by hand"
        return f"it can send to an Istio gateway, which speaks mutual TLS with the backends{by_whom}"

    def health_check(self, target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
        """What makes it check these pods that way: objects, annotations of the Service, or the reason why it cannot."""
        return LoadBalancerSide(check=target.check)
