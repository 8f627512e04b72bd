# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of service_routing, from its options to its result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from ..apply.book import load_balancers_of
from ..apply.files import applied, objects_in
from ..apply.ledger import locked
from ..apply.ownership import take_back
from ..apply.routing import is_owned, routing_changes
from ..apply.units import removal_units
from ..balancers.contract.profile import Registry
from ..balancers.registry import REGISTRY
from ..core.findings import finding
from ..core.marks import SERVICE_ROUTING
from ..core.model import Change, Finding, LoadBalancer, RoutePlan, replace
from ..core.writes import Part
from ..detect.description import about_absence, about_reading
from ..detect.inventory import Inventory, known_backend, take_inventory
from ..detect.load_balancers import detect, setting_namespaces
from ..detect.orphans import about_orphans
from ..detect.routes import read_routes
from ..detect.selection import choose_load_balancers, route_filter
from ..detect.unread import EVERY_KIND
from ..istio.outcome import predict
from ..kube.objects import Identity, Obj, identity, identity_of, namespace_of, ref_of
from ..kube.snapshot import Snapshot
from ..plan.access import about_access
from ..plan.exemption import about_outside, with_exemptions
from ..plan.keeping import held_back
from ..plan.pins import Wishes
from ..plan.regressions import Present, Weighed, about_left_out, weigh
from ..plan.remarks import about_unsure
from ..plan.rivals import Known, rivals
from ..plan.routing import PlanOptions, RoutingPlan, plan_routes
from ..plan.settling import settle
from ..plan.strategies.base import namespaces_served
from ..plan.writes import ROUTING, routing_writes, service_routing
from ..prove.asking import Asker
from ..prove.ways import Ways
from .digest import agreed, route_input
from .filed import about_files, filed, left_to_others
from .kept import Kept, about_spared, kept_in, missed_kinds
from .options.routing import RoutingOptions
from .results import Report, Result
from .session import Session, deliver, demand, ledger_of, reading_kinds, start, without
from .settled import settled
from .succession import Succession
from .unseen import Unseen, unlisted, whole_or_nothing
from .waiting import Clock
from .whole import demand_whole, only_seen


@dataclass(frozen=True)
class RoutingScene:
    """What a run decides about: the ``chosen`` among the load balancers of a cluster, as far as the options go."""

    live: Snapshot
    registry: Registry
    load_balancers: Sequence[LoadBalancer]
    chosen: Sequence[LoadBalancer]
    options: RoutingOptions

    @cached_property
    def by_key(self) -> dict[tuple[str, str], LoadBalancer]:
        return {item.key: item for item in self.load_balancers}

    @cached_property
    def part(self) -> Part:
        """What this run may write."""
        return service_routing(self.registry)

    @cached_property
    def kept(self) -> Kept:
        """What stays as it is, because its routes could not be read."""
        return kept_in(self.live, self.registry, self.load_balancers, ledger_of(self.live, self.part).written)

    def selects(self, obj: Obj) -> bool:
        """Whether what an earlier run wrote is for the routes that this run decides about."""
        namespaces = self.options.namespaces
        return not namespaces or namespaces_served(obj) <= set(namespaces)

    def covers(self, obj: Obj) -> bool:
        """The same, where it also may be touched."""
        return self.selects(obj) and self.may_write(namespace_of(obj)) and not self.kept.kinds_of(obj)

    def may_write(self, namespace: str) -> bool:
        """Whether this run may write in a namespace: in those that it is limited to, and beside the load balancers that it is about."""
        namespaces = self.options.namespaces
        return not namespaces or namespace in namespaces or any(item.namespace == namespace for item in self.chosen)

    def removable(self, obj: Obj) -> bool:
        """Whether what an earlier run wrote may be taken back where the plan does not need it."""
        return self.covers(obj) and not self.options.label_selector and not self.kept.spares(obj)

    def undecided(self, obj: Obj) -> bool:
        """Whether an object of an earlier run is for routes or load balancers that this run does not decide about."""
        names, here = load_balancers_of(obj), {item.label for item in self.load_balancers}
        others = bool(names & here) and names.isdisjoint(item.label for item in self.chosen)
        return others or not self.selects(obj) or bool(self.options.label_selector)

    def concerns(self, item: Finding) -> bool:
        """Whether a finding is about one of the chosen load balancers, or about none in particular."""
        others = {other.workload for other in self.load_balancers if other not in self.chosen and other.workload}
        return item.object is None or item.object not in others


