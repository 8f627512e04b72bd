# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure Application Gateway for Containers: the objects, how it is found, what it answers."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.azure_agc.extension import EXTENSION
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.azure_agc.profile import CONTROLLER, HEALTH_CHECK
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.azure_agc.profile import PROFILE as AGC
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.azure_agic.profile import PROFILE as AGIC
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.azure_lb.profile import PROFILE as AZURE_LB
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.chain import CheckTarget, HealthCheck
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.unit.plugins.module_utils.balancers.cloud_support import GATEWAY, HOST, annotations, balanced, found, made, node, request, target
from tests.unit.plugins.module_utils.balancers.gateways import gateway_class
from tests.unit.plugins.module_utils.support.cluster import LIVE, Obj, ingress_class, live, namespace, workload
from tests.unit.plugins.module_utils.support.known import detect

GROUP = "alb.networking.azure.io"
MANAGED = {"alb_namespace": "infra", "alb_name": "alb"}
BROUGHT = {"alb_id": "/subscriptions/s/alb", "frontend": "front"}
SERVICE = {"group": "", "kind": "Service", "name": "gateway", "namespace": GATEWAY}
SAME = {"allowedRoutes": {"namespaces": {"from": "Same"}}}


def secret(name: str) -> dict[str, str]:
    return {"group": "", "kind": "Secret", "name": name}


def test_the_plain_chain_object_by_object() -> None:
    front = AGC.chain.front(request(**MANAGED))
    objects = made(front)
    assert sorted(objects) == ["Gateway", "HTTPRoute", "HealthCheckPolicy"]
    assert annotations(objects["Gateway"]) == {f"{GROUP}/alb-namespace": "infra", f"{GROUP}/alb-name": "alb"}
    assert objects["Gateway"]["spec"] == {
        "gatewayClassName": "azure-alb-external", "listeners": [{"name": "http", "protocol": "HTTP", "port": 80, **SAME}]}  # fmt: skip
    assert objects["HealthCheckPolicy"] == {
        "apiVersion": f"{GROUP}/v1", "kind": "HealthCheckPolicy", "metadata": {"name": "chain", "namespace": GATEWAY},
        "spec": {"targetRef": SERVICE, "default": {
            "interval": "5s", "timeout": "3s", "healthyThreshold": 1, "unhealthyThreshold": 3, "port": 15021, "useTLS": False,
            "http": {"path": "/healthz/ready", "match": {"statusCodes": [{"start": 200, "end": 200}]}}}},
    }  # fmt: skip
    assert (front.service.type, front.check) == ("ClusterIP", HealthCheck("http", 15021))


CLASSES: dict[str, tuple[dict[str, Any], str]] = {
    "an IngressClass is found too": ({"classes": ("alb", "azure-alb-external")}, "azure-alb-external"),
    "another one only": ({"classes": ("edge",)}, "edge"),
    "asked for": ({"classes": ("azure-alb-external",), "class_name": "edge"}, "edge"),
}


@pytest.mark.parametrize(("wanted", "name"), CLASSES.values(), ids=CLASSES)
def test_the_class(wanted: dict[str, Any], name: str) -> None:
    assert made(AGC.chain.front(request(**MANAGED, **wanted)))["Gateway"]["spec"]["gatewayClassName"] == name


def test_https_with_a_redirect_at_a_frontend_that_is_there() -> None:
    asked = request(tls_secret="cert", https_redirect=True, **BROUGHT)
    objects = made(AGC.chain.front(asked))
    front = objects["Gateway"]
    assert annotations(front) == {f"{GROUP}/alb-id": "/subscriptions/s/alb"}
    assert front["spec"]["addresses"] == [{"type": f"{GROUP}/alb-frontend", "value": "front"}]
    assert front["spec"]["listeners"][1]["tls"] == {"mode": "Terminate", "certificateRefs": [secret("cert")]}
    assert objects["HTTPRoute chain"]["spec"]["parentRefs"] == [{"name": "chain", "sectionName": "https"}]
    assert objects["HTTPRoute chain-redirect"]["spec"]["parentRefs"] == [{"name": "chain", "sectionName": "http"}]
    assert AGC.chain.ends_tls(asked) and not AGC.chain.ends_tls(request())


POLICIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "the first host": ({"gateway": target(tls=True)}, {"sni": HOST, "ports": [{"port": 443}]}),
    "another name, verified": (
        {"gateway": target(tls=True, server_name="gw.internal"), "ca_secret": "ca"},
        {"sni": "gw.internal", "ports": [{"port": 443}], "verify": {"caCertificateRef": secret("ca"), "subjectAltName": "gw.internal"}}),
    "a client certificate": (
        {"gateway": target(tls=True), "client_secret": "client"},
        {"sni": HOST, "ports": [{"port": 443}], "clientCertificateRef": secret("client")}),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "default"), POLICIES.values(), ids=POLICIES)
