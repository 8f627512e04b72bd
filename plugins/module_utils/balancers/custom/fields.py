# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checking and reading the fields of a profile that a user gives as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ...core.errors import MeshlbError, MissingLibrary
from ...core.pointers import pointer
from ...core.writes import Field, none_before

_FIELDS = {"id", "title", "class_controllers", "recognise", "forbids_injection", "routes"}
_RECOGNISE = {"images", "commands", "flags", "labels"}
_ROUTES = {"kind", "select", "items", "uses_service", "sends_host", "set_service_routing", "set_host"}
_SETTING = {"on", "path", "value"}


class SettingHolder(Enum):
    """The object that holds a setting: the route's own, or the Service behind it."""

    ROUTE = "route"
    SERVICE = "service"


@dataclass(frozen=True)
class Setting:
    """A field to write."""

    on: SettingHolder
    path: tuple[str | int, ...]
    value: Any

    def declared(self) -> Field:
        """The field as a declaration. Raises :class:`ValueError` where it is part of an object's identity."""
        return Field(pointer(self.path), none_before)


@dataclass(frozen=True)
class RouteSource:
    """How routes are read from one kind; the expressions are compiled JMESPath, ``None`` where not given."""

    kind: str
    select: Any = None
    items: Any = None
    uses_service: Any = None
    sends_host: Any = None
    service_routing: tuple[Setting, ...] = ()
    host: tuple[Setting, ...] = ()


@dataclass(frozen=True)
class ProfileData:
    """A checked profile."""

    id: str
    title: str
    class_controllers: tuple[str, ...]
    images: tuple[str, ...]
    commands: tuple[str, ...]
    flags: tuple[frozenset[str], ...]
    labels: tuple[frozenset[tuple[str, str]], ...]
    forbids_injection: str
    sources: tuple[RouteSource, ...]


def read_profile(data: Mapping[str, Any], position: int) -> ProfileData:
    """Check one profile; raises :class:`MeshlbError` that names it, the field, what was found and what would be right."""
    where = f"custom_profiles[{position}]" + (f" ({data['id']})" if data.get("id") else "")
    _only(data, _FIELDS, where)
    name = _text(data, "id", where)
    if not name:
        raise MeshlbError(f"{where} has no id.", "Give it one, such as 'acme'.")
    recognise = data.get("recognise") or {}
    _only(recognise, _RECOGNISE, f"{where}.recognise")
    controllers = _texts(data, "class_controllers", where)
    if not controllers and not any(recognise.get(key) for key in _RECOGNISE):
        raise MeshlbError(f"{where} says nothing by which it could be recognised.", "Give recognise.images, or class_controllers.")
    return ProfileData(
        id=name,
        title=_text(data, "title", where) or name,
        class_controllers=controllers,
        images=_texts(recognise, "images", where),
        commands=_texts(recognise, "commands", where),
        flags=tuple(frozenset(map(str, item)) for item in _lists(recognise, "flags", where)),
        labels=tuple(frozenset((str(key), str(value)) for key, value in item.items()) for item in _maps(recognise, "labels", where)),
        forbids_injection=_text(data, "forbids_injection", where),
        sources=tuple(_source(item, f"{where}.routes[{number}]") for number, item in enumerate(_maps(data, "routes", where), 1)),
    )


def _source(data: Mapping[str, Any], where: str) -> RouteSource:
    _only(data, _ROUTES, where)
    kind = _text(data, "kind", where)
    if not kind:
        raise MeshlbError(f"{where} has no kind.", "Name it with its group, such as 'Ingress.networking.k8s.io'.")
    if kind != "Ingress.networking.k8s.io" and not data.get("items"):
        raise MeshlbError(f"{where} has no items, and {kind} is no Ingress.", "Give a JMESPath that lists host, path, service and port.")
    return RouteSource(
        kind=kind,
        select=_expression(data, "select", where),
        items=_expression(data, "items", where),
        uses_service=_expression(data, "uses_service", where),
        sends_host=_expression(data, "sends_host", where),
        service_routing=_settings(data, "set_service_routing", where),
        host=_settings(data, "set_host", where),
    )


def _settings(data: Mapping[str, Any], key: str, where: str) -> tuple[Setting, ...]:
    made = []
    for number, item in enumerate(_maps(data, key, where), 1):
        place = f"{where}.{key}[{number}]"
        _only(item, _SETTING, place)
        on, path = item.get("on", "route"), item.get("path")
        if on not in ("route", "service"):
            raise MeshlbError(f"{place}.on is {on!r}.", "It has to be 'route' or 'service'.")
        if not isinstance(path, Sequence) or isinstance(path, str) or not path or "value" not in item:
            raise MeshlbError(f"{place} needs a path (a list of keys) and a value; it has {dict(item)!r}.")
        made.append(_declarable(Setting(SettingHolder(on), tuple(path), item["value"]), place))
    return tuple(made)


def _declarable(setting: Setting, place: str) -> Setting:
    try:
        setting.declared()
    except ValueError as error:
        raise MeshlbError(
            f"{place}.path is {list(setting.path)!r}, which is part of an object's identity, or its owner's.",
            "Of metadata, only one label or annotation can be set, and none of this collection's own.",
        ) from error
    return setting


def _expression(data: Mapping[str, Any], key: str, where: str) -> Any:
    text = data.get(key)
    if text is None:
        return None
    try:
        # Needed by users of custom profiles only, so it is not asked of anybody else.
        import jmespath
        from jmespath.exceptions import JMESPathError
    except ImportError as error:
        raise MissingLibrary(
            "custom_profiles needs the Python package jmespath (0.10.0 or newer) on the machine that runs the module.",
            "Install it there: python -m pip install 'jmespath>=0.10.0'.",
        ) from error
    try:
        return jmespath.compile(text)
    except JMESPathError as error:
        raise MeshlbError(f"{where}.{key} is no JMESPath expression: {error}") from error


def _only(data: Any, known: set[str], where: str) -> None:
    if not isinstance(data, Mapping):
        raise MeshlbError(f"{where} is {data!r}, where a mapping is expected.")
    unknown = sorted(set(data) - known)
    if unknown:
        raise MeshlbError(f"{where} has unknown field {unknown[0]!r}.", f"There are: {', '.join(sorted(known))}.")


def _text(data: Mapping[str, Any], key: str, where: str) -> str:
    value = data.get(key, "")
    if not isinstance(value, str):
        raise MeshlbError(f"{where}.{key} is {value!r}, where text is expected.")
    return value


def _lists(data: Mapping[str, Any], key: str, where: str) -> list[Any]:
    value = data.get(key) or []
    if not isinstance(value, list):
        raise MeshlbError(f"{where}.{key} is {value!r}, where a list is expected.")
    return value


def _texts(data: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    return tuple(str(item) for item in _lists(data, key, where))


def _maps(data: Mapping[str, Any], key: str, where: str) -> list[Mapping[str, Any]]:
    items = _lists(data, key, where)
    for item in items:
        if not isinstance(item, Mapping):
            raise MeshlbError(f"{where}.{key} has {item!r}, where a mapping is expected.")
    return items
