# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ngrok: its agents among the operator's programs, classes, and what is carried to which Service with which Host."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.balancers.gateways import gateway, gateway_class, listener, rewrite, route, rule, to_service
from tests.unit.plugins.module_utils.balancers.support import (
    HTTP,
    data_plane,
    meshed,
    noted,
    outcomes,
    reading,
    shown,
    switches,
    the,
    undeclared,
)
from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    PUBLIC,
    Obj,
    backend,
    ingress,
    ingress_class,
    live,
    obj,
    path,
    port,
    service,
)
from tests.unit.plugins.module_utils.support.known import detect

HOME, IMAGE = "ngrok-operator", "docker.io/ngrok/ngrok-operator:0.22.0"
CLASS = ingress_class("ngrok", "k8s.ngrok.com/ingress-controller")
OWN_CLASS = ingress_class("mine", "example.com/ngrok")
DEFAULT = {**CLASS, "metadata": {**CLASS["metadata"], "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}}}
GATEWAY = [gateway_class("ngrok.com/gateway-controller"), gateway(listener(protocol="HTTPS", port=443), class_name="gw")]
SHOP = ingress("shop", path(backend("shop")), class_name="ngrok")
CLUSTER_IP = (PUBLIC, "/", "apps/shop:80", "cluster_ip", "", "http")


def agent(*args: str, command: tuple[str, ...] = ("/ngrok-operator",), image: str = IMAGE) -> Obj:
    return data_plane("ngrok-operator-agent", "agent-manager", *args, command=command, image=image, env=("NGROK_AUTHTOKEN",))


def operator(*args: str) -> Obj:
    return data_plane("ngrok-operator-manager", "api-manager", *args, command=("/ngrok-operator",), image=IMAGE, env=("NGROK_API_KEY",))


def endpoint(upstream: str, url: str = f"https://{PUBLIC}", **more: Any) -> Obj:
    return obj("ngrok.k8s.ngrok.com/v1alpha1", "AgentEndpoint", APPS, "e", spec={"url": url, "upstream": {"url": upstream}}, **more)


def protocols(text: str, key: str = "ngrok.com/app-protocols") -> Obj:
    return noted(service("shop"), **{key: text})


def exposed(**more: Any) -> Obj:
    return service("shop", port("web"), port("admin", 81), type="LoadBalancer", **{"loadBalancerClass": "ngrok", **more})


FOUND: dict[str, tuple[list[Obj], list[tuple[str, str, str]]]] = {
    "the agent, not the operator": ([agent(), operator()], [("ngrok", "edge/ngrok-operator-agent", "0.22.0")]),
    "an agent with a program of its own": (
        [data_plane("a", command=("/agent-manager",), image="ngrok/ngrok-operator:0.16.0", env=("NGROK_AUTHTOKEN",))],
        [("ngrok", "edge/a", "0.16.0")]),
    "another program of that name": ([data_plane("a", command=("/agent-manager",), image="example.com/agents:1")], []),
    "the class alone": ([ingress_class("ngrok", "example.com/other")], [("unknown", "ngrok", "")]),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "expected"), FOUND.values(), ids=FOUND)
def test_what_is_found(objects: list[Obj], expected: list[tuple[str, str, str]]) -> None:
    assert [(item.vendor, item.label, item.version) for item in detect(live(*objects))[0]] == expected


@pytest.mark.parametrize(
    ("objects", "expected"),
    [([operator()], ("ngrok",)), ([], ("ngrok",)), ([operator("--ingress-controller-name=example.com/ngrok")], ("mine",)),
     ([operator("--ingress-controller-name=ngrok.com/ingress-controller")], ("ngrok",)),
     ([operator("--ingress-controller-name=example.com/ngrok", "--release-name=other")], ("ngrok",))],
    ids=["stock", "no operator", "its own", "the new stock name", "of another release"],
)  # fmt: skip
def test_its_classes_are_those_of_its_operators_controller(objects: list[Obj], expected: tuple[str, ...]) -> None:
    assert the(meshed(agent(), CLASS, OWN_CLASS, *objects), "ngrok").classes == expected


READ: dict[str, tuple[list[Obj], list[tuple[Any, ...]]]] = {
    "an Ingress": ([*HTTP, CLASS, SHOP], [CLUSTER_IP]),
    "of another class": ([*HTTP, CLASS, ingress("a", path(backend("shop")), class_name="other")], []),
    "without a class": ([*HTTP, CLASS, ingress("a", path(backend("shop")), class_name=None)], []),
    "without a class, by default": ([*HTTP, DEFAULT, ingress("a", path(backend("shop")), class_name=None)], [CLUSTER_IP]),
    "a backend that speaks TLS": ([protocols('{"http": "https"}'), CLASS, SHOP], [(*CLUSTER_IP[:5], "tls")]),
    "by the old annotation": ([protocols('{"http": "HTTPS"}', "k8s.ngrok.com/app-protocols"), CLASS, SHOP], [(*CLUSTER_IP[:5], "tls")]),
    "a broken annotation": ([protocols("{"), CLASS, SHOP], [CLUSTER_IP]),
    "an annotation that is no map": ([protocols("[]"), CLASS, SHOP], [CLUSTER_IP]),
    "an HTTPRoute": ([*HTTP, *GATEWAY, route("a", rule(to_service("shop")))], [CLUSTER_IP]),
    "a rewritten Host": (
        [*HTTP, *GATEWAY, route("a", rule(to_service("shop"), filters=[rewrite("x")]))], [(*CLUSTER_IP[:4], "$rewritten", "http")]),
    "a Service, by its first port": ([exposed()], [("", "tcp:80", "apps/shop:80", "cluster_ip", "", "tcp")]),
    "a Service of another class": ([exposed(loadBalancerClass="other")], []),
    "an AgentEndpoint": ([*HTTP, endpoint("http://shop.apps:80")], [CLUSTER_IP]),
    "by the full name, with TLS": (
        [*HTTP, endpoint("https://shop.apps.svc.cluster.local", PUBLIC)], [(PUBLIC, "/", "apps/shop:443", "cluster_ip", "", "tls")]),
    "an internal AgentEndpoint": ([*HTTP, endpoint("shop.apps:80", "https://shop.internal")], [("", *CLUSTER_IP[1:])]),
    "a stream": (
        [*HTTP, endpoint("tcp://shop.apps:80", "tcp://1.tcp.ngrok.io:1234")], [("", "tcp:80", "apps/shop:80", "cluster_ip", "", "tcp")]),
    "an AgentEndpoint that the operator made": ([*HTTP, endpoint("http://shop.apps", labels={"ngrok.com/controller-name": "x"})], []),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "expected"), READ.values(), ids=READ)
