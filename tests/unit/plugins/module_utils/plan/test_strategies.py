# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each strategy on each kind of port: what it writes, where it leads, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.plan.strategies.naming import object_name

from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    EDGE,
    NGINX,
    PUBLIC,
    Obj,
    backend,
    cluster,
    config_map,
    destination_rule,
    ingress,
    path,
    peer_authentication,
    pod,
    port,
    service,
    service_entry,
    to,
    virtual_service,
)
from tests.unit.plugins.module_utils.support.planning import Run, run

PORTS: dict[str, tuple[Obj, int, str]] = {
    "http 80": (port(), 80, ""),
    "http 8000": (port("http", 8000), 8000, ""),
    "auto": (port("web"), 80, ""),
    "tcp": (port("tcp"), 80, ""),
    "same": (port("http", 8080, 8080), 8080, ""),
    "headless": (port("http"), 80, "None"),
}
NAME = f"edge/meshlb-entry-{PUBLIC}"
PATCH = "patch Ingress apps/shop"
ENTRY = [f"create DestinationRule {NAME}", f"create ServiceEntry {NAME}"]
TWIN = ["create DestinationRule apps/shop0meshlb", "create Service apps/shop0meshlb"]
ALIAS = f"create VirtualService edge/meshlb-alias-{PUBLIC}"
KNOWN = f"create ServiceEntry edge/meshlb-alias-{PUBLIC}"

EXPECTED: dict[str, dict[str, list[str]]] = {
    # strategy: port: what is written; an empty list is a refusal
    "service_vip": {"http 80": [], "http 8000": [], "auto": [PATCH], "tcp": [PATCH], "same": [], "headless": []},
    "host_rewrite": {"http 80": [PATCH], "http 8000": [PATCH], "auto": [PATCH], "tcp": [PATCH], "same": [PATCH], "headless": []},
    "host_alias": {
        "http 80": [ALIAS, PATCH], "http 8000": [KNOWN, ALIAS, PATCH], "auto": [ALIAS, PATCH], "tcp": [ALIAS, PATCH],
        "same": [KNOWN, ALIAS, PATCH], "headless": [],
    },
    "host_entry": dict.fromkeys(PORTS, ENTRY),
    "headless_twin": dict.fromkeys(PORTS, TWIN),
    "auto": {"http 80": ENTRY, "http 8000": ENTRY, "auto": [PATCH], "tcp": [PATCH], "same": ENTRY, "headless": ENTRY},
}  # fmt: skip
CASES = [(strategy, name, written) for strategy, row in EXPECTED.items() for name, written in row.items()]


def shop(name: str = "http 80", *more: Obj, **noted: str) -> list[Obj]:
    declared, number, address = PORTS[name]
    target = ingress("shop", path(backend("shop", number)), **noted)
    return [service("shop", declared, ip=address), pod("shop", http=8080), target, peer_authentication(), *more]


def planned(strategy: str, *objects: Obj, **options: Any) -> Run:
    return run(cluster(*objects), strategy, **options)


@pytest.mark.parametrize(("strategy", "name", "written"), CASES)
def test_what_is_written_and_where_it_leads(strategy: str, name: str, written: list[str]) -> None:
    done = planned(strategy, *shop(name))
    assert done.written == written
    found = done.route("shop")
    assert (found.before.verdict, found.after.verdict) == ("refused", "mutual_tls" if written else "refused")
    assert (found.strategy != "none") is bool(written) and ("MLB202" in done.codes) is not bool(written)


def test_the_switches_are_two_annotations() -> None:
    fields = planned("host_rewrite", *shop()).changes[0].fields
    noted = next(item.after for item in fields if item.path == ("metadata", "annotations"))
    assert noted[f"{NGINX}/service-upstream"] == "true" and noted[f"{NGINX}/upstream-vhost"] == "shop.apps.svc.cluster.local"


def test_a_host_entry_is_for_the_load_balancers_namespace_alone() -> None:
    done = planned("host_entry", *shop())
    entry, rule = done.body("ServiceEntry"), done.body("DestinationRule")
    assert entry["spec"] == {
        "hosts": [PUBLIC], "exportTo": ["."], "location": "MESH_INTERNAL", "resolution": "NONE",
        "ports": [{"name": f"http-{number}", "number": number, "protocol": "HTTP"} for number in (80, 8080)],
    }  # fmt: skip
    tls = {"mode": "ISTIO_MUTUAL", "subjectAltNames": ["spiffe://cluster.local/ns/apps/sa/shop"]}
    policy = {"tls": tls, "connectionPool": {"http": {"useClientProtocol": True}}}
    clients = {"matchLabels": {"app": "lb"}}
    assert rule["spec"] == {"host": PUBLIC, "exportTo": ["."], "workloadSelector": clients, "trafficPolicy": policy}
    assert {item["metadata"]["namespace"] for item in (entry, rule)} == {EDGE}


