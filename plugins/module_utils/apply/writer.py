# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing changes to a cluster: all of them rehearsed first, then phase by phase, each only onto what was read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Any, Protocol

from ..core.errors import ApiUnreachable, Conflict, DryRunUnsupported, MeshlbError, NotFound, Rejected, Unauthorized, WriteError
from ..core.findings import finding
from ..core.model import ABSENT, Change, Finding, ObjectRef, replace
from ..core.parallel import attempt_all
from ..core.pointers import pointer
from ..kube.fields import covers
from ..kube.objects import Obj, dig, value_at
from .book import is_created
from .units import waiting_for

ATTEMPTS = 5
AGAIN = "Run again to finish the job; the same with state: absent takes back what was written."
# What the API server and controllers change in an object without anybody having edited it.
_VOLATILE = frozenset({"resourceVersion", "generation", "managedFields"})


class Writes(Protocol):
    """What writing needs of a client (:class:`kube.client.api.Api`)."""

    def get(self, ref: ObjectRef) -> Obj: ...

    def create(self, body: Obj, dry_run: bool = False) -> Obj: ...

    def json_patch(self, ref: ObjectRef, operations: list[dict[str, Any]], dry_run: bool = False) -> Obj: ...

    def delete(self, ref: ObjectRef, resource_version: str = "", uid: str = "", dry_run: bool = False) -> None: ...

    def list(self, key: str, namespace: str = "") -> Iterable[Obj]: ...


def write(
    api: Writes, changes: Sequence[Change], workers: int = 8, check_mode: bool = False, before: Callable[[int], None] | None = None,
    *, all_or_nothing: bool = False,
) -> list[Finding]:
    """Make the changes, phases in ascending order, at most ``workers`` at a time; gives findings MLB403.

    Every change is rehearsed first (a server-side dry run). A unit of which one change is refused is left out, and so is what waits for
    it; with ``all_or_nothing`` all changes are one unit. ``before`` is called before each phase with its number, and may wait, or raise to
    end it there. Nothing is sent in check mode. Raises :class:`core.errors.WriteError` after the rest was written, with ``done``,
    ``failed``, ``not_tried`` and ``units`` (those that were left out) in its details.
    """
    if check_mode or not changes:
        return []
    if all_or_nothing:
        changes = [replace(item, unit="", waits_for=frozenset()) for item in changes]
    progress = Progress(sorted(changes, key=lambda item: item.sort_key))
    findings = _rehearse(api, progress, workers)
    for number, phase in groupby(progress.changes, key=lambda item: item.phase):
        todo = [item for item in phase if not progress.holds_back(item)]
        if not todo:
            continue
        if before is not None:
            before(number)
        _write_phase(api, progress, todo, workers)
    if progress.failed:
        raise _incomplete(progress)
    return findings


@dataclass
class Progress:
    """What was written of the changes (in their order), what failed, and which units are therefore left out."""

    changes: Sequence[Change]
    done: list[Change] = field(default_factory=list)
    failed: list[tuple[Change, MeshlbError]] = field(default_factory=list)
    units: set[str] = field(default_factory=set)
    begun: bool = False
    lost: bool = False
    """Whether the API server can be reached no longer, so that nothing more is tried."""

    @cached_property
    def _waiting(self) -> list[Change]:
        return [item for item in self.changes if item.waits_for]

    def holds_back(self, change: Change) -> bool:
        return self.lost or change.unit in self.units or not self.units.isdisjoint(change.waits_for)

    def fail(self, change: Change, error: MeshlbError) -> None:
        """Leave out the unit of a change that failed, and whatever waits for it."""
        self.failed.append((change, error))
        self.lost = self.lost or isinstance(error, (ApiUnreachable, Unauthorized))
        if change.unit in self.units:
            return
        # In one step, as others look at it meanwhile.
        self.units = waiting_for(self._waiting, {change.unit}, self.units, lambda item: item.unit)


def _rehearse(api: Writes, progress: Progress, workers: int) -> list[Finding]:
    # Of several changes of one object only the first can be rehearsed: the others build on it.
    first = {change.object: change for change in reversed(progress.changes)}
    findings = []
    for change, result in attempt_all(lambda item: make(api, item, dry_run=True), first.values(), workers):
        if isinstance(result, DryRunUnsupported):
            findings.append(finding("MLB403", result.message, change.object, details={"webhook": result.details.get("webhook", "")}))
        elif isinstance(result, (ApiUnreachable, Unauthorized)):
            raise result
        elif isinstance(result, MeshlbError):
            progress.fail(change, result)
    progress.failed.sort(key=lambda item: item[0].sort_key)
    return findings


def _write_phase(api: Writes, progress: Progress, changes: list[Change], workers: int) -> None:
    progress.begun, lock = True, threading.Lock()

    def one(change: Change) -> bool:
        if progress.holds_back(change):
            return False
        try:
            make(api, change)
        except MeshlbError as error:
            with lock:
                progress.fail(change, error)
            return False
        return True

    progress.done += [change for change, result in attempt_all(one, changes, workers) if result is True]


