# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of gateway api share."""

from __future__ import annotations

from typing import Any

from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.gateway.routes import read_gateway_routes
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.objects import BackendHandling
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Finding, LoadBalancer, Route
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.unit.plugins.module_utils.balancers.gateways import (
    GROUP,
    gateway,
    gateway_class,
    grant,
    listener,
    rewrite,
    route,
    rule,
    to_service,
)
from tests.unit.plugins.module_utils.support.cluster import APPS, EDGE, PUBLIC, Obj, live, namespace, obj, service

CONTROLLER = "example.com/controller"

BALANCER = LoadBalancer("lb", EDGE, "any", "Any")

SHOP, OTHER = service("shop"), service("other")

TO_SHOP = rule(to_service("shop"))

SHOP_NAME = "shop.apps.svc.cluster.local"


def clusters(*objects: Obj) -> Snapshot:
    return live(namespace(EDGE), namespace(APPS, team="a"), SHOP, OTHER, gateway_class(CONTROLLER), *objects)


def read(
    snapshot: Snapshot, decide: Any = lambda place: BackendHandling(), only: Any = None, **more: Any
) -> tuple[list[Route], list[Finding]]:
    found = read_gateway_routes(snapshot, BALANCER, only, {CONTROLLER}, lambda balancer, place: decide(place), **more)
    return list(found.routes), list(found.findings)


def routes(*objects: Obj, **more: Any) -> list[Route]:
    return read(clusters(*objects), **more)[0]


def hosts(*objects: Obj) -> list[str]:
    return [item.host for item in routes(*objects)]


ENDS = {"certificateRefs": [{"name": "tls"}]}

SAME = {"allowedRoutes": {"namespaces": {"from": "Same"}}}

SELECTOR = {"allowedRoutes": {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}}}

OTHERS = {"allowedRoutes": {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "b"}}}}}

NAMED = {"allowedRoutes": {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"kubernetes.io/metadata.name": APPS}}}}}

GRPC_ONLY = {"allowedRoutes": {"namespaces": {"from": "All"}, "kinds": [{"kind": "GRPCRoute"}]}}

HTTP_TOO = {"allowedRoutes": {"namespaces": {"from": "All"}, "kinds": [{"group": GROUP, "kind": "HTTPRoute"}]}}

ELSEWHERE = [{"name": "gw", "namespace": "nowhere"}]

A = route("a", TO_SHOP)

ATTACHED: dict[str, tuple[list[Obj], list[str]]] = {
    "by name": ([gateway(), A], [PUBLIC]),
    "to no Gateway of that name": ([gateway(name="x"), A], []),
    "to no Gateway of that namespace": ([gateway(), route("a", TO_SHOP, parents=ELSEWHERE)], []),
    "in the route's own namespace": ([gateway(where=APPS), route("a", TO_SHOP, parents=[{"name": "gw"}])], [PUBLIC]),
    "a class of another controller": ([gateway_class("else", "x"), gateway(class_name="x"), A], []),
    "a class that does not exist": ([gateway(class_name="x"), A], []),
    "to a Service (another kind of parent)": (
        [gateway(), route("a", TO_SHOP, parents=[{"group": "", "kind": "Service", "name": "gw", "namespace": EDGE}])], []),
    "by section": ([gateway(), route("a", TO_SHOP, parents=[{"name": "gw", "namespace": EDGE, "sectionName": "web"}])], [PUBLIC]),
    "by another section": ([gateway(), route("a", TO_SHOP, parents=[{"name": "gw", "namespace": EDGE, "sectionName": "x"}])], []),
    "by port": ([gateway(), route("a", TO_SHOP, parents=[{"name": "gw", "namespace": EDGE, "port": 80}])], [PUBLIC]),
    "by another port": ([gateway(), route("a", TO_SHOP, parents=[{"name": "gw", "namespace": EDGE, "port": 81}])], []),
    "twice, and read once": ([gateway(listener(), listener("tls", "HTTPS", 443)), A], [PUBLIC]),
    "from the same namespace only": ([gateway(listener(**SAME)), A], []),
    "the default is the same namespace": ([gateway({"name": "web", "protocol": "HTTP", "port": 80}), A], []),
    "from the same namespace": ([gateway(listener(**SAME), where=APPS), route("a", TO_SHOP, parents=[{"name": "gw"}])], [PUBLIC]),
    "by the namespace's labels": ([gateway(listener(**SELECTOR)), A], [PUBLIC]),
    "by other labels": ([gateway(listener(**OTHERS)), A], []),
    "by the namespace's name": ([gateway(listener(**NAMED)), A], [PUBLIC]),
    "of another kind": ([gateway(listener(**GRPC_ONLY)), A], []),
    "of its kind": ([gateway(listener(**HTTP_TOO)), A], [PUBLIC]),
    "on a listener of another protocol": ([gateway(listener(protocol="TCP")), A], []),
    "with no parents": ([gateway(), route("a", TO_SHOP, parents=[])], []),
}  # fmt: skip

