# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Emissary: prediction equals measurement for every kind of route, strategy, mesh-wide mode, and both global resolvers.

On a lab with it: lab/lab up --name emi --with emissary, then with MESHLB_LAB_NAME=emi MESHLB_VENDORS=emissary.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.integration.conftest import set_mode
from tests.integration.support import mappings
from tests.integration.support.cluster import Cluster
from tests.integration.support.modules import module
from tests.integration.support.objects import differences, record
from tests.integration.support.traffic import REQUESTS, Entry, Target, ask_all, entry_of, measured, settle

LOAD_BALANCER = {"namespace": "emissary", "name": "emissary-ingress"}
STRATEGIES = ("auto", "service_vip", "host_rewrite", "host_alias", "host_entry", "headless_twin")
MODES = ("PERMISSIVE", "STRICT")
RESOLVERS = ("kubernetes-service", "endpoint")
OWN = ("mappings.getambassador.io", "tcpmappings.getambassador.io", "modules.getambassador.io", "tlscontexts.getambassador.io")


class World:
    """Emissary's routes on the cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.entry = entry_of(cluster, "emissary", "emissary-ingress", "emissary-ingress")
        raw = cluster.get("service", "stream", "--namespace", mappings.HOME)["spec"]["clusterIP"]
        self.stream = Entry(raw, mappings.STREAM, self.entry.identity)

    def look(self) -> dict[str, str]:
        """Verdicts by kind."""
        targets = {kind: Target(mappings.host(kind), "/p/" if kind == "prefixed" else "/") for kind in mappings.kinds()}
        streamed = targets.pop(mappings.STREAMED)
        found = ask_all(self.entry, list(targets.values()), REQUESTS)
        seen = {kind: measured(found[target], self.entry.identity) for kind, target in targets.items()}
        answers = ask_all(self.stream, [streamed], REQUESTS)[streamed]
        verdict = measured(answers, self.entry.identity)
        # A stream has no status to answer with: it is closed.
        return {**seen, mappings.STREAMED: "refused" if verdict == "status 0" else verdict}

    def route(self, check: bool = False, **options: Any) -> dict[str, Any]:
        return module(self.cluster, "service_routing", check, namespaces=[mappings.NAMESPACE], load_balancers=["emissary"], **options)

    def resolve_by(self, name: str) -> None:
        # What was connected before a change stays as it was until it is closed, and these requests would keep it open.
        self.cluster.apply(mappings.module(resolver=name, cluster_max_connection_lifetime_ms=1000))

    def agree(self, predicted: Mapping[str, str]) -> None:
        """Measure until it is what was predicted, or fail with the difference."""
        seen = settle(self.look, predicted)
        wrong = {kind: (predicted[kind], seen[kind]) for kind in mappings.kinds() if predicted[kind] != seen[kind]}
        assert not wrong, f"predicted and measured: {wrong}"


def verdicts(result: Mapping[str, Any], when: str) -> dict[str, str]:
    """Predictions by kind."""
    found = {}
    for route in result["routes"]:
        found[route["host"].split(".")[0] or mappings.STREAMED] = route[when]["verdict"]
    assert sorted(found) == sorted(mappings.kinds())
    return found


@pytest.fixture(scope="module")
def world(cluster: Cluster) -> Iterator[World]:
    """The applications and their routes."""
    stock = cluster.get("modules.getambassador.io", "ambassador", "--namespace", mappings.HOME)["spec"]["config"]
    mappings.build(cluster, cluster.image_of("apps", "echo"))
    yield World(cluster)
    module(cluster, "service_routing", state="absent", load_balancers=["emissary"])
    module(cluster, "lb_sidecar", load_balancer=LOAD_BALANCER, state="absent")
    cluster.delete("namespace", mappings.NAMESPACE)
    cluster.delete("service", "stream", "--namespace", mappings.HOME)
    cluster.run("replace", "--filename=-", stdin=json.dumps(mappings.module(**stock)))
    cluster.delete("peerauthentication", "default", "--namespace", "istio-system")


@pytest.mark.parametrize("mode", MODES)
def test_without_a_sidecar(world: World, mode: str) -> None:
    set_mode(world.cluster, mode)
    world.agree(verdicts(world.route(check=True), "before"))


def test_a_sidecar_in_spite_of_the_stock_annotation(world: World) -> None:
    result = module(world.cluster, "lb_sidecar", load_balancer=LOAD_BALANCER)
    assert result["changed"]
    template = world.cluster.get("deployment", "emissary-ingress", "--namespace", "emissary")["spec"]["template"]["metadata"]
    assert template["annotations"]["sidecar.istio.io/inject"] == "false"
    (found,) = [item for item in module(world.cluster, "lb_info")["load_balancers"] if item["vendor"] == "emissary"]
    assert found["sidecar"] == {"injected": True, "inbound_capture": "none"}


@pytest.mark.parametrize("resolver", RESOLVERS)
@pytest.mark.parametrize("mode", MODES)
def test_with_a_sidecar_alone(world: World, mode: str, resolver: str) -> None:
    set_mode(world.cluster, mode)
    world.resolve_by(resolver)
    world.agree(verdicts(world.route(check=True), "before"))


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("resolver", RESOLVERS)
@pytest.mark.parametrize("mode", MODES)
def test_strategy(world: World, mode: str, resolver: str, strategy: str) -> None:
    set_mode(world.cluster, mode)
    world.resolve_by(resolver)
    result = world.route(strategy=strategy)
    world.agree(verdicts(result, "after"))
    again = world.route(strategy=strategy)
    assert not again["changed"]
    assert verdicts(again, "before") == verdicts(result, "after")
    if strategy == "host_rewrite":
        (answer,) = ask_all(world.entry, [Target(mappings.host("http"))], 1)[Target(mappings.host("http"))]
        assert answer.host == mappings.FULL


def test_the_way_back(world: World) -> None:
    for resolver in RESOLVERS:
        world.resolve_by(resolver)
        world.route(state="absent")
        before = record(world.cluster)
        own = record(world.cluster, OWN)
        assert world.route(strategy="auto")["changed"]
        world.route(state="absent")
        assert not differences(before, record(world.cluster))
        assert not differences(own, record(world.cluster, OWN))
