# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""APISIX: data plane and controller, ApisixRoute with ApisixUpstream, and the routes for which it only knows pods."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.balancers.gateways import gateway, gateway_class, route, rule, to_service
from tests.unit.plugins.module_utils.balancers.support import (
    CART_NAME,
    HTTP,
    SHOP_NAME,
    data_plane,
    meshed,
    misread,
    outcomes,
    patches,
    reading,
    served_by,
    shown,
    switches,
    the,
    undeclared,
    validated_after,
)
from tests.unit.plugins.module_utils.support.cluster import APPS, Obj, backend, config_map, ingress, ingress_class, live, obj, path, service
from tests.unit.plugins.module_utils.support.known import detect

APISIX = "apisix"
HOST = "shop.example.com"
CONTROLLER = "apisix.apache.org/apisix-ingress-controller"
PROXY = {"parameters": {"apiGroup": "apisix.apache.org", "kind": "GatewayProxy", "name": "apisix-config"}}
BARE_CLASS = ingress_class("apisix", CONTROLLER)
CLASS = {**BARE_CLASS, "spec": {**BARE_CLASS["spec"], **PROXY}}
GROUP = "apisix.apache.org/v2"


def proxy(**more: Any) -> Obj:
    return data_plane("apisix", image=more.pop("image", "apache/apisix:3.16.0-ubuntu"), **more)


def controller() -> Obj:
    labels = {"app.kubernetes.io/name": "ingress-controller"}
    return data_plane("apisix-ingress-controller", image="apache/apisix-ingress-controller:2.0.1", pod_labels=labels)


def cluster(*objects: Obj) -> Any:
    return meshed(proxy(), controller(), CLASS, *objects)


def to(name: str = "shop", port: int | str = 80, **more: Any) -> Obj:
    return {"serviceName": name, "servicePort": port, **more}


def entry(*backends: Obj, name: str = "r", paths: tuple[str, ...] = ("/*",), **more: Any) -> Obj:
    return {"name": name, "match": {"hosts": [HOST], "paths": list(paths)}, "backends": list(backends) or [to()], **more}


def apisix_route(*rules: Obj, class_name: str = "apisix", **more: Any) -> Obj:
    return obj(GROUP, "ApisixRoute", APPS, "a", spec={"ingressClassName": class_name, "http": list(rules) or [entry()], **more})


def upstream(name: str = "shop", **spec: Any) -> Obj:
    return obj(GROUP, "ApisixUpstream", APPS, name, spec=spec)


def rewrite(enable: bool = True, **config: Any) -> Obj:
    return {"name": "proxy-rewrite", "enable": enable, "config": config}


@pytest.mark.parametrize(
    ("item", "found"),
    [
        (proxy(), True), (proxy(image="mirror.example.com/team/apisix:3"), True), (controller(), False),
        (data_plane("d", image="apache/apisix-dashboard:3"), False),
        (data_plane("d", image="x/y", pod_labels={"app.kubernetes.io/name": "apisix"}), True),
    ],
)  # fmt: skip
def test_where_its_data_plane_is(item: Obj, found: bool) -> None:
    assert [one.vendor for one in detect(live(item))[0]] == ([APISIX] if found else [])


def test_the_controllers_own_name_is_read_from_its_configuration() -> None:
    settings = obj("v1", "ConfigMap", "edge", "c", data={"config.yaml": 'log_level: info\ncontroller_name: "x.example.com/apisix"\n'})
    other = ingress_class("mine", "x.example.com/apisix")
    assert the(meshed(proxy(), settings, config_map("other", a="b"), CLASS, other), APISIX).classes == ("mine",)


@pytest.mark.parametrize("text", ["controller_name: [", "just a text", "- a", "controller_name: {a: 1}", "a: 1\na: 2", "[" * 100_000])
def test_a_configuration_that_cannot_be_read_is_no_absent_one(text: str) -> None:
    named = obj("v1", "ConfigMap", "edge", "c", data={"config.yaml": text})
    assert misread(meshed(proxy(), named, CLASS)) == ["ConfigMap edge/c"]
    user = data_plane("other", image="other:1")
    user["spec"]["template"]["spec"]["volumes"] = [{"name": "v", "configMap": {"name": "c"}}]
    assert misread(meshed(proxy(), named, CLASS, user)) == []


