# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is compared for a mesh, with the program itself where it is built."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.oracle import cluster, product, rounds
from tests.oracle.client import NotBuilt, Oracle, binary
from tests.oracle.envoy import Envoy
from tests.oracle.meshes import draw, from_seed, parts
from tests.oracle.rounds import Fault, Round, play

QUIET = 2
"""A seed that agrees, and in which something is to do."""


@pytest.fixture(scope="module")
def istio() -> Iterator[Oracle]:
    try:
        binary()
    except NotBuilt as error:
        pytest.skip(f"SKIPPED, Istio was not asked: {error}")
    with Envoy() as envoy, Oracle(envoy=envoy) as found:
        yield found


class Drawn(Random):
    """Choices of hypothesis. The simplest is that a feature does not happen, the first of several things, or the least number."""

    def __init__(self, data: st.DataObject) -> None:
        super().__init__(0)
        self._data = data

    def random(self) -> float:
        return 1 - self._data.draw(st.integers(1, 1000)) / 1001

    def choice(self, seq: Sequence[Any]) -> Any:
        return seq[self.randint(0, len(seq) - 1)]

    def randint(self, a: int, b: int) -> int:
        return self._data.draw(st.integers(a, b))


@settings(max_examples=6, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_mesh_disagrees(istio: Oracle, data: st.DataObject) -> None:
    """Hypothesis looks for the simplest one that does; of a seed, ``SHRINK=1`` makes a smaller mesh, and faster."""
    mesh = draw(Drawn(data))
    note(f"{', '.join(sorted(mesh.features))}: {', '.join(f'{cluster.namespace(one)}/{cluster.name(one)}' for one in mesh.objects)}")
    assert not play(istio, mesh).faults


def test_a_mesh_is_compared_at_every_stage(istio: Oracle) -> None:
    found = play(istio, from_seed(QUIET))
    assert not found.faults
    assert found.compared > 8


def test_a_wrong_verdict_is_found(istio: Oracle, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every stage at which it is said."""
    true = product.said

    def lying(objects: Any, **options: Any) -> product.Said:
        told = true(objects, **options)
        for row in (row for rows in told.routes.values() for row in rows):
            row["after"]["verdict"] = row["before"]["verdict"] = "mixed" if row["before"]["verdict"] != "mixed" else "refused"
        return told

    monkeypatch.setattr(rounds, "said", lying)
    assert {fault.stage for fault in play(istio, from_seed(QUIET)).faults} >= {"before", "auto"}


def test_what_happens_once_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Istio's own answer may depend on what it hears of first."""
    answers = [Round(faults=[Fault("before", "verdict", text) for text in texts]) for texts in (("a", "b"), ("b", "c"))]
    monkeypatch.setattr(rounds, "_once", lambda oracle, mesh: answers.pop(0))
    found = play(Oracle(["true"]), from_seed(QUIET))
    assert [fault.text for fault in found.faults] == ["b"]
    assert sum(found.left_out.values()) == 1


def test_a_patch_is_applied_as_the_api_server_does() -> None:
    item = {"metadata": {"annotations": {"a/b": "x"}}, "spec": {"rules": [{"host": "one"}, {"host": "two"}]}}
    steps = [
        {"op": "add", "path": "/metadata/annotations/a~1c", "value": "y"},
        {"op": "replace", "path": "/spec/rules/1", "value": {"host": "three"}},
        {"op": "remove", "path": "/metadata/annotations/a~1b"},
    ]
    rules = [{"host": "one"}, {"host": "three"}]
    assert product.patched(item, steps) == {"metadata": {"annotations": {"a/c": "y"}}, "spec": {"rules": rules}}
    assert item["metadata"] == {"annotations": {"a/b": "x"}}


def test_the_paths_that_rules_name_below_a_route_are_asked_for() -> None:
    """Mutual TLS is said of a route where all of its requests get it, so a rule for some of them counts as well."""
    mesh = from_seed(QUIET)
    rule = {"match": [{"uri": {"prefix": text}} for text in ("/", "/zz", "zz")]}
    named = parts.istio("VirtualService", "apps", "ways", {"hosts": ["x.example.com"], "http": [rule]}, "2024-01-01T00:00:00Z")
    found = [(item.key[3], sorted({call["path"] for call in item.below})) for item in product.asked([*mesh.objects, named]) if item.calls]
    assert found and all(("/zz" in below) == (path == "/") for path, below in found)
