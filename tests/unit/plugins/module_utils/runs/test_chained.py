# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting around a chain: what it waits for, how long, and what a run does in which order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.apply import writer
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError, NotFound
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import ObjectRef
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.runs import chained as chained_run
from ansible_collections.meshlb.istio.plugins.module_utils.runs import waiting as chained_wait
from ansible_collections.meshlb.istio.plugins.module_utils.runs.session import Session
from ansible_collections.meshlb.istio.plugins.module_utils.runs.waiting import Clock

from tests.unit.plugins.module_utils.plan.chain.kit import (
    GATEWAYS,
    chain,
    gateway_service,
    gateway_workload,
    istio_gateway,
    kubernetes,
    params,
    world,
)
from tests.unit.plugins.module_utils.support.cluster import Obj, backend, ingress, obj, path

GATEWAY = ObjectRef("gateway.networking.k8s.io/v1", "Gateway", GATEWAYS, "edge")
ROUTE = ObjectRef("gateway.networking.k8s.io/v1", "HTTPRoute", "apps", "r")
DONE = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}


@dataclass
class Time:
    """A clock that only moves when somebody sleeps."""

    passed: float = 0.0
    naps: list[float] = field(default_factory=list)

    def clock(self) -> Clock:
        return Clock(lambda: self.passed, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.passed += seconds
        self.naps.append(seconds)


@dataclass
class Store:
    """The objects that an API server would give."""

    objects: list[Obj]

    def get(self, ref: ObjectRef) -> Obj:
        for item in self.objects:
            if (item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]) == (ref.kind, ref.namespace, ref.name):
                return item
        raise NotFound(f"{ref} not found")

    def list(self, key: str, namespace: str = "") -> Iterable[Obj]:
        return [item for item in self.objects if item["kind"] == key.partition(".")[0] and item["metadata"].get("namespace") == namespace]


def conditions(*wanted: tuple[str, str]) -> list[Obj]:
    return [{"type": name, "status": status, "message": "because"} for name, status in wanted]


def gateway(*wanted: tuple[str, str]) -> Obj:
    return obj(GATEWAY.api_version, "Gateway", GATEWAYS, "edge", status={"conditions": conditions(*wanted)})


def route(*wanted: tuple[str, str]) -> Obj:
    parents = [{"conditions": conditions(*wanted)}] if wanted else []
    return obj(ROUTE.api_version, "HTTPRoute", "apps", "r", status={"parents": parents})


STATES: dict[str, tuple[list[Obj], str]] = {
    "all well": (
        [gateway(("Accepted", "True"), ("Programmed", "True")), route(("Accepted", "True"), ("ResolvedRefs", "True"))], ""),
    "not programmed": ([gateway(("Accepted", "True"), ("Programmed", "False")), route()], "Programmed is False: because"),
    "nobody's route": ([gateway(("Accepted", "True"), ("Programmed", "True")), route()], "no Gateway has taken it yet"),
    "a backend missing": (
        [gateway(("Accepted", "True"), ("Programmed", "True")), route(("Accepted", "True"), ("ResolvedRefs", "False"))], "ResolvedRefs"),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "said"), STATES.values(), ids=STATES)
def test_the_gateway_apis_own_conditions(objects: list[Obj], said: str) -> None:
    reason = chained_wait.accepted(Store(objects), [GATEWAY, ROUTE])
    assert said in reason if said else reason == ""


def test_pods_behind_the_service() -> None:
    assert "no workload" in chained_wait.pods_ready(Store([gateway_service()]), GATEWAYS, "gw")
    rolling = {**gateway_workload(), "status": {**DONE, "updatedReplicas": 0}}
    assert chained_wait.pods_ready(Store([gateway_service(), rolling]), GATEWAYS, "gw")
    done = {**gateway_workload(), "status": DONE}
    done["metadata"]["generation"] = 1
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    pod = obj("v1", "Pod", GATEWAYS, "gw-1", labels={"app": "gw", "istio": "gw"}, spec={"containers": []}, status=ready)
    assert chained_wait.pods_ready(Store([gateway_service(), done, pod]), GATEWAYS, "gw") == ""


