# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headless Services change what pod addresses meet, whoever made them: some of the pods, more than them, several at once."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Verdict

from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    PUBLIC,
    Obj,
    backend,
    cluster,
    destination_rule,
    ingress,
    obj,
    outcome,
    path,
    peer_authentication,
    pod,
    port,
    service,
    service_entry,
    to,
    virtual_service,
)

FIRST = pod("shop", labels={"role": "first"})
OTHER = pod("shop", labels={"role": "other"})
BARE = pod("shop", sidecar=False, labels={"role": "bare"})
ROUTE = [service("shop"), ingress("shop", path(backend("shop")))]
STRICT = peer_authentication()


def headless(name: str = "twin", *ports: Obj, **more: Any) -> Obj:
    selector = more.pop("selector", {"app": "shop"})
    return service(name, *(ports or [port("pods", 8080, 8080)]), ip="None", selector=selector, **more)


CASES: dict[str, tuple[list[Obj], Verdict]] = {
    "some of the pods, STRICT": ([FIRST, OTHER, headless(selector={"role": "first"}), STRICT], "mixed"),
    "some of the pods": ([FIRST, OTHER, headless(selector={"role": "first"})], "mixed"),
    "all of them by two": (
        [FIRST, OTHER, headless("a", selector={"role": "first"}), headless("b", selector={"role": "other"}), STRICT], "mutual_tls"),
    "only those without a match are bare": ([FIRST, BARE, headless(selector={"role": "first"})], "mixed"),
    "more than these pods, all meshed": (
        [FIRST, headless(selector={"tier": "x"}), pod("shop", labels={"tier": "x", "role": "first"}), STRICT], "mixed"),
    "a wider one with a bare pod sends plaintext to all": (
        [FIRST, pod("cart", sidecar=False, labels={"tier": "x"}), headless(), headless("wide", selector={"app": "cart"}), STRICT],
        "mutual_tls"),
    "its other port": ([FIRST, headless("twin", port("a", 9090, 9090), port("b", 8080, 8080)), STRICT], "mutual_tls"),
    "its UDP port of that number": ([FIRST, headless("twin", port("a", 8080, 8080, protocol="UDP")), STRICT], "refused"),
    "TCP beside UDP of one number": (
        [FIRST, headless("twin", port("a", 8080, 8080, protocol="UDP"), port("b", 8080, 8080)), STRICT], "mutual_tls"),
    "a target port that no container names": ([FIRST, headless("twin", port("pods", 8080, "nothing")), STRICT], "refused"),
    "the oldest of two decides": (
        [FIRST, headless("new", created="2024-02-01T00:00:00Z"), headless("old", created="2024-01-01T00:00:00Z"),
         destination_rule("old", "DISABLE")], "plaintext"),
    "a younger one changes nothing": (
        [FIRST, headless("new", created="2024-02-01T00:00:00Z"), headless("old", created="2024-01-01T00:00:00Z"),
         destination_rule("new", "DISABLE")], "mutual_tls"),
    "one in another namespace": ([FIRST, headless(where="other"), STRICT], "refused"),
    "one declared http beside one that is not": (
        [FIRST, headless("web", port("http", 8080, 8080)), headless("pods"), STRICT], "mutual_tls"),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "verdict"), CASES.values(), ids=CASES)
def test_pods_are_matched_one_by_one(objects: list[Obj], verdict: Verdict) -> None:
    assert outcome(cluster(*ROUTE, *objects)).verdict == verdict


def test_one_tls_setting_holds_for_all_pods_of_the_headless_service_but_only_the_routes_pods_answer() -> None:
    wide = headless("wide", selector={"tier": "x"})
    mine, theirs = pod("shop", labels={"tier": "x"}), pod("cart", sidecar=False, labels={"tier": "x"})
    assert outcome(cluster(*ROUTE, mine, theirs, wide, STRICT)).verdict == "refused"
    assert outcome(cluster(*ROUTE, mine, theirs, wide)).verdict == "plaintext"


