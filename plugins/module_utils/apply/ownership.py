# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes that can be taken back: every function gives a :class:`core.model.Change` and writes nothing itself.

A part (``service_routing``, ``lb_sidecar``) only ever touches what it wrote. Where several runs are for different load
balancers, ``scope`` says which of them this run decides about.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from ..core.errors import MeshlbError
from ..core.findings import finding
from ..core.marks import APPLIED, CREATED_AS, LOAD_BALANCERS, MANAGED_BY, PART
from ..core.model import ABSENT, Change, Finding, replace
from ..core.pointers import pointer
from ..core.writes import Part
from ..kube.fields import NoContainer, Path, difference, is_keyed_map, merge, put, remove, resolve
from ..kube.objects import Obj, annotations_of, dig, kind_key_of, labels_of, ref_of, value_at
from . import book as books
from .ledger import Ledger

Keep = Callable[[Obj], bool]


def claim(
    obj: Obj,
    part: Part,
    desired: Mapping[Path, Any],
    load_balancers: Iterable[str],
    why: str,
    phase: int = 0,
    scope: Collection[str] | None = None,
) -> Change | None:
    """The patch that gives ``obj`` the ``desired`` fields (path -> value or :data:`ABSENT`), or ``None``.

    Fields of the same part that are no longer desired get back what was there. The first value that was there is kept
    when what we set changes; where somebody else changed our field in between, theirs is the one that is kept. A field
    that has the desired value without us stays its owner's. Raises :class:`MeshlbError` where a path leads through a
    value that is no map, where the book cannot be read, and for a field that the part does not declare: it could not be given back.
    """
    _demand_declared(obj, part, desired)
    book = books.read_book(obj, part)
    mine = book.mine
    intact = {key: entry for key, entry in mine.items() if books.is_intact(obj, key, entry)}
    base = books.before(obj, mine)
    try:
        entries = {pointer(path): (path, entry) for path, entry in _entries(base, part, desired)}
        target = obj
        for key, entry in reversed(mine.items()):
            if key not in entries:
                target = books.restored(target, key, entry)[0]
        for key, (path, entry) in entries.items():
            target = _set(target, path, entry.set, intact.get(key))
    except NoContainer as error:
        raise _no_map(obj, error) from error
    names = books.merge_names(obj, load_balancers, scope, shared=bool(book.rest))
    target = books.write_book(target, {key: entry for key, (dummy, entry) in entries.items()}, book.rest, names)
    return _patch(obj, target, why, phase)


def _demand_declared(obj: Obj, part: Part, desired: Iterable[Path]) -> None:
    kind = kind_key_of(obj)
    undeclared = next((path for path in desired if not part.sets(kind, path)), None)
    if undeclared is not None:
        message = f"{part.name} does not declare that it sets {pointer(undeclared)} of a {kind}, so {ref_of(obj)} is left alone."
        raise MeshlbError(message, "This is a fault of the collection: please report it.", ref_of(obj))


def _entries(base: Obj, part: Part, desired: Mapping[Path, Any]) -> Iterator[tuple[Path, books.BookEntry]]:
    """What has to be entered in the book, by the path that is entered: the topmost that is not there yet."""
    grouped: dict[Path, dict[Path, Any]] = {}
    for path, value in desired.items():
        current = value_at(base, path)
        if current is not value and (value is ABSENT or current is ABSENT or current != value):
            grouped.setdefault(path if value is ABSENT else _recorded(base, path), {})[path] = value
    for path, values in grouped.items():
        yield path, books.BookEntry(part.name, books.nested(path, values), value_at(base, path))


def _recorded(base: Obj, path: Path) -> Path:
    for length in range(1, len(path)):
        above = path[:length]
        if is_keyed_map(above):
            return path
        if value_at(base, above) in (ABSENT, None):
            return above
    return path


def _set(target: Obj, path: Path, value: Any, earlier: books.BookEntry | None) -> Obj:
    if earlier is not None and value is not ABSENT:
        value = merge(value_at(target, path), value, earlier.set)
    changed: Obj = remove(target, path) if value is ABSENT else put(target, path, value)
    return changed


def _no_map(obj: Obj, error: NoContainer) -> MeshlbError:
    found = value_at(obj, error.path)
    message = f"{ref_of(obj)} has {found!r} at {pointer(error.path)}, where a map is expected."
    return MeshlbError(message, "Correct the object, then run again.", ref_of(obj))


def _patch(obj: Obj, target: Obj, why: str, phase: int) -> Change | None:
    fields = difference(obj, target)
    version = str(dig(obj, "metadata", "resourceVersion", default=""))
    return Change(ref_of(obj), "patch", why, fields, None, phase, version) if fields else None


def reverse(change: Change, obj: Obj) -> Change:
    """The patch that undoes one that was just made; ``obj`` is its object as it is now. What others changed since is met as a conflict."""
    fields = tuple(replace(item, before=item.after, after=item.before) for item in change.fields)
    version = str(dig(obj, "metadata", "resourceVersion", default=""))
    return Change(change.object, "patch", f"takes back what {change.why}", fields, None, change.phase, version)


