# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prediction equals measurement, for each kind of route of the load balancers in MESHLB_VENDORS.

On a lab with them: lab/lab up --name vendors --with traefik, then with MESHLB_LAB_NAME=vendors MESHLB_VENDORS=traefik.
"""

from __future__ import annotations

import pytest

from tests.integration.conftest import set_mode
from tests.integration.support.matrix import MODES, STRATEGIES
from tests.integration.support.modules import module
from tests.integration.support.objects import KINDS, differences, record
from tests.integration.support.traffic import settle
from tests.integration.support.world import World
from tests.integration.vendors.conftest import WANTED, vendor_of

VARIANTS = [pytest.param(name, variant, id=f"{name}-{variant}".rstrip("-")) for name in WANTED for variant in vendor_of(name).variants]
every_vendor = pytest.mark.parametrize("world", WANTED, indirect=True, scope="module")
every_variant = pytest.mark.parametrize(("world", "variant"), VARIANTS, indirect=["world"], scope="module")


@every_vendor
@pytest.mark.parametrize("mode", MODES)
def test_without_a_sidecar(world: World, mode: str) -> None:
    set_mode(world.cluster, mode)
    wrong = world.compare(("no sidecar", mode), world.verdicts(world.route(check=True), "before"))
    assert not wrong, wrong


@every_vendor
def test_a_sidecar(world: World) -> None:
    assert world.sidecar("present")["changed"]
    assert not world.sidecar("present")["changed"]
    (found,) = [item for item in module(world.cluster, "lb_info")["load_balancers"] if item["name"] == world.vendor.name]
    assert (found["vendor"], found["confidence"]) == (world.vendor.id, "certain")
    assert found["sidecar"] == {"injected": True, "inbound_capture": "none"}


@every_variant
@pytest.mark.parametrize("mode", MODES)
def test_with_a_sidecar_alone(world: World, mode: str, variant: str) -> None:
    world.sidecar("present")
    set_mode(world.cluster, mode)
    world.lay(world.vendor.variants[variant])
    wrong = world.compare(("sidecar", mode, variant), world.verdicts(world.route(check=True), "before"))
    assert not wrong, wrong


@every_variant
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_strategy(world: World, mode: str, strategy: str, variant: str) -> None:
    """One strategy asked for on every route, whether it can serve or not."""
    world.sidecar("present")
    set_mode(world.cluster, mode)
    world.lay(world.vendor.variants[variant])
    result = world.route(strategy=strategy)
    after = world.verdicts(result, "after")
    wrong = world.compare((strategy, mode, variant), after)
    told = {item["object"]["name"] for item in result["findings"] if item["object"]}
    silent = [route for route in result["routes"] if route["after"]["verdict"] != "mutual_tls" and route["object"]["name"] not in told]
    assert not silent, "routes that are not served, and no finding says so"
    again = world.route(strategy=strategy)
    assert not again["changed"] and not again["changes"]
    assert world.verdicts(again, "before") == after
    assert not wrong, wrong


@every_variant
def test_the_way_back(world: World, variant: str) -> None:
    """Taken back, every object is what it was, and so are the answers."""
    world.sidecar("present")
    world.lay(world.vendor.variants[variant])
    kinds = (*KINDS, *world.vendor.kinds)
    world.route(state="absent")
    before = record(world.cluster, kinds)
    assert world.route(strategy="auto")["changed"]
    world.route(state="absent")
    assert not differences(before, record(world.cluster, kinds))
    for mode in MODES:
        set_mode(world.cluster, mode)
        start = {cell.case.name: cell.measured for cell in world.cells if cell.stage == ("sidecar", mode, variant)}
        assert settle(world.look, start) == start
