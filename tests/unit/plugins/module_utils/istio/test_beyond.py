# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is not followed, and the routes that it makes unknown: EnvoyFilters, other clusters and networks, Services of two families."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    EDGE,
    NETWORKING,
    ROOT,
    Obj,
    backend,
    cluster,
    ingress,
    istiod,
    obj,
    outcome,
    path,
    peer_authentication,
    pod,
    port,
    service,
)
from tests.unit.plugins.module_utils.support.known import detect
from tests.unit.plugins.module_utils.support.planning import run

STRICT = peer_authentication()
WEB = port("web")
VIP = ingress("shop", path(backend("shop")), service_upstream="true")
FQDN = "shop.apps.svc.cluster.local"
MANAGER = "envoy.filters.network.http_connection_manager"


def shop(*objects: Obj, **spec: Any) -> list[Obj]:
    return [service("shop", WEB, **spec), pod("shop", http=8080), VIP, STRICT, *objects]


def patch(applied: str, operation: str = "MERGE", value: Any = None, context: str = "", **match: Any) -> Obj:
    where = {**({"context": context} if context else {}), **match}
    return {"applyTo": applied, "match": where, "patch": {"operation": operation, **({"value": value} if value is not None else {})}}


def envoy_filter(*patches: Obj, where: str = EDGE, labels: Obj | None = None, **spec: Any) -> Obj:
    chosen = {"workloadSelector": {"labels": labels}} if labels else {}
    return obj(NETWORKING, "EnvoyFilter", where, "patch", spec={**chosen, "configPatches": list(patches), **spec})


LUA = {"name": "envoy.filters.http.lua", "typed_config": {}}
SOCKET = patch("CLUSTER", value={"transport_socket": {"name": "raw_buffer"}}, context="SIDECAR_OUTBOUND")
CHAIN = patch("FILTER_CHAIN", "REMOVE", context="SIDECAR_INBOUND")
FOLLOWED: dict[str, Obj] = {
    "another workload's": envoy_filter(SOCKET, labels={"app": "other"}),
    "another namespace's": envoy_filter(SOCKET, where="elsewhere"),
    "gateways'": envoy_filter(patch("CLUSTER", value={"transport_socket": {}}, context="GATEWAY")),
    "a named gateway's": envoy_filter(SOCKET, targetRefs=[{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "x"}]),
    "inbound at the load balancer": envoy_filter(CHAIN),
    "outbound at the backend": envoy_filter(SOCKET, where=APPS),
    "another port": envoy_filter(patch("FILTER_CHAIN", "REMOVE", context="SIDECAR_INBOUND", listener={"portNumber": 9999}), where=APPS),
    "another cluster": envoy_filter(patch("CLUSTER", value={"transport_socket": {}}, cluster={"service": "other.apps.svc.cluster.local"})),
    "timeouts of a cluster": envoy_filter(patch("CLUSTER", value={"connect_timeout": "1s"})),
    "a manager's own settings": envoy_filter(patch("NETWORK_FILTER", value={"name": MANAGER, "typed_config": {"server_name": "x"}})),
    "Istio's own telemetry": envoy_filter(
        patch("HTTP_FILTER", "INSERT_BEFORE", {"name": "istio.stats"}), patch("NETWORK_FILTER", "INSERT_BEFORE", {"name": "istio.stats"}),
        where=ROOT),
    "buffers of a listener": envoy_filter(patch("LISTENER", value={"per_connection_buffer_limit_bytes": 1024}), where=ROOT),
}  # fmt: skip
NOT_FOLLOWED: dict[str, Obj] = {
    "the load balancer's clusters": envoy_filter(SOCKET),
    "in camel case": envoy_filter(patch("CLUSTER", value={"transportSocket": {}})),
    "by its labels": envoy_filter(SOCKET, labels={"app": "lb"}),
    "of the whole mesh": envoy_filter(SOCKET, where=ROOT),
    "the cluster by its Service": envoy_filter(patch("CLUSTER", value={"type": "STATIC"}, cluster={"service": FQDN})),
    "a listener that is added": envoy_filter(patch("LISTENER", "ADD", {"name": "x"})),
    "routes": envoy_filter(patch("HTTP_ROUTE", value={"route": {"cluster": "other"}}, context="SIDECAR_OUTBOUND")),
    "chains of the backend": envoy_filter(CHAIN, where=APPS),
    "chains of the backend's port": envoy_filter(
        patch("FILTER_CHAIN", value={"transport_socket": {}}, listener={"portNumber": 8080}), where=APPS, labels={"app": "shop"}),
    "a filter before the manager": envoy_filter(patch("NETWORK_FILTER", "INSERT_FIRST", {"name": "rbac"}), where=APPS),
}  # fmt: skip


@pytest.mark.parametrize("patched", FOLLOWED.values(), ids=FOLLOWED)
def test_filters_that_change_nothing_here(patched: Obj) -> None:
    found = outcome(cluster(*shop(patched)))
    assert (found.verdict, found.access.decision, found.unsure) == ("mutual_tls", "allowed", None)


