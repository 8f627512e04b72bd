# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of lb_sidecar, from its options to its result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..apply import ownership
from ..apply.book import load_balancers_of
from ..apply.managers import manager_finding
from ..balancers.contract.instances import SidecarTarget
from ..balancers.contract.profile import Registry
from ..balancers.kit.objects import is_ignored
from ..balancers.kit.settings import neighbours_of
from ..core.errors import MeshlbError
from ..core.findings import finding
from ..core.marks import IGNORE, LB_SIDECAR
from ..core.model import ABSENT, Change, Finding, LoadBalancer, ObjectRef, replace
from ..core.values import change_sides
from ..core.writes import Part
from ..detect.description import about_reading
from ..detect.load_balancers import detect, setting_namespaces
from ..istio.interception import interception_of
from ..istio.mesh import config_map_namespaces, interception_defaults
from ..istio.proxy_config import PROXY_CONFIG
from ..kube import kinds
from ..kube.objects import Obj, dig, kind_key, kind_key_of, labels_of, name_of, namespace_of, pod_template, ref_of
from ..kube.pods import workload_pods
from ..kube.rollout import rolls_by_itself
from ..kube.snapshot import Snapshot
from ..plan.gap import about_gaps
from ..plan.sidecar import Injection, against_outliving, desired_fields, injector_hooks, usable, workload_for
from ..plan.sidecar_harm import Becoming, about_harm, harm_of
from ..plan.writes import SIDECAR, lb_sidecar, sidecar_writes
from .digest import agreed
from .options.sidecar import SidecarOptions
from .results import Report, Result
from .rolling import RolloutFailed, Template, template_now, undone, wait_for_rollout
from .session import Session, deliver, ledger_of, reading_kinds, start, without
from .settled import settled
from .waiting import Clock, Reads
from .whole import demand_kinds, demand_readable, demand_whole

TEMPLATE = "the labels and annotations of its pods"
INJECTED = "how its pods get a sidecar"


@dataclass(frozen=True)
class SidecarScene:
    """What was found, and what was asked for."""

    live: Snapshot
    registry: Registry
    load_balancers: Sequence[LoadBalancer]
    options: SidecarOptions

    @cached_property
    def part(self) -> Part:
        """What this run may write."""
        return lb_sidecar(self.registry)

    @property
    def load_balancer(self) -> LoadBalancer | None:
        """The one that is meant, where it is recognised."""
        return next((item for item in self.load_balancers if item.key == self.options.load_balancer), None)


@dataclass(frozen=True)
class SidecarDecision:
    """What becomes of one workload; ``template`` is what its operator then has to pass on to its pods."""

    workload: Obj
    change: Change | None = None
    findings: Sequence[Finding] = ()
    template: Template = field(default_factory=dict)
    left_out: bool = False
    digest: str = ""

    @property
    def changes(self) -> list[Change]:
        return [self.change] if self.change else []


@dataclass(frozen=True, kw_only=True)
class SidecarResult(Report):
    """What lb_sidecar returns."""

    workload: ObjectRef

    def own(self) -> Result:
        return {"workload": {"kind": self.workload.kind, "name": self.workload.name, "namespace": self.workload.namespace}}


def run_sidecar(options: SidecarOptions, clock: Clock | None = None) -> SidecarResult:
    """Give a load balancer a sidecar, or take it back; raises :class:`MeshlbError`."""

    def read(earlier: Session | None) -> Session:
        return start(options.common, (*reading_kinds(), kinds.DISRUPTION_BUDGET), setting_namespaces, earlier)

    with settled(LB_SIDECAR, read, lambda session: _decided(session, options), clock=clock) as run:
        decision, api = run.decision, run.session.api
        ref = ref_of(decision.workload)
        written = deliver(run.session, decision.changes)
        rolls = kind_key(ref.api_version, ref.kind) in kinds.WORKLOADS
        if options.wait and rolls and not decision.left_out and not options.common.check_mode and api is not None:
            _see_it_through(run.session, api, options, decision, clock or Clock())
    return SidecarResult(
        changed=written.changed, changes=decision.changes, workload=ref,
        findings=[*decision.findings, *run.findings, *written.findings, *_about_rollout(decision)], plan_digest=decision.digest,
        cluster=run.session.cluster,
    )


def _see_it_through(session: Session, api: Reads, options: SidecarOptions, decision: SidecarDecision, clock: Clock) -> None:
    """Wait for the rollout; where it fails, take back what started it, unless it is to be kept."""
    ref, timeout, change = ref_of(decision.workload), options.wait_timeout, decision.change
    try:
        wait_for_rollout(api, ref, timeout, options.state == "present", clock, template=decision.template)
    except RolloutFailed as error:
        if change is None or options.on_failed_rollout == "keep":
            raise
        before = template_now(decision.workload, decision.template)
        raise undone(api, lambda item: deliver(session, [item]), change, error, ref, timeout, clock, before) from error