SHOP = "apps/shop:80"
SERVICE = {"resolveGranularity": "service"}
READ: dict[str, tuple[list[Obj], tuple[Any, ...]]] = {
    "as it comes": ([apisix_route()], ("pod_ips", "", "http")),
    "a port by name": ([apisix_route(entry(to(port="http")))], ("pod_ips", "", "http")),
    "the Service": ([apisix_route(entry(to(**SERVICE)))], ("cluster_ip", "", "http")),
    "pods, as somebody wrote": ([apisix_route(entry(to(resolveGranularity="endpoints")))], ("pod_ips", "", "http")),
    "the Service's address as Host": ([apisix_route(entry(to(**SERVICE))), upstream(passHost="node")], ("cluster_ip", SHOP_NAME, "http")),
    "a pod's address as Host": ([apisix_route(), upstream(passHost="node")], ("pod_ips", "$pod_address", "http")),
    "a Host of its own": ([apisix_route(), upstream(passHost="rewrite", upstreamHost="x")], ("pod_ips", "x", "http")),
    "a port's settings replace all": (
        [apisix_route(), upstream(passHost="node", portLevelSettings=[{"port": 80}])], ("pod_ips", "", "http")),
    "another port's settings": (
        [apisix_route(), upstream(passHost="node", portLevelSettings=[{"port": 81}])], ("pod_ips", "$pod_address", "http")),
    "a plugin's Host": ([apisix_route(entry(plugins=[rewrite(host="x")]))], ("pod_ips", "x", "http")),
    "a plugin's header": ([apisix_route(entry(plugins=[rewrite(headers={"set": {"host": "x"}})]))], ("pod_ips", "x", "http")),
    "a plugin that is off": ([apisix_route(entry(plugins=[rewrite(False, host="x")]))], ("pod_ips", "", "http")),
    "TLS": ([apisix_route(), upstream(scheme="https")], ("pod_ips", "", "tls")),
}


@pytest.mark.parametrize(("objects", "expected"), READ.values(), ids=READ)
def test_routes_as_they_are_read(objects: list[Obj], expected: tuple[Any, ...]) -> None:
    assert shown(cluster(*HTTP, *objects), APISIX) == [(HOST, "/", SHOP, *expected)]


def test_classes_that_are_not_its_own() -> None:
    assert shown(cluster(*HTTP, apisix_route(class_name="x")), APISIX) == []
    assert shown(cluster(*HTTP, apisix_route(class_name="")), APISIX) == []


def test_streams_and_what_is_no_service() -> None:
    stream = {"name": "t", "protocol": "TCP", "match": {"ingressPort": 9000}, "backend": to(**SERVICE)}
    udp = {"name": "u", "protocol": "UDP", "match": {"ingressPort": 53}, "backend": to()}
    routes, findings = reading(cluster(*HTTP, apisix_route(entry(upstreams=[{"name": "x"}]), stream=[stream, udp])), APISIX)
    assert ("tcp:9000", "cluster_ip", "tcp") in [(item.path, item.upstream.address, item.upstream.scheme) for item in routes]
    assert len(routes) == 2 and [item.code for item in findings] == ["MLB208", "MLB205"]


def test_features() -> None:
    objects = [apisix_route(entry(to(), to("cart"))), upstream(loadbalancer={"type": "chash"}, retries=1, healthCheck={"active": {}})]
    cart, shop = reading(cluster(*HTTP, *objects), APISIX)[0]
    assert shop.features == ("affinity", "canary", "health_checks", "retries", "weights") and cart.canary and not shop.canary


def test_switches_without_and_with_an_upstream() -> None:
    routing, host = switches(cluster(*HTTP, apisix_route()), APISIX)
    assert patches(routing) == {"ApisixRoute/a spec.http.0.backends.0.resolveGranularity": "service"}
    assert patches(host) == {"ApisixRoute/a spec.http.0.plugins": [rewrite(host=SHOP_NAME)]}
    both = [apisix_route(entry(to(), to("cart"))), upstream(), upstream("cart", portLevelSettings=[{"port": 80}])]
    assert patches(switches(cluster(*HTTP, *both), APISIX)[1]) == {
        "ApisixUpstream/shop spec.passHost": "node", "ApisixUpstream/cart spec.portLevelSettings.0.passHost": "node",
    }  # fmt: skip


def test_plugins_that_are_there_stay() -> None:
    plugins = [{"name": "cors", "enable": True}, rewrite(uri="/x")]
    (value,) = patches(switches(cluster(*HTTP, apisix_route(entry(plugins=plugins))), APISIX)[1]).values()
    assert value == [plugins[0], rewrite(uri="/x", host=SHOP_NAME)]


