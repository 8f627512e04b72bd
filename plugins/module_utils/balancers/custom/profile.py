# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Profiles that users give as data: JMESPath says how routes are read, and paths say what is written.

docs/custom_profiles.md describes the format with an example that the tests run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from types import NoneType
from typing import Any

from ...core.errors import MeshlbError
from ...core.guard import DATA_ERRORS, NotUnderstood
from ...core.model import LoadBalancer, Route, Upstream
from ...core.values import ABSENT, Absent
from ...core.writes import Write
from ...kube import kinds
from ...kube.fields import Path
from ...kube.objects import Obj, kind_key, namespace_of, ref_of, value_at
from ..contract.facts import About
from ..contract.instances import InstanceReader
from ..contract.profile import Profile
from ..contract.recognition import Recogniser, Signs
from ..contract.routes import RouteReader
from ..contract.switches import PatchSet, Switches
from ..kit.classes import classes_where, controller_of, takes_class
from ..kit.declared import DeclaredRoute, ServiceReference
from ..kit.ingresses import entries
from ..kit.objects import ServedObject, object_reader
from ..kit.patches import PatchBuilder, PatchTarget, on_targets
from ..kit.recognition import claims_class
from .fields import ProfileData, RouteSource, Setting, SettingHolder, read_profile


def custom_profiles(data: Iterable[Mapping[str, Any]]) -> tuple[Profile, ...]:
    """Profiles from the option ``custom_profiles``; raises :class:`MeshlbError` that names the profile and the field."""
    made = tuple(custom_profile(read_profile(item, position)) for position, item in enumerate(data, 1))
    names = [item.about.id for item in made]
    for name in names:
        if names.count(name) > 1:
            raise MeshlbError(f"custom_profiles has two profiles with id {name!r}.", "Give each one an id of its own.")
    return made


def custom_profile(data: ProfileData) -> Profile:
    """A load balancer described by data."""
    routing = {source.kind: source.service_routing for source in reversed(data.sources)}
    host = {source.kind: source.host for source in reversed(data.sources)}
    return Profile(
        About(data.id, data.title, forbids_injection=data.forbids_injection),
        Recogniser(Signs(commands=data.commands, flags=data.flags, images=data.images, labels=data.labels), data.class_controllers),
        InstanceReader(classes=classes_where(lambda _load_balancer, item: claims_class(data.class_controllers, controller_of(item)))),
        tuple(map(_reader, data.sources)),
        Switches(
            on_targets(partial(_switched, routing, f"{data.title} has no setting for Service routing")),
            on_targets(partial(_switched, host, f"{data.title} has no setting that rewrites the Host")),
            writes=tuple(_writes(data)),
        ),
    )


def _writes(data: ProfileData) -> Iterator[Write]:
    for source in data.sources:
        for setting in (*source.service_routing, *source.host):
            kind = kinds.SERVICE if setting.on is SettingHolder.SERVICE else source.kind
            yield Write(kind, (setting.declared(),), why=f"a setting of {data.title}")


def _reader(source: RouteSource) -> RouteReader:
    return object_reader(source.kind, partial(_declared, source), partial(_serves, source))


def _serves(source: RouteSource, load_balancer: LoadBalancer, obj: Obj) -> bool:
    if source.select is not None:
        return bool(_found(source.select, obj, "select"))
    return source.kind != kinds.INGRESS or takes_class(load_balancer, obj)


def _declared(source: RouteSource, served: ServedObject) -> Iterator[DeclaredRoute]:
    obj, ref = served.obj, ref_of(served.obj)
    for item in _items(source, obj):
        target = ServiceReference(str(item.get("namespace") or namespace_of(obj)), str(item.get("service", "")), _port_of(item))
        yield DeclaredRoute(
            target, str(item.get("host") or ""), str(item.get("path") or "/"), str(item.get("path_type") or "Prefix"),
            partial(_upstream, source, obj, item),
            # Whether routes of several objects share an upstream is not among the fields; each object has its own.
            f"{ref.kind}-{ref.namespace}-{ref.name}-{target.namespace}-{target.service}-{target.port}",
            why_not_settable="" if source.service_routing else "the profile names no setting for Service routing",
        )


