# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for any cluster: a second run changes nothing, taking back restores everything, predictions keep their word."""

from __future__ import annotations

import random
from functools import cache

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.istio.outcome import predict
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.plan.strategies.table import NAMES
from ansible_collections.meshlb.istio.plugins.module_utils.plan.trial import route_identity, served, worse

from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    Obj,
    annotated,
    backend,
    cluster,
    config_map,
    destination_rule,
    ingress,
    path,
    peer_authentication,
    pod,
    port,
    service,
    service_entry,
    sidecar,
    to,
    virtual_service,
)
from tests.unit.plugins.module_utils.support.known import detect, read_routes
from tests.unit.plugins.module_utils.support.planning import Run, contents, run, taken_back

SERVICES = ("shop", "cart", "pay")
HOSTS = ("shop.example.com", "api.example.com", "*.example.com", "")
SEEDS = range(250)


def random_service(dice: random.Random, name: str) -> list[Obj]:
    number, target = dice.choice([(80, 8080), (8000, 8080), (8080, 8080), (80, "web")])
    declared = port(dice.choice(["http", "web", "tcp", "https", "grpc"]), number, target)
    made = [service(name, declared, ip=dice.choice(["", "", "", "None"]))]
    for _pod in range(dice.choice([0, 1, 1, 2])):
        made.append(pod(name, sidecar=dice.random() < 0.85, web=dice.choice([8080, 8080, 9090])))
    return made


def random_ingress(dice: random.Random, name: str, services: list[Obj]) -> Obj:
    paths = []
    for text in dice.sample(["/", "/a", "/a/b"], dice.choice([1, 1, 2])):
        target = dice.choice([*(item for item in services if item["kind"] == "Service"), None])
        number = target["spec"]["ports"][0]["port"] if target else 80
        named = dice.random() < 0.2 and target
        reference = target["spec"]["ports"][0]["name"] if named and target else number
        kind = dice.choice(["Prefix", "Prefix", "Exact", "ImplementationSpecific"])
        paths.append(path(backend(target["metadata"]["name"] if target else "gone", reference), text, kind))
    noted: dict[str, str] = {}
    for key, values in (
        ("service_upstream", ["true", "false"]), ("upstream_vhost", ["shop.apps.svc.cluster.local", "x.example.com"]),
        ("affinity", ["cookie"]), ("canary", ["true"]), ("backend_protocol", ["HTTPS"]), ("rewrite_target", ["/"]),
    ):  # fmt: skip
        if dice.random() < 0.1:
            noted[key] = dice.choice(values)
    created = f"2024-01-0{dice.randint(1, 3)}T00:00:00Z"
    made = ingress(name, *paths, host=dice.choice(HOSTS), created=created, **noted)
    if dice.random() < 0.15:
        made = annotated(made, strategy=dice.choice([*NAMES, "auto"]))
    return annotated(made, ignore="true") if dice.random() < 0.05 else made


def random_cluster(seed: int) -> Snapshot:
    dice = random.Random(seed)
    services = [item for name in SERVICES for item in random_service(dice, name)]
    made = [*services, *(random_ingress(dice, f"i{number}", services) for number in range(dice.randint(1, 5)))]
    extras = [
        peer_authentication(), peer_authentication("PERMISSIVE", where=APPS), peer_authentication("DISABLE", where=APPS, name="x"),
        peer_authentication("STRICT", where=APPS, name="y", selector={"app": "shop"}, ports={"8080": "PERMISSIVE"}),
        destination_rule("shop", dice.choice(["DISABLE", "ISTIO_MUTUAL", ""])), sidecar(dice.choice(["./*", "*/*", "apps/*"])),
        virtual_service("api.example.com", http=[to("shop.apps.svc.cluster.local", 80)]), service_entry("api.example.com", 8080),
        service("pods", port("x", 8080, 8080), ip="None", selector={"app": dice.choice(SERVICES)}),
        config_map("lb", service_upstream="true"), config_map("tcp", **{"9000": f"apps/{dice.choice(SERVICES)}:80"}),
        service("shop0meshlb", selector={"app": "x"}), service("shop-meshlb", selector={"app": "x"}),
    ]  # fmt: skip
    made += [item for item in extras if dice.random() < 0.15]
    return cluster(*made, injected=dice.random() < 0.9, args=("--tcp-services-configmap=edge/tcp",))


def random_run(seed: int, snapshot: Snapshot) -> Run:
    """A run with random options, the same ones for the same seed."""
    dice = random.Random(seed + 1)
    return run(snapshot, dice.choice(["auto", "auto", *NAMES]), preserve_host=dice.random() < 0.7)


@cache
def first_run(seed: int) -> tuple[Snapshot, Run]:
    snapshot = random_cluster(seed)
    return snapshot, random_run(seed, snapshot)


def said(done: Run) -> list[tuple[str, ...]]:
    """What a run says of each route, without the reasons: what is in place is a reason of its own."""
    return [(item.strategy, item.after.verdict, item.after.misrouted_to, item.after.cluster) for item in done.plan.routes]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_second_run_changes_nothing_and_says_the_same(seed: int) -> None:
    first = first_run(seed)[1]
    second = random_run(seed, first.after)
    assert second.written == []
    assert said(second) == said(first)


@pytest.mark.parametrize("seed", SEEDS)
def test_taking_back_restores_everything(seed: int) -> None:
    snapshot, done = first_run(seed)
    assert contents(taken_back(done.after)) == contents(snapshot)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_verdict_that_was_foretold_is_what_is_found_afterwards(seed: int) -> None:
    done = first_run(seed)[1]
    balancers = detect(done.after)[0]
    found = {route_identity(item): item for item in read_routes(done.after, balancers)[0]}
    by_key = {item.key: item for item in balancers}
    for item in done.plan.routes:
        now = predict(done.after, by_key[item.route.load_balancer], found[route_identity(item.route)], sidecar=True)
        assert (now.verdict, now.misrouted_to) == (item.after.verdict, item.after.misrouted_to), item.route


@pytest.mark.parametrize("seed", SEEDS)
def test_no_route_is_harmed_and_a_strategy_means_mutual_tls(seed: int) -> None:
    snapshot, done = first_run(seed)
    balancers = {item.key: item for item in detect(snapshot)[0]}
    for item in done.plan.routes:
        assert item.strategy == "none" or served(item.after)
        before = predict(snapshot, balancers[item.route.load_balancer], item.route, sidecar=True)
        assert not worse(before, item.after), item.route
