# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The usual answers of a load balancer in chained mode, and a side of a chain made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from ....core.model import Finding
from ....kube.snapshot import Snapshot
from ...contract.chain import ChainRedirect, ChainRequest, ChainSide, ClientAddress, LoadBalancerSide
from ...contract.facts import ChainFacts, ProofLevel, ServerName
from ...contract.instances import none_at_all

Front = Callable[[ChainRequest], LoadBalancerSide]


def chain_side(
    title: str, facts: ChainFacts, front: Front, redirect: ChainRedirect | None = None, *,
    preflight: Callable[[Snapshot, ChainRequest], tuple[Finding, ...]] = none_at_all,
    client_address: Callable[[ChainRequest], ClientAddress] | None = None, ends_tls: Callable[[ChainRequest], bool] | None = None,
    server_name: Callable[[ChainRequest], ServerName] | None = None,
) -> ChainSide:
    """A side of a chain that answers as most load balancers do where nothing else is given.

    Where clients' TLS ends at the load balancer, their own server name goes no further.
    """

    def ends(request: ChainRequest) -> bool:
        return ends_tls(request) if ends_tls else facts.ends_tls == "always"

    def name(request: ChainRequest) -> ServerName:
        return "never" if facts.server_name == "client" and ends(request) else facts.server_name

    address = client_address or partial(usual_client_address, title, facts)
    return ChainSide(facts, front, redirect, preflight, address, ends, server_name or name)


def unless(reasons: Callable[[ChainRequest], Iterable[str]], front: Front) -> Front:
    """A side that is refused for the first of the reasons that is not empty; else ``front`` is asked."""

    def checked(request: ChainRequest) -> LoadBalancerSide:
        refusal = next(filter(None, reasons(request)), "")
        return LoadBalancerSide(refusal=refusal) if refusal else front(request)

    return checked


def unknown_chain(title: str) -> ChainSide:
    """The side of a load balancer of which nothing is known in chained mode."""

    def front(request: ChainRequest) -> LoadBalancerSide:
        return LoadBalancerSide(refusal=f"how {title} is given a new route to a gateway is not known")

    return chain_side(title, ChainFacts(proof=ProofLevel.NONE), front)


def usual_client_address(title: str, facts: ChainFacts, request: ChainRequest) -> ClientAddress:
    """How the gateway gets to know the client; with ``auto`` the best that the load balancer can do."""
    mode = request.client
    if mode == "auto":
        best = "x_forwarded_for" if facts.hops else "source_address"
        mode = "proxy_protocol" if facts.proxy_protocol and not facts.hops else best
    if mode == "x_forwarded_for":
        hops = facts.hops if request.trusted_hops is None else request.trusted_hops
        return ClientAddress("x_forwarded_for", hops, _about_header(title, facts, hops))
    if mode == "proxy_protocol":
        why = f"{title} puts a PROXY header before every connection; X-Forwarded-For of the client is not looked at"
        return ClientAddress("proxy_protocol", 0, why)
    if mode == "source_address":
        return ClientAddress("source_address", 0, "the gateway sees the client's connection itself; X-Forwarded-For is not looked at")
    return ClientAddress("none", 0, "the gateway takes the load balancer for the client, as was asked for")


def _about_header(title: str, facts: ChainFacts, hops: int) -> str:
    entries = "1 entry" if facts.hops == 1 else f"{facts.hops} entries"
    if hops < facts.hops:
        told = f"the gateway is told of {hops}, so it takes the load balancer for the client"
        return f"{title} adds {entries} to X-Forwarded-For, and {told}"
    if hops > facts.hops:
        before = f"{hops - facts.hops} before that are trusted, as proxies before it are said to write them"
        return f"{title} adds {entries} to X-Forwarded-For, and {before}"
    if facts.forwarded_for == "replaced":
        return f"{title} writes X-Forwarded-For anew ({entries} from the right are trusted), so what a client sends there is lost"
    return f"{title} adds {entries} to X-Forwarded-For; the gateway counts from the right and never takes what a client wrote"


def about_chaining(side: ChainSide | None) -> str:
    """Whether somebody has to write a load balancer's routes to a gateway, or the collection can."""
    by_whom = "" if side else "; chained_gateway does not know how to lead it there: write its routes by hand"
    return f"it can send to an Istio gateway, which speaks mutual TLS with the backends{by_whom}"
