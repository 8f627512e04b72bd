# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Envoy Gateway in chained mode: HTTPRoutes that are led to a gateway, TLS by a BackendTLSPolicy, and what cannot be done."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.balancers.envoy_gateway.test_profile import CLASS, REF, envoy_proxy, proxy
from tests.unit.plugins.module_utils.balancers.gateways import GROUP, gateway, listener, route, rule, to_service
from tests.unit.plugins.module_utils.plan.chain.kit import GATEWAYS, Chain, refusal
from tests.unit.plugins.module_utils.plan.chain.test_vendor_chains import ALIAS, cluster, led
from tests.unit.plugins.module_utils.support.cluster import APPS, EDGE, PUBLIC, Obj, obj

EG = "envoy_gateway"
ROUTE = route("a", rule(to_service("shop"), path="/"), rule(to_service("cart"), path="/cart"))
TLS = {"name": "meshlb", "namespace": GATEWAYS, "tls": {"mode": "simple", "credential_name": "cert"}}
NAMED = {**TLS, "tls": {**TLS["tls"], "host": "gw.example.com"}}  # type: ignore[dict-item]
PATHS = [{"path": "/", "backend": {"namespace": APPS, "service": "shop", "port": 80}}]
NEW = {"hosts": [{"host": PUBLIC, "paths": PATHS}]}
OF_EDGE = {"gateway": f"{EDGE}/gw"}


def front(*objects: Obj, **more: Any) -> Chain:
    return led(cluster(proxy(), CLASS, gateway(), *objects), EG, **more)


def refused(*objects: Obj, of: Obj | None = None, **more: Any) -> str:
    return refusal(cluster(proxy(), CLASS, of or gateway(), *objects), platform=EG, **more)


def client_policy(detection: Obj, section: str = "") -> Obj:
    target = {"group": GROUP, "kind": "Gateway", "name": "gw", **({"sectionName": section} if section else {})}
    spec = {"targetRefs": [target], "clientIPDetection": detection}
    return obj("gateway.envoyproxy.io/v1alpha1", "ClientTrafficPolicy", EDGE, "clients", spec=spec)


def test_an_http_route_is_led_as_a_whole() -> None:
    done = front(ROUTE)
    spec = done.after.get(f"HTTPRoute.{GROUP}", APPS, "a")["spec"]  # type: ignore[index]
    assert [item["backendRefs"] for item in spec["rules"]] == [[{"name": ALIAS, "port": 80}]] * 2
    assert {item.after.verdict for item in done.plan.routes} == {"mutual_tls"}
    assert done.body("Service")["spec"]["clusterIP"] == "None"
    assert (done.plan.client.mode, done.plan.client.trusted_hops) == ("x_forwarded_for", 1)
    assert not any(item.object.kind == "BackendTLSPolicy" for item in done.changes)


def test_upstreams_that_are_named_after_services_are_kept() -> None:
    """Only then does an upstream come or go at the switch, which cost requests in the lab."""
    own = [gateway(infrastructure={"parametersRef": REF}), ROUTE]
    for spec, expected in (({}, 0), ({"mergeBackends": {}}, 1)):
        done = led(cluster(proxy(), CLASS, *own, envoy_proxy(**spec)), EG)
        made = [item.body for item in done.changes if item.object.kind == "HTTPRoute" and item.action == "create" and item.body]
        assert len(made) == expected
        named = [rule["backendRefs"][0]["name"] for item in made for rule in item["spec"]["rules"]]
        assert named == (["shop", "cart", ALIAS] if expected else [])


TRUST: dict[str, tuple[Obj, Obj, str, Obj]] = {
    "the system's authorities": (NAMED, {}, "gw.example.com", {"wellKnownCACertificates": "System"}),
    "an authority in a ConfigMap": (
        NAMED, {"ca_config_map": "ca"}, "gw.example.com", {"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}]}),
    "one in a Secret, and a name that nobody asks for": (
        TLS, {"ca_secret": "ca", "server_name": "x"}, "x", {"caCertificateRefs": [{"group": "", "kind": "Secret", "name": "ca"}]}),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "options", "name", "trust"), TRUST.values(), ids=TRUST)
def test_tls_is_a_policy_for_what_stands_for_the_gateway(wanted: Obj, options: Obj, name: str, trust: Obj) -> None:
    done = front(ROUTE, gateway=wanted, platform_options=options)
    policy = done.body("BackendTLSPolicy")
    assert (policy["metadata"]["name"], policy["metadata"]["namespace"]) == (ALIAS, APPS)
    target = {"group": "", "kind": "Service", "name": ALIAS}
    assert policy["spec"] == {"targetRefs": [target], "validation": {"hostname": name, **trust}}
    asked_for = done.body("Gateway")["spec"]["servers"][0]["hosts"]
    assert ("*" in asked_for) is (wanted is TLS)


def test_a_new_route_on_a_gateway_that_is_named() -> None:
    done = front(**NEW, platform_options=OF_EDGE)
    backend = {"name": "gw", "port": 80}
    assert done.body("HTTPRoute")["spec"] == {
        "parentRefs": [{"namespace": EDGE, "name": "gw"}], "hostnames": [PUBLIC],
        "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": [backend]}],
    }  # fmt: skip
    assert not any(item.object.kind in ("Service", "EndpointSlice") for item in done.changes)


def test_a_new_route_over_tls_leaves_the_gateways_own_service_alone() -> None:
    """Istio reads the policy too, so every client of that Service would speak TLS."""
    done = front(**NEW, gateway=NAMED, platform_options={**OF_EDGE, "ca_secret": "ca"})
    assert done.body("HTTPRoute")["spec"]["rules"][0]["backendRefs"] == [{"name": ALIAS, "port": 443}]
    assert done.body("BackendTLSPolicy")["spec"]["targetRefs"][0]["name"] == ALIAS
    assert done.body("Service")["metadata"]["namespace"] == GATEWAYS


SAME = gateway({**listener(), "allowedRoutes": {"namespaces": {"from": "Same"}}})
REFUSED: dict[str, tuple[list[Obj], Obj | None, Obj]] = {
    "no name for TLS": ([ROUTE], None, {"gateway": TLS}),
    "a Service by name": ([ROUTE], None, {"route_backend": "name"}),
    "no Gateway is said": ([], None, NEW),
    "no such Gateway": ([], None, {**NEW, "platform_options": {"gateway": "nowhere/gw"}}),
    "a Gateway that takes no routes from there": ([], SAME, {**NEW, "platform_options": OF_EDGE}),
    "the client is left out": ([ROUTE, client_policy({"xForwardedFor": {"disableXForwardedForAppend": True}})], None, {}),
    "the client is left out on a listener": (
        [ROUTE, client_policy({"xForwardedFor": {"disableXForwardedForAppend": True}}, "web")], None, {}),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "of", "more"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_done(objects: list[Obj], of: Obj | None, more: Obj) -> None:
    assert refused(*objects, of=of, **more) == "MLB617"


def test_policies_that_are_not_in_the_way() -> None:
    assert refused(ROUTE, client_policy({"xForwardedFor": {"numTrustedHops": 1}})) == ""
    left_out = client_policy({"xForwardedFor": {"disableXForwardedForAppend": True}})
    assert refused(ROUTE, left_out, client_address={"mode": "none"}) == ""
