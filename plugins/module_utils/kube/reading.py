# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door through which every object comes in: what does not have the types of its kind is noted, and stays as far as it can be read.

After it, code may rely on the types of the fields in its kind's table. An object with a fault stays in the snapshot without the fields
that are wrong, and is listed in ``Source.unreadable``: what depends on it is not known, and nothing is written on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ..core.findings import finding
from ..core.guard import NotUnderstood, why
from ..core.model import Finding, ObjectRef
from ..core.printable import listed
from .objects import Obj, dig, identity_of, kind_key_of, ref_of
from .shapes import Fault, Shape
from .snapshot import Source, Unreadable
from .tables import ANY_OBJECT, TABLE

_SHOWN = 5
_LONGEST_NAME = 253


def readable_objects(objects: Iterable[Obj], source: Source, table: Mapping[str, Shape] = TABLE) -> list[Obj]:
    """The objects as they may be relied on; those with faults are noted in ``source``."""
    found = (readable_object(obj, source, table) for obj in objects)
    return [obj for obj in found if obj is not None]


def readable_object(obj: Obj, source: Source, table: Mapping[str, Shape] = TABLE, place: str = "") -> Obj | None:
    """One object, ``None`` where not even its name can be read. ``place`` says where it is written, for people."""
    kind = kind_key_of(obj)
    shape = table.get(kind, ANY_OBJECT)
    metadata = obj.get("metadata")
    if shape.fits(obj) and isinstance(metadata, dict) and is_name(metadata.get("name")) and is_name(metadata.get("namespace") or "default"):
        return obj
    faults: list[Fault] = []
    mended: Obj = shape.mend(obj, (), faults)
    name, namespace = dig(mended, "metadata", "name", default=""), dig(mended, "metadata", "namespace", default="")
    known = {item.path[:2] for item in faults}
    if not is_name(name) and not known & {("metadata",), ("metadata", "name")}:
        faults.append(Fault(("metadata", "name"), name or None, "a name without slashes and control characters"))
    if namespace and not is_name(namespace):
        faults.append(Fault(("metadata", "namespace"), namespace, "a name without slashes and control characters"))
        name = ""
    if faults:
        ref = _ref(obj, mended)
        source.unreadable.setdefault(identity_of(ref), Unreadable(ref, tuple(map(str, faults)), place, kind in table))
    return mended if is_name(name) else None


def about_unreadable(source: Source) -> Iterator[Finding]:
    """The findings about objects that could not be read as a whole."""
    yield from map(about_object, source.unreadable.values())


def about_object(item: Unreadable) -> Finding:
    """The finding about one of them."""
    where = f"{item.place}: " if item.place else ""
    sentence = listed(item.faults, _SHOWN, "; ")
    details = {"faults": item.faults[:_SHOWN], **({"place": item.place} if item.place else {})}
    return finding(item.code, f"{where}{_named(item.ref)}: {sentence}", item.ref, details=details)


def not_understood(obj: Obj, error: Exception) -> Unreadable:
    """An object whose content caused an error."""
    return Unreadable(ref_of(obj), (why(error),), code=error.code if isinstance(error, NotUnderstood) else "MLB115")


def misread_map(obj: Obj, faults: Iterable[str]) -> Unreadable:
    """A ConfigMap with settings that could not be read as a whole."""
    return Unreadable(ref_of(obj), tuple(faults), code="MLB122")


def _named(ref: ObjectRef) -> str:
    return str(ref) if ref.name else f"a {ref.kind} without a readable name" + (f" in namespace {ref.namespace}" if ref.namespace else "")


def is_name(name: object) -> bool:
    """Whether a name can be that of an object, and so part of a path and of a file's name."""
    return (
        isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME and name not in (".", "..") and name.isprintable()
        and not any(sign in name for sign in "/%\\ ")
    )


def _ref(obj: Obj, mended: Obj) -> ObjectRef:
    namespace, name = dig(mended, "metadata", "namespace", default=""), dig(mended, "metadata", "name", default="")
    return ObjectRef(str(obj.get("apiVersion", "")), str(obj.get("kind", "")), namespace, name)
