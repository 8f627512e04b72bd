# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS between load balancer and gateway, with a server name (the gateway answers named hosts alone) and without (it answers any)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.integration.conftest import set_mode
from tests.integration.support import certificates
from tests.integration.support.cluster import Cluster, Obj
from tests.integration.support.modules import Result, failure
from tests.integration.support.objects import Record
from tests.integration.support.traffic import settle

from .chain import APIS, Chain
from .fronts import ALL, CA_SECRET, Front, Tls
from .scene import AWAY, EXPECTED, FORGED, GATEWAY_HOME, HOME, SHOP, SITES, all_of, probe

CREDENTIAL = "chained-gateway"
ENCRYPTED = tuple(site.host for site in SITES if site.where == HOME)
CASES = [(front, tls, api) for front in ALL for tls in front.tls for api in APIS]


def called(case: tuple[Front, Tls, str]) -> str:
    front, tls, api = case
    return f"{front.id}-{'named' if tls.named else 'nameless'}-{api}"


def led(named: bool, api: str) -> tuple[str, ...]:
    """Hosts that are led. In the Gateway API one server name for several hosts means a listener that takes any: it would show nothing."""
    return (SHOP.host,) if named and api == "gateway_api" else ENCRYPTED


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


@dataclass(frozen=True)
class Encrypted:
    """A chain over TLS, the hosts that are led, what the run answered, and the cluster before it."""

    chain: Chain
    named: bool
    hosts: tuple[str, ...]
    result: Result
    before: Record


@pytest.fixture(scope="module", params=CASES, ids=called)
def encrypted(request: pytest.FixtureRequest, cluster: Cluster, secrets: None) -> Iterator[Encrypted]:
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
    hosts = led(tls.named, api)
    result = chain.run(hosts=list(hosts), platform_options=tls.options)
    try:
        yield Encrypted(chain, tls.named, hosts, result, before)
    finally:
        chain.take_back(drain=0)
        for item in around:
            cluster.delete(item["kind"], item["metadata"]["name"], "--namespace", item["metadata"]["namespace"])
        for where in (HOME, AWAY):
            cluster.delete(front.kind, "--all", "--namespace", where)


def test_over_tls_and_back(encrypted: Encrypted) -> None:
    chain, result = encrypted.chain, encrypted.result
    assert result["gateway"]["tls"] and result["gateway"]["port"] == 443
    left = {key: "mutual_tls" if key.partition("/")[0] in encrypted.hosts else "refused" for key in all_of("")}
    assert settle(chain.look, left) == left
    for target, app in EXPECTED.items():
        if target.host not in encrypted.hosts:
            continue
        seen = probe(chain.pod, chain.front.pod_port, target, X_Forwarded_For=FORGED)
        assert (seen.status, seen.body.get("app"), seen.body.get("host")) == (200, app, target.host)
        assert seen.body["identity"] == chain.identity and seen.forwarded[-2:] == [seen.client, chain.pod]
        assert seen.header("x-envoy-external-address") == seen.client
    chain.take_back(drain=1)
    assert chain.unlike(encrypted.before) == []


def test_what_the_gateway_answers_to(encrypted: Encrypted) -> None:
    """Where no server name is sent it has to answer any; where one is sent it answers the named hosts alone."""
    (made,) = [item["after"]["spec"] for item in encrypted.result["changes"] if item["object"]["kind"] == "Gateway"]
    if encrypted.chain.api == "istio":
        assert ("*" in made["servers"][0]["hosts"]) is not encrypted.named
    else:
        assert [item.get("hostname") for item in made["listeners"]] == [SHOP.host if encrypted.named else None]


def test_a_server_name_that_is_never_sent_is_refused(encrypted: Encrypted) -> None:
    """Where a load balancer has no way to send one, and where this one was not told to."""
    chain = encrypted.chain
    gateway = {**chain.options["gateway"], "tls": {"mode": "simple", "credential_name": CREDENTIAL, "host": SHOP.host}}
    asked = {**chain.options, "gateway": gateway, "hosts": [SHOP.host]}
    if not any(tls.named and (tls.unasked or not tls.options) for tls in chain.front.tls):
        refused = failure("chained_gateway", check=True, kubeconfig=chain.cluster.kubeconfig, **asked)
        assert "MLB602" in [item["code"] for item in refused["details"]["findings"]] and "host *" in refused["hint"]