def endpoint_slice(name: str, *addresses: str, where: str = APPS) -> Obj:
    labels = {"kubernetes.io/service-name": name}
    body = {"ports": [{"name": "pods", "port": 8080}], "endpoints": [{"addresses": list(addresses)}]}
    return obj("discovery.k8s.io/v1", "EndpointSlice", where, f"{name}-1", labels=labels, **body)


def test_a_headless_service_without_a_selector_has_the_addresses_of_its_slices() -> None:
    mine = pod("shop", ip="10.9.0.1")
    bare = service("manual", port("pods", 8080, 8080), ip="None", selector={})
    assert outcome(cluster(*ROUTE, mine, bare, endpoint_slice("manual", "10.9.0.1"), STRICT)).verdict == "mutual_tls"
    assert outcome(cluster(*ROUTE, mine, bare, endpoint_slice("manual", "10.9.0.2"), STRICT)).verdict == "refused"


def test_the_namespace_of_the_pods_counts_and_not_that_of_the_routes_service() -> None:
    by_hand = [
        service("manual", port("pods"), where="front", selector={}), ingress("shop", path(backend("manual")), where="front"),
        endpoint_slice("manual", "10.9.0.1", where="front"), pod("shop", ip="10.9.0.1"), STRICT,
    ]
    assert outcome(cluster(*by_hand)).verdict == "refused"
    assert outcome(cluster(*by_hand, headless())).verdict == "mutual_tls"
    assert outcome(cluster(*by_hand, headless(where="front"))).verdict == "refused"


def test_a_headless_service_without_a_selector_may_be_of_another_namespace_than_its_pods() -> None:
    bare = service("manual", port("pods", 8080, 8080), where="front", ip="None", selector={})
    there = [*ROUTE, pod("shop", ip="10.9.0.1"), bare, endpoint_slice("manual", "10.9.0.1", where="front"), STRICT]
    found = outcome(cluster(*there, destination_rule("manual", "ISTIO_MUTUAL", where="front")))
    assert found.verdict == "mutual_tls" and "headless Service manual" in found.why


OLD, NEW = "2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z"


@pytest.mark.parametrize(("ages", "verdict"), [((OLD, NEW), "plaintext"), ((NEW, OLD), "plaintext")])
def test_requests_go_by_the_oldest_undeclared_port_even_where_an_older_one_is_of_tcp(ages: tuple[str, str], verdict: Verdict) -> None:
    tcp = headless("first", port("tcp-pods", 8080, 8080), created=ages[0])
    undeclared = headless("second", created=ages[1])
    rules = [destination_rule("first", "ISTIO_MUTUAL", name="first"), destination_rule("second", "DISABLE", name="second")]
    assert outcome(cluster(*ROUTE, FIRST, tcp, undeclared, *rules)).verdict == verdict


def test_a_service_that_keeps_the_dialled_address_accepts_the_identities_of_its_own_pods_alone() -> None:
    target = service("shop", port("http", 8080, 8080))
    route = ingress("shop", path(backend("shop", 8080)))
    led = virtual_service(PUBLIC, http=[to("other.apps.svc.cluster.local", 8080)])
    known = service_entry(PUBLIC, 8080, name="known")
    for spec, rule in (({"ip": "None"}, []), ({}, [destination_rule("other", trafficPolicy={"loadBalancer": {"simple": "PASSTHROUGH"}})])):
        there = [target, route, led, known, FIRST, *rule, service("other", port("http", 8080, 8080), **spec)]
        assert outcome(cluster(*there, pod("other", account="shop"))).verdict == "mutual_tls"
        found = outcome(cluster(*there, pod("other")))
        assert found.verdict == "refused" and "does not accept the identity spiffe://cluster.local/ns/apps/sa/shop" in found.why


def test_pods_on_different_ports_are_told_apart() -> None:
    target = service("shop", port("http", 80, "web"))
    one, two = pod("shop", web=8080), pod("shop", web=9090)
    found = outcome(cluster(target, ROUTE[1], one, two, headless(), STRICT))
    assert found.verdict == "mixed" and "port 9090" in found.why
