# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Predictions that depend on the other side: pods without a sidecar, exemptions, DestinationRules, TLS, policies."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Verdict

from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    EDGE,
    PUBLIC,
    ROOT,
    Obj,
    backend,
    cluster,
    config_map,
    destination_rule,
    external_name,
    ingress,
    mesh_config,
    outcome,
    path,
    peer_authentication,
    pod,
    port,
    service,
    service_entry,
    sidecar,
    to,
    virtual_service,
)

FQDN = "shop.apps.svc.cluster.local"
LEGACY = {"sidecar": False}


def made(*pods: Obj, name: str = "web", vip: bool = True, more: tuple[Obj, ...] = ()) -> list[Obj]:
    noted = {"service_upstream": "true"} if vip else {}
    return [service("shop", port(name)), *pods, ingress("shop", path(backend("shop")), **noted), *more]


def twin(**more: str) -> Obj:
    return service("twin", port("pods", 8080, 8080), ip="None", selector={"app": "shop"}, annotations=more or None)


GOOD, BARE = pod("shop"), pod("shop", sidecar=False)
STRICT = peer_authentication()
EXEMPT = peer_authentication("STRICT", where=APPS, name="x", selector={"app": "shop"}, ports={"8080": "DISABLE"})
LAX = peer_authentication("STRICT", where=APPS, name="x", selector={"app": "shop"}, ports={"8080": "PERMISSIVE"})
UNCAPTURED = pod("shop", annotations={"traffic.sidecar.istio.io/excludeInboundPorts": "8080"})
OFF = pod("shop", labels={"security.istio.io/tlsMode": "disabled"})
OTHER = pod("shop", account="other", name="shop-other")

