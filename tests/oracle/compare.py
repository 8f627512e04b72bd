# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Puts the collection's verdicts beside Istio's, route by route."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import product
from .client import Oracle
from .cluster import Obj
from .judge import Judge, Judgement, overall

AGREED, DISAGREED, UNKNOWN, LEFT_OUT = "agreed", "disagreed", "unknown", "left out"


@dataclass(frozen=True)
class Compared:
    """One route. ``result`` is ``agreed``, ``disagreed``, ``unknown`` (the collection does not commit itself) or ``left out`` (``why``)."""

    item: product.Asked
    result: str
    said: dict[str, Any] = field(default_factory=dict)
    answer: dict[str, Any] = field(default_factory=dict)
    judged: tuple[Judgement, ...] = ()
    why: str = ""

    @property
    def verdict(self) -> str:
        """Istio's, over all calls of the route."""
        return together(self.judged).verdict if self.judged else ""

    def __str__(self) -> str:
        reasons = "; ".join(sorted({f"{step.verdict}: {step.why} [{step.cluster}]" for one in self.judged for step in one.steps}))
        return f"{self.item.title}: said {self.said.get('verdict')} ({self.said.get('why')}), Istio does {self.verdict} ({reasons})"


def together(judged: Sequence[Judgement]) -> Judgement:
    """One judgement of several calls of a route."""
    steps = tuple(step for one in judged for step in one.steps)
    return Judgement(overall(one.verdict for one in judged), steps, tuple(sorted({name for one in judged for name in one.elsewhere})))


def compared(oracle: Oracle, objects: Sequence[Obj], side: str = "before", told: product.Said | None = None) -> Iterator[Compared]:
    """Every route of a completed cluster; ``told`` is what the collection said, if not of these objects themselves."""
    said = told or product.said(objects)
    answers: dict[str, dict[str, Any]] = {}
    for item in product.asked(objects):
        rows = said.routes.get(item.key)
        if said.error or not rows:
            yield Compared(item, LEFT_OUT, why=said.error or "service_routing does not return that route")
        elif item.why:
            yield Compared(item, LEFT_OUT, rows[0][side], why=item.why)
        else:
            yield _one(oracle, objects, item, rows[0][side], answers)


def _one(oracle: Oracle, objects: Sequence[Obj], item: product.Asked, said: dict[str, Any], answers: dict[str, dict[str, Any]]) -> Compared:
    judged, answer = judge_route(oracle, objects, item, answers)
    if not judged:
        return Compared(item, LEFT_OUT, said, answer, why=f"Istio: {answer.get('error')}")
    truth = together(judged)
    if truth.verdict == "unknown":
        reason = truth.steps[0].why if truth.steps else "no end"
        return Compared(item, LEFT_OUT, said, answer, judged, why=f"this cannot judge it: {reason}")
    if said["verdict"] == "unknown":
        return Compared(item, UNKNOWN, said, answer, judged)
    same = said["verdict"] == truth.verdict and ("instead" in said["why"]) == bool(truth.elsewhere)
    return Compared(item, AGREED if same else DISAGREED, said, answer, judged)


def judge_route(
    oracle: Oracle, objects: Sequence[Obj], item: product.Asked, answers: dict[str, dict[str, Any]] | None = None
) -> tuple[tuple[Judgement, ...], dict[str, Any]]:
    """Istio's judgements of a route's calls and the answer that they come from; none where Istio does not take the case."""
    case = product.case_of(objects, item)
    asked = repr((case["client"]["ip"], case["calls"]))
    known = answers if answers is not None else {}
    answer = known[asked] = known.get(asked) or oracle.ask(case)
    if answer.get("error") or item.client is None:
        return (), answer
    judge = Judge(objects, item.client, answer)
    return tuple(judge.judge(call, item.backend, item.own_name) for call in item.calls), answer


def counts(rows: Sequence[Compared]) -> Counter[str]:
    return Counter(row.result for row in rows)
