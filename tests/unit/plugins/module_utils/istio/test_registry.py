# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Istio has registered: other names of Services, slices by hand, pods that are not ready, and ServiceEntries beside Services."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot, Source

from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    EDGE,
    PUBLIC,
    Obj,
    backend,
    cluster,
    destination_rule,
    edge,
    external_name,
    ingress,
    obj,
    outcome,
    path,
    peer_authentication,
    pod,
    port,
    service,
    service_entry,
    sidecar,
    to,
    virtual_service,
    workload,
)

FQDN = "shop.apps.svc.cluster.local"
STRICT = peer_authentication()
SHOP = [service("shop", port("web")), pod("shop", http=8080)]
UNREADY = {"phase": "Running", "podIP": "10.9.9.9", "conditions": [{"type": "Ready", "status": "False"}]}


def to_alias(target: str, *objects: Obj, where: str = "front", number: int = 0, **annotations: str) -> list[Obj]:
    """A route of another namespace to a Service that is another name."""
    alias = external_name("alias", target, where)
    if number:
        alias["spec"]["ports"][0]["targetPort"] = number
    else:
        alias["spec"]["ports"][0].pop("targetPort")
    return [alias, ingress("shop", path(backend("alias")), where=where, **annotations), *objects]


ALIASES: dict[str, tuple[list[Obj], str]] = {
    "a Service of the cluster, undeclared": (to_alias(FQDN, *SHOP), "mutual_tls"),
    "upper case and a dot at the end": (to_alias("Shop.Apps.svc.cluster.local.", *SHOP), "mutual_tls"),
    "declared http: the public Host matches nothing": (to_alias(FQDN, service("shop"), pod("shop")), "refused"),
    "declared http with the Service's name as Host": (
        to_alias(FQDN, service("shop"), pod("shop"), upstream_vhost=FQDN), "mutual_tls"),
    "a name of a name": (to_alias("other.apps.svc.cluster.local", external_name("other", FQDN), *SHOP), "mutual_tls"),
    "a circle": (to_alias("alias.front.svc.cluster.local", *SHOP), "unknown"),
    "a port that the Service does not have": (to_alias(FQDN, *SHOP, number=81), "unknown"),
    "the port that is dialled is the target port": (to_alias(FQDN, service("shop", port("web", 81)), pod("shop"), number=81), "mutual_tls"),
    "a headless Service": (
        to_alias(FQDN, service("shop", port("web", 80, 80), ip="None"), pod("shop", http=80)), "mutual_tls"),
    "a name outside of the cluster": (to_alias("shop.example.org", *SHOP), "unknown"),
    "a short name leads nowhere": (to_alias("shop.apps", *SHOP), "unknown"),
    "a Service that is not there": (to_alias("gone.apps.svc.cluster.local", *SHOP), "unknown"),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "verdict"), ALIASES.values(), ids=ALIASES)
def test_a_service_that_is_another_name_of_one(objects: list[Obj], verdict: str) -> None:
    assert outcome(cluster(*objects, STRICT)).verdict == verdict


@pytest.mark.parametrize(
    ("egress", "verdict"),
    [
        ((f"*/{FQDN}",), "refused"),
        ((f"*/{FQDN}", "*/alias.front.svc.cluster.local"), "mutual_tls"),
        (("apps/*",), "mutual_tls"),
        ((f"apps/{FQDN}", "*/alias.front.svc.cluster.local"), "refused"),
        ((f"*/{FQDN}", "front/*"), "refused"),
    ],
)
def test_a_sidecar_lets_in_each_name_by_itself(egress: tuple[str, ...], verdict: str) -> None:
    """The hosts that let in the Service, of its own namespace or of all, have to let in its other name as well."""
    named = to_alias(FQDN, service("shop"), pod("shop"), upstream_vhost="alias.front.svc.cluster.local")
    assert outcome(cluster(*named, sidecar(*egress), STRICT)).verdict == verdict