def _incomplete(progress: Progress) -> WriteError:
    change, error = progress.failed[0]
    failed, everything = len(progress.failed), len(progress.changes)
    details = _details(progress.done, progress.failed, progress.changes)
    left_out = sorted(progress.units - {""})
    if not progress.begun:
        count = f"{failed} of {everything} changes" if everything > 1 else "the change"
        message = f"Nothing was written, as {count} would be refused. {change.object}: {error.message}"
        return WriteError(message, error.hint, change.object, {**details, "units": left_out})
    without = f" Left out as a whole: {'; '.join(left_out)}." if left_out else ""
    message = f"{len(progress.done)} of {everything} changes were written.{without} {change.object} failed: {error.message}"
    return WriteError(message, f"{error.hint} {AGAIN}".strip(), change.object, {**details, "units": left_out})


def _details(
    done: Sequence[Change], failed: Sequence[tuple[Change, MeshlbError]], changes: Sequence[Change]
) -> dict[str, Any]:
    tried = {id(item) for item in done} | {id(item) for item, dummy in failed}
    return {
        "done": [_label(item) for item in done],
        "failed": [{"change": _label(item), "error": error.message} for item, error in failed],
        "not_tried": [_label(item) for item in changes if id(item) not in tried],
    }


def _label(change: Change) -> str:
    return f"{change.action} {change.object}"


def make(api: Writes, change: Change, dry_run: bool = False) -> None:
    """Make one change, or rehearse it. What was changed since it was read, but not where it matters, is no obstacle."""
    actions: dict[str, Callable[[Writes, Change, bool], None]] = {"create": _create, "patch": _patch, "delete": _delete}
    actions[change.action](api, change, dry_run)


def _create(api: Writes, change: Change, dry_run: bool) -> None:
    body = change.body or {}
    try:
        api.create(body, dry_run)
    except Conflict:
        # The answer to an earlier attempt may have been lost on the way; then it is ours, and as wanted.
        live = api.get(change.object)
        if not (is_created(live) and covers(live, body)):
            raise


def _delete(api: Writes, change: Change, dry_run: bool) -> None:
    expected = change.body or {}
    for attempt in range(1, ATTEMPTS + 1):
        metadata = expected.get("metadata") or {}
        try:
            api.delete(change.object, str(metadata.get("resourceVersion", "")), str(metadata.get("uid", "")), dry_run)
            return
        except NotFound:
            return
        except Conflict:
            live = _get_or_none(api, change.object)
            if live is None:
                return
            if attempt == ATTEMPTS or _content(live) != _content(expected):
                raise
            expected = live


def _get_or_none(api: Writes, ref: ObjectRef) -> Obj | None:
    try:
        return api.get(ref)
    except NotFound:
        return None


def _content(obj: Obj) -> Obj:
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _VOLATILE}
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": metadata}


def _patch(api: Writes, change: Change, dry_run: bool) -> None:
    version = change.resource_version
    for attempt in range(1, ATTEMPTS + 1):
        try:
            api.json_patch(change.object, operations(change, version), dry_run)
            return
        except (Conflict, Rejected) as error:
            # A test that fails is reported as a rejection without a reason: only looking again tells the two apart.
            if isinstance(error, Rejected) and error.webhook:
                raise
            live = api.get(change.object)
            newer = str(dig(live, "metadata", "resourceVersion", default=""))
            if newer == version or attempt == ATTEMPTS:
                raise
            if _is_made(change, live):
                return
            _still_as_read(change, live)
            version = newer


def _is_made(change: Change, live: Obj) -> bool:
    """Whether somebody else made the same change in between, as an equal run does."""
    return all(value_at(live, item.path) == item.after for item in change.fields)


def _still_as_read(change: Change, live: Obj) -> None:
    for item in change.fields:
        if value_at(live, item.path) != item.before:
            message = f"{pointer(item.path)} of {change.object} was changed by somebody else since it was read."
            raise Conflict(message, "Run again, so that the plan is made from what is there now.", change.object)


def operations(change: Change, resource_version: str = "") -> list[dict[str, Any]]:
    """A patch's fields as a JSON Patch, which applies only to the version of the object that was read."""
    found: list[dict[str, Any]] = []
    if resource_version:
        found.append({"op": "test", "path": "/metadata/resourceVersion", "value": resource_version})
    for item in change.fields:
        if item.after is not ABSENT:
            # In a map "add" also replaces; in a list it would insert.
            word = "replace" if isinstance(item.path[-1], int) else "add"
            found.append({"op": word, "path": pointer(item.path), "value": item.after})
    found += [{"op": "remove", "path": pointer(item.path)} for item in reversed(change.fields) if item.after is ABSENT]
    return found
