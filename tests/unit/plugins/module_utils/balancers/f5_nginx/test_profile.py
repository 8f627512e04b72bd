# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""F5's NGINX Ingress Controller: its kinds, its switches, and which strategies serve which of its routes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.balancers.support import (
    CART_NAME,
    HTTP,
    SHOP_NAME,
    data_plane,
    meshed,
    outcomes,
    patches,
    reading,
    served_by,
    shown,
    switches,
    undeclared,
    validated_after,
)
from tests.unit.plugins.module_utils.support.cluster import APPS, Obj, backend, ingress, ingress_class, obj, path

F5 = "f5_nginx"
HOST = "cafe.example.com"
CONTROLLER = ingress_class("nginx", "nginx.org/ingress-controller")


def controller(*args: str, image: str = "nginx/nginx-ingress:5.6.0") -> Obj:
    return data_plane("f5", "-nginx-configmaps=edge/f5", *args, image=image)


def upstream(name: str = "shop", service: str = "shop", port: int = 80, **more: Any) -> Obj:
    return {"name": name, "service": service, "port": port, **{key.replace("_", "-"): value for key, value in more.items()}}


def to(name: str, host: str = "", **more: Any) -> Obj:
    """An action: a plain pass, or a proxy that sends a Host."""
    if not host and not more:
        return {"pass": name}
    headers = {"requestHeaders": {"set": [{"name": "host", "value": host}]}} if host else {}
    return {"proxy": {"upstream": name, **headers, **more}}


def server(
    *routes: Obj, upstreams: list[Obj] | None = None, name: str = "cafe", kind: str = "VirtualServer", class_name: str = "",
    host: str = HOST,
) -> Obj:
    key = "subroutes" if kind == "VirtualServerRoute" else "routes"
    spec: Obj = {"host": host, "upstreams": upstreams or [upstream()], key: list(routes) or [{"path": "/", "action": to("shop")}]}
    return obj("k8s.nginx.org/v1", kind, APPS, name, spec={**spec, **({"ingressClassName": class_name} if class_name else {})})


def cluster(*objects: Obj, args: tuple[str, ...] = (), image: str = "nginx/nginx-ingress:5.6.0") -> Any:
    return meshed(controller(*args, image=image), CONTROLLER, *HTTP, *objects)


BOTH = [upstream(), upstream("cart", "cart")]
SPLIT = {"path": "/", "splits": [{"weight": 90, "action": to("shop")}, {"weight": 10, "action": to("cart")}]}
MATCH = {
    "path": "/", "action": to("shop"),
    "matches": [{"conditions": [{"header": "x", "value": "y"}], "action": to("cart", "x.example.com")}],
}
PODS, VIP = ("pod_ips", "", "http"), ("cluster_ip", "", "http")
SHOP, CART = "apps/shop:80", "apps/cart:80"

READ: dict[str, tuple[list[Obj], list[tuple[Any, ...]]]] = {
    "a plain action": ([server()], [(HOST, "/", SHOP, *PODS)]),
    "Service routing": ([server(upstreams=[upstream(use_cluster_ip=True)])], [(HOST, "/", SHOP, *VIP)]),
    "Service routing, turned off": ([server(upstreams=[upstream(use_cluster_ip=False)])], [(HOST, "/", SHOP, *PODS)]),
    "a Host, in any spelling": (
        [server({"path": "/", "action": to("shop", SHOP_NAME)})], [(HOST, "/", SHOP, "pod_ips", SHOP_NAME, "http")]),
    "the client's Host, by a variable": ([server({"path": "/", "action": to("shop", "${host}")})], [(HOST, "/", SHOP, *PODS)]),
    "TLS to the backend": ([server(upstreams=[upstream(tls={"enable": True})])], [(HOST, "/", SHOP, "pod_ips", "", "tls")]),
    "an upstream of another namespace": ([server(upstreams=[upstream(service="far/shop")])], [(HOST, "/", "far/shop:80", *PODS)]),
    "splits": ([server(SPLIT, upstreams=BOTH)], [(HOST, "/", CART, *PODS), (HOST, "/", SHOP, *PODS)]),
    "matches": ([server(MATCH, upstreams=BOTH)], [(HOST, "/", CART, "pod_ips", "x.example.com", "http"), (HOST, "/", SHOP, *PODS)]),
    "a redirect is no route": ([server({"path": "/", "action": {"redirect": {"url": "http://x"}}})], []),
    "another class": ([server(class_name="other")], []),
    "its class": ([server(class_name="nginx")], [(HOST, "/", SHOP, *PODS)]),
    "a route of its own": (
        [server({"path": "/a", "route": "sub"}), server({"path": "/a", "action": to("shop")}, name="sub", kind="VirtualServerRoute")],
        [(HOST, "/a", SHOP, *PODS)]),
    "a route of its own by labels": (
        [server({"path": "/a", "routeSelector": {"matchLabels": {"a": "b"}}}),
         {**server({"path": "/a", "action": to("shop")}, kind="VirtualServerRoute"),
          "metadata": {"name": "sub", "namespace": APPS, "labels": {"a": "b"}}}],
        [(HOST, "/a", SHOP, *PODS)]),
    "a route of its own that nothing takes in": ([server(name="sub", kind="VirtualServerRoute")], []),
    "a route of its own for another host": (
        [server({"path": "/a", "route": "apps/sub"}), server(name="sub", kind="VirtualServerRoute", host="x.example.com")], []),
    "an Ingress": ([ingress("a", path(backend("shop")), host=HOST)], [(HOST, "/", SHOP, *PODS)]),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "expected"), READ.values(), ids=READ)
