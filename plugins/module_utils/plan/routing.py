# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for routes: verdict before, strategy, verdict after, for every route of the chosen load balancers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..balancers.contract.profile import Registry
from ..core.findings import finding, route_details
from ..core.model import Finding, LoadBalancer, Outcome, Route, RoutePlan, replace
from ..detect.claims import HostClaims
from ..detect.inventory import Inventory, RouteFacts, route_facts, take_inventory
from ..istio.outcome import predict
from ..kube import kinds
from ..kube.objects import Identity, Obj, identity_of, ref_of
from ..kube.snapshot import Snapshot
from .access import about_kept_out
from .choice import choose, lost_features, outcome_with
from .pins import Wishes
from .places import about_places
from .remarks import about_load_balancer, about_misrouting, about_route, is_frozen, plannable
from .rivals import Rival, about_rivals
from .strategies.base import Context, Proposal, Strategy
from .strategies.table import AUTO, BY_NAME
from .strategies.twins import about_twins
from .trial import Outcomes, SnapshotCluster, raw_ports, route_identity, served
from .units import units


@dataclass(frozen=True)
class PlanOptions:
    """What the user asked for.

    ``selected`` says whether a route is to be planned at all (its namespace, its labels), ``chosen`` whether a load balancer's
    routes are. All others are planned around: what is made for one load balancer must not break another in its namespace.
    ``may_write`` says whether the run may write in a namespace. ``around`` are load balancers that another one is planned instead of.
    ``barred`` are routes without which is planned, as what they need would make another one worse: they stay as they are.
    ``may_get_worse`` says for which routes the user allows that, ``is_harmless`` of which pods beside a load balancer what is made for
    public hosts may hold, too.
    """

    wishes: Wishes = Wishes()
    selected: Callable[[Route], bool] = field(default=lambda route: True)
    chosen: Callable[[tuple[str, str]], bool] = field(default=lambda key: True)
    may_write: Callable[[str], bool] = field(default=lambda namespace: True)
    around: Mapping[tuple[str, str], Rival] = field(default_factory=dict)
    barred: frozenset[tuple[object, ...]] = frozenset()
    may_get_worse: Callable[[Route], bool] = field(default=lambda route: False)
    is_harmless: Callable[[Obj], bool] = field(default=lambda pod: False)

    def concerns(self, route: Route) -> bool:
        return self.chosen(route.load_balancer) and self.selected(route)

    def bars(self, route: Route) -> bool:
        """Whether a route is left out."""
        return route_identity(route) in self.barred


@dataclass(frozen=True)
class RoutingPlan:
    """Every route with its verdicts, and all that is to be written; ``owners`` says for which load balancers.

    ``units`` are all routes, also those about which the run does not decide, in the groups in which they were planned.
    """

    routes: tuple[RoutePlan, ...] = ()
    proposals: tuple[tuple[Proposal, tuple[str, ...]], ...] = ()
    findings: tuple[Finding, ...] = ()
    units: tuple[tuple[RoutePlan, ...], ...] = ()


