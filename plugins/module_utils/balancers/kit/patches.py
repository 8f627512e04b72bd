# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gathering the fields of a switch, for every vendor: what is set already is left, and a user's own value is never overwritten."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ...core.findings import finding, value_conflict
from ...core.model import ABSENT, Finding, LoadBalancer, Route
from ...istio.mesh import cluster_domain
from ...kube.objects import Obj, ref_of, value_at
from ...kube.services import CLUSTER_DOMAIN, full_name
from ...kube.snapshot import Snapshot
from ..contract.switches import FieldPatch, PatchSet, RouteSwitch
from .objects import services_of

Path = tuple["str | int", ...]
Same = Callable[[Any, Any], bool]


def _equal(present: Any, wanted: Any) -> bool:
    return bool(present == wanted)


class PatchBuilder:
    """The answer to "set this for these routes", field by field; one refusal or conflict makes the whole answer a refusal."""

    def __init__(self) -> None:
        self._patches: dict[tuple[Any, Path], FieldPatch] = {}
        self._conflicts: list[Finding] = []
        self._refusal = ""

    def want(self, obj: Obj, path: Path, value: Any, same: Same = _equal) -> None:
        """Set a field; one that is there must mean the same."""
        present = value_at(obj, path)
        if present is ABSENT:
            self.write(obj, path, value)
        elif not same(present, value):
            self.value_conflict(obj, ".".join(map(str, path[-2:])), present, value)

    def annotate(self, obj: Obj, key: str, value: str, same: Same = _equal) -> None:
        """Set an annotation; the empty string is a value."""
        present = value_at(obj, ("metadata", "annotations", key))
        if present is ABSENT:
            self.write(obj, ("metadata", "annotations", key), value)
        elif not same(present, value):
            self.value_conflict(obj, key, present, value)

    def write(self, obj: Obj, path: Path, value: Any) -> None:
        """Set a field whatever is there: for values that are made out of what is there."""
        self._patches.setdefault((ref_of(obj), path), FieldPatch(obj, path, value))

    def conflict(self, obj: Obj, message: str) -> None:
        """A user's own setting is in the way."""
        self._note(finding("MLB203", message, ref_of(obj)))

    def value_conflict(self, obj: Obj, field: str, present: Any, value: Any) -> None:
        """A user's own value of one field is in the way."""
        self._note(value_conflict(ref_of(obj), field, present, value))

    def _note(self, found: Finding) -> None:
        if found not in self._conflicts:
            self._conflicts.append(found)

    def refuse(self, reason: str) -> None:
        """The vendor cannot do this; the first reason counts."""
        self._refusal = self._refusal or reason

    def switch(self) -> PatchSet:
        if self._conflicts:
            first = self._conflicts[0]
            return PatchSet(refusal=f"{first.object}: {first.message}", findings=tuple(self._conflicts))
        return PatchSet(refusal=self._refusal) if self._refusal else PatchSet(tuple(self._patches.values()))


@dataclass(frozen=True)
class PatchTarget:
    """A route with the object that it was read from and the Service behind it, each of them empty where it is gone.

    ``domain`` is that of the cluster's Services.
    """

    route: Route
    object: Obj
    service: Obj
    domain: str = CLUSTER_DOMAIN

    @property
    def mesh_name(self) -> str:
        """The name by which the mesh knows the Service behind the route."""
        return full_name(self.route.backend.namespace, self.route.backend.service, self.domain)


def on_targets(switch: Callable[[LoadBalancer, list[PatchTarget]], PatchSet]) -> RouteSwitch:
    """A switch that needs to know routes, their objects and their Services, and nothing else of the cluster."""
    return lambda snapshot, load_balancer, routes: switch(load_balancer, targets_of(snapshot, routes))


nothing_to_set = on_targets(lambda load_balancer, targets: PatchSet())
"""The switch of a load balancer that does by itself what is asked for."""


def targets_of(snapshot: Snapshot, routes: Iterable[Route]) -> list[PatchTarget]:
    """Routes with what a switch needs to know of them."""
    service, domain = services_of(snapshot), cluster_domain(snapshot)
    return [PatchTarget(item, object_of(snapshot, item), service(item.backend.namespace, item.backend.service), domain) for item in routes]


def by_object(targets: Iterable[PatchTarget]) -> Iterator[tuple[Obj, list[PatchTarget]]]:
    """Targets grouped by their objects, in the order of the objects' names."""
    ordered = sorted(targets, key=lambda target: target.route.object)
    for _ref, group in groupby(ordered, key=lambda target: target.route.object):
        listed = list(group)
        yield listed[0].object, listed


def joined_patches(*answers: PatchSet) -> PatchSet:
    """Several answers about one load balancer's routes as one; the first refusal counts for all."""
    refusal = next((item.refusal for item in answers if item.refusal), "")
    findings = tuple(remark for item in answers for remark in item.findings)
    if refusal:
        return PatchSet(refusal=refusal, findings=findings)
    return PatchSet(
        tuple(patch for item in answers for patch in item.patches), "", findings, tuple(body for item in answers for body in item.bodies),
    )


def object_of(snapshot: Snapshot, route: Route) -> Obj:
    """The object that a route was read from, empty where it is gone."""
    return snapshot.at(route.object) or {}


def is_older(version: str, *than: int) -> bool:
    """Whether a version is known and lower than ``than``; a word (``latest``) or nothing tells nothing."""
    numbers = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    return bool(numbers) and tuple(int(item or 0) for item in numbers.groups()) < than if numbers else False