@dataclass(frozen=True)
class RoutingDecision:
    """What becomes of the routes, the writes that bring it about, and what is to be said. What is ``held`` stays as it is.

    ``wanted`` are the objects that the plan has in the cluster, with their bookkeeping.
    """

    routes: Sequence[RoutePlan]
    changes: Sequence[Change]
    findings: Sequence[Finding]
    digest: str = ""
    held: Callable[[Obj], bool] = lambda obj: False
    scene: RoutingScene | None = None
    wanted: Sequence[Obj] = ()


@dataclass(frozen=True, kw_only=True)
class RoutingResult(Report):
    """What service_routing returns."""

    routes: Sequence[RoutePlan]

    def own(self) -> Result:
        return {"routes": [item.to_result() for item in self.routes]}


def run_routing(options: RoutingOptions, clock: Clock | None = None) -> RoutingResult:
    """Plan and write (or take back); raises :class:`core.errors.MeshlbError` before anything is written."""

    def read(earlier: Session | None) -> Session:
        return start(options.common, (*reading_kinds(), *REGISTRY.check_kinds()), setting_namespaces, earlier)

    with settled(SERVICE_ROUTING, read, lambda session: _decided(session, options), options.namespaces) as run:
        decision = run.decision
        succession = _succession(run.session, decision, clock or Clock())
        written = deliver(run.session, decision.changes, succession.before, keep=decision.held)
    return RoutingResult(
        changed=written.changed, changes=decision.changes, files=written.files, routes=decision.routes,
        findings=[*decision.findings, *run.findings, *written.findings, *succession.findings], plan_digest=decision.digest,
        cluster=run.session.cluster,
    )


def _succession(session: Session, decision: RoutingDecision, clock: Clock) -> Succession:
    found = decision.scene.load_balancers if decision.scene else ()
    asker = Asker(Ways(session.api), session.options.workers) if session.api is not None else None
    return Succession(session.snapshot, {item.label: item for item in found}, decision.wanted, decision.changes, asker, clock)


def _decided(session: Session, options: RoutingOptions) -> RoutingDecision:
    live = session.snapshot
    demand(live)
    load_balancers, about = detect(live, session.registry)
    scene = RoutingScene(live, session.registry, load_balancers, choose_load_balancers(load_balancers, options.load_balancers), options)
    decision = taken_back(scene) if options.state == "absent" else planned(scene)
    digest = agreed(options.common, decision.changes, (route_input(item.to_result()) for item in decision.routes))
    return replace(decision, digest=digest, findings=[
        *about_reading(live), *about_absence(live, load_balancers), *filter(scene.concerns, about), *decision.findings,
        *_in_no_file(scene, decision),
    ])


def _in_no_file(scene: RoutingScene, decision: RoutingDecision) -> Iterator[Finding]:
    """What stays in the cluster, may still be needed and is in no file: whoever drives the cluster from the files would prune it."""
    folder, kept = scene.options.common.output_dir, scene.kept
    if not folder or scene.options.state == "absent":
        return
    stays = [obj for obj in ledger_of(scene.live, scene.part).written if kept.kinds_of(obj)]
    filed = {item.object for item in decision.changes} | objects_in(folder) if stays else set()
    for obj in stays:
        if ref_of(obj) not in filed:
            names = sorted(kept.kinds_of(obj))
            which = "that are not known" if EVERY_KIND in names else f"of {', '.join(names)}, which cannot be read"
            message = f"{ref_of(obj)} may be for routes {which}, and no file in output_dir holds it, so it would be pruned"
            yield finding("MLB407", message, ref_of(obj), details={"kinds": names})


