# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Emissary's Ingresses: it cuts off their paths, so a second backend of one host stays where it is, and TLS only a Mapping can say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.integration.conftest import set_mode
from tests.integration.support.cluster import Cluster
from tests.integration.support.traffic import Target, settle

from .chain import APIS, Chain
from .fronts import FRONTS, ingress
from .scene import AWAY, EXPECTED, FORGED, HOME, SHOP, all_of, probe

FRONT = replace(FRONTS["emissary"], routes=ingress("ambassador"), kind="ingress")
STAYS = Target(SHOP.host, "/cart")


@pytest.fixture(scope="module", params=APIS)
def led(request: pytest.FixtureRequest, cluster: Cluster, scene: None) -> Iterator[Chain]:
    """A chain that is not made yet."""
    chain = Chain(cluster, FRONT, request.param)
    chain.lay()
    set_mode(cluster, "STRICT")
    chain.answers("refused")
    try:
        yield chain
    finally:
        chain.take_back(drain=0)
        for where in (HOME, AWAY):
            cluster.delete("ingress", "--all", "--namespace", where)


def test_tls_is_refused_with_the_reason(led: Chain) -> None:
    done = replace(led, gateway={"tls": {"mode": "simple", "credential_name": "own"}}).run(check=True)
    own = [route for route in done["routes"] if route["host"].endswith(".chained.test")]
    assert {route["chained"] for route in own} == {False}
    assert not [change for change in done["changes"] if change["object"]["kind"] == "Ingress"]
    assert any("Mapping" in item["message"] for item in done["findings"] if item["code"] == "MLB610")


def test_what_the_gateway_can_tell_apart_is_led(led: Chain) -> None:
    before = led.recorded()
    done = led.run()
    own = {Target(route["host"], route["path"]): route["chained"] for route in done["routes"] if route["host"].endswith(".chained.test")}
    assert own == {target: target != STAYS for target in EXPECTED}
    left = {**all_of("mutual_tls"), f"{STAYS.host}{STAYS.path}": "refused"}
    assert settle(led.look, left) == left
    assert not led.run()["changed"]
    for target, app in EXPECTED.items():
        if target != STAYS:
            seen = probe(led.pod, led.front.pod_port, target, X_Forwarded_For=FORGED)
            assert (seen.status, seen.body.get("app"), seen.body.get("host"), seen.body["identity"]) == (
                200,
                app,
                target.host,
                led.identity,
            )
            assert seen.header("x-envoy-external-address") == seen.client and seen.forwarded[-2:] == [seen.client, led.pod]
    led.take_back(drain=1)
    assert led.unlike(before) == []
    led.answers("refused")
