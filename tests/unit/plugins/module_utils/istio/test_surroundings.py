# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is around a load balancer: ambient mode, Pod Security, NetworkPolicies, and networks that balance Services themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.istio.ambient import about_clients
from ansible_collections.meshlb.istio.plugins.module_utils.istio.blockers import injection_blockers
from ansible_collections.meshlb.istio.plugins.module_utils.istio.injection import has_proxy
from ansible_collections.meshlb.istio.plugins.module_utils.istio.mesh import about_age
from ansible_collections.meshlb.istio.plugins.module_utils.istio.network import about_network, undoes_service_routing
from ansible_collections.meshlb.istio.plugins.module_utils.istio.reaching_istiod import about_istiod
from ansible_collections.meshlb.istio.plugins.module_utils.kube import kinds
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    EDGE,
    LIVE,
    ROOT,
    Obj,
    backend,
    cluster,
    config_map,
    container,
    destination_rule,
    ingress,
    istiod,
    live,
    load_balancer,
    namespace,
    obj,
    outcome,
    path,
    peer_authentication,
    pod,
    port,
    service,
    workload,
)

AMBIENT = {"istio.io/dataplane-mode": "ambient"}
STRICT = peer_authentication()


def shop(name: str = "web", *, vip: bool = True, labels: Obj | None = None, sidecar: bool = False) -> list[Obj]:
    annotations = {"service_upstream": "true"} if vip else {}
    behind = pod("shop", sidecar=sidecar, labels=labels, http=8080)
    return [service("shop", port(name)), behind, ingress("shop", path(backend("shop")), **annotations)]


OUTCOMES: dict[str, tuple[list[Obj], bool, str]] = {
    # name: objects, whether the load balancer has a sidecar, verdict
    "a sidecar to a registered pod": (shop(labels=AMBIENT), True, "unknown"),
    "a sidecar past the registry, PERMISSIVE": (shop(labels=AMBIENT, vip=False), True, "plaintext"),
    "a sidecar past the registry, STRICT": ([*shop(labels=AMBIENT, vip=False), STRICT], True, "refused"),
    "outside of the mesh, PERMISSIVE": (shop(labels=AMBIENT), False, "plaintext"),
    "outside of the mesh, STRICT": ([*shop(labels=AMBIENT), STRICT], False, "refused"),
    "by the namespace": ([*shop(), namespace(APPS, **AMBIENT), STRICT], False, "refused"),
    "a pod that opts out": ([*shop(labels={"istio.io/dataplane-mode": "none"}), namespace(APPS, **AMBIENT), STRICT], False, "plaintext"),
    "a pod with a sidecar": ([*shop(sidecar=True), namespace(APPS, **AMBIENT), STRICT], True, "mutual_tls"),
    "the load balancer": ([*shop(), namespace(EDGE, **AMBIENT)], False, "unknown"),
    "a rule of its own": ([*shop(labels=AMBIENT), destination_rule("shop", "ISTIO_MUTUAL")], True, "unknown"),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "injected", "verdict"), OUTCOMES.values(), ids=OUTCOMES)
def test_ambient_mode(objects: list[Obj], injected: bool, verdict: str) -> None:
    assert outcome(cluster(*objects, injected=injected)).verdict == verdict


def test_a_load_balancer_in_ambient_mode_refuses_clients_from_outside() -> None:
    snapshot = cluster(namespace(EDGE, **AMBIENT), STRICT, injected=False)
    (found,) = about_clients(snapshot, load_balancer(snapshot))
    assert found.code == "MLB126" and "STRICT" in found.message
    for other in (cluster(namespace(EDGE, **AMBIENT), injected=False), cluster(STRICT, injected=False)):
        assert not list(about_clients(other, load_balancer(other)))


def blockers(*objects: Obj, template: Obj | None = None) -> list[str]:
    return list(injection_blockers(live(*objects), EDGE, template or {}))