def planned(scene: RoutingScene) -> RoutingDecision:
    """What gives the routes mutual TLS."""
    live, registry, chosen, options = scene.live, scene.registry, scene.chosen, scene.options
    keys = {item.key for item in chosen}
    selected = route_filter(live, options.namespaces, options.label_selector)
    wishes = Wishes(options.strategy, options.preserve_host, options.pinnable_strategies)
    found = take_inventory(live, registry, scene.load_balancers)
    around = rivals(found, live, Known(_written_for(scene), options.load_balancers))
    asked = PlanOptions(
        wishes, selected, lambda key: key in keys, scene.may_write, around, may_get_worse=options.common.may_get_worse,
        is_harmless=options.is_harmless,
    )
    live = live.doubting(found.unreadable)
    spared = held_back(found, live, lambda: without(live, scene.part), registry, load_balancers_of)
    chosen = [item for item in chosen if item.key not in around]
    labels, aside = {item.label for item in chosen}, {scene.by_key[key].label for key in around}

    def held(obj: Obj) -> bool:
        names = load_balancers_of(obj)
        return spared(obj) or (not names.isdisjoint(aside) and names.isdisjoint(labels))

    original = without(live, scene.part, lambda obj: not scene.covers(obj) or held(obj))
    folder = options.common.output_dir
    fixed = _Around(live, original, found, asked, chosen, held, applied(folder, live.at) if folder else [])
    best, left_out = settle(partial(_attempt, scene, fixed))
    plan = best.weighed.plan
    outside = about_outside(partial(known_backend, live), registry, plan, chosen)
    read = (remark for remarks in found.findings.values() for remark in remarks)
    orphans = about_orphans(live, registry, scene.load_balancers, found.routes, read, options.namespaces)
    said = [*plan.findings, *best.findings, *outside, *about_left_out(left_out), *orphans]
    said += [*about_access(live, plan.routes), *about_unsure(plan.routes)]
    return RoutingDecision(
        plan.routes, list(best.weighed.changes), [*ledger_of(live, scene.part).findings, *said, *_about_kept(scene, plan)],
        held=lambda obj: held(obj) or scene.kept.spares_file(obj) or identity(obj) in best.stay,
        scene=scene, wanted=_wanted(live, plan, best.weighed.changes),
    )


@dataclass(frozen=True)
class _Around:
    """What stays the same however often is planned: the cluster, its inventory, what was asked for, and what is ``held``.

    ``original`` is the cluster without this collection's own changes, and ``on_file`` are the objects in the folder's files.
    """

    live: Snapshot
    original: Snapshot
    found: Inventory
    asked: PlanOptions
    chosen: Sequence[LoadBalancer]
    held: Callable[[Obj], bool]
    on_file: Sequence[Obj]

    @cached_property
    def labels(self) -> set[str]:
        return {item.label for item in self.chosen}


@dataclass(frozen=True)
class _Attempt:
    """A plan, weighed, what its writes have to say, and the objects whose files stay."""

    weighed: Weighed
    findings: Sequence[Finding]
    stay: frozenset[Identity]


def _attempt(scene: RoutingScene, around: _Around, barred: frozenset[tuple[object, ...]]) -> _Attempt:
    """Plan without the routes that are barred."""
    live, original, registry, options, held = around.live, around.original, scene.registry, scene.options, around.held
    owned, closed = partial(is_owned, scene.part), partial(locked, part=scene.part)
    asked = replace(around.asked, barred=barred)
    plan = plan_routes(live, original, registry, scene.load_balancers, asked, owned, closed, around.found)
    if options.strict_exemption:
        plan = with_exemptions(original, registry, plan, around.chosen, scene.may_write)
    # Files hold the whole plan, also what is applied already: whoever drives the cluster from them prunes what they lack.
    base, labels = original if options.common.output_dir else live, around.labels
    changes, about = routing_changes(
        ledger_of(base, scene.part), plan, labels, lambda obj: scene.removable(obj) and not held(obj), held
    )
    # What could not be read is not written either: the difference to it is not known.
    unreadable = live.source.unreadable
    changes = [item for item in changes if not _is_kept(scene, item) and identity_of(item.object) not in unreadable]
    changes, unseen = only_seen(live, changes)
    others = left_to_others(around.on_file, scene.part, scene.undecided)
    files = filed(live, around.on_file, scene.part, changes, labels, lambda obj: identity(obj) in others or held(obj))
    present = files.present(Present(live, registry, scene.by_key))
    weighed = weigh(present, plan, [*changes, *files.removals], options.common.may_get_worse)
    stay = files.stay(changes, weighed) | others
    weighed = replace(weighed, changes=tuple(files.written(weighed)))
    return _Attempt(weighed, [*about, *unseen, *about_files(around.on_file, changes, others)], stay)


