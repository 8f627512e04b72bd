# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking the program with Istio's own code: with a stand-in for it, and once with the program itself, where it is built."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.oracle import cluster
from tests.oracle.client import NotBuilt, Oracle, binary

STAND_IN = """
import json, os, sys, time
for line in sys.stdin:
    case = json.loads(line)
    if case["id"] == "die":
        sys.exit(3)
    if case["id"] == "hang":
        time.sleep(60)
    print(json.dumps({"id": case["id"], "process": os.getpid()}), flush=True)
"""


@pytest.fixture
def oracle() -> Iterator[Oracle]:
    with Oracle([sys.executable, "-c", STAND_IN], seconds=20) as found:
        yield found


def test_one_process_answers_many_cases(oracle: Oracle) -> None:
    first, second = oracle.ask({"id": "a"}), oracle.ask({"id": "b"})
    assert (first["id"], second["id"]) == ("a", "b")
    assert first["process"] == second["process"]


def test_a_program_that_dies_costs_one_case(oracle: Oracle) -> None:
    first = oracle.ask({"id": "a"})
    assert oracle.ask({"id": "die"}) == {"id": "die", "error": "the program died"}
    assert oracle.ask({"id": "b"})["process"] != first["process"]


def test_a_program_that_hangs_is_ended() -> None:
    with Oracle([sys.executable, "-c", STAND_IN], seconds=0.5) as oracle:
        assert oracle.ask({"id": "hang"})["error"] == "the program takes too long"


def test_a_fresh_process_goes_on_after_some_cases() -> None:
    with Oracle([sys.executable, "-c", STAND_IN], seconds=20, restart_after=2) as oracle:
        processes = [oracle.ask({"id": str(number)})["process"] for number in range(3)]
    assert processes[0] == processes[1] != processes[2]


# ---- the program itself


def pod(home: str, name: str, ip: str, labels: dict[str, str]) -> cluster.Obj:
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": home, "labels": {**labels, cluster.TLS_MODE: "istio"}},
        "spec": {"containers": [{"name": "app", "image": "app"}, {"name": "istio-proxy", "image": "proxy"}]},
        "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": [{"type": "Ready", "status": "True"}]},
    }


def case(*more: cluster.Obj, port: str = "http") -> dict[str, Any]:
    service = {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "echo", "namespace": "apps"},
        "spec": {"clusterIP": "10.96.0.10", "selector": {"app": "echo"}, "ports": [{"name": port, "port": 80, "targetPort": 8080}]},
    }
    objects = cluster.completed([service, pod("apps", "echo-0", "10.0.1.1", {"app": "echo"}), pod("ingress", "lb", "10.0.9.9", {}), *more])
    call = {"name": "call 0", "address": "10.96.0.10", "port": 80, "host": "echo.apps.svc.cluster.local", "path": "/"}
    return {"id": "case", "objects": objects, "calls": [call], "client": {"namespace": "ingress", "name": "lb", "ip": "10.0.9.9"}}


def policy(**spec: Any) -> cluster.Obj:
    metadata = {"name": "default", "namespace": "apps"}
    return {"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": metadata, "spec": spec}


@pytest.fixture(scope="module")
def istio() -> Iterator[Oracle]:
    try:
        binary()
    except NotBuilt as error:
        pytest.skip(f"SKIPPED, Istio was not asked: {error}")
    with Oracle() as found:
        yield found


def test_istio_answers(istio: Oracle) -> None:
    """With the way of a call, and how the backend's sidecar takes connections."""
    found = istio.ask(case())
    assert found.get("error") is None
    (call,) = found["calls"]
    assert [item["name"] for item in call["clusters"]] == ["outbound|80||echo.apps.svc.cluster.local"]
    assert [item["address"] for item in call["clusters"][0]["endpoints"]] == ["10.0.1.1"]
    ways = found["inbound"]["10.0.1.1:8080"]["ways"]
    assert not ways["plain_http"].get("error")
    assert ways["mesh_http"]["chain"]["tls"]
    assert ways["mesh_http"]["chain"]["http"]


@pytest.mark.parametrize(("port", "taken"), [("http", True), ("tcp", False), ("web", False)])
def test_a_client_that_passes_bytes_on(istio: Oracle, port: str, taken: bool) -> None:
    """Requests from it are read where the port is HTTP; anything else is then no request, and passed on elsewhere."""
    ways = istio.ask(case(port=port))["inbound"]["10.0.1.1:8080"]["ways"]
    assert not ways["mesh_tcp"].get("error")
    assert ways["mesh_tcp"]["chain"]["http"] == taken
    assert bool(ways["mesh_bytes"].get("error")) == taken


def test_calls_of_several_clients(istio: Oracle) -> None:
    """Each goes through its own proxy."""
    rule = {"host": "echo.apps.svc.cluster.local", "trafficPolicy": {"tls": {"mode": "DISABLE"}}}
    metadata = {"name": "plain", "namespace": "other"}
    asked = case({"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": metadata, "spec": rule})
    asked["calls"].append({**asked["calls"][0], "name": "call 1", "from": {"namespace": "other", "name": "curl", "ip": "10.0.8.8"}})
    first, second = (item["clusters"][0] for item in istio.ask(asked)["calls"])
    assert any(match["socket"]["tls"] for match in first["matches"])
    assert not second.get("matches")
    assert not second["socket"]["tls"]


def test_istio_is_asked_anew_each_time(istio: Oracle) -> None:
    """Nothing of a case is left for the next."""
    assert istio.ask(case(policy(mtls={"mode": "STRICT"})))["inbound"]["10.0.1.1:8080"]["ways"]["plain_http"]["error"]
    assert not istio.ask(case())["inbound"]["10.0.1.1:8080"]["ways"]["plain_http"].get("error")


@pytest.mark.parametrize(
    "wrong",
    [
        policy(mtls={"mode": "SOMETIMES"}),
        {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "x", "namespace": "apps"}, "spec": {}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "namespace": "apps"}, "spec": {"ports": "many"}},
    ],
)
def test_an_invalid_case_is_told_and_the_next_answered(istio: Oracle, wrong: cluster.Obj) -> None:
    asked = case()
    asked["objects"].append(wrong)
    assert istio.ask(asked)["error"]
    assert istio.ask(case()).get("error") is None
