# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a workload's rollout is: done, still going (and for what), or failed (and why). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..core.printable import listed
from .objects import Obj, created_at, dig, labels_of, name_of

_HASHES = ("pod-template-hash", "controller-revision-hash")
_FATAL = frozenset(
    "CreateContainerConfigError CreateContainerError ErrImageNeverPull ImageInspectError ImagePullBackOff InvalidImageName "
    "RunContainerError".split()
)
# A container that starts before its sidecar is ready may fail once or twice, and is fine after that.
_CRASHES = 3
_MOST_PODS = 5


@dataclass(frozen=True)
class Rollout:
    """``done``; or else ``waiting`` says for what, and ``failed`` why it will not get there."""

    done: bool = False
    waiting: str = ""
    failed: str = ""


def rollout(workload: Obj, pods: list[Obj]) -> Rollout:
    """State of a Deployment's, DaemonSet's or StatefulSet's rollout; ``pods`` are all of the workload's pods."""
    generation = int(dig(workload, "metadata", "generation", default=0))
    if int(dig(workload, "status", "observedGeneration", default=0)) < generation:
        return Rollout(waiting="its controller has not seen the change yet")
    if not rolls_by_itself(workload):
        return Rollout(done=True)
    behind = _behind(workload)
    if not behind:
        return Rollout(done=True)
    failed = _condition_failure(workload) or next(_pod_failures(newest(pods)), "")
    return Rollout(waiting=behind, failed=failed)


def rolls_by_itself(workload: Obj) -> bool:
    """Whether pods are replaced when the template changes; with OnDelete somebody has to delete them."""
    return bool(dig(workload, "spec", "updateStrategy", "type", default="RollingUpdate") != "OnDelete")


def replicas_wanted(workload: Obj) -> int:
    """How many pods a workload is to have; of a DaemonSet, as far as its status says."""
    if workload.get("kind") == "DaemonSet":
        return int(dig(workload, "status", "desiredNumberScheduled", default=0))
    return int(dig(workload, "spec", "replicas", default=1))


def _behind(workload: Obj) -> str:
    """What is still missing, empty when all replicas are new and available."""
    kind = str(workload.get("kind", ""))
    if kind == "DaemonSet":
        wanted = replicas_wanted(workload)
        updated = int(dig(workload, "status", "updatedNumberScheduled", default=0))
        total, available = updated, int(dig(workload, "status", "numberAvailable", default=0))
    else:
        partition = int(dig(workload, "spec", "updateStrategy", "rollingUpdate", "partition", default=0))
        wanted = max(0, replicas_wanted(workload) - partition)
        updated = int(dig(workload, "status", "updatedReplicas", default=0))
        total = int(dig(workload, "status", "replicas", default=0)) if kind == "Deployment" else updated
        available = int(dig(workload, "status", "availableReplicas", default=0))
    if updated < wanted:
        return f"{updated} of {wanted} pods are updated"
    if total > updated:
        return f"{total - updated} old pods are still there"
    if available < wanted:
        return f"{available} of {wanted} pods are available"
    return ""


def _condition_failure(workload: Obj) -> str:
    if dig(workload, "spec", "paused", default=False):
        return "its rollouts are paused (spec.paused)"
    for item in dig(workload, "status", "conditions", default=[]):
        stuck = item.get("type") == "Progressing" and item.get("reason") == "ProgressDeadlineExceeded"
        # Admission (Pod Security, a quota) refuses the new pods.
        refused = item.get("type") == "ReplicaFailure" and item.get("status") == "True"
        if stuck or refused:
            return f"{item.get('reason')}: {item.get('message', '')}".strip()
    return ""


def newest(pods: list[Obj]) -> list[Obj]:
    """The pods of the revision that was started last."""
    if not pods:
        return []
    revision = _revision(max(pods, key=lambda pod: (created_at(pod), name_of(pod))))
    return [pod for pod in pods if _revision(pod) == revision]


def _revision(pod: Obj) -> str:
    labels = labels_of(pod)
    return next((labels[key] for key in _HASHES if key in labels), "")


def is_ready(pod: Obj) -> bool:
    conditions = {item.get("type"): item.get("status") for item in dig(pod, "status", "conditions", default=[])}
    return conditions.get("Ready") == "True" and not dig(pod, "metadata", "deletionTimestamp", default="")


def _statuses(pod: Obj) -> Iterator[Obj]:
    for key in ("initContainerStatuses", "containerStatuses"):
        yield from dig(pod, "status", key, default=[])


def _pod_failures(pods: list[Obj]) -> Iterator[str]:
    for pod in pods:
        for status in _statuses(pod):
            reason = str(dig(status, "state", "waiting", "reason", default=""))
            crashing = reason == "CrashLoopBackOff" and int(status.get("restartCount", 0)) >= _CRASHES
            if reason in _FATAL or crashing:
                yield f"pod {name_of(pod)}: {_container_state(status)}"


def _container_state(status: Obj) -> str:
    waiting, name = dig(status, "state", "waiting", default={}), status.get("name")
    if not waiting:
        ended = dig(status, "state", "terminated", default={})
        word = f"ended with exit code {ended.get('exitCode')}" if ended else "is not ready"
        return f"container {name} {word}"
    last = dig(status, "lastState", "terminated", default={})
    message = f": {waiting['message']}" if waiting.get("message") else ""
    before = f" (it last ended with exit code {last.get('exitCode')}, {last.get('reason')})" if last else ""
    return f"container {name}: {waiting.get('reason')}{message}{before}"


def not_ready(pods: list[Obj]) -> str:
    """Which of the newest pods are not ready, and why, for a message."""
    waiting = [pod for pod in newest(pods) if not is_ready(pod)]
    return listed([f"pod {name_of(pod)}: {_why(pod)}" for pod in waiting], _MOST_PODS, "; ")


def _why(pod: Obj) -> str:
    for item in dig(pod, "status", "conditions", default=[]):
        if item.get("type") == "PodScheduled" and item.get("status") == "False":
            return f"{item.get('reason')}: {item.get('message', '')}".rstrip(": ")
    if dig(pod, "metadata", "deletionTimestamp", default=""):
        return "it is being removed"
    states = [_container_state(item) for item in _statuses(pod) if not item.get("ready")]
    return ", ".join(states) or str(dig(pod, "status", "phase", default="unknown"))
