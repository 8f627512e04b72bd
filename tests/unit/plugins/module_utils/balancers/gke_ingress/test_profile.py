# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GKE Ingress: the objects (validated by Google's own schemas), how it is found, what it answers."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.chain import CheckTarget, HealthCheck
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.gke_gateway.profile import PROFILE as GKE_GATEWAY
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.gke_ingress.health import BACKEND_CONFIG
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.gke_ingress.profile import PROFILE as GKE
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.gke_neg.profile import PROFILE as NEG
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.unit.plugins.module_utils.balancers.cloud_support import GATEWAY, HOST, annotations, found, made, node, request, target
from tests.unit.plugins.module_utils.balancers.gateways import gateway_class
from tests.unit.plugins.module_utils.balancers.support import noted, shown, validated
from tests.unit.plugins.module_utils.support.cluster import LIVE, Obj, backend, ingress, ingress_class, obj, path, service

CLASS = "kubernetes.io/ingress.class"
FRONTEND = {"networking.gke.io/v1beta1.FrontendConfig": "chain"}
CHECK = {"type": "HTTP", "port": 15021, "requestPath": "/healthz/ready", "checkIntervalSec": 5, "timeoutSec": 5}
FOLDERS = {"BackendConfig": "gke-ingress", "FrontendConfig": "gke-ingress", "ManagedCertificate": "gke-managed-certs"}
PATHS = [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "gateway", "port": {"number": 80}}}}]


def test_the_plain_chain_object_by_object() -> None:
    front = GKE.chain.front(request())
    where = {"name": "chain", "namespace": GATEWAY}
    assert list(front.bodies) == [
        {"apiVersion": "cloud.google.com/v1", "kind": "BackendConfig", "metadata": where,
         "spec": {"healthCheck": CHECK, "connectionDraining": {"drainingTimeoutSec": 60}}},
        {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {**where, "annotations": {CLASS: "gce"}},
         "spec": {"rules": [{"host": HOST, "http": {"paths": PATHS}}]}},
    ]  # fmt: skip
    assert front.service.type == "ClusterIP"
    assert dict(front.service.annotations) == {
        "cloud.google.com/neg": '{"ingress":true}', "cloud.google.com/backend-config": '{"default": "chain"}'}  # fmt: skip
    assert front.check == HealthCheck("http", 15021, "/healthz/ready")


INGRESSES: dict[str, tuple[dict[str, Any], dict[str, str], list[str]]] = {
    "a managed certificate and a redirect": (
        {"managed_certificate": True, "https_redirect": True, "static_ip": "web"},
        {CLASS: "gce", "kubernetes.io/ingress.global-static-ip-name": "web", "networking.gke.io/managed-certificates": "chain", **FRONTEND},
        ["BackendConfig", "FrontendConfig", "Ingress", "ManagedCertificate"]),
    "certificates that are there": (
        {"pre_shared_certificate": "a,b", "ssl_policy": "modern"},
        {CLASS: "gce", "ingress.gcp.kubernetes.io/pre-shared-cert": "a,b", **FRONTEND},
        ["BackendConfig", "FrontendConfig", "Ingress"]),
    "internal": (
        {"class_name": "gce-internal", "static_ip": "in", "tls_secret": "cert"},
        {CLASS: "gce-internal", "kubernetes.io/ingress.regional-static-ip-name": "in"}, ["BackendConfig", "Ingress"]),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "expected", "kinds"), INGRESSES.values(), ids=INGRESSES)
def test_what_the_options_make(wanted: dict[str, Any], expected: dict[str, str], kinds: list[str]) -> None:
    objects = made(GKE.chain.front(request(**wanted)))
    assert sorted(objects) == kinds
    assert annotations(objects["Ingress"]) == expected
    assert GKE.chain.ends_tls(request(**wanted))
    for kind in set(objects) & set(FOLDERS):
        validated(objects[kind], FOLDERS[kind])
    if "FrontendConfig" in objects:
        redirect = {"redirectToHttps": {"enabled": True, "responseCodeName": "MOVED_PERMANENTLY_DEFAULT"}}
        assert objects["FrontendConfig"]["spec"] == (redirect if wanted.get("https_redirect") else {"sslPolicy": "modern"})
    if "ManagedCertificate" in objects:
        assert objects["ManagedCertificate"]["spec"] == {"domains": [HOST]}
    if "tls_secret" in wanted:
        assert objects["Ingress"]["spec"]["tls"] == [{"hosts": [HOST], "secretName": "cert"}]