def by_hand(kind: str = "slice", where: str = APPS, ip: str = "10.7.7.7", reference: Obj | None = None) -> list[Obj]:
    """A Service without a selector whose address somebody wrote down."""
    named = {"targetRef": {"kind": "Pod", **reference}} if reference else {}
    made = (
        obj("discovery.k8s.io/v1", "EndpointSlice", where, "by-hand-1", labels={"kubernetes.io/service-name": "by-hand"},
            addressType="IPv4", ports=[{"name": "web", "port": 8080}], endpoints=[{"addresses": [ip], **named}])
        if kind == "slice" else
        obj("v1", "Endpoints", where, "by-hand", subsets=[{"addresses": [{"ip": ip, **named}], "ports": [{"name": "web", "port": 8080}]}])
    )  # fmt: skip
    chosen = service("by-hand", port("web"), where=where, selector={})
    return [chosen, made, ingress("shop", path(backend("by-hand")), where=where, service_upstream="true")]


REAL = pod("shop", ip="10.7.7.7", name="shop-0", http=8080)


@pytest.mark.parametrize("kind", ["slice", "endpoints"])
@pytest.mark.parametrize(
    ("where", "reference", "verdict"),
    [
        (APPS, None, "mutual_tls"),
        ("front", None, "refused"),
        ("front", {"namespace": APPS, "name": "shop-0"}, "mutual_tls"),
        ("front", {"namespace": "front", "name": "shop-0"}, "refused"),
    ],
)
def test_addresses_by_hand_are_looked_up_in_their_own_namespace(kind: str, where: str, reference: Obj | None, verdict: str) -> None:
    assert outcome(cluster(*by_hand(kind, where, reference=reference), REAL, STRICT)).verdict == verdict


def vip(*objects: Obj, **spec: Any) -> list[Obj]:
    return [service("shop", port("web"), **spec), ingress("shop", path(backend("shop")), service_upstream="true"), *objects]


def old(**more: Any) -> Obj:
    made = pod("shop", sidecar=False, name="old", http=8080)
    made["metadata"].update(more.pop("metadata", {}))
    return {**made, **more}


def test_only_ready_pods_count() -> None:
    new = pod("shop", name="new", http=8080)
    assert outcome(cluster(*vip(new, old()), STRICT)).verdict == "mixed"
    assert outcome(cluster(*vip(new, old(status=UNREADY)), STRICT)).verdict == "mutual_tls"
    assert outcome(cluster(*vip(new, old(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})), STRICT)).verdict == "mutual_tls"
    assert outcome(cluster(*vip(old(status=UNREADY)), STRICT)).verdict == "plaintext"
    assert outcome(cluster(*vip(new, old(status=UNREADY), publishNotReadyAddresses=True), STRICT)).verdict == "mixed"


def test_a_slice_by_hand_says_itself_what_is_ready() -> None:
    unready = pod("shop", ip="10.7.7.8", name="shop-1", sidecar=False, http=8080)
    unready = {**unready, "status": {**UNREADY, "podIP": "10.7.7.8"}}
    chosen, made, route = by_hand()
    listed = {**made, "endpoints": [*made["endpoints"], {"addresses": ["10.7.7.8"], "conditions": {"ready": True}}]}
    assert outcome(cluster(chosen, listed, route, REAL, unready, STRICT)).verdict == "mixed"
    listed["endpoints"][1]["conditions"]["ready"] = False
    assert outcome(cluster(chosen, listed, route, REAL, unready, STRICT)).verdict == "mutual_tls"


def manifests(*objects: Obj) -> Snapshot:
    return Snapshot([*edge(), *objects], Source(live=False))


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        ("Rollout", "argoproj.io/v1alpha1"), ("CloneSet", "apps.kruise.io/v1alpha1"), ("ReplicaSet", "apps/v1"),
        ("DeploymentConfig", "apps.openshift.io/v1"),
    ],
)  # fmt: skip
def test_whatever_has_a_pod_template_is_a_workload_in_manifests(kind: str, version: str) -> None:
    made = {**workload("shop", kind=kind, pod_labels={"sidecar.istio.io/inject": "true"}), "apiVersion": version}
    assert outcome(manifests(*vip(made), STRICT)).verdict == "mutual_tls"
    assert outcome(manifests(*vip({**made, "apiVersion": "batch/v1", "kind": "Job"}), STRICT)).verdict == "unknown"


def test_a_pod_in_manifests_is_injected_when_it_is_made() -> None:
    bare = {**pod("shop", sidecar=False, http=8080, labels={"sidecar.istio.io/inject": "true"}), "status": {}}
    assert outcome(manifests(*vip(bare), STRICT)).verdict == "mutual_tls"


