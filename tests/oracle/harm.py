# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a plan does to others: the same calls before and after it. Nothing of the collection is imported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .judge import MIXED, MUTUAL, PLAIN, REFUSED, Judgement
from .scene import Scene

RANKS = {REFUSED: 0, MIXED: 1, PLAIN: 2, MUTUAL: 3}


def to_clients(before: Scene, after: Scene, keys: Iterable[str]) -> Iterator[str]:
    """A sentence for each call of another client that got worse, or reaches somebody else."""
    for key in keys:
        for (call, _met), old, new in zip(before.outcomes(key), before.judged(key), after.judged(key), strict=True):
            if why := worse(old, new):
                yield f"{call['name']} to {call['host']} at {call['address']}:{call['port']}: {why}"


def worse(old: Judgement, new: Judgement) -> str:
    """In which way a call got worse; empty where it did not."""
    if RANKS.get(new.verdict, 9) < RANKS.get(old.verdict, -1):
        return f"{old.verdict} before, {new.verdict} after ({'; '.join(sorted({step.why for step in new.steps}))})"
    lost = {step.to for step in old.steps if step.to} - {step.to for step in new.steps}
    if lost and new.verdict != REFUSED:
        return f"no longer reaches {', '.join(sorted(lost))}"
    return ""


def to_servers(before: Scene, after: Scene) -> Iterator[str]:
    """A sentence for each port of a pod whose sidecar takes some kind of connection otherwise than before, whoever calls it."""
    later = after.answer.get("inbound") or {}
    for end, old in (before.answer.get("inbound") or {}).items():
        new = later.get(end) or old
        for way in old["ways"]:
            if (was := _reading(old["ways"][way])) != (now := _reading(new["ways"][way])):
                yield f"{end} ({old['pod']}) takes {way} as {now}, and before as {was}"


def _reading(arrival: dict[str, Any]) -> str:
    if arrival.get("error"):
        return f"nothing ({arrival['error']})"
    chain = arrival.get("chain") or {}
    filters = sorted({item.rpartition(".")[2] for item in (*chain.get("filters", []), *(chain.get("http_filters") or []))})
    return f"{'HTTP' if chain.get('http') else 'TCP'} with {', '.join(filters)}"
