# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Puts the collection's verdicts beside Istio's, route by route."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import cluster, product
from .access import Access, access_of
from .client import Oracle
from .cluster import Obj
from .envoy import Envoy
from .judge import MUTUAL, Judgement, overall
from .meshes.clients import Client
from .scene import Scene

AGREED, DISAGREED, UNKNOWN, LEFT_OUT = "agreed", "disagreed", "unknown", "left out"


@dataclass(frozen=True)
class Compared:
    """One route. ``result`` is ``agreed``, ``disagreed``, ``unknown`` (the collection does not commit itself) or ``left out`` (``why``)."""

    item: product.Asked
    result: str
    said: dict[str, Any] = field(default_factory=dict)
    judged: tuple[Judgement, ...] = ()
    why: str = ""
    access: Access = field(default_factory=Access)
    """Who Istio's filters let in, where that is compared."""

    @property
    def verdict(self) -> str:
        """Istio's, over all calls of the route."""
        return together(self.judged).verdict if self.judged else ""

    def __str__(self) -> str:
        reasons = "; ".join(sorted({f"{step.verdict}: {step.why} [{step.cluster}]" for one in self.judged for step in one.steps}))
        others = sorted({name for one in self.judged for name in one.elsewhere})
        reached = f", reaching {', '.join(others)}" if others else ""
        told = f"said {self.said.get('verdict')} ({self.said.get('why')})"
        return f"{self.item.title}: {told}, Istio does {self.verdict} ({reasons}){reached}"


@dataclass(frozen=True)
class Asking:
    """The routes of a completed cluster, each with its key in the scene in which Istio answers."""

    items: dict[str, product.Asked]
    scene: Scene
    envoy: Envoy | None

    def judged(self, key: str, part: str = "") -> tuple[Judgement, ...]:
        item = self.items[key]
        return self.scene.judged(key + part, item.backend, item.own_name)

    def access(self, key: str, truth: Judgement) -> Access:
        """What is granted to the first call of a route, wherever that arrives."""
        call, _outcome = self.scene.outcomes(key)[0]
        return access_of(self.envoy, truth.steps, call, cluster.address(self.items[key].client or {}))


def asking(oracle: Oracle, objects: Sequence[Obj], clients: Sequence[Client] = (), *, dump: bool = False) -> Asking:
    """Every route of a completed cluster, and what others call in it."""
    items = {f"route {number}": item for number, item in enumerate(product.asked(objects))}
    calls = {key: (item.client, item.calls) for key, item in items.items() if item.client is not None}
    calls.update({f"{key} below": (item.client, item.below) for key, item in items.items() if item.client is not None})
    others = {f"client {number}": (one.pod, one.calls) for number, one in enumerate(clients)}
    return Asking(items, Scene(oracle, objects, {**calls, **others}, dump=dump), oracle.envoy)


def together(judged: Sequence[Judgement]) -> Judgement:
    """One judgement of several calls of a route."""
    steps = tuple(step for one in judged for step in one.steps)
    return Judgement(overall(one.verdict for one in judged), steps, tuple(sorted({name for one in judged for name in one.elsewhere})))


def compared(given: Asking, side: str, told: product.Said) -> Iterator[Compared]:
    """Every route of a cluster, beside one side of what the collection said."""
    for key, item in given.items.items():
        rows = told.routes.get(item.key)
        if told.error or not rows:
            yield Compared(item, LEFT_OUT, why=told.error or "service_routing does not return that route")
        elif item.why:
            yield Compared(item, LEFT_OUT, rows[0][side], why=item.why)
        else:
            yield _one(given, key, item, rows[0][side])


def _one(given: Asking, key: str, item: product.Asked, said: dict[str, Any]) -> Compared:
    judged = given.judged(key)
    if not judged:
        return Compared(item, LEFT_OUT, said, why=f"Istio: {given.scene.error}")
    truth = together(judged)
    if truth.verdict == "unknown":
        reason = truth.steps[0].why if truth.steps else "no end"
        return Compared(item, LEFT_OUT, said, judged, why=f"this cannot judge it: {reason}")
    if said["verdict"] == "unknown":
        return Compared(item, UNKNOWN, said, judged)
    if truth.verdict == MUTUAL and not truth.elsewhere:
        # Mutual TLS is only said of a route where all of its requests get it.
        judged += given.judged(key, " below")
    verdict = together(judged).verdict
    # What follows is about strategies that were not chosen.
    own = said["why"].partition("; not ")[0]
    same = said["verdict"] == verdict and ("instead" in own) == bool(truth.elsewhere)
    access = given.access(key, truth) if same and not truth.elsewhere else Access()
    return Compared(item, AGREED if same else DISAGREED, said, judged, access=access)