@pytest.mark.parametrize(("asked", "protocol"), [("", "HTTP2"), ("HTTPS", "HTTPS")])
def test_tls_to_the_gateway_is_declared_by_port_name(asked: str, protocol: str) -> None:
    front = GKE.chain.front(request(gateway=target(tls=True), **({"backend_protocol": asked} if asked else {})))
    assert dict(front.service.annotations)["cloud.google.com/app-protocols"] == f'{{"https":"{protocol}"}}'
    assert front.check.port == 15021
    assert GKE.chain.server_name(request()) == "never"


def test_a_cloud_armor_policy_is_on_the_backend() -> None:
    objects = made(GKE.chain.front(request(security_policy="edge")))
    assert objects["BackendConfig"]["spec"]["securityPolicy"] == {"name": "edge"}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a redirect without certificate": ({"https_redirect": True}, "managed_certificate"),
    "a redirect of an internal one": (
        {"https_redirect": True, "class_name": "gce-internal", "tls_secret": "c", "static_ip": "x"}, "cannot redirect"),
    "internal HTTPS without an address": ({"class_name": "gce-internal", "tls_secret": "c"}, "static_ip"),
    "a managed certificate elsewhere": ({"managed_certificate": True, "class_name": "gce-regional-external"}, "class gce only"),
    "a managed certificate for any host": ({"managed_certificate": True, "hosts": ()}, "needs hosts"),
    "a managed certificate with a wildcard": ({"managed_certificate": True, "hosts": ("*.example.com",)}, "wildcard"),
    "TLS to a port without a name": ({"gateway": dataclasses.replace(target(tls=True), port_name="")}, "port has none"),
    "a status port of unknown number": ({"gateway": target(status_port="health")}, "number of their port"),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(wanted: dict[str, Any], reason: str) -> None:
    front = GKE.chain.front(request(**wanted))
    assert reason in front.refusal and not front.bodies


def test_the_client_is_the_second_from_the_right() -> None:
    client = GKE.chain.client_address(request())
    assert (client.mode, client.trusted_hops) == ("x_forwarded_for", 2)
    assert GKE.chain.facts.redirects and not GKE.chain.ends_tls(request())


def test_the_check_of_an_application_goes_to_its_sidecar() -> None:
    front = GKE.health.check(CheckTarget("apps", "shop", HealthCheck("http", 15021)), request())
    (body,) = front.bodies
    assert body["metadata"]["namespace"] == "apps" and body["spec"]["healthCheck"] == CHECK
    assert "cloud.google.com/backend-config" in dict(front.service.annotations)


def cluster(*objects: Obj, kinds: tuple[str, ...] = (BACKEND_CONFIG,)) -> Snapshot:
    return Snapshot(objects, dataclasses.replace(LIVE, available=LIVE.available | set(kinds)))


def gateway_service(**notes: str) -> Obj:
    return noted(service("gateway", where=GATEWAY), **notes)


OLD = "service.alpha.kubernetes.io/app-protocols"


def config(check: Obj) -> Obj:
    """Somebody's own BackendConfig."""
    return obj("cloud.google.com/v1", "BackendConfig", GATEWAY, "own", spec={"healthCheck": check} if check else {})


PREFLIGHT: dict[str, tuple[Snapshot, list[tuple[str, str]]]] = {
    "all is there": (cluster(gateway_service()), []),
    "no BackendConfig": (cluster(gateway_service(), kinds=()), [("MLB604", "error")]),
    "an older annotation goes first": (cluster(gateway_service(**{OLD: '{"https": "HTTPS"}'})), [("MLB609", "error")]),
    "an older annotation says the same": (cluster(gateway_service(**{OLD: '{"https": "HTTP2"}'})), []),
    "an older annotation cannot be read": (cluster(gateway_service(**{OLD: "x"})), [("MLB609", "error")]),
}


@pytest.mark.parametrize(("snapshot", "expected"), PREFLIGHT.values(), ids=PREFLIGHT)
def test_what_the_cluster_shows_to_fail(snapshot: Snapshot, expected: list[tuple[str, str]]) -> None:
    assert [(item.code, item.severity) for item in GKE.chain.preflight(snapshot, request(gateway=target(tls=True)))] == expected


