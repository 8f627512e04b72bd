# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof by configuration: what a load balancer's sidecar does with one request, and with which transport.

Pure: a proxy's configuration, an address and a request in; a verdict and sentences out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..core.model import Proof, Verdict
from ..core.printable import clipped
from ..istio.raw_tls import SPOKEN
from .proxy import EnvoyCluster, EnvoyEndpoint, Proxy
from .servers import ServerLookup, ServerSide
from .trace import BLACK_HOLE, Dialed, RequestCarrier, trace
from .transport import PLAIN, SeenTransport, transport_of

ORIGINAL_DESTINATION = "ORIGINAL_DST"
MOST_WORDS = 4000
WITH_ENDPOINTS = ("EDS", "STATIC", "STRICT_DNS", "LOGICAL_DNS")


@dataclass(frozen=True)
class Judgement:
    """One endpoint of one cluster: the transport to it, and what the backends there make of that transport.

    ``http``: what arrives says that it is HTTP, or begins like it.
    """

    cluster: str
    endpoint: EnvoyEndpoint
    transport: SeenTransport
    verdict: Verdict
    sides: tuple[ServerSide, ...] = ()
    why: str = ""
    http: bool = True


@dataclass(frozen=True)
class Evaluation:
    """What happens to one dialled request. ``how`` is the way it takes; ``judgements`` one per endpoint it may meet.

    ``odd``: the sidecar's configuration cannot be read, and ``how`` says why.
    """

    dialed: Dialed
    verdict: Verdict
    how: str
    judgements: tuple[Judgement, ...] = ()
    odd: bool = False

    @property
    def clusters(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(item.cluster for item in self.judgements if item.cluster))

    @property
    def alike(self) -> tuple[str, str]:
        """Equal for evaluations that differ in nothing but the address."""
        return (self.verdict, self.how.replace(self.dialed.ip, "*"))


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """One verdict for several possibilities: what is not the same for all is ``mixed``, and a gap makes it ``unknown``."""
    seen = set(verdicts)
    known = seen - {"unknown"}
    if len(known) > 1:
        return "mixed"
    if "unknown" in seen or not known:
        return "unknown"
    return known.pop()


def evaluate(proxy: Proxy, dialed: Dialed, servers: ServerLookup) -> Evaluation:
    """Judge what the sidecar does with a request to an address.

    ``servers`` says what the backends behind an address accept (see :mod:`prove.servers`).
    """
    verdict: Verdict
    way = trace(proxy, dialed)
    if way.ended:
        verdict = "refused" if way.ended == "refused" else "unknown"
        return Evaluation(dialed, verdict, clipped(": ".join(part for part in (way.steps, way.why) if part), MOST_WORDS))
    judgements: list[Judgement] = []
    parts = []
    for carrier in way.carriers:
        judged = judge_cluster(proxy, carrier.cluster, dialed, servers)
        found = [replace(item, http=carrier.http or (item.transport.kind == "plaintext" and dialed.scheme == "http")) for item in judged]
        judgements += found
        parts.append(_carried(carrier, found))
    verdicts: list[Verdict] = [item.verdict for item in judgements]
    if way.why:
        verdicts.append("refused")
        parts.append(way.why)
    verdict = combine(verdicts)
    if way.doubt and verdict == "mixed":
        # It is one of them, and not known which.
        verdict = "unknown"
        parts.append(way.doubt)
    how = clipped(f"{way.steps}, {'; '.join(parts)}", MOST_WORDS)
    return Evaluation(dialed, verdict, how, tuple(judgements))


def judge_cluster(proxy: Proxy, name: str, dialed: Dialed, servers: ServerLookup) -> list[Judgement]:
    """Judge every endpoint that a cluster may choose for a request."""
    there, unread = EnvoyEndpoint(dialed.ip, dialed.port), SPOKEN.get(dialed.scheme, "")
    cluster = proxy.cluster(name)
    nowhere = SeenTransport("unknown", "none", why="no connection is made")
    if cluster is None:
        return [Judgement(name, there, nowhere, "refused", why="the cluster is not in the configuration, so the answer is 503")]
    if name == BLACK_HOLE:
        return [Judgement(name, there, nowhere, "refused", why="nothing leaves through this cluster")]
    if cluster.kind == ORIGINAL_DESTINATION:
        return [judge_endpoint(cluster, None, there, servers, unread=unread)]
    if cluster.kind not in WITH_ENDPOINTS:
        return [Judgement(name, there, nowhere, "unknown", why=f"a cluster of type {cluster.kind} looks for its own address")]
    endpoints = [item for item in proxy.endpoints(cluster) if item.healthy]
    if not endpoints:
        return [Judgement(name, there, nowhere, "unknown", why="the cluster has no healthy endpoint")]
    return [judge_endpoint(cluster, item, item, servers, unread=unread) for item in endpoints]


