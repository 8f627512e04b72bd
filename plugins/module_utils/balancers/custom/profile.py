# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Profiles that users give as data: JMESPath says how routes are read, and paths say what is written.

docs/custom_profiles.md describes the format with an example that the tests run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...core.errors import MeshlbError
from ...core.findings import value_conflict
from ...core.model import LoadBalancer, ObjectRef, Route, Upstream
from ...core.values import ABSENT
from ...kube import kinds
from ...kube.objects import Obj, kind_key, namespace_of, ref_of, value_at
from ...kube.snapshot import Snapshot
from ..contract.profile import Profile as Composed
from ..kit.ingresses import class_of, entries, is_ignored, make_backend, pinned_strategy
from ..kit.plain import classes_of_controller
from ..legacy import FieldPatch, PatchSet, Profile, RouteReading, Signs, adapted
from .fields import RouteSource, Setting, read_profile


class CustomProfile(Profile):
    """A load balancer described by data."""

    def __init__(self, data: Mapping[str, Any], position: int) -> None:
        read = read_profile(data, position)
        self.id, self.title = read.id, read.title
        self.class_controllers = read.class_controllers
        self.kinds = tuple(source.kind for source in read.sources if source.kind not in kinds.BASE)
        self.signs = Signs(commands=read.commands, flags=read.flags, images=read.images, labels=read.labels)
        self.forbids_injection = read.forbids_injection
        self.sources = read.sources

    def classes(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[str, ...]:
        return classes_of_controller(self.class_controllers, snapshot)

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        found: list[Route] = []
        for source in self.sources:
            for obj in snapshot.all(source.kind):
                if (only is None or ref_of(obj) in only) and _is_served(source, obj, load_balancer):
                    found += _routes(snapshot, load_balancer, source, obj)
        return RouteReading(tuple(found))

    def set_service_routing(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        return self._set(snapshot, routes, "service_routing", super().set_service_routing(snapshot, load_balancer, ()))

    def set_host(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        return self._set(snapshot, routes, "host", super().set_host(snapshot, load_balancer, ()))

    def _set(self, snapshot: Snapshot, routes: Iterable[Route], what: str, otherwise: PatchSet) -> PatchSet:
        patches: dict[tuple[ObjectRef, tuple[str | int, ...]], FieldPatch] = {}
        for route in routes:
            settings: tuple[Setting, ...] = getattr(self._source(route), what)
            if not settings:
                return otherwise
            for setting in settings:
                obj = _holder(snapshot, route, setting)
                wanted, present = _filled(setting.value, route), value_at(obj, setting.path)
                if present is not ABSENT and present != wanted:
                    where = "/".join(str(step) for step in setting.path)
                    remark = value_conflict(ref_of(obj), where, present, wanted)
                    return PatchSet(refusal=f"{ref_of(obj)}: {remark.message}", findings=(remark,))
                if present is ABSENT:
                    patches[(ref_of(obj), setting.path)] = FieldPatch(obj, setting.path, wanted)
        return PatchSet(tuple(patches.values()))

    def _source(self, route: Route) -> RouteSource:
        key = kind_key(route.object.api_version, route.object.kind)
        return next(source for source in self.sources if source.kind == key)


def custom_profiles(data: Iterable[Mapping[str, Any]]) -> tuple[Composed, ...]:
    """Profiles from the option ``custom_profiles``; raises :class:`MeshlbError` that names the profile and the field."""
    made = tuple(CustomProfile(item, position) for position, item in enumerate(data, 1))
    names = [item.id for item in made]
    for name in names:
        if names.count(name) > 1:
            raise MeshlbError(f"custom_profiles has two profiles with id {name!r}.", "Give each one an id of its own.")
    return tuple(map(adapted, made))


def _is_served(source: RouteSource, obj: Obj, load_balancer: LoadBalancer) -> bool:
    if source.select is not None:
        return bool(source.select.search(obj))
    if source.kind == kinds.INGRESS:
        name, annotation = class_of(obj)
        return (name or annotation) in load_balancer.classes
    return True


def _routes(snapshot: Snapshot, load_balancer: LoadBalancer, source: RouteSource, obj: Obj) -> Iterator[Route]:
    for item in _items(source, obj):
        reference = item.get("port", 0)
        namespace = str(item.get("namespace") or namespace_of(obj))
        backend = make_backend(snapshot, namespace, str(item.get("service", "")), reference)
        context = {"route": obj, "service": snapshot.get(kinds.SERVICE, namespace, backend.service) or {}, "item": item}
        by_address = source.uses_service is not None and source.uses_service.search(context) is True
        host = source.sends_host.search(context) if source.sends_host is not None else ""
        ref = ref_of(obj)
        yield Route(
            load_balancer=load_balancer.key, object=ref, host=str(item.get("host") or ""), path=str(item.get("path") or "/"),
            path_type=str(item.get("path_type") or "Prefix"), backend=backend,
            upstream=Upstream("cluster_ip" if by_address else "pod_ips", str(host or "")),
            # Whether routes of several objects share an upstream is not among the fields; each object stands for itself.
            upstream_group=f"{ref.kind}-{ref.namespace}-{ref.name}-{namespace}-{backend.service}-{reference}",
            settable=bool(source.service_routing), why_not_settable="the profile names no setting for Service routing",
            ignored=is_ignored(obj), pinned_strategy=pinned_strategy(snapshot, obj),
        )


def _items(source: RouteSource, obj: Obj) -> Iterator[Mapping[str, Any]]:
    """Routes of an object, one mapping each; entries that hold ``paths`` are spread out, one per path."""
    if source.items is None:
        for entry in entries(obj):
            yield {
                "host": entry.host, "path": entry.path, "path_type": entry.path_type, "service": entry.service, "port": entry.reference,
            }
        return
    for item in source.items.search(obj) or []:
        if not isinstance(item, dict):
            message = f"routes.items of a custom profile gives {item!r} for {ref_of(obj)}."
            raise MeshlbError(message, "It has to give mappings with service and port.", ref_of(obj))
        for path in item.get("paths") or [{}]:
            yield {**{key: value for key, value in item.items() if key != "paths"}, **path}


def _holder(snapshot: Snapshot, route: Route, setting: Setting) -> Obj:
    ref = route.object
    if setting.on == "service":
        return snapshot.get(kinds.SERVICE, route.backend.namespace, route.backend.service) or {}
    return snapshot.get(kind_key(ref.api_version, ref.kind), ref.namespace, ref.name) or {}


def _filled(value: Any, route: Route) -> Any:
    """The value to write; in text, {service}, {namespace} and {port} stand for the backend's."""
    if not isinstance(value, str):
        return value
    backend = route.backend
    return value.replace("{service}", backend.service).replace("{namespace}", backend.namespace).replace("{port}", str(backend.port))
