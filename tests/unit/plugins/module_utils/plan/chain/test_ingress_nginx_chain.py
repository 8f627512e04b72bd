# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains of ingress-nginx: what is written in both APIs, in which order, and that it can be taken back."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import REGISTRY
from ansible_collections.meshlb.istio.plugins.module_utils.runs.chained_plan import remaining_hosts

from tests.unit.plugins.module_utils.plan.chain.kit import (
    ADDRESS,
    GATEWAYS,
    Chain,
    chain,
    istio_gateway,
    kubernetes,
    options,
    round_trip,
    taken_back,
    world,
)
from tests.unit.plugins.module_utils.support.cluster import APPS, NGINX, PUBLIC, Obj, backend, ingress, path, peer_authentication
from tests.unit.plugins.module_utils.support.planning import contents

SHOP = ingress("shop", path(backend("shop")), path(backend("cart"), "/cart", "Exact"), path(backend("cart"), "/basket"))
ALIAS = f"meshlb-{GATEWAYS}-gateway"
STRICT = peer_authentication("STRICT", where=APPS)


def alias_of(snapshot: Any, number: int) -> Any:
    found = snapshot.get("Ingress.networking.k8s.io", APPS, "shop")
    return found["spec"]["rules"][0]["http"]["paths"][number]["backend"]["service"]


