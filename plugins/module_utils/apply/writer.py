# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing changes to a cluster: all of them rehearsed first, then phase by phase, each only onto what was read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any, Protocol

from ..core.errors import ApiUnreachable, Conflict, DryRunUnsupported, MeshlbError, NotFound, Rejected, Unauthorized, WriteError
from ..core.findings import finding
from ..core.model import ABSENT, Change, Finding, ObjectRef
from ..core.parallel import attempt_all
from ..kube.fields import covers, pointer
from ..kube.objects import Obj, dig, value_at
from .book import is_created

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
    api: Writes, changes: Sequence[Change], workers: int = 8, check_mode: bool = False, before: Callable[[int], None] | None = None
) -> list[Finding]:
    """Make the changes, phases in ascending order, at most ``workers`` at a time; gives findings MLB403.

    ``before`` is called before each phase with its number, and may wait, or raise to end it there. Nothing is sent in
    check mode. Raises :class:`core.errors.WriteError`: before anything was written where the rehearsal (a server-side dry run of every
    change) finds a rejection, else with ``done``, ``failed`` and ``not_tried`` in its details.
    """
    if check_mode or not changes:
        return []
    findings = _rehearse(api, changes, workers)
    ordered = sorted(changes, key=lambda item: item.sort_key)
    done: list[Change] = []
    for number, phase in groupby(ordered, key=lambda item: item.phase):
        if before is not None:
            before(number)
        failed = _write_phase(api, list(phase), workers, done)
        if failed:
            raise _halfway(ordered, done, failed)
    return findings


def _rehearse(api: Writes, changes: Sequence[Change], workers: int) -> list[Finding]:
    # Of several changes of one object only the first can be rehearsed: the others build on it.
    first = {change.object: change for change in sorted(changes, key=lambda item: item.sort_key, reverse=True)}
    findings, refused = [], []
    for change, result in attempt_all(lambda item: make(api, item, dry_run=True), first.values(), workers):
        if isinstance(result, DryRunUnsupported):
            findings.append(finding("MLB403", result.message, change.object, details={"webhook": result.details.get("webhook", "")}))
        elif isinstance(result, (ApiUnreachable, Unauthorized)):
            raise result
        elif isinstance(result, MeshlbError):
            refused.append((change, result))
    if refused:
        refused.sort(key=lambda item: item[0].sort_key)
        count = f"{len(refused)} of {len(changes)} changes" if len(changes) > 1 else "the change"
        message = f"Nothing was written, as {count} would be refused. {refused[0][0].object}: {refused[0][1].message}"
        raise WriteError(message, refused[0][1].hint, refused[0][0].object, _details([], refused, changes))
    return findings


def _write_phase(
    api: Writes, changes: list[Change], workers: int, done: list[Change]
) -> list[tuple[Change, MeshlbError]]:
    stop = threading.Event()

    def one(change: Change) -> bool:
        if stop.is_set():
            return False
        try:
            make(api, change)
        except MeshlbError:
            stop.set()
            raise
        return True

    failed = []
    for change, result in attempt_all(one, changes, workers):
        if isinstance(result, MeshlbError):
            failed.append((change, result))
        elif result:
            done.append(change)
    return failed


def _halfway(changes: Sequence[Change], done: list[Change], failed: list[tuple[Change, MeshlbError]]) -> WriteError:
    change, error = failed[0]
    message = f"{len(done)} of {len(changes)} changes were written. {change.object} failed: {error.message}"
    hint = f"{error.hint} {AGAIN}".strip()
    return WriteError(message, hint, change.object, _details(done, failed, changes))


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
    found = ((value_at(live, item.path), item.after) for item in change.fields)
    return all(now is after or (now is not ABSENT and after is not ABSENT and now == after) for now, after in found)


def _still_as_read(change: Change, live: Obj) -> None:
    for item in change.fields:
        found = value_at(live, item.path)
        if found is not item.before and (found is ABSENT or item.before is ABSENT or found != item.before):
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
