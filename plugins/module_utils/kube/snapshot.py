# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshot: everything that was read, once, with indexes that are built when first asked for.

A snapshot is not changed after it was filled. :meth:`Snapshot.overlay` gives a view in which some objects are replaced,
added or gone; it costs as much as what changes, which is what lets the planner try out strategies by the dozen.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from ..core.model import Change, Finding, ObjectRef
from .fields import changed
from .objects import Identity, Obj, identity_of, kind_key_of, name_of, namespace_of

T = TypeVar("T")
Key = tuple[str, str]
Indexer = Callable[[Obj], Iterable[Any]]


@dataclass(frozen=True)
class Unreadable:
    """An object that could not be read as a whole: what is wrong with it, and where it is written, both for people.

    ``counts``: it is of a kind that conclusions are drawn from. ``code`` is that of the finding about it.
    """

    ref: ObjectRef
    faults: tuple[str, ...]
    place: str = ""
    counts: bool = True
    code: str = "MLB114"


@dataclass(frozen=True)
class Source:
    """Where the objects come from. ``live`` is false for a folder of manifests.

    ``available`` holds the kind keys that the API serves (empty for manifests: every kind counts as available). ``denied`` are
    those that may not be read, and ``gone`` those that should be served and are not, each with a sentence. ``closed`` are the
    namespaces whose ConfigMaps may not be read. ``unreadable`` are single objects that could not be read as a whole: what the snapshot
    has of them may be relied on, but is not all. ``remarks`` are findings of the reading.
    """

    live: bool = True
    server: str = ""
    version: str = ""
    available: frozenset[str] = frozenset()
    denied: dict[str, str] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)
    closed: frozenset[str] = frozenset()
    unreadable: dict[Identity, Unreadable] = field(default_factory=dict)
    remarks: list[Finding] = field(default_factory=list)

    @property
    def unknown(self) -> dict[str, str]:
        """Kinds of which nobody knows whether there are any objects, each with a sentence."""
        return {**self.gone, **self.denied}


class Snapshot:
    """Objects by kind key (see :func:`objects.kind_key`) and by (namespace, name)."""

    def __init__(self, objects: Iterable[Obj] = (), source: Source | None = None) -> None:
        self.source = source or Source()
        self._kinds: dict[str, dict[Key, Obj]] = {}
        self._indexes: dict[tuple[str, Indexer], dict[Any, list[Obj]]] = {}
        self._memo: dict[Hashable, Any] = {}
        for obj in objects:
            kind = kind_key_of(obj)
            self._kinds.setdefault(kind, {})[(namespace_of(obj), name_of(obj))] = obj

    def all(self, kind: str) -> list[Obj]:
        """All objects of a kind, in the order in which they were read."""
        return list(self._kinds.get(kind, {}).values())

    def get(self, kind: str, namespace: str, name: str) -> Obj | None:
        """One object, or ``None``."""
        return self._kinds.get(kind, {}).get((namespace, name))

    def at(self, ref: ObjectRef | None) -> Obj | None:
        """The object that a reference names, or ``None``."""
        return self.get(*identity_of(ref)) if ref else None

    def count(self, kind: str) -> int:
        return len(self._kinds.get(kind, {}))

    def kinds(self) -> list[str]:
        return sorted(self._kinds)

    def everything(self) -> Iterator[Obj]:
        """All objects, kind by kind."""
        return (obj for kind in self.kinds() for obj in self.all(kind))

    def lookup(self, kind: str, indexer: Indexer, key: Any) -> list[Obj]:
        """Objects for which ``key`` is among the keys that ``indexer`` (a module-level function) gives."""
        index = self._indexes.get((kind, indexer))
        if index is None:
            index = {}
            for obj in self._kinds.get(kind, {}).values():
                for item in indexer(obj):
                    index.setdefault(item, []).append(obj)
            self._indexes[(kind, indexer)] = index
        return index.get(key, [])

    def each(self, kind: str, indexer: Indexer, key: Any) -> Iterator[Obj]:
        """What :meth:`lookup` gives, one by one: for asking whether there is any among very many."""
        return iter(self.lookup(kind, indexer, key))

    def cached(self, key: Hashable, compute: Callable[[Snapshot], T], kinds: tuple[str, ...]) -> T:
        """Compute something once per snapshot; ``kinds`` are those that it depends on, so that a view can share it."""
        if key not in self._memo:
            self._memo[key] = compute(self)
        found: T = self._memo[key]
        return found

    def serves(self, kind: str) -> bool:
        """Whether the API has this kind at all."""
        return not self.source.live or kind in self.source.available

    def readable(self, kind: str) -> bool:
        """Whether objects of this kind could be read; an absent kind that nobody misses is readable (there are none)."""
        return kind not in self.source.denied and kind not in self.source.gone

    def overlay(self, put: Iterable[Obj] = (), gone: Iterable[tuple[str, str, str]] = ()) -> Snapshot:
        """A view with some objects put in place (by kind, namespace, name) and others gone (kind key, namespace, name)."""
        return _Overlay(self, put, gone)

    def doubting(self, more: Iterable[Unreadable]) -> Snapshot:
        """A view in which these objects count as unreadable as well."""
        found = {identity_of(item.ref): item for item in more}
        if found.keys() <= self.source.unreadable.keys():
            return self
        view = self.overlay()
        view.source = replace(self.source, unreadable={**found, **self.source.unreadable})
        return view

    def after(self, changes: Iterable[Change]) -> Snapshot:
        """A view in which the changes are made."""
        present: dict[Identity, Obj | None] = {}
        for change in changes:
            key = identity_of(change.object)
            present[key] = changed(present[key] if key in present else self.get(*key), change)
        gone = [key for key, obj in present.items() if obj is None]
        return self.overlay((obj for obj in present.values() if obj is not None), gone)

    def changed_since(self, base: Snapshot) -> frozenset[Identity]:
        """The objects in which this view on ``base`` (or ``base`` itself) differs from it."""
        return frozenset()


