# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is limited to some namespaces decides about what serves their routes, wherever that lies."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import REGISTRY
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot, Source
from ansible_collections.meshlb.istio.plugins.module_utils.runs import routing as routing_run
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.routing import RoutingOptions

from tests.unit.plugins.module_utils.support.cluster import EDGE, container, obj, pod, port, workload
from tests.unit.plugins.module_utils.support.known import detect

Obj = dict[str, Any]


def shop(where: str, host: str) -> list[Obj]:
    backend = {"service": {"name": "shop", "port": {"number": 80}}}
    rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    return [
        obj("v1", "Service", where, "shop", spec={"selector": {"app": "shop"}, "clusterIP": "10.9.0.9", "ports": [port()]}),
        pod("shop", where=where),
        obj("networking.k8s.io/v1", "Ingress", where, "shop", spec={"ingressClassName": "nginx", "rules": [rule]}),
    ]


def cluster() -> Snapshot:
    controller = container("controller", command=["/nginx-ingress-controller"], args=["--controller-class=k8s.io/ingress-nginx"])
    return Snapshot([
        workload("edge", where=EDGE, containers=[controller], pod_labels={"sidecar.istio.io/inject": "true"},
                 annotations={"traffic.sidecar.istio.io/includeInboundPorts": ""}),
        obj("networking.k8s.io/v1", "IngressClass", "", "nginx", spec={"controller": "k8s.io/ingress-nginx"}),
        *shop("one", "one.example.com"), *shop("two", "two.example.com"),
    ], Source(live=False))


def scene(snapshot: Snapshot, *names: str, **options: Any) -> routing_run.RoutingScene:
    """The run for all load balancers, or those of these names."""
    found, dummy = detect(snapshot)
    chosen = [item for item in found if not names or item.name in names]
    return routing_run.RoutingScene(snapshot, REGISTRY, found, chosen, RoutingOptions(**{"strategy": "host_entry", **options}))


def present(snapshot: Snapshot, *namespaces: str, **options: Any) -> Any:
    return routing_run.planned(scene(snapshot, namespaces=namespaces, **options)).changes


def made(changes: Any) -> list[str]:
    return sorted({f"{item.action} {item.object.name}" for item in changes})


@pytest.mark.parametrize(("namespaces", "expected"), [
    ([], ["create meshlb-entry-one.example.com", "create meshlb-entry-two.example.com"]),
    (["one"], ["create meshlb-entry-one.example.com"]),
])
def test_entries_are_made_for_the_chosen_namespaces(namespaces: list[str], expected: list[str]) -> None:
    assert made(present(cluster(), *namespaces)) == expected


def test_taking_back_one_namespace_leaves_the_others() -> None:
    snapshot = cluster()
    after = snapshot.after(present(snapshot))
    done = routing_run.taken_back(scene(after, namespaces=("one",)))
    assert made(done.changes) == ["delete meshlb-entry-one.example.com"]
    assert {plan.route.host: plan.after.verdict for plan in done.routes} == {"one.example.com": "plaintext"}


def test_another_strategy_for_one_namespace_replaces_what_served_it() -> None:
    snapshot = cluster()
    after = snapshot.after(present(snapshot))
    changes = present(after, "one", strategy="headless_twin")
    assert made(changes) == ["create shop0meshlb", "delete meshlb-entry-one.example.com"]


def test_a_label_selector_takes_nothing_back() -> None:
    snapshot = cluster()
    after = snapshot.after(present(snapshot))
    assert made(present(after, label_selector="no=such")) == []


def test_a_run_for_one_load_balancer_does_not_break_another_of_its_namespace() -> None:
    more = container("controller", command=["/nginx-ingress-controller"], args=["--controller-class=example.com/second"])
    rule = {"host": "one.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {
        "service": {"name": "shop", "port": {"number": 80}}}}]}}
    snapshot = Snapshot([
        *(item for kind in cluster().kinds() for item in cluster().all(kind)),
        workload("second", where=EDGE, containers=[more], pod_labels={"sidecar.istio.io/inject": "true"}),
        obj("networking.k8s.io/v1", "IngressClass", "", "second", spec={"controller": "example.com/second"}),
        obj("networking.k8s.io/v1", "Ingress", "two", "other", spec={"ingressClassName": "second", "rules": [rule]}),
    ], Source(live=False))
    changes = routing_run.planned(scene(snapshot, "edge")).changes
    rule_body = next(item.body for item in changes if item.object.kind == "DestinationRule" and "one" in item.object.name)
    names = rule_body["spec"]["trafficPolicy"]["tls"]["subjectAltNames"]
    # The other load balancer's route of the same host leads to namespace two, and goes through the same entry.
    assert [name.split("/")[4] for name in names] == ["one", "two"]


FAR = {
    "apiVersion": "traefik.io/v1alpha1", "kind": "IngressRoute", "metadata": {"namespace": "one", "name": "far"},
    "spec": {"entryPoints": ["web"], "routes": [{
        "kind": "Rule", "match": "Host(`far.example.com`)", "services": [{"name": "shop", "namespace": "two", "port": 80}]}]},
}  # fmt: skip


def across() -> Snapshot:
    """A route of namespace one whose backend is in namespace two."""
    traefik = container("traefik", image="traefik:v3.6.0", args=[
        "--entryPoints.web.address=:8000/tcp", "--providers.kubernetescrd", "--providers.kubernetescrd.allowCrossNamespace=true"])
    front = workload("traefik", where=EDGE, containers=[traefik], pod_labels={"sidecar.istio.io/inject": "true"})
    return Snapshot([*cluster().everything(), front, FAR], Source(live=False))


def written(decision: Any) -> set[str]:
    return {item.object.namespace for item in decision.changes}


@pytest.mark.parametrize("strategy", ["auto", "headless_twin", "host_entry", "service_vip", "host_alias", "host_rewrite"])
def test_a_run_writes_only_where_it_may(strategy: str) -> None:
    decision = routing_run.planned(scene(across(), namespaces=("one",), strategy=strategy))
    assert written(decision) <= {"one", EDGE} and any(item.route.object.name == "far" for item in decision.routes)
    everywhere = routing_run.planned(scene(across(), strategy="headless_twin"))
    assert "two" in written(everywhere)
    # What was written there by a run without that limit stays.
    after = across().after(everywhere.changes)
    again = routing_run.planned(scene(after, namespaces=("one",), strategy="headless_twin"))
    assert again.changes == [] and {item.after.verdict for item in again.routes} == {"mutual_tls"}


def test_a_reason_names_the_namespace_that_is_missing() -> None:
    decision = routing_run.planned(scene(across(), namespaces=("one",), strategy="headless_twin"))
    (found,) = (item for item in decision.findings if item.code == "MLB202")
    assert str(found.object) == "IngressRoute one/far" and "namespaces does not name two" in found.message


def test_what_is_made_elsewhere_is_said() -> None:
    decision = routing_run.planned(scene(across(), strategy="headless_twin"))
    found = [item for item in decision.findings if item.code == "MLB224" and "namespace two" in item.message]
    assert [str(item.object) for item in found] == ["IngressRoute one/far"] and "Service shop0meshlb" in found[0].message
    entries = routing_run.planned(scene(cluster(), strategy="host_entry"))
    said = [str(item.object) for item in entries.findings if item.code == "MLB224" and f"namespace {EDGE}" in item.message]
    assert said == ["Ingress one/shop", "Ingress two/shop"]