CASES: dict[str, tuple[list[Obj], Verdict]] = {
    "a backend without a sidecar": (made(BARE), "plaintext"),
    "a backend without a sidecar, pod addresses": (made(BARE, vip=False), "plaintext"),
    "a backend without a sidecar, STRICT": (made(BARE, more=(STRICT,)), "plaintext"),
    "mixed pods, Service address": (made(GOOD, BARE), "mixed"),
    "mixed pods, Service address, STRICT": (made(GOOD, BARE, more=(STRICT,)), "mixed"),
    "mixed pods, twin": (made(GOOD, BARE, vip=False, more=(twin(),)), "plaintext"),
    "mixed pods, twin, STRICT": (made(GOOD, BARE, vip=False, more=(twin(), STRICT)), "mixed"),
    "mixed pods without a match, STRICT": (made(GOOD, BARE, vip=False, more=(STRICT,)), "mixed"),
    "mixed pods without a match": (made(GOOD, BARE, vip=False), "plaintext"),
    "a port that is exempt, Service address": (made(GOOD, more=(STRICT, EXEMPT)), "plaintext"),
    "a port that is exempt, twin": (made(GOOD, vip=False, more=(twin(), EXEMPT)), "refused"),
    "a port that is permissive": (made(GOOD, more=(STRICT, LAX)), "mutual_tls"),
    "a port that is permissive, no match": (made(GOOD, vip=False, more=(STRICT, LAX)), "plaintext"),
    "DISABLE in the namespace": (made(GOOD, more=(peer_authentication("DISABLE", where=APPS),)), "plaintext"),
    "DISABLE in the namespace, twin": (
        made(GOOD, vip=False, more=(twin(), peer_authentication("DISABLE", where=APPS))), "plaintext"),
    "an inbound port that is not captured": (made(UNCAPTURED), "refused"),
    "an inbound port that is not captured, no match": (made(UNCAPTURED, vip=False, more=(STRICT,)), "plaintext"),
    "a pod that says it has no TLS": (made(OFF, more=(STRICT,)), "refused"),
    "a pod that says it has no TLS, PERMISSIVE": (made(OFF), "plaintext"),
    "automatic mutual TLS switched off": (made(GOOD, more=(mesh_config("enableAutoMtls: false"),)), "plaintext"),
    "DestinationRule DISABLE": (made(GOOD, more=(destination_rule("shop", "DISABLE"),)), "plaintext"),
    "DestinationRule DISABLE, STRICT": (made(GOOD, more=(destination_rule("shop", "DISABLE"), STRICT)), "refused"),
    "DestinationRule SIMPLE": (made(GOOD, more=(destination_rule("shop", "SIMPLE"),)), "unknown"),
    "DestinationRule MUTUAL": (made(GOOD, more=(destination_rule("shop", "MUTUAL"),)), "unknown"),
    "DestinationRule ISTIO_MUTUAL": (made(GOOD, more=(destination_rule("shop", "ISTIO_MUTUAL"),)), "mutual_tls"),
    "DestinationRule ISTIO_MUTUAL, no sidecar": (made(BARE, more=(destination_rule("shop", "ISTIO_MUTUAL"),)), "refused"),
    "DestinationRule ISTIO_MUTUAL, mixed": (made(GOOD, BARE, more=(destination_rule("shop", "ISTIO_MUTUAL"),)), "mixed"),
    "DestinationRule for the whole mesh": (
        made(GOOD, more=(destination_rule("*.local", "DISABLE", where=ROOT),)), "plaintext"),
    "DestinationRule for every host": (made(GOOD, more=(destination_rule("*", "DISABLE", where=ROOT),)), "plaintext"),
    "the client's DestinationRule first": (
        made(GOOD, more=(destination_rule("shop", "DISABLE"), destination_rule(FQDN, "ISTIO_MUTUAL", where=EDGE))), "mutual_tls"),
    "a DestinationRule of a third namespace": (made(GOOD, more=(destination_rule(FQDN, "DISABLE", where="third"),)), "mutual_tls"),
    "a DestinationRule that is not exported": (
        made(GOOD, more=(destination_rule("shop", "DISABLE", exportTo=["."]),)), "mutual_tls"),
    "the more specific DestinationRule": (
        made(GOOD, more=(destination_rule("*.local", "DISABLE"), destination_rule("shop", "ISTIO_MUTUAL", name="b"))), "mutual_tls"),
    "the oldest DestinationRule": (
        made(GOOD, more=(destination_rule("shop", "DISABLE", name="a", created="2024-02-01T00:00:00Z"),
                         destination_rule("shop", "ISTIO_MUTUAL", name="b", created="2024-01-01T00:00:00Z"))), "mutual_tls"),
    "DestinationRules are merged: the first with a policy": (
        made(GOOD, more=(destination_rule("shop", "DISABLE", name="a", created="2024-02-01T00:00:00Z"),
                         destination_rule("shop", name="b", created="2024-01-01T00:00:00Z", subsets=[{"name": "v1"}]))), "plaintext"),
    "a DestinationRule for other workloads": (
        made(GOOD, more=(destination_rule("shop", "DISABLE", where=EDGE, workloadSelector={"matchLabels": {"app": "x"}}),)),
        "mutual_tls"),
    "a DestinationRule's port setting": (
        made(GOOD, more=(destination_rule("shop", trafficPolicy={"tls": {"mode": "ISTIO_MUTUAL"}, "portLevelSettings": [
            {"port": {"number": 80}, "tls": {"mode": "DISABLE"}}]}),)), "plaintext"),
    "a DestinationRule's setting for another port": (
        made(GOOD, more=(destination_rule("shop", trafficPolicy={"portLevelSettings": [
            {"port": {"number": 81}, "tls": {"mode": "DISABLE"}}]}),)), "mutual_tls"),
    "a DestinationRule for these workloads": (
        made(GOOD, more=(destination_rule(FQDN, "DISABLE", where=EDGE, workloadSelector={"matchLabels": {"app": "lb"}}),)), "plaintext"),
    "a DestinationRule for other workloads hides the Service's own": (
        made(GOOD, more=(destination_rule("shop", "DISABLE"), destination_rule(
            FQDN, name="others", where=EDGE, workloadSelector={"matchLabels": {"app": "x"}}))), "mutual_tls"),
    "a port's setting without tls: the cluster is automatic, the endpoints are marked": (
        made(GOOD, more=(destination_rule("shop", trafficPolicy={"tls": {"mode": "DISABLE"}, "portLevelSettings": [
            {"port": {"number": 80}, "connectionPool": {}}]}),)), "plaintext"),
    "a port's setting without tls, ISTIO_MUTUAL above it, no sidecar": (
        made(BARE, more=(destination_rule("shop", trafficPolicy={"tls": {"mode": "ISTIO_MUTUAL"}, "portLevelSettings": [
            {"port": {"number": 80}, "connectionPool": {}}]}),)), "plaintext"),
    "DestinationRules that are exported differently are not merged": (
        made(GOOD, more=(
            destination_rule("shop", "ISTIO_MUTUAL", name="a", created="2024-01-01T00:00:00Z"),
            destination_rule("shop", "DISABLE", name="b", created="2024-02-01T00:00:00Z", exportTo=["*"]))), "plaintext"),
    "an exact DestinationRule that is not exported hides a wide one of its namespace": (
        made(GOOD, more=(destination_rule("*.local", "DISABLE"),
                         destination_rule("shop", "ISTIO_MUTUAL", name="b", exportTo=["other"]))), "mutual_tls"),
    "identities that fit some pods": (
        made(GOOD, OTHER, more=(destination_rule("shop", trafficPolicy={"tls": {
            "mode": "ISTIO_MUTUAL", "subjectAltNames": ["spiffe://cluster.local/ns/apps/sa/shop"]}}),)), "mixed"),
    "a DestinationRule that balances by the original destination": (
        made(GOOD, BARE, more=(destination_rule("shop", trafficPolicy={"loadBalancer": {"simple": "PASSTHROUGH"}}),)), "plaintext"),
    "a DestinationRule on the twin": (
        made(GOOD, vip=False, more=(twin(), destination_rule("twin", "DISABLE"))), "plaintext"),
    "a DestinationRule on the Service leaves the twin alone": (
        made(GOOD, vip=False, more=(twin(), destination_rule("shop", "DISABLE"))), "mutual_tls"),
    "ServiceEntry without a rule, mixed pods": (
        made(GOOD, BARE, vip=False, more=(service_entry(PUBLIC, 8080),)), "plaintext"),
    "ServiceEntry with a rule that disables": (
        made(GOOD, vip=False, more=(service_entry(PUBLIC, 8080), destination_rule(PUBLIC, "DISABLE", where=EDGE), STRICT)), "refused"),
    "ServiceEntry with addresses of its own": (
        made(GOOD, vip=False, more=(service_entry(PUBLIC, 8080, resolution="DNS"),)), "unknown"),
    "ServiceEntry outside the mesh": (
        made(GOOD, vip=False, more=(service_entry(PUBLIC, 8080, location="MESH_EXTERNAL"),)), "plaintext"),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "verdict"), CASES.values(), ids=CASES)