def _upstream(source: RouteSource, obj: Obj, item: Mapping[str, Any], service: Obj) -> Upstream:
    context = {"route": obj, "service": service, "item": item}
    by_address = source.uses_service is not None and _found(source.uses_service, context, "uses_service") is True
    host = _found(source.sends_host, context, "sends_host") if source.sends_host is not None else ""
    return Upstream("cluster_ip" if by_address else "pod_ips", str(host or ""))


def _items(source: RouteSource, obj: Obj) -> Iterator[Mapping[str, Any]]:
    """Routes of an object, one mapping each; entries that hold ``paths`` are spread out, one per path."""
    if source.items is None:
        for entry in entries(obj):
            yield {
                "host": entry.host, "path": entry.path, "path_type": entry.path_type, "service": entry.service, "port": entry.reference,
            }
        return
    found = _found(source.items, obj, "items") or []
    for item in found if isinstance(found, list) else [found]:
        paths = item.get("paths") or [{}] if isinstance(item, dict) else [item]
        for path in paths if isinstance(paths, list) else [paths]:
            if not isinstance(path, dict):
                raise NotUnderstood(f"items of the custom profile gives {path!r:.100}, and not mappings with service and port", "MLB121")
            yield {**{key: value for key, value in item.items() if key != "paths"}, **path}


def _found(expression: Any, value: Any, name: str) -> Any:
    """What an expression gives. Raises :class:`NotUnderstood` where it cannot be evaluated on what an object says."""
    try:
        return expression.search(value)
    except DATA_ERRORS as error:
        raise NotUnderstood(f"{name} of the custom profile cannot be evaluated: {str(error)[:300]}", "MLB121") from error


def _port_of(item: Mapping[str, Any]) -> int | str:
    port = item.get("port") or 0
    if isinstance(port, bool) or not isinstance(port, (int, str)):
        raise NotUnderstood(f"items of the custom profile gives the port {port!r:.100}, which is neither a number nor a name", "MLB121")
    return port


def _switched(
    by_kind: Mapping[str, tuple[Setting, ...]], otherwise: str, _load_balancer: LoadBalancer, targets: list[PatchTarget]
) -> PatchSet:
    """The fields that the profile names for kinds of routes; ``otherwise`` is said where it names none."""
    patches = PatchBuilder()
    for target in targets:
        settings = by_kind[kind_key(target.route.object.api_version, target.route.object.kind)]
        if not settings:
            return PatchSet(refusal=otherwise)
        for setting in settings:
            obj = target.service if setting.on is SettingHolder.SERVICE else target.object
            value, present = _filled(setting.value, target.route), value_at(obj, setting.path)
            above = (path for path in _above(setting.path) if not isinstance(value_at(obj, path), (dict, list, Absent, NoneType)))
            text = next(above, None)
            if text is not None:
                patches.conflict(obj, f"{'/'.join(map(str, text))} is no map, so the profile's setting cannot be below it")
            elif present is ABSENT:
                patches.write(obj, setting.path, value)
            elif present != value:
                patches.value_conflict(obj, "/".join(map(str, setting.path)), present, value)
    return patches.switch()


def _above(path: Path) -> Iterator[Path]:
    """The paths of what holds a field, from the top."""
    return (path[:length] for length in range(1, len(path)))


def _filled(value: Any, route: Route) -> Any:
    """The value to write; in text, {service}, {namespace} and {port} are the backend's."""
    if not isinstance(value, str):
        return value
    backend = route.backend
    return value.replace("{service}", backend.service).replace("{namespace}", backend.namespace).replace("{port}", str(backend.port))
