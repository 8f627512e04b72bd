# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts that fail: what is taken back, what is kept, and what is said of it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import ObjectRef
from ansible_collections.meshlb.istio.plugins.module_utils.runs import sidecar as sidecar_run
from ansible_collections.meshlb.istio.plugins.module_utils.runs.rolling import events

from tests.unit.plugins.module_utils.runs.test_sidecar import BALANCER, PATH, PROXY, REF, deployment, pod, run
from tests.unit.plugins.module_utils.support.fake_api import KINDS, FakeApi, Request, obj, serving, status

Obj = dict[str, Any]
STUCK = {"type": "Progressing", "reason": "ProgressDeadlineExceeded", "message": "timed out progressing"}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    monkeypatch.setattr(sidecar_run, "detect", lambda snapshot, registry: ([BALANCER], []))
    with serving(FakeApi(kinds=[*KINDS, ("Event", "v1", "events", True)])) as running:
        running.add(deployment(), pod(PROXY))
        yield running


def stuck_with(fake: FakeApi, wrong: bool) -> None:
    """Pods come up while the template asks for a sidecar, or (``wrong``) while it does not."""

    def answer(request: Request) -> None:
        if request.method == "GET" and request.path == PATH:
            found = fake.objects[PATH]
            asked = "sidecar.istio.io/inject" in found["spec"]["template"]["metadata"]["labels"]
            failing = asked is not wrong
            found["status"].update(updatedReplicas=int(not failing), conditions=[STUCK] if failing else [])

    fake.answer = answer


def event(name: str, message: str, kind: str = "Pod", **more: Any) -> Obj:
    involved = {"kind": kind, "name": name, "namespace": "edge"}
    return obj("Pod", message[:5], "edge", involvedObject=involved, message=message, reason="Failed", **{"type": "Warning", **more})


def spec_of(fake: FakeApi) -> Obj:
    found = copy.deepcopy(fake.objects[PATH])
    del found["status"]
    return {**found, "metadata": {**found["metadata"], "resourceVersion": ""}}


def test_a_change_whose_rollout_fails_is_taken_back_at_once(fake: FakeApi) -> None:
    stuck_with(fake, wrong=False)
    before = spec_of(fake)
    with pytest.raises(MeshlbError) as caught:
        run(fake, on_failed_rollout="restore")
    assert spec_of(fake) == before
    assert caught.value.message.startswith("Deployment edge/lb: the rollout failed: ProgressDeadlineExceeded: timed out progressing.")
    assert caught.value.message.endswith("The change was taken back, and the pods are as they were before.")
    assert caught.value.details["restored"] is True


def test_a_rollout_that_takes_too_long_is_taken_back_too(fake: FakeApi) -> None:
    stuck_with(fake, wrong=False)
    STILL = {**STUCK, "reason": "ReplicaSetUpdated"}
    known = fake.answer

    def answer(request: Request) -> Any:
        known(request)
        fake.objects[PATH]["status"]["conditions"] = [STILL]
        return None

    fake.answer = answer
    before = spec_of(fake)
    with pytest.raises(MeshlbError, match="not done within 0 seconds"):
        run(fake, on_failed_rollout="restore", wait_timeout=0)
    assert spec_of(fake) == before


def test_pods_without_a_sidecar_are_taken_back(fake: FakeApi) -> None:
    fake.add(pod())
    before = spec_of(fake)
    with pytest.raises(MeshlbError, match="started without a sidecar. The change was taken back"):
        run(fake, on_failed_rollout="restore")
    assert spec_of(fake) == before


def test_taking_a_sidecar_back_can_fail_as_well(fake: FakeApi) -> None:
    run(fake)
    with_sidecar = spec_of(fake)
    stuck_with(fake, wrong=True)
    with pytest.raises(MeshlbError, match="The change was taken back"):
        run(fake, state="absent", on_failed_rollout="restore")
    assert spec_of(fake) == with_sidecar


def test_what_is_to_be_kept_is_kept(fake: FakeApi) -> None:
    stuck_with(fake, wrong=False)
    with pytest.raises(MeshlbError, match="the rollout failed") as caught:
        run(fake, on_failed_rollout="keep")
    assert "sidecar.istio.io/inject" in fake.objects[PATH]["spec"]["template"]["metadata"]["labels"]
    assert caught.value.hint.startswith("The change is written.")


def test_a_run_that_changed_nothing_takes_nothing_back(fake: FakeApi) -> None:
    run(fake)
    done = spec_of(fake)
    stuck_with(fake, wrong=False)
    with pytest.raises(MeshlbError, match="the rollout failed"):
        run(fake, on_failed_rollout="restore")
    assert spec_of(fake) == done


def test_both_failures_are_told(fake: FakeApi) -> None:
    def answer(request: Request) -> Any:
        if request.path == PATH and request.method == "GET":
            fake.objects[PATH]["status"].update(updatedReplicas=0, conditions=[STUCK])
        return None

    fake.answer = answer
    with pytest.raises(MeshlbError, match="Taking the change back did not end well either: Deployment edge/lb: the rollout") as caught:
        run(fake, on_failed_rollout="restore")
    assert caught.value.details["restored"] is False


def test_the_api_servers_absence_is_no_failed_rollout(fake: FakeApi) -> None:
    written = []

    def answer(request: Request) -> Any:
        written.append(request.method == "PATCH" and not request.dry)
        return status(500, "out of order") if any(written) and request.path == PATH and request.method == "GET" else None

    fake.answer = answer
    with pytest.raises(MeshlbError, match="out of order"):
        run(fake, on_failed_rollout="restore", request_timeout=1)
    assert "sidecar.istio.io/inject" in fake.objects[PATH]["spec"]["template"]["metadata"]["labels"]


class Events:
    def __init__(self, *found: Any) -> None:
        self.found = found

    def get(self, ref: ObjectRef) -> Obj:
        raise NotImplementedError

    def list(self, key: str, namespace: str = "") -> tuple[Any, ...]:
        assert (key, namespace) == ("Event", "edge")
        return self.found


def test_warnings_about_the_pods_and_their_makers_are_given_the_latest_last() -> None:
    api = Events(
        event("lb-1-x", "second thing", lastTimestamp="2026-01-01T00:00:02Z"),
        event("lb-1-x", "first\nthing.", lastTimestamp="2026-01-01T00:00:01Z"),
        event("lb-1-x", "second thing", lastTimestamp="2026-01-01T00:00:03Z"),
        event("other", "not ours"), event("lb-1-x", "fine", type="Normal"), event("lb", "x", "Service"),
        event("lb-77", "exceeded quota", "ReplicaSet", eventTime="2026-01-01T00:00:04Z"), event("lb", "own", "Deployment"),
    )
    assert events(api, REF, ["lb-1-x"]) == [
        "Pod lb-1-x: Failed: first thing", "Pod lb-1-x: Failed: second thing", "ReplicaSet lb-77: Failed: exceeded quota",
        "Deployment lb: Failed: own",
    ]


@pytest.mark.parametrize(
    "odd", [{}, {"type": "Warning"}, {"type": "Warning", "involvedObject": 5}, {"type": 5, "involvedObject": {"kind": []}}]
)
def test_events_of_an_odd_shape_are_passed_over(odd: Obj) -> None:
    assert events(Events(odd), REF, ["lb-1-x"]) == []


def test_without_the_right_to_events_there_are_none(fake: FakeApi) -> None:
    fake.answer = lambda request: status(403, "no") if request.path.endswith("/events") else None
    assert events(fake.api(), REF, ["lb-1-x"]) == []
