# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run that is killed, loses its API server, or is told to slow down: another run finishes its work, or undoes it, to the last field."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from tests.integration.conftest import set_mode
from tests.integration.support import rights
from tests.integration.support.cluster import LAB_NAME, ROOT, Cluster
from tests.integration.support.modules import Result, module, result_of, start_module
from tests.integration.support.objects import Record, differences

from .front import Asked, Front
from .scene import LB, NAMESPACE, PLACES, SCOPE, WRITES, content, routes

# Every fifth write, some of them as they arrive and some after the API server has carried them out.
KILLED_AT = [pytest.param(at, marks=[pytest.mark.sample] if at == WRITES // 2 + 1 else []) for at in range(1, WRITES + 1, WRITES // 20)]
LEASE_SECONDS = 60


@pytest.fixture(scope="module")
def kubeconfig(cluster: Cluster, clean: None, echo_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Routes, a load balancer with a sidecar, and the documented rights."""
    cluster.apply(*(rights.marked(role) for role in rights.documented_roles().values()))
    cluster.apply(*routes(echo_image))
    cluster.rolled_out(NAMESPACE, "deployment/echo")
    set_mode(cluster, "PERMISSIVE")
    module(cluster, "lb_sidecar", load_balancer=LB)
    yield rights.bound(cluster, "operator", tmp_path_factory.mktemp("chaos"), PLACES)
    module(cluster, "service_routing", state="absent", **SCOPE)
    cluster.delete("namespace", NAMESPACE)
    rights.remove(cluster)


@pytest.fixture(scope="module")
def before(cluster: Cluster, kubeconfig: Path) -> Record:
    """The cluster before any run."""
    return rights.recorded(cluster)


@pytest.fixture(scope="module")
def undisturbed(cluster: Cluster, kubeconfig: Path, before: Record) -> Record:
    """The cluster after a run that nothing happened to."""
    with Front(kubeconfig) as front:
        assert_ok(run(front))
        assert front.writes - front.conflicts == WRITES
    made = rights.recorded(cluster)
    undo(cluster, before)
    return made


def start(front: Front, state: str = "present") -> subprocess.Popen[str]:
    return start_module("service_routing", **SCOPE, **front.connection, state=state)


def run(front: Front, state: str = "present") -> Result:
    return result_of(start(front, state))


def assert_ok(found: Result) -> None:
    assert found and not found.get("failed"), found.get("msg", "it was killed")


def undo(cluster: Cluster, before: Record) -> None:
    """Rollback, after which every object is as it was."""
    module(cluster, "service_routing", state="absent", **SCOPE)
    assert differences(before, rights.recorded(cluster)) == []


def killed(kubeconfig: Path, at: int, state: str) -> None:
    """A run that is killed at one of its writes: as it arrives, or after the API server has carried it out."""
    late, there = at % 2 == 0, threading.Event()
    started: list[subprocess.Popen[str]] = []

    def hook(number: int, done: bool) -> None:
        if number == at and done == late:
            there.wait(30)
            os.kill(started[0].pid, signal.SIGKILL)
            started[0].wait(30)

    with Front(kubeconfig, hook) as front:
        started.append(start(front, state))
        there.set()
        assert result_of(started[0]) == {}, "the run ended before that write"


def forget_lease(cluster: Cluster) -> None:
    """Delete the dead run's Lease, as an operator may who does not want to wait until it expires."""
    cluster.delete("leases", "--all-namespaces", "--selector=app.kubernetes.io/managed-by=meshlb.istio")


@pytest.mark.parametrize("at", KILLED_AT)
def test_after_a_kill_a_run_finishes_and_rollback_restores(
    cluster: Cluster, kubeconfig: Path, before: Record, undisturbed: Record, at: int
) -> None:
    killed(kubeconfig, at, "present")
    if at != 1:
        forget_lease(cluster)  # the first one waits until it expires
    with Front(kubeconfig) as front:
        assert_ok(run(front))
    assert differences(content(undisturbed), content(rights.recorded(cluster))) == []
    undo(cluster, before)


@pytest.mark.parametrize("at", KILLED_AT[::4])
def test_after_a_kill_rollback_restores(cluster: Cluster, kubeconfig: Path, before: Record, at: int) -> None:
    killed(kubeconfig, at, "present")
    forget_lease(cluster)
    undo(cluster, before)


@pytest.mark.parametrize("at", KILLED_AT[::4])
def test_a_killed_rollback_is_finished_by_the_next(cluster: Cluster, kubeconfig: Path, before: Record, at: int) -> None:
    module(cluster, "service_routing", **SCOPE)
    killed(kubeconfig, at, "absent")
    forget_lease(cluster)
    undo(cluster, before)


@pytest.mark.sample
def test_a_run_survives_a_storm_of_429(cluster: Cluster, kubeconfig: Path, before: Record, undisturbed: Record) -> None:
    seen: dict[tuple[str, str], int] = {}

    def every_other(asked: Asked) -> tuple[int, dict[str, str]] | None:
        key = (asked.method, asked.path)
        seen[key] = seen.get(key, 0) + 1
        return (429, {"Retry-After": "1"}) if asked.method == "GET" and seen[key] % 2 else None

    with Front(kubeconfig, refusal=every_other) as front:
        assert_ok(run(front))
        assert front.refused > 10
    assert differences(content(undisturbed), content(rights.recorded(cluster))) == []
    undo(cluster, before)


def test_writes_that_are_refused_with_429_are_finished_by_the_next_run(
    cluster: Cluster, kubeconfig: Path, before: Record, undisturbed: Record
) -> None:
    def some(asked: Asked) -> tuple[int, dict[str, str]] | None:
        return (429, {"Retry-After": "1"}) if asked.writes and crc32(asked.path.encode()) % 3 == 0 else None

    with Front(kubeconfig, refusal=some) as front:
        found = run(front)
    assert "Traceback" not in str(found.get("msg", ""))
    with Front(kubeconfig) as front:
        assert_ok(run(front))
    assert differences(content(undisturbed), content(rights.recorded(cluster))) == []
    undo(cluster, before)


@pytest.mark.sample
@pytest.mark.skipif(bool(os.environ.get("MESHLB_KUBECONFIG")), reason="only the lab's API server is the tests' to restart")
def test_a_run_survives_a_restart_of_the_api_server(cluster: Cluster, kubeconfig: Path, before: Record, undisturbed: Record) -> None:
    words: list[Any] = [sys.executable, ROOT / "lab" / "lab", "restart", "apiserver", "--name", os.environ.get(LAB_NAME, "meshlb")]
    restarting: list[subprocess.Popen[bytes]] = []

    def hook(number: int, done: bool) -> None:
        if number == WRITES // 2 and not done:
            restarting.append(subprocess.Popen(words))

    with Front(kubeconfig, hook) as front:
        first = run(front)
    assert restarting and restarting[0].wait(120) == 0
    assert "Traceback" not in str(first.get("msg", ""))
    forget_lease(cluster)
    with Front(kubeconfig) as front:
        assert_ok(run(front))
    assert differences(content(undisturbed), content(rights.recorded(cluster))) == []
    undo(cluster, before)
