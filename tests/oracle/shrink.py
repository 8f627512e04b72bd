# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""A smaller mesh with the same disagreement: objects, then parts of objects, go as long as it stays."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from . import cluster
from .cluster import Obj
from .meshes import Mesh

Fails = Callable[[Mesh], bool]
KEPT = ("apiVersion", "kind", "metadata", "status", "selector", "clusterIP", "clusterIPs", "containers", "ports", "hosts", "host", "rules")


def shrunk(mesh: Mesh, fails: Fails, *, most: int = 400) -> Mesh:
    """The smallest mesh that is found within so many trials. EndpointSlices that Kubernetes would make are made anew."""
    left = [most]

    def still(objects: Sequence[Obj]) -> bool:
        left[0] -= 1
        return left[0] >= 0 and fails(_mesh(mesh, objects))

    objects = _plain(mesh.objects)
    if not still(objects):
        return mesh
    for clients in ((), *((one,) for one in mesh.clients)):
        fewer = replace(mesh, clients=clients)
        if left[0] > 0 and fails(_mesh(fewer, objects)):
            mesh = fewer
            break
    objects = _without_parts(_without_objects(objects, still), still)
    return _mesh(mesh, objects)


def _mesh(mesh: Mesh, objects: Sequence[Obj]) -> Mesh:
    return replace(mesh, objects=tuple(cluster.completed(objects)))


def _plain(objects: Sequence[Obj]) -> list[Obj]:
    """Without the EndpointSlices that Kubernetes would make."""
    made = [item for item in cluster.of_kind(objects, "Service") if item["spec"].get("selector")]
    services = {(cluster.namespace(item), cluster.name(item)) for item in made}

    def is_made(item: Obj) -> bool:
        return item["kind"] == "EndpointSlice" and (cluster.namespace(item), cluster.labels(item)["kubernetes.io/service-name"]) in services

    return [item for item in objects if not is_made(item)]


def _without_objects(objects: list[Obj], still: Callable[[Sequence[Obj]], bool]) -> list[Obj]:
    size = max(len(objects) // 4, 1)
    while size:
        start = 0
        while start < len(objects):
            fewer = [*objects[:start], *objects[start + size:]]
            if still(fewer):
                objects = fewer
            else:
                start += size
        size //= 2
    return objects


def _without_parts(objects: list[Obj], still: Callable[[Sequence[Obj]], bool]) -> list[Obj]:
    """Fields of specs and annotations that are not needed."""
    for number in range(len(objects)):
        if objects[number]["kind"] in ("Pod", "Deployment", "Namespace", "IngressClass"):
            continue
        for path in list(_paths(objects[number])):
            smaller = copy.deepcopy(objects)
            if _drop(smaller[number], path) and still(smaller):
                objects = smaller
    return objects


def _paths(item: Obj) -> Iterator[tuple[Any, ...]]:
    yield from (("metadata", "annotations", key) for key in item["metadata"].get("annotations") or {})

    def walk(node: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        entries = node.items() if isinstance(node, dict) else reversed(list(enumerate(node))) if isinstance(node, list) else ()
        for key, value in entries:
            if key not in KEPT:
                yield (*path, key)
            if key != "clusterIPs":
                yield from walk(value, (*path, key))

    yield from walk(item.get("spec") or {}, ("spec",))


def _drop(item: Any, path: tuple[Any, ...]) -> bool:
    for step in path[:-1]:
        try:
            item = item[step]
        except (KeyError, IndexError, TypeError):
            return False
    try:
        del item[path[-1]]
    except (KeyError, IndexError, TypeError):
        return False
    return True