def release(obj: Obj, part: Part, why: str = "", phase: int = 0) -> tuple[Change | None, list[Finding]]:
    """The patch that gives all fields of a part back what was there; nothing of ours stays on the object.

    A field that somebody changed since is left alone, with finding MLB401, and is ours no more.
    """
    try:
        book = books.read_book(obj, part)
    except books.BookError as error:
        return None, [finding("MLB401", error.message, ref_of(obj))]
    target, findings = obj, []
    for key, entry in reversed(book.mine.items()):
        target, whole = books.restored(target, key, entry)
        if not whole:
            details = {"field": key, "found": value_at(obj, resolve(obj, key)), "set": entry.set, "was": entry.was}
            findings.append(finding("MLB401", _changed(obj, key, entry), ref_of(obj), details=details))
    if book.mine:
        target = books.write_book(target, {}, book.rest, books.load_balancers_of(obj))
    return _patch(obj, target, why or f"gives back what {part.name} had replaced", phase), findings


def _changed(obj: Obj, key: str, entry: books.BookEntry) -> str:
    live = value_at(obj, resolve(obj, key))
    now = "is no longer there" if live is ABSENT else f"is now {books.compact(live)}"
    ours = "this collection had removed it" if entry.set is ABSENT else f"this collection had set {books.compact(entry.set)}"
    was = "there was nothing" if entry.was is ABSENT else f"there was {books.compact(entry.was)}"
    return f"{key} of {ref_of(obj)} {now}; {ours}, and before that {was}. It is left as it is."


def create(
    existing: Obj | None,
    body: Obj,
    part: Part,
    load_balancers: Iterable[str],
    why: str,
    phase: int = 0,
    scope: Collection[str] | None = None,
) -> tuple[Change | None, list[Finding]]:
    """The change after which an object like ``body`` exists: a create, a patch of ours that differs, or nothing.

    ``existing`` is the object of its kind, namespace and name. What the API server added to ours does not count as a
    difference. An object of that name that is not this part's is finding MLB402, and is not touched.
    """
    wanted = _owned_body(body, part, frozenset(load_balancers))
    if not part.would_name(kind_key_of(body), wanted):
        message = f"{part.name} does not declare that it creates {ref_of(body)}, so it could not be taken back."
        raise MeshlbError(message, "This is a fault of the collection: please report it.", ref_of(body))
    if existing is None:
        return Change(ref_of(wanted), "create", why, (), wanted, phase), []
    occupied = why_occupied(existing, part)
    if occupied:
        message = f"{occupied}; it is not touched."
        return None, [finding("MLB402", message, ref_of(existing), details={"part": part.name})]
    wanted = _owned_body(body, part, books.merge_names(existing, load_balancers, scope, shared=False))
    return _patch(existing, _brought_up(existing, wanted), why, phase), []


def why_occupied(existing: Obj | None, part: Part) -> str:
    """Why an object cannot be made where there is this one already, empty where it can."""
    if existing is None or books.is_made_by(existing, part.name):
        return ""
    return f"{ref_of(existing)} exists, and was not made by {part.name} of this collection"


def _brought_up(existing: Obj, wanted: Obj) -> Obj:
    try:
        last = books.parsed(dig(existing, "metadata", "annotations", APPLIED, default="{}"))
    except ValueError:
        last = {}
    kept = {key: existing[key] for key in ("apiVersion", "kind")}
    # What somebody wrote into the annotation takes nothing out of the object's metadata.
    last = {key: value for key, value in last.items() if key != "metadata"}
    target: Obj = merge(existing, {**wanted, **kept}, {**last, **kept})
    return target


def _owned_body(body: Obj, part: Part, names: frozenset[str]) -> Obj:
    """``body`` with our label and annotations. What we write is kept as JSON, so that a later run can tell what it dropped."""
    content = {key: value for key, value in body.items() if key not in ("apiVersion", "kind", "metadata")}
    annotations = {
        **annotations_of(body),
        PART: part.name,
        CREATED_AS: books.created_as(body),
        LOAD_BALANCERS: ",".join(sorted(names)),
        APPLIED: books.compact(content),
    }
    labels = {**labels_of(body), MANAGED_BY[0]: MANAGED_BY[1]}
    return {**body, "metadata": {**body["metadata"], "labels": labels, "annotations": annotations}}


def delete(obj: Obj, why: str, phase: int = 0) -> Change:
    """The change that removes an object that this collection created."""
    return Change(ref_of(obj), "delete", why, (), obj, phase, str(dig(obj, "metadata", "resourceVersion", default="")))


def take_back(
    ledger: Ledger,
    keep: Keep | None = None,
    load_balancers: Collection[str] | None = None,
    why: str = "",
    phase: int = 0,
) -> tuple[list[Change], list[Finding]]:
    """The changes that undo a ledger's part: restores at ``phase``, deletions of what it created one later.

    ``keep`` spares objects. With ``load_balancers`` only what is for these goes; an object that is for others as well
    stays, and is noted as theirs.
    """
    part = ledger.part
    changes: list[Change] = []
    findings: list[Finding] = []
    for obj in ledger.written:
        names = books.load_balancers_of(obj)
        others = names - set(load_balancers) if load_balancers is not None else frozenset()
        if (keep is not None and keep(obj)) or (load_balancers is not None and others == names):
            continue
        if others:
            target = put(obj, (*books.ANNOTATIONS, LOAD_BALANCERS), ",".join(sorted(others)))
            change = _patch(obj, target, why or f"stays for {', '.join(sorted(others))}", phase)
        elif books.is_own(obj, part):
            change = delete(obj, why or f"was created by {part.name}", phase + 1)
        else:
            change, found = release(obj, part, why, phase)
            findings.extend(found)
        changes.extend([change] if change else [])
    return sorted(changes, key=lambda item: item.sort_key), findings