def test_istios_api_in_order() -> None:
    done = round_trip(world(SHOP, STRICT))
    assert done.written == [
        f"0 patch Deployment {GATEWAYS}/gw",
        f"0 create Gateway {GATEWAYS}/meshlb",
        f"1 create EndpointSlice {APPS}/{ALIAS}",
        f"1 create VirtualService {GATEWAYS}/meshlb-{PUBLIC}",
        f"1 create Ingress {APPS}/{ALIAS}-keeps-shop",
        f"1 create Service {APPS}/{ALIAS}",
        f"2 patch Ingress {APPS}/shop",
    ]  # fmt: skip
    gateway = done.body("Gateway")["spec"]
    assert gateway["selector"] == {"istio": "gw"}
    assert gateway["servers"] == [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": [PUBLIC]}]
    rules = done.body("VirtualService")["spec"]["http"]
    assert [item.get("match") for item in rules] == [
        [{"uri": {"exact": "/cart"}}], [{"uri": {"exact": "/basket"}}, {"uri": {"prefix": "/basket/"}}], None]  # fmt: skip
    assert rules[2]["route"] == [{"destination": {"host": "shop.apps.svc.cluster.local", "port": {"number": 80}}}]
    assert done.body("EndpointSlice")["endpoints"][0]["addresses"] == [ADDRESS]
    assert [alias_of(done.after, number) for number in range(3)] == [{"name": ALIAS, "port": {"number": 80}}] * 3


def test_verdicts_before_and_after() -> None:
    done = chain(world(SHOP, STRICT))
    assert {(item.before.verdict, item.after.verdict, item.chained) for item in done.plan.routes} == {("refused", "mutual_tls", True)}
    again = chain(done.after)
    assert {(item.before.verdict, item.after.verdict) for item in again.plan.routes} == {("mutual_tls", "mutual_tls")}


def test_the_client_is_the_entry_that_nginx_writes() -> None:
    done = chain(world(SHOP))
    (change,) = (item for item in done.changes if item.object.kind == "Deployment")
    assert [item.after for item in change.fields if "replaced" not in str(item.path)][0]
    template = done.after.get("Deployment.apps", GATEWAYS, "gw")["spec"]["template"]
    assert template["metadata"]["annotations"] == {"proxy.istio.io/config": '{"gatewayTopology": {"numTrustedProxies": 1}}'}
    assert done.plan.client.trusted_hops == 1 and "lost" in done.plan.client.why


def test_gateway_api_makes_a_gateway_and_routes_beside_the_backends() -> None:
    done = round_trip(world(SHOP, gateway=False), gateway=kubernetes())
    assert "MLB619" in done.codes
    gateway = done.body("Gateway")
    assert gateway["metadata"]["annotations"]["networking.istio.io/service-type"] == "ClusterIP"
    assert gateway["spec"]["infrastructure"]["annotations"] == {"proxy.istio.io/config": '{"gatewayTopology": {"numTrustedProxies": 1}}'}
    (listener,) = gateway["spec"]["listeners"]
    assert (listener["name"], listener["port"], listener["protocol"]) == ("http", 80, "HTTP")
    route = done.body("HTTPRoute")
    assert route["metadata"]["namespace"] == APPS
    assert route["spec"]["parentRefs"] == [{"name": "edge", "namespace": GATEWAYS}]
    assert [item["matches"][0]["path"] for item in route["spec"]["rules"]] == [
        {"type": "Exact", "value": "/cart"}, {"type": "PathPrefix", "value": "/basket"}, {"type": "PathPrefix", "value": "/"}]  # fmt: skip


def test_a_path_that_goes_by_characters_makes_expressions_of_the_hosts_prefixes() -> None:
    mixed = ingress("shop", path(backend("shop")), path(backend("cart"), "/ca.t", "ImplementationSpecific"), path(backend("cart"), "/a"))
    done = chain(world(mixed, gateway=False), gateway=kubernetes())
    assert [item["matches"][0]["path"]["value"] for item in done.body("HTTPRoute")["spec"]["rules"]] == [
        "/ca\\.t(?:.*)", "/a(/.*)?", "/(?:.*)"]  # fmt: skip
    istio = chain(world(mixed))
    assert istio.body("VirtualService")["spec"]["http"][0]["match"] == [{"uri": {"prefix": "/ca.t"}}]


def test_an_existing_gateway_is_used_as_it_is() -> None:
    done = round_trip(world(SHOP, istio_gateway()), gateway={"name": "own", "namespace": GATEWAYS})
    assert not any(item.object.kind == "Gateway" for item in done.changes)
    assert done.body("VirtualService")["spec"]["gateways"] == ["own"]


def annotated(**notes: str) -> Obj:
    return ingress("shop", path(backend("shop")), path(backend("cart"), "/cart"), **notes)


STAYS: dict[str, tuple[Obj, str]] = {
    "TLS to the backend": (annotated(backend_protocol="HTTPS"), "TLS"),
    "a rewritten path, several backends": (annotated(rewrite_target="/$1"), "rewrites its path"),
    "a Host of variables": (annotated(upstream_vhost="$http_x"), "variables"),
    "ignored": ({**annotated(), "metadata": {**annotated()["metadata"], "annotations": {"meshlb.istio/ignore": "true"}}}, "left alone"),
    "no such Service": (ingress("shop", path(backend("nobody"))), "does not exist"),
    "no such port": (ingress("shop", path(backend("shop", 81))), "no port 81"),
}


@pytest.mark.parametrize(("item", "said"), STAYS.values(), ids=STAYS)
def test_what_stays_where_it_is(item: Obj, said: str) -> None:
    done = chain(world(item))
    assert not any(change.object.kind == "Ingress" for change in done.changes)
    assert all(said in found.message for found in done.findings if found.code == "MLB610")
    assert {found.code for found in done.findings} & {"MLB610", "MLB213"}
    assert not any(route.chained for route in done.plan.routes)


def test_a_rewritten_path_with_one_backend_goes_by_its_host() -> None:
    item = ingress("shop", path(backend("shop"), "/a(/|$)(.*)", "ImplementationSpecific"), rewrite_target="/$2")
    done = round_trip(world(item))
    assert done.body("VirtualService")["spec"]["http"] == [
        {"route": [{"destination": {"host": "shop.apps.svc.cluster.local", "port": {"number": 80}}}]}]  # fmt: skip


def test_two_backends_for_one_path_are_not_guessed() -> None:
    done = chain(world(ingress("shop", path(backend("shop"))), ingress("other", path(backend("cart")))))
    assert done.codes.count("MLB610") == 1 and not any(item.chained for item in done.plan.routes)


def test_features_that_end_at_the_gateway_are_said() -> None:
    assert "MLB611" in chain(world(annotated(affinity="cookie"))).codes


def tls(**more: Any) -> dict[str, Any]:
    return {"name": "meshlb", "namespace": GATEWAYS, "tls": {"mode": "simple", "credential_name": "cert", **more}}


def test_tls_without_a_server_name_needs_any_host() -> None:
    done = round_trip(world(SHOP), gateway=tls())
    (server,) = done.body("Gateway")["spec"]["servers"]
    assert (server["hosts"], server["tls"], server["port"]["number"]) == (["*"], {"mode": "SIMPLE", "credentialName": "cert"}, 443)
    notes = done.after.get("Ingress.networking.k8s.io", APPS, "shop")["metadata"]["annotations"]
    assert notes[f"{NGINX}/backend-protocol"] == "HTTPS"
    assert alias_of(done.after, 0)["port"] == {"number": 443}


def test_tls_with_a_server_name() -> None:
    done = round_trip(world(SHOP), gateway=tls(host="gw.example.com"), platform_options={"proxy_ssl_secret": "edge/ca"})
    (server,) = done.body("Gateway")["spec"]["servers"]
    assert server["hosts"] == [PUBLIC, "gw.example.com"]
    notes = done.after.get("Ingress.networking.k8s.io", APPS, "shop")["metadata"]["annotations"]
    assert notes[f"{NGINX}/proxy-ssl-name"] == "gw.example.com" and notes[f"{NGINX}/proxy-ssl-secret"] == "edge/ca"


def test_tls_is_switched_for_an_ingress_as_a_whole_or_not_at_all() -> None:
    done = chain(world(ingress("shop", path(backend("shop")), path(backend("nobody"), "/no"))), gateway=tls())
    assert not any(item.chained for item in done.plan.routes)
    assert not any(change.object.kind == "Ingress" and change.action == "patch" for change in done.changes)


def test_by_name_where_that_is_asked_for() -> None:
    done = round_trip(world(SHOP), route_backend="name")
    assert done.body("Service")["spec"]["externalName"] == f"gw.{GATEWAYS}.svc.cluster.local"
    assert not any(item.object.kind == "EndpointSlice" for item in done.changes)


def test_hosts_are_taken_back_one_by_one() -> None:
    other = ingress("other", path(backend("cart")), host="cart.example.com")
    done = chain(world(SHOP, other))
    rest: Chain = chain(done.after, state="absent", hosts=[PUBLIC])
    assert f"2 patch Ingress {APPS}/shop" in rest.written and f"3 delete VirtualService {GATEWAYS}/meshlb-{PUBLIC}" in rest.written
    assert not any("other" in item and "Ingress" in item for item in rest.written)
    assert alias_of(rest.after, 0)["name"] == "shop"
    assert chain(rest.after, hosts=["cart.example.com"]).written == []


def test_the_last_host_takes_the_chain_along() -> None:
    done = chain(world(SHOP))
    wanted = {"state": "absent", "hosts": [PUBLIC]}
    asked = options(**wanted)
    assert remaining_hosts(done.after, REGISTRY, asked) == frozenset()
    assert contents(taken_back(done.after, **wanted)) == contents(done.before)
    other = ingress("other", path(backend("cart")), host="cart.example.com")
    both = chain(world(SHOP, other))
    assert remaining_hosts(both.after, REGISTRY, asked) == {"cart.example.com"}
    never = world(SHOP)
    assert remaining_hosts(never, REGISTRY, asked) == frozenset() and contents(taken_back(never, **wanted)) == contents(never)


def test_only_the_hosts_that_are_named() -> None:
    other = ingress("other", path(backend("cart")), host="cart.example.com")
    done = round_trip(world(SHOP, other), hosts=["cart.example.com"])
    assert {item.host for item in done.plan.routes} == {"cart.example.com"}


def test_new_hosts_get_a_new_ingress() -> None:
    paths = [{"path": "/", "backend": {"namespace": APPS, "service": "shop", "port": 80}}]
    done = round_trip(world(), hosts=[{"host": "new.example.com", "paths": paths}])
    body = done.body("Ingress")
    assert body["metadata"]["namespace"] == GATEWAYS and body["spec"]["ingressClassName"] == "nginx"
    assert [item for item in done.written if "Ingress" in item] == [f"2 create Ingress {GATEWAYS}/meshlb-ingress-nginx"]
    assert done.route().after.verdict == "mutual_tls"
