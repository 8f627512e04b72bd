# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""An object of a vendor's own kind with several hosts (Traefik's IngressRoute) is led host by host, and taken back so, under load."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.integration.conftest import set_mode
from tests.integration.support.cluster import Cluster, Obj
from tests.integration.support.load import Load

from .chain import APIS, Chain
from .fronts import FRONTS
from .page import HOST_BY_HOST, note
from .scene import AWAY, EXPECTED, HOME, NEWS, PORT, SITES, Rule, all_of

KIND = "ingressroute.traefik.io"


def together(where: str, name: str, host: str, rules: tuple[Rule, ...]) -> list[Obj]:
    """One object for all hosts of a namespace, which comes with the first of them."""
    sites = [site for site in SITES if site.where == where]
    routes = [
        {
            "kind": "Rule", "match": f"Host(`{site.host}`) && PathPrefix(`{rule.path}`)",
            "services": [{"name": rule.backend[0], "port": PORT}],
        }
        for site in sites for rule in site.rules
    ]  # fmt: skip
    made = {"apiVersion": "traefik.io/v1alpha1", "kind": "IngressRoute", "metadata": {"name": "all", "namespace": where}}
    return [{**made, "spec": {"routes": routes}}] if name == sites[0].name else []


FRONT = replace(FRONTS["traefik"], routes=together, kind=KIND)
HOSTS = [site.host for site in SITES]


@pytest.fixture(scope="module", params=APIS)
def led(request: pytest.FixtureRequest, cluster: Cluster, scene: None) -> Iterator[Chain]:
    """A chain that is not made yet, in a mesh that accepts plaintext too."""
    chain = Chain(cluster, FRONT, request.param)
    chain.lay()
    set_mode(cluster, "PERMISSIVE")
    chain.answers("plaintext")
    try:
        yield chain
    finally:
        chain.take_back(drain=0)
        for where in (HOME, AWAY):
            cluster.delete(KIND, "--all", "--namespace", where)


def services(chain: Chain) -> list[str]:
    found = chain.cluster.get(KIND, "all", "--namespace", HOME)["spec"]["routes"]
    return [rule["services"][0]["name"] for rule in found]


def test_one_host_of_an_object_is_led_and_taken_back_alone(led: Chain) -> None:
    alone = {key: "mutual_tls" if key.startswith(NEWS.host) else "plaintext" for key in all_of("")}
    others = {key: "plaintext" if key.startswith(NEWS.host) else "mutual_tls" for key in all_of("")}
    before, former = led.recorded(), services(led)
    with Load(led.entry, list(EXPECTED)) as load:
        led.run(hosts=[NEWS.host])
        led.reaches(alone)
        one = services(led)
        led.run(hosts=HOSTS)
        led.reaches(all_of("mutual_tls"))
        led.take_back(hosts=[NEWS.host])
        led.reaches(others)
        led.take_back()
        led.reaches(all_of("plaintext"))
    note("traefik_rules", led.api, HOST_BY_HOST, load)
    assert [new != old for new, old in zip(one, former, strict=True)] == [False, False, True]
    assert load.lost() == [] and led.unlike(before) == []
