# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prediction equals measurement, for every strategy, kind of Service port and mesh-wide mode."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.integration.conftest import LOAD_BALANCER, set_mode
from tests.integration.support import matrix
from tests.integration.support.cluster import ROOT, Cluster
from tests.integration.support.matrix import MODES, NAMESPACE, STRATEGIES, Cell
from tests.integration.support.modules import module
from tests.integration.support.traffic import REQUESTS, Answer, Entry, ask_all, measured, settle

ONLY = {"namespaces": [NAMESPACE]}
CELLS: list[Cell] = []


class World:
    """The matrix on the cluster."""

    def __init__(self, cluster: Cluster, entry: Entry) -> None:
        self.cluster = cluster
        self.entry = entry

    def answers(self) -> dict[str, list[Answer]]:
        """Answers by kind."""
        found = ask_all(self.entry, [matrix.target(kind) for kind in matrix.kinds()], REQUESTS)
        return {kind: found[matrix.target(kind)] for kind in matrix.kinds()}

    def look(self) -> dict[str, str]:
        """Verdicts by kind; an answer from another application is none."""
        seen = {}
        for kind, answers in self.answers().items():
            strangers = {answer.app for answer in answers if answer.app} - matrix.pods_behind(kind)
            seen[kind] = f"answers of {', '.join(sorted(strangers))}" if strangers else measured(answers, self.entry.identity)
        return seen

    def compare(self, mode: str, stage: str, predicted: Mapping[str, str]) -> None:
        """Measure, and note it."""
        seen = settle(self.look, predicted)
        CELLS.extend(Cell(mode, stage, kind, predicted[kind], seen[kind]) for kind in matrix.kinds())

    def route(self, check: bool = False, **options: Any) -> dict[str, Any]:
        return module(self.cluster, "service_routing", check, **ONLY, **options)

    def sidecar(self, state: str) -> None:
        module(self.cluster, "lb_sidecar", load_balancer={"namespace": LOAD_BALANCER[0], "name": LOAD_BALANCER[1]}, state=state)


def verdicts(result: Mapping[str, Any], when: str) -> dict[str, str]:
    """Predictions by kind."""
    found = {route["host"].split(".")[0]: route[when]["verdict"] for route in result["routes"]}
    assert sorted(found) == sorted(matrix.kinds())
    return found


@pytest.fixture(scope="module")
def world(cluster: Cluster, entry: Entry, echo_image: str, clean: None, short_connections: None) -> Iterator[World]:
    """The applications and their routes."""
    matrix.build(cluster, echo_image)
    yield World(cluster, entry)
    cluster.delete("ingress", "--all", "--namespace", NAMESPACE)
    cluster.delete("namespace", NAMESPACE, "--wait=false")
    print("\n" + "\n".join(matrix.table(CELLS)))
    if os.environ.get("MESHLB_MEASURED"):
        matrix.write(ROOT / os.environ["MESHLB_MEASURED"], CELLS, versions(cluster))


def versions(cluster: Cluster) -> dict[str, str]:
    """What it was measured with."""
    info = module(cluster, "lb_info")
    controller = next(item for item in info["load_balancers"] if (item["namespace"], item["name"]) == LOAD_BALANCER)
    return {"Kubernetes": cluster.version, "Istio": ", ".join(info["mesh"]["versions"]), "ingress-nginx": controller["version"]}


@pytest.mark.parametrize("mode", MODES)
def test_without_a_sidecar(world: World, mode: str) -> None:
    set_mode(world.cluster, mode)
    world.compare(mode, "no sidecar", verdicts(world.route(check=True), "before"))
    _agree(mode, "no sidecar")


@pytest.mark.parametrize("mode", MODES)
def test_with_a_sidecar(world: World, mode: str) -> None:
    world.sidecar("present")
    set_mode(world.cluster, mode)
    world.compare(mode, "sidecar", verdicts(world.route(check=True), "before"))
    _agree(mode, "sidecar")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_strategy(world: World, mode: str, strategy: str) -> None:
    """One strategy asked for on every route, whether it can serve or not."""
    world.sidecar("present")
    set_mode(world.cluster, mode)
    result = world.route(strategy=strategy)
    world.compare(mode, strategy, verdicts(result, "after"))
    told = {item["object"]["name"] for item in result["findings"] if item["code"] in ("MLB201", "MLB202") and item["object"]}
    unserved = {route["object"]["name"] for route in result["routes"] if route["after"]["strategy"] == "none"}
    already = {kind for kind, verdict in verdicts(result, "after").items() if verdict == "mutual_tls"}
    assert unserved - already <= told, "routes that are not served, and no finding says so"
    for route in result["routes"]:
        if route["after"]["strategy"] == "none" and route["after"]["verdict"] != "mutual_tls":
            assert strategy == "auto" or f"{strategy}" in route["after"]["why"], route["after"]["why"]
    again = world.route(strategy=strategy)
    assert not again["changed"] and not again["changes"]
    assert verdicts(again, "before") == verdicts(result, "after")
    _agree(mode, strategy)


def test_back_to_the_start(world: World) -> None:
    """With everything taken back the answers are those of the beginning."""
    world.route(state="absent")
    for mode in MODES:
        set_mode(world.cluster, mode)
        start = {cell.kind: cell.measured for cell in CELLS if (cell.mode, cell.stage) == (mode, "sidecar")}
        assert settle(world.look, start) == start


def _agree(mode: str, stage: str) -> None:
    wrong = [cell for cell in CELLS if (cell.mode, cell.stage) == (mode, stage) and not cell.agrees]
    assert not wrong, "; ".join(f"{cell.kind}: predicted {cell.predicted}, measured {cell.measured}" for cell in wrong)
