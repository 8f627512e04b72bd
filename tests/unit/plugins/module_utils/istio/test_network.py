# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cilium's socket load balancing: when a sidecar sees pods where its load balancer dials a Service."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.istio.network import seen_address, undoes_service_routing
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.unit.plugins.module_utils.support.cluster import (
    Obj,
    backend,
    cluster,
    container,
    ingress,
    obj,
    path,
    pod,
    port,
    routes,
    service,
    workload,
)
from tests.unit.plugins.module_utils.support.known import config_map_namespaces, detect
from tests.unit.plugins.module_utils.support.planning import run
from tests.unit.plugins.module_utils.support.proving import target_of

SYSTEM = "kube-system"
REPLACES = {"kube-proxy-replacement": "true"}
LIMITED = {**REPLACES, "bpf-lb-sock-hostns-only": "true"}


def agent(name: str = "cilium", image: str = "quay.io/cilium/cilium:v1.18.1", command: str = "cilium-agent") -> Obj:
    made = container("cilium-agent", image=image, command=[command])
    return workload(name, kind="DaemonSet", where=SYSTEM, containers=[made])


def config(where: str = SYSTEM, **data: str) -> Obj:
    return obj("v1", "ConfigMap", where, "cilium-config", data=data)


SETTINGS: dict[str, tuple[dict[str, str], bool]] = {
    "kube-proxy replaced": (REPLACES, True), "in an older word": ({"kube-proxy-replacement": "strict"}, True),
    "kube-proxy kept": ({"kube-proxy-replacement": "false"}, False), "nothing said": ({}, False),
    "sockets alone": ({"kube-proxy-replacement": "false", "bpf-lb-sock": "true"}, True),
    "sockets alone, in an older word": ({"enable-host-reachable-services": "true"}, True),
    "limited to the host": (LIMITED, False), "not limited": ({**REPLACES, "bpf-lb-sock-hostns-only": "false"}, True),
}  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), SETTINGS.values(), ids=SETTINGS)
def test_when_service_routing_is_undone(data: dict[str, str], expected: bool) -> None:
    snapshot = Snapshot([agent(), config(**data)])
    assert undoes_service_routing(snapshot) is expected
    assert seen_address(snapshot, "cluster_ip") == ("pod_ips" if expected else "cluster_ip")
    assert [item.code for item in detect(snapshot)[1]] == (["MLB107"] if expected else [])


@pytest.mark.parametrize(
    ("item", "known"),
    [(agent("anetd", "gke.gcr.io/x:1"), True), (agent(image="m.example.com/cilium/cilium:v1", command="/x"), True),
     (agent(image="m.example.com/cilium/cilium-envoy:v1", command="/usr/bin/cilium-envoy"), False)],
)  # fmt: skip
def test_the_agent_is_known_by_what_it_runs(item: Obj, known: bool) -> None:
    assert undoes_service_routing(Snapshot([item, config(**REPLACES)])) is known


def test_its_configuration_is_asked_for_where_it_runs() -> None:
    assert config_map_namespaces(Snapshot([agent()])) == {"istio-system", SYSTEM}
    assert config_map_namespaces(Snapshot()) == {"istio-system"}


def test_a_configuration_that_is_not_known_is_said_and_not_guessed() -> None:
    snapshot = Snapshot([agent(), config("elsewhere", **REPLACES)])
    (said,) = detect(snapshot)[1]
    assert str(said.cause) == f"ConfigMap {SYSTEM}/cilium-config"
    assert said.code == "MLB107" and "not known" in said.message and not undoes_service_routing(snapshot)


UNDECLARED = [service("shop", port("")), pod("shop", ip="10.1.9.9")]
CILIUM = [agent(), config(**REPLACES)]
ITEM = ingress("a", path(backend("shop")))
SWITCHED = ingress("a", path(backend("shop")), service_upstream="true")


@pytest.mark.parametrize(("strategy", "without", "with_it"), [
    ("service_vip", "mutual_tls", "plaintext"), ("host_rewrite", "mutual_tls", "plaintext"), ("host_alias", "mutual_tls", "plaintext"),
    ("headless_twin", "mutual_tls", "mutual_tls"),
])  # fmt: skip
def test_strategies_that_dial_the_service_are_not_promised(strategy: str, without: str, with_it: str) -> None:
    assert run(cluster(*UNDECLARED, ITEM), strategy, preserve_host=False).verdicts == {without}
    assert run(cluster(*UNDECLARED, ITEM, *CILIUM), strategy, preserve_host=False).verdicts == {with_it}


def test_a_load_balancer_that_dials_the_service_is_served_by_a_twin() -> None:
    assert run(cluster(*UNDECLARED, SWITCHED)).written == []
    found = run(cluster(*UNDECLARED, SWITCHED, *CILIUM), "headless_twin")
    assert found.verdicts == {"mutual_tls"}
    assert found.written == ["create DestinationRule apps/shop0meshlb", "create Service apps/shop0meshlb"]
    assert run(cluster(*UNDECLARED, SWITCHED, *CILIUM)).verdicts == {"mutual_tls"}


def test_a_declared_port_is_not_said_to_lack_its_host_alone() -> None:
    declared = [service("shop"), pod("shop"), SWITCHED]
    assert "MLB219" in run(cluster(*declared), "service_vip").codes
    assert "MLB219" not in run(cluster(*declared, *CILIUM), "service_vip").codes


def test_a_proof_asks_for_what_the_sidecar_sees() -> None:
    (route,) = routes(cluster(*UNDECLARED, SWITCHED))
    dialed = [target_of(cluster(*UNDECLARED, SWITCHED, *more), route).dialed[0].address for more in ([], CILIUM)]
    assert dialed[0].startswith("10.96.") and dialed[1] == "10.1.9.9:8080"
