# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arithmetic on nested data: JSON pointers, copies with one field changed, differences, and what covers what.

Nothing here changes its arguments. Copies share what they did not touch.
"""

from __future__ import annotations

import re
from typing import Any

from ..core.model import ABSENT, Change, FieldChange
from ..core.pointers import pointer, steps_of
from .objects import value_at

Path = tuple["str | int", ...]

KEYED_MAPS = (("metadata", "annotations"), ("metadata", "labels"))
"""Maps that many tools share: always changed key by key. The API never keeps an empty one."""


_POSITION = re.compile(r"[0-9]{1,9}")


class NoContainer(ValueError):
    """A path leads through a value that is neither a map nor a list; ``path`` is that value's own."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{pointer(path)} is neither a map nor a list")
        self.path = path


def resolve(obj: Any, text: str) -> Path:
    """The path of a JSON pointer in ``obj``; a number is a position where there is a list, else a key."""
    path: list[str | int] = []
    node = obj
    for part in steps_of(text):
        step = int(part) if isinstance(node, list) and _POSITION.fullmatch(part) else part
        path.append(step)
        node = value_at(node, (step,))
    return tuple(path)


def is_keyed_map(path: Path) -> bool:
    """Whether a path is that of an annotations or a labels map (an object's or a pod template's)."""
    return path[-2:] in KEYED_MAPS


def put(node: Any, path: Path, value: Any) -> Any:
    """A copy of ``node`` with ``value`` at ``path`` (:data:`ABSENT` removes it); maps on the way are made as needed.

    Raises :class:`NoContainer` where the path leads through something else than a map or an existing list position.
    """
    return _put(node, path, value, 0)


def _put(node: Any, path: Path, value: Any, depth: int) -> Any:
    if depth == len(path):
        return value
    step = path[depth]
    if isinstance(node, list) and isinstance(step, int) and 0 <= step < len(node):
        child = _put(node[step], path, value, depth + 1)
        return [*node[:step], *([] if child is ABSENT else [child]), *node[step + 1 :]]
    if node is ABSENT or node is None:
        if value is ABSENT:
            return node
        node = {}
    if not isinstance(node, dict):
        raise NoContainer(path[:depth])
    child = _put(node.get(step, ABSENT), path, value, depth + 1)
    copy = {key: item for key, item in node.items() if key != step or child is not ABSENT}
    if child is not ABSENT:
        copy[step] = child
    return copy


def patched(obj: Any, change: Change) -> Any:
    """A copy of ``obj`` with a patch's fields applied."""
    # Removals come last and from the end, so that list positions named by other fields still hold.
    fields = sorted(change.fields, key=lambda item: item.after is ABSENT)
    for item in fields:
        obj = put(obj, item.path, item.after)
    return obj


def changed(obj: Any, change: Change) -> Any:
    """What a change makes of an object (``None`` where there is none): the created or patched object, or ``None``."""
    if change.action == "create":
        return change.body
    return None if change.action == "delete" or obj is None else patched(obj, change)


def remove(node: Any, path: Path) -> Any:
    """A copy without the value at ``path``; an annotations or labels map that this empties goes too."""
    if value_at(node, path) is ABSENT:
        return node
    copy = put(node, path, ABSENT)
    if is_keyed_map(path[:-1]) and value_at(copy, path[:-1]) == {}:
        return put(copy, path[:-1], ABSENT)
    return copy


def difference(before: Any, after: Any, path: Path = ()) -> tuple[FieldChange, ...]:
    """The changes that make ``before`` into ``after``, each at the topmost place that is new, gone or another.

    Lists of maps of equal length are compared position by position; any other list is one value.
    """
    if before is after or (before is not ABSENT and before == after and type(before) is type(after)):
        return ()
    if isinstance(before, dict) and isinstance(after, dict):
        keys = sorted({*before, *after})
        pairs = [(key, before.get(key, ABSENT), after.get(key, ABSENT)) for key in keys]
        return tuple(item for key, old, new in pairs for item in difference(old, new, (*path, key)))
    if _comparable(before, after):
        found = enumerate(zip(before, after, strict=True))
        return tuple(item for place, (old, new) in found for item in difference(old, new, (*path, place)))
    return (FieldChange(path, before, after),)


def _comparable(one: Any, other: Any) -> bool:
    return (
        isinstance(one, list)
        and isinstance(other, list)
        and len(one) == len(other)
        and all(isinstance(item, dict) for item in (*one, *other))
    )


def covers(live: Any, wanted: Any) -> bool:
    """Whether ``live`` holds all of ``wanted``; further keys in maps (the API server's defaults) do not matter."""
    if isinstance(live, dict) and isinstance(wanted, dict):
        return all(covers(live.get(key, ABSENT), value) for key, value in wanted.items())
    if isinstance(live, list) and isinstance(wanted, list):
        return len(live) == len(wanted) and all(map(covers, live, wanted))
    return live is wanted or (live is not ABSENT and wanted is not ABSENT and bool(live == wanted))


def merge(live: Any, wanted: Any, last: Any) -> Any:
    """A three-way merge: ``live`` with ``wanted`` in place, and without what only ``last`` (our earlier patch) had."""
    if isinstance(live, dict) and isinstance(wanted, dict):
        earlier = last if isinstance(last, dict) else {}
        result = {key: value for key, value in live.items() if key in wanted or key not in earlier}
        for key, value in wanted.items():
            result[key] = merge(live.get(key, ABSENT), value, earlier.get(key, ABSENT))
        return result
    if _comparable(live, wanted):
        earlier_items = last if isinstance(last, list) and len(last) == len(wanted) else [ABSENT] * len(wanted)
        return [merge(*items) for items in zip(live, wanted, earlier_items, strict=True)]
    return wanted


def subtract(live: Any, ours: Any) -> tuple[Any, bool]:
    """Take out of ``live`` what is still as in ``ours``.

    Gives the rest (:data:`ABSENT` when nothing is left) and whether all of ``ours`` and nothing else was there.
    """
    if isinstance(live, dict) and isinstance(ours, dict) and live != ours:
        rest: dict[str, Any] = {}
        clean = all(key in live for key in ours)
        for key, value in live.items():
            left, fine = subtract(value, ours[key]) if key in ours else (value, False)
            clean = clean and fine
            if left is not ABSENT:
                rest[key] = left
        return (rest or ABSENT), clean
    return (ABSENT, True) if covers(live, ours) and covers(ours, live) else (live, False)
