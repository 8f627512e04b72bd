# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selectors in their three forms: a map (a Service's), a LabelSelector object, and text (an option, or a program's flag).

A map is matched as it is (:func:`selects`); the others are parsed once and matched many times. Source: kubernetes/apimachinery
pkg/labels/selector.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..core.errors import MeshlbError

_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_GRAMMAR = "Use key=value, key==value, key!=value, key in (a,b), key notin (a,b), key and !key, separated by commas."

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Requirement:
    """What one label has to be; ``operator`` is that of a LabelSelector's matchExpressions, an unknown one matches nothing."""

    key: str
    operator: str
    values: tuple[Any, ...] = ()

    def matches(self, labels: Labels) -> bool:
        if self.operator in ("In", "NotIn"):
            return (labels.get(self.key) in self.values) is (self.operator == "In")
        return self.operator in ("Exists", "DoesNotExist") and (self.key in labels) is (self.operator == "Exists")


@dataclass(frozen=True)
class Selector:
    """Requirements that all have to hold; without any it matches everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Labels) -> bool:
        return all(item.matches(labels) for item in self.requirements)


_NOTHING = Selector((Requirement("", "In"),))


def selects(selector: Labels | None, labels: Labels) -> bool:
    """Whether a map selector matches; an absent or empty one matches nothing (as a Service's does)."""
    return bool(selector) and all(labels.get(key) == value for key, value in (selector or {}).items())


def object_selector(selector: Mapping[str, Any] | None) -> Selector:
    """A LabelSelector (matchLabels, matchExpressions); an empty one matches everything, ``None`` nothing."""
    if selector is None:
        return _NOTHING
    equal = [Requirement(key, "In", (value,)) for key, value in (selector.get("matchLabels") or {}).items()]
    expressions = [
        Requirement(item.get("key", ""), item.get("operator", ""), tuple(item.get("values") or ()))
        for item in selector.get("matchExpressions") or []
    ]
    return Selector((*equal, *expressions))


def text_selector(text: str, option: str) -> Selector:
    """A selector as kubectl takes it; an empty one matches everything.

    Raises :class:`MeshlbError`, which names the user's ``option``, for a part that is no requirement of a label.
    """
    parts = _parts(text)
    for part, requirement in parts:
        if trouble := next(_trouble(requirement), ""):
            raise MeshlbError(f"{option} has {part!r}, which is not a label requirement: {trouble}.", _GRAMMAR)
    return Selector(tuple(requirement for dummy, requirement in parts))


def vendor_selector(text: str) -> Selector:
    """A selector that a load balancer was given: what it would not take itself is read as well as can be."""
    return Selector(tuple(requirement for dummy, requirement in _parts(text)))


@lru_cache(maxsize=256)
def _parts(text: str) -> tuple[tuple[str, Requirement], ...]:
    """The requirements of a text, each with the part that it was read from."""
    parts = (item.strip() for item in re.split(r",(?![^(]*\))", text))
    return tuple((part, _requirement(part)) for part in parts if part)


def _requirement(text: str) -> Requirement:
    if found := re.fullmatch(r"(\S+)\s+(in|notin)\s*\((.*)\)", text):
        values = tuple(item.strip() for item in found[3].split(",")) if found[3].strip() else ()
        return Requirement(found[1], "In" if found[2] == "in" else "NotIn", values)
    if found := re.fullmatch(r"([^\s=!]+)\s*(==?|!=)\s*(\S*)", text):
        return Requirement(found[1], "NotIn" if found[2] == "!=" else "In", (found[3],))
    return Requirement(text[1:].strip(), "DoesNotExist") if text.startswith("!") else Requirement(text, "Exists")


def _trouble(item: Requirement) -> Iterator[str]:
    """What keeps a requirement that was read from text from being one."""
    if not _KEY.fullmatch(item.key):
        yield f"{item.key!r} cannot be a label's key"
    if item.operator in ("In", "NotIn") and not item.values:
        yield "it lists no values"
    yield from (f"{value!r} cannot be a label's value" for value in item.values if not _VALUE.fullmatch(value))
