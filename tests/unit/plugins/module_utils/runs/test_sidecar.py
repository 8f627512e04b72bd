# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole run of lb_sidecar against a server on loopback, and its waiting."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.facts import About
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.instances import InstanceReader, SidecarPlace, SidecarTarget
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.profile import Profile, Registry
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import LoadBalancer, Mode, ObjectRef
from ansible_collections.meshlb.istio.plugins.module_utils.runs import sidecar as sidecar_run
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.sidecar import sidecar_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.waiting import Clock

from tests.unit.plugins.module_utils.support.fake_api import FakeApi, Request, obj, serving

Obj = dict[str, Any]
METADATA = '{"EXIT_ON_ZERO_ACTIVE_CONNECTIONS":"true","MINIMUM_DRAIN_DURATION":"15s"}'
OUTLIVES = f'{{"holdApplicationUntilProxyStarts":true,"proxyMetadata":{METADATA}}}'
REF = ObjectRef("apps/v1", "Deployment", "edge", "lb")
PATH = "/apis/apps/v1/namespaces/edge/deployments/lb"
BALANCER = LoadBalancer("lb", "edge", "unknown", "A proxy", workload=REF, modes=(("standalone_mtls", Mode(True, "it can")),))
PROXY = {"name": "istio-proxy"}


def deployment() -> Obj:
    template = {"metadata": {"labels": {"app": "lb"}}, "spec": {"containers": [{"name": "c"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "lb"}}, "template": template}
    status = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    made = obj("Deployment", "lb", "edge", spec=spec, status=status)
    made["metadata"]["generation"] = 1
    return made


def pod(*containers: Obj, ready: bool = True) -> Obj:
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]}
    made = obj("Pod", "lb-1-x", "edge", spec={"containers": [{"name": "c"}, *containers]}, status=status)
    made["metadata"]["labels"] = {"app": "lb"}
    return made


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    monkeypatch.setattr(sidecar_run, "detect", lambda snapshot, registry: ([BALANCER], []))
    with serving(FakeApi()) as running:
        running.add(deployment(), pod(PROXY))
        yield running


def run(fake: FakeApi, check_mode: bool = False, **params: Any) -> Obj:
    given = {
        "host": fake.address, "api_key": "t", "load_balancer": {"namespace": "edge", "name": "lb"}, "state": "present",
        "inbound_capture": "none", "wait": True, "wait_timeout": 5, "on_failed_rollout": "keep", **params,
    }
    # Waiting takes no time here: the server is asked again at once.
    return sidecar_run.run_sidecar(sidecar_options(given, check_mode), Clock(interval=0)).to_result(False)


def test_present_and_absent_are_exact_and_idempotent(fake: FakeApi) -> None:
    before = copy.deepcopy(fake.objects[PATH])
    predicted = run(fake, check_mode=True)
    assert fake.objects[PATH] == before
    result = run(fake)
    assert result == predicted
    assert result["workload"] == {"kind": "Deployment", "name": "lb", "namespace": "edge"}
    metadata = fake.objects[PATH]["spec"]["template"]["metadata"]
    assert metadata["annotations"] == {"traffic.sidecar.istio.io/includeInboundPorts": "", "proxy.istio.io/config": OUTLIVES}
    assert metadata["labels"] == {"app": "lb", "sidecar.istio.io/inject": "true", "security.istio.io/tlsMode": "disabled"}
    assert (run(fake)["changed"], run(fake)["changes"]) == (False, [])
    assert run(fake, state="absent")["changed"] is True
    after = fake.objects[PATH]
    assert {**after, "metadata": {**after["metadata"], "resourceVersion": "1"}} == before
    assert run(fake, state="absent")["changed"] is False


