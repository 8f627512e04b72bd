# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a rollout from being without a gap."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.plan.gap import about_gaps

Obj = dict[str, Any]


def workload(kind: str = "Deployment", replicas: int = 3, probe: bool = True, **spec: Any) -> Obj:
    container = {"name": "c", **({"readinessProbe": {"tcpSocket": {"port": 80}}} if probe else {})}
    template = {"metadata": {"labels": {"app": "lb"}}, "spec": {"containers": [container]}}
    daemon = kind == "DaemonSet"
    whole = {"template": template, **({} if daemon else {"replicas": replicas}), **spec}
    status = {"desiredNumberScheduled": replicas} if daemon else {}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"namespace": "edge", "name": "lb"}, "spec": whole, "status": status}


def budget(namespace: str = "edge", app: str = "lb", **spec: Any) -> Obj:
    metadata = {"namespace": namespace, "name": "b"}
    selector = {"matchLabels": {"app": app}}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": {"selector": selector, **spec}}


def codes(found: Obj, *budgets: Obj) -> list[str]:
    return [item.code for item in about_gaps(found, budgets)]


def rolling(**limits: Any) -> Obj:
    return {"type": "RollingUpdate", "rollingUpdate": limits}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (workload(), []),
        (workload(strategy={"type": "Recreate"}), ["MLB305"]),
        (workload(strategy=rolling(maxUnavailable="100%")), ["MLB305"]),
        (workload(strategy=rolling(maxUnavailable=3)), ["MLB305"]),
        (workload(strategy=rolling(maxUnavailable="99%")), []),
        (workload(strategy=rolling(maxUnavailable=2)), []),
        (workload(strategy=rolling(maxUnavailable="many")), []),
        (workload(replicas=1), ["MLB306"]),
        (workload(replicas=1, strategy=rolling(maxUnavailable="25%")), ["MLB306"]),
        (workload(probe=False), ["MLB307"]),
        (workload(paused=True), ["MLB309"]),
        (workload("DaemonSet"), []),
        (workload("DaemonSet", updateStrategy=rolling(maxUnavailable=1)), []),
        (workload("DaemonSet", updateStrategy=rolling(maxUnavailable="99%")), ["MLB305"]),
        (workload("DaemonSet", 1), ["MLB306"]),
        (workload("DaemonSet", 0), []),
        (workload("StatefulSet", 1), ["MLB306"]),
        (workload("StatefulSet", updateStrategy=rolling(maxUnavailable=3)), ["MLB305"]),
    ],
)
def test_workloads(found: Obj, expected: list[str]) -> None:
    assert codes(found) == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (budget(maxUnavailable=0), ["MLB308"]),
        (budget(maxUnavailable="0%"), ["MLB308"]),
        (budget(maxUnavailable=1), []),
        (budget(maxUnavailable="1%"), []),
        (budget(minAvailable=3), ["MLB308"]),
        (budget(minAvailable="100%"), ["MLB308"]),
        (budget(minAvailable="67%"), ["MLB308"]),
        (budget(minAvailable=2), []),
        (budget(), []),
        (budget(namespace="other", maxUnavailable=0), []),
        (budget(app="other", maxUnavailable=0), []),
        ({**budget(), "spec": {"maxUnavailable": 0}}, []),
    ],
)
def test_budgets(found: Obj, expected: list[str]) -> None:
    assert codes(workload(), found) == expected


def test_budgets_that_cannot_be_read_are_told() -> None:
    (found,) = about_gaps(workload(), None)
    assert (found.code, found.object and found.object.name) == ("MLB308", "lb")
    assert "is not known" in found.message