@pytest.mark.parametrize("patched", NOT_FOLLOWED.values(), ids=NOT_FOLLOWED)
def test_filters_that_decide_where_requests_go(patched: Obj) -> None:
    found = outcome(cluster(*shop(patched)))
    assert (found.verdict, found.access.decision) == ("unknown", "unknown")
    assert found.unsure is not None and (found.unsure.code, found.unsure.cause.name) == ("MLB130", "patch")


@pytest.mark.parametrize("where", [EDGE, APPS, ROOT])
@pytest.mark.parametrize("applied", ["HTTP_FILTER", "VIRTUAL_HOST"])
def test_filters_that_may_answer(where: str, applied: str) -> None:
    added = patch(applied, "INSERT_BEFORE", LUA) if applied == "HTTP_FILTER" else patch(applied, value={"typed_per_filter_config": {}})
    found = outcome(cluster(*shop(envoy_filter(added, where=where))))
    assert (found.verdict, found.access.decision, found.access.reason) == ("mutual_tls", "unknown", "filter")


def test_nothing_is_planned_where_they_decide_and_what_is_there_stays() -> None:
    objects = [service("shop"), pod("shop"), ingress("shop", path(backend("shop"))), STRICT]
    patched = envoy_filter(SOCKET)
    assert run(cluster(*objects, patched)).written == []
    assert run(cluster(*objects)).strategies == {"shop": "host_entry"}


def clusters(*objects: Obj) -> str:
    return outcome(cluster(*shop(*objects))).verdict


EAST_WEST = {
    **service("eastwest", port("tls", 15443, 15443), where=ROOT),
    "metadata": {"name": "eastwest", "namespace": ROOT, "labels": {"topology.istio.io/network": "network1"}},
}
SEVERAL: dict[str, list[Obj]] = {
    "networks": [obj("v1", "ConfigMap", ROOT, "istio", data={"meshNetworks": "networks: {a: {endpoints: []}, b: {endpoints: []}}"})],
    "an east-west gateway": [EAST_WEST],
    "a remote secret": [obj("v1", "Secret", ROOT, "istio-remote-secret-b", labels={"istio/multiCluster": "true"})],
    "a machine": [obj(NETWORKING, "WorkloadEntry", APPS, "vm", spec={"address": "192.0.2.1", "network": "b", "labels": {"app": "shop"}})],
}  # fmt: skip


@pytest.mark.parametrize("objects", SEVERAL.values(), ids=SEVERAL)
def test_endpoints_elsewhere(objects: list[Obj]) -> None:
    assert clusters(*objects) == "unknown"
    pods = [service("shop"), pod("shop"), ingress("shop", path(backend("shop"))), STRICT, *objects]
    assert run(cluster(*pods), "host_entry").verdicts == run(cluster(*pods), "headless_twin").verdicts == {"mutual_tls"}
    assert run(cluster(*pods), "host_alias").verdicts != {"mutual_tls"}


@pytest.mark.parametrize("name", ["networks", "an east-west gateway", "a remote secret"])
def test_other_clusters_are_told_once(name: str) -> None:
    assert [item.code for item in detect(cluster(*shop(*SEVERAL[name])))[1]].count("MLB131") == 1


@pytest.mark.parametrize(
    "objects",
    [
        [obj("v1", "ConfigMap", ROOT, "istio", data={"meshNetworks": "networks: {}"})],
        [obj("v1", "ConfigMap", ROOT, "istio", data={"meshNetworks": "networks: {a: {endpoints: []}}"})],
        [obj(NETWORKING, "WorkloadEntry", APPS, "vm", spec={"address": "192.0.2.1", "labels": {"app": "other"}})],
        [obj(NETWORKING, "WorkloadEntry", "elsewhere", "vm", spec={"address": "192.0.2.1", "labels": {"app": "shop"}})],
        [EAST_WEST, obj("v1", "ConfigMap", ROOT, "istio", data={
            "mesh": "serviceSettings: [{settings: {clusterLocal: true}, hosts: ['*.apps.svc.cluster.local']}]"})],
    ],
    ids=["no networks", "one network", "another machine", "a machine elsewhere", "kept in the cluster"],
)  # fmt: skip
def test_no_endpoints_elsewhere(objects: list[Obj]) -> None:
    assert clusters(*objects) == "mutual_tls"


def dual(*objects: Obj, vip: bool) -> str:
    both = {"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "PreferDualStack"}
    route = ingress("shop", path(backend("shop")), service_upstream="true" if vip else "false")
    twin = service("twin", port("web", 8080), ip="None", selector={"app": "shop"})
    return outcome(cluster(service("shop", WEB, **both), twin, pod("shop", http=8080), route, STRICT, *objects)).verdict


@pytest.mark.parametrize(("vip", "verdict"), [(True, "mutual_tls"), (False, "unknown")])
def test_two_address_families(vip: bool, verdict: str) -> None:
    """A sidecar knows the first address of a Service, and that is the one that load balancers take."""
    assert dual(vip=vip) == verdict
    assert dual(istiod(ISTIO_DUAL_STACK="true"), vip=vip) == "mutual_tls"