class _Overlay(Snapshot):
    """A view on another snapshot; overlays of overlays work but cost a step each."""

    def __init__(self, base: Snapshot, put: Iterable[Obj], gone: Iterable[tuple[str, str, str]]) -> None:
        super().__init__(put, base.source)
        self._base = base
        self._gone: dict[str, set[Key]] = {}
        for kind, namespace, name in gone:
            self._gone.setdefault(kind, set()).add((namespace, name))
        self._changed = frozenset({*self._kinds, *self._gone})

    def changed_since(self, base: Snapshot) -> frozenset[Identity]:
        if base is self:
            return frozenset()
        own = {(kind, *key) for found in (self._kinds, self._gone) for kind, keys in found.items() for key in keys}
        return self._base.changed_since(base) | own

    def _hides(self, kind: str, obj: Obj) -> bool:
        key = (namespace_of(obj), name_of(obj))
        return key in self._kinds.get(kind, {}) or key in self._gone.get(kind, set())

    def _visible(self, kind: str, objects: Iterable[Obj]) -> Iterator[Obj]:
        if kind not in self._changed:
            return iter(objects)
        return (obj for obj in objects if not self._hides(kind, obj))

    def all(self, kind: str) -> list[Obj]:
        return [*self._visible(kind, self._base.all(kind)), *super().all(kind)]

    def get(self, kind: str, namespace: str, name: str) -> Obj | None:
        own = super().get(kind, namespace, name)
        if own is not None or (namespace, name) in self._gone.get(kind, set()):
            return own
        return self._base.get(kind, namespace, name)

    def count(self, kind: str) -> int:
        return len(self.all(kind))

    def cached(self, key: Hashable, compute: Callable[[Snapshot], T], kinds: tuple[str, ...]) -> T:
        if not self._changed.isdisjoint(kinds):
            return super().cached(key, compute, kinds)
        return self._base.cached(key, compute, kinds)

    def kinds(self) -> list[str]:
        return sorted({*super().kinds(), *self._base.kinds()})

    def each(self, kind: str, indexer: Indexer, key: Any) -> Iterator[Obj]:
        yield from self._visible(kind, self._base.each(kind, indexer, key))
        yield from super().lookup(kind, indexer, key)

    def lookup(self, kind: str, indexer: Indexer, key: Any) -> list[Obj]:
        found = self._base.lookup(kind, indexer, key)
        if kind not in self._changed:
            return found
        return [*self._visible(kind, found), *super().lookup(kind, indexer, key)]
