# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof by traffic: what counters prove, and what they do not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Verdict
from ansible_collections.meshlb.istio.plugins.module_utils.prove.configuration import Judgement
from ansible_collections.meshlb.istio.plugins.module_utils.prove.proxy import EnvoyEndpoint
from ansible_collections.meshlb.istio.plugins.module_utils.prove.traffic import (
    Answers,
    Measurement,
    Move,
    Own,
    batches,
    judge_moves,
    measure,
    moves_between,
)
from ansible_collections.meshlb.istio.plugins.module_utils.prove.transport import PLAIN, SeenTransport

from tests.unit.plugins.module_utils.prove import envoy
from tests.unit.plugins.module_utils.prove.envoy import STRICT, servers

POD = ("lb", "nginx-1")
ECHO = "outbound|80||echo.apps.svc.cluster.local"
MINE = "10.1.0.1:8080"
MESH = SeenTransport("mutual_tls", "tlsMode-istio")


def move(cluster: str = ECHO, address: str = MINE, **counts: Any) -> Move:
    return Move(POD, cluster, address, **counts)


def judged(item: Move, transport: SeenTransport = MESH, verdict: Verdict = "mutual_tls") -> tuple[Move, Judgement]:
    return item, Judgement(item.cluster, EnvoyEndpoint("10.1.0.1", 8080), transport, verdict)


def verdict_of(
    *moves: tuple[Move, Judgement | None], answers: Answers | None = None, reused: bool = False, others: frozenset[str] = frozenset()
) -> Measurement:
    return measure(list(moves), Own(frozenset({MINE}), others), answers, reused, "client")


def answers(*statuses: int, errors: tuple[str, ...] = ()) -> Answers:
    return Answers("http://10.0.0.1/", "shop.example.com", statuses, errors)


OK = answers(200, 200, 200)


def test_difference_counts_what_rose_and_what_is_new() -> None:
    before = {(ECHO, MINE): {"rq_total": 4, "cx_total": 1, "rq_success": 4}, ("same", MINE): {"rq_total": 1}}
    after = {
        (ECHO, MINE): {"rq_total": 7, "cx_total": 1, "rq_success": 7},
        ("same", MINE): {"rq_total": 1, "cx_active": 5},
        ("PassthroughCluster", "10.9.9.9:1"): {"rq_total": 1, "cx_total": 1, "rq_error": 1},
    }
    found = moves_between(POD, before, after)
    assert found == [
        move("PassthroughCluster", "10.9.9.9:1", requests=1, connections=1, error=1),
        move(requests=3, success=3),
    ]


def test_a_counter_that_fell_began_anew() -> None:
    found = moves_between(POD, {(ECHO, MINE): {"rq_total": 9}}, {(ECHO, MINE): {"rq_total": 2}})
    assert [item.requests for item in found] == [2]


def test_encrypted_requests_prove_mutual_tls_even_without_a_new_connection() -> None:
    result = verdict_of(judged(move(requests=3, success=3)), answers=OK)
    assert result.verdict == "mutual_tls"
    assert result.proofs[0].fact == "3 requests to http://10.0.0.1/ with Host shop.example.com: status 200 3x"
    assert result.proofs[1].source == "sidecar of lb/nginx-1"
    assert "rq_total +3, cx_total +0, rq_success +3; transport socket tlsMode-istio" in result.proofs[1].fact


def test_status_200_alone_proves_nothing() -> None:
    assert verdict_of(answers=OK).verdict == "unknown"


@pytest.mark.parametrize(
    ("counts", "seen", "expected"),
    [
        ({"requests": 3, "success": 3}, OK, "plaintext"),
        ({"requests": 3, "error": 3}, answers(503, 503, 503), "refused"),
        ({"requests": 3, "error": 3}, answers(500, 500, 500), "plaintext"),
        ({"requests": 3, "error": 3}, answers(404, 404, 404), "refused"),
        ({"requests": 1, "connections": 1}, OK, "refused"),
    ],
)
def test_plaintext_is_told_by_its_counters(counts: dict[str, Any], seen: Answers, expected: str) -> None:
    result = verdict_of(judged(move("PassthroughCluster", **counts), PLAIN, "refused"), answers=seen)
    assert result.verdict == expected
    assert "plaintext went out through cluster PassthroughCluster" in result.why


