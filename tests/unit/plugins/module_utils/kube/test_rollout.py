# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a rollout is."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.kube.rollout import Rollout, newest, not_ready, rollout

Obj = dict[str, Any]


def workload(kind: str = "Deployment", spec: Any = None, generation: int = 2, **status: Any) -> Obj:
    status = {"observedGeneration": 2, **status}
    return {"kind": kind, "metadata": {"generation": generation}, "spec": {"replicas": 2, **(spec or {})}, "status": status}


def pod(name: str, revision: str = "new", created: str = "2", ready: bool = False, **status: Any) -> Obj:
    metadata = {"name": name, "creationTimestamp": created, "labels": {"pod-template-hash": revision}}
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {"metadata": metadata, "status": {"phase": "Running", "conditions": conditions, **status}}


def waiting(reason: str, restarts: int = 0, **more: Any) -> Obj:
    return {"containerStatuses": [{"name": "c", "restartCount": restarts, "state": {"waiting": {"reason": reason, **more}}}]}


FULL = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
DAEMONS = {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (workload(**FULL), Rollout(done=True)),
        (workload(generation=3, **FULL), Rollout(waiting="its controller has not seen the change yet")),
        (workload(), Rollout(waiting="0 of 2 pods are updated")),
        (workload(**{**FULL, "replicas": 3}), Rollout(waiting="1 old pods are still there")),
        (workload(**{**FULL, "availableReplicas": 1}), Rollout(waiting="1 of 2 pods are available")),
        (workload(spec={"replicas": 0}), Rollout(done=True)),
        (workload("DaemonSet", **DAEMONS), Rollout(done=True)),
        (workload("DaemonSet", **{**DAEMONS, "updatedNumberScheduled": 1}), Rollout(waiting="1 of 2 pods are updated")),
        (workload("DaemonSet", **{**DAEMONS, "numberAvailable": 0}), Rollout(waiting="0 of 2 pods are available")),
        (workload("DaemonSet", {"updateStrategy": {"type": "OnDelete"}}), Rollout(done=True)),
        (workload("StatefulSet", updatedReplicas=2, availableReplicas=2), Rollout(done=True)),
        (workload("StatefulSet", updatedReplicas=1, availableReplicas=2), Rollout(waiting="1 of 2 pods are updated")),
        (
            workload("StatefulSet", {"updateStrategy": {"rollingUpdate": {"partition": 1}}}, updatedReplicas=1, availableReplicas=2),
            Rollout(done=True),
        ),
        (workload(spec={"paused": True}), Rollout(waiting="0 of 2 pods are updated", failed="its rollouts are paused (spec.paused)")),
        (
            workload(conditions=[{"type": "Progressing", "reason": "ProgressDeadlineExceeded", "message": "timed out"}]),
            Rollout(waiting="0 of 2 pods are updated", failed="ProgressDeadlineExceeded: timed out"),
        ),
        (
            workload(conditions=[{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "PodSecurity"}]),
            Rollout(waiting="0 of 2 pods are updated", failed="FailedCreate: PodSecurity"),
        ),
    ],
)
def test_a_rollout_is_done_when_all_pods_are_new_and_available(found: Obj, expected: Rollout) -> None:
    assert rollout(found, []) == expected


@pytest.mark.parametrize(
    ("status", "failed"),
    [
        (waiting("ImagePullBackOff", message="not found"), "pod p: container c: ImagePullBackOff: not found"),
        (waiting("ErrImagePull"), ""),
        (waiting("CrashLoopBackOff", 1), ""),
        (waiting("CrashLoopBackOff", 3), "pod p: container c: CrashLoopBackOff"),
        (waiting("ContainerCreating"), ""),
        ({"initContainerStatuses": waiting("InvalidImageName")["containerStatuses"]}, "pod p: container c: InvalidImageName"),
    ],
)
def test_what_cannot_get_better_by_itself_is_a_failure(status: Obj, failed: str) -> None:
    assert rollout(workload(), [pod("p", **status)]).failed == failed


def test_old_pods_do_not_fail_a_rollout() -> None:
    old = pod("old", "old", "1", **waiting("ImagePullBackOff"))
    assert newest([old, pod("p")]) == [pod("p")]
    assert rollout(workload(), [old, pod("p")]).failed == ""
    assert newest([]) == []


def test_a_crash_says_how_it_ended() -> None:
    status = {"name": "c", "restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}}}
    status["lastState"] = {"terminated": {"exitCode": 1, "reason": "Error"}}
    found = rollout(workload(), [pod("p", containerStatuses=[status])]).failed
    assert found == "pod p: container c: CrashLoopBackOff: back-off 40s (it last ended with exit code 1, Error)"


def test_pods_that_are_not_ready_are_named_with_their_reason() -> None:
    unscheduled = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}]
    pods = [
        pod("a", conditions=unscheduled),
        pod("b", containerStatuses=[{"name": "c", "ready": False, "state": {"running": {}}}, {"name": "d", "ready": True}]),
        pod("c", containerStatuses=[{"name": "c", "state": {"terminated": {"exitCode": 2}}}]),
        pod("d", phase="Pending"),
        pod("e", ready=True),
        pod("old", "old", "1"),
    ]
    assert not_ready(pods) == (
        "pod a: Unschedulable: 0/3 nodes; pod b: container c is not ready; pod c: container c ended with exit code 2; pod d: Pending"
    )
    many = [pod(f"p{number}") for number in range(8)]
    assert not_ready(many).endswith("; and 3 more")
    leaving = pod("x", ready=True)
    leaving["metadata"]["deletionTimestamp"] = "now"
    assert not_ready([leaving]) == "pod x: it is being removed"
