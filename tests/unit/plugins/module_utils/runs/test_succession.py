# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What replaces something is known to the sidecars before the other one goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import REGISTRY
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import Forbidden, MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.kube import kinds
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.prove.asking import Asker
from ansible_collections.meshlb.istio.plugins.module_utils.runs import routing as routing_run
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.routing import RoutingOptions
from ansible_collections.meshlb.istio.plugins.module_utils.runs.succession import MOMENT, REMOVAL, WAIT, Succession
from ansible_collections.meshlb.istio.plugins.module_utils.runs.waiting import SETTLE, Clock

from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    EDGE,
    backend,
    cluster,
    ingress,
    path,
    peer_authentication,
    pod,
    port,
    service,
)
from tests.unit.plugins.module_utils.support.known import detect
from tests.unit.plugins.module_utils.support.planning import run

CLUSTER = "outbound|8080||shop1meshlb.apps.svc.cluster.local"


def harmful() -> Snapshot:
    """A cluster with a twin that is older than its Service, and a running load balancer."""
    own = service("shop", port("http"), created="2024-01-01T00:00:00Z")
    carrier = pod("lb", where=EDGE, name="lb-1")
    there = run(
        cluster(own, pod("shop", http=8080), ingress("shop", path(backend("shop"))), peer_authentication("PERMISSIVE"), carrier),
        "headless_twin",
    ).after
    twin = there.get(kinds.SERVICE, APPS, "shop0meshlb") or {}
    return there.overlay([{**twin, "metadata": {**twin["metadata"], "creationTimestamp": "2023-01-01T00:00:00Z"}}])


class Time:
    """Time that passes while it is slept."""

    def __init__(self) -> None:
        self.passed = 0.0

    def sleep(self, seconds: float) -> None:
        self.passed += seconds

    def clock(self) -> Clock:
        return Clock(now=lambda: self.passed, sleep=self.sleep)


def succession(live: Snapshot, ask: Callable[[], Any] | None, time: Time, strategy: str = "headless_twin") -> Succession:
    def way(namespace: str, name: str, question: str, bounds: Any) -> str:
        assert (namespace, name) == (EDGE, "lb-1") and "|" not in question and ask is not None
        return json.dumps(ask())

    found = detect(live)[0]
    decision = routing_run.planned(routing_run.RoutingScene(live, REGISTRY, found, found, RoutingOptions(strategy=strategy)))
    by_label = {item.label: item for item in found}
    return Succession(live, by_label, decision.wanted, decision.changes, Asker(way) if ask else None, time.clock())


def dump(*clusters: str) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.admin.v3.ClustersConfigDump.DynamicCluster"
    return {"configs": [{"@type": kind, "cluster": {"name": name}} for name in clusters]}


def test_the_old_twin_goes_once_the_new_one_is_known() -> None:
    time = Time()
    found = succession(harmful(), lambda: dump(CLUSTER) if time.passed >= 3 else dump(), time)
    found.before(0)
    assert time.passed == 0
    found.before(REMOVAL)
    assert time.passed == 3 + MOMENT and found.findings == []


def test_the_old_twin_stays_where_the_new_one_does_not_come_to_be_known() -> None:
    time = Time()
    with pytest.raises(MeshlbError, match=r"what it replaces stays.*edge/lb-1 does not know outbound"):
        succession(harmful(), dump, time).before(REMOVAL)
    assert time.passed == WAIT


def test_a_sidecar_that_cannot_be_asked_gets_some_seconds() -> None:
    def refuses() -> Any:
        raise Forbidden("no portforward")

    for ask in (refuses, None):
        time = Time()
        found = succession(harmful(), ask, time)
        found.before(REMOVAL)
        assert time.passed == SETTLE
        assert [item.code for item in found.findings] == ["MLB252"] and "edge/lb-1" in found.findings[0].message


def test_another_strategy_is_waited_for_as_well() -> None:
    time = Time()
    found = succession(harmful(), lambda: dump(*(f"outbound|{number}||shop.example.com" for number in (80, 8080))), time, "host_entry")
    assert {item.action for item in found.changes} == {"create", "delete"}
    found.before(REMOVAL)
    assert time.passed == MOMENT


def test_nothing_is_waited_for_where_nothing_takes_its_place() -> None:
    time = Time()
    live = harmful().overlay([], [(kinds.INGRESS, APPS, "shop")])
    found = succession(live, dump, time)
    assert {item.action for item in found.changes} == {"delete"}
    found.before(REMOVAL)
    assert time.passed == 0