def test_the_other_side(objects: list[Obj], verdict: Verdict) -> None:
    assert outcome(cluster(*objects)).verdict == verdict


def test_a_port_that_is_not_captured_is_told_from_a_pod_without_a_sidecar() -> None:
    assert outcome(cluster(*made(UNCAPTURED))).why.endswith("but the backend has no sidecar on port 8080 to take it")
    assert outcome(cluster(*made(UNCAPTURED, vip=False, more=(STRICT,)))).why.endswith("; the backend has no sidecar on port 8080")
    assert outcome(cluster(*made(BARE))).why.endswith("; the backend has no sidecar")


REGISTRY_ONLY = mesh_config("outboundTrafficPolicy: {mode: REGISTRY_ONLY}")
BLOCKED: dict[str, tuple[list[Obj], Verdict]] = {
    "pod addresses": (made(GOOD, vip=False, more=(REGISTRY_ONLY,)), "refused"),
    "public Host": (made(GOOD, name="http", more=(REGISTRY_ONLY,)), "refused"),
    "a backend without a sidecar": (made(BARE, vip=False, more=(REGISTRY_ONLY,)), "refused"),
    "what matches": (made(GOOD, more=(REGISTRY_ONLY,)), "mutual_tls"),
    "by a Sidecar": (
        made(GOOD, vip=False, more=(sidecar("*/*", outboundTrafficPolicy={"mode": "REGISTRY_ONLY"}),)), "refused"),
    "by a mode that is not known": (made(GOOD, vip=False, more=(mesh_config("outboundTrafficPolicy: {mode: NEW}"),)), "unknown"),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "verdict"), BLOCKED.values(), ids=BLOCKED)
def test_what_matches_nothing_may_be_blocked(objects: list[Obj], verdict: Verdict) -> None:
    assert outcome(cluster(*objects)).verdict == verdict


def tls(name: str, number: int = 443, **more: str) -> list[Obj]:
    return [service("shop", port(name, number, 8443)), pod("shop"), ingress("shop", path(backend("shop", number)), **more)]


