# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A defect of this collection, told as people can use it: in which step it showed, at which object, and where to report it."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from types import FrameType, TracebackType
from typing import Any

from .errors import MeshlbError
from .model import ObjectRef
from .printable import clipped, one_line
from .secrets import without_secrets

ISSUES = "https://github.com/meshlb/istio/issues"
WITH_TRACEBACK = 3
"""Verbosity (``-vvv``) from which a result has the traceback."""
_OURS = ".module_utils."
_STEPS = {
    "runs.options": "reading its options", "kube": "reading objects", "detect": "looking for load balancers and their routes",
    "balancers": "looking at a load balancer", "istio": "reading the mesh", "plan": "planning", "apply": "working out the changes",
    "apply.writer": "writing", "apply.files": "writing files", "runs.rolling": "waiting for a rollout", "prove": "proving routes",
}
"""What a run does, by the parts of the code that do it."""
_WRITES = frozenset({"apply.writer", "runs.rolling"})


class Defect(MeshlbError):
    """An error that nobody foresaw, so a defect. ``details`` has module, step, place and cause, and the traceback where it is wanted."""


def defect(error: Exception, module: str, verbosity: int) -> Defect:
    """What a module fails with for an error that is none of ours."""
    frames = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__) if _part(frame)]
    parts = [_part(frame) for frame, dummy in frames]
    step = next(filter(None, map(_step, parts)), "putting its result together")
    found = _object_of(error.__traceback__)
    place = f"{parts[-1]}, line {frames[-1][1]}, in {frames[-1][0].f_code.co_name}" if frames else ""
    said = clipped(without_secrets(one_line(str(error))), 300)
    cause = f"{type(error).__name__}: {said}" if said else type(error).__name__
    details: dict[str, Any] = {"module": module, "step": step, "place": place, "cause": cause, "defect": True}
    if verbosity >= WITH_TRACEBACK:
        details["traceback"] = without_secrets("".join(traceback.format_exception(error))).splitlines()
    where = " ".join(filter(None, (f"at {found}" if found else "", f"({place})" if place else "")))
    message = f"{module} met a defect of its own while {step}{' ' if where else ''}{where}: {cause.rstrip('.')}."
    wrote = "Something may have been written by then; run again, or take it back with state: absent. " if _WRITES & set(parts) else ""
    shows = "" if verbosity >= WITH_TRACEBACK else " With -vvv the result has the traceback."
    return Defect(message, f"{wrote}Please report it with this message: {ISSUES}.{shows}", found, details)


def _part(frame: FrameType) -> str:
    """A frame's module within ours, such as ``plan.routing``; empty for others' code."""
    return str(frame.f_globals.get("__name__", "")).partition(_OURS)[2]


def _step(part: str) -> str:
    words = part.split(".")
    names = (".".join(words[:count]) for count in range(len(words), 0, -1))
    return next((_STEPS[name] for name in names if name in _STEPS), "")


def _object_of(trace: TracebackType | None) -> ObjectRef | None:
    """The object that the innermost of our functions was about, as far as its variables tell."""
    for frame, _line in reversed(list(traceback.walk_tb(trace))):
        if _part(frame):
            found = next((ref for value in list(frame.f_locals.values()) for ref in _refs(value)), None)
            if found is not None:
                return found
    return None


def _refs(value: Any) -> Iterator[ObjectRef]:
    if isinstance(value, ObjectRef):
        yield value
        return
    if isinstance(value, Mapping):
        yield from _ref_of_body(value)
        return
    for name in ("object", "workload", "ref"):
        found = value.__dict__.get(name) if hasattr(value, "__dict__") else None
        if isinstance(found, ObjectRef):
            yield found


def _ref_of_body(value: Mapping[Any, Any]) -> Iterator[ObjectRef]:
    metadata, kind = value.get("metadata"), value.get("kind")
    if isinstance(kind, str) and isinstance(metadata, Mapping) and isinstance(metadata.get("name"), str):
        yield ObjectRef(str(value.get("apiVersion", "")), kind, str(metadata.get("namespace") or ""), metadata["name"])
