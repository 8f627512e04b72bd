# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure Application Gateway (AGIC): the objects, how it is found, what it answers."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.azure_agic.chain import CONTROLLER, REWRITE
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.azure_agic.profile import PROFILE as AGIC
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.chain import CheckTarget, HealthCheck
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.unit.plugins.module_utils.balancers.cloud_support import GATEWAY, HOST, annotations, found, made, node, request, target
from tests.unit.plugins.module_utils.balancers.support import noted, shown, validated
from tests.unit.plugins.module_utils.support.cluster import LIVE, Obj, backend, ingress, ingress_class, live, path, service

PREFIX = "appgw.ingress.kubernetes.io"
REWRITTEN = {"forwarded_for_rewritten": True}
BASE = {"backend-protocol": "http", "connection-draining": "true"}
PROBE = {"health-probe-port": "15021", "health-probe-path": "/healthz/ready", "health-probe-status-codes": "200"}
OWN_RULE = {"rewrite-rule-set-custom-resource": "chain"}
HTTPS = {"tls_secret": "cert", "https_redirect": True}

INGRESSES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "ports taken out by a new rule": (REWRITTEN, {**BASE, **PROBE, **OWN_RULE}),
    "ports taken out by a rule that is there": (
        {**REWRITTEN, "rewrite_rule_set": "ours"}, {**BASE, **PROBE, "rewrite-rule-set": "ours"}),
    "not confirmed": ({}, {**BASE, **PROBE}),
    "no client": ({"client": "none", **REWRITTEN}, {**BASE, **PROBE}),
    "HTTPS and a redirect": ({**REWRITTEN, **HTTPS}, {**BASE, **PROBE, **OWN_RULE, "ssl-redirect": "true"}),
    "a certificate that is there, private": (
        {**REWRITTEN, "certificate": "web", "private": True},
        {**BASE, **PROBE, **OWN_RULE, "appgw-ssl-certificate": "web", "use-private-ip": "true"}),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "notes"), INGRESSES.values(), ids=INGRESSES)
def test_an_ingress_in_the_gateways_namespace(wanted: dict[str, Any], notes: dict[str, str]) -> None:
    front = AGIC.chain.front(request(**wanted))
    body = made(front)["Ingress"]
    assert annotations(body) == {f"{PREFIX}/{key}": value for key, value in notes.items()}
    assert body["metadata"]["namespace"] == GATEWAY and body["spec"]["ingressClassName"] == "azure-application-gateway"
    (rule,) = body["spec"]["rules"]
    assert (rule["host"], rule["http"]["paths"][0]["backend"]["service"]) == (HOST, {"name": "gateway", "port": {"number": 80}})
    assert body["spec"].get("tls") == ([{"hosts": [HOST], "secretName": "cert"}] if "tls_secret" in wanted else None)
    assert (front.service.type, front.check) == ("ClusterIP", HealthCheck("http", 15021))


def test_the_rewrite_rule_is_valid_by_the_vendors_schema() -> None:
    body = made(AGIC.chain.front(request(**REWRITTEN)))["AzureApplicationGatewayRewrite"]
    header = {"actionType": "set", "headerName": "X-Forwarded-For", "headerValue": "{var_add_x_forwarded_for_proxy}"}
    (rule,) = body["spec"]["rewriteRules"]
    assert body["metadata"] == {"name": "chain", "namespace": GATEWAY}
    assert rule["actions"] == {"requestHeaderConfigurations": [header]} and "conditions" not in rule
    validated(body, "agic")


@pytest.mark.parametrize(("wanted", "rules", "steps"), [({}, 0, 1), (REWRITTEN, 1, 0), ({"client": "none"}, 0, 0)])
def test_what_is_to_be_confirmed(wanted: dict[str, Any], rules: int, steps: int) -> None:
    front = AGIC.chain.front(request(**wanted))
    assert len([item for item in front.bodies if item["kind"] != "Ingress"]) == rules
    assert len(front.steps) == steps and all("forwarded_for_rewritten" in item for item in front.steps)


