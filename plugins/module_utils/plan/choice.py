# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choosing a strategy for the routes of one unit, with the sentence that says why, and why not the others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..core.model import Finding, Outcome, Route, replace
from ..kube.objects import identity, ref_of
from .places import proposed
from .strategies.base import Context, Proposal, Strategy, joined
from .strategies.host_entry import MESH_POLICY
from .strategies.table import STRATEGIES
from .trial import Outcomes, in_place, loses_access, partly_in_place, served, worse_transport


@dataclass(frozen=True)
class Trial:
    """One strategy tried on all needy routes of a unit."""

    strategy: Strategy
    proposal: Proposal
    outcomes: Outcomes
    harmed: tuple[Route, ...]
    kept_out: tuple[Route, ...]
    rank: tuple[int, ...]

    def serves(self, route: Route) -> bool:
        return self._reaches(route) and route not in self.kept_out

    def keeps_out(self, route: Route) -> bool:
        """Whether it would serve a route, but for policies that would then keep its requests out."""
        return self._reaches(route) and route in self.kept_out

    def _reaches(self, route: Route) -> bool:
        return route not in self.proposal.refusals and served(self.outcomes[route])

    def why_not(self, route: Route) -> str:
        """The reason why this strategy does not help a route."""
        if route in self.proposal.refusals:
            return self.proposal.refusals[route]
        outcome = self.outcomes[route]
        if outcome.misrouted_to:
            return f"its requests would reach Service {outcome.misrouted_to}"
        if not served(outcome):
            return outcome.why
        if route in self.kept_out:
            return f"with it, {outcome.access.why}"
        return f"it would break {self.harmed[0].host or '*'}{self.harmed[0].path}" if self.harmed else ""


@dataclass(frozen=True)
class Choice:
    """What is done for a unit: strategy per route (absent: none), all of it as one proposal, and the sentences.

    ``kept_out`` are routes without a strategy that have none for want of access, with what would become of them.
    """

    assigned: Mapping[Route, Strategy]
    proposal: Proposal
    outcomes: Outcomes
    reasons: Mapping[Route, str]
    conflicts: tuple[Finding, ...] = ()
    kept_out: Mapping[Route, Outcome] = field(default_factory=dict)


def choose(
    context: Context, needy: Sequence[Route], standing: Outcomes,
    allowed: Callable[[Route], tuple[Strategy, ...]], may_lose_access: Callable[[Route], bool] = lambda route: False,
) -> Choice:
    """Find the best strategy that serves all needy routes; where none does, the best one for each of them.

    ``may_lose_access`` says of which routes the user allows that policies keep their requests out.
    Where the choice is left to us, no strategy is taken that has a hazard, and one that is in place and harms nobody stays.
    """
    wanted = {route: allowed(route) for route in needy}
    settled = dict(_settled(context, wanted))
    tried = [item for item in STRATEGIES if any(item in options for options in wanted.values())]
    loses = _Losses(standing, may_lose_access)
    trials = {
        item.name: _try(context, item, _for(wanted, item), loses, dict(_hazards(context, item, wanted, settled)))
        for item in tried
    }
    ranked = sorted(trials.values(), key=lambda item: item.rank)
    serving = (item for item in ranked if all(item.strategy in wanted[route] and item.serves(route) for route in needy))
    best = next((item for item in serving if not item.harmed), None)
    kept = None
    if settled and (best is None or any(item is not best.strategy for item in settled.values())):
        # What is in place and harms nobody stays, whatever would be chosen today; what is new beside it is served alike where it can be.
        narrowed = {route: (settled[route],) if route in settled else options for route, options in wanted.items()}
        likewise = sorted(ranked, key=lambda item: item.strategy not in settled.values())
        kept = _each_its_own(context, needy, loses, narrowed, likewise, trials)
        if len(kept.assigned) == len(needy):
            return kept
    if best is not None:
        assigned = dict.fromkeys(needy, best.strategy)
        return Choice(assigned, best.proposal, best.outcomes, _reasons(assigned, trials, needy))
    found = _each_its_own(context, needy, loses, wanted, ranked, trials)
    if len(found.assigned) == len(needy):
        return found
    if kept is not None and len(kept.assigned) >= len(found.assigned):
        found = kept
    found = _completed(context, needy, loses, wanted, ranked, trials, found)
    # Where a route stays as it is, the settings that were in a strategy's way are worth a remark of their own.
    left = [route for route in needy if route not in found.assigned]
    kept_out = {route: trial.outcomes[route] for route in left for trial in reversed(ranked) if trial.keeps_out(route)}
    return replace(found, conflicts=joined(*(trial.proposal for trial in ranked)).findings, kept_out=kept_out)


