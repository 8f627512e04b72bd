# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The load balancer's sidecar comes and goes under constant load: no more requests are lost than by a plain ``kubectl rollout restart``."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.conftest import set_mode
from tests.integration.support import apps
from tests.integration.support.cluster import ROOT, Cluster, wait_for
from tests.integration.support.load import Load
from tests.integration.support.modules import module
from tests.integration.support.traffic import Entry, Target, ask, entry_of

RELEASE = "front"
WORKLOAD = f"{RELEASE}-ingress-nginx-controller"
TURNS = 3
# Seconds in which a pod that was told to end still takes connections, until kube-proxies and clouds know of it. Without them a restart
# loses whatever arrives meanwhile, 20 to 80 requests here, and that hides what a sidecar costs.
GRACE = 5
# Requests are lost by chance, so two equal roll-outs differ by some standard deviations of a count.
NOISE = 2


@dataclass(frozen=True)
class Kind:
    """How the load balancer runs."""

    name: str
    kind: str
    replicas: int

    @property
    def namespace(self) -> str:
        return f"rollout-{self.name}"

    @property
    def workload(self) -> str:
        return f"{self.kind.lower()}/{WORKLOAD}"

    def values(self) -> dict[str, Any]:
        """For the chart, besides those of the lab's image."""
        name = self.namespace
        resource = {"name": name, "controllerValue": f"example.test/{name}"}
        own = {"kind": self.kind, "replicaCount": self.replicas, "extraArgs": {"shutdown-grace-period": GRACE}}
        return {"controller": {**own, "ingressClass": name, "ingressClassResource": resource}}


KINDS = (Kind("two", "Deployment", 2), Kind("one", "Deployment", 1), Kind("nodes", "DaemonSet", 1))


@dataclass(frozen=True)
class Front:
    """A load balancer at work."""

    cluster: Cluster
    kind: Kind
    entry: Entry
    target: Target

    def restart(self) -> None:
        self.cluster.run("rollout", "restart", self.kind.workload, "--namespace", self.kind.namespace)
        self.cluster.rolled_out(self.kind.namespace, self.kind.workload)

    def sidecar(self, state: str) -> None:
        module(self.cluster, "lb_sidecar", load_balancer={"namespace": self.kind.namespace, "name": WORKLOAD}, state=state)
        self.cluster.rolled_out(self.kind.namespace, self.kind.workload)

    def lost(self, *steps: Callable[[], None]) -> list[int]:
        """How many requests each step lost."""
        found = []
        for step in steps:
            with Load(self.entry, [self.target]) as load:
                step()
            print(f"| {self.kind.name} | {getattr(step, '__name__', 'sidecar')} | {load.summary()} |")
            found.append(len(load.lost()))
        return found


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def front(request: pytest.FixtureRequest, cluster: Cluster, clean: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    kind: Kind = request.param
    values = tmp_path_factory.mktemp("rollout") / "values.json"
    values.write_text(json.dumps(kind.values()), encoding="utf-8")
    helm = [cluster.binaries["helm"], f"--kubeconfig={cluster.kubeconfig}", f"--namespace={kind.namespace}"]
    lab = ROOT / "lab" / "manifests" / "ingress-nginx-values.yaml"
    chart = [cluster.charts["ingress-nginx"], f"--values={lab}", f"--values={values}", "--create-namespace", "--wait", "--timeout=120s"]
    subprocess.run([*helm, "upgrade", "--install", RELEASE, *chart], check=True, capture_output=True, text=True)
    set_mode(cluster, "PERMISSIVE")
    target = Target(f"{kind.name}.rollout.example.test")
    cluster.apply(apps.ingress("apps", kind.namespace, target.host, ("echo-b", 80), ingress_class=kind.namespace))
    made = Front(cluster, kind, entry_of(cluster, kind.namespace, WORKLOAD, WORKLOAD), target)
    wait_for(lambda: ask(made.entry, target).status == 200, "the route to answer")
    yield made
    cluster.delete("ingress", kind.namespace, "--namespace", "apps")
    subprocess.run([*helm, "uninstall", RELEASE, "--wait"], check=False, capture_output=True, text=True)
    cluster.delete("namespace", kind.namespace)


def test_no_more_requests_are_lost_than_by_a_restart(front: Front) -> None:
    restarts = front.lost(*[front.restart] * TURNS)

    def comes() -> None:
        front.sidecar("present")

    def goes() -> None:
        front.sidecar("absent")

    turns = front.lost(*[comes, goes] * TURNS)
    most = sum(restarts) + NOISE * math.sqrt(2 * sum(restarts) + 1)
    assert sum(turns[0::2]) <= most and sum(turns[1::2]) <= most, (restarts, turns)