def test_tls_to_the_gateway_takes_an_ingress_per_host() -> None:
    hosts = (HOST, "cart.example.com")
    front = AGIC.chain.front(request(gateway=target(tls=True), hosts=hosts, trusted_root="ca", client="none"))
    assert [(item["metadata"]["name"], item["spec"]["rules"][0]["host"]) for item in front.bodies] == [
        (f"chain-{HOST}", HOST), ("chain-cart.example.com", "cart.example.com")]  # fmt: skip
    for host, body in zip(hosts, front.bodies, strict=True):
        assert annotations(body) == {f"{PREFIX}/{key}": value for key, value in {
            "backend-protocol": "https", "connection-draining": "true", "appgw-trusted-root-certificate": "ca",
            "health-probe-path": "/healthz/ready", "health-probe-status-codes": "200-499", "backend-hostname": host,
        }.items()}  # fmt: skip
    assert front.check == HealthCheck("tcp", 443, "")
    (single,) = AGIC.chain.front(request(gateway=target(tls=True), client="none")).bodies
    assert single["metadata"]["name"] == "chain"


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a redirect without certificate": ({"https_redirect": True}, "tls_secret"),
    "TLS for any host": ({"gateway": target(tls=True), "hosts": ()}, "backend-hostname"),
    "TLS for a wildcard": ({"gateway": target(tls=True), "hosts": ("*.example.com",)}, "backend-hostname"),
    "a status port of unknown number": ({"gateway": target(status_port="health")}, "number of their port"),
}


@pytest.mark.parametrize(("wanted", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(wanted: dict[str, Any], reason: str) -> None:
    front = AGIC.chain.front(request(**wanted))
    assert reason in front.refusal and not front.bodies


def test_the_client_and_tls() -> None:
    client = AGIC.chain.client_address(request())
    assert (client.mode, client.trusted_hops) == ("x_forwarded_for", 1) and "port" in client.why
    assert AGIC.chain.client_address(request(client="none")).mode == "none"
    assert (AGIC.chain.ends_tls(request()), AGIC.chain.ends_tls(request(certificate="web"))) == (False, True)
    assert AGIC.chain.server_name(request()) == "host"


def test_the_check_of_an_application_is_set_on_its_ingress() -> None:
    (step,) = AGIC.health.check(CheckTarget("apps", "shop", HealthCheck("http", 15021)), request()).steps
    assert "apps/shop" in step and f"{PREFIX}/health-probe-port: '15021'" in step
    assert AGIC.health.check(CheckTarget("apps", "shop", HealthCheck("http", "x")), request()).refusal


def test_without_its_own_kind_a_rule_set_has_to_be_there() -> None:
    served = Snapshot([], dataclasses.replace(LIVE, available=LIVE.available | {REWRITE}))
    assert [item.code for item in AGIC.chain.preflight(live(), request())] == ["MLB606"]
    for snapshot, asked in ((served, request()), (live(), request(rewrite_rule_set="ours")), (live(), request(client="none"))):
        assert AGIC.chain.preflight(snapshot, asked) == ()


def test_a_host_that_another_ingress_of_its_own_has_is_refused() -> None:
    asked = request(client="none", classes=("web",))
    own, other = (ingress("a", path(backend("shop")), class_name=name, host=HOST) for name in ("web", "nginx"))
    assert AGIC.chain.preflight(live(other), asked) == ()
    (told,) = AGIC.chain.preflight(live(own, ingress("b", path(backend("shop")), class_name="web", host="b.example.com")), asked)
    assert told.code == "MLB617" and "Ingress apps/a has host" in told.message


AKS = node("azure:///subscriptions/s/vm-1")
PLAIN = ingress("a", path(backend("shop")), class_name=None)
CLASSED = noted(PLAIN, **{"kubernetes.io/ingress.class": CONTROLLER})
KEYED = noted(PLAIN, **{f"{PREFIX}/backend-protocol": "https"})
FOUND: dict[str, tuple[list[Obj], list[tuple[Any, ...]]]] = {
    "IngressClass": ([ingress_class("web", CONTROLLER)], [("web", ("web",), "likely")]),
    "class annotation": ([AKS, CLASSED], [("azure_agic", (), "likely")]),
    "its annotations": ([AKS, KEYED], [("azure_agic", (), "certain")]),
    "its annotations, on others' nodes": ([node("aws:///a/i-1"), KEYED, CLASSED], []),
    "no class": ([AKS, PLAIN], []),
}


@pytest.mark.parametrize(("objects", "expected"), FOUND.values(), ids=FOUND)
def test_how_it_is_found(objects: list[Obj], expected: list[tuple[Any, ...]]) -> None:
    assert [(item.name, item.classes, item.confidence) for item in found(AGIC, *objects)] == expected


def test_how_it_speaks_to_backends() -> None:
    assert [(item[2], item[5]) for item in shown(live(AKS, KEYED, service("shop")), AGIC.about.id)] == [("apps/shop:80", "tls")]
