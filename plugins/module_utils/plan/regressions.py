# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing gets worse: the changes of a plan are weighed against the cluster as it is, for every route that they may touch.

What would make a route worse is left out: first the smallest part that is the cause (what belongs to one route), then all parts that
touch the route. A part is left out as a whole, so everything that it would have written stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..balancers.contract.profile import Registry
from ..core.findings import finding, request_details
from ..core.model import Change, Finding, LoadBalancer, ObjectRef, Outcome, Route, RoutePlan, replace
from ..core.printable import listed
from ..istio.outcome import Outlook
from ..kube import kinds
from ..kube.objects import Identity, identity, identity_of
from ..kube.snapshot import Snapshot
from .reach import Reach, route_keys
from .routing import RoutingPlan
from .trial import SnapshotCluster, becoming_worse, may_have_sidecar, route_identity, served, worse
from .units import tied

Same = tuple[object, ...]
"""What stays the same about a route (:func:`trial.route_identity`)."""
Pair = tuple[Outcome, Outcome]
"""What becomes of a route with the sidecars that are there, and once every load balancer that can have one has it."""


@dataclass(frozen=True)
class Present:
    """The cluster as it is, this collection's earlier changes included, and its load balancers.

    ``differs``: the plan read its routes elsewhere, so that they have to be read here.
    """

    live: Snapshot
    registry: Registry
    load_balancers: Mapping[tuple[str, str], LoadBalancer]
    differs: bool = False

    def outcomes(self, view: Snapshot, routes: Collection[Route], *, read_again: bool = True) -> dict[Same, Pair]:
        """What becomes of routes in a view on the cluster."""
        again = SnapshotCluster(view, self.registry, self.load_balancers).read_again(routes) if read_again and routes else {}
        found = {}
        for route in routes:
            load_balancer = self.load_balancers[route.load_balancer]
            outlook, now = Outlook(view, load_balancer), again.get(route_identity(route), route)
            actual, coming = outlook.predict(now), may_have_sidecar(load_balancer)
            later = actual if coming == load_balancer.sidecar.present else outlook.predict(now, sidecar=coming)
            found[route_identity(route)] = (actual, later)
        return found


@dataclass(frozen=True)
class LeftOut:
    """Changes that are not made, the route that they would make worse, and how."""

    changes: tuple[Change, ...]
    suffers: Route
    before: Outcome
    after: Outcome
    wanted_by: ObjectRef
    cause: ObjectRef


@dataclass(frozen=True)
class Weighed:
    """The changes that make nothing worse, the plan as it then is, and what was left out."""

    changes: tuple[Change, ...]
    plan: RoutingPlan
    left_out: tuple[LeftOut, ...] = ()


def is_worse(before: Pair, after: Pair) -> bool:
    """Whether a route lost something, with the sidecars that are there or with those to come."""
    return any(map(worse, before, after))


def weigh(present: Present, plan: RoutingPlan, changes: Sequence[Change], may_get_worse: Callable[[Route], bool]) -> Weighed:
    """Leave out of a plan's changes what would make a route worse. ``may_get_worse`` says for which routes that is allowed."""
    if not changes:
        return Weighed((), plan)
    scales = _Scales(present, plan, changes)
    scales.spare_what_opted_out()
    found = list(scales.find_regressions(may_get_worse))
    return Weighed(tuple(scales.kept()), scales.as_weighed(), tuple(found))


