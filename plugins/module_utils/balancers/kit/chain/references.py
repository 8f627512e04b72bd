# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leading routes of a vendor's own kind to a gateway: every reference to a Service in the object names the one that stands for it.

A rule of such an object is led as a whole or not at all, as its hosts and paths share references; so is the whole object where references
stand outside of its rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ....core.model import LoadBalancer, Route
from ....kube.objects import Obj, dig, value_at
from ....kube.snapshot import Snapshot
from ...contract.chain import ChainRequest
from ...contract.routes import RouteReader
from ...contract.switches import FieldPatch, PatchSet
from ..patches import object_of
from .ingress import IngressWay, alias_bodies, alias_name

Path = tuple["str | int", ...]
Find = Callable[[Obj], Iterator[tuple[Path, dict[str, Any]]]]
"""What in an object names a Service: where it stands, and the map that holds the name and the port."""

References = Mapping[str, tuple[Find, str]]
Places = set[tuple[object, ...]]


@dataclass(frozen=True)
class ReferenceWay:
    """How routes of Ingresses, HTTPRoutes and kinds of a load balancer's own are redirected.

    ``readers`` read its routes. ``references``: per kind of its own, besides HTTPRoute, where its objects name Services, and by which
    key (the port is always ``port``).
    """

    readers: tuple[RouteReader, ...]
    ingresses: IngressWay = IngressWay()
    references: References = field(default_factory=dict)

    def redirect(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route], request: ChainRequest) -> PatchSet:
        """Redirect the routes of one object."""
        wanted = list(routes)
        references = {"HTTPRoute": (in_backend_refs, "name"), **self.references}
        if not wanted or wanted[0].object.kind not in references:
            return self.ingresses.redirect(snapshot, load_balancer, wanted, request)
        find, name = references[wanted[0].object.kind]
        obj, ref = object_of(snapshot, wanted[0]), wanted[0].object
        if len(dig(obj, "spec", "parentRefs", default=[])) > 1:
            return PatchSet(refusal=f"{ref} is for several Gateways, and only one of them is to send to the gateway")
        places = list(find(obj))

        def read(*instead: Obj) -> Places:
            view = snapshot.overlay(instead)
            return distinct_places(route for reader in self.readers for route in reader.read(view, load_balancer, frozenset({ref})).routes)

        rules = dict.fromkeys(_rule_of(path) for path, dummy in places)
        redirected = _whole_rules(rules, distinct_places(wanted), read(), lambda rule: read(_alone(obj, rule)))
        if redirected is None:
            return PatchSet(refusal=f"a rule of {ref} is led to the gateway as a whole, and some of its routes stay with their backends")
        patches = []
        for path, reference in places:
            if _rule_of(path) not in redirected:
                continue
            if reference.get("namespace") not in (None, ref.namespace) or reference.get("kind") not in (None, "Service"):
                return PatchSet(refusal=f"{ref} names something else than a Service of its namespace")
            patches.append(FieldPatch(obj, (*path, name), alias_name(request.gateway)))
            patches.append(FieldPatch(obj, (*path, "port"), request.gateway.port))
        if not patches:
            return PatchSet(refusal=f"{ref} names no Service itself")
        way = self.ingresses
        return PatchSet(tuple(patches), bodies=alias_bodies(ref.namespace, request, way.follows_names, way.alias_annotations(request)))


def _whole_rules(rules: Iterable[Path], asked: Places, everything: Places, alone: Callable[[Path], Places]) -> set[Path] | None:
    """The rules of which all places are asked for; ``None`` where of one only some are. ``alone`` gives the places of a single rule."""
    if asked == everything:
        return set(rules)
    made = {rule: alone(rule) for rule in rules}
    whole = {rule for rule, found in made.items() if found and found <= asked}
    reached = {place for rule in whole for place in made[rule]}
    in_part = any(rule not in whole and not found.isdisjoint(asked) for rule, found in made.items())
    return None if in_part or reached != asked else whole


def distinct_places(routes: Iterable[Route]) -> Places:
    """What tells routes of one object apart."""
    return {(item.host, item.path, item.path_type, item.backend, item.canary) for item in routes}


def _rule_of(path: Path) -> Path:
    """The rule that a reference stands in; empty where it stands outside of all."""
    return path[:3] if path[1] in ("routes", "rules") else ()


def _alone(obj: Obj, rule: Path) -> Obj:
    """The object with this rule as its only one."""
    return {**obj, "spec": {**obj["spec"], rule[1]: [value_at(obj, rule)]}} if rule else obj


def in_routes(obj: Obj) -> Iterator[tuple[Path, dict[str, Any]]]:
    """``spec.routes[].services[]``, as several kinds have it."""
    for number, rule in enumerate(dig(obj, "spec", "routes", default=[])):
        for place, reference in enumerate(rule.get("services") or []):
            yield ("spec", "routes", number, "services", place), reference


def in_backend_refs(obj: Obj) -> Iterator[tuple[Path, dict[str, Any]]]:
    """``spec.rules[].backendRefs[]`` of the Gateway API."""
    for number, rule in enumerate(dig(obj, "spec", "rules", default=[])):
        for place, reference in enumerate(rule.get("backendRefs") or []):
            yield ("spec", "rules", number, "backendRefs", place), reference


def in_upstreams(obj: Obj) -> Iterator[tuple[Path, dict[str, Any]]]:
    """``spec.upstreams[]``."""
    for number, reference in enumerate(dig(obj, "spec", "upstreams", default=[])):
        yield ("spec", "upstreams", number), reference
