# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Profiles as data: the documentation's own example is what is tested here."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.meshlb.istio.plugins.module_utils.apply.ownership import take_back
from ansible_collections.meshlb.istio.plugins.module_utils.apply.routing import is_owned, routing_changes
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.profile import preceded_by
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.custom.profile import custom_profiles
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import REGISTRY
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.detect.load_balancers import detect
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot, Source
from ansible_collections.meshlb.istio.plugins.module_utils.plan.pins import Wishes
from ansible_collections.meshlb.istio.plugins.module_utils.plan.routing import PlanOptions, plan_routes
from ansible_collections.meshlb.istio.plugins.module_utils.plan.writes import service_routing
from ansible_collections.meshlb.istio.plugins.module_utils.runs.session import ledger_of, without

from tests.unit.plugins.module_utils.support.cluster import APPS, EDGE, container, obj, pod, port, workload

PAGE = Path(__file__).parents[6] / "docs" / "custom_profiles.md"
ACME = "acme.example"


def example() -> list[dict[str, Any]]:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    found: list[dict[str, Any]] = yaml.safe_load(blocks[0])["custom_profiles"]
    return found


def cluster(*more: dict[str, Any], image: str = "registry.corp/mirror/acme/edge-proxy:2.4") -> Snapshot:
    service = {"selector": {"app": "shop"}, "clusterIP": "10.0.0.1", "ports": [port("", 80, 8080)]}
    rules = [{"host": "a.example.com", "http": {"paths": [
        {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "shop", "port": {"number": 80}}}}]}}]
    edge_rules = [{"host": "b.example.com", "routes": [{"prefix": "/x", "to": {"service": "shop", "port": 80}}]}]
    objects = [
        workload("edge", where=EDGE, containers=[container("proxy", image=image)], annotations={
            "traffic.sidecar.istio.io/includeInboundPorts": ""}, pod_labels={"sidecar.istio.io/inject": "true"}),
        obj("networking.k8s.io/v1", "IngressClass", "", "acme", spec={"controller": "acme.example/ingress"}),
        obj("networking.k8s.io/v1", "Ingress", APPS, "shop", spec={"ingressClassName": "acme", "rules": rules}),
        obj("acme.example/v1", "EdgeRoute", APPS, "shop", spec={"rules": edge_rules}),
        obj("v1", "Service", APPS, "shop", spec=service),
        pod("shop"),
        *more,
    ]
    return Snapshot(objects, Source(live=False))


OWN = preceded_by(custom_profiles(example()), REGISTRY)
PART = service_routing(OWN)


def test_it_is_recognised_and_its_routes_are_read() -> None:
    found, findings = detect(cluster(), OWN)
    assert [(item.vendor, item.title, item.version, item.classes) for item in found] == [("acme", "ACME Edge", "2.4", ("acme",))]
    assert not findings


def test_without_the_profile_it_is_unknown() -> None:
    found, findings = detect(Snapshot(cluster().all("IngressClass.networking.k8s.io"), Source(live=False)), REGISTRY)
    assert [item.vendor for item in found] == ["unknown"] and [item.code for item in findings] == ["MLB102"]


def planned(snapshot: Snapshot, strategy: str) -> Any:
    found, dummy = detect(snapshot, OWN)
    return found, plan_routes(snapshot, without(snapshot, PART), OWN, found, PlanOptions(Wishes(strategy)), partial(is_owned, PART))


@pytest.mark.parametrize("strategy", ["service_vip", "host_rewrite", "host_entry", "headless_twin"])
def test_strategies_serve_both_kinds_of_route(strategy: str) -> None:
    snapshot = cluster()
    found, plan = planned(snapshot, strategy)
    verdicts = {item.route.host: item.after.verdict for item in plan.routes}
    # The kind of its own names no setting for the Host, so that rewriting serves Ingresses alone.
    assert verdicts == {"a.example.com": "mutual_tls", "b.example.com": "mutual_tls" if strategy != "host_rewrite" else "plaintext"}
    changes, dummy = routing_changes(ledger_of(snapshot, PART), plan, [item.label for item in found], lambda item: True)
    after = snapshot.after(changes)
    ledger = ledger_of(after, PART)
    again, dummy = routing_changes(ledger, planned(after, strategy)[1], [item.label for item in found], lambda item: True)
    assert changes and not again
    back, dummy = take_back(ledger)
    restored = after.after(back)
    for kind in ("Ingress.networking.k8s.io", "EdgeRoute.acme.example", "Service"):
        assert restored.all(kind) == snapshot.all(kind)


def test_service_routing_writes_what_the_profile_says() -> None:
    snapshot = cluster()
    found, plan = planned(snapshot, "service_vip")
    changes, dummy = routing_changes(ledger_of(snapshot, PART), plan, [item.label for item in found], lambda item: True)
    after = snapshot.after(changes)
    ingress, route = (after.get(kind, APPS, "shop") or {} for kind in ("Ingress.networking.k8s.io", "EdgeRoute.acme.example"))
    assert ingress["metadata"]["annotations"]["acme.example/use-service"] == "true" and route["spec"]["viaService"] is True


def test_another_value_is_a_conflict() -> None:
    route = obj("acme.example/v1", "EdgeRoute", APPS, "shop", spec={"viaService": False, "rules": [
        {"host": "b.example.com", "routes": [{"prefix": "/x", "to": {"service": "shop", "port": 80}}]}]})
    dummy, plan = planned(cluster(route), "service_vip")
    assert any("viaService is False" in item.message for item in plan.findings if item.code == "MLB202")


def broken(**fields: Any) -> list[dict[str, Any]]:
    return [{**example()[0], **fields}]


@pytest.mark.parametrize(("data", "message"), [
    ([{"title": "x"}], "custom_profiles[1] has no id."),
    (broken(nonsense=1), "custom_profiles[1] (acme) has unknown field 'nonsense'."),
    (broken(recognise={}, class_controllers=[]), "custom_profiles[1] (acme) says nothing by which it could be recognised."),
    (broken(routes=[{"kind": "X.y"}]), "custom_profiles[1] (acme).routes[1] has no items, and X.y is no Ingress."),
    (broken(routes=[{"kind": "X.y", "items": "a["}]), "custom_profiles[1] (acme).routes[1].items is no JMESPath expression"),
    (broken(routes=[{"kind": "X.y", "items": "a", "set_host": [{"path": "x", "value": 1}]}]), "needs a path (a list of keys) and a value"),
    (broken(routes=[{"kind": "X.y", "items": "a", "set_host": [{"on": "pod", "path": ["x"], "value": 1}]}]), "set_host[1].on is 'pod'"),
    (broken(title=3), "custom_profiles[1] (acme).title is 3, where text is expected."),
    (example() * 2, "custom_profiles has two profiles with id 'acme'."),
])
def test_mistakes_are_named(data: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(MeshlbError) as caught:
        custom_profiles(data)
    assert message in caught.value.message
