# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS between load balancer and gateway, with a server name (the gateway answers named hosts alone) and without (it answers any)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.conftest import set_mode
from tests.integration.support import certificates
from tests.integration.support.cluster import Cluster, Obj
from tests.integration.support.objects import Record
from tests.integration.support.traffic import settle

from .chain import APIS, Chain
from .fronts import ALL, CA_SECRET, Front, Tls
from .scene import AFAR, AWAY, EXPECTED, FORGED, GATEWAY_HOME, HOME, SHOP, SITES, all_of, probe

CREDENTIAL = "chained-gateway"
ENCRYPTED = [site for site in SITES if site.where == HOME]
CASES = [(front, tls, api) for front in ALL for tls in front.tls for api in APIS]


def called(case: tuple[Front, Tls, str]) -> str:
    front, tls, api = case
    return f"{front.id}-{'named' if tls.named else 'nameless'}-{api}"


def secret(where: str, name: str, **files: str) -> Obj:
    data = {key.replace("_", "."): base64.b64encode(text.encode()).decode() for key, text in files.items()}
    return {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": name, "namespace": where}, "data": data}


@pytest.fixture(scope="module")
def secrets(cluster: Cluster, scene: None) -> Iterator[None]:
    """The gateway's certificate, and its authority for load balancers that verify it."""
    certificate, key = certificates.for_names(site.host for site in SITES)
    cluster.apply(
        secret(GATEWAY_HOME, CREDENTIAL, tls_crt=certificate, tls_key=key),
        secret(HOME, CA_SECRET, tls_crt=certificate, tls_key=key, ca_crt=certificate),
    )
    yield
    cluster.delete("secret", CREDENTIAL, "--namespace", GATEWAY_HOME)


@pytest.fixture(scope="module", params=CASES, ids=called)
def encrypted(request: pytest.FixtureRequest, cluster: Cluster, secrets: None) -> Iterator[tuple[Chain, dict[str, Any], Record]]:
    """A chain over TLS, and the cluster before it."""
    front, tls, api = request.param
    settings = {"mode": "simple", "credential_name": CREDENTIAL, **({"host": SHOP.host} if tls.named else {})}
    chain = Chain(cluster, front, api, {"tls": settings})
    chain.lay()
    around = tls.around(SHOP.host)
    if around:
        cluster.apply(*around)
    set_mode(cluster, "STRICT")
    chain.answers("refused")
    before = chain.recorded()
    result = chain.run(hosts=[site.host for site in ENCRYPTED], platform_options=tls.options)
    try:
        yield chain, result, before
    finally:
        chain.take_back(drain=0)
        for item in around:
            cluster.delete(item["kind"], item["metadata"]["name"], "--namespace", item["metadata"]["namespace"])
        for where in (HOME, AWAY):
            cluster.delete(front.kind, "--all", "--namespace", where)


def test_over_tls_and_back(encrypted: tuple[Chain, dict[str, Any], Record]) -> None:
    chain, result, before = encrypted
    assert result["gateway"]["tls"] and result["gateway"]["port"] == 443
    left = {key: "refused" if key.startswith(AFAR.host) else "mutual_tls" for key in all_of("")}
    assert settle(chain.look, left) == left
    for target, app in EXPECTED.items():
        if target.host == AFAR.host:
            continue
        seen = probe(chain.pod, chain.front.pod_port, target, X_Forwarded_For=FORGED)
        assert (seen.status, seen.body.get("app"), seen.body.get("host")) == (200, app, target.host)
        assert seen.body["identity"] == chain.identity and seen.forwarded[-2:] == [seen.client, chain.pod]
        assert seen.header("x-envoy-external-address") == seen.client
    chain.take_back(drain=1)
    assert chain.unlike(before) == []


def test_what_the_gateway_answers_to(encrypted: tuple[Chain, dict[str, Any], Record], request: pytest.FixtureRequest) -> None:
    """Where no server name is sent it has to answer any; where one is sent it answers the named hosts alone."""
    chain, result, _before = encrypted
    named = "-named-" in request.node.name
    (made,) = [item["after"]["spec"] for item in result["changes"] if item["object"]["kind"] == "Gateway"]
    if chain.api == "istio":
        assert ("*" in made["servers"][0]["hosts"]) is not named
    else:
        assert ("hostname" in made["listeners"][0]) is False or named
