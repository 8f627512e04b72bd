# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reason of every change says what the object is for: of each strategy, of the exemption, and of what goes with them."""

from __future__ import annotations

from functools import partial

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.apply.routing import is_owned, routing_changes
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.plan.pins import Wishes
from ansible_collections.meshlb.istio.plugins.module_utils.plan.routing import PlanOptions
from ansible_collections.meshlb.istio.plugins.module_utils.runs.session import ledger_of, without

from tests.unit.plugins.module_utils.balancers.emissary.support import CERTIFICATES, mapping
from tests.unit.plugins.module_utils.balancers.emissary.support import cluster as emissary
from tests.unit.plugins.module_utils.balancers.gateways import gateway, gateway_class, route, rule, to_service
from tests.unit.plugins.module_utils.balancers.support import data_plane, meshed
from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    PUBLIC,
    Obj,
    backend,
    cluster,
    destination_rule,
    ingress,
    ingress_class,
    live,
    namespace,
    obj,
    path,
    peer_authentication,
    pod,
    port,
    service,
)
from tests.unit.plugins.module_utils.support.known import detect, plan_routes, with_exemptions
from tests.unit.plugins.module_utils.support.parts import ROUTING

MUTUAL = "has the load balancer's sidecar send mutual TLS to {}"
IN_THE_MESH = f"tells the load balancer's namespace that {PUBLIC} is in the mesh"
REACH = "routes of this object reach their Services by {}"
SHARED = REACH.format("the plan of the routes that they share an upstream with")
OUTSIDE = "lets a load balancer outside of the cluster in to one port, without mutual TLS"
NOT_IN_THE_MESH = "lets a load balancer outside the mesh in to one port, without mutual TLS"
CHECKED = "has {} check the health of these pods at the sidecar's status port"

STRICT = peer_authentication("STRICT", where=APPS)
OWN = peer_authentication("STRICT", where=APPS, name="own", selector={"app": "shop"})
CAPTURES_NOTHING = {f"traffic.sidecar.istio.io/{key}": "" for key in ("includeOutboundIPRanges", "includeInboundPorts")}


def nginx() -> Snapshot:
    return cluster(service("shop", port("http", 8000)), pod("shop"), ingress("a", path(backend("shop", 8000))))


def mixed() -> Snapshot:
    """One Ingress, of which the Host of one route has to be known in the mesh, and the other has none; no twin can be made."""
    both = ingress("a", path(backend("shop")))
    both["spec"]["rules"] += ingress("a", path(backend("raw")), host="")["spec"]["rules"]
    taken = destination_rule("x.example.org", name="shop0meshlb")
    return cluster(service("shop"), pod("shop"), service("raw", port("web")), pod("raw"), taken, both)


def emissaries() -> Snapshot:
    return emissary(mapping("a", "shop:80"), env=CERTIFICATES, annotations=CAPTURES_NOTHING)


def kong() -> Snapshot:
    own = data_plane("kong", image="kong:3.9", env=("KONG_PROXY_LISTEN", "KONG_DATABASE"))
    controller = data_plane("controller", image="kong/kubernetes-ingress-controller:3.4", env=("CONTROLLER_PUBLISH_SERVICE",))
    return meshed(own, controller, service("shop"), pod("shop"), ingress("a", path(backend("shop")), class_name="kong"))


def gke(*objects: Obj) -> Snapshot:
    """A platform that takes its health check from a policy object."""
    leads = route("a", rule(to_service("shop")), parents=[{"name": "gw"}])
    return live(
        namespace(APPS), gateway_class("networking.gke.io/gateway"), gateway(where=APPS), leads, service("shop"), pod("shop"), *objects
    )


def alb(*objects: Obj) -> Snapshot:
    """A platform that takes its health check from annotations of the Service."""
    leads = ingress("a", path(backend("shop")), class_name="alb")
    return live(namespace(APPS), ingress_class("alb", "ingress.k8s.aws/alb"), leads, service("shop"), pod("shop"), *objects)


def openshift() -> Snapshot:
    """A platform's own pods, which are in the cluster and can have no sidecar."""
    router = data_plane("router-default", image="openshift/origin-haproxy-router:v4.0.0", where="openshift-ingress")
    leads = obj("route.openshift.io/v1", "Route", APPS, "a", spec={"host": PUBLIC, "to": {"kind": "Service", "name": "shop"}})
    return live(namespace(APPS), router, leads, service("shop"), pod("shop"), STRICT)


GKE, ALB = CHECKED.format("GKE Gateway"), CHECKED.format("AWS Application Load Balancer")
CASES: dict[str, tuple[Snapshot, str, dict[str, str]]] = {
    "service_vip": (mixed(), "service_vip", {"patch Ingress": REACH.format("service_vip")}),
    "two strategies for one object": (mixed(), "auto", {
        "create ServiceEntry": IN_THE_MESH, "create DestinationRule": MUTUAL.format(PUBLIC),
        "patch Ingress": REACH.format("host_entry, service_vip")}),
    "host_entry": (nginx(), "host_entry", {"create ServiceEntry": IN_THE_MESH, "create DestinationRule": MUTUAL.format(PUBLIC)}),
    "headless_twin": (nginx(), "headless_twin", {
        "create Service": "makes the addresses of the pods known to the load balancer's sidecar",
        "create DestinationRule": MUTUAL.format("shop0meshlb.apps.svc.cluster.local")}),
    "host_alias": (nginx(), "host_alias", {
        "create VirtualService": IN_THE_MESH, "create ServiceEntry": IN_THE_MESH, "patch Ingress": REACH.format("host_alias")}),
    "host_rewrite": (nginx(), "host_rewrite", {"patch Ingress": REACH.format("host_rewrite")}),
    "certs_only": (emissaries(), "certs_only", {
        "create TLSContext": "gives the load balancer the mesh's certificate and root", "patch Mapping": REACH.format("certs_only")}),
    "an upstream that routes share": (kong(), "host_rewrite", {"patch Ingress": REACH.format("host_rewrite"), "patch Service": SHARED}),
    "an exemption, and a health check that is an object": (
        gke(STRICT), "auto", {"create PeerAuthentication": OUTSIDE, "create HealthCheckPolicy": GKE}),
    "a policy that is there gets the exemption": (
        gke(OWN), "auto", {"patch PeerAuthentication": OUTSIDE, "create HealthCheckPolicy": GKE}),
    "an exemption, and a health check by annotations": (
        alb(STRICT), "auto", {"create PeerAuthentication": OUTSIDE, "patch Service": ALB}),
    "an exemption for pods of the cluster": (openshift(), "auto", {"create PeerAuthentication": NOT_IN_THE_MESH}),
}  # fmt: skip


@pytest.mark.parametrize(("snapshot", "strategy", "expected"), CASES.values(), ids=CASES)
def test_the_reason_fits_the_object(snapshot: Snapshot, strategy: str, expected: dict[str, str]) -> None:
    balancers, base = detect(snapshot)[0], without(snapshot, ROUTING)
    routes = plan_routes(snapshot, base, balancers, PlanOptions(Wishes(strategy)), partial(is_owned, ROUTING))
    plan = with_exemptions(base, routes, balancers)
    changes = routing_changes(ledger_of(snapshot, ROUTING), plan, {item.label for item in balancers}, lambda obj: True)[0]
    assert {f"{item.action} {item.object.kind}": item.why for item in changes} == expected