def _decided(session: Session, options: SidecarOptions) -> SidecarDecision:
    load_balancers, about = detect(session.snapshot, session.registry)
    scene = SidecarScene(session.snapshot, session.registry, load_balancers, options)
    decision = _absent(scene) if options.state == "absent" else _without_harm(scene, _present(scene))
    ref = ref_of(decision.workload)
    said = [*about_reading(scene.live), *ledger_of(scene.live, scene.part).findings]
    budgets = None if kinds.DISRUPTION_BUDGET in scene.live.source.unknown else scene.live.all(kinds.DISRUPTION_BUDGET)
    gaps = about_gaps(decision.workload, budgets) if decision.change else []
    findings = [*said, *decision.findings, *gaps, *(item for item in about if item.object == ref)]
    return replace(decision, findings=findings, digest=agreed(options.common, decision.changes, [ref.to_result()]))


def _without_harm(scene: SidecarScene, decision: SidecarDecision) -> SidecarDecision:
    """The decision, or nothing where the sidecar would make a route worse."""
    live, found = scene.live, scene.load_balancer
    if decision.change is None or found is None:
        return decision
    pods = [("Pod", namespace_of(item), name_of(item)) for item in workload_pods(live, decision.workload)]
    # Pods that are not there are predicted from their template, as it will be.
    view = live.after(decision.changes).overlay(gone=pods)
    again = next((item for item in detect(view, scene.registry)[0] if item.key == found.key), found)
    becoming = Becoming(again, view, frozenset(item[1:] for item in pods))
    harmed = list(harm_of(live, scene.registry, scene.load_balancers, becoming, scene.options.common.may_get_worse))
    if not harmed:
        return decision
    return SidecarDecision(decision.workload, None, [*decision.findings, about_harm(found, harmed)], left_out=True)


def _present(scene: SidecarScene) -> SidecarDecision:
    live, registry, inbound_capture = scene.live, scene.registry, scene.options.inbound_capture
    found = scene.load_balancer
    if found is None:
        raise _unknown(scene)
    demand_kinds(live, (*kinds.WORKLOADS, kinds.POD, kinds.NAMESPACE, kinds.WEBHOOK, *_where_pods_are_described(scene, found)), INJECTED)
    demand_readable(live, [found.workload, ObjectRef("v1", "Namespace", "", found.namespace), *_of_the_injector(live)], INJECTED)
    asked = live.at(found.workload)
    if asked is not None and is_ignored(asked):
        message = f"{ref_of(asked)} asks to be left alone ({IGNORE}); what an earlier run wrote stays until state: absent"
        return SidecarDecision(asked, None, [finding("MLB312", message, ref_of(asked))], left_out=True)
    base = without(live, scene.part)
    workload, before = workload_for(found, live.at(found.workload)), workload_for(found, base.at(found.workload))
    place = registry.get(found.vendor).instance.sidecar_target
    target = usable(found, place(workload, neighbours_of(live)))
    demand_readable(live, [ref_of(target.object)], INJECTED)
    first = usable(found, place(before, neighbours_of(base)))
    desired = desired_fields(injection_of(base, before), found, before, inbound_capture, first)
    why = f"gives {found.label} a sidecar that {'captures no' if inbound_capture == 'none' else 'also captures'} inbound traffic"
    change = ownership.claim(target.object, scene.part, desired, [found.label], why)
    gaps = interception_of(pod_template(workload), interception_defaults(live)).outbound_gaps(target.annotations)
    findings = [finding("MLB304", f"{found.label} {gap}", ref_of(workload), details={"setting": gap}) for gap in gaps]
    against = against_outliving(before, first)
    if against:
        message = f"{ref_of(target.object)}: its annotation {PROXY_CONFIG} {against}"
        findings.append(finding("MLB309", message, ref_of(target.object), details={"field": PROXY_CONFIG}))
    template = _made_by_an_operator(target, desired) if target.object is not workload else {}
    return SidecarDecision(workload, change, [*findings, *_about_manager(workload)], template)


def _of_the_injector(live: Snapshot) -> Iterator[ObjectRef]:
    """Objects that say how pods are injected, and could not be read."""
    homes = config_map_namespaces(live)
    for (kind, namespace, _name), item in live.source.unreadable.items():
        if kind == kinds.WEBHOOK or (kind == kinds.CONFIG_MAP and namespace in homes):
            yield item.ref