SHARED = obj(GROUP, "ApisixPluginConfig", APPS, "shared", spec={"plugins": [rewrite(uri="/x")]})
REFUSED: dict[str, tuple[list[Obj], int, str]] = {
    "pods, as somebody wrote": ([*HTTP, apisix_route(entry(to(resolveGranularity="endpoint")))], 0, "resolveGranularity is 'endpoint'"),
    "a headless Service": ([service("shop", ip="None"), apisix_route()], 0, "headless"),
    "another Host": ([*HTTP, apisix_route(entry(plugins=[rewrite(host="x")]))], 1, "sends Host 'x'"),
    "a plugin that is off": ([*HTTP, apisix_route(entry(plugins=[rewrite(False)]))], 1, "proxy-rewrite"),
    "the client's Host, as somebody wrote": ([*HTTP, apisix_route(), upstream(passHost="pass")], 1, "passHost is 'pass'"),
    "an upstream's own Host": ([*HTTP, apisix_route(), upstream(passHost="rewrite", upstreamHost="x")], 1, "to 'x'"),
    "several Services": ([*HTTP, apisix_route(entry(to(), to("cart")))], 1, "several Services"),
    "plugins of elsewhere": ([*HTTP, SHARED, apisix_route(entry(plugin_config_name="shared"))], 1, "ApisixPluginConfig"),
}


@pytest.mark.parametrize(("objects", "which", "said"), REFUSED.values(), ids=REFUSED)
def test_refusals(objects: list[Obj], which: int, said: str) -> None:
    answer = switches(cluster(*objects), APISIX)[which]
    assert answer.patches == () and said in answer.refusal


def test_the_servers_default_of_a_stream_is_nobodys_patch() -> None:
    stream = {"name": "t", "protocol": "TCP", "match": {"ingressPort": 9000}, "backend": to(resolveGranularity="endpoint")}
    item = obj(GROUP, "ApisixRoute", APPS, "s", spec={"ingressClassName": "apisix", "stream": [stream]})
    snapshot = cluster(*undeclared(), item)
    assert patches(switches(snapshot, APISIX)[0]) == {"ApisixRoute/s spec.stream.0.backend.resolveGranularity": "service"}
    assert served_by(snapshot, "service_vip").verdicts == {"mutual_tls"}


def test_strategies_of_an_apisix_route() -> None:
    assert outcomes(cluster(*HTTP, apisix_route())) == {
        "service_vip": "plaintext", "host_rewrite": "mutual_tls", "host_alias": "mutual_tls", "host_entry": "mutual_tls",
        "headless_twin": "mutual_tls",
    }  # fmt: skip
    assert set(outcomes(cluster(*undeclared(), apisix_route())).values()) == {"mutual_tls"}


def test_each_upstream_has_its_own_host_and_weights_stay() -> None:
    objects = [apisix_route(entry(to(), to("cart"))), upstream(), upstream("cart")]
    found = served_by(cluster(*HTTP, *objects), "host_rewrite")
    assert found.verdicts == {"mutual_tls"} and len(found.written) == 3
    assert {item[4] for item in shown(found.after, APISIX)} == {SHOP_NAME, CART_NAME}


ONLY_PODS = {"service_vip": "plaintext", "host_rewrite": "plaintext", "host_alias": "plaintext", "host_entry": "mutual_tls",
             "headless_twin": "mutual_tls"}  # fmt: skip


def test_ingresses_and_gateway_api_routes_only_go_to_pods() -> None:
    assert outcomes(cluster(*HTTP, ingress("i", path(backend("shop")), class_name="apisix"))) == ONLY_PODS
    objects = [gateway_class(CONTROLLER), gateway(), route("g", rule(to_service("shop")))]
    assert outcomes(cluster(*HTTP, *objects)) == ONLY_PODS


def test_what_is_written_is_valid_by_the_vendors_schema() -> None:
    stream = {"name": "t", "protocol": "TCP", "match": {"ingressPort": 9000}, "backend": to()}
    objects = [apisix_route(entry(to(), to("cart")), entry(name="x", paths=("/x",)), stream=[stream]), upstream(), upstream("cart")]
    assert validated_after(cluster(*HTTP, *objects), "apisix", "service_vip", "host_rewrite") == 6
    assert validated_after(cluster(*HTTP, apisix_route()), "apisix", "host_rewrite") == 1
