# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one part of the collection wrote in a cluster, and what only says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..core.findings import finding
from ..core.marks import MANAGED_BY, PART, REPLACED
from ..core.model import Finding
from ..core.printable import clipped, listed
from ..core.writes import Part
from ..kube.objects import Obj, dig, kind_key_of, name_of, ref_of
from .book import Book, BookError, compact, is_created, is_own, read_book

Lookup = Callable[[str, str, str], "Obj | None"]
"""The object of a kind key, namespace and name, if there is one."""
_MOST_NAMED, _MOST_CHARACTERS = 5, 120


@dataclass(frozen=True)
class Ledger:
    """What ``part`` created or changed, and a way to look up what else is there.

    ``findings`` are about objects whose labels and annotations say what the part cannot have written: they are not among ``written``.
    """

    part: Part
    written: tuple[Obj, ...]
    existing: Lookup
    findings: tuple[Finding, ...] = ()


def ledger(part: Part, objects: Iterable[Obj], existing: Lookup) -> Ledger:
    """The ledger of a part, out of all objects of a cluster."""
    written: list[Obj] = []
    findings: list[Finding] = []
    for obj in filter(_is_marked, objects):
        mine, about = _judged(obj, part, existing)
        written += [obj] if mine else []
        findings += about
    return Ledger(part, tuple(written), existing, tuple(findings))


def is_of(obj: Obj, part: Part) -> bool:
    """Whether a part created or changed an object."""
    if not _is_marked(obj):
        return False
    try:
        return is_own(obj, part) or bool(read_book(obj, part).mine)
    except BookError:
        return False


def locked(obj: Obj, part: Part) -> str:
    """Why no field of an object may be set: what was there before could not be noted beside what cannot be read. Empty where it may."""
    try:
        read_book(obj, part)
    except BookError as error:
        return error.message
    return ""


def _is_marked(obj: Obj) -> bool:
    # Most objects carry neither mark: told apart without copying a map or parsing JSON, as this runs over the whole cluster.
    return is_created(obj) or dig(obj, "metadata", "annotations", REPLACED) is not None


def _judged(obj: Obj, part: Part, existing: Lookup) -> tuple[bool, list[Finding]]:
    if is_own(obj, part):
        return True, []
    findings = []
    if is_created(obj, part.name) and not _is_made_of(obj, existing):
        findings.append(finding("MLB404", _not_created(obj, part), ref_of(obj), details={"part": part.name}))
    try:
        book = read_book(obj, part)
    except BookError as error:
        return False, [*findings, finding("MLB401", error.message, ref_of(obj), details={"part": part.name})]
    if book.strange and not _is_made_of(obj, existing):
        entries = [clipped(item, _MOST_CHARACTERS) for item in book.strange[:_MOST_NAMED]]
        details = {"part": part.name, "entries": entries, "number": len(book.strange)}
        findings.append(finding("MLB405", _not_written(obj, part, book), ref_of(obj), details=details))
    return bool(book.mine), findings


def _is_made_of(obj: Obj, existing: Lookup) -> bool:
    """Whether a controller made it of another object, and handed that one's labels and annotations on, as Istio does for a Gateway."""
    owners = dig(obj, "metadata", "ownerReferences", default=[])
    return any(
        isinstance(owner, dict) and owner.get("controller") is True and _same_marks(obj, _owner(obj, owner, existing))
        for owner in (owners if isinstance(owners, list) else ())
    )


def _owner(obj: Obj, owner: Obj, existing: Lookup) -> Obj | None:
    return existing(kind_key_of(owner), str(dig(obj, "metadata", "namespace", default="")), str(owner.get("name", "")))


def _same_marks(obj: Obj, owner: Obj | None) -> bool:
    return owner is not None and all(dig(obj, *path) == dig(owner, *path) for path in (
        ("metadata", "labels", MANAGED_BY[0]), ("metadata", "annotations", PART), ("metadata", "annotations", REPLACED),
    ))


def _not_created(obj: Obj, part: Part) -> str:
    kind = kind_key_of(obj)
    why = f"gives none the name {name_of(obj)}" if part.makes(kind) else "creates no object of that kind"
    return f"{ref_of(obj)} says that {part.name} of this collection created it, which {why}: it is left alone"


def _not_written(obj: Obj, part: Part, book: Book) -> str:
    named = listed([compact(clipped(item, _MOST_CHARACTERS)) for item in book.strange], _MOST_NAMED)
    return (
        f"The annotation {REPLACED} of {ref_of(obj)} has entries that {part.name} of this collection did not make: {named}. "
        "Nothing is restored for their word."
    )
