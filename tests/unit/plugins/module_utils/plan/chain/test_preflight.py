# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused before anything is written: each case with its own code, and its good neighbour that is not."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.core.findings import FINDINGS

from tests.unit.plugins.module_utils.plan.chain.kit import (
    CRD,
    GATEWAY_KINDS,
    GATEWAYS,
    chain,
    gateway_service,
    gateway_workload,
    istio_gateway,
    kubernetes,
    refusal,
    world,
)
from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    EDGE,
    PUBLIC,
    ROOT,
    Obj,
    backend,
    config_map,
    container,
    ingress,
    istiod,
    nginx,
    obj,
    path,
    service,
    to,
    virtual_service,
    workload,
)

SHOP = ingress("shop", path(backend("shop")))
HOSTS = [{"host": PUBLIC, "paths": [{"path": "/", "backend": {"namespace": APPS, "service": "shop", "port": 80}}]}]
TLS = {"name": "meshlb", "namespace": GATEWAYS, "tls": {"mode": "simple", "credential_name": "cert"}}
OWN = {"name": "own", "namespace": GATEWAYS}
OWN_TLS = {**TLS, "name": "own"}
HTTPS = {"port": {"number": 443, "name": "https", "protocol": "HTTPS"}, "tls": {"mode": "SIMPLE", "credentialName": "x"}}


def definition(kind: str, version: str) -> Obj:
    name = f"{kind.lower()}s.gateway.networking.k8s.io"
    notes = {"gateway.networking.k8s.io/bundle-version": version}
    spec = {"group": "gateway.networking.k8s.io", "names": {"kind": kind}}
    return obj("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", name, annotations=notes, spec=spec)


def deployed(where: str) -> list[Obj]:
    """A gateway that Istio deployed from a Gateway of the Gateway API."""
    labels = {"gateway.networking.k8s.io/gateway-name": "edge", "istio": "gw"}
    return [gateway_service(where=where), workload("gw", where=where, pod_labels=labels)]


def annotated(text: str) -> Obj:
    return gateway_workload(annotations={"proxy.istio.io/config": text})


ELSEWHERE = virtual_service(PUBLIC, http=[to("cart.apps.svc.cluster.local", 80)], where=EDGE)
HTTP_ON_80 = gateway_service()
NLB_WISH: dict[str, Any] = {"platform": "aws_nlb", "hosts": HOSTS, "client_address": {"mode": "proxy_protocol"}}

CASES: dict[str, tuple[list[Obj], dict[str, Any], dict[str, Any], str]] = {
    "a redirect without end": (
        [SHOP, istio_gateway(tls={"httpsRedirect": True})], {},
        {"gateway": OWN, "client_address": {"mode": "none"}}, "MLB601"),
    "a redirect that trusts the load balancer": ([SHOP, istio_gateway(tls={"httpsRedirect": True})], {}, {"gateway": OWN}, ""),
    "named hosts without a server name": ([SHOP, istio_gateway(hosts=[PUBLIC], **HTTPS)], {}, {"gateway": OWN_TLS}, "MLB602"),
    "any host without a server name": ([SHOP, istio_gateway(hosts=["*"], **HTTPS)], {}, {"gateway": OWN_TLS}, ""),
    "a server name that nobody sends": ([SHOP], {}, {"gateway": {**TLS, "tls": {**TLS["tls"], "host": "gw.example.com"}}}, "MLB602"),
    "PROXY protocol on an old Istio": ([istiod(version="1.26.3")], {}, NLB_WISH, "MLB603"),
    "PROXY protocol on a new Istio": ([istiod(version="1.27.0")], {}, NLB_WISH, ""),
    "a sidecar that a VirtualService diverts": ([SHOP, ELSEWHERE], {"injected": True}, {}, "MLB605"),
    "a VirtualService without a sidecar": ([SHOP, ELSEWHERE], {}, {}, ""),
    "a sidecar that knows no such host": ([SHOP], {"injected": True}, {}, ""),
    "addresses with ports": ([], {}, {"platform": "azure_agic", "hosts": HOSTS}, "MLB606"),
    "addresses with ports, rewritten": (
        [], {"kinds": ("AzureApplicationGatewayRewrite.appgw.ingress.azure.io",)},
        {"platform": "azure_agic", "hosts": HOSTS, "platform_options": {"forwarded_for_rewritten": "true"}}, ""),
    "a new route beside an older one for the same requests": ([SHOP], {}, {"hosts": HOSTS}, "MLB617"),
    "a new route for another path": ([ingress("shop", path(backend("shop"), "/x"))], {}, {"hosts": HOSTS}, ""),
    "a new route for another host": ([ingress("shop", path(backend("shop")), host="b.example.com")], {}, {"hosts": HOSTS}, ""),
    "no kinds of the Gateway API": ([SHOP], {"without": GATEWAY_KINDS}, {"gateway": kubernetes()}, "MLB607"),
    "old kinds of the Gateway API": (
        [SHOP, istiod(version="1.31.0"), definition("HTTPRoute", "v0.8.1")], {"kinds": (CRD,)}, {"gateway": kubernetes()}, "MLB607"),
    "new kinds of the Gateway API": (
        [SHOP, istiod(version="1.31.0"), definition("HTTPRoute", "v1.6.0")], {"kinds": (CRD,)}, {"gateway": kubernetes()}, ""),
    "a Gateway beside another namespace's pods": (
        [SHOP, istiod(version="1.31.0"), *deployed("other")], {"gateway": False}, {"gateway": {**OWN, "service": "other/gw"}}, "MLB608"),
    "the same on an Istio that merges": (
        [SHOP, istiod(version="1.30.3"), *deployed("other")], {"gateway": False}, {"gateway": {**OWN, "service": "other/gw"}}, ""),
    "hops that somebody set": (
        [SHOP, gateway_service(), annotated("gatewayTopology: {numTrustedProxies: 2}")], {"gateway": False}, {}, "MLB609"),
    "the same hops": ([SHOP, gateway_service(), annotated("gatewayTopology: {numTrustedProxies: 1}")], {"gateway": False}, {}, ""),
    "no namespace for a Gateway that is made": ([SHOP], {}, {"gateway": kubernetes(namespace="nowhere")}, "MLB616"),
    "no gateway": ([SHOP], {"gateway": False}, {}, "MLB616"),
    "a Gateway for other hosts": ([SHOP, istio_gateway(hosts=["*.other.com"])], {}, {"gateway": OWN}, "MLB616"),
    "a Gateway for such hosts": ([SHOP, istio_gateway(hosts=["./*.example.com"])], {}, {"gateway": OWN}, ""),
    "no such port": ([SHOP], {}, {"gateway": {**OWN, "port": 8443}}, "MLB616"),
    "its own address instead of the client's": ([SHOP], {}, {"client_address": {"mode": "source_address"}}, "MLB617"),
    "a PROXY header that it cannot send": ([SHOP], {}, {"client_address": {"mode": "proxy_protocol"}}, "MLB617"),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "more", "wanted", "code"), CASES.values(), ids=CASES)