@dataclass(frozen=True)
class _Losses:
    """What routes may not lose of what they have as things stand."""

    standing: Outcomes
    may_lose_access: Callable[[Route], bool]

    def access(self, route: Route, outcome: Outcome) -> bool:
        """Whether policies keep out what they admit now."""
        return loses_access(self.standing[route], outcome) and not self.may_lose_access(route)

    def anything(self, route: Route, outcome: Outcome) -> bool:
        """Whether a route gets worse."""
        return worse_transport(self.standing[route], outcome) or self.access(route, outcome)

    def harmed(self, context: Context, outcomes: Outcomes, routes: Iterable[Route], served_in: Collection[str]) -> list[Route]:
        """Routes that lose something. What is there already takes nothing from routes of other namespaces that came later."""
        found = [route for route in routes if self.anything(route, outcomes[route])]
        others = [route for route in found if route.object.namespace not in served_in]
        now = replace(self, standing=context.live.outcomes(others, Proposal())) if others else self
        return [route for route in found if route not in now.standing or now.anything(route, outcomes[route])]


def _settled(context: Context, wanted: Mapping[Route, tuple[Strategy, ...]]) -> Iterator[tuple[Route, Strategy]]:
    """The routes for which a strategy is in place that harms nobody, with that strategy.

    Rules for a host are in place for all of its routes, and some of them may have been given another strategy. So where several are in
    place, it is the one of which most is there for no route that has no other: of one that is a part of another one, that is the whole.
    """
    asked = {route: options for route, options in wanted.items() if context.may_choose(route)}
    candidates = {strategy: _may_be_in_place(context, strategy, _for(asked, strategy)) for strategy in STRATEGIES}
    there = {
        route: dict(_in_place(context, route, (item for item in options if route in candidates[item])))
        for route, options in asked.items()
    }
    needed = {write for found in there.values() if len(found) == 1 for proposal in found.values() for write in _writes(proposal)}
    for route, found in there.items():
        if found:
            yield route, max(found, key=lambda item: (len(_writes(found[item]) - needed), found[item].size))


def _may_be_in_place(context: Context, strategy: Strategy, routes: list[Route]) -> Collection[Route]:
    """The routes for which it is worth asking, one by one, whether a strategy is in place.

    Where nothing is there of what it would take for all of them, it is in place for none but those that it cannot help together.
    """
    proposal = proposed(context, strategy, routes) if routes else Proposal()
    return set(routes) if partly_in_place(context.live, proposal, context.is_owned) else set(proposal.refusals)


def _in_place(context: Context, route: Route, options: Iterable[Strategy]) -> Iterator[tuple[Strategy, Proposal]]:
    for strategy in options:
        proposal = proposed(context, strategy, [route])
        there = not proposal.refusals and in_place(context.live, proposal, context.is_owned)
        if there and not strategy.hazard(context, route, in_place=True):
            yield strategy, proposal


def _writes(proposal: Proposal) -> set[object]:
    return {identity(item.body) for item in proposal.creations} | {(identity(item.object), item.path) for item in proposal.patches}


def _hazards(
    context: Context, strategy: Strategy, wanted: Mapping[Route, tuple[Strategy, ...]], settled: Mapping[Route, Strategy]
) -> Iterator[tuple[Route, str]]:
    """The routes for which a strategy is the user's to choose, and why."""
    for route in filter(context.may_choose, _for(wanted, strategy)):
        hazard = strategy.hazard(context, route, in_place=settled.get(route) is strategy)
        if hazard:
            yield route, hazard


def _for(wanted: Mapping[Route, tuple[Strategy, ...]], strategy: Strategy) -> list[Route]:
    return [route for route, options in wanted.items() if strategy in options]


def _try(
    context: Context, strategy: Strategy, asked: list[Route], loses: _Losses, hazards: Mapping[Route, str]
) -> Trial:
    targets = [route for route in asked if route not in hazards]
    proposal = _without_collisions(context, proposed(context, strategy, targets), targets)
    proposal = replace(proposal, refusals={**proposal.refusals, **hazards})
    outcomes = context.cluster.outcomes(context.routes, proposal)
    helps_in = {route.object.namespace for route in targets if route not in proposal.refusals}
    harmed = tuple(loses.harmed(context, outcomes, context.routes, helps_in))
    kept_out = tuple(route for route in targets if loses.access(route, outcomes[route]))
    denied = sum(1 for route in targets if outcomes[route].access.decision == "denied")
    standing = loses.standing
    lost = sum(1 for route in targets if lost_features(context, route, strategy))
    touched = sum(1 for route in context.routes if served(standing[route]) and outcomes[route] != standing[route])
    # What it asks for in favour of routes that it does not serve anyway is never written, so it cannot be in place.
    helped = [route for route in targets if route not in proposal.refusals and served(outcomes[route])]
    useful = proposal if len(helped) == len(targets) else proposed(context, strategy, helped)
    rank = (
        denied, int(not in_place(context.live, useful, context.is_owned)), int(not strategy.keeps_host), lost, touched,
        int(strategy.wide), proposal.size, STRATEGIES.index(strategy),
    )
    return Trial(strategy, proposal, outcomes, harmed, kept_out, rank)


