# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measuring: counters before, requests (or a time of watching), counters after, for all routes in as few rounds as tell them apart."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..core.errors import MeshlbError
from ..core.model import Route
from ..core.parallel import attempt_all
from ..istio.raw_tls import SPOKEN
from .asking import Asker, Key
from .counters import Reading
from .proxy import Proxy
from .sending import Entrypoint, send, why_no_host
from .servers import ServerLookup
from .targets import asked_host, asked_path
from .traffic import Answers, Measurement, Move, Own, batches, judge_moves, measure, moves_between


@dataclass(frozen=True)
class Load:
    """What is sent per (host, path): ``requests`` through ``entrypoint``; or, without one, a watch of ``window`` seconds."""

    entrypoint: Entrypoint | None = None
    requests: int = 3
    window: float = 0.0
    timeout: float = 10.0


@dataclass(frozen=True)
class Job:
    """One route to measure: the pods that may carry it, and the addresses by which its counters are told."""

    route: Route
    pods: tuple[Key, ...]
    addresses: frozenset[str]


@dataclass(frozen=True)
class Round:
    """Counters before and after one round of requests."""

    before: Mapping[Key, Reading | MeshlbError]
    after: Mapping[Key, Reading | MeshlbError]

    def moves(self, pods: Iterable[Key]) -> list[Move]:
        """What moved in these pods. Raises the error of one that could not be asked: half a count proves nothing."""
        found: list[Move] = []
        for pod in pods:
            before, after = self.before.get(pod, {}), self.after.get(pod, {})
            for reading in (before, after):
                if isinstance(reading, MeshlbError):
                    raise reading
            if not isinstance(before, MeshlbError) and not isinstance(after, MeshlbError):
                found += moves_between(pod, before, after)
        return found

    def reuses(self, pods: Iterable[Key], addresses: frozenset[str]) -> bool:
        """Whether a TCP connection to one of the addresses was open all the while."""
        return any(self._open(self.before, pod, addresses) and self._open(self.after, pod, addresses) for pod in pods)

    @staticmethod
    def _open(counters: Mapping[Key, Reading | MeshlbError], pod: Key, addresses: frozenset[str]) -> bool:
        reading = counters.get(pod, {})
        if isinstance(reading, MeshlbError):
            return False
        return any(
            address in addresses and values.get("cx_active") and not values.get("rq_success") and not values.get("rq_error")
            for (_cluster, address), values in reading.items()
        )


def measure_all(
    jobs: list[Job], load: Load, asker: Asker, proxies: Mapping[Key, Proxy], servers: ServerLookup
) -> list[Measurement]:
    """Measure every job; the results are in the order of the jobs."""
    if load.entrypoint is None:
        return _watch(jobs, load, asker, proxies, servers)
    results: dict[int, Measurement] = {}
    probes = _probes(jobs, results)
    pods = sorted({pod for job in jobs for pod in job.pods})
    last: Mapping[Key, Reading | MeshlbError] = asker.counters(pods) if probes else {}
    addresses = [_addresses(jobs, probe) for probe in probes]
    for batch in batches(addresses):
        together = _union(addresses[number] for number in batch)
        answers = _send(jobs, [probes[number] for number in batch], load, asker.workers)
        now = Round(last, asker.counters(pods))
        last = now.after
        for place, number in enumerate(batch):
            for position in probes[number]:
                results[position] = _conclude(jobs[position], now, answers[place], together, proxies, servers)
    return [results[position] for position in range(len(jobs))]


def _probes(jobs: list[Job], results: dict[int, Measurement]) -> list[list[int]]:
    """Positions of jobs that one request meets together (a canary and its main route); the others get their result here."""
    found: dict[tuple[tuple[str, str], str, str], list[int]] = {}
    for position, job in enumerate(jobs):
        why = why_not_sent(job.route)
        if why:
            results[position] = Measurement("unknown", why)
        else:
            key = (job.route.load_balancer, asked_host(job.route), asked_path(job.route) or "/")
            found.setdefault(key, []).append(position)
    return list(found.values())


def why_not_sent(route: Route) -> str:
    """Why no request can be made that meets this route, or the empty string."""
    if route.upstream.scheme == "tcp" and not route.path.startswith("/"):
        return "a TCP route takes no HTTP request"
    if asked_path(route) is None:
        return f"the path is a pattern ({route.path}), so no request is known to meet it"
    why = why_no_host(asked_host(route))
    return f"{why}, so no request can be sent" if why else ""


def _addresses(jobs: list[Job], probe: list[int]) -> frozenset[str]:
    return _union(jobs[position].addresses for position in probe)


def _union(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset(item for each in sets for item in each)


def _send(jobs: list[Job], probes: list[list[int]], load: Load, workers: int) -> list[Answers]:
    def one(probe: list[int]) -> Answers:
        route = jobs[probe[0]].route
        if load.entrypoint is None:
            raise MeshlbError("There is no entrypoint to send requests to.")
        return send(load.entrypoint, asked_host(route), asked_path(route) or "/", load.requests, load.timeout)

    sent = [answer for _probe, answer in attempt_all(one, probes, workers)]
    return [Answers("", "", (), (str(item),)) if isinstance(item, MeshlbError) else item for item in sent]


def _watch(
    jobs: list[Job], load: Load, asker: Asker, proxies: Mapping[Key, Proxy], servers: ServerLookup
) -> list[Measurement]:
    pods = sorted({pod for job in jobs for pod in job.pods})
    before = asker.counters(pods)
    time.sleep(load.window)
    now = Round(before, asker.counters(pods))
    together = _union(job.addresses for job in jobs)
    return [_conclude(job, now, None, together, proxies, servers) for job in jobs]


def _conclude(
    job: Job,
    now: Round,
    answers: Answers | None,
    together: frozenset[str],
    proxies: Mapping[Key, Proxy],
    servers: ServerLookup,
) -> Measurement:
    try:
        moves = now.moves(job.pods)
    except MeshlbError as error:
        return Measurement("unknown", f"the counters could not be read: {error}")
    source = "client" if answers else "counters"
    reused = now.reuses(job.pods, job.addresses)
    judged = judge_moves(moves, proxies, servers, unread=SPOKEN.get(job.route.upstream.scheme, ""))
    return measure(judged, Own(job.addresses, together), answers, reused, source)