BACKENDS: dict[str, tuple[Obj, list[Obj], list[tuple[str, int]], list[str]]] = {
    "a Service": (to_service("shop"), [], [("shop", 80)], []),
    "a port that it lacks": (to_service("shop", 81), [], [("shop", 81)], []),
    "a Service that does not exist": (to_service("missing"), [], [("missing", 80)], []),
    "another kind": (to_service("shop", group="multicluster.x-k8s.io", kind="ServiceImport"), [], [], ["MLB208"]),
    "another namespace": (to_service("far", namespace="far"), [], [], ["MLB218"]),
    "another namespace, granted": (to_service("far", namespace="far"), [grant("far")], [("far", 80)], []),
    "granted by name": (to_service("far", namespace="far"), [grant("far", service="far")], [("far", 80)], []),
    "granted for another": (to_service("far", namespace="far"), [grant("far", service="x")], [], ["MLB218"]),
    "granted to others": (to_service("far", namespace="far"), [grant("far", source="x")], [], ["MLB218"]),
    "granted to another kind": (to_service("far", namespace="far"), [grant("far", kind="TCPRoute")], [], ["MLB218"]),
    "granted elsewhere": (to_service("far", namespace="far"), [grant("else")], [], ["MLB218"]),
}


def modifier(name: str, value: str, how: str = "set") -> Obj:
    return {"type": "RequestHeaderModifier", "requestHeaderModifier": {how: [{"name": name, "value": value}]}}


def policy(name: str = "shop", section: str = "", **spec: Any) -> Obj:
    target = {"group": "", "kind": "Service", "name": name, **({"sectionName": section} if section else {})}
    return obj(f"{GROUP}/v1", "BackendTLSPolicy", APPS, "p", spec=spec or {"targetRefs": [target]})


SWITCHED: dict[str, tuple[Obj, list[Obj] | None, str]] = {
    "no filters": (TO_SHOP, [rewrite(SHOP_NAME)], ""),
    "other filters": (rule(to_service("shop"), filters=[modifier("X", "y")]), [modifier("X", "y"), rewrite(SHOP_NAME)], ""),
    "a rewritten path": (rule(to_service("shop"), filters=[rewrite(path={"a": "b"})]), [rewrite(SHOP_NAME, path={"a": "b"})], ""),
    "the same already": (rule(to_service("shop"), filters=[rewrite(SHOP_NAME)]), None, ""),
    "another host": (rule(to_service("shop"), filters=[rewrite("x.example.com")]), None, "sends Host x.example.com, the plan needs"),
    "another host by header": (rule(to_service("shop"), filters=[modifier("Host", "x")]), None, "sends Host x, the plan needs"),
    "another host of the backend": (rule(to_service("shop", filters=[rewrite("x")])), None, "sends Host x, the plan needs"),
    "two backends": (rule(to_service("shop"), to_service("other")), None, "has several backends"),
}
