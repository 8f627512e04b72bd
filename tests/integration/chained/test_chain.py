# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""A chain there and back, in a mesh that accepts mutual TLS alone: what is predicted, what is done, what the application sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.integration.support.modules import Result
from tests.integration.support.objects import Record, differences
from tests.integration.support.traffic import Target, settle

from .chain import Chain, unpredicted
from .scene import EXPECTED, FORGED, NEWS, all_of, probe

AGE = ("/metadata/creationTimestamp", "/metadata/uid")


@dataclass
class Made:
    """A chain in place, and the cluster as it was before."""

    chain: Chain
    before: Record
    predicted: Result
    after_check: list[str]
    made: Result
    after: Record


@pytest.fixture(scope="module")
def made(chain: Chain) -> Iterator[Made]:
    """Rehearsed, then made."""
    chain.answers("refused")
    before = chain.recorded()
    predicted = chain.run(check=True)
    after_check = differences(before, chain.recorded())
    done = chain.run()
    yield Made(chain, before, predicted, after_check, done, chain.recorded())


def test_check_mode_says_what_a_run_does_and_writes_nothing(made: Made) -> None:
    assert made.after_check == []
    assert made.predicted["changed"] and made.made["changed"]
    assert unpredicted(made.before, made.predicted, made.made, made.after) == []


def test_every_route_goes_from_refused_to_mutual_tls(made: Made) -> None:
    own = [route for route in made.made["routes"] if route["host"].endswith(".chained.test")]
    assert {Target(route["host"], route["path"]): route["backend"]["service"] for route in own} == EXPECTED
    assert {(route["chained"], route["before"]["verdict"], route["after"]["verdict"]) for route in own} == {(True, "refused", "mutual_tls")}
    made.chain.answers("mutual_tls")


def test_a_second_run_changes_nothing(made: Made) -> None:
    again = made.chain.run()
    assert again["changes"] == [] and not again["changed"]
    assert differences(made.after, made.chain.recorded()) == []


@pytest.mark.parametrize("forged", ["", FORGED, f"{FORGED}, 10.0.0.1", f"{FORGED}:4711"])
def test_the_application_sees_host_gateway_and_client(made: Made, forged: str) -> None:
    made.chain.answers("mutual_tls")
    headers = {"X_Forwarded_For": forged, "X_Envoy_External_Address": FORGED, "X_Real_IP": FORGED} if forged else {}
    for target, app in EXPECTED.items():
        seen = probe(made.chain.pod, made.chain.front.pod_port, target, **headers)
        assert (seen.status, seen.body.get("app"), seen.body.get("host")) == (200, app, target.host)
        assert seen.body["identity"] == made.chain.identity
        # The load balancer's entry is the client; the gateway adds the load balancer.
        assert seen.forwarded[-2:] == [seen.client, made.chain.pod], seen.body
        assert seen.header("x-envoy-external-address") == seen.client, seen.body


def test_one_host_goes_back_alone(made: Made) -> None:
    chain = made.chain
    chain.answers("mutual_tls")
    chain.take_back(hosts=[NEWS.host], drain=1)
    left = {key: "refused" if key.startswith(NEWS.host) else "mutual_tls" for key in all_of("")}
    assert settle(chain.look, left) == left
    assert not chain.take_back(hosts=[NEWS.host], drain=1)["changed"]
    chain.run()
    chain.answers("mutual_tls")
    # Objects that were made anew are as they were but for their age.
    assert [line for line in differences(made.after, chain.recorded()) if not line.partition(":")[0].endswith(AGE)] == []


def test_taken_back_every_object_is_as_it_was(made: Made) -> None:
    made.chain.take_back(drain=1)
    assert made.chain.unlike(made.before) == []
    made.chain.answers("refused")
    assert not made.chain.take_back(drain=1)["changed"]
