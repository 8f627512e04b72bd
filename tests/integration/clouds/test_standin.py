# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stand-ins for clouds' load balancers before a real Istio gateway: what the module wrote is what they do.

A stand-in shows that the settings fit together: that requests arrive, that the check finds a gateway's pods out, that the client's
address arrives and cannot be forged. It does not show what a cloud does beyond its documentation.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.integration.clouds.conftest import NAMESPACE, REPLICAS, Chained
from tests.integration.clouds.scenarios import HOST, SCENARIOS, WRONG
from tests.integration.support.cluster import wait_for

GATEWAY = "spiffe://cluster.local/ns/istio-ingress/sa/"
FORGED = "198.51.100.66"
RESULTS = Path(__file__).parents[2] / "output" / "standins.txt"
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


@every_scenario
def test_a_gateway_pod_that_ends_leaves_the_rotation(chained: Chained) -> None:
    """No request fails once the load balancer (or, behind nodes, the cluster) has learnt that the pod leaves."""
    assert len(chained.pods()) == REPLICAS
    with chained.clients.load() as load:
        time.sleep(1)
        victim, begin = chained.pods()[0], time.time()
        chained.cluster.run("delete", "pod", victim, "--namespace", NAMESPACE, "--wait=false")
        if chained.scenario.by == "pods":
            left = chained.stand_in.wait_until("DOWN", victim)
        else:
            wait_for(lambda: victim not in chained.pods(), f"{victim} to leave the Service", pause=0.1)
            left = time.time()
        chained.cluster.run("wait", "--for=delete", f"pod/{victim}", "--namespace", NAMESPACE, "--timeout=60s")
        time.sleep(1)
    note(chained, f"{len(load.answers)} requests, {len(load.failed())} failed in all, {len(load.failed(left))} after it left "
                  f"({left - begin:.1f} s after its end began)")  # fmt: skip
    assert len(load.answers) > 50
    assert load.failed(left) == []
    wait_for(lambda: len(chained.pods()) == REPLICAS, "the gateway's new pod")


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
