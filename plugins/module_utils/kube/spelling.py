# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a manifest says that Kubernetes would not take as it is meant: old versions, slips of spelling, templates. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from ..core.findings import finding
from ..core.model import Finding, ObjectRef
from .fields import Path
from .objects import Obj, kind_key, kind_key_of, ref_of
from .shapes import Shape, UnknownField, field_name
from .snapshot import Unreadable

_OLD_GROUPS = frozenset({"extensions"})
_VERSIONS = {
    "Ingress.networking.k8s.io": "v1", "IngressClass.networking.k8s.io": "v1", "Deployment.apps": "v1", "DaemonSet.apps": "v1",
    "StatefulSet.apps": "v1", "EndpointSlice.discovery.k8s.io": "v1", "MutatingWebhookConfiguration.admissionregistration.k8s.io": "v1",
}
"""Kinds of Kubernetes whose older versions have other fields, and are served no more."""
_VARIABLE = re.compile(r"\$\{[A-Za-z_]+\}")

_FREE = frozenset({"annotations", "data", "args", "command", "env"})


def is_template(text: str) -> bool:
    """Whether a text still has an expression of a template in it (Helm, Jinja, envsubst)."""
    # Not one expression for both: it would look for the end anew from each beginning.
    begun = text.find("{{")
    return (begun >= 0 and text.find("}}", begun + 2) >= 0) or _VARIABLE.search(text) is not None


def unread_kind(obj: Obj, table: Mapping[str, Shape]) -> str:
    """Why an object is passed over that was meant to be read, empty where that is not so."""
    version, kind = str(obj.get("apiVersion", "")), str(obj.get("kind", ""))
    key = kind_key(version, kind)
    group, dot, number = version.rpartition("/")
    if key in table:
        wanted = _VERSIONS.get(key, number)
        return f"{version} is an old version of it, which is not read; there is {group}/{wanted}" if number != wanted else ""
    if group in _OLD_GROUPS:
        today = next((other for other in _VERSIONS if other.partition(".")[0] == kind), "")
        return f"{version} is an old version of it, which is not read; there is {today.partition('.')[2]}/v1" if today else ""
    near = [other for other in table if other.partition(".")[2] == group and _are_alike(kind, other.partition(".")[0])]
    near += [other for other in table if other.partition(".")[0] == kind and group and _are_alike(group, other.partition(".")[2])]
    return f"there is no such kind that is read; {near[0]} is spelt like it" if near else ""


def _are_alike(one: str, other: str) -> bool:
    """Whether two words differ by one letter, by two that changed places, by the plural, or by case."""
    one, other = one.lower(), other.lower()
    if one == other or one in (f"{other}s", f"{other}es") or min(len(one), len(other)) < 4:
        return one == other or one in (f"{other}s", f"{other}es")
    start = next((at for at, (left, right) in enumerate(zip(one, other, strict=False)) if left != right), min(len(one), len(other)))
    rest, other_rest = one[start:], other[start:]
    swapped = rest[:2] == other_rest[1::-1] and rest[2:] == other_rest[2:] and len(rest) > 1
    return rest[1:] == other_rest[1:] or rest[1:] == other_rest or rest == other_rest[1:] or swapped


def unknown_fields(obj: Obj, table: Mapping[str, Shape]) -> list[UnknownField]:
    """The fields of an object that its kind does not have."""
    shape = table.get(kind_key_of(obj))
    return list(shape.unknown(obj, ())) if shape else []


def slip_in(obj: Obj, table: Mapping[str, Shape], unknown: Iterable[UnknownField], place: str) -> Unreadable | None:
    """What keeps an object of a manifest from being what was meant, ``None`` where nothing does."""
    shape, unread = table.get(kind_key_of(obj)), unread_kind(obj, table)
    if unread:
        return Unreadable(ref_of(obj), (unread,), place, shape is not None, "MLB118")
    if shape is None:
        return None
    texts = (field_name(path) for path, text in shape.texts(obj, ()) if not _may_be_any(path) and is_template(text))
    templates = tuple(f"{name} holds a template's expression" for name in texts)
    if templates:
        return Unreadable(ref_of(obj), templates, place, code="MLB117")
    misspelt = tuple(str(item) for item in unknown if item.meant)
    return Unreadable(ref_of(obj), misspelt, place, code="MLB116") if misspelt else None


def about_unknown_fields(ref: ObjectRef, unknown: Iterable[UnknownField], place: str) -> Iterator[Finding]:
    """The findings about them."""
    for item in unknown:
        yield finding("MLB116", f"{place}: {ref}: {item}", ref, details={"place": place, "field": field_name(item.path)})


def _may_be_any(path: Path) -> bool:
    """Whether a text of a field may look like a template and be none."""
    return not _FREE.isdisjoint(path)
