# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting around a chain: what it waits for, how long, and what a run does in which order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.apply import writer
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import REGISTRY
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import Forbidden, MeshlbError, NotFound
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import ObjectRef
from ansible_collections.meshlb.istio.plugins.module_utils.kube import kinds
from ansible_collections.meshlb.istio.plugins.module_utils.kube.objects import ref_of
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.runs import chained as chained_run
from ansible_collections.meshlb.istio.plugins.module_utils.runs import chained_plan
from ansible_collections.meshlb.istio.plugins.module_utils.runs import waiting as chained_wait
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.common import CommonOptions
from ansible_collections.meshlb.istio.plugins.module_utils.runs.session import Session
from ansible_collections.meshlb.istio.plugins.module_utils.runs.waiting import Clock

from tests.unit.plugins.module_utils.plan.chain.kit import (
    GATEWAY_KINDS,
    GATEWAYS,
    ISTIO_KINDS,
    chain,
    gateway_service,
    gateway_workload,
    istio_gateway,
    kubernetes,
    options,
    world,
)
from tests.unit.plugins.module_utils.support.cluster import Obj, backend, ingress, obj, path
from tests.unit.plugins.module_utils.support.fake_api import FakeApi, Request, serving

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
        chained_wait.wait_for_gateway(lambda: "not yet", 3, "It was not ready", time.clock())
    assert time.passed == 3 and "was not led to it" in error.value.hint


def test_the_clock_says_how_often_is_asked() -> None:
    time, reasons = Time(), iter(["first", "second", ""])
    chained_wait.wait_for(lambda: next(reasons), 9, MeshlbError, Clock(lambda: time.passed, time.sleep, interval=0.5))
    assert time.naps == [0.5, 0.5]


class NoLeases:
    """A client that may not use Leases."""

    server, context, server_time = "https://api", "", None

    def list(self, key: str, namespace: str = "") -> Iterable[Obj]:
        raise Forbidden(f"Not allowed to list {key} in {namespace}.")


class Writing:
    """A run whose session is a snapshot, and whose writes are noted with the naps between them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, snapshot: Snapshot) -> None:
        self.log: list[str] = []
        self.snapshot = snapshot
        self.time = Time()
        monkeypatch.setattr(chained_run, "start", self.start)
        monkeypatch.setattr(writer, "make", lambda api, change, dry_run=False: dry_run or self.note(change))
        monkeypatch.setattr(chained_run, "accepted", lambda api, refs: "")
        monkeypatch.setattr(chained_run, "pods_ready", lambda api, namespace, service: "")

    def start(self, given: CommonOptions, *rest: Any) -> Session:
        return Session(given, self.snapshot, api=NoLeases())  # type: ignore[arg-type]

    def note(self, change: Any) -> None:
        self.log.append(f"{change.phase} {change.action} {change.object.kind}")

    def run(self, **more: Any) -> Obj:
        clock = Clock(lambda: self.time.passed, lambda seconds: self.log.append(f"sleep {seconds:g}"))
        return chained_run.run_chained(options(wait_timeout=9, drain=7, workers=1, **more), clock).to_result(False)


SHOP = ingress("shop", path(backend("shop")))


def test_the_order_there_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = world(SHOP)
    there = Writing(monkeypatch, snapshot)
    there.run()
    assert there.log[:2] == ["0 patch Deployment", "0 create Gateway"]
    assert there.log[-2:] == [f"sleep {chained_wait.SETTLE:g}", "2 patch Ingress"]


def api_of(snapshot: Snapshot) -> FakeApi:
    """A server that has these objects, and no others of the kinds that chained mode reads."""
    read = {*kinds.BASE, kinds.CONFIG_MAP, *ISTIO_KINDS, *GATEWAY_KINDS}
    versions = {ref_of(item).group: item["apiVersion"] for kind in snapshot.kinds() for item in snapshot.all(kind)}
    served = []
    for key in sorted(read):
        kind, dummy, group = key.partition(".")
        cluster_wide = kind in ("Namespace", "Node", "IngressClass", "MutatingWebhookConfiguration", "GatewayClass")
        served.append((kind, versions.get(group, f"{group}/v1").lstrip("/"), f"{kind.lower()}s", not cluster_wide))
    fake = FakeApi(kinds=served)
    for item in (item for kind in snapshot.kinds() for item in snapshot.all(kind)):
        fake.add({**item, "metadata": {**item["metadata"], "resourceVersion": "1", "uid": "u"}})
    return fake


def test_a_gateway_that_is_made_first_gets_its_address_and_nothing_is_listed_twice() -> None:
    """Istio makes the Service some time after the Gateway; then that is read, and not the whole cluster once more."""
    fake, time = api_of(world(SHOP, gateway=False)), Time()
    polls: list[str] = []

    def istio(request: Request) -> None:
        if request.method == "GET" and request.path.endswith("/services/edge-istio"):
            polls.append(request.path)
            if len(polls) == 3:
                fake.add(gateway_service("edge-istio"), gateway_workload("edge-istio"))

    fake.answer = istio
    with serving(fake):
        given = options(host=fake.address, api_key="t", gateway=kubernetes(), wait=False, wait_timeout=9)
        result = chained_run.run_chained(given, time.clock()).to_result(False)
    assert time.naps[:2] == [1.0, 1.0]
    written = [f"{item.method} {item.path.split('/')[-2 if item.method == 'PATCH' else -1]}"
               for item in fake.requests if item.method in ("POST", "PATCH") and not item.dry]
    assert written[0] == "POST gateways" and written[-1] == "PATCH ingresss"
    (addresses,) = (item["after"] for item in result["changes"] if item["object"]["kind"] == "EndpointSlice")
    assert addresses["endpoints"][0]["addresses"] == ["10.96.0.20"]
    assert {route["before"]["verdict"] for route in result["routes"]} == {"plaintext"}
    plurals = {kind[2] for kind in fake.kinds}
    lists = Counter(item.path for item in fake.requests if item.method == "GET" and item.path.split("/")[-1] in plurals)
    assert len(lists) > len(kinds.BASE) and set(lists.values()) == {1}
    assert not [path for path in lists if "/namespaces/" in path and not path.endswith("/configmaps")]
    deployment = f"/apis/apps/v1/namespaces/{GATEWAYS}/deployments/edge-istio"
    assert fake.named("GET").count(deployment) == 1


def test_nothing_is_written_that_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    done = Writing(monkeypatch, world(SHOP, gateway=False))
    with pytest.raises(MeshlbError, match="MLB616"):
        done.run()
    assert done.log == []


@pytest.mark.parametrize("configured", [[], [istio_gateway("edge")]], ids=["its own Gateway", "somebody's Gateway"])
def test_config_maps_beside_a_gateway_are_found_again(configured: list[Obj]) -> None:
    """Whoever takes all chains back names no gateway."""
    cluster = world(ingress("shop", path(backend("shop"))), *configured)
    assert chained_plan.gateway_namespaces(cluster, REGISTRY) == set()
    made = chain(cluster, gateway={"name": "edge", "namespace": GATEWAYS})
    assert chained_plan.gateway_namespaces(made.after, REGISTRY) == {GATEWAYS}
