# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Headless twins through what happens to a backend afterwards, and their coming and going under load."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.conftest import LOAD_BALANCER, set_mode
from tests.integration.support import apps
from tests.integration.support.cluster import Cluster, wait_for
from tests.integration.support.load import Load
from tests.integration.support.modules import module
from tests.integration.support.traffic import Entry, Target, ask, ask_all, measured, settle

HOST = "twin.example.test"
TARGET = Target(HOST)
BACKEND = "echo-b"
SCOPE: dict[str, Any] = {"namespaces": ["apps"], "label_selector": "test=twin"}
TWIN = "echo-b0meshlb"


@pytest.fixture(scope="module", autouse=True)
def route(cluster: Cluster, clean: None, short_connections: None, entry: Entry) -> Iterator[None]:
    """One route in a mesh that accepts plaintext, at a load balancer with a sidecar."""
    made = apps.ingress("apps", "twin", HOST, (BACKEND, 80), annotations={"meshlb.istio/strategy": "headless_twin"})
    made["metadata"]["labels"] = {"test": "twin"}
    cluster.apply(made)
    set_mode(cluster, "PERMISSIVE")
    module(cluster, "lb_sidecar", load_balancer={"namespace": LOAD_BALANCER[0], "name": LOAD_BALANCER[1]})
    wait_for(lambda: ask(entry, TARGET).status == 200, "the route to answer")
    yield
    module(cluster, "service_routing", state="absent", **SCOPE)
    cluster.delete("ingress", "twin", "--namespace", "apps")


def look(entry: Entry) -> dict[str, str]:
    return {HOST: measured(ask_all(entry, [TARGET])[TARGET], entry.identity)}


def scale(cluster: Cluster, replicas: int) -> None:
    cluster.run("scale", f"deployment/{BACKEND}", "--namespace", "apps", f"--replicas={replicas}")


def test_a_backend_that_was_scaled_to_zero_keeps_mutual_tls(cluster: Cluster, entry: Entry) -> None:
    module(cluster, "service_routing", **SCOPE)
    assert settle(lambda: look(entry), {HOST: "mutual_tls"}) == {HOST: "mutual_tls"}
    scale(cluster, 0)
    try:
        wait_for(lambda: not cluster.items("pods", "--namespace", "apps", f"--selector=app={BACKEND}"), "its pods to be gone")
        # A proxy that starts now meets the twin without endpoints: the case in which automatic mutual TLS decides against it.
        cluster.run("rollout", "restart", f"deployment/{LOAD_BALANCER[1]}", "--namespace", LOAD_BALANCER[0])
        cluster.rolled_out(LOAD_BALANCER[0], f"deployment/{LOAD_BALANCER[1]}")
    finally:
        scale(cluster, 1)
    cluster.rolled_out("apps", f"deployment/{BACKEND}")
    assert settle(lambda: look(entry), {HOST: "mutual_tls"}) == {HOST: "mutual_tls"}
    assert not module(cluster, "service_routing", **SCOPE)["changed"]


@pytest.mark.parametrize("first", ["Service", "DestinationRule"])
def test_kubectl_may_create_them_in_any_order(cluster: Cluster, entry: Entry, first: str) -> None:
    module(cluster, "service_routing", state="absent", **SCOPE)
    changes = module(cluster, "service_routing", check=True, **SCOPE)["changes"]
    bodies = {item["object"]["kind"]: item["after"] for item in changes}
    assert sorted(bodies) == ["DestinationRule", "Service"]
    for kind in sorted(bodies, key=lambda item: item != first):
        cluster.apply(bodies[kind])
    assert settle(lambda: look(entry), {HOST: "mutual_tls"}) == {HOST: "mutual_tls"}
    cluster.delete("service,destinationrule", TWIN, "--namespace", "apps")


def test_no_request_is_lost_when_it_comes_and_goes(cluster: Cluster, entry: Entry) -> None:
    with Load(entry, [TARGET]) as load:
        for _turn in range(3):
            module(cluster, "service_routing", **SCOPE)
            assert settle(lambda: look(entry), {HOST: "mutual_tls"}) == {HOST: "mutual_tls"}
            module(cluster, "service_routing", state="absent", **SCOPE)
            assert settle(lambda: look(entry), {HOST: "plaintext"}) == {HOST: "plaintext"}
    print(load.summary())
    assert load.lost() == [] and len(load.answers) > 200
