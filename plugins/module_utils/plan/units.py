# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which routes must be planned together: those that share an object, an upstream, a host, a Service or a pod's port."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

from ..core.model import Route

T = TypeVar("T")


def units(
    routes: Iterable[Route], dialled: Callable[[Route], Iterable[tuple[str, int]]] = lambda route: ()
) -> list[tuple[Route, ...]]:
    """Split routes into the smallest groups of which each can be planned without looking at the others.

    ``dialled`` gives addresses and ports of the pods behind a route: what makes them known for one Service does so for all that have them.
    The order of routes is kept within a group, and groups are in the order of their first route.
    """
    everything = list(routes)
    wildcards = {(route.load_balancer[0], route.host) for route in everything if route.host.startswith("*.")}

    def ties(route: Route) -> Iterator[Hashable]:
        yield from _ties(route, wildcards)
        yield from (("pod", route.load_balancer[0], *end) for end in dialled(route))

    return tied(everything, ties)


def switches(routes: Iterable[Route]) -> list[tuple[Route, ...]]:
    """Split routes into the smallest groups of which each can be switched by itself: they share an object or an upstream."""
    return tied(list(routes), lambda route: iter([("object", route.object), ("upstream", route.load_balancer, route.upstream_group)]))


def tied(everything: Sequence[T], ties: Callable[[T], Iterator[Hashable]]) -> list[tuple[T, ...]]:
    """Split things into the smallest groups that share no tie, in the order in which they are given."""
    parent: dict[Hashable, Hashable] = {}

    def root(key: Hashable) -> Hashable:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for number, item in enumerate(everything):
        for tie in ties(item):
            parent[root(("item", number))] = root(tie)
    groups: dict[Hashable, list[T]] = {}
    for number, item in enumerate(everything):
        groups.setdefault(root(("item", number)), []).append(item)
    return [tuple(group) for group in groups.values()]


def _ties(route: Route, wildcards: set[tuple[str, str]]) -> Iterator[Hashable]:
    backend = route.backend
    yield ("service", backend.namespace, backend.service)
    if route.settable:
        # One object's settings hold for all of its routes; where there are no settings, the object ties nothing.
        yield ("object", route.object)
    if route.upstream_group:
        yield ("upstream", route.load_balancer, route.upstream_group)
    if route.host:
        # Mesh objects for a host are made once per namespace of load balancers.
        yield ("host", route.load_balancer[0], route.host)
        # What is made for a wildcard takes in all hosts below it.
        parts = route.host.split(".")
        for position in range(1, len(parts)):
            wider = "*." + ".".join(parts[position:])
            if (route.load_balancer[0], wider) in wildcards:
                yield ("host", route.load_balancer[0], wider)
