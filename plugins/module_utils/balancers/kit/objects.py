# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Building the routes of an object, whatever its kind, and resolving the Services that it names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from ...core.guard import NotUnderstood, attempt
from ...core.marks import IGNORE, STRATEGY, opted_out
from ...core.model import Address, Finding, LoadBalancer, ObjectRef, Route, Scheme, Upstream
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, dig, kind_key, name_of, namespace_of, ref_of
from ...kube.reading import not_understood
from ...kube.snapshot import Snapshot, Unreadable
from ..contract.routes import RouteReader, RouteReading
from .declared import DeclaredRoute, ServiceLookup, ServiceReference, as_route

T = TypeVar("T")
MOST_PARTS = 5000
"""Routes and findings of one object."""
BackendReference = tuple[str, str, "int | str"]
"""Namespace, Service, and its port as it is written: a number or a name."""
Carries = Callable[[LoadBalancer, Obj], bool]
"""Whether a load balancer's workload carries the routes of an object."""


@dataclass(frozen=True)
class BackendHandling:
    """How an implementation reaches a backend.

    ``host`` is the Host that it sends, ``None`` for what the route's filters say. ``group`` names the upstream where
    it is shared beyond one rule. ``scheme`` is only given where it is not what the route's kind implies. ``why_not_settable``
    is empty where there is a switch for the route. ``dropped`` says why the implementation does not serve the backend at all: then there
    is no route, but a finding.
    """

    address: Address = "pod_ips"
    host: str | None = None
    group: str = ""
    features: tuple[str, ...] = ()
    scheme: Scheme | None = None
    why_not_settable: str = ""
    dropped: str = ""


@dataclass(frozen=True)
class ServedObject:
    """An object that a load balancer reads routes from, with what they depend on besides.

    ``service`` gives a Service by namespace and name, empty where there is none. ``pinned`` is the strategy that the object, else its
    namespace, pins.
    """

    load_balancer: LoadBalancer
    obj: Obj
    service: ServiceLookup
    pinned: str = ""

    def route(
        self, reference: BackendReference, handling: BackendHandling, *, host: str = "", path: str = "/",
        path_type: str = "ImplementationSpecific", canary: bool = False, rewrites_path: bool = False,
    ) -> Route:
        """One route of the object; backends of one object share an upstream only where ``handling`` says so."""
        group = handling.group or "-".join(map(str, (self.obj["kind"], namespace_of(self.obj), name_of(self.obj), *reference)))
        return self.declared(DeclaredRoute(
            ServiceReference(*reference), host, path, path_type,
            Upstream(handling.address, handling.host or "", handling.scheme or "http"), group, handling.features, canary, rewrites_path,
            handling.why_not_settable,
        ))

    def declared(self, route: DeclaredRoute) -> Route:
        """A route that the object declares."""
        return as_route(self.load_balancer, ref_of(self.obj), route, self.service, ignored=is_ignored(self.obj), pinned=self.pinned)


ReadObject = Callable[[ServedObject], Iterable["DeclaredRoute | Route | Finding"]]
"""The routes of one object, made or only declared, and findings about what of it was not read."""


def carries_all(load_balancer: LoadBalancer, obj: Obj) -> bool:
    """The workload carries whatever its load balancer serves."""
    return True


