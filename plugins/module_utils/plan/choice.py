# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choosing a strategy for the routes of one unit, with the sentence that says why, and why not the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.model import Finding, Outcome, Route, replace
from ..kube.objects import ref_of
from .places import proposed
from .strategies.base import Context, Proposal, Strategy, joined
from .strategies.host_entry import MESH_POLICY
from .strategies.table import STRATEGIES
from .trial import Outcomes, in_place, loses_access, served, worse_transport

Owned = Callable[[Any], bool]


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
    allowed: Callable[[Route], tuple[Strategy, ...]], is_owned: Owned, may_lose_access: Callable[[Route], bool] = lambda route: False,
) -> Choice:
    """Find the best strategy that serves all needy routes; where none does, the best one for each of them.

    ``may_lose_access`` says of which routes the user allows that policies keep their requests out.
    """
    wanted = {route: allowed(route) for route in needy}
    tried = [item for item in STRATEGIES if any(item in options for options in wanted.values())]
    loses = _Losses(standing, may_lose_access)
    trials = {item.name: _try(context, item, _for(wanted, item), loses, is_owned) for item in tried}
    ranked = sorted(trials.values(), key=lambda item: item.rank)
    for trial in ranked:
        if not trial.harmed and all(trial.strategy in wanted[route] and trial.serves(route) for route in needy):
            assigned = dict.fromkeys(needy, trial.strategy)
            return Choice(assigned, trial.proposal, trial.outcomes, _reasons(assigned, trials, needy))
    found = _each_its_own(context, needy, loses, wanted, ranked, trials)
    if len(found.assigned) == len(needy):
        return found
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


def _for(wanted: Mapping[Route, tuple[Strategy, ...]], strategy: Strategy) -> list[Route]:
    return [route for route, options in wanted.items() if strategy in options]


def _try(
    context: Context, strategy: Strategy, targets: list[Route], loses: _Losses, is_owned: Owned
) -> Trial:
    proposal = _without_collisions(context, proposed(context, strategy, targets), targets, is_owned)
    outcomes = context.cluster.outcomes(context.routes, proposal)
    harmed = tuple(route for route in context.routes if loses.anything(route, outcomes[route]))
    kept_out = tuple(route for route in targets if loses.access(route, outcomes[route]))
    denied = sum(1 for route in targets if outcomes[route].access.decision == "denied")
    standing = loses.standing
    lost = sum(1 for route in targets if lost_features(context, route, strategy))
    touched = sum(1 for route in context.routes if served(standing[route]) and outcomes[route] != standing[route])
    # What it asks for in favour of routes that it does not serve anyway is never written, so it cannot be in place.
    helped = [route for route in targets if route not in proposal.refusals and served(outcomes[route])]
    useful = proposal if len(helped) == len(targets) else proposed(context, strategy, helped)
    rank = (
        denied, int(not in_place(context.live, useful, is_owned)), int(not strategy.keeps_host), lost, touched,
        proposal.size, STRATEGIES.index(strategy),
    )
    return Trial(strategy, proposal, outcomes, harmed, kept_out, rank)


def _without_collisions(context: Context, proposal: Proposal, targets: list[Route], is_owned: Owned) -> Proposal:
    """Refuse everything where an object to be made has a name that is taken by somebody else's."""
    for creation in proposal.creations:
        taken = context.cluster.existing(creation.body)
        if taken is not None and not is_owned(taken):
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
        harmed = [route for route in context.routes if route not in assigned and loses.anything(route, outcomes[route])]
        if harmed and not failed:
            failed = {(route, item.name) for route, item in assigned.items() if item.touches_load_balancer} or {
                (route, item.name) for route, item in assigned.items()
            }
        if not failed:
            return Choice(assigned, proposal, outcomes, _reasons(assigned, trials, needy))
        banned |= failed


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
    sentence = f"{chosen.name}: {chosen.gain}" if chosen else "no strategy serves this route"
    return "; ".join([sentence, *others])


_RANKING = (
    "policies deny its requests", "the other one is already in place", "it changes the Host that the application sees",
    "it gives up more of what is in use here", "it touches routes that already work", "it needs more changes",
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
