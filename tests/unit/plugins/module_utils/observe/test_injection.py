# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a workload has a sidecar, as its pods say."""

from __future__ import annotations

from typing import Any

from ansible_collections.meshlb.istio.plugins.module_utils.observe.injection import sidecar_state
from ansible_collections.meshlb.istio.plugins.module_utils.observe.snapshot import Snapshot


def pod(sidecar: bool, leaving: bool = False) -> dict[str, Any]:
    containers = [{"name": "controller"}, *([{"name": "istio-proxy", "args": ["proxy", "sidecar"]}] if sidecar else [])]
    metadata: dict[str, Any] = {"name": "lb", "namespace": "lb", "annotations": {"traffic.sidecar.istio.io/includeInboundPorts": ""}}
    if leaving:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"metadata": metadata, "spec": {"containers": containers}}


def injected(*pods: dict[str, Any]) -> bool | str:
    return sidecar_state(Snapshot([]), "lb", {"metadata": {}, "spec": {"containers": []}}, list(pods)).injected


def test_pods_that_are_leaving_do_not_count() -> None:
    """ingress-nginx drains for minutes after a rollout: its old pods say nothing about new requests."""
    assert injected(pod(True), pod(False, leaving=True)) is True
    assert injected(pod(False), pod(True, leaving=True)) is False
    assert injected(pod(True), pod(False)) is False


def test_only_leaving_pods_leave_it_to_the_template() -> None:
    assert injected(pod(True, leaving=True)) is False