def _without_collisions(context: Context, proposal: Proposal, targets: list[Route]) -> Proposal:
    """Refuse everything where an object to be made has a name that is taken by somebody else's."""
    for creation in proposal.creations:
        taken = context.cluster.existing(creation.body)
        if taken is not None and not context.is_owned(taken):
            return Proposal(refusals=dict.fromkeys(targets, f"{ref_of(taken)} already exists, and was not made by this collection"))
    return proposal


def _each_its_own(
    context: Context, needy: Sequence[Route], loses: _Losses,
    wanted: Mapping[Route, tuple[Strategy, ...]], ranked: Sequence[Trial], trials: Mapping[str, Trial],
) -> Choice:
    """Give each route the first strategy that serves it, then drop what does not hold once all is put together."""
    banned: set[tuple[Route, str]] = set()
    # Every round bans at least one pair, so there is an end.
    while True:
        assigned = {}
        for route in needy:
            usable = (t for t in ranked if t.strategy in wanted[route] and t.serves(route) and (route, t.strategy.name) not in banned)
            found = next(usable, None)
            if found is not None:
                assigned[route] = found.strategy
        proposal = joined(*(
            proposed(context, item, [route for route in assigned if assigned[route] is item]) for item in set_of(assigned.values())
        ))
        outcomes = context.cluster.outcomes(context.routes, proposal) if proposal.size else loses.standing
        failed = {
            (route, item.name) for route, item in assigned.items() if not served(outcomes[route]) or loses.access(route, outcomes[route])
        }
        others, helps_in = [route for route in context.routes if route not in assigned], {route.object.namespace for route in assigned}
        harmed = loses.harmed(context, outcomes, others, helps_in)
        if harmed and not failed:
            # What does harm by itself is the cause before what does so beside the others.
            guilty = {route: item for route, item in assigned.items() if trials[item.name].harmed} or assigned
            failed = {(route, item.name) for route, item in guilty.items() if item.touches_load_balancer} or {
                (route, item.name) for route, item in guilty.items()
            }
        if not failed:
            return Choice(assigned, proposal, outcomes, _reasons(assigned, trials, needy))
        banned |= failed


def _completed(
    context: Context, needy: Sequence[Route], loses: _Losses, wanted: Mapping[Route, tuple[Strategy, ...]],
    ranked: Sequence[Trial], trials: Mapping[str, Trial], found: Choice,
) -> Choice:
    """A choice with routes that were left out for the sake of others, now that these are settled. The next run would find them."""
    left = [route for route in needy if route not in found.assigned]
    if not found.assigned or not any(trial.strategy in wanted[route] and trial.serves(route) for route in left for trial in ranked):
        return found
    narrowed = {route: (found.assigned[route],) if route in found.assigned else options for route, options in wanted.items()}
    more = _each_its_own(context, needy, loses, narrowed, ranked, trials)
    if len(more.assigned) <= len(found.assigned):
        return found
    return _completed(context, needy, loses, wanted, ranked, trials, more)


def set_of(strategies: Iterable[Strategy]) -> list[Strategy]:
    """Each strategy once, in the table's order, so that plans are deterministic."""
    names = {item.name for item in strategies}
    return [item for item in STRATEGIES if item.name in names]


def _reasons(assigned: Mapping[Route, Strategy], trials: Mapping[str, Trial], needy: Sequence[Route]) -> dict[Route, str]:
    return {route: _reason(route, assigned.get(route), trials) for route in needy}


def _reason(route: Route, chosen: Strategy | None, trials: Mapping[str, Trial]) -> str:
    others = [
        f"not {name}: {trial.why_not(route) or _outranked(trial, trials.get(chosen.name) if chosen else None)}"
        for name, trial in trials.items() if chosen is None or name != chosen.name
    ]
    sentence = f"{chosen.name}: {chosen.gain}; what it costs: {chosen.cost}" if chosen else "no strategy serves this route"
    return "; ".join([sentence, *others])


_RANKING = (
    "policies deny its requests", "the other one is already in place", "it changes the Host that the application sees",
    "it gives up more of what is in use here", "it touches routes that already work",
    "it touches the backend's side, or takes over the choice of backends", "it needs more changes",
    "the other one comes first",
)


def _outranked(trial: Trial, chosen: Trial | None) -> str:
    if chosen is None:
        return "it does not hold together with the other routes of the unit"
    return next((text for text, mine, other in zip(_RANKING, trial.rank, chosen.rank, strict=True) if mine > other), _RANKING[-1])


def lost_features(context: Context, route: Route, strategy: Strategy) -> tuple[str, ...]:
    """What is in use on a route and stops working with a strategy."""
    in_use = set(route.features)
    if context.facts(route).has_mesh_policy:
        in_use.add(MESH_POLICY)
    return tuple(sorted(in_use & strategy.loses))


def outcome_with(outcome: Outcome, reason: str) -> str:
    """The sentence for a result: what will happen, and why this way."""
    return f"{outcome.why}. {reason}" if reason else outcome.why
