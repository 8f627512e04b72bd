# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The measured truth table: what a load balancer's sidecar does with a request, and who takes it."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Verdict

from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    EDGE,
    PUBLIC,
    Obj,
    backend,
    cluster,
    destination_rule,
    ingress,
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
SPIFFE = "spiffe://cluster.local/ns/apps/sa/shop"


def shop(name: str = "http", number: int = 80, **more: str) -> list[Obj]:
    """A Service, its pod and an Ingress that leads there; keywords are annotations of the Ingress."""
    target: int | str = 8080
    return [service("shop", port(name, number, target)), pod("shop", http=8080), ingress("shop", path(backend("shop", number)), **more)]


def vip(name: str = "http", number: int = 80, **more: str) -> list[Obj]:
    return shop(name, number, service_upstream="true", **more)


def headless(*ports: Obj, name: str = "twin") -> Obj:
    return service(name, *(ports or [port("pods", 8080, 8080)]), ip="None", selector={"app": "shop"})


def entry(*identities: str, numbers: tuple[int, ...] = (80, 8080), host: str = PUBLIC) -> list[Obj]:
    tls = {"mode": "ISTIO_MUTUAL", "subjectAltNames": list(identities)}
    policy = {"trafficPolicy": {"tls": tls}}
    return [service_entry(host, *numbers, exportTo=["."]), destination_rule(host, where=EDGE, exportTo=["."], **policy)]


ALIAS = virtual_service(PUBLIC, http=[to(FQDN)])
ALIAS_8000 = virtual_service(PUBLIC, http=[to(FQDN, 8000)])

PLAIN, MUTUAL = ("refused", "plaintext"), ("mutual_tls", "mutual_tls")