def test_pod_security_forbids_what_istio_init_needs() -> None:
    for level in ("baseline", "restricted"):
        (said,) = blockers(namespace(EDGE, **{"pod-security.kubernetes.io/enforce": level}))
        assert "Pod Security" in said and "NET_ADMIN" in said and level in said
    assert not blockers(namespace(EDGE, **{"pod-security.kubernetes.io/enforce": "privileged"}))
    assert not blockers(namespace(EDGE, **{"pod-security.kubernetes.io/warn": "baseline"}))


@pytest.mark.parametrize(
    "plugin",
    [
        workload("cni", kind="DaemonSet", where="kube-system", containers=[container("x", image="mirror/istio/install-cni:1.31")]),
        config_map("istio-sidecar-injector", ROOT, values='{"pilot": {"cni": {"enabled": true}}}'),
        config_map("istio-sidecar-injector", ROOT, values='{"istio_cni": {"enabled": true}}'),
    ],
)
def test_the_cni_plugin_needs_no_rights_of_pods(plugin: Obj) -> None:
    assert not blockers(namespace(EDGE, **{"pod-security.kubernetes.io/enforce": "restricted"}), plugin)


def test_ambient_by_a_pods_own_label_is_in_the_way_as_well() -> None:
    assert blockers(namespace(EDGE), template={"metadata": {"labels": AMBIENT}}) == ["its pods are in ambient mode"]


def test_a_products_own_proxy_container_is_no_sidecar() -> None:
    own = pod("lb", labels={"sidecar.istio.io/inject": "false"})
    assert has_proxy(pod("lb")) and not has_proxy(own)
    assert has_proxy({**own, "metadata": {**own["metadata"], "annotations": {"sidecar.istio.io/status": "{}"}}})
    assert has_proxy({**own, "spec": {**own["spec"], "initContainers": [{"name": "istio-init"}]}})


ISTIOD = workload("istiod", where=ROOT, containers=[container("discovery", image="istio/pilot:1.31", args=["discovery"])])
THERE = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ROOT}}}


def policy(*egress: Any, selector: Obj | None = None, types: tuple[str, ...] = ("Egress",)) -> Obj:
    return obj("networking.k8s.io/v1", "NetworkPolicy", EDGE, "limits", spec={
        "podSelector": {"matchLabels": selector} if selector else {}, "policyTypes": list(types), "egress": list(egress)})  # fmt: skip


def tcp(number: int | str, **more: int) -> Obj:
    return {"protocol": "TCP", "port": number, **more}


