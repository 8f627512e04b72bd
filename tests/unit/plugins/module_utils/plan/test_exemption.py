# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load balancers outside of the cluster in standalone mode: what is said of their routes, and the least exemption."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.apply.routing import is_owned, routing_changes
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.plan.routing import PlanOptions
from ansible_collections.meshlb.istio.plugins.module_utils.runs.session import ledger_of, without

from tests.unit.plugins.module_utils.balancers.gateways import gateway, gateway_class, listener, route, rule, to_service
from tests.unit.plugins.module_utils.balancers.support import data_plane, noted
from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    Obj,
    backend,
    ingress,
    ingress_class,
    live,
    namespace,
    obj,
    path,
    peer_authentication,
    pod,
    service,
    workload,
)
from tests.unit.plugins.module_utils.support.known import about_outside, detect, plan_routes, with_exemptions
from tests.unit.plugins.module_utils.support.parts import ROUTING
from tests.unit.plugins.module_utils.support.planning import Run, contents, taken_back

PREFIX = "alb.ingress.kubernetes.io"
STRICT = peer_authentication("STRICT", where=APPS)


def world(*objects: Obj) -> Snapshot:
    alb = ingress_class("alb", "ingress.k8s.aws/alb")
    return live(namespace(APPS), alb, service("shop"), pod("shop"), ingress("a", path(backend("shop")), class_name="alb"), *objects)


def run(snapshot: Snapshot, *, exempt: bool = True) -> Run:
    balancers, base = detect(snapshot)[0], without(snapshot, ROUTING)
    plan = plan_routes(snapshot, base, balancers, PlanOptions(), partial(is_owned, ROUTING))
    plan = with_exemptions(base, plan, balancers) if exempt else plan
    changes, findings = routing_changes(ledger_of(snapshot, ROUTING), plan, {item.label for item in balancers}, lambda obj: True)
    return Run(plan, changes, [*findings, *about_outside(snapshot, plan, balancers)], snapshot.after(changes))


def test_what_holds_is_said() -> None:
    (told,) = (item for item in run(world(), exempt=False).findings if item.code == "MLB614")
    assert "1 of 1 routes work without mutual TLS" in told.message and told.severity == "info"
    (told,) = (item for item in run(world(STRICT), exempt=False).findings if item.code == "MLB614")
    assert "1 are refused" in told.message and "port 8080 of the pods behind apps/shop" in told.message
    assert run(world(STRICT), exempt=False).written == []


def test_a_platforms_own_pods_that_can_have_no_sidecar_are_outside_too() -> None:
    router = data_plane("router-default", image="openshift/origin-haproxy-router:v4.0.0", where="openshift-ingress")
    led = obj("route.openshift.io/v1", "Route", APPS, "shop", spec={"host": "shop.example.com", "to": {"kind": "Service", "name": "shop"}})
    cluster = live(namespace(APPS), router, led, service("shop"), pod("shop"), STRICT)
    (told,) = (item for item in run(cluster, exempt=False).findings if item.code == "MLB614")
    assert "strict_exemption would open port 8080 of the pods behind apps/shop" in told.message
    done = run(cluster)
    assert done.written == [f"create PeerAuthentication {APPS}/meshlb-exemption-shop-8080"]
    assert contents(taken_back(done.after)) == contents(cluster)


def test_the_least_exemption_is_one_port_of_one_workload() -> None:
    snapshot = world(STRICT)
    done = run(snapshot)
    assert done.written == [f"create PeerAuthentication {APPS}/meshlb-exemption-shop-8080", f"patch Service {APPS}/shop"]
    assert done.body("PeerAuthentication")["spec"] == {
        "selector": {"matchLabels": {"app": "shop"}}, "portLevelMtls": {"8080": {"mode": "PERMISSIVE"}}}  # fmt: skip
    (route,) = done.plan.routes
    assert (route.before.verdict, route.after.verdict, route.strategy) == ("refused", "plaintext", "port_exemption")
    notes = done.after.get("Service", APPS, "shop")["metadata"]["annotations"]  # type: ignore[index]
    assert notes[f"{PREFIX}/healthcheck-port"] == "15021" and notes[f"{PREFIX}/healthcheck-path"] == "/healthz/ready"
    (opened,) = (item for item in done.plan.findings if item.code == "MLB615")
    assert str(opened.cause) == f"PeerAuthentication {APPS}/meshlb-exemption-shop-8080"
    assert run(done.after).written == []
    assert contents(taken_back(done.after)) == contents(snapshot)


