# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of lb_sidecar, from its options to its result."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ..apply import ownership
from ..apply.book import load_balancers_of
from ..apply.managers import manager_finding
from ..balancers.contract.instances import SidecarTarget
from ..balancers.contract.profile import Registry
from ..balancers.registry import REGISTRY
from ..core.errors import MeshlbError
from ..core.findings import finding
from ..core.model import ABSENT, Change, Finding, LoadBalancer, ObjectRef
from ..core.values import change_sides
from ..detect.load_balancers import config_map_namespaces, detect
from ..istio.injection import has_proxy
from ..istio.interception import interception_of
from ..istio.mesh import interception_defaults
from ..kube import kinds
from ..kube.client.api import Api
from ..kube.objects import Obj, dig, kind_key, name_of, pod_template, ref_of
from ..kube.pods import workload_pods
from ..kube.rollout import Rollout, is_ready, newest, not_ready, rollout, rolls_by_itself
from ..kube.snapshot import Snapshot
from ..plan.sidecar import desired_fields, target_of, workload_of
from .session import Result, deliver, report, start

PART = "lb_sidecar"
TEMPLATE = "the labels and annotations of its pods"
PASSING_ON = "its operator has not passed on what its pods are to have"
INTERVAL = 1.0

Template = Mapping["tuple[str, str]", "str | None"]
"""Labels and annotations of pods, by ``labels`` or ``annotations`` and key; ``None`` where there must be none."""


def run(params: Mapping[str, Any], check_mode: bool, diff: bool) -> Result:
    """Give a load balancer a sidecar, or take it back; raises :class:`MeshlbError`."""
    session = start(params, check_mode, (*kinds.BASE, *REGISTRY.route_kinds()), config_map_namespaces)
    live = session.snapshot
    load_balancers, about = detect(live, session.registry)
    wanted = params["load_balancer"]
    if params["state"] == "absent":
        workload, changes, findings, template = _absent(live, session.registry, load_balancers, wanted)
    else:
        workload, changes, findings, template = _present(live, session.registry, load_balancers, wanted, params["inbound_capture"])
    ref = ref_of(workload)
    changed, about_writing, _files = deliver(session, changes)
    rolls = kind_key(ref.api_version, ref.kind) in kinds.WORKLOADS
    if params["wait"] and rolls and not check_mode and session.api is not None:
        wait_for_rollout(session.api, ref, float(params["wait_timeout"]), params["state"] == "present", template=template)
    findings += [item for item in about if item.object == ref]
    return report(
        changes, [*findings, *about_writing, *_about_rollout(workload, changes)], changed, diff,
        workload={"kind": ref.kind, "name": ref.name, "namespace": ref.namespace},
    )


def _present(
    live: Snapshot, registry: Registry, load_balancers: list[LoadBalancer], wanted: Mapping[str, str], inbound_capture: str
) -> tuple[Obj, list[Change], list[Finding], Template]:
    found = next((item for item in load_balancers if _is(item, wanted)), None)
    if found is None:
        raise _unknown(live, load_balancers, wanted)
    workload = workload_of(live, found)
    base = ownership.original(live, PART)
    before = workload_of(base, found)
    target, desired = target_of(live, registry, found, workload), desired_fields(
        base, found, before, inbound_capture, target_of(base, registry, found, before)
    )
    why = f"gives {found.label} a sidecar that {'captures no' if inbound_capture == 'none' else 'also captures'} inbound traffic"
    change = ownership.claim(target.object, PART, desired, [found.label], why)
    gaps = interception_of(pod_template(workload), interception_defaults(live)).outbound_gaps(target.annotations)
    findings = [finding("MLB304", f"{found.label} {gap}", ref_of(workload), details={"setting": gap}) for gap in gaps]
    remark = manager_finding(workload, TEMPLATE)
    template = _made_by_an_operator(target, desired) if target.object is not workload else {}
    return workload, [change] if change else [], [*findings, *([remark] if remark else [])], template


def _made_by_an_operator(target: SidecarTarget, desired: Mapping[tuple[str | int, ...], Any]) -> Template:
    """What the pods have to have before a rollout is worth looking at: their operator takes its time to pass it on."""
    places = {target.labels_path: "labels", target.annotations_path: "annotations"}
    return {(places[path[:-1]], str(path[-1])): None if value is ABSENT else str(value) for path, value in desired.items()}


def _absent(
    live: Snapshot, registry: Registry, load_balancers: list[LoadBalancer], wanted: Mapping[str, str]
) -> tuple[Obj, list[Change], list[Finding], Template]:
    # What this part wrote is found by its own book: the load balancer may not be recognisable any more.
    label = f"{wanted['namespace']}/{wanted['name']}"
    for obj in ownership.owned(live, PART):
        if label in load_balancers_of(obj):
            change, findings = ownership.release(obj, PART, f"takes the sidecar of {label} back")
            remark = manager_finding(obj, TEMPLATE)
            named = _named(live, wanted) or obj
            template = _given_back(live, registry, load_balancers, wanted, change) if change and named is not obj else {}
            return named, [change] if change else [], [*findings, *([remark] if remark else [])], template
    found = next((item for item in load_balancers if _is(item, wanted)), None)
    ref = found.workload if found else None
    workload = live.get(kind_key(ref.api_version, ref.kind), ref.namespace, ref.name) if ref else None
    if workload is None:
        raise _unknown(live, load_balancers, wanted)
    return workload, [], [], {}


