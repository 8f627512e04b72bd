# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Kong's controller accepts of the Gateway API, by its settings."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.balancers import support as kit
from tests.unit.plugins.module_utils.balancers.gateways import gateway, gateway_class, listener, route, rule, to_service
from tests.unit.plugins.module_utils.balancers.kong.test_profile import CLASS_OF_GATEWAYS, proxy
from tests.unit.plugins.module_utils.balancers.support import meshed, reading
from tests.unit.plugins.module_utils.support.cluster import APPS, EDGE, Obj, container, namespace, obj, service, workload

ROUTE = route("a", rule(to_service("shop")))
NAME = "konghq.com/kic-gateway-controller"


def controlled(*objects: Obj, args: tuple[str, ...] = (), env: dict[str, str] | None = None, listens: str = "") -> Any:
    made = [{"name": f"CONTROLLER_{name}", "value": value} for name, value in {"INGRESS_CLASS": "kong", **(env or {})}.items()]
    plane = container("c", image="kong/kubernetes-ingress-controller:3.5", args=list(args))
    return meshed(proxy(), workload("c", where=EDGE, containers=[{**plane, "env": made}]), namespace(APPS), *objects)


def said(*objects: Obj, **more: Any) -> tuple[list[str], str]:
    routes, findings = reading(controlled(*objects, **more), "kong")
    return [item.object.name for item in routes], " | ".join(item.message for item in findings)


def published(*ports: tuple[int, Any]) -> Obj:
    item = service("kong-proxy", where=EDGE)
    made = [{"name": f"p{number}", "port": number, "targetPort": target, "protocol": "TCP"} for number, target in ports]
    return {**item, "spec": {**item["spec"], "selector": {}, "ports": made}}


PUBLISHES = {"PUBLISH_SERVICE": "edge/kong-proxy"}


@pytest.mark.parametrize(
    ("objects", "more", "why"),
    [
        ([gateway_class(NAME)], {}, "has no annotation konghq.com/gatewayclass-unmanaged"),
        ([CLASS_OF_GATEWAYS], {"env": {"GATEWAY_TO_RECONCILE": "edge/other"}}, "looks after edge/other only"),
        ([CLASS_OF_GATEWAYS], {"args": ("--gateway-to-reconcile=edge/other",)}, "looks after edge/other only"),
        ([CLASS_OF_GATEWAYS], {"env": {"ENABLE_CONTROLLER_GWAPI_GATEWAY": "false"}}, "switched off"),
        ([CLASS_OF_GATEWAYS], {"args": ("--enable-controller-gwapi-httproute=false",)}, "the controller for HTTPRoutes is switched off"),
        ([CLASS_OF_GATEWAYS], {"env": {"WATCH_NAMESPACE": "edge,else"}}, "namespace apps, where HTTPRoute a is"),
        ([CLASS_OF_GATEWAYS], {"env": {"WATCH_NAMESPACE": "apps"}}, "namespace edge, where Gateway gw is"),
        ([CLASS_OF_GATEWAYS, published((443, 8443))], {"env": PUBLISHES}, "has no port 80"),
        ([CLASS_OF_GATEWAYS, published((80, 8443))], {"env": PUBLISHES}, "does not lead HTTP to port 80"),
    ],
)  # fmt: skip
def test_what_is_not_served_and_why(objects: list[Obj], more: Obj, why: str) -> None:
    routes, message = said(*objects, gateway(), ROUTE, **more)
    assert routes == [] and why in message


@pytest.mark.parametrize(
    ("objects", "more"),
    [
        ([CLASS_OF_GATEWAYS], {}), ([CLASS_OF_GATEWAYS], {"env": {"GATEWAY_TO_RECONCILE": "edge/gw"}}),
        ([kit.noted(gateway_class("example.com/own"), **{"konghq.com/gatewayclass-unmanaged": "true"})],
         {"env": {"GATEWAY_API_CONTROLLER_NAME": "example.com/own"}}),
        ([CLASS_OF_GATEWAYS], {"env": {"WATCH_NAMESPACE": "apps,edge"}}), ([CLASS_OF_GATEWAYS], {"env": PUBLISHES}),
        ([CLASS_OF_GATEWAYS, published((80, 8000))], {"env": PUBLISHES}),
        ([CLASS_OF_GATEWAYS, published((80, "proxy"))], {"env": PUBLISHES}),
    ],
)  # fmt: skip
def test_what_is_served(objects: list[Obj], more: Obj) -> None:
    assert said(*objects, gateway(), ROUTE, **more) == (["a"], "")


def test_a_gateway_that_somebody_accepted() -> None:
    accepted = {**gateway(), "status": {"conditions": [{"type": "Accepted", "status": "True"}]}}
    assert said(gateway_class(NAME), accepted, ROUTE) == (["a"], "")


@pytest.mark.parametrize("kind", ["TCPRoute", "TLSRoute"])
def test_the_feature_gate(kind: str) -> None:
    objects = [
        CLASS_OF_GATEWAYS, gateway(listener("t", "TCP", 9000), listener("s", "TLS", 9443, tls={"mode": "Passthrough"})),
        route("a", rule(to_service("shop")), kind=kind),
    ]
    assert said(*objects) == ([], f"the controller reads no {kind}s without its feature gate GatewayAlpha")
    assert said(*objects, env={"FEATURE_GATES": "FillIDs=true, GatewayAlpha=true"})[0] == ["a"]
    assert said(*objects, args=("--feature-gates", "GatewayAlpha=true"))[0] == ["a"]


def plugin(name: str, **config: Any) -> Obj:
    return {**obj("configuration.konghq.com/v1", "KongPlugin", APPS, "p"), "plugin": name, "config": config}


@pytest.mark.parametrize(
    ("made", "hosts", "why"),
    [
        (plugin("rate-limiting", minute=5), [""], ""), (plugin("request-transformer", add={"headers": ["Host: x"]}), [""], ""),
        (plugin("request-transformer", replace={"headers": ["host: x.example.com"]}), ["x.example.com"], ""),
        (plugin("request-termination"), [], "answers in its backends' place"),
        ({**plugin("request-termination"), "disabled": True}, [""], ""),
    ],
)  # fmt: skip
def test_plugins_as_filters(made: Obj, hosts: list[str], why: str) -> None:
    reference = {"type": "ExtensionRef", "extensionRef": {"group": "configuration.konghq.com", "kind": "KongPlugin", "name": "p"}}
    objects = [CLASS_OF_GATEWAYS, gateway(), made, route("a", rule(to_service("shop"), filters=[reference]))]
    routes, findings = reading(controlled(*objects), "kong")
    assert [item.upstream.host for item in routes] == hosts and why in " | ".join(item.message for item in findings)


def test_filters_and_matches_that_it_lacks() -> None:
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": to_service("other")}}
    both = route("a", rule(to_service("shop"), path="/cart", filters=[mirror]), rule(to_service("shop"), path="/api"))
    routes, findings = reading(controlled(CLASS_OF_GATEWAYS, gateway(), both), "kong")
    assert [item.path for item in routes] == ["/api"] and "rule 1: it has no filter RequestMirror" in findings[0].message
    asks = [{"queryParams": [{"name": "a", "value": "b"}]}]
    asking = route("a", rule(to_service("shop"), matches=asks), rule(to_service("shop"), path="/b"))
    assert "query parameters" in said(CLASS_OF_GATEWAYS, gateway(), asking)[1] and said(CLASS_OF_GATEWAYS, gateway(), asking)[0] == []