def test_routes_as_they_are_read(objects: list[Obj], expected: list[tuple[Any, ...]]) -> None:
    assert shown(cluster(*objects), F5) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("/a", ("/a", "ImplementationSpecific")), ("=/a", ("/a", "Exact")), ("~ ^/a", ("^/a", "RegularExpression")),
     ("~*^/a", ("^/a", "RegularExpression")), ("^~/a", ("/a", "ImplementationSpecific"))],
)  # fmt: skip
def test_forms_of_a_path(text: str, expected: tuple[str, str]) -> None:
    (route,) = reading(cluster(server({"path": text, "action": to("shop")})), F5)[0]
    assert (route.path, route.path_type) == expected


SERVED: dict[str, tuple[tuple[str, ...], Obj, int]] = {
    "the annotation before the field": ((), ingress("a", path(backend("shop")), class_name="nginx"), 1),
    "no class at all": ((), ingress("a", path(backend("shop")), class_name=None), 0),
    "another class by its option": (("-ingress-class=inner",), ingress("a", path(backend("shop")), class_name="nginx"), 0),
    "a namespace that it does not watch": (("-watch-namespace=x,y",), server(), 0),
    "a namespace that it watches": (("-watch-namespace=x,apps",), server(), 1),
    "a namespace without the label": (("-watch-namespace-label=a=b",), server(), 0),
    "its own kinds turned off": (("-enable-custom-resources=false",), server(), 0),
}  # fmt: skip


@pytest.mark.parametrize(("args", "item", "number"), SERVED.values(), ids=SERVED)
def test_what_is_served(args: tuple[str, ...], item: Obj, number: int) -> None:
    assert len(reading(cluster(item, args=args), F5)[0]) == number


def annotated(item: Obj, **annotations: str) -> Obj:
    noted = {f"nginx.org/{key.replace('_', '-')}": value for key, value in annotations.items()}
    return {**item, "metadata": {**item["metadata"], "annotations": {**noted}}}


_RULES = {"spec": {"ingressClassName": "nginx", "rules": [{"host": HOST}]}}
MASTER = annotated({**ingress("master"), **_RULES}, mergeable_ingress_type="master")
MINION = annotated(ingress("minion", path(backend("shop"), "/a"), host=HOST), mergeable_ingress_type="minion", use_cluster_ip="true")
PLAIN_MINION = annotated(ingress("other", path(backend("shop"), "/b"), host=HOST), mergeable_ingress_type="minion")


def test_minions_have_settings_of_their_own() -> None:
    assert [(item[1], item[3]) for item in shown(cluster(MASTER, MINION, PLAIN_MINION), F5)] == [("/a", "cluster_ip"), ("/b", "pod_ips")]


def test_minions_without_a_master_are_named() -> None:
    routes, findings = reading(cluster(MINION), F5)
    assert (routes, [item.code for item in findings]) == ([], ["MLB220"])


def test_transport_servers_always_dial_pods() -> None:
    spec = {"listener": {"name": "db", "protocol": "TCP"}, "upstreams": [upstream()], "action": {"pass": "shop"}}
    udp = {**spec, "listener": {"name": "dns", "protocol": "UDP"}}
    made = [obj("k8s.nginx.org/v1", "TransportServer", APPS, name, spec=item) for name, item in (("db", spec), ("dns", udp))]
    routes, findings = reading(cluster(*made), F5)
    assert [(item.path, item.upstream.scheme, item.settable) for item in routes] == [("tcp:db", "tcp", False)]
    assert [(item.code, item.object and item.object.name) for item in findings] == [("MLB205", "dns")]


def test_features_in_use() -> None:
    used = upstream(lb_method="ip_hash", sessionCookie={"enable": True, "name": "x"}, healthCheck={"enable": True}, next_upstream="error")
    (route,) = reading(cluster(server(upstreams=[used])), F5)[0]
    assert route.features == ("affinity", "balancing", "health_checks", "retries")
    first, second = reading(cluster(server(SPLIT, upstreams=BOTH)), F5)[0]
    assert (first.canary, second.canary, first.features) == (True, False, ("canary", "weights"))


def test_switches_of_a_virtual_server() -> None:
    routing, host = switches(cluster(server(SPLIT, {"path": "/x", "action": to("cart")}, upstreams=BOTH)), F5)
    assert patches(routing) == {f"VirtualServer/cafe spec.upstreams.{number}.use-cluster-ip": True for number in (0, 1)}
    sent = {
        name: {"proxy": {"upstream": name, "requestHeaders": {"set": [{"name": "Host", "value": value}]}}}
        for name, value in (("shop", SHOP_NAME), ("cart", CART_NAME))
    }
    assert patches(host) == {
        "VirtualServer/cafe spec.routes.0.splits.0.action": sent["shop"], "VirtualServer/cafe spec.routes.0.splits.1.action": sent["cart"],
        "VirtualServer/cafe spec.routes.1.action": sent["cart"],
    }  # fmt: skip


