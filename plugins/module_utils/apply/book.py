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
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..core.errors import MeshlbError
from ..core.marks import CREATED_AS, LOAD_BALANCERS, MANAGED_BY, PART, PARTS, REPLACED
from ..core.model import ABSENT
from ..core.writes import Part
from ..kube.fields import NoContainer, Path, covers, put, remove, resolve, subtract
from ..kube.objects import Obj, dig, kind_key_of, name_of, namespace_of, ref_of, value_at

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


Entries = dict[str, BookEntry]
"""Entries by JSON pointer."""

MOST_BYTES, MOST_LEVELS = 262144, 60
"""The API server takes no more annotations on an object than this; what is replaced is never nested as deeply."""


@dataclass(frozen=True)
class Book:
    """An object's bookkeeping, as one part of the collection sees it.

    ``mine`` are the entries that the part can have made. ``rest`` is everything else as it stands, by JSON pointer. ``strange`` are the
    pointers of those in ``rest`` that no part can have made; nothing is done for their word.
    """

    mine: Entries
    rest: Mapping[str, Any]
    strange: tuple[str, ...] = ()


class BookError(MeshlbError):
    """The annotation :data:`REPLACED` is not what this collection wrote."""


def read_book(obj: Obj, part: Part) -> Book:
    """The bookkeeping of an object, empty where there is none.

    Raises :class:`BookError` where somebody edited the annotation into something else.
    """
    text = dig(obj, "metadata", "annotations", REPLACED)
    if text is None:
        return Book({}, {})
    try:
        found = parsed(text)
        read = {key: _entry(key, item) for key, item in found.items()}
    except ValueError as error:
        raise BookError(
            f"The annotation {REPLACED} of {ref_of(obj)} cannot be read, so what was there before is not known: {error}.",
            "Put the annotation's former value back, or remove it and restore the object by hand.",
            ref_of(obj),
        ) from error
    kind = kind_key_of(obj)
    mine = {
        key: entry for key, entry in read.items() if entry.part == part.name and part.may_restore(kind, key, entry.set, entry.was)
    }
    rest = {key: item for key, item in found.items() if key not in mine}
    strange = tuple(key for key in rest if _is_strange(read[key], part))
    return Book(mine, rest, strange)


def parsed(text: Any) -> dict[str, Any]:
    """The JSON map in an annotation. Raises :class:`ValueError` for whatever else it may have been made into."""
    if not isinstance(text, str):
        raise ValueError("it is no text")
    if len(text) > MOST_BYTES:
        raise ValueError(f"it has {len(text)} characters, and {MOST_BYTES} are the most that an API server takes")
    if _levels(text) > MOST_LEVELS:
        raise ValueError(f"it is nested more than {MOST_LEVELS} levels deep")
    found = json.loads(text, parse_float=_finite, parse_constant=_finite)
    if not isinstance(found, dict):
        raise ValueError("it is no JSON map")
    compact(found).encode()  # half of a surrogate pair is JSON, and is no text that could be written
    return found


def _levels(text: str) -> int:
    deepest = level = 0
    for found in _BRACKETS.finditer(text):
        level += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found.group()[0], 0)
        deepest = max(deepest, level)
    return deepest


# A text in quotes (or the rest, where they do not end), which may hold brackets, or a bracket. What is no JSON is found out later.
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)


def _finite(word: str) -> float:
    number = float(word)
    if not math.isfinite(number):
        raise ValueError(f"{word} is no number of JSON")
    return number


def _entry(key: str, item: Any) -> BookEntry:
    if not isinstance(item, dict) or not isinstance(item.get("part"), str):
        raise ValueError(f"entry {compact(key[:80])} names no part")
    return BookEntry(item["part"], item.get("set", ABSENT), item.get("was", ABSENT))


def _is_strange(entry: BookEntry, part: Part) -> bool:
    return entry.part == part.name or entry.part not in PARTS


def write_book(obj: Obj, mine: Entries, rest: Mapping[str, Any], load_balancers: Iterable[str]) -> Obj:
    """A copy whose bookkeeping annotations hold ``mine`` besides ``rest``; with no entry left they are all gone."""
    names = ",".join(sorted(set(load_balancers)))
    book = {**rest, **{key: entry.to_json() for key, entry in mine.items()}}
    values = {REPLACED: compact(book) if book else ABSENT, LOAD_BALANCERS: names if book and names else ABSENT}
    for key, value in values.items():
        path = (*ANNOTATIONS, key)
        obj = remove(obj, path) if value is ABSENT else put(obj, path, value)
    return obj


def compact(value: Any) -> str:
    """JSON that is the same for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def load_balancers_of(obj: Obj) -> frozenset[str]:
    """For which load balancers (``namespace/name``) an object was created or changed."""
    return frozenset(item for item in str(dig(obj, "metadata", "annotations", LOAD_BALANCERS, default="")).split(",") if item)


def parts_of(obj: Obj) -> frozenset[str]:
    """The parts that created or changed an object, as far as it says."""
    try:
        entries = [_entry(key, item).part for key, item in parsed(dig(obj, "metadata", "annotations", REPLACED, default="{}")).items()]
    except ValueError:
        entries = []
    made = dig(obj, "metadata", "annotations", PART, default="") if is_created(obj) else ""
    return PARTS & {*entries, str(made)}


def is_created(obj: Obj, part: str = "") -> bool:
    """Whether an object says that this collection (this part of it) created it, which whoever may edit it can have it say."""
    if dig(obj, "metadata", "labels", MANAGED_BY[0]) != MANAGED_BY[1]:
        return False
    return not part or dig(obj, "metadata", "annotations", PART) == part


def is_own(obj: Obj, part: Part) -> bool:
    """Whether a part created the object: it says so, is of a kind that the part creates, and has the name that the part gives.

    A copy that somebody made of such an object under another name is not ours.
    """
    return is_made_by(obj, part.name) and part.would_name(kind_key_of(obj), obj)


def is_made_by(obj: Obj, part: str) -> bool:
    """Whether an object that has the name that a part gives is the part's to write."""
    return is_created(obj, part) and not is_copy(obj)


def is_copy(obj: Obj) -> bool:
    """Whether an object was made of one that was created under another name. Those of the first release do not tell."""
    return bool(dig(obj, "metadata", "annotations", CREATED_AS, default=created_as(obj)) != created_as(obj))


def created_as(obj: Obj) -> str:
    """How an object's identity is noted on it when it is created."""
    return f"{namespace_of(obj)}/{name_of(obj)}"


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
    try:
        return (remove(obj, path) if entry.was is ABSENT else put(obj, path, entry.was)), True
    except NoContainer:
        # What held the field is no map any more.
        return obj, False


def before(obj: Obj, mine: Entries) -> Obj:
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
