# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What could not be read is not absent: what was written for it stays, and nothing is said about it with confidence."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import REGISTRY
from ansible_collections.meshlb.istio.plugins.module_utils.core.marks import ROUTE_KINDS
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import replace
from ansible_collections.meshlb.istio.plugins.module_utils.kube import kinds
from ansible_collections.meshlb.istio.plugins.module_utils.kube.objects import kind_key
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot, Source
from ansible_collections.meshlb.istio.plugins.module_utils.runs import routing as routing_run
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.routing import RoutingOptions
from ansible_collections.meshlb.istio.plugins.module_utils.runs.session import needed_kinds

from tests.unit.plugins.module_utils.balancers.traefik.cluster import cluster, entry, ingress_route
from tests.unit.plugins.module_utils.support.cluster import APPS, obj, pod, port
from tests.unit.plugins.module_utils.support.known import detect

Obj = dict[str, Any]
ROUTE, MIDDLEWARE = "IngressRoute.traefik.io", "Middleware.traefik.io"
HTTP_ROUTE = "HTTPRoute.gateway.networking.k8s.io"
EVERYTHING = frozenset({*kinds.BASE, *REGISTRY.route_kinds()})


def ingress(name: str, host: str, service: str) -> Obj:
    backend = {"service": {"name": service, "port": {"number": 80}}}
    rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    return obj("networking.k8s.io/v1", "Ingress", APPS, name, spec={"ingressClassName": "traefik", "rules": [rule]})


def before() -> Snapshot:
    """Traefik with a route of its own kind and an Ingress, each to a Service of its own."""
    services = [
        obj("v1", "Service", APPS, name, spec={"selector": {"app": name}, "clusterIP": f"10.9.0.{number}", "ports": [port()]})
        for number, name in enumerate(("web", "shop"), 1)
    ]
    routes = (ingress_route("web", ("Host(`web.example.com`)", [entry("web")])), ingress("shop", "shop.example.com", "shop"))
    return live(cluster(*services, pod("web"), pod("shop"), *routes))


def live(snapshot: Snapshot, **source: Any) -> Snapshot:
    return Snapshot(snapshot.everything(), Source(**{"available": EVERYTHING, **source}))


def decided(snapshot: Snapshot, **options: Any) -> routing_run.RoutingDecision:
    found, dummy = detect(snapshot)
    scene = routing_run.RoutingScene(snapshot, REGISTRY, found, found, RoutingOptions(**options))
    return routing_run.planned(scene)


def done(**options: Any) -> Snapshot:
    """The cluster after an honest run."""
    snapshot = before()
    changes = decided(snapshot, **options).changes
    assert changes
    return live(snapshot.after(changes))


def without(snapshot: Snapshot, kind: str, **source: Any) -> Snapshot:
    """The same where a kind is not in the picture."""
    rest = [item for item in snapshot.everything() if kind_key(item["apiVersion"], item["kind"]) != kind]
    return Snapshot(rest, replace(snapshot.source, **source))


def refused(snapshot: Snapshot, kind: str) -> Snapshot:
    return without(snapshot, kind, denied={kind: f"Not allowed to list {kind}."})


def vanished(snapshot: Snapshot, kind: str) -> Snapshot:
    found = without(snapshot, kind, available=EVERYTHING - {kind})
    missed = needed_kinds(found)
    return without(found, kind, gone={kind: missed[kind]} if kind in missed else {})


def codes(decision: routing_run.RoutingDecision) -> set[str]:
    return {item.code for item in decision.findings}


def verdicts(decision: routing_run.RoutingDecision) -> dict[str, str]:
    return {item.route.host: item.after.verdict for item in decision.routes}


def test_what_is_created_notes_the_kinds_of_its_routes() -> None:
    noted = {
        item["metadata"]["name"]: item["metadata"]["annotations"][ROUTE_KINDS]
        for item in done().all(kinds.SERVICE_ENTRY) if "annotations" in item["metadata"]
    }
    assert noted == {"meshlb-entry-web.example.com": ROUTE, "meshlb-entry-shop.example.com": kinds.INGRESS}
    assert decided(done()).changes == []


@pytest.mark.parametrize("hide", [refused, vanished])
@pytest.mark.parametrize("strategy", ["auto", "headless_twin", "host_entry"])
def test_what_serves_routes_of_an_unknown_kind_stays(hide: Any, strategy: str) -> None:
    decision = decided(hide(done(strategy=strategy), ROUTE), strategy=strategy)
    assert decision.changes == []
    assert "MLB111" in codes(decision)
    assert verdicts(decision) == {"shop.example.com": "mutual_tls"}