TLS_TWIN = service("twin", port("pods", 8443, 8443), ip="None", selector={"app": "shop"})
TLS: dict[str, tuple[list[Obj], Verdict]] = {
    "TLS to pods, http: the backend's sidecar expects HTTP": (tls("http", 443, backend_protocol="HTTPS"), "refused"),
    "TLS to pods, http, past a listener for HTTP": (
        [*tls("http", 443, backend_protocol="HTTPS"), service("other", port("http", 8443, 1))], "refused"),
    "TLS to pods, https, past a listener for HTTP": (
        [*tls("https", backend_protocol="HTTPS"), service("other", port("http", 8443, 1))], "plaintext"),
    "TLS to pods without a sidecar, http": (
        [item for item in tls("http", 443, backend_protocol="HTTPS") if item["kind"] != "Pod"] + [pod("shop", sidecar=False)], "plaintext"),
    "TLS to pods, http, twin": ([*tls("http", 443, backend_protocol="HTTPS"), TLS_TWIN], "refused"),
    "TLS to pods, https, twin": ([*tls("https", backend_protocol="HTTPS"), TLS_TWIN], "mutual_tls"),
    "TLS to pods, https": (tls("https", backend_protocol="HTTPS"), "plaintext"),
    "TLS to the Service, https": (tls("https", backend_protocol="HTTPS", service_upstream="true"), "mutual_tls"),
    "TLS to the Service, undeclared": (tls("x", backend_protocol="GRPCS", service_upstream="true"), "mutual_tls"),
    "TLS to the Service, http: the sidecar expects HTTP": (
        tls("http", 443, backend_protocol="HTTPS", service_upstream="true"), "refused"),
    "passed through, https": (tls("https", ssl_passthrough="true"), "mutual_tls"),
    "passed through, undeclared": (tls("x", ssl_passthrough="true"), "mutual_tls"),
    "passed through, http: the sidecar expects HTTP": (tls("http", 443, ssl_passthrough="true"), "refused"),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "verdict"), TLS.values(), ids=TLS)
def test_tls_to_the_backend(objects: list[Obj], verdict: Verdict) -> None:
    assert outcome(cluster(*objects, args=["--enable-ssl-passthrough"])).verdict == verdict


def test_tls_to_pods_meets_a_twin() -> None:
    made_of = service("twin", port("pods", 8443, 8443), ip="None", selector={"app": "shop"})
    assert outcome(cluster(*tls("https", backend_protocol="HTTPS"), made_of)).verdict == "mutual_tls"


def test_bytes_of_an_unknown_kind_on_an_http_listener_are_unknown() -> None:
    other = service("other", port("http", 8080, 8080))
    streams = config_map("tcp", EDGE, **{"9000": "apps/shop:80"})
    snapshot = cluster(service("shop", port("tcp")), GOOD, other, streams, args=["--tcp-services-configmap=edge/tcp"])
    assert outcome(snapshot).verdict == "unknown"


@pytest.mark.parametrize(
    ("objects", "said"),
    [
        ([ingress("shop", path(backend("shop")))], "Service apps/shop does not exist"),
        ([ingress("shop", path(backend("shop"))), external_name("shop", "x.example.com")], "ExternalName Service (x.example.com)"),
        ([ingress("shop", path(backend("shop", 81))), service("shop"), GOOD], "Service shop has no port 81"),
        ([ingress("shop", path(backend("shop", "web"))), service("shop"), GOOD], "Service shop has no port web"),
        ([ingress("shop", path(backend("shop"))), service("shop")], "no pods are known behind the Service"),
        ([ingress("shop", path(backend("shop"))), service("shop", selector={})], "no pods are known behind the Service"),
    ],
)
def test_what_is_missing_is_unknown(objects: list[Obj], said: str) -> None:
    found = outcome(cluster(*objects))
    assert found.verdict == "unknown" and said in found.why


def test_two_services_and_the_host_of_the_other_is_misrouted() -> None:
    objects = [
        *made(GOOD, name="http"), service("cart"), pod("cart"),
        ingress("cart", path(backend("cart"), "/cart"), service_upstream="true"),
        virtual_service(PUBLIC, http=[to(FQDN)]),
    ]  # fmt: skip
    found = outcome(cluster(*objects), path="/cart")
    assert (found.verdict, found.misrouted_to) == ("unknown", "apps/shop") and "leads to Service apps/shop" in found.why
    assert not outcome(cluster(*objects), path="/").misrouted_to
