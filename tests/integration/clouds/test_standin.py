# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stand-ins for clouds' load balancers before a real Istio gateway: what the module wrote is what they do.

A stand-in shows that the settings fit together: that requests arrive, that the check finds a gateway's pods out, that the client's
address arrives and cannot be forged. It does not show what a cloud does beyond its documentation.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.integration.clouds.clients import Answer
from tests.integration.clouds.conftest import NAMESPACE, REPLICAS, Chained
from tests.integration.clouds.scenarios import HOST, SCENARIOS, UNDRAINED, WRONG
from tests.integration.clouds.standin import PORT
from tests.integration.support.cluster import wait_for
from tests.integration.support.modules import failure

GATEWAY = "spiffe://cluster.local/ns/istio-ingress/sa/"
FORGED = "198.51.100.66"
SLOWLY = "4.5s"
"""Long enough for a check to find a pod out meanwhile, and less than the five seconds that a gateway's proxy lives on while it drains."""
RESULTS = Path(__file__).parents[2] / "output" / "standins.txt"
Asked = Future[list[Answer]]
every_scenario = pytest.mark.parametrize("chained", SCENARIOS, indirect=True, scope="module")


def note(chained: Chained, text: str) -> None:
    """Keep what was measured, for people."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    name = next(key for key, value in SCENARIOS.items() if value is chained.scenario)
    with RESULTS.open("a") as file:
        file.write(f"{name}: {text}\n")


@every_scenario
def test_requests_arrive_with_the_clients_address(chained: Chained) -> None:
    """The application sees the gateway's identity, the public Host, and the client where the gateway says who that is."""
    answers = chained.clients.ask(20)
    assert [item for item in answers if not item.good] == []
    client = chained.clients.network.client
    for item in answers:
        assert not chained.scenario.https or item.seen["xfproto"] == "https"
        assert (item.seen["identity"], item.seen["host"]) == (f"{GATEWAY}{chained.name}", HOST)
        assert item.seen["headers"]["x-envoy-external-address"] == client, item.seen
    learnt = chained.result["client_address"]
    assert (learnt["mode"], learnt["trusted_hops"]) == (chained.scenario.learns, chained.scenario.hops)


@every_scenario
def test_a_forged_header_does_not_win(chained: Chained) -> None:
    client = chained.clients.network.client
    for header in (FORGED, f"{FORGED}, {FORGED}", f"{FORGED}, {FORGED}, {FORGED}"):
        (answer,) = chained.clients.ask(1, X_Forwarded_For=header)
        assert answer.good and answer.seen["headers"]["x-envoy-external-address"] == client, answer.seen


@contextmanager
def slow_requests(chained: Chained) -> Iterator[list[Asked]]:
    """Requests that the gateway keeps for a while, shortly after they began; both of its pods have some."""
    slow = {"match": [{"headers": {"x-slow": {"exact": "yes"}}}], "fault": {"delay": {"percentage": {"value": 100}, "fixedDelay": SLOWLY}}}
    (found,) = chained.cluster.items("virtualservices.networking.istio.io", "--namespace", NAMESPACE)
    first = {**slow, "route": found["spec"]["http"][0]["route"]}

    def patch(change: dict[str, Any]) -> None:
        words = [found["metadata"]["name"], "--namespace", NAMESPACE, "--type=json", f"--patch={json.dumps([change])}"]
        chained.cluster.run("patch", "virtualservices.networking.istio.io", *words)

    patch({"op": "add", "path": "/spec/http/0", "value": first})
    wait_for(lambda: all(item.end - item.begin > 4 for item in chained.clients.ask(2, X_Slow="yes")), "requests to take their time")
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(chained.clients.ask, 1, X_Slow="yes") for number in range(4)]
        time.sleep(0.5)
        yield asked
    patch({"op": "remove", "path": "/spec/http/0"})


def answered(asked: list[Asked]) -> list[Answer]:
    """What came back."""
    return [item for one in asked for item in one.result()]


def end_a_pod(chained: Chained) -> tuple[float, float]:
    """End one of the gateway's pods: when that began, and when it had left."""
    victim, begin = chained.pods()[0], time.time()
    chained.cluster.run("delete", "pod", victim, "--namespace", NAMESPACE, "--wait=false")
    if chained.scenario.by == "pods" and chained.setting.check == "http":
        left = chained.stand_in.wait_until("DOWN", victim)
    else:
        wait_for(lambda: victim not in chained.pods(), f"{victim} to leave the Service", pause=0.1)
        # A check that only sees that the proxy is gone comes too late: what helps is that the controller sends to ready pods.
        left = chained.stand_in.take_out(victim) if chained.scenario.by == "pods" else time.time()
    chained.cluster.run("wait", "--for=delete", f"pod/{victim}", "--namespace", NAMESPACE, "--timeout=60s")
    return begin, left