def test_routes_as_they_are_read(objects: list[Obj], expected: list[tuple[Any, ...]]) -> None:
    snapshot = meshed(agent(), *objects)
    assert shown(snapshot, "ngrok") == expected
    to_service_address, host = switches(snapshot, "ngrok")
    assert (to_service_address.refusal, to_service_address.patches) == ("", ()) and host.refusal


def test_only_the_watched_namespace_counts() -> None:
    own = meshed(agent("--watch-namespace=apps"), *HTTP, CLASS, SHOP)
    other = meshed(agent("--watch-namespace=other"), *HTTP, CLASS, SHOP, exposed(), endpoint("http://shop.apps"))
    assert (shown(own, "ngrok"), shown(other, "ngrok")) == ([CLUSTER_IP], [])


LEFT_OUT: dict[str, tuple[list[Obj], str, str]] = {
    "no host": ([CLASS, ingress("a", path(backend("shop")), host="", class_name="ngrok")], "MLB220", "rules without a host"),
    "a GRPCRoute": ([*GATEWAY, route("a", rule(to_service("shop")), kind="GRPCRoute")], "MLB220", "no GRPCRoute"),
    "the machine's own port": ([endpoint("8080")], "MLB208", "'8080'"),
    "a site of the internet": ([endpoint("https://example.org")], "MLB208", "example.org"),
    "an address": ([endpoint("http://192.0.2.1:80")], "MLB208", "192.0.2.1"),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "code", "said"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_is_left_out_is_a_finding(objects: list[Obj], code: str, said: str) -> None:
    routes, findings = reading(meshed(agent(), *HTTP, *objects), "ngrok")
    assert (routes, [item.code for item in findings]) == ([], [code])
    assert said in findings[0].message


def test_a_mirror_gets_nothing() -> None:
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": to_service("cart")}}
    snapshot = meshed(agent(), *HTTP, *GATEWAY, route("a", rule(to_service("shop"), filters=[mirror])))
    assert shown(snapshot, "ngrok") == [CLUSTER_IP]
    assert [item.code for item in reading(snapshot, "ngrok")[1]] == ["MLB220"]


def test_what_each_strategy_gives() -> None:
    served = {"service_vip": "plaintext", "host_rewrite": "plaintext", "host_alias": "mutual_tls", "host_entry": "mutual_tls"}
    assert outcomes(meshed(agent(), *HTTP, CLASS, SHOP)) == {**served, "headless_twin": "plaintext"}
    assert outcomes(meshed(agent(), *undeclared(), CLASS, SHOP))["service_vip"] == "mutual_tls"


def test_a_sidecar_is_possible() -> None:
    assert the(meshed(agent()), "ngrok").mode("standalone_mtls").supported
