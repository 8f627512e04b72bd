# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GKE Gateway: the objects (validated by Google's own schemas), how it is found, what it answers."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.chain import CheckTarget, HealthCheck
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.gke_gateway.profile import HEALTH_CHECK, USUAL_CLASS
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.gke_gateway.profile import PROFILE as GKE
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.unit.plugins.module_utils.balancers.cloud_support import GATEWAY, HOST, annotations, found, made, node, request, target
from tests.unit.plugins.module_utils.balancers.gateways import gateway_class
from tests.unit.plugins.module_utils.balancers.support import validated
from tests.unit.plugins.module_utils.support.cluster import LIVE, live

SAME = {"allowedRoutes": {"namespaces": {"from": "Same"}}}
SERVICE = {"group": "", "kind": "Service", "name": "gateway"}
HTTP, HTTPS = {"name": "http", "protocol": "HTTP", "port": 80, **SAME}, {"name": "https", "protocol": "HTTPS", "port": 443, **SAME}


def test_the_plain_chain_object_by_object() -> None:
    front = GKE.chain.front(request())
    objects = made(front)
    assert sorted(objects) == ["GCPBackendPolicy", "Gateway", "HTTPRoute", "HealthCheckPolicy"]
    assert objects["Gateway"]["spec"] == {"gatewayClassName": USUAL_CLASS, "listeners": [HTTP]}
    assert objects["HTTPRoute"]["spec"] == {
        "parentRefs": [{"name": "chain", "sectionName": "http"}], "hostnames": [HOST],
        "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": [{"name": "gateway", "port": 80}]}],
    }  # fmt: skip
    check = {"port": 15021, "portSpecification": "USE_FIXED_PORT", "requestPath": "/healthz/ready"}
    assert objects["HealthCheckPolicy"]["spec"] == {
        "default": {"checkIntervalSec": 5, "timeoutSec": 5, "config": {"type": "HTTP", "httpHealthCheck": check}}, "targetRef": SERVICE,
    }
    assert objects["GCPBackendPolicy"]["spec"] == {"default": {"connectionDraining": {"drainingTimeoutSec": 60}}, "targetRef": SERVICE}
    assert {item["metadata"]["namespace"] for item in front.bodies} == {GATEWAY}
    assert (front.service.type, front.service.app_protocol, front.check.port) == ("ClusterIP", "", 15021)


LISTENERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a certificate map": ({"certificate_map": "map"}, HTTPS),
    "a Secret": ({"tls_secret": "cert"}, {**HTTPS, "tls": {
        "mode": "Terminate", "certificateRefs": [{"group": "", "kind": "Secret", "name": "cert"}]}}),
    "certificates that are there": ({"pre_shared_certificate": "a,b"}, {**HTTPS, "tls": {
        "mode": "Terminate", "options": {"networking.gke.io/pre-shared-certs": "a,b"}}}),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "https"), LISTENERS.values(), ids=LISTENERS)
def test_https_with_a_redirect(wanted: dict[str, Any], https: dict[str, Any]) -> None:
    asked = request(https_redirect=True, address="web", ssl_policy="modern", security_policy="edge", **wanted)
    objects = made(GKE.chain.front(asked))
    assert objects["Gateway"]["spec"]["listeners"] == [HTTP, https]
    assert objects["Gateway"]["spec"]["addresses"] == [{"type": "NamedAddress", "value": "web"}]
    assert annotations(objects["Gateway"]) == ({"networking.gke.io/certmap": "map"} if "certificate_map" in wanted else {})
    assert objects["HTTPRoute chain"]["spec"]["parentRefs"] == [{"name": "chain", "sectionName": "https"}]
    assert objects["HTTPRoute chain-redirect"]["spec"]["parentRefs"] == [{"name": "chain", "sectionName": "http"}]
    assert objects["GCPGatewayPolicy"]["spec"]["targetRef"]["kind"] == "Gateway"
    assert GKE.chain.ends_tls(asked)
    for kind in ("HealthCheckPolicy", "GCPBackendPolicy", "GCPGatewayPolicy"):
        validated(objects[kind], "gke-gateway")


PROTOCOLS: dict[str, tuple[dict[str, Any], str]] = {
    "plain, a chart's Service": ({}, ""),
    "plain, a Service that Istio makes": ({"gateway": target(api="gateway_api")}, "HTTP"),
    "TLS": ({"gateway": target(tls=True)}, "HTTP2"),
    "TLS with HTTP/1.1": ({"gateway": target(tls=True), "backend_protocol": "HTTPS"}, "HTTPS"),
}


@pytest.mark.parametrize(("wanted", "protocol"), PROTOCOLS.values(), ids=PROTOCOLS)
def test_the_ports_protocol_is_in_capitals(wanted: dict[str, Any], protocol: str) -> None:
    assert GKE.chain.front(request(**wanted)).service.app_protocol == protocol
    assert GKE.chain.server_name(request(**wanted)) == "never"


CLASSES: dict[str, tuple[dict[str, Any], str]] = {
    "none was found": ({}, USUAL_CLASS),
    "the usual one among others": ({"classes": ("gke-l7-cross-regional-internal-managed-mc", USUAL_CLASS)}, USUAL_CLASS),
    "another one only": ({"classes": ("gke-l7-rilb",)}, "gke-l7-rilb"),
    "asked for": ({"classes": (USUAL_CLASS,), "class_name": "gke-l7-rilb"}, "gke-l7-rilb"),
}


@pytest.mark.parametrize(("wanted", "name"), CLASSES.values(), ids=CLASSES)
def test_the_class(wanted: dict[str, Any], name: str) -> None:
    assert made(GKE.chain.front(request(**wanted)))["Gateway"]["spec"]["gatewayClassName"] == name


def test_what_is_refused() -> None:
    assert "certificate_map" in GKE.chain.front(request(https_redirect=True)).refusal
    assert "number of their port" in GKE.chain.front(request(gateway=target(status_port="health"))).refusal


def test_the_client_is_the_second_from_the_right() -> None:
    client = GKE.chain.client_address(request())
    assert (client.mode, client.trusted_hops) == ("x_forwarded_for", 2)


def test_the_check_of_an_application_goes_to_its_sidecar() -> None:
    (body,) = GKE.health.check(CheckTarget("apps", "shop", HealthCheck("http", 15021)), request()).bodies
    assert body["metadata"]["namespace"] == "apps" and body["spec"]["targetRef"]["name"] == "shop"
    validated(body, "gke-gateway")


def test_without_its_policies_nothing_can_be_checked() -> None:
    assert [item.code for item in GKE.chain.preflight(live(), request())] == ["MLB604"]
    served = Snapshot([], dataclasses.replace(LIVE, available=LIVE.available | {HEALTH_CHECK}))
    assert GKE.chain.preflight(served, request()) == ()


def test_how_it_is_found() -> None:
    classes = [gateway_class("networking.gke.io/gateway", name) for name in ("gke-l7-rilb", USUAL_CLASS)]
    (one,) = found(GKE, *classes, node("gce://p/zone/vm-1"))
    assert (one.classes, one.confidence) == ((USUAL_CLASS, "gke-l7-rilb"), "likely")
    assert found(GKE, gateway_class("istio.io/gateway-controller", "istio"), node("gce://p/zone/vm-1")) == []
    assert {name: mode.supported for name, mode in one.modes} == {
        "standalone_plaintext": True, "standalone_mtls": False, "chained": True}  # fmt: skip