def test_a_host_entry_holds_all_backends_of_its_host() -> None:
    cart = [service("cart", port("web", 81, "web")), pod("cart", web=9000), ingress("cart", path(backend("cart", 81), "/cart"))]
    done = planned("host_entry", *shop(), *cart)
    assert [item["number"] for item in done.body("ServiceEntry")["spec"]["ports"]] == [80, 81, 8080, 9000]
    names = done.body("DestinationRule")["spec"]["trafficPolicy"]["tls"]["subjectAltNames"]
    assert [item.rpartition("/")[2] for item in names] == ["cart", "shop"] and done.verdicts == {"mutual_tls"}


def test_a_twin_has_the_pods_ports_and_declares_no_http() -> None:
    pods = [pod("shop", web=8080), pod("shop", web=9090)]
    objects = [service("shop", port("http", 80, "web"), publishNotReadyAddresses=True), *pods, ingress("shop", path(backend("shop")))]
    body = planned("headless_twin", *objects).body("Service")
    assert body["spec"] == {
        "clusterIP": "None", "selector": {"app": "shop"}, "publishNotReadyAddresses": True,
        "ports": [{"name": f"tcp-{number}", "port": number, "targetPort": number, "protocol": "TCP"} for number in (8080, 9090)],
    }  # fmt: skip
    assert body["metadata"]["annotations"]["networking.istio.io/exportTo"] == EDGE


def test_a_twin_serves_two_routes_of_one_service() -> None:
    other = ingress("other", path(backend("shop")), host="other.example.com")
    done = planned("headless_twin", *shop(), other)
    assert done.written == TWIN and done.strategies == {"shop": "headless_twin", "other": "headless_twin"}


def test_an_alias_carries_the_same_routing_the_most_specific_first() -> None:
    paths = [
        path(backend("shop")), path(backend("cart"), "/cart"), path(backend("shop"), "/cart/old"),
        path(backend("cart"), "/cart", "Exact"), path(backend("cart"), "/any", "ImplementationSpecific"), path(backend("cart"), "/c/"),
    ]  # fmt: skip
    objects = [service("shop"), pod("shop"), service("cart"), pod("cart"), ingress("shop", *paths)]
    done = planned("host_alias", *objects)
    rules = done.body("VirtualService")["spec"]["http"]
    assert all(entry.pop("sourceLabels") == {"app": "lb"} for item in rules for entry in item["match"])
    said = [([entry["uri"] for entry in item["match"] if entry], item["route"][0]["destination"]["host"].split(".")[0]) for item in rules]
    assert said == [
        ([{"exact": "/cart"}], "cart"),
        ([{"exact": "/cart/old"}, {"prefix": "/cart/old/"}], "shop"),
        ([{"exact": "/cart"}, {"prefix": "/cart/"}], "cart"),
        ([{"prefix": "/any"}], "cart"),
        ([{"exact": "/c"}, {"prefix": "/c/"}], "cart"),
        ([], "shop"),
    ]
    assert done.verdicts == {"mutual_tls"}


