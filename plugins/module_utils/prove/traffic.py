# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof by traffic: which of the sidecar's counters moved while requests were sent, and over which transport.

Pure. An answer with status 200 proves nothing; what proves is a cluster that moved, and what the configuration says of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..core.model import Proof, Verdict
from .configuration import ORIGINAL_DESTINATION, Judgement, combine, judge_endpoint
from .counters import Reading
from .proxy import EnvoyEndpoint, Proxy, ProxyDataError, guarded, split_address
from .servers import ServerLookup

PASSTHROUGH = "PassthroughCluster"
DENIALS = (401, 403)
GATEWAY_STATUSES = (502, 503, 504)
_WATCHED = ("rq_total", "cx_total", "cx_connect_fail", "rq_success", "rq_error")
_SHOWN = 5


@dataclass(frozen=True)
class Move:
    """By how much one endpoint's counters rose, in one pod's sidecar."""

    pod: tuple[str, str]
    cluster: str
    address: str
    requests: int = 0
    connections: int = 0
    failed_connections: int = 0
    success: int = 0
    error: int = 0

    @property
    def is_http(self) -> bool:
        """A TCP proxy counts a connection as a request, and never its success or failure."""
        return self.success + self.error > 0

    def describe(self) -> str:
        parts = [f"rq_total +{self.requests}", f"cx_total +{self.connections}"]
        named = (("cx_connect_fail", self.failed_connections), ("rq_success", self.success), ("rq_error", self.error))
        parts += [f"{name} +{value}" for name, value in named if value]
        return f"cluster {self.cluster}, endpoint {self.address}: {', '.join(parts)}"