def _where_pods_are_described(scene: SidecarScene, load_balancer: LoadBalancer) -> Iterator[str]:
    """Kinds that tell where an operator takes its pods' labels from; none where that is the workload itself."""
    profile = scene.registry.get(load_balancer.vendor)
    writes = sidecar_writes(profile)
    yield from (item.kind for item in writes)
    if writes:
        yield from filter(None, (reader.unclear(scene.live) for reader in profile.routes))


def injection_of(live: Snapshot, workload: Obj) -> Injection:
    """What decides whether a workload's pods get a sidecar."""
    namespace = live.get(kinds.NAMESPACE, "", namespace_of(workload)) or {}
    return Injection(tuple(injector_hooks(live.all(kinds.WEBHOOK))), labels_of(namespace))


def _about_manager(obj: Obj) -> list[Finding]:
    remark = manager_finding(obj, TEMPLATE)
    return [remark] if remark else []


def _made_by_an_operator(target: SidecarTarget, desired: Mapping[tuple[str | int, ...], Any]) -> Template:
    """What the pods have to have before a rollout is worth looking at: their operator takes its time to pass it on."""
    places = {target.labels_path: "labels", target.annotations_path: "annotations"}
    return {(places[path[:-1]], str(path[-1])): None if value is ABSENT else str(value) for path, value in desired.items()}


def _absent(scene: SidecarScene) -> SidecarDecision:
    # What this part wrote is found by its own book: the load balancer may not be recognisable any more.
    live, label, named = scene.live, scene.options.label, _named(scene)
    noted = [obj for obj in ledger_of(live, scene.part).written if label in load_balancers_of(obj) and not _is_another(scene, obj)]
    for obj in sorted(noted, key=lambda obj: _remoteness(scene, obj, named))[:1]:
        change, findings = ownership.release(obj, scene.part, f"takes the sidecar of {label} back")
        template = _given_back(scene, named, change) if change and named is not None and named is not obj else {}
        return SidecarDecision(named or obj, change, [*findings, *_about_manager(obj)], template)
    found = scene.load_balancer
    demand_whole(live, [*SIDECAR, *(sidecar_writes(scene.registry.get(found.vendor)) if found else ())])
    workload = live.at(found.workload) if found else None
    if workload is None:
        raise _unknown(scene)
    return SidecarDecision(workload)


def _is_another(scene: SidecarScene, obj: Obj) -> bool:
    """Whether it is a workload, and another one: anybody can note a load balancer on an object."""
    is_workload = kind_key_of(obj) in kinds.WORKLOADS
    return is_workload and (namespace_of(obj), name_of(obj)) != scene.options.load_balancer


def _remoteness(scene: SidecarScene, obj: Obj, named: Obj | None) -> int:
    """How unlikely an object is to be what the load balancer's pods are made of."""
    found = scene.load_balancer
    place = scene.registry.get(found.vendor).instance.sidecar_target if found else None
    if obj is named or (place and named is not None and ref_of(obj) == ref_of(place(named, neighbours_of(scene.live)).object)):
        return 0
    return (scene.options.load_balancer[0], "", namespace_of(obj)).index(namespace_of(obj)) + 1


def _named(scene: SidecarScene) -> Obj | None:
    found = (scene.live.get(kind, *scene.options.load_balancer) for kind in kinds.WORKLOADS)
    return next((item for item in found if item is not None), None)


def _given_back(scene: SidecarScene, workload: Obj, change: Change) -> Template:
    """What the operator will have taken from the pods (or put back) once it has seen that its object changed."""
    found = scene.load_balancer
    if found is None:
        return {}
    target = scene.registry.get(found.vendor).instance.sidecar_target(workload, neighbours_of(scene.live))
    before, after = change_sides(change)
    template: dict[tuple[str, str], str | None] = {}
    for where, path in (("labels", target.labels_path), ("annotations", target.annotations_path)):
        now = dig(after, *path, default={})
        template.update({(where, key): now.get(key) for key in dig(before, *path, default={})})
    return template


def _unknown(scene: SidecarScene) -> MeshlbError:
    known, denied = [item.label for item in scene.load_balancers if item.workload], scene.live.source.denied
    message = f"load_balancer names {scene.options.label}, but no load balancer of that name was found."
    hint = f"Found were: {', '.join(known)}." if known else "None at all was found."
    hint = " ".join([hint, *(denied[kind] for kind in kinds.WORKLOADS if kind in denied)])
    return MeshlbError(message, hint, details={"known": known})


def _about_rollout(decision: SidecarDecision) -> list[Finding]:
    if decision.change is None or rolls_by_itself(decision.workload):
        return []
    message = "its update strategy is OnDelete, so its pods change only when somebody deletes them"
    return [finding("MLB302", message, ref_of(decision.workload))]
