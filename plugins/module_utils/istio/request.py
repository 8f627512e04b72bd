# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One route as its load balancer's sidecar sees it, and the outcomes of its parts put together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..core.model import Address, Outcome, Route, Verdict, replace
from ..kube.objects import Obj
from ..kube.services import is_headless
from .endpoints import Endpoint
from .hosts import Destination
from .virtual_services import AskedFor


@dataclass(frozen=True)
class Request:
    """One route seen by the sidecar: the Service behind it, its port, and the endpoints that would be dialled."""

    route: Route
    service: Obj
    port: Obj
    endpoints: tuple[Endpoint, ...]

    @property
    def host(self) -> str:
        return self.route.upstream.host or self.route.host

    @property
    def number(self) -> int:
        return int(self.port.get("port", 0))

    @property
    def asked(self) -> AskedFor:
        """The requests that rules look at; a load balancer that rewrites the path may ask for any."""
        if self.route.rewrites_path:
            return AskedFor(self.host, "", "")
        return AskedFor(self.host, self.route.path or "/", self.route.path_type, self.route.beside)


@dataclass(frozen=True)
class Share:
    """What becomes of the requests that go to one destination; ``elsewhere`` is a Service of other pods, as namespace/name."""

    destination: Destination
    outcome: Outcome
    elsewhere: str = ""


def resolved(route: Route, reached: Obj, name: str) -> Route:
    """A route whose Service is another name of one: its address is dialled, and its name sent where the dialled one would be."""
    address: Address = "pod_ips" if is_headless(reached) else "cluster_ip"
    host = name if "$" in route.upstream.host or route.upstream.host.startswith("<") else route.upstream.host
    return replace(route, upstream=replace(route.upstream, address=address, host=host))


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """One outcome of several groups of pods that are not matched alike."""
    legs = tuple(leg for item in outcomes for leg in item.legs)
    if len({item.verdict for item in outcomes}) == 1:
        return replace(outcomes[0], legs=legs)
    unknown = next((item for item in outcomes if item.verdict == "unknown"), None)
    if unknown is not None:
        return replace(unknown, legs=legs)
    return Outcome("mixed", "the backend's pods are not matched alike: " + "; ".join(item.why for item in outcomes), legs=legs)


def of_shares(shares: Sequence[Share]) -> Outcome:
    """One outcome of all destinations of a route: that of its own path, unless some of its requests get less than mutual TLS."""
    own = [item for item in shares if not item.destination.part]
    outcome = _of_weights(own)
    if not outcome.misrouted_to:
        outcome = replace(outcome, also_to=tuple(sorted({item.elsewhere for item in shares if item.elsewhere})))
    worse = [item for item in shares if item.destination.part and item.outcome.verdict not in ("mutual_tls", outcome.verdict)]
    if outcome.verdict != "mutual_tls" or not worse:
        return outcome
    certain = [item for item in worse if item.destination.sure and item.outcome.verdict != "unknown"]
    verdict: Verdict = "mixed" if certain else "unknown"
    parts = "; ".join(f"{item.destination.part}: {item.outcome.why}" for item in certain or worse)
    return replace(outcome, verdict=verdict, why=f"{outcome.why}, but not for all of its requests: {parts}")


def _of_weights(shares: Sequence[Share]) -> Outcome:
    if len(shares) == 1:
        return _misrouted(shares[0].outcome, shares)
    verdicts = {item.outcome.verdict for item in shares}
    first = shares[0]
    said = "; ".join(f"{item.destination.weight} of 100 to {_named(item)}: {item.outcome.why}" for item in shares)
    verdict: Verdict = "unknown" if "unknown" in verdicts else first.outcome.verdict if len(verdicts) == 1 else "mixed"
    legs = tuple(leg for item in shares for leg in item.outcome.legs)
    return _misrouted(Outcome(verdict, f"{first.destination.why} splits these requests ({said})", first.outcome.cluster, legs=legs), shares)


def _named(share: Share) -> str:
    return f"Service {share.elsewhere} instead" if share.elsewhere else share.destination.host or "nobody"


def _misrouted(outcome: Outcome, shares: Iterable[Share]) -> Outcome:
    """What holds where none of the requests reaches the route's own pods."""
    others = [item.elsewhere for item in shares]
    if not all(others):
        return outcome
    # Whatever another Service takes, this route's requests do not reach their own backend.
    verdict: Verdict = "unknown" if outcome.verdict == "mutual_tls" else outcome.verdict
    other = others[0]
    return replace(outcome, verdict=verdict, misrouted_to=other, why=f"the Host leads to Service {other} instead: {outcome.why}")