@dataclass(frozen=True)
class Answers:
    """What a client saw: a status for each answer, and the error of each request that had none."""

    url: str
    host: str
    statuses: tuple[int, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def sent(self) -> int:
        return len(self.statuses) + len(self.errors)

    @property
    def by_application(self) -> bool:
        """Whether an application must have failed: an error that no proxy makes up for a backend that it cannot reach.

        A good status says nothing here: a load balancer may put its own page in place of an error.
        """
        return any(status >= 500 and status not in GATEWAY_STATUSES for status in self.statuses)

    @property
    def only_denials(self) -> bool:
        """Whether every request was answered, and none of them admitted (401 or 403)."""
        return bool(self.statuses) and not self.errors and all(status in DENIALS for status in self.statuses)

    @property
    def only_gateway_errors(self) -> bool:
        return all(status in GATEWAY_STATUSES for status in self.statuses)

    def describe(self) -> str:
        seen = [f"status {status} {count}x" for status, count in sorted(Counter(self.statuses).items())]
        seen += [f"{error} {count}x" for error, count in sorted(Counter(self.errors).items())]
        return f"{self.sent} requests to {self.url} with Host {self.host}: {', '.join(seen)}"


@dataclass(frozen=True)
class Own:
    """By which addresses a counter is told to be a route's, and those of routes that were measured at the same time."""

    addresses: frozenset[str]
    others: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Measurement:
    """A verdict from counters, why it is no better, and the evidence. ``kept_out``: every answer was one of those that deny access."""

    verdict: Verdict
    why: str
    proofs: tuple[Proof, ...] = ()
    kept_out: str = ""


def moves_between(pod: tuple[str, str], before: Reading, after: Reading) -> list[Move]:
    """What rose between two readings of one pod.

    An endpoint that the proxy forgot and met again starts at nought, so a counter that fell counts from there.
    """
    moves = []
    for (cluster, address), counters in sorted(after.items()):
        earlier = before.get((cluster, address), {})
        rise = [_rise(earlier.get(name, 0), counters.get(name, 0)) for name in _WATCHED]
        if any(rise):
            moves.append(Move(pod, cluster, address, *rise))
    return moves


def _rise(before: int, after: int) -> int:
    return after - before if after >= before else after


def judge_moves(
    moves: Iterable[Move], proxies: Mapping[tuple[str, str], Proxy], servers: ServerLookup, *, unread: str = ""
) -> list[tuple[Move, Judgement | None]]:
    """Put beside each move what its pod's configuration says of that cluster and endpoint; ``None`` if it says nothing.

    ``unread``: what the load balancer sends, where sidecars do not read it as HTTP.
    """
    return [(move, _guarded(move, proxies.get(move.pod), servers, unread=unread)) for move in moves]


def _guarded(move: Move, proxy: Proxy | None, servers: ServerLookup, *, unread: str) -> Judgement | None:
    try:
        with guarded(f"The configuration of the sidecar of {'/'.join(move.pod)}"):
            return _judge(move, proxy, servers, unread=unread)
    except ProxyDataError:
        return None


def _judge(move: Move, proxy: Proxy | None, servers: ServerLookup, *, unread: str) -> Judgement | None:
    cluster = proxy.cluster(move.cluster) if proxy else None
    if proxy is None or cluster is None:
        return None
    if cluster.kind == ORIGINAL_DESTINATION:
        return judge_endpoint(cluster, None, EnvoyEndpoint(*split_address(move.address)), servers, unread=unread)
    chosen = next((item for item in proxy.endpoints(cluster) if item.address == move.address), None)
    return judge_endpoint(cluster, chosen, chosen, servers, unread=unread) if chosen else None


def counted_verdict(move: Move, judgement: Judgement | None, answered: bool) -> tuple[Verdict, str]:
    """What one move proves, and a reason where it is not mutual TLS. ``answered``: an application has answered, if only badly."""
    if judgement is None:
        return "unknown", f"{move.cluster} or its endpoint {move.address} is not in the configuration"
    if judgement.transport.kind == "plaintext":
        # Only HTTP counters tell whether the plaintext was taken; for TCP the backend's side says.
        went = f"plaintext went out through cluster {move.cluster}"
        if not move.is_http:
            return judgement.verdict, went
        return ("plaintext", went) if move.success or answered else ("refused", f"{went}, and every request failed")
    if judgement.transport.kind != "mutual_tls":
        return "unknown", judgement.transport.why
    return _encrypted(move, judgement, answered)


def _encrypted(move: Move, judgement: Judgement, answered: bool) -> tuple[Verdict, str]:
    works = bool(move.success) or answered if move.is_http else move.connections > move.failed_connections
    if move.failed_connections:
        return ("mixed", "some connections failed") if works else ("refused", "no connection came about")
    if works:
        return judgement.verdict, judgement.why
    return "unknown", "every request failed, and the counters do not say whether at TLS or in the application"


def measure(
    moves: list[tuple[Move, Judgement | None]], belonging: Own, answers: Answers | None, reused: bool, source: str
) -> Measurement:
    """Judge one route from all moves of the time in which its requests were sent.

    ``answers``: what the client saw, ``None`` when existing traffic was watched. ``reused``: a TCP connection to one of
    the route's addresses was open all the while.
    """
    own = [item for item in moves if item[0].address in belonging.addresses]
    explained = belonging.addresses | belonging.others
    strange = [move for move, _judgement in moves if move.address not in explained]
    proofs = _evidence(own, answers, source)
    if not own:
        return Measurement("unknown", _nothing(answers, strange, reused), proofs)
    answered = answers is not None and answers.by_application
    judged = [counted_verdict(move, judgement, answered) for move, judgement in own]
    verdict = combine(item[0] for item in judged)
    why = next((item[1] for item in judged if item[1]), "")
    if verdict == "mutual_tls" and answers is not None:
        verdict, why = _doubts(own, answers, strange)
    return Measurement(verdict, why, proofs, answers.describe() if answers is not None and answers.only_denials else "")


def _doubts(own: list[tuple[Move, Judgement | None]], answers: Answers, strange: list[Move]) -> tuple[Verdict, str]:
    """What speaks against mutual TLS although all of the route's counters are of encrypted clusters."""
    counted = sum(move.requests for move, _judgement in own)
    passed = [move for move in strange if move.cluster == PASSTHROUGH]
    if passed and counted < answers.sent and any(move.is_http for move, _judgement in own):
        return "unknown", f"only {counted} of {answers.sent} requests were counted, and meanwhile {passed[0].describe()}"
    if answers.only_gateway_errors and not any(move.success for move, _judgement in own):
        return "unknown", f"connections were made, but no request was answered well ({answers.describe()})"
    return "mutual_tls", ""


def _nothing(answers: Answers | None, strange: list[Move], reused: bool) -> str:
    if reused:
        return "an open TCP connection was reused, which moves no counter"
    if answers is None:
        return "no request was seen in that time"
    if not answers.statuses:
        return f"no request was answered ({answers.describe()})"
    elsewhere = "; ".join(move.describe() for move in strange[:_SHOWN])
    if elsewhere:
        return f"none of the route's addresses was reached ({answers.describe()}); what moved meanwhile: {elsewhere}"
    return f"no counter moved, so the load balancer answered by itself ({answers.describe()})"


def _evidence(own: list[tuple[Move, Judgement | None]], answers: Answers | None, source: str) -> tuple[Proof, ...]:
    proofs = [Proof("traffic", source, answers.describe())] if answers else []
    for move, judgement in own[:_SHOWN]:
        transport = f"; {judgement.transport.describe()}" if judgement else ""
        proofs.append(Proof("traffic", f"sidecar of {'/'.join(move.pod)}", move.describe() + transport))
    if len(own) > _SHOWN:
        proofs.append(Proof("traffic", source, f"{len(own) - _SHOWN} more endpoints moved"))
    return tuple(proofs)


def batches(addresses: list[frozenset[str]]) -> list[list[int]]:
    """Positions of what can be measured at the same time: two in one batch share no address."""
    last: dict[str, int] = {}
    found: list[list[int]] = []
    for position, own in enumerate(addresses):
        number = max((last[item] + 1 for item in own if item in last), default=0)
        for item in own:
            last[item] = number
        while len(found) <= number:
            found.append([])
        found[number].append(position)
    return found