def judge_endpoint(
    cluster: EnvoyCluster, chosen: EnvoyEndpoint | None, there: EnvoyEndpoint, servers: ServerLookup, *, unread: str = ""
) -> Judgement:
    """Judge one endpoint: ``chosen`` from the cluster's list, or ``None`` for the original destination ``there``.

    ``unread``: what the load balancer sends, where sidecars do not read it as HTTP.
    """
    transport = transport_of(cluster, chosen)
    sides = servers(there.ip, there.port)
    if transport.kind in ("tls", "unknown"):
        return Judgement(cluster.name, there, transport, "unknown", sides)
    outcomes = [_met(transport, side, unread) for side in sides or (ServerSide(there.address),)]
    verdict = combine(item[0] for item in outcomes)
    why = next((reason for _verdict, reason in outcomes if reason), "")
    return Judgement(cluster.name, there, transport, verdict, sides, why)


def judge_plain(there: EnvoyEndpoint, servers: ServerLookup) -> Judgement:
    """Judge what no cluster carries: plaintext from the load balancer itself."""
    sides = servers(there.ip, there.port)
    verdict = combine(_met(PLAIN, side)[0] for side in sides or (ServerSide(there.address),))
    return Judgement("", there, PLAIN, verdict, sides)


def _met(transport: SeenTransport, side: ServerSide, unread: str = "") -> tuple[Verdict, str]:
    if side.odd:
        return "unknown", side.reason
    if unread and transport.kind == "plaintext" and side.own_tls is not None:
        return ("plaintext", "") if side.own_tls else ("refused", f"{unread} is refused there")
    if transport.kind == "plaintext":
        # Where nothing is known of the other side, what is certain is that the sidecar sends plaintext.
        return ("refused", "plaintext is refused there") if side.plaintext is False else ("plaintext", "")
    if side.mutual_tls is False:
        return "refused", f"{side.name} does not understand mutual TLS"
    if unread and side.own_tls_inside is False:
        return "refused", f"{side.name} expects HTTP inside of mutual TLS, and gets {unread}"
    accepted = transport.accepts(side.identity) if side.identity else True
    if accepted is None:
        return "unknown", f"the server is {side.identity}, and whether the sidecar accepts it is not known"
    return ("mutual_tls", "") if accepted else ("refused", f"the server is {side.identity}, which the sidecar does not accept")


def _carried(carrier: RequestCarrier, found: list[Judgement]) -> str:
    counted: dict[str, int] = {}
    for item in found:
        text = item.transport.describe() if item.transport.name != "none" else ""
        text = ", ".join(part for part in (text, item.why) if part)
        counted[text] = counted.get(text, 0) + 1
    if len(counted) == 1:
        transports = next(iter(counted))
    else:
        transports = " and ".join(f"{text} for {number} of {len(found)} endpoints" for text, number in counted.items())
    return ", ".join(part for part in (carrier.steps, f"cluster {carrier.cluster}", transports) if part)


def proofs(evaluations: list[Evaluation], source: str) -> list[Proof]:
    """Sentences for the evidence: one for each way that requests take, and one for each thing that backends say."""
    groups: dict[tuple[str, str], list[Evaluation]] = {}
    for item in evaluations:
        groups.setdefault(item.alike, []).append(item)
    found = []
    for group in groups.values():
        more = others(len(group) - 1, "address", "addresses")
        found.append(Proof("configuration", source, f"{group[0].dialed.describe()}{more}: {group[0].how}"))
    return found + server_proofs(side for item in evaluations for judged in item.judgements for side in judged.sides)


def others(number: int, one: str, many: str = "") -> str:
    """`` (and 2 more pods)``, or nothing when there are none."""
    return f" (and {number} more {one if number == 1 else many or one + 's'})" if number else ""


def server_proofs(sides: Iterable[ServerSide]) -> list[Proof]:
    """One sentence for each backend reading; backends that say the same are counted, not repeated."""
    groups: dict[tuple[bool | None, bool | None, str, str], list[ServerSide]] = {}
    for side in dict.fromkeys(sides):
        groups.setdefault((side.plaintext, side.mutual_tls, side.source, side.reason), []).append(side)
    found = []
    for group in groups.values():
        more = f"; {len(group) - 1} more alike" if len(group) > 1 else ""
        found.append(Proof("configuration", group[0].source or "snapshot", group[0].fact + more))
    return found