def _named(live: Snapshot, wanted: Mapping[str, str]) -> Obj | None:
    found = (live.get(kind, wanted["namespace"], wanted["name"]) for kind in kinds.WORKLOADS)
    return next((item for item in found if item is not None), None)


def _given_back(
    live: Snapshot, registry: Registry, load_balancers: list[LoadBalancer], wanted: Mapping[str, str], change: Change
) -> Template:
    """What the operator will have taken from the pods (or put back) once it has seen that its object changed."""
    found = next((item for item in load_balancers if _is(item, wanted)), None)
    workload = _named(live, wanted)
    if found is None or workload is None:
        return {}
    target = registry.get(found.vendor).instance.sidecar_target(live, workload)
    before, after = change_sides(change)
    template: dict[tuple[str, str], str | None] = {}
    for where, path in (("labels", target.labels_path), ("annotations", target.annotations_path)):
        now = dig(after, *path, default={})
        template.update({(where, key): now.get(key) for key in dig(before, *path, default={})})
    return template


def _is(item: LoadBalancer, wanted: Mapping[str, str]) -> bool:
    return (item.namespace, item.name) == (wanted["namespace"], wanted["name"])


def _unknown(live: Snapshot, load_balancers: list[LoadBalancer], wanted: Mapping[str, str]) -> MeshlbError:
    known = [item.label for item in load_balancers if item.workload]
    message = f"load_balancer names {wanted['namespace']}/{wanted['name']}, but no load balancer of that name was found."
    hint = f"Found were: {', '.join(known)}." if known else "None at all was found."
    hint = " ".join([hint, *(live.source.denied[kind] for kind in kinds.WORKLOADS if kind in live.source.denied)])
    return MeshlbError(message, hint, details={"known": known})


def _about_rollout(workload: Obj, changes: list[Change]) -> list[Finding]:
    if not changes or rolls_by_itself(workload):
        return []
    message = "its update strategy is OnDelete, so its pods change only when somebody deletes them"
    return [finding("MLB302", message, ref_of(workload))]


def wait_for_rollout(
    api: Api,
    ref: ObjectRef,
    timeout: float,
    with_sidecar: bool,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    template: Template | None = None,
) -> None:
    """Return when all pods of a workload are new and available (and, where asked for, have a sidecar).

    ``template`` is what its operator has to have put on (or taken from) its pods before that counts.

    Raises :class:`MeshlbError` as soon as that cannot happen any more, and when it did not within ``timeout`` seconds.
    """
    deadline = clock() + timeout
    while True:
        workload = api.get(ref)
        pods = workload_pods(Snapshot(api.list(kinds.POD, ref.namespace)), workload)
        state = rollout(workload, pods) if _passed_on(workload, template or {}) else Rollout(waiting=PASSING_ON)
        if state.done:
            if with_sidecar and rolls_by_itself(workload):
                _demand_sidecars(ref, pods)
            return
        if state.failed:
            raise _failure(ref, f"the rollout failed: {state.failed}", pods, with_sidecar)
        if clock() >= deadline:
            why = ": ".join(filter(None, (state.waiting, not_ready(pods))))
            raise _failure(ref, f"not done within {timeout:g} seconds: {why}", pods, with_sidecar)
        sleep(INTERVAL)


def _passed_on(workload: Obj, template: Template) -> bool:
    metadata = dig(pod_template(workload), "metadata", default={})
    return all(dig(metadata, *path, default=None) == value for path, value in template.items())


def _failure(ref: ObjectRef, what: str, pods: list[Obj], with_sidecar: bool) -> MeshlbError:
    waiting = [name_of(pod) for pod in newest(pods) if not is_ready(pod)]
    back = ", or take it back with state: absent" if with_sidecar else ", then run again"
    hint = f"The change is written. Correct what is in the way{back}."
    return MeshlbError(f"{ref}: {what.rstrip('.')}.", hint, ref, {"pods_not_ready": waiting})


def _demand_sidecars(ref: ObjectRef, pods: list[Obj]) -> None:
    without = [name_of(pod) for pod in newest(pods) if is_ready(pod) and not has_proxy(pod)]
    if without:
        raise MeshlbError(
            f"{ref}: rolled out, but {', '.join(without)} started without a sidecar.",
            "Look at the injector (istiod's log, and the webhook's selectors and failurePolicy), then restart the pods.",
            ref, {"pods_without_sidecar": without},
        )