def object_reader(kind: str, read: ReadObject, carries: Carries = carries_all) -> RouteReader:
    """A reader of all objects of a kind that a load balancer carries, where each of them is read by itself."""

    def read_kind(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
        found = (served_object(snapshot, load_balancer, obj) for obj in objects_of(snapshot, kind, only))
        return read_objects(found, lambda item: read(item) if carries(load_balancer, item.obj) else ())

    own = () if kind in kinds.BASE else (kind,)
    return RouteReader(read_kind, own, own)


def read_objects(items: Iterable[ServedObject], read: ReadObject) -> RouteReading:
    """What is read of each of these objects, each part once; see :func:`read_each`."""
    return reading_of(dict.fromkeys(part for item in items for part in within_guard(item.obj, partial(_made, item, read))))


def _made(item: ServedObject, read: ReadObject) -> Iterator[Route | Finding]:
    for part in read(item):
        yield item.declared(part) if isinstance(part, DeclaredRoute) else part


def read_each(objects: Iterable[Obj], read: Callable[[Obj], Iterable[Route | Finding]]) -> RouteReading:
    """What is read of each of these objects, each part once; one that is not understood is noted, and keeps no other from being read."""
    return reading_of(dict.fromkeys(part for obj in objects for part in within_guard(obj, partial(read, obj))))


def within_guard(obj: Obj, read: Callable[[], Iterable[T]]) -> Iterator[T | Unreadable]:
    """What is read of an object; where its content causes an error, the object as unreadable."""
    found, error = attempt(lambda: bounded(read(), "routes of one object"))
    if error is None:
        yield from found
    else:
        yield not_understood(obj, error)


def bounded(parts: Iterable[T], what: str, most: int = MOST_PARTS) -> Iterator[T]:
    """The parts; raises :class:`core.guard.NotUnderstood` where there are so many that nobody can have meant them."""
    for number, part in enumerate(parts):
        if number >= most:
            raise NotUnderstood(f"more than {most} {what} are not followed")
        yield part


def declared_reading(
    served: Callable[[Obj], ServedObject], declared: Iterable[tuple[Obj, DeclaredRoute | Finding | Unreadable]]
) -> RouteReading:
    """What objects declare together, each part with its object, and once."""
    per_object: Counter[int] = Counter()
    known: dict[int, ServedObject] = {}

    def counted() -> Iterator[Route | Finding | Unreadable]:
        for obj, item in declared:
            per_object[id(obj)] += 1
            if per_object[id(obj)] > MOST_PARTS:
                raise NotUnderstood(f"more than {MOST_PARTS} routes of one object are not followed")
            if not isinstance(item, DeclaredRoute):
                yield item
                continue
            if id(obj) not in known:
                known[id(obj)] = served(obj)
            yield known[id(obj)].declared(item)

    return reading_of(dict.fromkeys(counted()))


def reading_of(parts: Iterable[Route | Finding | Unreadable]) -> RouteReading:
    """Routes, findings and objects that are not understood, each in their order."""
    listed = list(parts)
    return RouteReading(
        tuple(item for item in listed if isinstance(item, Route)), tuple(item for item in listed if isinstance(item, Finding)),
        tuple(item for item in listed if isinstance(item, Unreadable)),
    )


def objects_of(snapshot: Snapshot, kind: str, only: frozenset[ObjectRef] | None) -> Iterator[Obj]:
    """All objects of a kind, or those of it among ``only``."""
    if only is None:
        yield from snapshot.all(kind)
        return
    for ref in sorted(only):
        obj = snapshot.get(kind, ref.namespace, ref.name) if kind_key(ref.api_version, ref.kind) == kind else None
        if obj is not None:
            yield obj


def served_object(snapshot: Snapshot, load_balancer: LoadBalancer, obj: Obj) -> ServedObject:
    """An object with what the cluster says about its routes."""
    namespace = snapshot.get(kinds.NAMESPACE, "", namespace_of(obj))
    return ServedObject(load_balancer, obj, services_of(snapshot), pinned_strategy(obj, namespace))


def services_of(snapshot: Snapshot) -> ServiceLookup:
    """The cluster's Services."""
    return lambda namespace, name: snapshot.get(kinds.SERVICE, namespace, name) or {}


def is_ignored(obj: Obj) -> bool:
    """Whether the object asks to be left alone; a word that means neither yes nor no is rather taken for yes."""
    return opted_out((dig(obj, "metadata", "annotations") or {}).get(IGNORE)) is not False


def pinned_strategy(obj: Obj, namespace: Obj | None) -> str:
    """The strategy that the object, else its namespace, pins; empty where neither does."""
    return annotations_of(obj).get(STRATEGY, "") or annotations_of(namespace or {}).get(STRATEGY, "")


def is_watched(namespaces: Collection[str], obj: Obj) -> bool:
    """Whether an object is in one of the namespaces that a controller watches; none are named where it watches all."""
    return not namespaces or namespace_of(obj) in namespaces
