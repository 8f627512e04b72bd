# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""A backend's pods are replaced, and go, under constant load: no strategy costs more than one request in 10,000 above none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.conftest import LOAD_BALANCER, set_connections_age, set_mode
from tests.integration.support import apps
from tests.integration.support.cluster import ROOT, Cluster, wait_for
from tests.integration.support.load import Load
from tests.integration.support.modules import module
from tests.integration.support.traffic import Entry, Target, ask, ask_all, settle

from .page import Row, row_of, write

HOST, NAMESPACE, BACKEND = "rolling.example.test", "rolling", "rolled"
# service_vip leaves the Host as it is, so it serves only a port that declares no HTTP: the same pods behind another Service.
UNDECLARED_HOST, UNDECLARED = "undeclared.example.test", "rolled-undeclared"
SCOPE: dict[str, Any] = {"namespaces": [NAMESPACE]}
NONE = "none"
STRATEGIES = ("service_vip", "host_entry", "headless_twin", "host_alias", "host_rewrite")
REQUESTS, RUNS = int(os.environ.get("MESHLB_ROLLING_REQUESTS", "20000")), int(os.environ.get("MESHLB_ROLLING_RUNS", "3"))
PODS = 3
# Seconds in which a pod that was told to end still answers: the routes to it are in more than one proxy.
GRACE = 5
ROWS: list[Row] = []


@pytest.fixture(scope="module", autouse=True)
def route(cluster: Cluster, clean: None, entry: Entry, echo_image: str) -> Iterator[None]:
    """An application that ends as it should, a route to it, and a load balancer with a sidecar in a mesh that accepts plaintext."""
    account, deployment = apps.echo(NAMESPACE, BACKEND, echo_image, [8080])
    deployment["spec"]["replicas"] = PODS
    pod = deployment["spec"]["template"]["spec"]
    pod["terminationGracePeriodSeconds"] = 4 * GRACE
    pod["containers"][0]["lifecycle"] = {"preStop": {"sleep": {"seconds": GRACE}}}
    deployment["spec"]["template"]["metadata"]["annotations"] = {"proxy.istio.io/config": f"terminationDrainDuration: {2 * GRACE}s"}
    cluster.apply(
        apps.namespace(NAMESPACE), account, deployment, apps.service(NAMESPACE, BACKEND, {"app": BACKEND}, [apps.port(80, 8080, "http")]),
        apps.service(NAMESPACE, UNDECLARED, {"app": BACKEND}, [apps.port(80, 8080)]),
        apps.ingress(NAMESPACE, BACKEND, HOST, (BACKEND, 80)), apps.ingress(NAMESPACE, UNDECLARED, UNDECLARED_HOST, (UNDECLARED, 80)),
    )  # fmt: skip
    cluster.rolled_out(NAMESPACE, f"deployment/{BACKEND}")
    set_mode(cluster, "PERMISSIVE")
    module(cluster, "lb_sidecar", load_balancer=dict(zip(("namespace", "name"), LOAD_BALANCER, strict=True)))
    wait_for(lambda: all(ask(entry, Target(host)).status == 200 for host in (HOST, UNDECLARED_HOST)), "the routes to answer")
    yield
    if os.environ.get("MESHLB_ROLLING_PAGE"):
        write(ROOT / os.environ["MESHLB_ROLLING_PAGE"], cluster, ROWS)
    module(cluster, "service_routing", state="absent", **SCOPE)
    cluster.delete("namespace", NAMESPACE)


def targets_of(strategy: str) -> tuple[Target, Target]:
    host = UNDECLARED_HOST if strategy == "service_vip" else HOST
    return Target(host), Target(host, method="POST")


def look(entry: Entry, target: Target) -> dict[str, str]:
    """Whether the application answers; under STRICT it does so in mutual TLS alone."""
    return {target.host: "answers" if all(answer.app for answer in ask_all(entry, [target])[target]) else "refused"}


def replaced(cluster: Cluster) -> None:
    """Every pod is replaced; then two go, and two come."""
    workload = f"deployment/{BACKEND}"
    cluster.run("rollout", "restart", workload, "--namespace", NAMESPACE)
    cluster.rolled_out(NAMESPACE, workload)
    for replicas in (1, PODS):
        cluster.run("scale", workload, "--namespace", NAMESPACE, f"--replicas={replicas}")
        cluster.rolled_out(NAMESPACE, workload)


def under_load(cluster: Cluster, entry: Entry, strategy: str) -> list[Row]:
    """As many runs as are wanted, each with as many requests and with whole turns."""
    found = []
    for run in range(1, RUNS + 1):
        with Load(entry, targets_of(strategy)) as load:
            while load.count() < REQUESTS:
                replaced(cluster)
        found.append(row_of(strategy, run, load))
        print(f"\n{found[-1]}")
    ROWS.extend(found)
    return found


@pytest.fixture(scope="module")
def without(cluster: Cluster, entry: Entry, route: None) -> list[Row]:
    """What is lost without any routing of ours."""
    return under_load(cluster, entry, NONE)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_strategy_costs_hardly_a_request(cluster: Cluster, entry: Entry, without: list[Row], strategy: str) -> None:
    module(cluster, "service_routing", strategy=strategy, **SCOPE)
    try:
        set_mode(cluster, "STRICT")
        # What was connected before the change stays as it was until it ends.
        set_connections_age(cluster, "1s")
        target = targets_of(strategy)[0]
        assert settle(lambda: look(entry, target), {target.host: "answers"}) == {target.host: "answers"}
        set_connections_age(cluster, None)
        with_it = under_load(cluster, entry, strategy)
    finally:
        set_mode(cluster, "PERMISSIVE")
        set_connections_age(cluster, None)
        module(cluster, "service_routing", state="absent", **SCOPE)
    usual = max(row.lost / row.requests for row in without)
    assert all(row.lost / row.requests <= usual + 1 / 10_000 for row in with_it), (without, with_it)
