# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of lb_sidecar, from its options to its result."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.meshlb.istio.plugins.module_utils.api import Api
from ansible_collections.meshlb.istio.plugins.module_utils.apply import ownership
from ansible_collections.meshlb.istio.plugins.module_utils.apply.book import load_balancers_of
from ansible_collections.meshlb.istio.plugins.module_utils.apply.managers import manager_finding
from ansible_collections.meshlb.istio.plugins.module_utils.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.findings import finding
from ansible_collections.meshlb.istio.plugins.module_utils.model import Change, Finding, LoadBalancer, ObjectRef
from ansible_collections.meshlb.istio.plugins.module_utils.observe import kinds
from ansible_collections.meshlb.istio.plugins.module_utils.observe.blockers import outbound_gaps
from ansible_collections.meshlb.istio.plugins.module_utils.observe.detect import config_map_namespaces, detect
from ansible_collections.meshlb.istio.plugins.module_utils.observe.injection import has_proxy
from ansible_collections.meshlb.istio.plugins.module_utils.observe.objects import Obj, kind_key, name_of, pod_template, ref_of
from ansible_collections.meshlb.istio.plugins.module_utils.observe.pods import workload_pods
from ansible_collections.meshlb.istio.plugins.module_utils.observe.rollout import (
    is_ready,
    newest,
    not_ready,
    rollout,
    rolls_by_itself,
)
from ansible_collections.meshlb.istio.plugins.module_utils.observe.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.plan.sidecar import desired_fields, target_of, workload_of
from ansible_collections.meshlb.istio.plugins.module_utils.session import Result, deliver, report, start
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.registry import extra_kinds

PART = "lb_sidecar"
TEMPLATE = "the labels and annotations of its pods"
INTERVAL = 1.0


def run(params: Mapping[str, Any], check_mode: bool, diff: bool) -> Result:
    """Give a load balancer a sidecar, or take it back; raises :class:`MeshlbError`."""
    session = start(params, check_mode, (*kinds.BASE, *extra_kinds()), config_map_namespaces)
    live = session.snapshot
    load_balancers, about = detect(live)
    wanted = params["load_balancer"]
    if params["state"] == "absent":
        workload, changes, findings = _absent(live, load_balancers, wanted)
    else:
        workload, changes, findings = _present(live, load_balancers, wanted, params["inbound_capture"])
    ref = ref_of(workload)
    changed, about_writing, _files = deliver(session, changes)
    if params["wait"] and not check_mode and session.api is not None:
        wait_for_rollout(session.api, ref, float(params["wait_timeout"]), params["state"] == "present")
    findings += [item for item in about if item.object == ref]
    return report(
        changes, [*findings, *about_writing, *_about_rollout(workload, changes)], changed, diff,
        workload={"kind": ref.kind, "name": ref.name, "namespace": ref.namespace},
    )


def _present(
    live: Snapshot, load_balancers: list[LoadBalancer], wanted: Mapping[str, str], inbound_capture: str
) -> tuple[Obj, list[Change], list[Finding]]:
    found = next((item for item in load_balancers if _is(item, wanted)), None)
    if found is None:
        raise _unknown(live, load_balancers, wanted)
    workload = workload_of(live, found)
    base = ownership.original(live, PART)
    before = workload_of(base, found)
    target, desired = target_of(live, found, workload), desired_fields(
        base, found, before, inbound_capture, target_of(base, found, before)
    )
    why = f"gives {found.label} a sidecar that {'captures no' if inbound_capture == 'none' else 'also captures'} inbound traffic"
    change = ownership.claim(target.object, PART, desired, [found.label], why)
    gaps = outbound_gaps(pod_template(workload), target.annotations)
    findings = [finding("MLB304", f"{found.label} carries {gap}", ref_of(workload)) for gap in gaps]
    remark = manager_finding(workload, TEMPLATE)
    return workload, [change] if change else [], [*findings, *([remark] if remark else [])]


def _absent(
    live: Snapshot, load_balancers: list[LoadBalancer], wanted: Mapping[str, str]
) -> tuple[Obj, list[Change], list[Finding]]:
    # What this part wrote is found by its own book: the load balancer may not be recognisable any more.
    label = f"{wanted['namespace']}/{wanted['name']}"
    for obj in ownership.owned(live, PART):
        if label in load_balancers_of(obj):
            change, findings = ownership.release(obj, PART, f"takes the sidecar of {label} back")
            remark = manager_finding(obj, TEMPLATE)
            return obj, [change] if change else [], [*findings, *([remark] if remark else [])]
    found = next((item for item in load_balancers if _is(item, wanted)), None)
    ref = found.workload if found else None
    workload = live.get(kind_key(ref.api_version, ref.kind), ref.namespace, ref.name) if ref else None
    if workload is None:
        raise _unknown(live, load_balancers, wanted)
    return workload, [], []


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
) -> None:
    """Return when all pods of a workload are new and available (and, where asked for, have a sidecar).

    Raises :class:`MeshlbError` as soon as that cannot happen any more, and when it did not within ``timeout`` seconds.
    """
    deadline = clock() + timeout
    while True:
        workload = api.get(ref)
        pods = workload_pods(Snapshot(api.list(kinds.POD, ref.namespace)), workload)
        state = rollout(workload, pods)
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
