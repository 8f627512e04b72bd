# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be said because an object that it depends on could not be read.

An object counts for what it may decide about: a route's object for its routes, a Service for the routes to it, pods, workloads and policies
for the backends of their namespace (policies in the mesh's own namespace: for all), the parts of a load balancer for all of its routes, and
any other object for routes in its namespace and those that name it. So whoever may edit objects of one namespace can make routes
of that namespace unknown, and no others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.model import LoadBalancer, ObjectRef, Route
from ..kube import kinds
from ..kube.objects import Identity, Obj, dig, identity, identity_of, namespace_of
from ..kube.snapshot import Snapshot, Unreadable
from .mesh import config_map_namespaces, read_mesh

_WITHOUT_SCOPE = frozenset({kinds.NAMESPACE, kinds.NODE, kinds.INGRESS_CLASS})
_OF_BACKENDS = frozenset({kinds.POD, *kinds.WORKLOADS, kinds.ENDPOINT_SLICE, *kinds.ISTIO, kinds.SERVICE, kinds.CONFIG_MAP})
_OF_ALL_BACKENDS_THERE = _OF_BACKENDS - {kinds.SERVICE, kinds.CONFIG_MAP}
_OF_THE_MESH = frozenset({*kinds.ISTIO, kinds.CONFIG_MAP, kinds.DEPLOYMENT})
_ABOVE = frozenset({"parentRefs", "includes"})
"""Fields in which a route names the one that it belongs to, in its own namespace without saying so."""
_NAMED = re.compile(r"[A-Za-z0-9.-]+(?:/[A-Za-z0-9.-]+)?")
_DEEPEST = 12


@dataclass(frozen=True)
class Doubts:
    """What is not known, by what it is about; the values are the objects that could not be read.

    ``beside`` are kinds of objects, by namespace, that routes there may depend on. ``a_workload`` is any that may carry traffic.
    """

    everything: tuple[ObjectRef, ...] = ()
    objects: dict[Identity, ObjectRef] = field(default_factory=dict)
    beside: dict[str, dict[str, ObjectRef]] = field(default_factory=dict)
    services: dict[tuple[str, str], ObjectRef] = field(default_factory=dict)
    backends_in: dict[str, ObjectRef] = field(default_factory=dict)
    load_balancers_in: dict[str, ObjectRef] = field(default_factory=dict)
    classes: dict[str, ObjectRef] = field(default_factory=dict)
    a_workload: ObjectRef | None = None

    def about(self, load_balancer: LoadBalancer, route: Route) -> ObjectRef | None:
        """The object for whose sake nothing is known of a route, ``None`` where there is none."""
        backend, own = route.backend, identity_of(route.object)
        beside = (ref for kind, ref in self.beside.get(own[1], {}).items() if kind != own[0])
        return (
            self.of_load_balancer(load_balancer) or self.objects.get(own) or self.services.get((backend.namespace, backend.service))
            or self.backends_in.get(backend.namespace) or next(beside, None)
        )

    def of_load_balancer(self, load_balancer: LoadBalancer) -> ObjectRef | None:
        """The object for whose sake nothing is known of a load balancer."""
        by_class = next((self.classes[name] for name in load_balancer.classes if name in self.classes), None)
        hidden = self.a_workload if load_balancer.workload is None and load_balancer.confidence == "possible" else None
        return next(iter(self.everything), None) or self.load_balancers_in.get(load_balancer.namespace) or by_class or hidden

    def touch(self, namespaces: Iterable[str]) -> bool:
        """Whether something is not known of routes, backends or load balancers in one of these namespaces."""
        if self.everything or self.classes:
            return True
        known = {*self.beside, *self.backends_in, *self.load_balancers_in, *(name for name, dummy in self.services)}
        return not {*known, *(name for dummy, name, dummy in self.objects)}.isdisjoint(namespaces)


_NONE = Doubts()


def doubts(snapshot: Snapshot) -> Doubts:
    """What is not known in a snapshot; nothing in most of them."""
    found = snapshot.source.unreadable
    return snapshot.cached(("doubts", frozenset(found)), lambda view: _doubts(view, found), ()) if found else _NONE


def _doubts(snapshot: Snapshot, unreadable: Mapping[Identity, Unreadable]) -> Doubts:
    counting = {key: item.ref for key, item in unreadable.items() if item.counts}
    workloads = (ref for key, ref in counting.items() if key[0] in kinds.WORKLOADS)
    found = Doubts(
        tuple(ref for key, ref in counting.items() if _holds_for_all(snapshot, key)), a_workload=next(workloads, None)
    )
    others: dict[Identity, ObjectRef] = {}
    for key, ref in counting.items():
        kind, namespace, name = key
        if kind == kinds.SERVICE:
            found.services[(namespace, name)] = ref
        elif kind == kinds.INGRESS_CLASS:
            found.classes[name] = ref
        elif kind == kinds.NAMESPACE:
            found.backends_in[name] = found.load_balancers_in[name] = ref
        elif kind not in (kinds.NODE, *_OF_BACKENDS, *kinds.ACCESS):
            others[key] = ref
        if kind in _OF_BACKENDS:
            found.load_balancers_in[namespace] = ref
        if kind in _OF_ALL_BACKENDS_THERE:
            found.backends_in[namespace] = ref
    _add_others(snapshot, found, others)
    return found


def _holds_for_all(snapshot: Snapshot, key: Identity) -> bool:
    kind, namespace, name = key
    if kind in _WITHOUT_SCOPE:
        return not name and kind != kinds.NODE
    if kind == kinds.CONFIG_MAP and namespace in config_map_namespaces(snapshot):
        return True
    return not namespace or (kind in _OF_THE_MESH and namespace == read_mesh(snapshot).root_namespace)


def _add_others(snapshot: Snapshot, found: Doubts, others: dict[Identity, ObjectRef]) -> None:
    """Objects of load balancers: each for itself, for what names it, and for routes of other kinds beside it."""
    found.objects.update(others)
    for (kind, namespace, _name), ref in others.items():
        if kind != kinds.INGRESS:
            found.beside.setdefault(namespace, {})[kind] = ref
    named = {(namespace, name): ref for (dummy, namespace, name), ref in others.items() if name}
    for obj in snapshot.everything() if named else ():
        known = next((named[key] for key in _names_in(obj) if key in named), None)
        if known is not None:
            found.objects.setdefault(identity(obj), known)


def _names_in(obj: Obj) -> Iterator[tuple[str, str]]:
    """Namespace and name of every object that another one names in its ``spec``, in the usual forms."""
    spec = obj.get("spec")
    if isinstance(spec, dict) and obj.get("kind") not in ("Pod", "Node", "Service"):
        yield from _named(spec, namespace_of(obj), "", 0)


def _named(value: Any, home: str, field_name: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > _DEEPEST:
        return
    if isinstance(value, str):
        for text in _NAMED.findall(value) if len(value) < 1000 else ():
            namespace, slash, name = text.partition("/")
            first, dot, rest = text.partition(".")
            yield (namespace, name) if slash else (rest.partition(".")[0], first)
            yield from ((text[:at], text[at + 1 :]) for at, sign in enumerate(text) if sign == "-" and not slash and not dot)
    elif isinstance(value, dict):
        name, namespace = dig(value, "name"), dig(value, "namespace", default=home if field_name in _ABOVE else None)
        if isinstance(name, str) and isinstance(namespace, str):
            yield (namespace, name)
        for key, item in value.items():
            yield from _named(item, home, str(key), depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from _named(item, home, field_name, depth + 1)