POLICIES: dict[str, tuple[list[Obj], bool]] = {
    # name: policies, whether istiod is kept away
    "none": ([], False),
    "nothing allowed": ([policy()], True),
    "another port": ([policy({"to": [THERE], "ports": [tcp(443)]})], True),
    "the port": ([policy({"to": [THERE], "ports": [tcp(15012)]})], False),
    "a range of ports": ([policy({"to": [THERE], "ports": [tcp(15000, endPort=15100)]})], False),
    "a named port": ([policy({"to": [THERE], "ports": [tcp("grpc-xds")]})], False),
    "any port": ([policy({"to": [THERE]})], False),
    "anywhere": ([policy({"ports": [tcp(15012)]})], False),
    "another namespace": ([policy({"to": [{"namespaceSelector": {"matchLabels": {"x": "y"}}}]})], True),
    "every namespace": ([policy({"to": [{"namespaceSelector": {}}]})], False),
    "its own namespace": ([policy({"to": [{"podSelector": {}}]})], True),
    "other pods there": ([policy({"to": [{**THERE, "podSelector": {"matchLabels": {"app": "x"}}}]})], True),
    "all addresses": ([policy({"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]})], False),
    "one address": ([policy({"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}]})], True),
    "two that add up": ([policy(), {**policy({"to": [THERE]}), "metadata": {"name": "more", "namespace": EDGE}}], False),
    "for other pods": ([policy(selector={"app": "x"})], False),
    "about what comes in": ([policy(types=("Ingress",))], False),
}  # fmt: skip


@pytest.mark.parametrize(("policies", "kept_away"), POLICIES.values(), ids=POLICIES)
def test_network_policies_that_keep_istiod_away(policies: list[Obj], kept_away: bool) -> None:
    snapshot = cluster(ISTIOD, *policies)
    assert [item.code for item in about_istiod(snapshot, load_balancer(snapshot))] == (["MLB127"] if kept_away else [])


@pytest.mark.parametrize(
    ("tag", "found"),
    [("1.29.3", True), ("1.9.0", True), ("1.27.1-distroless", True), ("1.30.0", False), ("1.31.0", False), ("latest", False)],
)
def test_an_istio_older_than_the_oldest_compared_is_told(tag: str, found: bool) -> None:
    assert [(item.code, item.severity) for item in about_age(cluster(istiod(version=tag)))] == ([("MLB128", "info")] if found else [])


def felix(version: str = "crd.projectcalico.org/v1", **spec: Any) -> Obj:
    return obj(version, "FelixConfiguration", "", "default", spec=spec)


def calico(**env: str) -> Obj:
    variables = [{"name": key, "value": value} for key, value in env.items()]
    node = {**container("calico-node", image="quay.io/calico/node:v3.28"), "env": variables}
    return workload("calico-node", kind="DaemonSet", where="calico-system", containers=[node])


CALICO: dict[str, tuple[Obj, bool]] = {
    "its default": (felix(bpfEnabled=True), True),
    "for TCP": (felix(bpfEnabled=True, bpfConnectTimeLoadBalancing="TCP"), True),
    "by the API server": (felix("projectcalico.org/v3", bpfEnabled=True), True),
    "off": (felix(bpfEnabled=True, bpfConnectTimeLoadBalancing="Disabled"), False),
    "off, in older words": (felix(bpfEnabled=True, bpfConnectTimeLoadBalancingEnabled=False), False),
    "no eBPF": (felix(bpfEnabled=False), False),
    "by a variable": (calico(FELIX_BPFENABLED="true"), True),
    "off by a variable": (calico(FELIX_BPFENABLED="true", FELIX_BPFCONNECTTIMELOADBALANCING="Disabled"), False),
}  # fmt: skip


@pytest.mark.parametrize(("told", "undone"), CALICO.values(), ids=CALICO)
def test_calico_may_balance_when_a_program_connects(told: Obj, undone: bool) -> None:
    snapshot = Snapshot([told])
    assert undoes_service_routing(snapshot) is undone
    assert [item.code for item in about_network(snapshot)] == (["MLB107"] if undone else [])
    assert outcome(cluster(*shop(sidecar=True), told)).verdict == ("plaintext" if undone else "mutual_tls")


@pytest.mark.parametrize(
    ("objects", "source", "verdict", "told"),
    [
        ([calico()], {"denied": {kinds.FELIX_CONFIGURATION: "no"}}, "unknown", 1),
        ([], {"denied": {kinds.FELIX_CONFIGURATION: "no"}}, "mutual_tls", 0),
        ([calico()], {}, "mutual_tls", 0),
        ([calico(), felix(bpfEnabled=False)], {}, "mutual_tls", 0),
    ],
    ids=["not readable", "no Calico", "not served", "no eBPF"],
)  # fmt: skip
def test_what_calico_does_has_to_be_known(objects: list[Obj], source: dict[str, Any], verdict: str, told: int) -> None:
    route = ingress("shop", path(backend("shop")), service_upstream="true")
    known = cluster(service("shop", port("web")), pod("shop", http=8080), route, peer_authentication(), *objects)
    snapshot = Snapshot(known.everything(), replace(LIVE, **source))
    assert outcome(snapshot).verdict == verdict
    assert len(list(about_network(snapshot))) == told