def test_an_address() -> None:
    ref = ObjectRef("v1", "Service", GATEWAYS, "gw")
    assert "does not exist" in chained_wait.service_there(Store([]), ref)
    assert chained_wait.service_there(Store([gateway_service()]), ref) == ""


def test_waiting_ends_and_says_what_is_written() -> None:
    time = Time()
    with pytest.raises(MeshlbError, match="within 3 seconds: not yet") as error:
        chained_wait.wait_for(lambda: "not yet", 3, "It was not ready", time.clock())
    assert time.passed == 3 and "was not led to it" in error.value.hint


class Writing:
    """A run whose session is a snapshot, and whose writes are noted with the naps between them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, snapshots: list[Snapshot]) -> None:
        self.log: list[str] = []
        self.snapshots = snapshots
        self.time = Time()
        monkeypatch.setattr(chained_run, "start", self.start)
        monkeypatch.setattr(writer, "make", lambda api, change, dry_run=False: dry_run or self.note(change))
        monkeypatch.setattr(chained_run, "accepted", lambda api, refs: "")
        monkeypatch.setattr(chained_run, "pods_ready", lambda api, namespace, service: "")
        monkeypatch.setattr(chained_run, "service_there", lambda api, ref: "")

    def start(self, given: Any, check_mode: bool, *rest: Any) -> Session:
        snapshot = self.snapshots.pop(0) if len(self.snapshots) > 1 else self.snapshots[0]
        return Session(given, check_mode, snapshot, api=object())  # type: ignore[arg-type]

    def note(self, change: Any) -> None:
        self.log.append(f"{change.phase} {change.action} {change.object.kind}")

    def run(self, **more: Any) -> Obj:
        clock = Clock(lambda: self.time.passed, lambda seconds: self.log.append(f"sleep {seconds:g}"))
        return chained_run.run(params(wait=True, wait_timeout=9, drain=7, workers=1, **more), False, False, clock)


SHOP = ingress("shop", path(backend("shop")))


def test_the_order_there_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = world(SHOP)
    there = Writing(monkeypatch, [snapshot])
    there.run()
    assert there.log[:2] == ["0 patch Deployment", "0 create Gateway"]
    assert there.log[-2:] == [f"sleep {chained_wait.SETTLE:g}", "2 patch Ingress"]


def test_a_gateway_that_is_made_first_gets_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    before = world(SHOP, gateway=False)
    after = world(SHOP, gateway_service("edge-istio"), gateway_workload("edge-istio"), gateway=False)
    done = Writing(monkeypatch, [before, after])
    result = done.run(gateway=kubernetes())
    assert done.log[0] == "0 create Gateway"
    (addresses,) = (item["after"] for item in result["changes"] if item["object"]["kind"] == "EndpointSlice")
    assert addresses["endpoints"][0]["addresses"] == ["10.96.0.20"]


@pytest.mark.parametrize("name", ["drain", "wait_timeout"])
def test_no_time_is_negative(name: str) -> None:
    with pytest.raises(MeshlbError, match=f"{name} is -1"):
        chained_run.run(params(**{"drain": 1, "wait_timeout": 1, name: -1}), False, False)


def test_nothing_is_written_that_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    done = Writing(monkeypatch, [world(SHOP, gateway=False)])
    with pytest.raises(MeshlbError, match="MLB616"):
        done.run()
    assert done.log == []


@pytest.mark.parametrize("configured", [[], [istio_gateway("edge")]], ids=["its own Gateway", "somebody's Gateway"])
def test_config_maps_beside_a_gateway_are_found_again(configured: list[Obj]) -> None:
    """Whoever takes all chains back names no gateway."""
    cluster = world(ingress("shop", path(backend("shop"))), *configured)
    assert chained_run.gateway_namespaces(cluster) == set()
    made = chain(cluster, gateway={"name": "edge", "namespace": GATEWAYS})
    assert chained_run.gateway_namespaces(made.after) == {GATEWAYS}
