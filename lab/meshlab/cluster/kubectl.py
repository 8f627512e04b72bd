# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""kubectl and helm with the cluster's kubeconfig."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

from meshlab.cluster.core import helm_path, kubectl_path
from meshlab.cluster.record import Cluster
from meshlab.shell import output, run


def environment(cluster: Cluster) -> dict[str, str]:
    """Environment of a client of this cluster; no proxy stands between the two."""
    return {"KUBECONFIG": str(cluster.kubeconfig), "NO_PROXY": "*", "no_proxy": "*"}


def kubectl(cluster: Cluster, *words: str | Path, stdin: str | None = None) -> str:
    """Run kubectl, which must succeed, and return what it printed."""
    return output([kubectl_path(), *words], env=environment(cluster), stdin=stdin, timeout=300)


def attempt(cluster: Cluster, *words: str, timeout: float = 10) -> subprocess.CompletedProcess[str]:
    """Run kubectl, which may fail."""
    argv = [kubectl_path(), f"--request-timeout={timeout:.0f}s", *words]
    return run(argv, env=environment(cluster), check=False, timeout=timeout + 5)


def items(cluster: Cluster, kind: str) -> list[dict[str, Any]]:
    """Objects of a kind in all namespaces; empty when they cannot be had."""
    result = attempt(cluster, "get", kind, "-A", "-o", "json")
    found: list[dict[str, Any]] = json.loads(result.stdout)["items"] if result.returncode == 0 else []
    return found


def ready(cluster: Cluster) -> bool:
    """Whether the API server says it is ready."""
    return attempt(cluster, "get", "--raw", "/readyz", timeout=4).stdout.strip() == "ok"


def apply(cluster: Cluster, path: Path, **values: str) -> None:
    """Apply a manifest whose ${names} are filled in; an unknown one is an error."""
    text = Template(path.read_text()).substitute(values)
    kubectl(cluster, "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)


def restart(cluster: Cluster, deployments: Sequence[tuple[str, str]], daemon_sets: Sequence[tuple[str, str]]) -> None:
    """Replace the pods of workloads, whose image changed under the same name."""
    for kind, workloads in (("deployment", deployments), ("daemonset", daemon_sets)):
        for namespace, name in workloads:
            kubectl(cluster, "-n", namespace, "rollout", "restart", f"{kind}/{name}")


def helm(cluster: Cluster, *words: str | Path) -> str:
    """Run helm, which must succeed; its caches stay in the cluster's folder."""
    home = cluster.state / "helm"
    places = {name: str(home / name.lower()) for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")}
    return output([helm_path(), *words], env=environment(cluster) | places, timeout=300)