def test_refusals(objects: list[Obj], more: dict[str, Any], wanted: dict[str, Any], code: str) -> None:
    assert refusal(world(*objects, **more), **wanted) == code


def test_what_is_refused_by_registry_only() -> None:
    mesh = [istiod(version="1.31.0"), config_map("istio", ROOT, mesh="outboundTrafficPolicy: {mode: REGISTRY_ONLY}")]
    assert refusal(world(SHOP, *mesh, injected=True)) == "MLB605"


def test_a_sidecar_that_diverts_is_the_reason_and_not_the_object() -> None:
    with pytest.raises(MeshlbError) as caught:
        chain(world(SHOP, ELSEWHERE, injected=True))
    (found,) = (item for item in caught.value.details["findings"] if item["code"] == "MLB605")
    assert (found["object"]["kind"], found["cause"]["kind"], found["details"]) == ("Service", "Deployment", {"host": PUBLIC})


def test_a_refusal_says_the_remedy_of_the_catalogue_and_its_finding_that_of_the_case() -> None:
    with pytest.raises(MeshlbError) as caught:
        chain(world(SHOP, gateway=False))
    (found,) = caught.value.details["findings"]
    assert caught.value.hint == FINDINGS["MLB616"].remedy
    assert found["remedy"].startswith("Install Istio's gateway chart")


def test_another_gateway_for_the_same_host_is_said() -> None:
    assert "MLB612" in chain(world(SHOP, istio_gateway("other", hosts=[PUBLIC]))).codes


def test_a_gateway_that_others_reach_is_said() -> None:
    exposed = world(SHOP, gateway_service(type="LoadBalancer"), gateway_workload(), gateway=False)
    assert "MLB620" in chain(exposed).codes
    assert "MLB620" not in chain(world(SHOP)).codes
    assert "MLB620" not in chain(exposed, client_address={"mode": "none"}).codes


MESH_HOPS = "defaultConfig: {gatewayTopology: {numTrustedProxies: %d}}"


def test_what_others_write_is_said_and_never_explained_away() -> None:
    done = chain(world(SHOP), client_address={"trusted_hops": 2})
    assert "MLB621" in done.codes and "1 before that are trusted" in done.plan.client.why and "never" not in done.plan.client.why
    none = chain(world(SHOP), client_address={"trusted_hops": 0})
    assert "MLB621" not in none.codes and "takes the load balancer for the client" in none.plan.client.why
    assert "MLB621" not in chain(world(SHOP)).codes


def kept_by_istio(environment: list[Obj]) -> list[Obj]:
    """Somebody's Gateway of the Gateway API, and what Istio made of it."""
    labels = {"gateway.networking.k8s.io/gateway-name": "edge", "istio": "gw"}
    pods = workload("edge-istio", where=GATEWAYS, pod_labels=labels, containers=[{**container("istio-proxy"), "env": environment}])
    spec = {"gatewayClassName": "istio", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP",
                                                        "allowedRoutes": {"namespaces": {"from": "All"}}}]}  # fmt: skip
    return [gateway_service("edge-istio"), pods, obj("gateway.networking.k8s.io/v1", "Gateway", GATEWAYS, "edge", spec=spec)]