def plan_routes(
    live: Snapshot, original: Snapshot, registry: Registry, load_balancers: Sequence[LoadBalancer], options: PlanOptions,
    is_owned: Callable[[Any], bool], locked: Callable[[Obj], str] = lambda obj: "", found: Inventory | None = None,
) -> RoutingPlan:
    """Plan all routes of the load balancers.

    ``original`` is the snapshot without this collection's own changes: the plan starts from there, so that a second run
    finds the same plan. ``is_owned`` tells whether an object (or ``None``) was made by this collection, ``locked`` why no field of an
    object may be set (empty where it may). ``found`` is the inventory of ``live`` where it was taken already.
    """
    now = found or take_inventory(live, registry, load_balancers)
    base = _without_own(now, live, original, registry)
    options = replace(options, chosen=partial(_is_planned, options.chosen, options.around))
    # A route that was not selected is planned around, like one that asks to be ignored.
    routes = tuple(_unlocked(original, locked, route if options.concerns(route) else replace(route, ignored=True)) for route in base.routes)
    claims = HostClaims(original, routes)
    facts = {route: route_facts(original, base.load_balancers[route.load_balancer], route, claims) for route in routes}
    base = replace(base, routes=routes, facts=facts)
    cluster, current = (SnapshotCluster(view, registry, base.load_balancers, locked) for view in (original, live))
    context = Context(
        base, registry, (), cluster, current, raw_ports(original, base), options.may_write, is_owned, options.wishes.leaves_to_us,
        options.is_harmless,
    )
    standing_now = {route_identity(route): route for route in now.routes}
    planned: list[tuple[RoutePlan, ...]] = []
    proposals: list[tuple[Proposal, tuple[str, ...]]] = []
    findings = [remark for key, remarks in now.findings.items() if options.chosen(key) for remark in remarks]
    for unit in units((route for route in routes if not options.bars(route)), lambda route: _dialled(facts[route])):
        outcomes, unit_plans, proposal, remarks = _plan_unit(replace(context, routes=unit), options)
        shown_as = ((item, standing_now.get(route_identity(item.route), item.route)) for item in unit_plans)
        planned.append(tuple(
            replace(item, route=route, before=predict(live, base.load_balancers[route.load_balancer], route)) for item, route in shown_as
        ))
        findings += remarks
        if proposal.size:
            findings += about_places(proposal, [route for route in unit if outcomes.get(route) and options.concerns(route)])
            proposals.append((proposal, tuple(sorted({route.load_balancer_name for route in unit if outcomes.get(route)}))))
    left_out = [standing_now[route_identity(route)] for route in routes if options.bars(route)]
    planned += [(_left_out(route, predict(live, base.load_balancers[route.load_balancer], route)),) for route in left_out]
    shown = sorted((item for unit in planned for item in unit if options.concerns(item.route)), key=lambda item: item.route.sort_key)
    findings += _misrouted(shown, findings)
    findings += about_twins(live, (item.route for item in shown), "MLB250")
    about = [remark for item in load_balancers if options.chosen(item.key) for remark in about_load_balancer(registry, item, now.routes)]
    reasoned = tuple((_reasoned(proposal, shown), owners) for proposal, owners in proposals)
    about += about_rivals(now.load_balancers, options.around)
    return RoutingPlan(tuple(shown), reasoned, (*about, *findings), tuple(planned))


def _dialled(facts: RouteFacts) -> list[tuple[str, int]]:
    return [(item.ip, item.port) for item in facts.backend.endpoints]


def _is_planned(chosen: Callable[[tuple[str, str]], bool], around: Collection[tuple[str, str]], key: tuple[str, str]) -> bool:
    return chosen(key) and key not in around


def _misrouted(plans: Sequence[RoutePlan], said: Sequence[Finding]) -> list[Finding]:
    """Routes that reach another Service now, or will, and of which that was not said yet."""
    known = {(item.object, item.cause) for item in said if item.code == "MLB204"}
    found = [remark for item in plans for outcome in (item.before, item.after) for remark in about_misrouting(item.route, outcome)]
    return [item for item in found if (item.object, item.cause) not in known]


def _unlocked(original: Snapshot, locked: Callable[[Obj], str], route: Route) -> Route:
    """The route, which cannot be set where nothing may be set on its object."""
    why = locked(original.at(route.object) or {})
    return replace(route, settable=False, why_not_settable=why) if why else route


def _without_own(now: Inventory, live: Snapshot, original: Snapshot, registry: Registry) -> Inventory:
    """The inventory of ``original``, for which only what may differ from ``live`` is read again."""
    changed = original.changed_since(live)
    only = frozenset(route.object for unit in units(now.routes) if _may_differ(unit, changed) for route in unit)
    if not only:
        return now
    again = take_inventory(original, registry, now.load_balancers.values(), only)
    routes = [route for route in now.routes if route.object not in only]
    return replace(again, routes=tuple(sorted([*routes, *again.routes], key=lambda route: route.sort_key)))


def _may_differ(unit: Sequence[Route], changed: frozenset[Identity]) -> bool:
    """Whether routes may be read differently after these objects changed: their own, their Services, or one that holds for others."""
    own = {identity_of(item.object) for item in unit}
    own |= {(kinds.SERVICE, item.backend.namespace, item.backend.service) for item in unit}
    read_for_themselves = {kinds.INGRESS, kinds.SERVICE, *kinds.ISTIO}
    return not own.isdisjoint(changed) or any(kind not in read_for_themselves for kind, dummy, dummy in changed)