def test_what_an_action_does_besides_stays() -> None:
    action = {"proxy": {"upstream": "shop", "rewritePath": "/x", "requestHeaders": {"pass": True, "set": [{"name": "A", "value": "b"}]}}}
    (value,) = patches(switches(cluster(server({"path": "/", "action": action})), F5)[1]).values()
    assert value["proxy"]["rewritePath"] == "/x" and value["proxy"]["requestHeaders"] == {
        "pass": True, "set": [{"name": "A", "value": "b"}, {"name": "Host", "value": SHOP_NAME}],
    }  # fmt: skip


CONFLICTS: dict[str, tuple[Obj, int, str]] = {
    "Service routing turned off": (server(upstreams=[upstream(use_cluster_ip=False)]), 0, "use-cluster-ip is False"),
    "pods that are selected": (server(upstreams=[upstream(subselector={"a": "b"})]), 0, "subselector"),
    "another Host": (server({"path": "/", "action": to("shop", "x.example.com")}), 1, "sends Host 'x.example.com'"),
    "an annotation turned off": (annotated(ingress("a", path(backend("shop"))), use_cluster_ip="false"), 0, "use-cluster-ip is 'false'"),
    "an annotation that it does not read": (annotated(ingress("a", path(backend("shop"))), use_cluster_ip="True"), 0, "is 'True'"),
    "the Host of an Ingress": (ingress("a", path(backend("shop"))), 1, "always sends the client's Host"),
}


@pytest.mark.parametrize(("item", "which", "said"), CONFLICTS.values(), ids=CONFLICTS)
def test_refusals(item: Obj, which: int, said: str) -> None:
    answer = switches(cluster(item), F5)[which]
    assert answer.patches == () and said in answer.refusal


@pytest.mark.parametrize(("version", "refused"), [("3.4.3", True), ("3.5.0", False), ("5.6.0", False), ("edge", False)])
def test_the_version_that_brought_it_to_ingresses(version: str, refused: bool) -> None:
    answer = switches(cluster(ingress("a", path(backend("shop"))), image=f"mirror.example.com/nginx/nginx-ingress:{version}"), F5)[0]
    assert ("3.5.0" in answer.refusal) is refused


def test_strategies_of_a_virtual_server() -> None:
    assert outcomes(cluster(server())) == {
        "service_vip": "plaintext", "host_rewrite": "mutual_tls", "host_alias": "mutual_tls", "host_entry": "mutual_tls",
        "headless_twin": "mutual_tls",
    }  # fmt: skip
    assert set(outcomes(meshed(controller(), CONTROLLER, *undeclared(), server())).values()) == {"mutual_tls"}


def test_each_split_has_its_own_host_and_keeps_its_share() -> None:
    found = served_by(cluster(server(SPLIT, upstreams=BOTH)), "host_rewrite")
    assert found.verdicts == {"mutual_tls"}
    assert "a canary shares host" in served_by(cluster(server(SPLIT, upstreams=BOTH)), "host_alias").plan.routes[0].after.why


def test_strategies_of_an_ingress() -> None:
    found = outcomes(cluster(ingress("a", path(backend("shop")))))
    assert found["host_rewrite"] == "plaintext" and found["host_alias"] == "mutual_tls"


def test_a_route_of_its_own_is_switched_where_it_is_written() -> None:
    objects = [server({"path": "/a", "route": "sub"}), server({"path": "/a", "action": to("shop")}, name="sub", kind="VirtualServerRoute")]
    assert served_by(cluster(*objects), "host_rewrite").written == ["patch VirtualServerRoute apps/sub"]


def test_what_is_written_is_valid_by_the_vendors_schema() -> None:
    objects = [
        server(SPLIT, {"path": "/a", "route": "sub"}, MATCH | {"path": "/m"}, upstreams=BOTH),
        server({"path": "/a", "action": to("shop")}, name="sub", kind="VirtualServerRoute"),
    ]
    snapshot = cluster(*objects[:1], objects[1])
    assert validated_after(snapshot, "f5-nginx", "host_entry", "headless_twin", "service_vip") == 6
    plain = [server(SPLIT, {"path": "/a", "route": "sub"}, upstreams=BOTH), objects[1]]
    assert validated_after(cluster(*plain), "f5-nginx", "host_rewrite") == 2


def test_a_virtual_service_cannot_carry_the_load_balancers_regular_expressions() -> None:
    rules = [{"path": "~ ^/a.*", "action": to("shop")}, {"path": "/", "action": to("cart")}]
    why = served_by(cluster(server(*rules, upstreams=BOTH)), "host_alias").plan.routes[0].after.why
    assert "regular expression" in why
    one = served_by(cluster(server(rules[0])), "host_alias")
    assert one.verdicts == {"mutual_tls"}