@pytest.mark.parametrize(("value", "code"), [("true", ""), ("false", "MLB609"), ("", "MLB609")])
def test_what_only_an_overlay_can_set_is_looked_for_in_the_pods(value: str, code: str) -> None:
    environment = [{"name": "ENVOY_STATUS_PORT_ENABLE_PROXY_PROTOCOL", "value": value}] if value else []
    snapshot = world(istiod(version="1.31.0"), *kept_by_istio(environment), gateway=False)
    assert refusal(snapshot, gateway=kubernetes(create=False), platform="aws_nlb", hosts=HOSTS) == code


def test_where_nobody_can_be_led_the_gateway_stays_as_it_is() -> None:
    """A layer 4 load balancer has no hosts to carry over: its gateway must not begin to ask for PROXY headers."""
    balanced = service("shop", type="LoadBalancer", loadBalancerClass="service.k8s.aws/nlb")
    done = chain(world(istiod(version="1.31.0"), balanced), platform="aws_nlb")
    assert done.written == [] and "MLB610" in done.codes


def test_what_the_mesh_sets_for_all_is_enough_or_in_the_way() -> None:
    done = chain(world(SHOP, istiod(version="1.31.0"), config_map("istio", ROOT, mesh=MESH_HOPS % 1)))
    assert not any(item.object.kind == "Deployment" for item in done.changes)
    assert refusal(world(SHOP, istiod(version="1.31.0"), config_map("istio", ROOT, mesh=MESH_HOPS % 2))) == "MLB609"


def test_what_the_pods_are_told_already_is_kept() -> None:
    snapshot = world(SHOP, gateway_service(), annotated("concurrency: 2"), gateway=False)
    template = chain(snapshot).after.get("Deployment.apps", GATEWAYS, "gw")["spec"]["template"]  # type: ignore[index]
    text = template["metadata"]["annotations"]["proxy.istio.io/config"]
    assert text == '{"concurrency": 2, "gatewayTopology": {"numTrustedProxies": 1}}'


CART = {"path": "/", "backend": {"namespace": APPS, "service": "cart", "port": 80}}
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown option": ({"platform_options": {"x": 1}}, "platform_options has 'x'"),
    "a wrong choice": ({"platform_options": {"verify": "maybe"}}, "platform_options.verify"),
    "an unknown platform": ({"platform": "x"}, "no load balancer that this collection knows"),
    "an unknown load balancer": ({"load_balancer": {"namespace": "a", "name": "b"}}, "a/b, which was not found"),
    "a wrong word for hosts": ({"hosts": "all"}, "hosts is 'all'"),
    "a host without paths": ({"hosts": [{"host": "a"}]}, "hosts[0] has no paths"),
    "a path without a backend": ({"hosts": [{"paths": [{"path": "/"}]}]}, "hosts[0].paths[0] has no backend"),
    "a backend that does not exist": (
        {"hosts": [{"paths": [{"backend": {"namespace": APPS, "service": "x", "port": 1}}]}]}, "does not exist"),
    "no hosts": ({"hosts": []}, "hosts is empty"),
    "a host twice": ({"hosts": [*HOSTS, {**HOSTS[0], "host": PUBLIC.upper()}]}, f"hosts[1] is {PUBLIC} once more"),
    "two backends of a path": ({"hosts": [{"host": PUBLIC, "paths": [*HOSTS[0]["paths"], CART]}]}, "leads path / to two backends"),
    "a certificate without TLS": ({"gateway": {"tls": {"credential_name": "x"}}}, "its mode is none"),
    "a negative number": ({"client_address": {"trusted_hops": -1}}, "trusted_hops is -1"),
    "a path of another type": (
        {"hosts": [{"paths": [{"path_type": "X", "backend": {"namespace": APPS, "service": "shop", "port": 80}}]}]}, "of type 'X'"),
    "hosts that are not there": ({"hosts": ["nobody.example.com"]}, "Not one route"),
    "a platform of which there are two": ({"platform": "ingress_nginx"}, "There are 2 of platform ingress_nginx"),
    "both APIs": ({"gateway": {"create": True}}, "gateway.api is istio"),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "said"), BAD.values(), ids=BAD)
def test_bad_input_is_named(wanted: dict[str, Any], said: str) -> None:
    more = [nginx("other")] if wanted.get("platform") == "ingress_nginx" else []
    assert said in refusal(world(SHOP, *more), **wanted)


def test_a_refusal_names_the_object() -> None:
    snapshot = world(SHOP, gateway_service(), annotated("gatewayTopology: {numTrustedProxies: 2}"), gateway=False)
    with pytest.raises(MeshlbError, match=f"MLB609: Deployment {GATEWAYS}/gw: numTrustedProxies is 2"):
        chain(snapshot)