def test_absent_needs_no_recognition(fake: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    run(fake)
    monkeypatch.setattr(sidecar_run, "detect", lambda snapshot, registry: ([], []))
    assert run(fake, state="absent")["changed"] is True
    with pytest.raises(MeshlbError, match=r"no load balancer of that name was found\. None at all"):
        run(fake, state="absent")


@pytest.mark.parametrize("state", ["present", "absent"])
def test_an_unknown_name_lists_the_known_ones(fake: FakeApi, state: str) -> None:
    with pytest.raises(MeshlbError, match=r"load_balancer names edge/typo, .* Found were: edge/lb\."):
        run(fake, state=state, load_balancer={"namespace": "edge", "name": "typo"})


def test_another_tools_object_and_gaps_are_said(fake: FakeApi) -> None:
    found = fake.objects[PATH]
    found["metadata"]["labels"] = {"argocd.argoproj.io/instance": "edge"}
    found["spec"]["template"]["metadata"]["annotations"] = {"traffic.sidecar.istio.io/excludeOutboundIPRanges": "10.0.0.0/8"}
    assert [item["code"] for item in run(fake)["findings"]] == ["MLB216", "MLB304", "MLB306", "MLB307"]


def test_pods_that_nobody_replaces_are_said(fake: FakeApi) -> None:
    fake.objects[PATH]["spec"]["updateStrategy"] = {"type": "OnDelete"}
    assert [item["code"] for item in run(fake)["findings"]] == ["MLB302", "MLB306", "MLB307"]


def test_a_rollout_without_a_sidecar_is_no_success(fake: FakeApi) -> None:
    fake.add(pod())
    with pytest.raises(MeshlbError, match="rolled out, but lb-1-x started without a sidecar"):
        run(fake)
    assert run(fake, wait=False)["changed"] is False


def wait(fake: FakeApi, timeout: float = 60) -> float:
    """Wait by a clock that only sleeping moves; gives how long it took."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    sidecar_run.wait_for_rollout(fake.api(), REF, timeout, True, Clock(lambda: now[0], sleep))
    return now[0]


def test_waiting_ends_when_the_rollout_does(fake: FakeApi) -> None:
    fake.objects[PATH]["status"]["updatedReplicas"] = 0

    def progress(request: Request) -> None:
        if len([path for path in fake.named("GET") if path == PATH]) == 4:
            fake.objects[PATH]["status"]["updatedReplicas"] = 1

    fake.answer = progress
    assert wait(fake) == 3


def test_waiting_ends_early_when_it_is_hopeless(fake: FakeApi) -> None:
    fake.objects[PATH]["status"].update(updatedReplicas=0, conditions=[{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}])
    with pytest.raises(MeshlbError, match="Deployment edge/lb: the rollout failed: ProgressDeadlineExceeded") as caught:
        wait(fake)
    assert "state: absent" in caught.value.hint


def test_waiting_ends_at_last_and_says_who_is_to_blame(fake: FakeApi) -> None:
    fake.objects[PATH]["status"]["availableReplicas"] = 0
    fake.add(pod(PROXY, ready=False))
    with pytest.raises(MeshlbError, match=r"not done within 60 seconds: 0 of 1 pods are available: pod lb-1-x: Running\.") as caught:
        wait(fake)
    assert caught.value.details == {"pods_not_ready": ["lb-1-x"]}


GATEWAY_PATH = "/apis/gateway.networking.k8s.io/v1/namespaces/edge/gateways/gw"


def test_an_operator_passes_on_what_its_object_says(fake: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither way ends before the operator has changed the pods, and nothing but its own object is written."""
    gateway = obj("Gateway", "gw", "edge", spec={"infrastructure": {"labels": {"a": "b"}}})
    fake.add(gateway)
    path = ("spec", "infrastructure")

    def from_gateway(workload: Obj, near: Any) -> SidecarTarget:
        found = near.named("Gateway.gateway.networking.k8s.io", "edge", "gw")
        return SidecarTarget(found, (*path, "labels"), (*path, "annotations"))

    operated = Profile(About(BALANCER.vendor, "operated"), instance=InstanceReader(sidecar_target=SidecarPlace(from_gateway)))
    monkeypatch.setattr(Registry, "get", lambda registry, vendor: operated)
    before, asked = copy.deepcopy(fake.objects[GATEWAY_PATH]), []

    def operate(request: Request) -> None:
        asked.append(request.path == PATH and request.method == "GET")
        if sum(asked) == 3:
            given = fake.objects[GATEWAY_PATH]["spec"]["infrastructure"]
            fake.objects[PATH]["spec"]["template"]["metadata"] = {
                "labels": {"app": "lb", **given["labels"]}, "annotations": dict(given.get("annotations", {}))}  # fmt: skip

    fake.answer = operate
    result = run(fake)
    assert result["workload"]["kind"] == "Deployment" and [item["object"]["kind"] for item in result["changes"]] == ["Gateway"]
    assert sum(asked) == 3
    asked.clear()
    back = run(fake, state="absent")
    assert back["workload"]["kind"] == "Deployment" and sum(asked) == 3
    after = fake.objects[GATEWAY_PATH]
    assert {**after, "metadata": {**after["metadata"], "resourceVersion": "1"}} == before
    fake.answer = lambda request: None
    with pytest.raises(MeshlbError, match="its operator has not passed on"):
        run(fake, wait_timeout=0)