def test_tls_to_the_gateway(wanted: dict[str, Any], default: dict[str, Any]) -> None:
    objects = made(AGC.chain.front(request(**MANAGED, **wanted)))
    assert objects["BackendTLSPolicy"]["spec"] == {"targetRef": SERVICE, "default": default}
    # The check stays in clear on a port of its own.
    assert objects["HealthCheckPolicy"]["spec"]["default"]["useTLS"] is False
    assert AGC.chain.server_name(request()) == "settable"


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "nowhere": ({}, "alb_namespace"),
    "half a place": ({"alb_name": "alb"}, "alb_namespace"),
    "two places": ({**MANAGED, **BROUGHT}, "alb_namespace"),
    "a place and a half": ({**MANAGED, "frontend": "front"}, "alb_namespace"),
    "a redirect without certificate": ({**MANAGED, "https_redirect": True}, "tls_secret"),
    "TLS without a name": ({**MANAGED, "gateway": target(tls=True), "hosts": ("*.example.com",)}, "gateway.tls.host"),
    "a status port of unknown number": ({**MANAGED, "gateway": target(status_port="health")}, "number of their port"),
}


@pytest.mark.parametrize(("wanted", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(wanted: dict[str, Any], reason: str) -> None:
    front = AGC.chain.front(request(**wanted))
    assert reason in front.refusal and not front.bodies


def test_the_client() -> None:
    client = AGC.chain.client_address(request())
    assert (client.mode, client.trusted_hops) == ("x_forwarded_for", 1)


def test_the_check_of_an_application_goes_to_its_sidecar() -> None:
    (body,) = AGC.health.check(CheckTarget("apps", "shop", HealthCheck("http", 15021)), request()).bodies
    assert body["spec"]["targetRef"] == {"group": "", "kind": "Service", "name": "shop", "namespace": "apps"}


INJECTED, REVISION = namespace(GATEWAY, istio_injection="enabled"), namespace(GATEWAY)
REVISION = {**REVISION, "metadata": {**REVISION["metadata"], "labels": {"istio.io/rev": "asm-1-27"}}}
RUNNING = workload(EXTENSION, where="azure-alb-system")
PREFLIGHT: dict[str, tuple[list[Obj], tuple[str, ...], list[str]]] = {
    "all is well": ([namespace(GATEWAY), RUNNING], (HEALTH_CHECK,), []),
    "no controller": ([namespace(GATEWAY)], (), ["MLB604"]),
    "the extension takes the gateway for a member": ([INJECTED, RUNNING], (HEALTH_CHECK,), ["MLB617"]),
    "likewise by revision": ([REVISION, RUNNING], (HEALTH_CHECK,), ["MLB617"]),
    "injection without the extension": ([INJECTED], (HEALTH_CHECK,), []),
}


@pytest.mark.parametrize(("objects", "kinds", "expected"), PREFLIGHT.values(), ids=PREFLIGHT)
def test_what_the_cluster_shows_to_fail(objects: list[Obj], kinds: tuple[str, ...], expected: list[str]) -> None:
    snapshot = Snapshot(objects, dataclasses.replace(LIVE, available=LIVE.available | set(kinds)))
    assert [item.code for item in AGC.chain.preflight(snapshot, request(**MANAGED))] == expected


AKS = node("azure:///subscriptions/s/vm-1")


def test_it_is_the_one_that_can_speak_the_meshs_mutual_tls() -> None:
    (one,) = found(AGC, gateway_class(CONTROLLER, "azure-alb-external"), AKS)
    assert (one.classes, one.confidence) == (("azure-alb-external",), "likely")
    assert {name: mode.supported for name, mode in one.modes} == {
        "standalone_plaintext": True, "standalone_mtls": True, "chained": True}  # fmt: skip
    assert "extension" in dict(one.modes)["standalone_mtls"].why


@pytest.mark.parametrize(("objects", "said"), [([RUNNING], "is here"), ([], "not found here")], ids=["there", "not there"])
def test_whether_its_extension_is_there_is_said(objects: list[Obj], said: str) -> None:
    remarks = detect(live(gateway_class(CONTROLLER, "azure-alb-external"), AKS, *objects))[1]
    (one,) = (item for item in remarks if item.code == "MLB614")
    assert said in one.message and EXTENSION in one.message


def test_all_three_of_azure_in_one_cluster_are_told_apart() -> None:
    objects = [
        AKS, balanced(), ingress_class("alb", CONTROLLER), ingress_class("appgw", "azure/application-gateway"),
        gateway_class(CONTROLLER, "azure-alb-external"),
    ]
    ((agc,), (agic,), (plain,)) = (found(item, *objects) for item in (AGC, AGIC, AZURE_LB))
    assert (agc.classes, agic.classes, plain.classes) == (("alb", "azure-alb-external"), ("appgw",), ())