@pytest.mark.parametrize("hide", [refused, vanished])
def test_other_routes_are_planned_as_usual_meanwhile(hide: Any) -> None:
    snapshot = hide(done(), ROUTE)
    more = obj("v1", "Service", APPS, "new", spec={"selector": {"app": "new"}, "clusterIP": "10.9.0.9", "ports": [port()]})
    gone = (kinds.INGRESS, APPS, "shop")
    decision = decided(snapshot.overlay([more, pod("new"), ingress("new", "new.example.com", "new")], [gone]))
    assert sorted(f"{item.action} {item.object.name}" for item in decision.changes) == [
        "create meshlb-entry-new.example.com", "create meshlb-entry-new.example.com",
        "delete meshlb-entry-shop.example.com", "delete meshlb-entry-shop.example.com",
    ]


def test_a_kind_that_says_how_routes_are_served_leaves_them_unknown() -> None:
    decision = decided(refused(done(), MIDDLEWARE))
    assert decision.changes == []
    assert verdicts(decision) == {"web.example.com": "unknown", "shop.example.com": "mutual_tls"}
    assert next(item.after.why for item in decision.routes if item.route.host == "web.example.com").startswith(MIDDLEWARE)
    assert verdicts(decided(refused(before(), MIDDLEWARE)))["web.example.com"] == "unknown"


@pytest.mark.parametrize("kind", [HTTP_ROUTE, "TLSRoute.gateway.networking.k8s.io", "ReferenceGrant.gateway.networking.k8s.io"])
@pytest.mark.parametrize("hide", [refused, vanished])
def test_a_kind_that_no_route_needs_changes_nothing(hide: Any, kind: str) -> None:
    honest = decided(before())
    assert verdicts(decided(hide(before(), kind))) == verdicts(honest)
    assert [str(item.object) for item in decided(hide(before(), kind)).changes] == [str(item.object) for item in honest.changes]
    assert decided(hide(done(), kind)).changes == []
    assert "MLB111" not in codes(decided(hide(done(), kind)))


@pytest.mark.parametrize("kind", [*kinds.ISTIO, kinds.ENDPOINT_SLICE])
@pytest.mark.parametrize("hide", [refused, vanished])
def test_without_the_meshs_kinds_nothing_is_known_and_nothing_changes(hide: Any, kind: str) -> None:
    if kind in (kinds.ENDPOINT_SLICE, *kinds.WITHOUT_IF_UNSERVED) and hide is vanished:
        return
    for snapshot in (before(), done(strategy="host_entry")):
        decision = decided(hide(snapshot, kind))
        assert decision.changes == []
        assert set(verdicts(decision).values()) == {"unknown"}
        assert all(kind in item.after.why for item in decision.routes)


def test_settings_that_cannot_be_read_leave_everything_as_it_is() -> None:
    snapshot = without(done(), "", closed=frozenset({"istio-system"}))
    decision = decided(snapshot)
    assert decision.changes == []
    assert set(verdicts(decision).values()) == {"unknown"}
    assert decided(without(done(), "", closed=frozenset({"elsewhere"}))).findings == decided(done()).findings


def unnoted(snapshot: Snapshot) -> Snapshot:
    """As an earlier release left it."""
    found = []
    for item in snapshot.everything():
        annotations = {key: value for key, value in (item["metadata"].get("annotations") or {}).items() if key != ROUTE_KINDS}
        found.append({**item, "metadata": {**item["metadata"], "annotations": annotations}})
    return Snapshot(found, snapshot.source)


@pytest.mark.parametrize("kind", [ROUTE, HTTP_ROUTE])
def test_what_an_earlier_release_wrote_stays_while_a_kind_is_refused(kind: str) -> None:
    assert decided(refused(unnoted(done()), kind)).changes == []


def test_what_an_earlier_release_wrote_is_noted_once_and_not_removed_for_a_kind_that_is_not_served() -> None:
    decision = decided(vanished(unnoted(done()), ROUTE))
    assert {f"{item.action} {item.object.name}" for item in decision.changes} == {"patch meshlb-entry-shop.example.com"}
    assert {item.object.name for item in decision.findings if item.code == "MLB112" and item.object} == {"meshlb-entry-web.example.com"}


@pytest.mark.parametrize("kind", sorted(kinds.WITHOUT_IF_UNSERVED))
def test_a_kind_that_istiod_does_without_is_none_where_it_is_not_served(kind: str) -> None:
    assert set(verdicts(decided(vanished(done(), kind))).values()) == {"mutual_tls"}
    assert set(verdicts(decided(refused(done(), kind))).values()) == {"unknown"}