CATCH_ALL = [service("shop"), pod("shop"), ingress("shop", path(backend("shop")), host="")]
BARE = pod("shop", sidecar=False, name="old")
REFUSED: dict[str, tuple[str, list[Obj], str]] = {
    "entry, no host": ("host_entry", CATCH_ALL, "a route without a host"),
    "alias, no host": ("host_alias", CATCH_ALL, "a route without a host"),
    "entry, TLS": ("host_entry", shop(backend_protocol="HTTPS"), "only plain HTTP carries a Host"),
    "alias, TLS": ("host_alias", shop(backend_protocol="HTTPS"), "also has routes that are not plain HTTP"),
    "alias, canary": (
        "host_alias", shop("http 80", service("next"), pod("next"), ingress("next", path(backend("next")), canary="true")),
        f"a canary shares host {PUBLIC}"),
    "alias, paths rewritten for several backends": (
        "host_alias", shop("http 80", service("b"), pod("b"), ingress("b", path(backend("b"), "/b")), rewrite_target="/"),
        "rewrites paths"),
    "alias, a backend that is missing": (
        "host_alias", shop("http 80", ingress("b", path(backend("gone", "web"), "/b"))), "also leads to apps/gone"),
    "alias, the host is claimed": (
        "host_alias", shop("http 80", virtual_service(PUBLIC, http=[to("shop")], where=APPS)),
        "VirtualService apps/alias already stands for"),
    "entry, the host is claimed": (
        "host_entry", shop("http 80", service_entry(PUBLIC, 443)), "ServiceEntry edge/entry already stands for"),
    "entry, a wildcard claims the host": (
        "host_entry", shop("http 80", service_entry("*.example.com", 443)), "ServiceEntry edge/entry already stands for"),
    "entry, mixed pods": ("host_entry", shop("http 80", BARE), "pod apps/old has no sidecar on port 8080"),
    "twin, mixed pods": ("headless_twin", shop("http 80", BARE), "pod apps/old has no sidecar on port 8080"),
    "twin, a pod that is exempt": (
        "headless_twin", shop("http 80", peer_authentication("DISABLE", where=APPS)), "PeerAuthentication disables mutual TLS"),
    "entry, another backend of the host is legacy": (
        "host_entry", shop("http 80", service("old"), pod("old", sidecar=False), ingress("old", path(backend("old"), "/old"))),
        "one TLS setting holds for all backends of"),
    "twin, Service routing is on": ("headless_twin", shop(service_upstream="true"), "dials the Service's address"),
    "twin, a name that is taken": (
        "headless_twin", shop("http 80", destination_rule("x.example.org", name="shop0meshlb")),
        "DestinationRule apps/shop0meshlb already exists"),
    "entry, a name that is taken": (
        "host_entry", shop("http 80", service_entry("x.example.org", 1, name=f"meshlb-entry-{PUBLIC}")), "already exists"),
    "vip, the user says no": ("service_vip", shop("auto", service_upstream="false"), "service-upstream is 'false', the plan needs 'true'"),
    "rewrite, the user's own Host": ("host_rewrite", shop(upstream_vhost="x.example.com"), "upstream-vhost is 'x.example.com'"),
    "rewrite, canary": (
        "host_rewrite", shop("http 80", service("next"), pod("next"), ingress("next", path(backend("next")), canary="true")),
        "would reach Service apps/shop"),
}  # fmt: skip


@pytest.mark.parametrize(("strategy", "objects", "said"), REFUSED.values(), ids=REFUSED)
def test_refusals_and_their_sentences(strategy: str, objects: list[Obj], said: str) -> None:
    done = planned(strategy, *objects)
    assert any(said in item.message for item in done.plan.findings if item.code == "MLB202")


def test_a_service_without_a_selector_has_no_twin() -> None:
    labels = {"kubernetes.io/service-name": "shop"}
    ends = {"ports": [{"name": "http", "port": 8080}], "endpoints": [{"addresses": ["10.9.9.9"]}]}
    where: Obj = {"name": "shop-1", "namespace": APPS, "labels": labels}
    endpoints: Obj = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": where, **ends}
    objects = [service("shop", selector={}), pod("shop", ip="10.9.9.9"), endpoints, ingress("shop", path(backend("shop")))]
    done = planned("headless_twin", *objects)
    assert any("Service shop has no selector" in item.message for item in done.plan.findings) and not done.written
    assert planned("host_entry", *objects).strategies == {"shop": "host_entry"}


def test_a_stream_has_no_switch_but_may_have_a_twin() -> None:
    objects = [service("shop", port("tcp")), pod("shop"), config_map("tcp", **{"9000": "apps/shop:80"})]
    snapshot = cluster(*objects, args=("--tcp-services-configmap=edge/tcp",))
    assert "always goes to pod addresses" in run(snapshot, "service_vip").plan.findings[-1].message
    assert run(snapshot).written == TWIN


@pytest.mark.parametrize(
    ("one", "other"),
    [("*.example.com", "wildcard.example.com"), ("a-b.example.com", "a.b.example.com"), ("x" * 80 + "a", "x" * 80 + "b"), ("A.b", "a.b")],
)
def test_names_of_objects_stay_distinct(one: str, other: str) -> None:
    names = {object_name(f"meshlb-entry-{text}") for text in (one, other)}
    assert len(names) == 2 and all(len(name) <= 63 and name == name.lower() and name[-1].isalnum() for name in names)
