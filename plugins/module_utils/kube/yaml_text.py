# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML that somebody else wrote, read as Kubernetes reads it, within bounds.

Values are built from the parser's events without recursion. A map must not have one key twice, and an alias must not be inside of what it
repeats. What is nested too deeply, or would unfold to too much, is :data:`shapes.UNREADABLE`: a field that nobody reads may be anything.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .shapes import DEEPEST, MOST_DIGITS, UNREADABLE, described

MOST_COPIES = 100_000
"""Values that the aliases in one value may add to it."""
MOST_OPEN = 1000
"""Levels of nesting after which nothing more is read: finding where they end costs the parser their square."""
LONGEST_MAP = 256 * 1024
"""Characters of settings that an object holds as one text."""


class YamlProblem(ValueError):
    """Text that is no YAML, or not such as Kubernetes takes; ``line`` counts from 1, ``document`` likewise."""

    def __init__(self, problem: str, line: int, document: int) -> None:
        super().__init__(f"line {line}: {problem}")
        self.problem, self.line, self.document = problem, line, document


@dataclass
class _Open:
    """A list or map that is being built; of a map, ``key`` is what waits for its value. ``copies`` counts what aliases add."""

    value: Any
    anchor: str | None
    key: Any = None
    waiting: bool = False
    depth: int = 0
    copies: int = 0
    size: int = 1
    merged: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class _Seen:
    """What an anchor names, with how deep it is and how much is in it."""

    value: Any
    depth: int = 0
    size: int = 1


def yaml_documents(text: str) -> Iterator[tuple[int, Any]]:
    """Every document with the line where it begins. Raises :class:`YamlProblem`, and ``ImportError`` without PyYAML."""
    # Imported here: hosts that only ever import this file (documentation builds, sanity checks) need no PyYAML.
    import yaml

    number, loader = 1, None
    try:
        loader = _loader_class()(text)
        while loader.check_event():
            event = loader.get_event()
            if isinstance(event, yaml.DocumentStartEvent):
                # The line of the content, not that of the marker before it.
                line = loader.peek_event().start_mark.line + 1
                yield line, _Builder(loader, yaml).document(number)
                number += 1
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise YamlProblem(str(problem), mark.line + 1 if mark else 1, number) from error
    finally:
        if loader is not None:
            loader.dispose()


def yaml_map(text: str) -> dict[str, Any]:
    """The map that a text is as a whole, empty where it says nothing. Raises :class:`YamlProblem` for anything else."""
    if len(text) > LONGEST_MAP:
        raise YamlProblem(f"it has more than {LONGEST_MAP // 1024} Ki characters", 1, 1)
    found = [(line, content) for line, content in yaml_documents(text) if content is not None]
    if len(found) > 1:
        raise YamlProblem("a second document begins, where one map is expected", found[1][0], 2)
    for line, content in found:
        if not isinstance(content, dict):
            raise YamlProblem(f"there is {described(content)}, where a map is expected", line, 1)
        return content
    return {}