OWN = peer_authentication("STRICT", where=APPS, name="own", selector={"app": "shop"})


@pytest.mark.parametrize("own", [OWN])
def test_a_policy_that_decides_already_gets_the_port(own: Obj) -> None:
    done = run(world(own))
    assert not any(item.object.kind == "PeerAuthentication" and item.action == "create" for item in done.changes)
    spec: dict[str, Any] = done.after.get("PeerAuthentication.security.istio.io", APPS, "own")["spec"]  # type: ignore[index]
    assert spec["portLevelMtls"] == {"8080": {"mode": "PERMISSIVE"}} and spec["mtls"] == {"mode": "STRICT"}
    assert run(done.after).written == []


def test_who_can_do_more_is_named() -> None:
    (told,) = (item for item in run(world(STRICT), exempt=False).findings if item.code == "MLB614")
    assert "mutual TLS: no (Azure Application Gateway for Containers can)" in told.message
    (alb,) = detect(world())[0]
    assert "strict_exemption" in alb.mode("standalone_plaintext").why
    assert "Azure Application Gateway for Containers can do more" in alb.mode("standalone_mtls").why


def routed(*objects: Obj, controller: str = "alb.networking.azure.io/alb-controller") -> Snapshot:
    """A route of the one platform that may speak mutual TLS by itself: no sidecar can help it all the same."""
    agc = [gateway_class(controller, "agc"), gateway(listener(), name="front", where=APPS, class_name="agc")]
    leads = route("shop", rule(to_service("shop")), parents=[{"name": "front"}], where=APPS)
    return live(namespace(APPS), *agc, leads, service("shop"), pod("shop"), *objects)


def test_what_needs_a_sidecar_is_never_planned_for_a_platform() -> None:
    (plan,) = run(routed(STRICT), exempt=False).plan.routes
    assert (plan.before.verdict, plan.after.verdict, plan.strategy) == ("refused", "refused", "none")
    done = run(routed(STRICT))
    assert [(item.after.verdict, item.strategy) for item in done.plan.routes] == [("plaintext", "port_exemption")]
    assert run(routed(), exempt=False).written == []


def test_with_its_extension_nothing_is_certain_of_a_platform() -> None:
    extension = workload("alb-controller-istio-extension", where="azure-alb-system")
    snapshot = routed(namespace(APPS, istio_injection="enabled"), STRICT, extension)
    (plan,) = run(snapshot).plan.routes
    assert (plan.before.verdict, plan.after.verdict) == ("unknown", "unknown") and "extension" in plan.before.why
    assert run(snapshot).written == []
    (plan,) = run(routed(STRICT, extension), exempt=False).plan.routes
    assert plan.before.verdict == "refused"


def test_the_check_is_of_the_kind_that_the_route_is_of() -> None:
    done = run(routed(STRICT, controller="gateway.k8s.aws/alb"))
    assert [item.partition(f" {APPS}/")[0] for item in done.written] == ["create TargetGroupConfiguration", "create PeerAuthentication"]
    assert run(done.after).written == []


def test_a_group_gets_its_check_without_being_asked_which_port() -> None:
    grouped = noted(service("shop"), **{"cloud.google.com/neg": '{"exposed_ports": {"80": {"name": "x"}}}'})
    done = run(live(namespace(APPS), grouped, pod("shop"), STRICT))
    assert done.written == [f"create PeerAuthentication {APPS}/meshlb-exemption-shop-8080"]
    said = [item for item in done.plan.findings if item.code in ("MLB203", "MLB613")]
    assert len(said) == 1 and "health-checks create http" in said[0].message


def test_nothing_where_nothing_is_refused() -> None:
    assert run(world()).written == []