def test_a_service_for_its_own_node_alone() -> None:
    def on(node: str, made: Obj) -> Obj:
        return {**made, "spec": {**made["spec"], "nodeName": node}}

    near, far = on("one", pod("shop", http=8080)), on("two", pod("shop", http=8080))
    balancer = on("one", pod("lb", where=EDGE))
    assert outcome(cluster(*vip(near, internalTrafficPolicy="Local"), balancer)).verdict == "mutual_tls"
    assert outcome(cluster(*vip(far, internalTrafficPolicy="Local"), balancer)).verdict == "refused"
    assert outcome(cluster(*vip(far), balancer)).verdict == "mutual_tls"
    assert outcome(cluster(*vip(pod("shop", http=8080), internalTrafficPolicy="Local"), balancer)).verdict == "mutual_tls"


TCP = {"number": 8080, "name": "tcp", "protocol": "TCP"}
ONLY = sidecar("*/*", outboundTrafficPolicy={"mode": "REGISTRY_ONLY"})


def direct(*objects: Obj) -> list[Obj]:
    return [service("shop", port("web")), pod("shop", ip="10.7.7.7", http=8080), ingress("shop", path(backend("shop"))), *objects]


ENTRIES: dict[str, tuple[list[Obj], str]] = {
    "any address": (direct(ONLY, service_entry("x.example.org", ports=[TCP])), "plaintext"),
    "another port": (direct(ONLY, service_entry("x.example.org", ports=[{**TCP, "number": 81}])), "refused"),
    "the pods' network": (direct(ONLY, service_entry("x.example.org", ports=[TCP], addresses=["10.7.0.0/16"])), "plaintext"),
    "another network": (direct(ONLY, service_entry("x.example.org", ports=[TCP], addresses=["10.8.0.0/16"])), "refused"),
    "a rule turns mutual TLS on": (
        direct(service_entry("x.example.org", ports=[TCP], addresses=["10.7.0.0/16"], where=EDGE), STRICT,
               destination_rule("x.example.org", "ISTIO_MUTUAL", where=EDGE)), "mutual_tls"),
    "addresses of its own": (direct(service_entry("x.example.org", ports=[TCP], resolution="DNS")), "unknown"),
    "not exported": (direct(ONLY, service_entry("x.example.org", ports=[TCP], where=APPS, exportTo=["."])), "refused"),
    "for the Service's own name, of the client's namespace": (vip(SHOP[1], service_entry(FQDN, ports=[TCP], where=EDGE)), "unknown"),
    "for the Service's own name, of a third namespace": (vip(SHOP[1], service_entry(FQDN, ports=[TCP], where="third")), "mutual_tls"),
}  # fmt: skip


LED = [virtual_service(PUBLIC, http=[to(FQDN, 8080)]), service_entry(PUBLIC, 8080, name="known")]
OWN_NAME = destination_rule(FQDN, "ISTIO_MUTUAL", where=EDGE)
WIDE = [service_entry("*.example.com", 8080, where=EDGE), destination_rule("*.example.com", "ISTIO_MUTUAL", where=EDGE)]
ENTRIES.update({
    "for a wildcard, beside a rule for one of its hosts": (
        direct(*WIDE, virtual_service(PUBLIC, http=[{"redirect": {"uri": "/x"}}]), STRICT), "refused"),
    "for a wildcard, beside a rule for another of its hosts": (
        direct(*WIDE, virtual_service("x.example.com", http=[{"redirect": {"uri": "/x"}}]), STRICT), "mutual_tls"),
    "for a rule's destination, on that port": (
        direct(*LED, service_entry(FQDN, 8080, where=EDGE, name="own"), OWN_NAME, sidecar("./*"), STRICT), "mutual_tls"),
    "for a rule's destination, on another port": (
        direct(*LED, service_entry(FQDN, 81, where=EDGE, name="own"), OWN_NAME, sidecar("./*"), STRICT), "refused"),
})  # fmt: skip


@pytest.mark.parametrize(("objects", "verdict"), ENTRIES.values(), ids=ENTRIES)
def test_service_entries_that_take_connections(objects: list[Obj], verdict: str) -> None:
    assert outcome(cluster(*objects)).verdict == verdict
