# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenShift's router in chained mode: Routes to the gateway, and what they cannot do."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.switches import PatchSet
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.openshift_router.profile import CHAIN
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import REGISTRY

from tests.unit.plugins.module_utils.balancers.cloud_support import GATEWAY, HOST, request, target
from tests.unit.plugins.module_utils.balancers.support import data_plane, reading, the, validated
from tests.unit.plugins.module_utils.plan.chain.kit import chain, world
from tests.unit.plugins.module_utils.support.cluster import Obj, ingress_class, live, obj, service
from tests.unit.plugins.module_utils.support.known import detect

ROUTER = "openshift_router"
TLS = target(tls=True)
HEADER, NONE = ("x_forwarded_for", 1), ("none", 0)
CA = "-----BEGIN CERTIFICATE-----"

ROUTES: dict[str, tuple[dict[str, Any], Obj, str, tuple[str, int], bool]] = {
    "edge": ({}, {"termination": "edge", "insecureEdgeTerminationPolicy": "Allow"}, "never", HEADER, True),
    "edge with a redirect": (
        {"https_redirect": True}, {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"}, "never", HEADER, True),
    "no TLS": ({"termination": "none"}, {}, "never", HEADER, False),
    "re-encryption": (
        {"gateway": TLS, "destination_ca": CA}, {"termination": "reencrypt", "destinationCACertificate": CA}, "never", HEADER, True),
    "passthrough": ({"gateway": TLS, "termination": "Passthrough"}, {"termination": "passthrough"}, "client", NONE, False),
    "passthrough with a redirect": (
        {"gateway": TLS, "termination": "passthrough", "https_redirect": True},
        {"termination": "passthrough", "insecureEdgeTerminationPolicy": "Redirect"}, "client", NONE, False),
}


@pytest.mark.parametrize(("wanted", "tls", "name", "client", "ends"), ROUTES.values(), ids=ROUTES)
def test_a_route_beside_the_gateway(wanted: dict[str, Any], tls: Obj, name: str, client: tuple[str, int], ends: bool) -> None:
    asked = request(**wanted)
    front = CHAIN.front(asked)
    (body,) = front.bodies
    notes = {"haproxy.router.openshift.io/set-forwarded-headers": "replace"}
    assert body["metadata"] == {"name": "chain", "namespace": GATEWAY, "annotations": notes}
    assert body["spec"] == {
        "host": HOST, "wildcardPolicy": "None", "to": {"kind": "Service", "name": "gateway", "weight": 100},
        "port": {"targetPort": asked.gateway.port_name}, **({"tls": tls} if tls else {}),
    }
    learnt = CHAIN.client_address(asked)
    assert (CHAIN.server_name(asked), (learnt.mode, learnt.trusted_hops), CHAIN.ends_tls(asked)) == (name, client, ends)
    assert (front.check.kind, front.check.port, front.service.type) == ("tcp", asked.gateway.target_port, "ClusterIP")
    validated(body, "openshift")


def test_a_route_per_host_and_wildcards() -> None:
    first, second = CHAIN.front(request(hosts=(HOST, "*.example.org"))).bodies
    assert (first["metadata"]["name"], second["metadata"]["name"]) == ("chain", "chain-2")
    assert (second["spec"]["host"], second["spec"]["wildcardPolicy"]) == ("wildcard.example.org", "Subdomain")
    validated(second, "openshift")


def test_whose_certificate_it_takes_without_a_ca() -> None:
    assert "service CA" in CHAIN.front(request(gateway=TLS)).steps[0]
    assert not CHAIN.front(request(gateway=TLS, destination_ca=CA)).steps


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "any host": ({"hosts": ()}, "give hosts"),
    "TLS where there is none": ({"termination": "reencrypt"}, "is not for that"),
    "plain HTTP where there is TLS": ({"gateway": TLS, "termination": "edge"}, "is not for that"),
    "a redirect without TLS": ({"termination": "none", "https_redirect": True}, "needs TLS"),
    "PROXY protocol": ({"client": "proxy_protocol"}, "x_forwarded_for"),
    "its own address": ({"client": "source_address"}, "x_forwarded_for"),
    "a header behind passthrough": ({"gateway": TLS, "termination": "passthrough", "client": "x_forwarded_for"}, "would be taken"),
}


@pytest.mark.parametrize(("wanted", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(wanted: dict[str, Any], said: str) -> None:
    assert said in CHAIN.front(request(**wanted)).refusal


def held(where: str, host: str = HOST, **more: Any) -> Obj:
    return obj("route.openshift.io/v1", "Route", where, "own", spec={"host": host, "to": {"kind": "Service", "name": "shop"}, **more})


HELD: dict[str, tuple[Obj, bool]] = {
    "in another namespace": (held("apps"), True), "in another namespace, for a path": (held("apps", path="/cart"), True),
    "beside the gateway": (held(GATEWAY), True), "beside the gateway, for a path": (held(GATEWAY, path="/cart"), False),
    "another host": (held("apps", "b.example.com"), False),
}  # fmt: skip


@pytest.mark.parametrize(("route", "refused"), HELD.values(), ids=HELD)
def test_a_host_that_an_older_route_has_is_refused(route: Obj, refused: bool) -> None:
    assert [item.code for item in CHAIN.preflight(live(route), request())] == (["MLB617"] if refused else [])


def switched(route: Obj, **wanted: Any) -> PatchSet:
    """What leads it to the gateway, asked as a plan asks."""
    router = data_plane("router-default", image="openshift/origin-haproxy-router:v4.0.0", where="openshift-ingress")
    cluster = live(router, route, service("shop"))
    (found,) = reading(cluster, ROUTER)[0]
    assert CHAIN.redirect
    return CHAIN.redirect(cluster, the(cluster, ROUTER), [found], request(**wanted))


def test_a_route_is_led_to_the_gateway_by_its_own_fields() -> None:
    answer = switched(held("apps", tls={"termination": "edge"}), https_redirect=True)
    assert {patch.path: patch.value for patch in answer.patches} == {
        ("spec", "to", "name"): "gateway-ingress-gateway", ("spec", "port"): {"targetPort": "gateway"},
        ("metadata", "annotations", "haproxy.router.openshift.io/set-forwarded-headers"): "replace",
        ("spec", "tls", "insecureEdgeTerminationPolicy"): "Redirect",
    }
    assert [(body["kind"], body["metadata"]["namespace"]) for body in answer.bodies] == [("Service", "apps"), ("EndpointSlice", "apps")]


def test_a_route_that_speaks_tls_to_the_gateway() -> None:
    answer = switched(held("apps", tls={"termination": "edge"}), gateway=TLS, destination_ca=CA)
    changed = {patch.path[-1]: patch.value for patch in answer.patches if patch.path[1] == "tls"}
    assert changed == {"termination": "reencrypt", "destinationCACertificate": CA}


def owned(route: Obj) -> Obj:
    route["metadata"]["ownerReferences"] = [{"kind": "Ingress", "name": "shop"}]
    return route


STAYS: dict[str, tuple[Obj, dict[str, Any], str]] = {
    "made from an Ingress": (owned(held("apps")), {}, "Ingress shop"),
    "passthrough": (held("apps", tls={"termination": "passthrough"}), {"gateway": TLS}, "passes clients' TLS through"),
    "re-encryption before plain HTTP": (held("apps", tls={"termination": "reencrypt"}), {}, "set gateway.tls"),
    "no TLS before TLS": (held("apps"), {"gateway": TLS}, "has no TLS"),
    "no TLS and a redirect": (held("apps"), {"https_redirect": True}, "has no TLS"),
}


@pytest.mark.parametrize(("route", "wanted", "said"), STAYS.values(), ids=STAYS)
def test_a_route_that_stays_says_why(route: Obj, wanted: dict[str, Any], said: str) -> None:
    assert said in switched(route, **wanted).refusal


def test_the_whole_plan_leads_it_and_makes_no_route_beside_it() -> None:
    router = data_plane("router-default", image="openshift/origin-haproxy-router:v4.0.0", where="openshift-ingress")
    before = held("apps", tls={"termination": "edge"})
    done = chain(world(router, before, kinds=("Route.route.openshift.io",)), platform="openshift_route")
    after = done.after.get("Route.route.openshift.io", "apps", "own") or {}
    assert (after["spec"]["to"]["name"], after["spec"]["port"]) == ("meshlb-istio-ingress-gateway", {"targetPort": "gateway"})
    assert [item.chained for item in done.plan.routes] == [True] and not [line for line in done.written if "create Route" in line]
    validated(after, "openshift")


def test_a_host_that_is_led_is_in_nobodys_way() -> None:
    assert not CHAIN.preflight(live(held("apps")), request(carried=True))


def test_it_is_found_once_and_answers_to_both_names() -> None:
    router = data_plane("router-default", image="openshift/origin-haproxy-router:v4.0.0", where="openshift-ingress")
    cluster = live(router, ingress_class("openshift-default", "openshift.io/ingress-to-route"))
    assert [item.vendor for item in detect(cluster)[0]] == ["openshift_router"]
    assert {found.about.id for word in ("openshift_router", "openshift_route") if (found := REGISTRY.named(word))} == {"openshift_router"}
