# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""A gateway of two pods under STRICT, and for each scenario the chain that the module makes and the stand-in that reads its objects.

Only where MESHLB_CLOUDS is set, because they need Istio's gateway on the lab, and HAProxy.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.clouds.clients import Clients
from tests.integration.clouds.network import Network, lab, network
from tests.integration.clouds.scenarios import CERTIFICATE, HOST, KINDS, SCENARIOS, WRONG, Scenario
from tests.integration.clouds.standin import Setting, StandIn, stand_in
from tests.integration.clouds.translate import Seen, setting_of
from tests.integration.support import apps
from tests.integration.support.certificates import self_signed
from tests.integration.support.cluster import LAB_NAME, Cluster, wait_for
from tests.integration.support.modules import module
from tests.integration.support.scenes import crd_folder, definitions

collect_ignore = [] if os.environ.get("MESHLB_CLOUDS") else ["test_standin.py", "test_strictly_valid.py"]
NAMESPACE = NAME = "istio-ingress"
GATEWAY = {"namespace": NAMESPACE, "name": "cloud"}
REPLICAS = 2


@dataclass(frozen=True)
class Chained:
    """One scenario at work."""

    scenario: Scenario
    cluster: Cluster
    result: dict[str, Any]
    name: str
    setting: Setting
    stand_in: StandIn
    clients: Clients

    def pods(self) -> list[str]:
        """Names of the gateway's pods that take traffic."""
        found = self.cluster.items("endpointslices", "--namespace", NAMESPACE, f"--selector=kubernetes.io/service-name={self.name}")
        ends = [one for item in found for one in item.get("endpoints") or []]
        return sorted(one["targetRef"]["name"] for one in ends if one["conditions"].get("ready"))

    def scale(self, number: int) -> None:
        """Set the number of gateway pods, and wait for it."""
        self.cluster.run("scale", "deployment", self.name, "--namespace", NAMESPACE, f"--replicas={number}")
        self.cluster.rolled_out(NAMESPACE, f"deployment/{self.name}")
        wait_for(lambda: len(self.pods()) == number, f"{number} gateway pods")


@pytest.fixture(scope="session")
def beside(cluster: Cluster) -> Iterator[Network]:
    """The namespaces of the load balancer and its clients."""
    with network(os.environ.get(LAB_NAME, "meshlb")) as made:
        yield made


@pytest.fixture(scope="session")
def gateway(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Two pods, a certificate, and a mesh that only takes mutual TLS."""
    found = cluster.run("get", "deployment", NAME, "--namespace", NAMESPACE, check=False)
    assert not found.returncode, "Stand-ins need Istio's gateway: lab/lab up --with istio-gateway,gateway-api"
    cluster.run("scale", "deployment", NAME, "--namespace", NAMESPACE, f"--replicas={REPLICAS}")
    folder = tmp_path_factory.mktemp("certificate")
    data = {path.name: base64.b64encode(path.read_bytes()).decode() for path in self_signed("192.0.2.1", folder)}
    cluster.apply(
        {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "data": data,
         "metadata": {"name": CERTIFICATE, "namespace": NAMESPACE}},
        apps.peer_authentication("STRICT"),
    )  # fmt: skip
    cluster.rolled_out(NAMESPACE, f"deployment/{NAME}")
    yield
    cluster.delete("peerauthentication", "default", "--namespace", "istio-system")
    cluster.delete("secret", CERTIFICATE, "--namespace", NAMESPACE)
    cluster.run("scale", "deployment", NAME, "--namespace", NAMESPACE, "--replicas=1")


@pytest.fixture(scope="module")
def kinds(cluster: Cluster) -> Iterator[set[str]]:
    """The vendors' CustomResourceDefinitions that are here; names of their folders."""
    wanted = {*(item.definitions for item in SCENARIOS.values()), *(folder for *dummy, folder in KINDS.values())} - {""}
    made = {name: list(definitions(crd_folder() / name)) for name in wanted if (crd_folder() / name).is_dir()}
    items = [item for found in made.values() for item in found]
    if items:
        cluster.run("apply", "--server-side", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        cluster.run("wait", "--for=condition=Established", "--timeout=60s", *(f"crd/{item['metadata']['name']}" for item in items))
    yield set(made)
    if items:
        cluster.delete(*(f"crd/{item['metadata']['name']}" for item in items))


@pytest.fixture(scope="module")
def chained(
    request: pytest.FixtureRequest, cluster: Cluster, gateway: None, kinds: set[str], beside: Network,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Chained]:
    """The chain of one scenario, made by the module, with a stand-in for its load balancer before it."""
    scenario = {**SCENARIOS, **WRONG}[request.param]
    if scenario.definitions and scenario.definitions not in kinds:
        pytest.skip(f"SKIPPED: the vendor's CustomResourceDefinitions ({scenario.definitions}) are not on this machine")
    tls = {"mode": "simple", "credential_name": CERTIFICATE} if scenario.tls else {"mode": "none"}
    backend = {"namespace": "apps", "service": "echo-http", "port": 80}
    wanted: dict[str, Any] = {
        "platform": scenario.platform, "platform_options": scenario.options,
        "gateway": {**GATEWAY, "tls": tls, "api": scenario.api, "create": scenario.api == "gateway_api"},
        "client_address": {"mode": scenario.client, "trusted_hops": scenario.trusted_hops},
        "hosts": [{"host": HOST, "paths": [{"path": "/", "path_type": "Prefix", "backend": backend}]}],
    }
    try:
        result = module(cluster, "chained_gateway", **wanted)
        assert not module(cluster, "chained_gateway", **wanted)["changed"], "a second run changes something"
        name = result["gateway"]["service"]["name"]
        if name != NAME:
            cluster.run("scale", "deployment", name, "--namespace", NAMESPACE, f"--replicas={REPLICAS}")
        cluster.rolled_out(NAMESPACE, f"deployment/{name}")
        seen = Seen(cluster, lab(os.environ.get(LAB_NAME, "meshlb"))["node_ip"], NAMESPACE)
        setting = setting_of(seen, scenario.platform, name, result["gateway"]["port"])
        balancer = stand_in(setting, beside, tmp_path_factory.mktemp("standin"))
        with balancer.running():
            yield Chained(scenario, cluster, result, name, setting, balancer, Clients(beside, HOST, scenario.passes_tls))
    finally:
        module(cluster, "chained_gateway", state="absent", drain=0)
        cluster.rolled_out(NAMESPACE, f"deployment/{NAME}")
