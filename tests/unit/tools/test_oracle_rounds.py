# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is compared for a mesh, with the program itself where it is built."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.oracle import product, rounds
from tests.oracle.client import NotBuilt, Oracle, binary
from tests.oracle.meshes import from_seed
from tests.oracle.rounds import Fault, Round, play

QUIET = 2
"""A seed that agrees, and in which something is to do."""


@pytest.fixture(scope="module")
def istio() -> Iterator[Oracle]:
    try:
        binary()
    except NotBuilt as error:
        pytest.skip(f"SKIPPED, Istio was not asked: {error}")
    with Oracle() as found:
        yield found


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
