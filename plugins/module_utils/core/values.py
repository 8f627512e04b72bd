# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The smallest values: an object's name, a finding, a field that changes, a write. ``core.model.py`` gives them on.

Everything here is a frozen dataclass without behaviour that could touch a network, a clock or Ansible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .printable import one_line

Severity = Literal["error", "warning", "info"]
Action = Literal["patch", "create", "delete"]


class Absent:
    """The value of a field that is not there. ``None`` and the empty string are values; this is neither."""

    _instance: Absent | None = None

    def __new__(cls) -> Absent:
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __repr__(self) -> str:
        return "ABSENT"

    def __bool__(self) -> bool:
        return False


ABSENT = Absent()


@dataclass(frozen=True, order=True)
class ObjectRef:
    """Names one Kubernetes object; ``namespace`` is empty for a cluster-scoped one."""

    api_version: str
    kind: str
    namespace: str
    name: str

    @property
    def group(self) -> str:
        """API group, empty for the core group."""
        return self.api_version.rpartition("/")[0]

    def to_result(self) -> dict[str, str]:
        return {
            "api_version": self.api_version,
            "kind": self.kind,
            "namespace": self.namespace,
            "name": self.name,
        }

    def __str__(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {where}{self.name}"


class Details(tuple[tuple[str, Any], ...]):
    """Facts by name, as sorted pairs so that they can be hashed; results show them as a dict."""

    __slots__ = ()

    def to_result(self) -> dict[str, Any]:
        return {key: _shown(value) for key, value in self}


def details_of(facts: Mapping[Any, Any]) -> Details:
    """The details that hold these facts; one that is :data:`ABSENT` is left out."""
    pairs = ((str(key), _hashable(value)) for key, value in facts.items() if value is not ABSENT)
    return Details(sorted(pairs, key=lambda pair: pair[0]))


def _hashable(value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float)) or hasattr(value, "to_result"):
        return value
    if isinstance(value, Mapping):
        return details_of(value)
    return tuple(map(_hashable, value)) if isinstance(value, (list, tuple)) else str(value)


def _shown(value: Any) -> Any:
    if hasattr(value, "to_result"):
        return value.to_result()
    return [_shown(item) for item in value] if isinstance(value, tuple) else value


@dataclass(frozen=True)
class Finding:
    """A coded remark; ``code`` is a key of :data:`core.findings.FINDINGS`, which holds severity, remedy and page.

    ``object`` is what the remark is about, ``cause`` the object that is the reason, where that is another one.
    Findings of one code that say the same about one object are equal, whatever cause, remedy and details they have.
    """

    code: str
    severity: Severity
    message: str
    object: ObjectRef | None = None
    url: str = ""
    cause: ObjectRef | None = field(default=None, compare=False)
    remedy: str = field(default="", compare=False)
    details: Details = field(default=Details(), compare=False)

    def to_result(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "severity": self.severity,
            "object": self.object.to_result() if self.object else {},
            "message": one_line(self.message),
            "url": self.url,
            "cause": self.cause.to_result() if self.cause else {},
            "remedy": self.remedy,
            "details": self.details.to_result(),
        }


@dataclass(frozen=True)
class FieldChange:
    """One field of an object. ``path`` holds map keys (str) and list positions (int); values may be :data:`ABSENT`."""

    path: tuple[str | int, ...]
    before: Any
    after: Any


@dataclass(frozen=True)
class Change:
    """One write. A patch has ``fields``; a create has ``body``; a delete has ``body`` as it was read.

    ``phase`` orders the writes: lower first when applying (mesh objects before the load balancer is switched to them),
    higher first when taking back. ``unit`` names what is written as a whole or not at all, and ``waits_for`` the units without which a
    change must not be made; the empty name is that of everything that belongs to no unit of its own.
    """

    object: ObjectRef
    action: Action
    why: str
    fields: tuple[FieldChange, ...] = ()
    body: dict[str, Any] | None = None
    phase: int = 0
    resource_version: str = ""
    unit: str = ""
    waits_for: frozenset[str] = frozenset()

    @property
    def sort_key(self) -> tuple[Any, ...]:
        return (self.phase, self.object)

    def to_result(self) -> dict[str, Any]:
        before, after = change_sides(self)
        return {
            "object": self.object.to_result(),
            "action": self.action,
            "before": before,
            "after": after,
            "why": self.why,
        }


def change_sides(change: Change) -> tuple[Any, Any]:
    """Return ``(before, after)`` of a change as nested data; in a patch ``None`` stands for a field that is not there."""
    if change.action == "create":
        return None, change.body
    if change.action == "delete":
        return change.body, None
    return _nested(change.fields, "before"), _nested(change.fields, "after")


def _nested(fields: tuple[FieldChange, ...], side: str) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for item in fields:
        node = tree
        for key in item.path[:-1]:
            node = node.setdefault(str(key), {})
        value = getattr(item, side)
        node[str(item.path[-1])] = None if value is ABSENT else value
    return tree


@dataclass(frozen=True)
class Proof:
    """One measured fact: by which method, from which proxy, and what it says."""

    method: Literal["configuration", "traffic"]
    source: str
    fact: str

    def to_result(self) -> dict[str, str]:
        return {"method": self.method, "source": self.source, "fact": self.fact}
