# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The types of fields: a small notation for those in use, and the check that an object has them.

:func:`shape` reads the notation: names of fields, each with its type behind it. A name alone is text, ``#`` a number, ``?`` a truth value,
``%`` a number or a text (IntOrString), ``*`` anything, ``=`` a map of texts, ``<>`` a map of what follows, ``[]`` a list of what follows,
``{...}`` a map of fields. ``{! ...}`` has no other fields than these. So ``rules[]{host port# labels=} names[] sizes[]#``.

Types are told apart as Kubernetes does: ``80`` is no text, ``"80"`` no number, and ``null`` is a field that is not there.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ..core.pointers import pointer
from .fields import Path

PORTS = range(65536)
_INTEGERS = range(-(2**63), 2**63)


@dataclass(frozen=True)
class Fault:
    """One field that is not what it has to be. ``found`` is its value, ``wanted`` says what would be right."""

    path: Path
    found: Any
    wanted: str

    def __str__(self) -> str:
        return f"{field_name(self.path)} is {described(self.found)}, where {self.wanted} is expected"


@dataclass(frozen=True)
class UnknownField:
    """A field that its kind does not have; ``meant`` is the one that is spelt like it, empty where none is."""

    path: Path
    meant: str

    def __str__(self) -> str:
        return f"there is no field {field_name(self.path)}" + (f"; {self.meant} is spelt like it" if self.meant else "")


def field_name(path: Path) -> str:
    """A path as people write it: ``spec.ports[0].name``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
    return text if len(text) <= 200 and text.isprintable() else pointer(path).encode("ascii", "backslashreplace").decode()[:200]


def described(value: Any) -> str:
    """A value in a few words."""
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int) and value not in _INTEGERS:
        return "a number of too many digits"
    return "a value that is too large, or nested too deeply" if value == UNREADABLE else f"the number {value}"


UNREADABLE = float("-inf")
"""Stands for a value that was too large or nested too deeply to be read. No field in use may have it."""
DEEPEST = 100
"""Levels of nesting that are read, a list of objects and its envelope included; objects of Kubernetes have a dozen."""
MOST_DIGITS = 1000
"""Of a number."""


class Shape(ABC):
    """The type of a field."""

    empty: Any = None

    @abstractmethod
    def fits(self, value: Any) -> bool:
        """Whether the value is of this type as it stands: quick, as all objects pass here."""

    @abstractmethod
    def mend(self, value: Any, path: Path, faults: list[Fault]) -> Any:
        """The value without what does not fit, which is noted; places in lists are kept."""

    def unknown(self, value: Any, path: Path) -> Iterator[UnknownField]:
        """Fields that there are not."""
        return iter(())

    def texts(self, value: Any, path: Path) -> Iterator[tuple[Path, str]]:
        """Every text of a known field."""
        return iter(())


@dataclass(frozen=True)
class Scalar(Shape):
    """Text, number, truth value, or whichever of these the field allows."""

    wanted: str
    empty: Any
    text: bool = False
    flag: bool = False
    numbers: range | None = None

    def fits(self, value: Any) -> bool:
        kind = type(value)
        if kind is str:
            return self.text and (value.isascii() or _is_unicode(value))
        if kind is int:
            return self.numbers is not None and value in self.numbers
        return kind is bool and self.flag

    def mend(self, value: Any, path: Path, faults: list[Fault]) -> Any:
        if value is None:
            return self.empty
        # Kubernetes takes 80.0 for 80.
        if isinstance(value, float) and value.is_integer() and self.fits(int(value)):
            return int(value)
        if not self.fits(value):
            faults.append(Fault(path, value, self.wanted))
            return self.empty
        return value

    def texts(self, value: Any, path: Path) -> Iterator[tuple[Path, str]]:
        if isinstance(value, str):
            yield path, value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Anything(Shape):
    """A field whose value is only passed on, or is taken apart where it is read."""

    def fits(self, value: Any) -> bool:
        return value is not None and value != UNREADABLE

    def mend(self, value: Any, path: Path, faults: list[Fault]) -> Any:
        if value == UNREADABLE:
            faults.append(Fault(path, value, "something else"))
            return None
        return value


@dataclass(frozen=True)
class Items(Shape):
    """A list."""

    item: Shape

    def fits(self, value: Any) -> bool:
        return isinstance(value, list) and all(map(self.item.fits, value))

    def mend(self, value: Any, path: Path, faults: list[Fault]) -> Any:
        if not isinstance(value, list):
            faults.append(Fault(path, value, "a list"))
            return []
        return [item if self.item.fits(item) else self._mended(item, (*path, place), faults) for place, item in enumerate(value)]

    def _mended(self, item: Any, path: Path, faults: list[Fault]) -> Any:
        # Writes name places in lists, so a place is emptied and not taken out.
        return self.item.empty if item is None else self.item.mend(item, path, faults)

    @property
    def empty(self) -> Any:
        return []

    def unknown(self, value: Any, path: Path) -> Iterator[UnknownField]:
        for place, item in enumerate(value):
            yield from self.item.unknown(item, (*path, place))

    def texts(self, value: Any, path: Path) -> Iterator[tuple[Path, str]]:
        for place, item in enumerate(value):
            yield from self.item.texts(item, (*path, place))


@dataclass(frozen=True)
class Values(Shape):
    """A map of any keys."""

    item: Shape

    def fits(self, value: Any) -> bool:
        return isinstance(value, dict) and all(isinstance(key, str) for key in value) and all(map(self.item.fits, value.values()))

    def mend(self, value: Any, path: Path, faults: list[Fault]) -> Any:
        if not isinstance(value, dict):
            faults.append(Fault(path, value, "a map"))
            return {}
        mended = {}
        for key, item in value.items():
            if not isinstance(key, str):
                faults.append(Fault(path, key, "a text as key"))
            elif item is None or self.item.fits(item):
                mended[key] = self.item.empty if item is None else item
            else:
                self.item.mend(item, (*path, key), faults)
        return mended

    @property
    def empty(self) -> Any:
        return {}

    def unknown(self, value: Any, path: Path) -> Iterator[UnknownField]:
        for key, item in value.items():
            yield from self.item.unknown(item, (*path, key))

    def texts(self, value: Any, path: Path) -> Iterator[tuple[Path, str]]:
        for key, item in value.items():
            yield from self.item.texts(item, (*path, key))


class Fields(Shape):
    """A map of known fields. ``exact``: it has no others."""

    def __init__(self, fields: Mapping[str, Shape], exact: bool = False) -> None:
        self.fields = dict(fields)
        self.exact = exact
        self._pairs = tuple(self.fields.items())

    @property
    def empty(self) -> Any:
        return {}

    def fits(self, value: Any) -> bool:
        if not isinstance(value, dict):
            return False
        for name, item in self._pairs:  # noqa: SIM110 - all() with a generator takes twice as long, and every object passes here
            if name in value and not item.fits(value[name]):
                return False
        return True

    def mend(self, value: Any, path: Path, faults: list[Fault]) -> Any:
        if not isinstance(value, dict):
            faults.append(Fault(path, value, "a map"))
            return {}
        mended = dict(value)
        for name, item in self._pairs:
            if name not in value or item.fits(value[name]):
                continue
            if value[name] is None:
                del mended[name]
                continue
            before = len(faults)
            kept = item.mend(value[name], (*path, name), faults)
            mended[name] = kept
            if len(faults) > before and isinstance(item, (Scalar, Anything)):
                del mended[name]
        return mended

    def unknown(self, value: Any, path: Path) -> Iterator[UnknownField]:
        for name in value if self.exact else ():
            if name not in self.fields:
                near = get_close_matches(str(name), [other for other in self.fields if other not in value], 1, 0.75)
                yield UnknownField((*path, str(name)), near[0] if near else "")
        for name, item in self._pairs:
            if name in value:
                yield from item.unknown(value[name], (*path, name))

    def texts(self, value: Any, path: Path) -> Iterator[tuple[Path, str]]:
        for name, item in self._pairs:
            if name in value:
                yield from item.texts(value[name], (*path, name))


TEXT = Scalar("a text", "", text=True)
NUMBER = Scalar("a whole number", 0, numbers=_INTEGERS)
FLAG = Scalar("true or false", False, flag=True)
NUMBER_OR_TEXT = Scalar("a whole number or a text", 0, text=True, numbers=_INTEGERS)
PORT = Scalar("a port number from 1 to 65535", 0, numbers=PORTS)
PORT_OR_NAME = Scalar("a port number from 1 to 65535 or a port's name", 0, text=True, numbers=PORTS)
_TYPES: dict[str, Shape] = {
    "": TEXT, "#": NUMBER, "?": FLAG, "%": NUMBER_OR_TEXT, "*": Anything(), "=": Values(TEXT), ":": PORT, ":%": PORT_OR_NAME,
}
_WORD = re.compile(r"\s*(?:([A-Za-z_][\w.-]*)|(\[\]|<>|:%|[{}!#?%*=:]))")


def shape(text: str) -> Fields:
    """The shape that the notation describes: a map of fields. ``:`` is a port's number, ``:%`` its number or name."""
    words: list[str] = []
    position, text = 0, text.strip()
    while position < len(text):
        found = _WORD.match(text, position)
        if found is None:
            raise ValueError(f"{text[position:]!r} is not understood")
        words.append(found.group().strip())
        position = found.end()
    words.append("}")
    made = _fields(words)
    if words:
        raise ValueError(f"{' '.join(words)} is left over in {text!r}")
    return made


def _fields(words: list[str]) -> Fields:
    exact = words[0] == "!"
    if exact:
        words.pop(0)
    found: dict[str, Shape] = {}
    while words[0] != "}":
        name = words.pop(0)
        found[name] = _type(words)
    words.pop(0)
    return Fields(found, exact)


def _type(words: list[str]) -> Shape:
    word = words[0]
    if word == "{":
        words.pop(0)
        return _fields(words)
    if word in ("[]", "<>"):
        words.pop(0)
        item = _type(words)
        return Items(item) if word == "[]" else Values(item)
    if word in _TYPES:
        words.pop(0)
        return _TYPES[word]
    return TEXT