@every_scenario
def test_a_gateway_pod_that_ends_leaves_the_rotation(chained: Chained) -> None:
    """No request fails once the load balancer (or, behind nodes, the cluster) has learnt that the pod leaves.

    Where the objects ask for draining, those end well that were under way on it then.
    """
    assert len(chained.pods()) == REPLICAS
    drained: AbstractContextManager[list[Asked]] = slow_requests(chained) if chained.setting.drains else nullcontext([])
    with chained.clients.load() as load, drained as asked:
        time.sleep(0 if chained.setting.drains else 1)
        begin, left = end_a_pod(chained)
        time.sleep(1)
    slow = answered(asked)
    note(chained, f"{len(load.answers)} requests, {len(load.failed())} failed in all, {len(load.failed(left))} after it left "
                  f"({left - begin:.1f} s after its end began), {len(slow)} were under way")  # fmt: skip
    for item in load.failed():
        span = f"{item.begin - begin:.2f} to {item.end - begin:.2f} s after its end began"
        note(chained, f"failed, {span}: {item.status} {' '.join(str(item.seen).split())[:120]}")
    assert len(load.answers) > 50
    assert max(item.begin for item in load.answers) > left, "nobody asked any more"
    assert load.failed(left) == []
    assert chained.setting.check == "http" or load.failed() == [], "taken out before its proxy went, and a request failed all the same"
    assert [item for item in slow if not item.good] == []
    assert not slow or any(item.end > left for item in slow), "they ended before it left, so they show nothing"
    wait_for(lambda: len(chained.pods()) == REPLICAS, "the gateway's new pod")


@pytest.mark.parametrize("chained", [key for key, value in SCENARIOS.items() if value.redirected_by], indirect=True, scope="module")
def test_clients_without_tls_are_redirected_once(chained: Chained) -> None:
    """To HTTPS, where the same request is answered by the application; and who redirects is who was to."""
    plain = replace(chained.clients, tls=False, port=PORT)
    (answer,) = plain.ask()
    assert (answer.status, answer.location) == (301, f"https://{HOST}/")
    assert [item.good for item in chained.clients.ask(3)] == [True] * 3
    assert chained.setting.redirects == (chained.scenario.redirected_by == "load balancer")
    gateways = chained.cluster.items("gateways.networking.istio.io", "--namespace", NAMESPACE)
    assert [bool(item["spec"]["servers"][0].get("tls")) for item in gateways] == [chained.scenario.redirected_by == "gateway"]


@pytest.mark.parametrize("chained", ["gke_neg-redirect"], indirect=True, scope="module")
def test_a_redirect_without_end_is_refused(chained: Chained) -> None:
    """Where no hop is trusted the gateway takes every request for one without TLS: refused before anything is written."""
    wanted = {**chained.wanted, "client_address": {"mode": "auto", "trusted_hops": 0}}
    result = failure("chained_gateway", kubeconfig=chained.cluster.kubeconfig, **wanted)
    assert "MLB601" in result["msg"], result["msg"]
    assert [item.good for item in chained.clients.ask(3)] == [True] * 3


@pytest.mark.parametrize("chained", UNDRAINED, indirect=True, scope="module")
def test_without_draining_requests_under_way_are_cut_off(chained: Chained) -> None:
    """The test of ending pods would fail without it."""
    with slow_requests(chained) as asked:
        end_a_pod(chained)
    assert [item for item in answered(asked) if not item.good]


@pytest.mark.parametrize("chained", [key for key, value in SCENARIOS.items() if value.by == "nodes"], indirect=True, scope="module")
def test_nothing_is_sent_to_a_node_without_a_ready_gateway(chained: Chained) -> None:
    """The check finds such a node out, and finds it again."""
    chained.scale(0)
    chained.stand_in.wait_until("DOWN")
    assert not any(item.good for item in chained.clients.ask(3))
    chained.scale(REPLICAS)
    chained.stand_in.wait_until("UP")
    wait_for(lambda: all(item.good for item in chained.clients.ask(10)), "requests to arrive again")


@pytest.mark.parametrize("chained", WRONG, indirect=True, scope="module")
def test_one_hop_too_many_would_let_a_forged_header_win(chained: Chained) -> None:
    """The tests above would fail if the number of trusted entries was wrong."""
    (answer,) = chained.clients.ask(1, X_Forwarded_For=FORGED)
    assert answer.seen["headers"]["x-envoy-external-address"] == FORGED
