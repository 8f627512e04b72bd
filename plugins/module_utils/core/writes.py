# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a part of the collection may write: kinds, fields and names, declared where the writing is decided.

Three things come from one declaration: which bookkeeping on an object counts, which objects may be deleted, and the rights in docs/rbac.
Whoever may edit an object may also edit the bookkeeping on it, so nothing is restored or deleted for the bookkeeping's word alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from .marks import OWN_PREFIX
from .pointers import Steps, pointer, steps_of
from .values import ABSENT

Fits = Callable[[Any, Any], bool]
"""Whether a value may be the one that was there before, given the one that was set. Both are JSON values."""
Named = Callable[[Mapping[str, Any]], bool]
"""Whether a part would give an object with this content the name that it has."""
Place = Literal["load_balancer", "routes", "gateway", "exemption"]
"""Whose namespace is written in: the load balancer's, that of routes and backends, the gateway's, or a backend's (``strict_exemption``)."""

_OPEN_METADATA = ("annotations", "labels")
_CLOSED = frozenset({"apiVersion", "kind", "metadata", "status"})
"""An object's identity, and what is its owner's or the API server's; of the metadata, annotations and labels may be declared."""


def alike(value: Any, was: Any) -> bool:
    """What is right for a field that nobody describes further: a word, a number or a truth value, and never a structure."""
    return not was or not isinstance(was, (dict, list))


def none_before(value: Any, was: Any) -> bool:
    """What is right for a field that is only set where there was none."""
    return False


@dataclass(frozen=True)
class Field:
    """A field that is set on objects of others, by a JSON pointer in which ``*`` is any text within one step.

    Raises :class:`ValueError` for a place where nobody but the object's owner and the API server have anything to set.
    """

    pointer: str
    fits: Fits = alike

    def __post_init__(self) -> None:
        in_metadata = len(self.steps) == 3 and self.steps[0] == "metadata" and self.steps[1] in _OPEN_METADATA
        if not self.steps or (self.steps[0] in _CLOSED and not (in_metadata and not self.steps[2].startswith(OWN_PREFIX))):
            raise ValueError(f"{self.pointer} is no field that may be declared")

    @cached_property
    def steps(self) -> Steps:
        return steps_of(self.pointer)

    def leads_to(self, steps: Steps) -> bool:
        """Whether a path is this field's, or that of something that holds it."""
        return len(steps) <= len(self.steps) and all(map(_matches, self.steps, steps))

    def is_at(self, steps: Steps) -> bool:
        return len(steps) == len(self.steps) and self.leads_to(steps)


def _matches(pattern: str, step: str) -> bool:
    start, star, end = pattern.partition("*")
    if not star:
        return pattern == step
    return len(step) >= len(start) + len(end) and step.startswith(start) and step.endswith(end)


def annotation(key: str, fits: Fits = alike) -> Field:
    """An annotation of an object; ``*`` in the key is any text, for keys whose prefix is an option of the load balancer."""
    return Field(pointer(("metadata", "annotations", key)), fits)


@dataclass(frozen=True)
class Write:
    """What is written of one kind: fields of others' objects, objects of our own (where ``named`` is given), or both.

    ``why`` is for the table in docs/rbac.md: a phrase without an end.
    """

    kind: str
    fields: tuple[Field, ...] = ()
    named: Named | None = None
    place: Place = "routes"
    why: str = ""

    @property
    def verbs(self) -> tuple[str, ...]:
        """The verbs that this needs. ``get`` reads again what was changed meanwhile."""
        return ("get", "create", "patch", "delete") if self.named is not None else ("get", "patch")


@dataclass(frozen=True)
class Part:
    """One part of the collection by its name (see :mod:`core.marks`), and all that it may write."""

    name: str
    writes: tuple[Write, ...] = ()
    _by_kind: dict[str, list[Write]] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        for item in self.writes:
            self._by_kind.setdefault(item.kind, []).append(item)

    def fields_of(self, kind: str) -> Iterator[Field]:
        """The fields that it sets on objects of a kind."""
        for item in self._by_kind.get(kind, ()):
            yield from item.fields

    def sets(self, kind: str, path: Iterable[object]) -> bool:
        """Whether it sets this field of a kind."""
        steps = tuple(map(str, path))
        return any(item.is_at(steps) for item in self.fields_of(kind))

    def makes(self, kind: str) -> bool:
        """Whether it makes objects of a kind."""
        return any(item.named is not None for item in self._by_kind.get(kind, ()))

    def would_name(self, kind: str, obj: Mapping[str, Any]) -> bool:
        """Whether it, or an earlier release of it, would give an object like this the name that it has."""
        return any(item.named is not None and item.named(obj) for item in self._by_kind.get(kind, ()))

    def may_restore(self, kind: str, pointer: str, value: Any, was: Any) -> bool:
        """Whether it can have set a field to ``value`` where ``was`` was before (either may be :data:`core.values.ABSENT`)."""
        steps = steps_of(pointer)
        declared = [item for item in self.fields_of(kind) if pointer.startswith("/") and item.leads_to(steps)]
        if any(item.is_at(steps) and (was is ABSENT or item.fits(value, was)) for item in declared):
            return True
        # A map that was not there before holds the field, and nothing that was not declared.
        return was in (ABSENT, None) and isinstance(value, dict) and _only_declared(declared, steps, value)


def _only_declared(declared: list[Field], steps: Steps, value: Any) -> bool:
    if any(item.is_at(steps) for item in declared):
        return True
    below = [item for item in declared if item.leads_to(steps)]
    if not below or not isinstance(value, dict) or not value:
        return False
    return all(_only_declared(below, (*steps, str(key)), item) for key, item in value.items())