def _wanted(live: Snapshot, plan: RoutingPlan, changes: Iterable[Change]) -> list[Obj]:
    """What the plan makes, and what of it is there already, with its bookkeeping."""
    created = {identity_of(item.object): item.body for item in changes if item.action == "create"}
    keys = (identity(item.body) for proposal, dummy in plan.proposals for item in proposal.creations)
    return [body for key in keys for body in [created.get(key) or live.get(*key)] if body is not None]


def _written_for(scene: RoutingScene) -> dict[str, set[str]]:
    """The load balancers for which earlier runs wrote something, by their labels, and in which namespaces."""
    found: dict[str, set[str]] = {}
    for obj in ledger_of(scene.live, scene.part).written:
        for label in load_balancers_of(obj):
            found.setdefault(label, set()).add(namespace_of(obj))
    return found


def _is_kept(scene: RoutingScene, change: Change) -> bool:
    obj = scene.live.at(change.object)
    return obj is not None and bool(scene.kept.kinds_of(obj))


def _about_kept(scene: RoutingScene, plan: RoutingPlan) -> Iterator[Finding]:
    """What stays though the plan does not ask for it, of what was written for the chosen load balancers."""
    names = {item.label for item in scene.chosen}
    wanted = {identity(item.body) for proposal, dummy in plan.proposals for item in proposal.creations}
    written = [obj for obj in ledger_of(scene.live, scene.part).written if load_balancers_of(obj) & names]
    yield from scene.kept.findings(written)
    yield from about_spared(scene.kept, (obj for obj in written if identity(obj) not in wanted))


def taken_back(scene: RoutingScene) -> RoutingDecision:
    """What undoes earlier runs."""
    live, registry, chosen, options = scene.live, scene.registry, scene.chosen, scene.options
    names = [item.label for item in chosen] if options.load_balancers else None
    # With files, taking back means that they say nothing any more.
    nothing = bool(options.common.output_dir)
    ledger = ledger_of(live, scene.part)
    demand_whole(live, ROUTING)
    unseen = unseen_by(scene)
    changes, about = take_back(ledger, lambda obj: nothing or not scene.selects(obj) or unseen.holds(obj), names, "is taken back")
    left = whole_or_nothing(list(unseen.findings(filter(scene.selects, ledger.written), live)), options.common.all_or_nothing)
    changes = removal_units(changes, live.get)
    after = live.after(changes)
    selected = route_filter(live, options.namespaces, options.label_selector)
    restored = {route.sort_key: route for route in read_routes(after, registry, chosen)[0]}
    plans = []
    for route in filter(selected, read_routes(live, registry, chosen)[0]):
        load_balancer = scene.by_key[route.load_balancer]
        then = predict(after, load_balancer, restored.get(route.sort_key, route))
        plans.append(RoutePlan(route, predict(live, load_balancer, route), then, "none"))
    return RoutingDecision(plans, changes, [*ledger.findings, *about, *left], held=unseen.holds)


def unseen_by(scene: RoutingScene) -> Unseen:
    """What a rollback cannot see of what was written for the chosen load balancers."""
    live, registry = scene.live, scene.registry
    writes = {item.label: unlisted(live, routing_writes(registry.get(item.vendor))) for item in scene.chosen}
    # Where a load balancer is gone, so may be its kinds, and with them all that was changed there.
    return Unseen(missed_kinds(live, registry), {label: found for label, found in writes.items() if found}, writes.keys())
