# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is let in where requests of a route arrive: Envoy's answers, with ``admission.py`` as a second opinion.

Nothing of the collection is imported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from . import admission
from .admission import Request, Unclear, variants
from .envoy import Envoy
from .judge import Step

ENVOY, SETTINGS = "Envoy", "the filters' settings alone"
LEAST_FIRST = ("denied", "conditional", "allowed")


@dataclass
class Access:
    """The least that is granted; empty where nothing arrives, or where that is not known.

    ``judges`` counts who decided about filters, and ``doubts`` tells where the second opinion is another one: a fault of a judge.
    """

    decision: str = ""
    judges: Counter[str] = field(default_factory=Counter)
    doubts: list[str] = field(default_factory=list)


def access_of(envoy: Envoy | None, steps: Sequence[Step], call: dict[str, Any], address: str) -> Access:
    """What is granted to a call from an address, at every end that it reaches."""
    found, decisions = Access(), set()
    for step in steps:
        if step.to and step.verdict in ("mutual_tls", "plaintext"):
            try:
                answers = _answers(found, envoy, step, _requests(step, call, address))
            except Unclear:
                return Access(judges=found.judges, doubts=found.doubts)
            decisions.add("conditional" if len(set(answers)) > 1 else "allowed" if answers[0] else "denied")
    found.decision = next((decision for decision in LEAST_FIRST if decision in decisions), "")
    return found


def _requests(step: Step, call: dict[str, Any], address: str) -> list[Request]:
    ip, _colon, port = step.to.rpartition(":")
    request = Request(step.identity, address, (ip.strip("[]"), int(port)), str(call["host"]), str(call["path"]))
    return list(variants(request, below=True))


def _answers(found: Access, envoy: Envoy | None, step: Step, requests: Sequence[Request]) -> list[bool]:
    """Envoy's answers where it gives some, and otherwise the second opinion. Raises :class:`Unclear` where there is neither."""
    try:
        if envoy is None or not envoy.there:
            raise Unclear("Envoy is not there")
        said = envoy.admits(step.guards, requests, reads_http=step.reads_http)
    except Unclear:
        said = [admission.admitted(step.guards, one) for one in requests]
        found.judges.update([SETTINGS] if step.guards else [])
        return said
    found.judges.update([ENVOY] if step.guards else [])
    try:
        second = [admission.admitted(step.guards, one) for one in requests]
    except Unclear:
        return said
    for request, first, other in zip(requests, said, second, strict=True):
        if first != other:
            found.doubts.append(f"Envoy {'admits' if first else 'turns away'} {request}, and admission.py says otherwise")
    return said
