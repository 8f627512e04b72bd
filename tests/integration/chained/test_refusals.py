# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known to fail is refused on the live cluster, with code and remedy, and nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.support.cluster import Cluster, Obj
from tests.integration.support.modules import failure
from tests.integration.support.objects import Record, differences

from .chain import Chain, recorded
from .fronts import FRONTS
from .scene import CHART, GATEWAY_HOME, HOME, SHOP

FRONT = FRONTS["ingress_nginx"]
LOAD_BALANCER = {"namespace": FRONT.namespace, "name": FRONT.name}
HERE = {"namespace": GATEWAY_HOME}
TLS = {"mode": "simple", "credential_name": "own"}
FULL = {"host": SHOP.host, "paths": [{"path": "/", "path_type": "Prefix", "backend": {"namespace": HOME, "service": "red", "port": 80}}]}


def gateway(name: str, number: int, hosts: list[str], **tls: Any) -> Obj:
    """Somebody's own Gateway before the chart's pods."""
    protocol = "HTTPS" if "credentialName" in tls else "HTTP"
    server = {"port": {"number": number, "name": protocol.lower(), "protocol": protocol}, "hosts": hosts, "tls": tls}
    return {
        "apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"name": name, "namespace": GATEWAY_HOME},
        "spec": {"selector": {"istio": "chained"}, "servers": [server]},
    }  # fmt: skip


OWN = (
    gateway("own-redirect", 80, ["*"], httpsRedirect=True),
    gateway("own-named", 443, [SHOP.host], mode="SIMPLE", credentialName="own"),
)
# What is asked for, and what the answer has to say: its code (or a word of the message), and a word of the remedy.
CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "redirect-without-end": (
        {"gateway": {**HERE, "name": "own-redirect"}, "client_address": {"trusted_hops": 0}}, "MLB601", "trusted_hops",
    ),
    "no-server-name": ({"gateway": {**HERE, "name": "own-named", "tls": TLS}, "hosts": [SHOP.host]}, "MLB602", "host *"),
    "name-that-is-not-sent": ({"gateway": {**HERE, "tls": {**TLS, "host": SHOP.host}}}, "MLB602", "host *"),
    "no-proxy-header": ({"client_address": {"mode": "proxy_protocol"}}, "MLB617", "instead"),
    "no-such-gateway": ({"gateway": {"namespace": "nowhere"}}, "MLB616", "missing"),
    "no-such-service": ({"gateway": {**HERE, "service": "nobody"}}, "MLB616", "missing"),
    "no-such-port": ({"gateway": {**HERE, "port": 8443}}, "MLB616", "missing"),
    "not-made": ({"gateway": {**HERE, "api": "gateway_api"}}, "MLB616", "missing"),
    "made-in-istios-api": ({"gateway": {**HERE, "create": True}}, "gateway.create", "gateway_api"),
    "no-credential": ({"gateway": {**HERE, "tls": {"mode": "simple"}}}, "credential", "credential_name"),
    "unknown-host": ({"hosts": ["nobody.chained.test"]}, "nobody.chained.test", "hosts"),
    "unknown-backend": (
        {"hosts": [{**FULL, "paths": [{"path": "/", "backend": {"namespace": HOME, "service": "pink", "port": 80}}]}]},
        "chained/pink", "Create",
    ),
    "mixed": ({"hosts": [SHOP.host, FULL]}, "mixes", "one way"),
    "unknown-option": ({"platform_options": {"colour": "red"}}, "colour", "It knows"),
    "unknown-platform": ({"load_balancer": None, "platform": "abacus"}, "abacus", "Known are"),
    "no-way-to-check": ({"load_balancer": None, "platform": "gke_ingress", "hosts": [FULL]}, "MLB604", "Install the kind"),
    "kind-that-is-missing": ({"load_balancer": None, "platform": "openshift_route", "hosts": [FULL]}, "MLB607", "CustomResourceDefinition"),
    "addresses-with-ports": ({"load_balancer": None, "platform": "azure_agic", "hosts": [FULL]}, "MLB606", "client_address.mode"),
    "unknown-load-balancer": ({"load_balancer": {"namespace": "nowhere", "name": "abacus"}}, "abacus", "Found were"),
}  # fmt: skip


@pytest.fixture(scope="module")
def before(cluster: Cluster, scene: None) -> Iterator[Record]:
    """Routes, and Gateways of somebody's own."""
    Chain(cluster, FRONT, "istio").lay()
    cluster.apply(*OWN)
    yield recorded(cluster)
    cluster.delete("gateways.networking.istio.io", *(item["metadata"]["name"] for item in OWN), "--namespace", GATEWAY_HOME)
    cluster.delete("ingress", "--all", "--namespace", HOME)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("check", [False, True], ids=["run", "check"])
def test_refused(cluster: Cluster, before: Record, case: str, check: bool) -> None:
    options, said, remedy = CASES[case]
    asked = {"load_balancer": LOAD_BALANCER, "gateway": HERE, "hosts": "from_load_balancer", **options}
    result = failure("chained_gateway", check=check, kubeconfig=cluster.kubeconfig, **asked)
    assert said in result["msg"] and remedy in result["hint"], (result["msg"], result["hint"])
    if said.startswith("MLB"):
        assert said in [item["code"] for item in result["details"]["findings"]]


def test_nothing_was_written(cluster: Cluster, before: Record) -> None:
    assert differences(before, recorded(cluster)) == []


def test_the_chart_is_there(cluster: Cluster) -> None:
    """What the refusals rest on: the gateway's own Service, by its name."""
    assert cluster.get("service", CHART, "--namespace", GATEWAY_HOME)["spec"]["clusterIP"]