# name: objects, (verdict under STRICT, verdict under PERMISSIVE)
TABLE: dict[str, tuple[list[Obj], tuple[Verdict, Verdict]]] = {
    "sidecar only, pod addresses": (shop(), PLAIN),
    "pod addresses, undeclared": (shop("web"), PLAIN),
    "Service address, public Host, http": (vip(), PLAIN),
    "Service address, public Host, http2": (vip("http2-x"), PLAIN),
    "Service address, public Host, grpc": (vip("grpc"), PLAIN),
    "Service address, undeclared": (vip("web"), MUTUAL),
    "Service address, tcp": (vip("tcp-web"), MUTUAL),
    "Service address, https": (vip("https"), MUTUAL),
    "Service address, undeclared, port 8000": (vip("web", 8000), MUTUAL),
    "Service address and Host = full name": (vip(upstream_vhost=FQDN), MUTUAL),
    "Service address and Host = svc.ns": (vip(upstream_vhost="shop.apps"), MUTUAL),
    "Service address and Host = svc.ns.svc": (vip(upstream_vhost="shop.apps.svc"), MUTUAL),
    "Service address and Host with a port": (vip(upstream_vhost=f"{FQDN}:80"), MUTUAL),
    "Service address and Host in capitals": (vip(upstream_vhost="Shop.Apps"), MUTUAL),
    "Service address and the bare name from another namespace": (vip(upstream_vhost="shop"), PLAIN),
    "Service address and Host of another namespace": (vip(upstream_vhost="shop.other"), PLAIN),
    "Host rewritten, port 8000": (vip("http", 8000, upstream_vhost=FQDN), MUTUAL),
    "pod addresses and Host rewritten, 80 -> 8080": (shop(upstream_vhost=FQDN), PLAIN),
    "VirtualService for the host, port 80": ([*vip(), ALIAS], MUTUAL),
    "VirtualService for the host, port 8000": ([*vip("http", 8000), ALIAS_8000], PLAIN),
    "VirtualService and ServiceEntry, port 8000": (
        [*vip("http", 8000), ALIAS_8000, service_entry(PUBLIC, 8000, name="known")], MUTUAL),
    "VirtualService and ServiceEntry of another port": (
        [*vip("http", 8000), ALIAS_8000, service_entry(PUBLIC, 9000, name="known")], PLAIN),
    "VirtualService, pod addresses": ([*shop(), ALIAS], PLAIN),
    "VirtualService on another gateway": ([*vip(), virtual_service(PUBLIC, http=[to(FQDN)], gateways=["edge/gw"])], PLAIN),
    "VirtualService for a wildcard": ([*vip(), virtual_service("*.example.com", http=[to(FQDN)])], MUTUAL),
    "VirtualService exported elsewhere": ([*vip(), virtual_service(PUBLIC, http=[to(FQDN)], exportTo=["other"])], PLAIN),
    "VirtualService for host and Service, port 8000": (
        [*vip("http", 8000), virtual_service(PUBLIC, FQDN, http=[to(FQDN, 8000)])], MUTUAL),
    "headless twin, http": ([*shop(), headless()], MUTUAL),
    "headless twin, undeclared": ([*shop("web"), headless()], MUTUAL),
    "headless twin, tcp": ([*shop("tcp"), headless()], MUTUAL),
    "headless twin of another port": ([*shop(), headless(port("pods", 9090, 9090))], PLAIN),
    "headless twin on the Service's port": ([*shop(), headless(port("pods", 80, 8080))], PLAIN),
    "headless twin declared tcp": ([*shop(), headless(port("tcp-pods", 8080, 8080))], MUTUAL),
    "headless twin declared http": ([*shop(), headless(port("http-pods", 8080, 8080))], PLAIN),
    "headless twin with another target": ([*shop(), headless(port("pods", 8080, 9090))], MUTUAL),
    "headless twin hidden from the namespace": (
        [*shop(), service("twin", port("pods", 8080, 8080), ip="None", selector={"app": "shop"},
                          annotations={"networking.istio.io/exportTo": "other"})], PLAIN),
    "headless Service over other pods": ([*shop(), service("twin", port("pods", 8080, 8080), ip="None")], PLAIN),
    "host entry, pod addresses": ([*shop(), *entry(SPIFFE)], MUTUAL),
    "host entry, Service address": ([*vip(), *entry(SPIFFE)], MUTUAL),
    "host entry without identities": ([*shop(), *entry()], MUTUAL),
    "host entry with a wrong identity": ([*shop(), *entry("spiffe://cluster.local/ns/apps/sa/other")], ("refused", "refused")),
    "host entry without the pods' port": ([*shop(), *entry(SPIFFE, numbers=(80,))], PLAIN),
    "host entry for a wildcard": ([*shop(), *entry(SPIFFE, host="*.example.com")], MUTUAL),
    "host entry without a DestinationRule": ([*shop(), service_entry(PUBLIC, 80, 8080)], PLAIN),
    "host entry for another host": ([*shop(), *entry(SPIFFE, host="other.example.com")], PLAIN),
    "host entry, undeclared port": ([*shop("web"), *entry(SPIFFE)], MUTUAL),
    "port == targetPort, http, public Host": ([service("shop", port("http", 8080, 8080)), pod("shop"),
                                               ingress("shop", path(backend("shop", 8080)))], PLAIN),
    "port == targetPort, http, Host rewritten, pod addresses": (
        [service("shop", port("http", 8080, 8080)), pod("shop"), ingress("shop", path(backend("shop", 8080)), upstream_vhost=FQDN)],
        MUTUAL),
    "port == targetPort, undeclared, pod addresses": (
        [service("shop", port("web", 8080, 8080)), pod("shop"), ingress("shop", path(backend("shop", 8080)))], PLAIN),
    "headless backend, undeclared, port == targetPort": (
        [service("shop", port("web", 8080, 8080), ip="None"), pod("shop"), ingress("shop", path(backend("shop", 8080)))], MUTUAL),
    "headless backend, service-upstream falls back to pods": (
        [service("shop", port("web", 8080, 8080), ip="None"), pod("shop"),
         ingress("shop", path(backend("shop", 8080)), service_upstream="true")], MUTUAL),
    "headless backend, undeclared, 80 -> 8080": (
        [service("shop", port("web"), ip="None"), pod("shop"), ingress("shop", path(backend("shop")))], PLAIN),
    "headless backend, http, public Host": (
        [service("shop", port("http", 8080, 8080), ip="None"), pod("shop"), ingress("shop", path(backend("shop", 8080)))], PLAIN),
    "headless backend, http, Host rewritten": (
        [service("shop", port("http", 8080, 8080), ip="None"), pod("shop"),
         ingress("shop", path(backend("shop", 8080)), upstream_vhost=FQDN)], MUTUAL),
    "named target port, Service address": (
        [service("shop", port("web", 80, "web")), pod("shop", web=9000),
         ingress("shop", path(backend("shop")), service_upstream="true")], MUTUAL),
    "named target port, twin": (
        [service("shop", port("http", 80, "web")), pod("shop", web=9000), ingress("shop", path(backend("shop", "http"))),
         headless(port("pods", 9000, 9000))], MUTUAL),
    "Sidecar hides the Service, undeclared": ([*vip("web"), sidecar("./*")], PLAIN),
    "Sidecar lets the Service in, undeclared": ([*vip("web"), sidecar("apps/*")], MUTUAL),
    "Sidecar hides the twin": ([*shop(), headless(), sidecar(f"apps/{FQDN}")], PLAIN),
}  # fmt: skip


def run(objects: list[Obj], strict: bool, **options: bool) -> Verdict:
    policies = [peer_authentication()] if strict else []
    return outcome(cluster(*objects, *policies, **options)).verdict


@pytest.mark.parametrize(("objects", "verdicts"), TABLE.values(), ids=TABLE)
def test_truth_table(objects: list[Obj], verdicts: tuple[Verdict, Verdict]) -> None:
    assert (run(objects, True), run(objects, False)) == verdicts


@pytest.mark.parametrize("objects", [shop(), vip("web"), [*shop(), headless()], [*shop(), *entry(SPIFFE)]])
def test_without_a_sidecar_nothing_helps(objects: list[Obj]) -> None:
    assert (run(objects, True, injected=False), run(objects, False, injected=False)) == PLAIN


def test_the_sentence_names_what_decided() -> None:
    said = outcome(cluster(*vip(), peer_authentication()))
    assert "Host shop.example.com matches nothing" in said.why and said.cluster == "PassthroughCluster"
    said = outcome(cluster(*vip("web")))
    assert said.cluster == f"outbound|80||{FQDN}" and said.why == "automatic mutual TLS"
    said = outcome(cluster(*shop(), headless()))
    assert said.cluster == "outbound|8080||twin.apps.svc.cluster.local" and "headless Service twin" in said.why


def test_a_public_host_is_also_found_by_a_virtual_service_of_its_own_namespace() -> None:
    own = virtual_service(PUBLIC, http=[to("shop")], where=APPS)
    assert run([*vip(), own], True) == "mutual_tls"
