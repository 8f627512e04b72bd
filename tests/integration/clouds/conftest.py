# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""A gateway of two pods under STRICT, and for each scenario the chain that the module makes and the stand-in that reads its objects.

Only where MESHLB_CLOUDS is set (to 1, or names of scenarios), because they need Istio's gateway on the lab, and HAProxy.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.integration.clouds.clients import Clients
from tests.integration.clouds.network import Network, lab, network
from tests.integration.clouds.scenarios import CERTIFICATE, HOST, KINDS, SCENARIOS, UNDRAINED, UNTYPED, WRONG, Scenario
from tests.integration.clouds.seen import Seen
from tests.integration.clouds.standin import PORT, TLS_PORT, Setting, StandIn, stand_in
from tests.integration.clouds.translate import setting_of
from tests.integration.support import apps
from tests.integration.support.certificates import for_names
from tests.integration.support.cluster import LAB_NAME, Cluster, Obj, wait_for
from tests.integration.support.definitions import install_definitions
from tests.integration.support.modules import module
from tests.tools.vendor_kinds import definitions, folder_of

collect_ignore = [] if os.environ.get("MESHLB_CLOUDS") else ["test_standin.py", "test_strictly_valid.py"]
NAMESPACE = NAME = "istio-ingress"
GATEWAY = {"namespace": NAMESPACE, "name": "cloud"}
REPLICAS = 2


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """All tests of a scenario together, so that its chain is made once; only of those that MESHLB_CLOUDS names, where it names any."""
    order, chosen = [*SCENARIOS, *WRONG, *UNDRAINED], os.environ.get("MESHLB_CLOUDS", "").split(",")

    def place(item: pytest.Item) -> int:
        name = item.callspec.params.get("chained") if isinstance(item, pytest.Function) and hasattr(item, "callspec") else None
        return order.index(name) if name in order else -1

    if chosen != ["1"]:
        left_out = [item for item in items if place(item) >= 0 and order[place(item)] not in chosen]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
    own = [number for number, item in enumerate(items) if place(item) >= 0]
    for number, item in zip(own, sorted((items[number] for number in own), key=place), strict=True):
        items[number] = item


@dataclass(frozen=True)
class Chained:
    """One scenario at work."""

    scenario: Scenario
    cluster: Cluster
    wanted: dict[str, Any]
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
def gateway(cluster: Cluster) -> Iterator[None]:
    """Two pods, a certificate, and a mesh that only takes mutual TLS."""
    found = cluster.run("get", "deployment", NAME, "--namespace", NAMESPACE, check=False)
    assert not found.returncode, "Stand-ins need Istio's gateway: lab/lab up --with istio-gateway,gateway-api"
    cluster.run("scale", "deployment", NAME, "--namespace", NAMESPACE, f"--replicas={REPLICAS}")
    certificate, private = for_names([HOST])
    # It is its own authority, for load balancers that verify it.
    files = {"tls.crt": certificate, "tls.key": private, "ca.crt": certificate}
    data = {name: base64.b64encode(text.encode()).decode() for name, text in files.items()}
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


def untyped(group: str, version: str, kind: str, resource: str) -> Obj:
    """A definition that says nothing of fields."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": f"{resource}.{group}"},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"kind": kind, "listKind": f"{kind}List", "plural": resource},
            "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
        },
    }


@pytest.fixture(scope="module")
def kinds(cluster: Cluster) -> Iterator[set[str]]:
    """Names of the folders of vendors' CustomResourceDefinitions that are here; they are installed, and untyped ones for the others."""
    wanted = {*(item.definitions for item in SCENARIOS.values()), *(folder for way in KINDS.values() for folder in way.folders)} - {""}
    found = {name: folder_of(name, get=True) for name in wanted}
    items = [item for folder in found.values() if folder for item in definitions(folder)]
    items += [untyped(*words) for name, ways in UNTYPED.items() if not found[name] for words in ways]
    install_definitions(cluster, items)
    yield {name for name, folder in found.items() if folder}
    cluster.delete(*(f"crd/{item['metadata']['name']}" for item in items))


@pytest.fixture(scope="module")
def chained(
    request: pytest.FixtureRequest, cluster: Cluster, gateway: None, kinds: set[str], beside: Network,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Chained]:
    """The chain of one scenario, made by the module, with a stand-in for its load balancer before it."""
    scenario = {**SCENARIOS, **WRONG, **UNDRAINED}[request.param]
    if scenario.definitions not in ("", *kinds, *UNTYPED):
        pytest.skip(f"SKIPPED: the vendor's CustomResourceDefinitions ({scenario.definitions}) are not on this machine")
    tls = {"mode": "simple", "credential_name": CERTIFICATE} if scenario.tls else {"mode": "none"}
    backend = {"namespace": "apps", "service": "echo-http", "port": 80}
    wanted: dict[str, Any] = {
        "platform": scenario.platform, "platform_options": scenario.options,
        "gateway": {**GATEWAY, "tls": tls, "api": scenario.api, "create": scenario.api == "gateway_api"},
        "client_address": {"mode": scenario.client, "trusted_hops": scenario.trusted_hops},
        "hosts": [{"host": HOST, "paths": [{"path": "/", "path_type": "Prefix", "backend": backend}]}],
        "https_redirect": bool(scenario.redirected_by),
    }
    try:
        result = module(cluster, "chained_gateway", **wanted)
        assert not module(cluster, "chained_gateway", **wanted)["changed"], "a second run changes something"
        name = result["gateway"]["service"]["name"]
        if name != NAME:
            cluster.run("scale", "deployment", name, "--namespace", NAMESPACE, f"--replicas={REPLICAS}")
        cluster.rolled_out(NAMESPACE, f"deployment/{name}")
        steps = tuple(item["message"] for item in result["findings"] if item["code"] == "MLB613")
        seen = Seen(cluster, lab(os.environ.get(LAB_NAME, "meshlb"))["node_ip"], NAMESPACE, steps)
        setting = setting_of(seen, scenario.platform, name, result["gateway"]["port"])
        if scenario.undrained:
            setting = replace(setting, drains=False)
        balancer = stand_in(setting, beside, tmp_path_factory.mktemp("standin"))
        with balancer.running():
            clients = Clients(beside, HOST, scenario.passes_tls or scenario.https, TLS_PORT if scenario.https else PORT)
            yield Chained(scenario, cluster, wanted, result, name, setting, balancer, clients)
    finally:
        # ConfigMaps are only looked for in the namespaces that are named.
        module(cluster, "chained_gateway", state="absent", drain=0, gateway=GATEWAY)
        module(cluster, "chained_gateway", state="absent", drain=0)
        cluster.rolled_out(NAMESPACE, f"deployment/{NAME}")