class _Scales:
    """The changes of one plan in their smallest parts, and which routes each of them may touch."""

    def __init__(self, present: Present, plan: RoutingPlan, changes: Sequence[Change]) -> None:
        self._present, self._plan, self._changes = present, plan, changes
        self._plans = {route_identity(item.route): item for unit in plan.units for item in unit}
        self._unit = {route_identity(item.route): number for number, unit in enumerate(plan.units) for item in unit}
        self._by_object: dict[Identity, list[Route]] = {}
        for item in self._plans.values():
            self._by_object.setdefault(identity_of(item.route.object), []).append(item.route)
        self._for_whom = self._routes_of_changes()
        self._parts = tied(range(len(changes)), self._ties)
        self._part_of = {number: index for index, part in enumerate(self._parts) for number in part}
        self._touching: dict[Hashable, set[int]] = {}
        reach = Reach(present.live, present.live.after(changes), lambda key: self._by_object.get(key, ()))
        for number, change in enumerate(changes):
            for key in reach.keys(change):
                self._touching.setdefault(key, set()).add(self._part_of[number])
        self._dropped: set[int] = set()
        self._weighed: dict[Same, Pair] = {}

    def kept(self, *, without: Collection[int] = ()) -> list[Change]:
        """The changes of all parts that are not left out."""
        out = self._dropped | set(without)
        return [change for number, change in enumerate(self._changes) if self._part_of[number] not in out]

    # Parts ------------------------------------------------------------------------------------------------------------------

    def _routes_of_changes(self) -> dict[Identity, set[Same]]:
        """For which routes each object is written; empty for what the plan no longer needs."""
        found: dict[Identity, set[Same]] = {}
        for proposal in (entry[0] for entry in self._plan.proposals):
            for creation in proposal.creations:
                found.setdefault(identity(creation.body), set()).update(map(route_identity, creation.routes))
            written = [identity(patch.object) for patch in proposal.patches]
            everybody = {route_identity(route) for key in written for route in self._by_object.get(key, ())}
            for key in written:
                # What belongs to no route's own object (a Service's annotation) is for all that the proposal patches.
                own = {route_identity(route) for route in self._by_object.get(key, ())}
                found.setdefault(key, set()).update(own or everybody)
        return found

    def _ties(self, number: int) -> Iterator[Hashable]:
        change = self._changes[number]
        key = identity_of(change.object)
        if key not in self._by_object:
            # What stands for one host, or one twin, has one name.
            yield ("named", change.object.namespace, change.object.name)
        for same in self._for_whom.get(key, ()):
            yield ("route", same)
            route = self._plans[same].route if same in self._plans else None
            if change.action == "patch" and route is not None and route.upstream_group:
                yield ("upstream", route.load_balancer, route.upstream_group)

    def _parts_touching(self, route: Route) -> set[int]:
        return {part for key in route_keys(self._present.live, route) for part in self._touching.get(key, ())} - self._dropped

    def _own(self, part: int) -> set[Same]:
        return {same for number in self._parts[part] for same in self._for_whom.get(identity_of(self._changes[number].object), ())}

    # Weighing ---------------------------------------------------------------------------------------------------------------

    def spare_what_opted_out(self) -> None:
        """Leave alone what serves nobody but routes that ask to be ignored: it stays until everything is taken back."""
        touched: dict[int, bool] = {}
        for item in self._plans.values():
            for part in self._parts_touching(item.route):
                touched[part] = touched.get(part, True) and item.route.ignored
        self._dropped |= {part for part, ignored in touched.items() if ignored and not self._own(part)}
        opted_out = {key for key, routes in self._by_object.items() if all(route.ignored for route in routes)}
        self._dropped |= {self._part_of[number] for number, change in enumerate(self._changes) if identity_of(change.object) in opted_out}

    def find_regressions(self, may_get_worse: Callable[[Route], bool]) -> Iterator[LeftOut]:
        """Leave parts out until no route gets worse. Each round leaves out at least one, so there is an end."""
        suspects = dict(self._suspects())
        before = self._outcomes(self._present.live, suspects.values())
        while True:
            self._weighed = self._outcomes(self._present.live.after(self.kept()), suspects.values())
            harmed = [
                route for same, route in suspects.items() if is_worse(before[same], self._weighed[same]) and not may_get_worse(route)
            ]
            if not harmed:
                return
            earlier = set(self._dropped)
            for route in harmed:
                yield from self._leave_out(route, before[route_identity(route)], self._dropped - earlier)
            if self._dropped == earlier:
                # Not by anything that seems to touch them: then nothing is written at all.
                self._dropped |= set(range(len(self._parts)))
            more = {same: item.route for same, item in self._plans.items() if same not in suspects and self._is_touched(item, earlier)}
            before.update(self._outcomes(self._present.live, more.values()))
            suspects.update(more)

    def _suspects(self) -> Iterator[tuple[Same, Route]]:
        """Routes that the plan of their own unit does not answer for: others' changes touch them, or they are not served."""
        for same, item in self._plans.items():
            parts = self._parts_touching(item.route)
            if parts and (not served(item.after) or any(not self._is_of_unit(part, self._unit[same]) for part in parts)):
                yield same, item.route

    def _is_of_unit(self, part: int, unit: int) -> bool:
        own = self._own(part)
        return bool(own) and all(self._unit.get(same) == unit for same in own)

    def _is_touched(self, item: RoutePlan, earlier: Collection[int]) -> bool:
        keys = route_keys(self._present.live, item.route)
        return any((self._dropped - set(earlier)) & self._touching.get(key, set()) for key in keys)

    def _outcomes(self, view: Snapshot, routes: Iterable[Route]) -> dict[Same, Pair]:
        wanted = list(routes)
        again = self._present.differs or (view is not self._present.live and self._may_read_differently())
        return self._present.outcomes(view, wanted, read_again=again)

    def _may_read_differently(self) -> bool:
        """Whether routes may be read otherwise with these changes: the mesh's own kinds and new Services leave them as they are."""
        return any(
            identity_of(item.object)[0] not in kinds.ISTIO and not (item.object.kind == "Service" and item.action != "patch")
            for item in self._changes
        )

    def _leave_out(self, route: Route, before: Pair, just_now: Collection[int]) -> Iterator[LeftOut]:
        candidates = self._parts_touching(route)
        if not candidates or (just_now and not self._harmed_by(route, before, candidates)):
            return
        same = route_identity(route)
        # First what nobody needs any more, then what is for others, then what is for the route itself; small parts before large ones.
        ranked = sorted(candidates, key=lambda part: (bool(self._own(part)), same in self._own(part), len(self._own(part)), part))
        alone = next((part for part in ranked if not self._harmed_by(route, before, candidates - {part})), None)
        # What an earlier run wrote for the route stays as a whole, or it would be left with one half of a strategy.
        out = ranked if alone is None else [part for part in ranked if part == alone or not (self._own(alone) or self._own(part))]
        after = self._weighed[same]
        index = 0 if worse(before[0], after[0]) else 1
        self._dropped |= set(out)
        changes = tuple(self._changes[number] for part in out for number in self._parts[part])
        others = [self._plans[owner].route for part in out for owner in sorted(self._own(part) - {same}, key=str) if owner in self._plans]
        if route.ignored and not others:
            return
        wanted_by = others[0].object if others else route.object
        yield LeftOut(changes, route, before[index], after[index], wanted_by, others[0].object if others else self._cause(route, changes))

    def _harmed_by(self, route: Route, before: Pair, parts: Collection[int]) -> bool:
        changes = [self._changes[number] for part in sorted(parts) for number in self._parts[part]]
        view = self._present.live.after(changes)
        return is_worse(before, self._outcomes(view, [route])[route_identity(route)])

    def _cause(self, route: Route, changes: Sequence[Change]) -> ObjectRef:
        """Where a route loses what serves it: another route of its unit that is not served, else what would be written."""
        unit = self._plan.units[self._unit[route_identity(route)]]
        others = (item.route.object for item in unit if item.route.object != route.object and not served(item.before))
        return next(others, changes[0].object)

    # The plan afterwards ----------------------------------------------------------------------------------------------------

    def as_weighed(self) -> RoutingPlan:
        """The plan with what was found out about its routes."""
        lost = {same for part in self._dropped for same in self._own(part)}
        return replace(self._plan, routes=tuple(self._as_weighed(item, lost) for item in self._plan.routes))

    def _as_weighed(self, item: RoutePlan, lost: Collection[Same]) -> RoutePlan:
        same = route_identity(item.route)
        if same not in self._weighed:
            return item
        then = self._weighed[same][1]
        if same not in lost and _essence(then) == _essence(item.after):
            return item
        after = replace(then, why=f"{then.why}; a part of the plan is left out, as it would make a route worse")
        return replace(item, after=after, strategy="none" if same in lost or not served(then) else item.strategy)


def _essence(outcome: Outcome) -> tuple[str, str, str]:
    return (outcome.verdict, outcome.misrouted_to, outcome.access.decision)


def about_left_out(left_out: Iterable[LeftOut]) -> Iterator[Finding]:
    """What was left out of a plan, for whom, and because of what."""
    for item in left_out:
        written = listed([f"{change.action} {change.object}" for change in item.changes], 4)
        route = item.suffers
        message = (
            f"left out: {written}. With it, {route.host or '*'}{route.path} of {route.object} (by {route.load_balancer_name}) would "
            f"go {becoming_worse(item.before, item.after)}. The cause is {item.cause}"
        )
        details = request_details(
            route, suffers=route.object, load_balancer=route.load_balancer_name, before=item.before.verdict, after=item.after.verdict,
            left_out=[change.object for change in item.changes],
        )
        yield finding("MLB223", message, item.wanted_by, cause=item.cause, details=details)
