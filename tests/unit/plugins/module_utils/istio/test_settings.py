# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Istio's settings in ConfigMaps: read within bounds, and never taken for absent where they are malformed."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import REGISTRY
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.tables import TABLES
from ansible_collections.meshlb.istio.plugins.module_utils.detect.description import about_reading
from ansible_collections.meshlb.istio.plugins.module_utils.detect.load_balancers import as_understood
from ansible_collections.meshlb.istio.plugins.module_utils.istio.doubts import doubts
from ansible_collections.meshlb.istio.plugins.module_utils.istio.mesh import (
    as_far_as_known,
    cluster_domains,
    config_map_namespaces,
    interception_defaults,
    mesh_config,
    read_mesh,
)
from ansible_collections.meshlb.istio.plugins.module_utils.kube import kinds
from ansible_collections.meshlb.istio.plugins.module_utils.kube.reading import readable_objects
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot, Source

from tests.security.kit import clusters as c

Obj = dict[str, Any]
BOMB = "\n".join([
    "a0: &a0 [x, x, x, x, x, x, x, x, x, x]",
    *(f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 10)}]" for number in range(1, 9)),
])  # fmt: skip
MALFORMED = {
    "no YAML": "trustDomain: [", "a text": "just a text", "a list": "[]", "two documents": "a: 1\n---\nb: 1",
    "a key twice": "a: 1\na: 2",
    "too long": "a: " + "x" * 300_000, "a tag": "!!python/object:os.system x", "holds itself": "&x {a: *x}", "a tab": "a:\n\t- b",
}
OF_MESH = {
    "a name that is a list": "trustDomain: []", "a number": "trustDomain: 5", "a map": "rootNamespace: {}",
    "digits": "trustDomain: " + "9" * 5000,
    "no truth value": 'enableAutoMtls: "false"', "mode": "outboundTrafficPolicy: REGISTRY_ONLY", "aliases": f"{BOMB}\ntrustDomain: *a8",
    "deep": "defaultConfig: " + "[" * 400 + "]" * 400, "hops": "defaultConfig: {gatewayTopology: {numTrustedProxies: [1]}}",
    "scopes": "defaultVirtualServiceExportTo: x",
}
OF_INJECTOR = {
    "values that are a list": "global: []", "ports": "global: {proxy: {excludeInboundPorts: [1]}}",
    "domain": "global: {proxy: {clusterDomain: {}}}",
}


def config_map(text: str, name: str = "istio", key: str = "mesh", namespace: str = "istio-system") -> Obj:
    return c.obj("v1", "ConfigMap", name, namespace, data={key: text})


def read(*objects: Obj) -> Snapshot:
    source = Source(live=False)
    return as_understood(Snapshot(readable_objects([*c.mesh(), *objects], source, TABLES), source), REGISTRY)


@pytest.mark.parametrize(("name", "key", "text"), [
    *(("istio", "mesh", text) for text in (MALFORMED | OF_MESH).values()),
    *(("istio-sidecar-injector", "values", text) for text in (MALFORMED | OF_INJECTOR).values()),
], ids=[*MALFORMED, *OF_MESH, *(f"injector: {item}" for item in MALFORMED | OF_INJECTOR)])  # fmt: skip
def test_malformed_settings_leave_nothing_known(name: str, key: str, text: str) -> None:
    snapshot = read(config_map(text, name, key))
    (said,) = about_reading(snapshot)
    assert said.code == "MLB122" and str(said.object) == f"ConfigMap istio-system/{name}" and f"data.{key}" in said.message
    assert len(said.message) < 1000
    assert [str(ref) for ref in doubts(snapshot).everything] == [f"ConfigMap istio-system/{name}"]
    told = as_far_as_known(snapshot).to_result()
    unknown = {told["trust_domain"], told["root_namespace"], told["outbound_traffic_policy"]}
    assert (unknown == {"unknown"}) is (name == "istio")
    assert (interception_defaults(snapshot), cluster_domains(snapshot)) is not None and read_mesh(snapshot).installed


@pytest.mark.parametrize("text", ["", "# nothing", "{}", "trustDomain: null", "unknown: {a: [1, 2]}", "trustDomain: td\n---\n"])
def test_settings_that_say_little_are_no_fault(text: str) -> None:
    snapshot = read(config_map(text), config_map(text, "istio-sidecar-injector", "values"))
    assert not list(about_reading(snapshot)) and not doubts(snapshot).everything
    assert as_far_as_known(snapshot).trust_domain in ("cluster.local", "td")


def test_a_fault_costs_its_field_alone() -> None:
    snapshot = read(config_map("trustDomain: td\nrootNamespace: []\ndefaultConfig: {gatewayTopology: {numTrustedProxies: 2}}"))
    assert mesh_config(snapshot)["trustDomain"] == "td" and read_mesh(snapshot).root_namespace == "istio-system"


def test_settings_of_the_injector_count_where_the_root_namespace_is_another() -> None:
    snapshot = read(config_map("rootNamespace: istio-config"), config_map("[", "istio-sidecar-injector", "values"))
    assert doubts(snapshot).everything


def test_settings_that_may_not_be_read_are_unknown() -> None:
    source = Source(closed=frozenset({"istio-system"}))
    assert as_far_as_known(Snapshot(c.mesh(), source)).trust_domain == "unknown"


def test_a_deployment_that_is_labelled_as_istiod_is_none_beside_one_that_injects() -> None:
    fake = c.workload("istiod", "a-tenant", {"name": "x", "image": "x"}, {"app": "istiod"})[0]
    fake["metadata"]["labels"] = {"app": "istiod"}
    snapshot = read(fake, config_map("trustDomain: evil", namespace="a-tenant"), config_map("trustDomain: td"))
    assert config_map_namespaces(snapshot) == {"istio-system"}
    assert read_mesh(snapshot).trust_domain == "td"
    assert not doubts(read(fake, config_map("[", namespace="a-tenant"))).everything
    # Where nothing injects, the label is all that there is.
    alone = Snapshot([item for item in [*c.mesh(), fake] if item["kind"] != kinds.WEBHOOK.partition(".")[0]])
    assert config_map_namespaces(alone) == {"a-tenant", "istio-system"}
