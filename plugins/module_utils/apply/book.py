# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The book that every written field is entered in: on the object itself, in an annotation.

The names are those of :mod:`core.marks`. Objects that this collection created carry ``MANAGED_BY``. On all others, ``REPLACED``
holds per JSON pointer which part of the collection wrote the field, what it set and what was there before; ``set`` is left
out where a field was removed, ``was`` where there was none. ``LOAD_BALANCERS`` says on both for whom.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..core.errors import MeshlbError
from ..core.marks import LOAD_BALANCERS, MANAGED_BY, PART, REPLACED
from ..core.model import ABSENT
from ..kube.fields import Path, covers, put, remove, resolve, subtract
from ..kube.objects import Obj, annotations_of, labels_of, ref_of, value_at

ANNOTATIONS: Path = ("metadata", "annotations")


@dataclass(frozen=True)
class BookEntry:
    """One written field: who wrote it, what was set, what was there. Both values may be :data:`ABSENT`."""

    part: str
    set: Any
    was: Any

    def to_json(self) -> dict[str, Any]:
        values = {"set": self.set, "was": self.was}
        return {"part": self.part, **{key: value for key, value in values.items() if value is not ABSENT}}


Book = dict[str, BookEntry]


class BookError(MeshlbError):
    """The annotation :data:`REPLACED` is not what this collection wrote."""


def read_book(obj: Obj) -> Book:
    """The entries of an object by JSON pointer, empty where there are none.

    Raises :class:`BookError` where somebody edited the annotation into something else.
    """
    text = annotations_of(obj).get(REPLACED)
    if text is None:
        return {}
    try:
        found = json.loads(text)
        return {str(key): _entry(item) for key, item in found.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BookError(
            f"The annotation {REPLACED} of {ref_of(obj)} cannot be read, so what was there before is not known: {error}.",
            "Put the annotation's former value back, or remove it and restore the object by hand.",
            ref_of(obj),
        ) from error


def _entry(item: dict[str, Any]) -> BookEntry:
    return BookEntry(str(item["part"]), item.get("set", ABSENT), item.get("was", ABSENT))


def write_book(obj: Obj, book: Book, load_balancers: Iterable[str]) -> Obj:
    """A copy whose bookkeeping annotations say ``book``; with no entry left they are all gone."""
    names = ",".join(sorted(set(load_balancers)))
    values = {
        REPLACED: compact({key: entry.to_json() for key, entry in book.items()}) if book else ABSENT,
        LOAD_BALANCERS: names if book and names else ABSENT,
    }
    for key, value in values.items():
        path = (*ANNOTATIONS, key)
        obj = remove(obj, path) if value is ABSENT else put(obj, path, value)
    return obj


def compact(value: Any) -> str:
    """JSON that is the same for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def load_balancers_of(obj: Obj) -> frozenset[str]:
    """For which load balancers (``namespace/name``) an object was created or changed."""
    return frozenset(item for item in annotations_of(obj).get(LOAD_BALANCERS, "").split(",") if item)


def is_created(obj: Obj, part: str = "") -> bool:
    """Whether this collection (this part of it) created the object."""
    if labels_of(obj).get(MANAGED_BY[0]) != MANAGED_BY[1]:
        return False
    return not part or annotations_of(obj).get(PART) == part


def split(book: Book, part: str) -> tuple[Book, Book]:
    """The entries of one part, and those of all others."""
    mine = {key: entry for key, entry in book.items() if entry.part == part}
    return mine, {key: entry for key, entry in book.items() if key not in mine}


def merge_names(obj: Obj, names: Iterable[str], scope: Iterable[str] | None, shared: bool) -> frozenset[str]:
    """The load balancers to note on an object that is now for ``names``.

    ``scope`` are those that this run decides about (``None``: all); the others' claims stay. On an object that another
    part changed too, nobody's claim is dropped.
    """
    kept = load_balancers_of(obj)
    if not shared:
        kept = kept - set(scope) if scope is not None else frozenset()
    return kept | set(names)


def is_intact(obj: Obj, key: str, entry: BookEntry) -> bool:
    """Whether a field is still as it was set; what the API server added to a map that we set does not count."""
    return covers(value_at(obj, resolve(obj, key)), entry.set)


def restored(obj: Obj, key: str, entry: BookEntry) -> tuple[Obj, bool]:
    """A copy with the field as it was before, and whether that was possible.

    A field that is no longer as it was set is left alone. Out of a map that was not there before, what is still as it was
    set is taken, and the rest stays.
    """
    path = resolve(obj, key)
    live = value_at(obj, path)
    if entry.was is ABSENT and isinstance(live, dict) and isinstance(entry.set, dict):
        rest, clean = subtract(live, entry.set)
        return (remove(obj, path) if rest is ABSENT else put(obj, path, rest)), clean
    if not covers(live, entry.set):
        return obj, False
    return (remove(obj, path) if entry.was is ABSENT else put(obj, path, entry.was)), True


def before(obj: Obj, mine: Book) -> Obj:
    """A copy in which everything of ``mine`` is taken back, defaults of the API server in maps that we made included."""
    for key, entry in reversed(mine.items()):
        whole = entry.was is ABSENT and is_intact(obj, key, entry)
        obj = remove(obj, resolve(obj, key)) if whole else restored(obj, key, entry)[0]
    return obj


def nested(path: Path, values: Mapping[Path, Any]) -> Any:
    """The value that a new map at ``path`` gets so that it holds all ``values`` (by full path) below it."""
    result: Any = ABSENT
    for full, value in values.items():
        result = put(result, full[len(path) :], value)
    return result


def parts_of(obj: Obj) -> Iterator[str]:
    """The parts that created or changed an object."""
    if is_created(obj):
        yield annotations_of(obj).get(PART, "")
    elif REPLACED in annotations_of(obj):
        yield from {entry.part for entry in read_book(obj).values()}