@functools.cache
def _loader_class() -> Any:
    """A safe loader that reads scalars as Kubernetes does: neither timestamps nor ``=`` mean anything special."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    special = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value")
    resolvers = {
        first: [(tag, expression) for tag, expression in found if tag not in special]
        for first, found in base.yaml_implicit_resolvers.items()
    }
    return type("KubernetesLoader", (base,), {"yaml_implicit_resolvers": resolvers})


class _Builder:
    """Builds one document out of a loader's events."""

    def __init__(self, loader: Any, yaml: Any) -> None:
        self._loader = loader
        self._yaml = yaml
        self._open: list[_Open] = []
        self._known: dict[str, _Seen | None] = {}
        self._result: Any = None
        self._document = 1

    def document(self, number: int) -> Any:
        """The document's value."""
        self._document = number
        while True:
            event = self._loader.get_event()
            if isinstance(event, self._yaml.DocumentEndEvent):
                return self._result
            self._take(event)

    def _take(self, event: Any) -> None:
        yaml = self._yaml
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
            self._remember(event.anchor, _Seen(value))
            self._put(event, _Seen(value))
        elif isinstance(event, yaml.AliasEvent):
            self._put(event, self._alias(event), is_copy=True)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            is_map = isinstance(event, yaml.MappingStartEvent)
            usual = "tag:yaml.org,2002:map" if is_map else "tag:yaml.org,2002:seq"
            if event.tag not in (None, "!", usual):
                raise self._problem(event, f"the tag {event.tag} is none that Kubernetes knows")
            if len(self._open) >= MOST_OPEN:
                raise self._problem(event, f"there are more than {MOST_OPEN} levels of nesting")
            self._remember(event.anchor, None)
            self._open.append(_Open({} if is_map else [], event.anchor))
        else:
            self._close(event)

    def _close(self, event: Any) -> None:
        closed = self._open.pop()
        for other in closed.merged:
            for key, value in other.items() if isinstance(other, dict) else ():
                closed.value.setdefault(key, value)
        known = _Seen(closed.value, closed.depth + 1, closed.size)
        if known.depth > DEEPEST or closed.copies > MOST_COPIES:
            known = _Seen(UNREADABLE)
            closed.copies = 0
        self._remember(closed.anchor, known)
        self._put(event, known, copies=closed.copies)

    def _alias(self, event: Any) -> _Seen:
        if event.anchor not in self._known:
            raise self._problem(event, f"there is no anchor {event.anchor!r}")
        known = self._known[event.anchor]
        if known is None:
            raise self._problem(event, f"the value of anchor {event.anchor!r} holds itself")
        return known

    def _remember(self, anchor: str | None, known: _Seen | None) -> None:
        if anchor is not None:
            self._known[anchor] = known

    def _put(self, event: Any, known: _Seen, copies: int = 0, *, is_copy: bool = False) -> None:
        if not self._open:
            self._result = known.value
            return
        parent = self._open[-1]
        if isinstance(parent.value, dict) and not parent.waiting:
            parent.key, parent.waiting = self._key(event, known.value), True
            return
        parent.depth = max(parent.depth, known.depth)
        parent.size += known.size
        parent.copies += known.size if is_copy else copies
        if isinstance(parent.value, list):
            parent.value.append(known.value)
            return
        parent.waiting = False
        if parent.key is _MERGE:
            parent.merged += known.value if isinstance(known.value, list) else [known.value]
        elif parent.key in parent.value:
            raise self._problem(event, f"the key {str(parent.key)[:100]!r} is there twice; its second value is {str(known.value)[:100]!r}")
        else:
            parent.value[parent.key] = known.value

    def _key(self, event: Any, value: Any) -> Any:
        if value is _MERGE or isinstance(value, str):
            return value
        # Keys of JSON are texts, and so are those that Kubernetes makes of a number or a truth value.
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, (int, float)):
            return str(value) if value != UNREADABLE else "too large"
        raise self._problem(event, "a key is neither a text nor a number")

    def _scalar(self, event: Any) -> Any:
        yaml = self._yaml
        tag = event.tag if event.tag not in (None, "!") else self._loader.resolve(yaml.ScalarNode, event.value, event.implicit)
        if tag == "tag:yaml.org,2002:str":
            return event.value
        if tag == "tag:yaml.org,2002:merge":
            return _MERGE if self._open and isinstance(self._open[-1].value, dict) and not self._open[-1].waiting else event.value
        if tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float") and len(event.value) > MOST_DIGITS:
            return UNREADABLE
        try:
            value = self._loader.construct_object(yaml.ScalarNode(tag, event.value, event.start_mark, event.end_mark))
        except (yaml.YAMLError, ValueError, KeyError) as error:
            raise self._problem(event, f"{event.value[:100]!r} is no {tag.rpartition(':')[2]}") from error
        # What JSON has no type for (dates, binaries) stays the text that it is.
        return value if value is None or isinstance(value, (str, int, float)) else event.value

    def _problem(self, event: Any, text: str) -> YamlProblem:
        return YamlProblem(text, event.start_mark.line + 1, self._document)


_MERGE = object()
