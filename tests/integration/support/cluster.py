# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cluster that the tests run on: the lab's, or the one that MESHLB_KUBECONFIG names."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
LAB_NAME = "MESHLB_LAB_NAME"
PATIENCE = 90.0

Obj = dict[str, Any]


class NoCluster(Exception):
    """There is nothing to test on; the sentence says what to do."""


@dataclass(frozen=True)
class Cluster:
    """One cluster, and the programs and charts that go with it."""

    kubeconfig: str
    kubectl: str
    binaries: dict[str, str] = field(default_factory=dict)
    charts: dict[str, str] = field(default_factory=dict)

    def run(self, *words: str, stdin: str | None = None, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """kubectl with these words."""
        command = [self.kubectl, f"--kubeconfig={self.kubeconfig}", *words]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=timeout)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(['kubectl', *words])} failed: {done.stderr.strip() or done.stdout.strip()}")
        return done

    @property
    def version(self) -> str:
        """Kubernetes's."""
        return str(json.loads(self.run("version", "--output=json").stdout)["serverVersion"]["gitVersion"]).lstrip("v")

    def get(self, *words: str) -> Any:
        """What kubectl get answers, as data."""
        return json.loads(self.run("get", *words, "--output=json").stdout)

    def items(self, *words: str) -> list[Obj]:
        """The items of a list."""
        found: list[Obj] = self.get(*words)["items"]
        return found

    def apply(self, *objects: Obj) -> None:
        """Make these objects exist as they are."""
        content = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.run("apply", "--filename=-", stdin=json.dumps(content))

    def delete(self, *words: str) -> None:
        """Delete, and wait for it; what is not there is no error."""
        self.run("delete", "--ignore-not-found", *words, timeout=180)

    def rolled_out(self, namespace: str, *workloads: str) -> None:
        """Wait until workloads (deployment/name) have all their pods, and none of an earlier generation."""
        for workload in workloads:
            self.run("--namespace", namespace, "rollout", "status", workload, f"--timeout={int(PATIENCE)}s", timeout=PATIENCE + 30)

        def nothing_leaves() -> bool:
            return not any("deletionTimestamp" in pod["metadata"] for pod in self.items("pods", "--namespace", namespace))

        wait_for(nothing_leaves, f"pods of {namespace} to leave")

    def image_of(self, namespace: str, deployment: str) -> str:
        """The image of a Deployment's first container: the lab's applications lend theirs to the tests."""
        found = self.get("deployment", deployment, "--namespace", namespace)
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


def find_cluster() -> Cluster:
    """The cluster to test on. Raises NoCluster: a test that cannot run has failed, it is not skipped."""
    words = [sys.executable, str(ROOT / "lab" / "lab"), "status", "--json", "--name", os.environ.get(LAB_NAME, "meshlb")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    try:
        document = json.loads(done.stdout)
    except ValueError as error:
        raise NoCluster(f"There is no cluster ({done.stderr.strip()}). Start one with lab/lab up, or set MESHLB_KUBECONFIG.") from error
    binaries = dict(document.get("binaries") or {})
    kubectl = binaries.get("kubectl") or shutil.which("kubectl")
    if not kubectl:
        raise NoCluster("There is no kubectl on the PATH.")
    binaries.setdefault("helm", shutil.which("helm") or "")
    cluster = Cluster(str(document["kubeconfig"]), kubectl, binaries, dict(document.get("charts") or {}))
    answer = cluster.run("version", "--request-timeout=10s", check=False)
    if answer.returncode:
        raise NoCluster(f"The cluster of {cluster.kubeconfig} does not answer: {answer.stderr.strip()}")
    return cluster


def wait_for(condition: Callable[[], bool], what: str, patience: float = PATIENCE, pause: float = 0.5) -> None:
    """Ask until it is true; fail with the name of what was waited for."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience:.0f} s in vain for {what}")
        time.sleep(pause)


def names(objects: Iterable[Obj]) -> list[str]:
    """namespace/name of objects, sorted."""
    return sorted(f"{item['metadata'].get('namespace', '')}/{item['metadata']['name']}" for item in objects)