CONFIG = "cloud.google.com/backend-config"
GOOD = {"type": "HTTP", "port": 15021, "requestPath": "/healthz/ready"}
OWN: dict[str, tuple[str, list[Obj], bool, list[str]]] = {
    "one that checks the gateway": ('{"default":"own"}', [config(GOOD)], True, []),
    "for the port by its name": ('{"ports":{"http2":"own"}}', [config(GOOD)], True, []),
    "for the port by its number": ('{"ports":{"80":"own"},"default":"x"}', [config(GOOD)], True, []),
    "one that checks something else": ('{"default":"own"}', [config({"type": "HTTP", "requestPath": "/"})], True, ["MLB604"]),
    "one without a check": ('{"default":"own"}', [config({})], True, ["MLB604"]),
    "one that is not there": ('{"default":"own"}', [], True, ["MLB604"]),
    "for another port": ('{"ports":{"8080":"own"}}', [], False, []),
    "one that cannot be read": ("own", [], False, []),
}


@pytest.mark.parametrize(("text", "objects", "used", "codes"), OWN.values(), ids=OWN)
def test_a_config_of_ones_own_is_used_where_it_checks_the_gateway(text: str, objects: list[Obj], used: bool, codes: list[str]) -> None:
    chained = request(gateway=target(annotations=((CONFIG, text),)))
    assert [item.code for item in GKE.chain.preflight(cluster(gateway_service(), *objects), chained)] == codes
    front = GKE.chain.front(chained)
    assert ("BackendConfig" in made(front)) is not used and (CONFIG in dict(front.service.annotations)) is not used
    refusal = GKE.chain.front(dataclasses.replace(chained, options={"security_policy": "edge"})).refusal
    assert ("BackendConfig own" in refusal) is used


GCE, OTHER = node("gce://p/zone/vm-1"), node("aws:///a/i-1")
PLAIN = ingress("a", path(backend("shop")), class_name=None)
CLASSED = noted(PLAIN, **{CLASS: "gce-internal"})
SERVED = noted(PLAIN, **{"ingress.kubernetes.io/url-map": "k8s-um"})
FINAL = {**PLAIN, "metadata": {**PLAIN["metadata"], "finalizers": ["networking.gke.io/ingress-finalizer-V2"]}}
FOUND: dict[str, tuple[list[Obj], list[str]]] = {
    "class annotation": ([GCE, CLASSED], ["likely"]),
    "class annotation, on others' nodes": ([OTHER, CLASSED], []),
    "no class, on its nodes": ([GCE, PLAIN], ["likely"]),
    "no class, nodes unknown": ([PLAIN], []),
    "what it writes back": ([GCE, SERVED], ["certain"]),
    "its finalizer": ([GCE, FINAL], ["certain"]),
    "a class that somebody else has": ([GCE, ingress("a", path(backend("shop")), class_name="nginx")], []),
    "nothing": ([GCE], []),
}


@pytest.mark.parametrize(("objects", "expected"), FOUND.values(), ids=FOUND)
def test_how_it_is_found(objects: list[Obj], expected: list[str]) -> None:
    assert [item.confidence for item in found(GKE, *objects)] == expected


def test_all_three_of_google_in_one_cluster_are_told_apart() -> None:
    group = noted(service("neg"), **{"cloud.google.com/neg": '{"exposed_ports": {"80": {}}}'})
    objects = [GCE, CLASSED, group, gateway_class("networking.gke.io/gateway", "gke-l7"), ingress_class("nginx", "k8s.io/ingress-nginx")]
    for platform in (GKE, GKE_GATEWAY, NEG):
        (one,) = found(platform, *objects)
        assert one.placement == "cloud" and one.vendor == platform.about.id


def test_its_routes_are_those_that_are_its_own() -> None:
    other = ingress("b", path(backend("shop")), class_name="nginx", host="other.example.com")
    snapshot = cluster(GCE, CLASSED, other, service("shop"))
    assert [(item[0], item[2]) for item in shown(snapshot, GKE.about.id)] == [(HOST, "apps/shop:80")]


def test_kinds_that_are_served_make_it_possible() -> None:
    snapshot = cluster(GCE, obj("v1", "Namespace", "", "apps"), kinds=(BACKEND_CONFIG, "FrontendConfig.networking.gke.io"))
    assert [item.confidence for item in GKE.recogniser.traces(snapshot)] == ["possible"]
