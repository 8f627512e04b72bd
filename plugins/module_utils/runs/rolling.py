# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for the rollout that a change of a load balancer's pods starts, and taking the change back where it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..apply.ownership import reverse
from ..core.errors import MeshlbError
from ..core.model import Change, ObjectRef
from ..istio.injection import has_proxy
from ..kube import kinds
from ..kube.objects import Obj, dig, name_of, pod_template
from ..kube.pods import workload_pods
from ..kube.rollout import Rollout, is_ready, newest, rollout, rolls_by_itself
from ..kube.snapshot import Snapshot
from .waiting import Clock, Reads, wait_for, why_waiting

PASSING_ON = "its operator has not passed on what its pods are to have"
MOST_EVENTS, LONGEST_EVENT = 5, 300

Template = Mapping["tuple[str, str]", "str | None"]
"""Labels and annotations of pods, by ``labels`` or ``annotations`` and key; ``None`` where there must be none."""
Write = Callable[[Change], object]


class RolloutFailed(MeshlbError):
    """New pods do not come up, not in time, or without what they are to have; ``details`` has ``pods_not_ready`` and ``events``."""


def wait_for_rollout(
    api: Reads, ref: ObjectRef, timeout: float, with_sidecar: bool, clock: Clock, template: Template | None = None
) -> None:
    """Return when all pods of a workload are new and available (and, where asked for, have a sidecar).

    ``template`` is what its operator has to have put on (or taken from) its pods before that counts.

    Raises :class:`RolloutFailed` as soon as that cannot happen any more, and when it did not within ``timeout`` seconds.
    """
    pods: list[Obj] = []

    def ask() -> str:
        workload = api.get(ref)
        pods[:] = workload_pods(Snapshot(api.list(kinds.POD, ref.namespace)), workload)
        state = rollout(workload, pods) if _passed_on(workload, template or {}) else Rollout(waiting=PASSING_ON)
        if state.failed:
            raise _failure(api, ref, f"the rollout failed: {state.failed}", pods, with_sidecar)
        if not state.done:
            return why_waiting(state, pods)
        if with_sidecar and rolls_by_itself(workload):
            _demand_sidecars(ref, pods)
        return ""

    wait_for(ask, timeout, lambda why: _failure(api, ref, f"not done within {timeout:g} seconds: {why}", pods, with_sidecar), clock)


def undone(
    api: Reads, write: Write, change: Change, error: RolloutFailed, ref: ObjectRef, timeout: float, clock: Clock, template: Template
) -> RolloutFailed:
    """Undo a change whose rollout failed, wait until the pods are as before, and give the error that tells of both.

    ``template`` is what the workload's pods had before the change.
    """
    try:
        write(reverse(change, api.get(change.object)))
        wait_for_rollout(api, ref, timeout, False, clock, template)
    except MeshlbError as second:
        message = f"{error.message} Taking the change back did not end well either: {second.message}"
        return RolloutFailed(message, second.hint, ref, {**error.details, "restored": False})
    message = f"{error.message} The change was taken back, and the pods are as they were before."
    hint = "Correct what is in the way, then run again. With on_failed_rollout: keep the change stays, to be looked at."
    return RolloutFailed(message, hint, ref, {**error.details, "restored": True})


def template_now(workload: Obj, paths: Iterable[tuple[str, str]]) -> Template:
    """What the pods of a workload are given now, of these labels and annotations."""
    metadata = dig(pod_template(workload), "metadata", default={})
    return {path: dig(metadata, *path, default=None) for path in paths}


def _passed_on(workload: Obj, template: Template) -> bool:
    return template_now(workload, template) == template


def _failure(api: Reads, ref: ObjectRef, what: str, pods: list[Obj], with_sidecar: bool) -> RolloutFailed:
    waiting = [name_of(pod) for pod in newest(pods) if not is_ready(pod)]
    back = ", or take it back with state: absent" if with_sidecar else ", then run again"
    hint = f"The change is written. Correct what is in the way{back}."
    found = events(api, ref, waiting)
    told = f" Events: {'; '.join(found)}." if found else ""
    details = {"pods_not_ready": waiting, **({"events": found} if found else {})}
    return RolloutFailed(f"{ref}: {what.rstrip('.')}.{told}", hint, ref, details)


def events(api: Reads, ref: ObjectRef, pods: Iterable[str]) -> list[str]:
    """The latest warnings about a workload, what it makes pods by, and these pods; none where events may not be read."""
    try:
        found = list(api.list(kinds.EVENT, ref.namespace))
    except MeshlbError:
        return []
    names = frozenset(pods)
    about = [item for item in found if dig(item, "type") == "Warning" and _is_about(dig(item, "involvedObject"), ref, names)]
    about.sort(key=lambda item: str(dig(item, "lastTimestamp") or dig(item, "eventTime") or dig(item, "metadata", "creationTimestamp")))
    told = dict.fromkeys(_told(item) for item in about)
    return list(told)[-MOST_EVENTS:]


def _is_about(named: Any, ref: ObjectRef, pods: frozenset[str]) -> bool:
    kind, name = dig(named, "kind"), str(dig(named, "name", default=""))
    makers = (kind == ref.kind and name == ref.name) or (kind == "ReplicaSet" and name.rpartition("-")[0] == ref.name)
    return makers or (kind == "Pod" and name in pods)


def _told(event: Obj) -> str:
    message = " ".join(str(dig(event, "message", default="")).split())[:LONGEST_EVENT]
    about = dig(event, "involvedObject", default={})
    return f"{dig(about, 'kind')} {dig(about, 'name')}: {dig(event, 'reason', default='')}: {message}".rstrip(".: ")


def _demand_sidecars(ref: ObjectRef, pods: list[Obj]) -> None:
    without = [name_of(pod) for pod in newest(pods) if is_ready(pod) and not has_proxy(pod)]
    if without:
        raise RolloutFailed(
            f"{ref}: rolled out, but {', '.join(without)} started without a sidecar.",
            "Look at the injector (istiod's log, and the webhook's selectors and failurePolicy), then restart the pods.",
            ref, {"pods_without_sidecar": without},
        )
