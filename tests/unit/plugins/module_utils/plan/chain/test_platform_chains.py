# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains of Google's, Amazon's and Azure's load balancers as the module plans them: idempotent, and taken back without a trace."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import REGISTRY
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.runs.chained_plan import planned_chain

from tests.unit.plugins.module_utils.balancers.cloud_support import HOST, node
from tests.unit.plugins.module_utils.plan.chain.kit import GATEWAYS, kubernetes, options, refusal, round_trip, world
from tests.unit.plugins.module_utils.support.cluster import Obj, workload

HOSTS = [{"host": HOST, "paths": [{"path": "/", "backend": {"namespace": "apps", "service": "shop", "port": 80}}]}]
GCE, AWS, AKS = node("gce://p/z/vm"), node("aws:///a/i-1"), node("azure:///s/vm")
GKE_KINDS = (
    "BackendConfig.cloud.google.com", "FrontendConfig.networking.gke.io", "ManagedCertificate.networking.gke.io",
    "HealthCheckPolicy.networking.gke.io", "GCPBackendPolicy.networking.gke.io", "GCPGatewayPolicy.networking.gke.io",
)
AZURE_KINDS = (
    "HealthCheckPolicy.alb.networking.azure.io", "BackendTLSPolicy.alb.networking.azure.io",
    "AzureApplicationGatewayRewrite.appgw.ingress.azure.io",
)
AGC = {"alb_namespace": "infra", "alb_name": "alb"}
AGIC = {"forwarded_for_rewritten": True}
TLS = {"tls": {"mode": "simple", "credential_name": "cert"}}

CHAINS: dict[str, tuple[Obj, dict[str, Any], list[str]]] = {
    "gke_ingress": (GCE, {"managed_certificate": True}, ["BackendConfig", "Ingress", "ManagedCertificate"]),
    "gke_gateway": (GCE, {"certificate_map": "map"}, ["GCPBackendPolicy", "Gateway", "HTTPRoute", "HealthCheckPolicy"]),
    "gke_neg": (GCE, {}, []),
    "aws_nlb": (AWS, {}, []),
    "azure_lb": (AKS, {}, []),
    "azure_agic": (AKS, AGIC, ["AzureApplicationGatewayRewrite", "Ingress"]),
    "azure_agc": (AKS, AGC, ["Gateway", "HTTPRoute", "HealthCheckPolicy"]),
}


def planned_for(platform: str, options: dict[str, Any], gateway: dict[str, Any]) -> dict[str, Any]:
    return {"platform": platform, "platform_options": options, "hosts": HOSTS, "gateway": {"namespace": GATEWAYS, **gateway}}


@pytest.mark.parametrize("tls", [{}, TLS], ids=["plain", "TLS to the gateway"])
@pytest.mark.parametrize(("platform", "case"), CHAINS.items(), ids=CHAINS)
def test_a_chain_to_a_gateway_that_is_there(platform: str, case: tuple[Obj, dict[str, Any], list[str]], tls: dict[str, Any]) -> None:
    here, options, expected = case
    done = round_trip(world(here, kinds=GKE_KINDS + AZURE_KINDS), **planned_for(platform, options, tls))
    made = sorted(body["kind"] for body in done.plan.front)
    assert made == sorted([*expected, *(["BackendTLSPolicy"] if tls and platform == "azure_agc" else [])])
    assert [item for item in done.findings if item.severity == "error"] == []


@pytest.mark.parametrize(("tls", "late"), [({}, False), (TLS, True)], ids=["the status port", "the gateway's own port"])
def test_who_cannot_see_a_pod_end_is_told_to_give_it_longer(tls: dict[str, Any], late: bool) -> None:
    done = round_trip(world(AKS, kinds=AZURE_KINDS), **planned_for("azure_agic", AGIC, tls))
    assert any("terminationDrainDuration" in item.message for item in done.findings if item.code == "MLB613") == late