def _reasoned(proposal: Proposal, plans: Sequence[RoutePlan]) -> Proposal:
    """A proposal whose fields say why they are set: for the strategies of their object's routes, whichever proposals these are in."""
    return replace(proposal, patches=tuple(replace(patch, reason=_why_set(patch.object, plans)) for patch in proposal.patches))


def _why_set(obj: Obj, plans: Sequence[RoutePlan]) -> str:
    ref = ref_of(obj)
    found = sorted({item.strategy for item in plans if item.strategy != "none" and item.route.object == ref})
    return f"routes of this object reach their Services by {', '.join(found) or 'the plan of the routes that they share an upstream with'}"


def _plan_unit(context: Context, options: PlanOptions) -> tuple[dict[Route, bool], list[RoutePlan], Proposal, list[Finding]]:
    standing = context.cluster.outcomes(context.routes, Proposal())
    needy = [
        route for route in context.routes
        if not route.ignored and not served(standing[route]) and not is_frozen(standing[route]) and plannable(context, route)
    ]
    findings = [remark for route in context.routes if options.concerns(route) for remark in about_route(context, route, standing[route])]
    if not needy:
        return {}, [_unchanged(route, standing) for route in context.routes], Proposal(), findings
    choice = choose(context, needy, standing, options.wishes.allowed, options.may_get_worse)
    findings += [remark for route in needy if options.concerns(route) for remark in _about_claims(context, route, options.wishes)]
    plans, findings = [], [*findings, *choice.conflicts]
    kept_out = ((route, then) for route, then in choice.kept_out.items() if options.concerns(route))
    findings += [about_kept_out(context.at, route, standing[route], then) for route, then in kept_out]
    for route in context.routes:
        strategy = choice.assigned.get(route)
        if route not in choice.reasons:
            plans.append(_unchanged(route, choice.outcomes))
            continue
        outcome = choice.outcomes[route]
        after = replace(outcome, why=outcome_with(outcome, choice.reasons[route]))
        plans.append(RoutePlan(route, Outcome("unknown", ""), after, strategy.name if strategy else "none"))
        findings += _about_choice(context, route, strategy, outcome, choice.reasons[route], options)
    return dict.fromkeys(choice.assigned, True), plans, choice.proposal, findings


def _unchanged(route: Route, outcomes: Outcomes) -> RoutePlan:
    return RoutePlan(route, Outcome("unknown", ""), outcomes[route], "none")


def _left_out(route: Route, now: Outcome) -> RoutePlan:
    why = f"{now.why}. It is left out of the plan, as what it needs would make another route worse"
    return RoutePlan(route, now, replace(now, why=why), "none")


def _about_claims(context: Context, route: Route, wishes: Wishes) -> Iterator[Finding]:
    """What a route asks for and does not get: a host that is not its own, a strategy that may not be pinned."""
    taken = context.facts(route).taken
    if taken and any(item.stands_for_hosts for item in wishes.allowed(route)):
        yield finding("MLB222", f"{taken.why}; no object is made for that host", route.object, cause=taken.owner)
    remark = wishes.remark(route)
    if remark:
        yield remark


def _about_choice(
    context: Context, route: Route, strategy: Strategy | None, outcome: Outcome, reason: str, options: PlanOptions
) -> list[Finding]:
    where = f"{route.host or '*'}{route.path} -> {route.backend.service}:{route.backend.port}"
    pinned = options.wishes.effective(route)
    details = route_details(route, strategy=strategy.name if strategy else pinned)
    if strategy is None and served(outcome):
        return []
    if strategy is None:
        if pinned != AUTO and pinned not in BY_NAME:
            names = ", ".join([AUTO, *BY_NAME])
            return [finding("MLB217", f"{where}: {pinned!r} is no strategy; there are {names}", route.object, details=details)]
        return [finding("MLB201" if pinned == AUTO else "MLB202", f"{where}: {reason}", route.object, details=details)]
    lost, hazard, found = lost_features(context, route, strategy), strategy.hazard(context, route), []
    if lost:
        message = f"{where}: {strategy.name} gives up {', '.join(lost)}; {strategy.cost}"
        found.append(finding("MLB215", message, route.object, details={**details, "lost": lost}))
    if hazard:
        found.append(finding("MLB251", f"{where}: {strategy.name}: {hazard}", route.object, details={**details, "hazard": hazard}))
    return found