@pytest.mark.parametrize(
    ("counts", "seen", "expected", "why"),
    [
        ({"requests": 3, "error": 3}, answers(500, 500, 500), "mutual_tls", ""),
        ({"requests": 3, "error": 3}, answers(503, 503, 503), "unknown", "every request failed"),
        # A load balancer's own page for an error is not the application's.
        ({"requests": 3, "error": 3}, answers(404, 404, 404), "unknown", "every request failed"),
        ({"requests": 3, "error": 3, "connections": 3, "failed_connections": 3}, answers(503), "refused", "no connection"),
        ({"requests": 3, "success": 2, "error": 1, "failed_connections": 1}, OK, "mixed", "some connections failed"),
        ({"requests": 1, "connections": 1}, OK, "mutual_tls", ""),
        ({"requests": 1, "connections": 1}, answers(503, 502), "unknown", "no request was answered well"),
        ({"requests": 1, "connections": 1, "failed_connections": 1}, answers(502), "refused", "no connection"),
    ],
)
def test_encrypted_clusters_must_also_have_worked(counts: dict[str, Any], seen: Answers, expected: str, why: str) -> None:
    result = verdict_of(judged(move(**counts)), answers=seen)
    assert (result.verdict, why in result.why) == (expected, True)


def test_both_ways_are_mixed() -> None:
    plain = judged(move("PassthroughCluster", requests=1, success=1), PLAIN, "plaintext")
    assert verdict_of(judged(move(requests=2, success=2)), plain, answers=OK).verdict == "mixed"


def test_requests_that_are_missing_while_something_passes_through_are_a_doubt() -> None:
    stray = judged(move("PassthroughCluster", "10.9.9.9:80", requests=1, success=1), PLAIN, "plaintext")
    short = judged(move(requests=2, success=2))
    assert verdict_of(short, stray, answers=OK).verdict == "unknown"
    assert verdict_of(judged(move(requests=3, success=3)), stray, answers=OK).verdict == "mutual_tls"
    assert verdict_of(short, stray, answers=OK, others=frozenset({"10.9.9.9:80"})).verdict == "mutual_tls"


@pytest.mark.parametrize(
    ("moves", "seen", "reused", "why"),
    [
        ([], OK, True, "an open TCP connection was reused"),
        ([], None, False, "no request was seen"),
        ([], answers(308, 308), False, "answered by itself"),
        ([], answers(errors=("no answer in time",)), False, "no request was answered"),
        ([judged(move("other", "10.9.9.9:1", requests=3))], OK, False, "what moved meanwhile: cluster other, endpoint 10.9.9.9:1"),
    ],
)
def test_no_counter_of_the_route_says_why(moves: Any, seen: Answers | None, reused: bool, why: str) -> None:
    result = verdict_of(*moves, answers=seen, reused=reused)
    assert result.verdict == "unknown"
    assert why in result.why


def test_what_the_configuration_does_not_know_proves_nothing() -> None:
    assert verdict_of((move(requests=3, success=3), None), answers=OK).verdict == "unknown"
    strange = SeenTransport("tls", "own", why="TLS of another kind")
    assert verdict_of(judged(move(requests=3, success=3), strange, "unknown"), answers=OK).why == "TLS of another kind"


def test_many_endpoints_are_counted_not_listed() -> None:
    moves = [judged(move(f"cluster-{number}", requests=1, success=1)) for number in range(9)]
    result = verdict_of(*moves, answers=OK)
    assert result.proofs[-1].fact == "4 more endpoints moved"


def test_moves_are_judged_by_their_own_pods_configuration() -> None:
    proxy = envoy.proxy(
        [],
        [envoy.cluster(ECHO, transport_socket_matches=envoy.automatic())],
        eds=[envoy.assignment(ECHO, envoy.endpoint("10.1.0.1", 8080))],
    )
    moves = [
        move(requests=1),
        move(address="10.1.0.9:8080", requests=1),
        move("PassthroughCluster", "10.96.0.5:80", requests=1),
        move("gone", requests=1),
        Move(("lb", "other"), ECHO, MINE, requests=1),
    ]
    found = [judgement for _move, judgement in judge_moves(moves, {POD: proxy}, servers(STRICT))]
    assert [item.verdict if item else None for item in found] == ["mutual_tls", None, "refused", None, None]


def test_tls_that_passed_by_is_judged_as_tls() -> None:
    proxy = envoy.proxy([], [envoy.cluster("PassthroughCluster", "ORIGINAL_DST")])
    moves = [move("PassthroughCluster", MINE, connections=1)]
    takes_no_tls = servers(replace(envoy.PERMISSIVE, own_tls=False))
    found = [judge_moves(moves, {POD: proxy}, takes_no_tls, unread=unread)[0][1] for unread in ("TLS", "")]
    assert [item.verdict if item else None for item in found] == ["refused", "plaintext"]


def test_only_what_shares_no_address_is_measured_together() -> None:
    sets = [frozenset(item) for item in ("ab", "c", "bd", "d", "", "a")]
    assert batches(sets) == [[0, 1, 4], [2, 5], [3]]