@pytest.mark.parametrize(("platform", "case"), CHAINS.items(), ids=CHAINS)
def test_a_chain_to_a_gateway_that_istio_is_to_make(platform: str, case: tuple[Obj, dict[str, Any], list[str]]) -> None:
    here, options, dummy = case
    done = round_trip(world(here, gateway=False, kinds=GKE_KINDS + AZURE_KINDS), **planned_for(platform, options, kubernetes()))
    (own,) = (item.body for item in done.changes if item.object.kind == "Gateway" and item.object.name == "edge" and item.body)
    kind = "LoadBalancer" if platform in ("aws_nlb", "azure_lb") else "ClusterIP"
    assert own["metadata"]["annotations"]["networking.istio.io/service-type"] == kind


REFUSED: dict[str, tuple[str, dict[str, Any], tuple[Obj, ...], dict[str, Any], str]] = {
    "GKE without BackendConfig": ("gke_ingress", {}, (GCE,), {}, "MLB604"),
    "GKE without its policies": ("gke_gateway", {}, (GCE,), {}, "MLB604"),
    "a redirect without a certificate": ("gke_gateway", {}, (GCE,), {"https_redirect": True}, "MLB617"),
    "a server name that nobody sends": (
        "gke_ingress", {}, (GCE,), {"gateway": {"namespace": GATEWAYS, "tls": {**TLS["tls"], "host": "gw.internal"}}}, "MLB602"),
    "X-Forwarded-For of a connection": ("aws_nlb", {}, (AWS,), {"client_address": {"mode": "x_forwarded_for"}}, "MLB617"),
    "PROXY protocol before Istio 1.27": (
        "aws_nlb", {}, (AWS, workload("istiod", where="istio-system", labels={"app": "istiod"}, containers=[
            {"name": "discovery", "image": "docker.io/istio/pilot:1.26.4", "args": ["discovery"]}])), {}, "MLB603"),
    "a redirect where nobody says how the client came": (
        "aws_nlb", {"certificate_arn": "arn"}, (AWS,), {"https_redirect": True, "gateway": {"namespace": GATEWAYS, "port": 443}}, "MLB601"),
    "addresses with ports": ("azure_agic", {}, (AKS,), {}, "MLB606"),
    "an Application Gateway for Containers nowhere": ("azure_agc", {}, (AKS,), {}, "MLB604"),
}  # fmt: skip


def refusals(snapshot: Snapshot, **more: Any) -> list[str]:
    """The codes of all findings that refuse a run."""
    with pytest.raises(MeshlbError) as caught:
        planned_chain(snapshot, REGISTRY, options(**more))
    return [str(item["code"]) for item in caught.value.details["findings"]]


@pytest.mark.parametrize(("platform", "options", "objects", "more", "expected"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(
    platform: str, options: dict[str, Any], objects: tuple[Obj, ...], more: dict[str, Any], expected: str
) -> None:
    assert expected in refusals(world(*objects), **{**planned_for(platform, options, {}), **more})


def test_an_option_of_somebody_else_is_refused() -> None:
    assert "does not know" in refusal(world(GCE), **planned_for("gke_neg", {"scheme": "internal"}, {}))


def test_an_older_istio_is_chained_with_a_tcp_check() -> None:
    objects = REFUSED["PROXY protocol before Istio 1.27"][2]
    done = round_trip(world(*objects), **planned_for("aws_nlb", {"health_check": "TCP"}, {}))
    service = done.after.get("Service", GATEWAYS, "gw")
    assert service is not None and service["spec"]["loadBalancerClass"] == "service.k8s.aws/nlb"
    notes = service["metadata"]["annotations"]
    assert notes["service.beta.kubernetes.io/aws-load-balancer-healthcheck-protocol"] == "tcp"
    assert notes["service.beta.kubernetes.io/aws-load-balancer-target-group-attributes"] == "proxy_protocol_v2.enabled=true"
