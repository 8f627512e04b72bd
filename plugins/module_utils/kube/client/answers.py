# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an API server answers, checked before it is believed. Pure: parsed JSON in, values out, :class:`NoAnswer` for all else.

An answer that is no list of the kind that was asked for is never taken for an empty list.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from ..objects import Obj, dig, kind_key

T = TypeVar("T")
GROUPS_AND_KINDS = "APIGroupDiscoveryList"


class NoAnswer(ValueError):
    """An answer of another shape than was asked for; the text says what it is, to be put after "it answers with"."""


@dataclass(frozen=True)
class ApiKind:
    """Where the API serves a kind: ``api_version`` is the server's preferred one that has it."""

    key: str
    kind: str
    api_version: str
    plural: str
    namespaced: bool
    verbs: frozenset[str] = frozenset()

    def path(self, api_version: str = "", namespace: str = "", name: str = "") -> str:
        """The URL path of the collection, or of one object in it."""
        version = api_version or self.api_version
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        middle = f"/namespaces/{quote(namespace)}" if namespace and self.namespaced else ""
        return f"{root}{middle}/{self.plural}" + (f"/{quote(name, safe=':')}" if name else "")


def described(answer: Any) -> str:
    """What an answer is, in a few words."""
    if isinstance(answer, dict):
        kind = answer.get("kind")
        return f"an object of kind {kind}" if isinstance(kind, str) and kind else "an object that says no kind"
    words = {type(None): "null", list: "a bare list", str: "a text", bool: "true or false", int: "a number", float: "a number"}
    return words.get(type(answer), "something else")


def page_of(answer: Any, kind: ApiKind) -> tuple[list[Obj], str]:
    """The objects of one page of a list, completed with what they are, and the token of the next page (empty: there is none)."""
    items = _items_of(answer, kind)
    version = str(answer.get("apiVersion") or kind.api_version)
    found = []
    for position, item in enumerate(items):
        if not isinstance(dig(item, "metadata"), dict):
            raise NoAnswer(f"a list whose items[{position}] is no object: {described(item)}")
        found.append(complete(item, version, kind.kind))
    token = dig(answer, "metadata", "continue", default="")
    if not isinstance(token, str):
        raise NoAnswer("a list whose metadata.continue is no text")
    return found, token


def _items_of(answer: Any, kind: ApiKind) -> list[Any]:
    said = answer.get("kind") if isinstance(answer, dict) else None
    if not isinstance(said, str) or not said.endswith("List"):
        raise NoAnswer(f"{described(answer)}, which is no list")
    group, own = kind.api_version.rpartition("/")[0], str(answer.get("apiVersion") or kind.api_version).rpartition("/")[0]
    if said not in ("List", f"{kind.kind}List") and own != group:
        raise NoAnswer(f"kind {said} of {own or 'the core group'}")
    items = answer.get("items")
    if not isinstance(items, list):
        raise NoAnswer(f"kind {said} without a list of items")
    return items


def complete(item: Obj, api_version: str, kind: str) -> Obj:
    """Items of a list do not say what they are; who manages which field is long, and read by nobody here."""
    metadata = {key: value for key, value in (item.get("metadata") or {}).items() if key != "managedFields"}
    return {**item, "apiVersion": item.get("apiVersion") or api_version, "kind": item.get("kind") or kind, "metadata": metadata}


def aggregated_kinds(answer: Obj) -> list[ApiKind]:
    """The kinds of an APIGroupDiscoveryList, in the server's order of preference."""
    found = []
    for group in _field(answer, "items", list):
        name = dig(group, "metadata", "name", default="")
        if not isinstance(name, str):
            raise NoAnswer("a group whose name is no text")
        for version in _field(group, "versions", list):
            number = _field(version, "version", str)
            api_version = f"{name}/{number}" if name else number
            for resource in _field(version, "resources", list) if version.get("resources") is not None else ():
                plural, kind = _field(resource, "resource", str), dig(resource, "responseKind", "kind", default="")
                if kind:
                    found.append(_kind(kind, api_version, plural, resource.get("scope") == "Namespaced", resource.get("verbs")))
    return found


def plain_kinds(answer: Any) -> list[ApiKind]:
    """The kinds of an APIResourceList."""
    version = _field(answer, "groupVersion", str)
    return [
        _kind(_field(item, "kind", str), version, item["name"], bool(item.get("namespaced")), item.get("verbs"))
        for item in _field(answer, "resources", list) if "/" not in _field(item, "name", str)
    ]


def versions_of_groups(answer: Any, groups: Iterable[str] | None) -> list[str]:
    """The versions (``group/version``) of an APIGroupList, preferred ones first; ``groups`` limits it to these."""
    wanted = None if groups is None else set(groups)
    found: list[str] = []
    for group in _field(answer, "groups", list):
        if wanted is not None and _field(group, "name", str) not in wanted:
            continue
        preferred = dig(group, "preferredVersion", "groupVersion")
        versions = [_field(item, "groupVersion", str) for item in _field(group, "versions", list)]
        found += sorted(versions, key=lambda item: item != preferred)
    return found


def _kind(kind: Any, api_version: str, plural: str, namespaced: bool, verbs: Any) -> ApiKind:
    if not isinstance(kind, str) or not (verbs is None or isinstance(verbs, list)):
        raise NoAnswer(f"kinds of {api_version} of which one has no name, or no verbs")
    return ApiKind(kind_key(api_version, kind), kind, api_version, plural, namespaced, frozenset(map(str, verbs or ())))


def _field(obj: Any, name: str, sort: type[T]) -> T:
    found = obj.get(name) if isinstance(obj, dict) else None
    if not isinstance(found, sort):
        raise NoAnswer(f"{described(obj)} without {name}")
    return found
