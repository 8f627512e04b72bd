# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a Host leads on the shared HTTP listener of a port."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.istio.hosts import HostTable
from ansible_collections.meshlb.istio.plugins.module_utils.istio.virtual_services import AskedFor
from ansible_collections.meshlb.istio.plugins.module_utils.istio.visibility import Viewer, Visibility
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    EDGE,
    PUBLIC,
    Obj,
    external_name,
    port,
    service,
    service_entry,
    sidecar,
    to,
    virtual_service,
)

VIEWER = Viewer(EDGE, (("app", "lb"),))
FQDN, CART = "shop.apps.svc.cluster.local", "cart.apps.svc.cluster.local"
SHOP = service("shop", port(), port("http-alt", 8000), port("tcp", 9000), ip="10.96.7.7")
SERVICES = [SHOP, service("cart"), service("db", port("http", 80), ip="None"), service("lb", where=EDGE)]


def table(snapshot: Snapshot) -> HostTable:
    return HostTable(Visibility(snapshot, VIEWER))


def leads(*objects: Obj, host: str = PUBLIC, number: int = 80, path: str = "/") -> str:
    """``kind name port`` of what is reached, as one word where it is no Service."""
    found = table(Snapshot([*SERVICES, *objects])).http_destination(number, host, path)
    name = found.target["metadata"]["name"] if found.target else ""
    return f"{found.kind} {name} {found.port}" if name else found.kind


@pytest.mark.parametrize(
    ("host", "number", "result"),
    [
        (FQDN, 80, "service shop 80"), ("shop.apps", 80, "service shop 80"), ("shop.apps.svc", 80, "service shop 80"),
        ("10.96.7.7", 80, "service shop 80"), ("10.96.7.7", 8000, "service shop 8000"), (f"{FQDN}:8080", 80, "service shop 80"),
        (FQDN, 8000, "service shop 8000"), (FQDN, 9000, "none"), (FQDN, 81, "none"), ("shop", 80, "none"), ("lb", 80, "service lb 80"),
        ("shop.other", 80, "none"), ("shop.apps.example.com", 80, "none"), ("", 80, "none"), ("10.96.7.8", 80, "none"),
        ("db.apps", 80, "service db 80"), (f"db-0.db.{APPS}.svc.cluster.local", 80, "service db 80"),
        (f"x.{FQDN}", 80, "none"),
    ],
)  # fmt: skip
def test_spellings_of_a_service(host: str, number: int, result: str) -> None:
    assert leads(host=host, number=number) == result


@pytest.mark.parametrize(
    ("host", "result"),
    [
        ("new.apps", "entry"), ("new.apps.svc", "entry"), ("new.apps.svc.cluster.local", "entry"), ("new", "none"), ("near", "entry"),
        ("new.apps.svc.example.com", "none"), ("new.other", "none"),
    ],
)  # fmt: skip
def test_spellings_of_an_entry_in_the_form_of_a_service(host: str, result: str) -> None:
    entries = [service_entry(f"{name}.svc.cluster.local", 8080, name=name) for name in ("new.apps", f"near.{EDGE}")]
    assert leads(*entries, host=host, number=8080).partition(" ")[0] == result


@pytest.mark.parametrize(
    ("entry", "result"),
    [
        (port("http", 8000), "service shop 8000"), (port("web", 8000), "service shop 8000"), (port("tcp", 8000), "none"),
        (port("http", 81), "none"),
    ],
)  # fmt: skip
def test_a_rule_for_another_name_of_a_service_is_on_that_names_own_ports(entry: Obj, result: str) -> None:
    alias = external_name("alias", FQDN)
    alias["spec"]["ports"] = [entry]
    rule = virtual_service(PUBLIC, f"alias.{APPS}.svc.cluster.local", http=[to(FQDN, 8000)])
    assert leads(alias, rule, number=8000) == result


def rule(target: str, number: int = 0, **match: object) -> Obj:
    return to(target, number, match=[match])


RULES: dict[str, tuple[list[Obj], str, str]] = {
    # name: rules of the VirtualService, path, result
    "no match at all": ([to(FQDN)], "/a", "service shop 80"),
    "a port of its own": ([to(FQDN, 8000)], "/", "service shop 8000"),
    "the only port of the Service": ([to(CART)], "/", "service cart 80"),
    "a short name": ([to("lb")], "/", "service lb 80"),
    "an exact path": ([rule(FQDN, uri={"exact": "/a"}), to(CART)], "/a", "service shop 80"),
    "another exact path": ([rule(FQDN, uri={"exact": "/a"}), to(CART)], "/b", "service cart 80"),
    "a prefix": ([rule(FQDN, uri={"prefix": "/a"}), to(CART)], "/a/b", "service shop 80"),
    "the first that matches": ([rule(CART, uri={"prefix": "/"}), rule(FQDN, uri={"prefix": "/a"})], "/a", "service cart 80"),
    "any of several matches": (
        [to(FQDN, match=[{"uri": {"exact": "/x"}}, {"uri": {"exact": "/a"}}]), to(CART)], "/a", "service shop 80"),
    "the gateway of another": ([rule(FQDN, gateways=["edge/gw"]), to(CART)], "/", "service cart 80"),
    "the mesh among the gateways": ([rule(FQDN, gateways=["edge/gw", "mesh"]), to(CART)], "/", "service shop 80"),
    "another port": ([rule(FQDN, port=8000), to(CART)], "/", "service cart 80"),
    "this port": ([rule(FQDN, port=80), to(CART)], "/", "service shop 80"),
    "a header": ([rule(FQDN, headers={"x": {"exact": "1"}}), to(CART)], "/", "unclear"),
    "a regular expression": ([rule(FQDN, uri={"regex": "/a.*"}), to(CART)], "/a", "unclear"),
    "two destinations": (
        [{"route": [{"destination": {"host": FQDN}, "weight": 50}, {"destination": {"host": CART}, "weight": 50}]}], "/", "unclear"),
    "a redirect": ([{"redirect": {"uri": "/x"}}], "/", "unclear"),
    "no Service": ([to("api.example.org")], "/", "unclear"),
    "no rule for the path, host unknown otherwise": ([rule(FQDN, uri={"prefix": "/a"})], "/b", "unclear"),
}  # fmt: skip


@pytest.mark.parametrize(("rules", "path", "result"), RULES.values(), ids=RULES)
def test_rules_of_a_virtual_service(rules: list[Obj], path: str, result: str) -> None:
    assert leads(virtual_service(PUBLIC, http=rules), path=path) == result


def test_a_virtual_service_may_take_a_services_name_over() -> None:
    assert leads(virtual_service(FQDN, http=[to(CART)]), host="shop.apps") == "service cart 80"
    assert leads(virtual_service("*.local", http=[to(CART)]), host=FQDN) == "service cart 80"
    assert leads(virtual_service("shop", http=[to(CART, 80)], where=APPS), host=FQDN, number=8000) == "service cart 80"
    assert leads(virtual_service(FQDN, http=[rule(CART, uri={"exact": "/a"})]), host=FQDN, path="/b") == "unclear"


def test_a_destination_without_a_port_is_looked_up_by_the_listeners() -> None:
    """The sidecar answers 503 where the destination has no such port, even if it has one other only."""
    found = table(Snapshot([*SERVICES, virtual_service("shop", http=[to(CART)], where=APPS)]))
    (there,) = found.http_destinations(8000, AskedFor(FQDN))
    assert there.kind == "answered" and "503" in there.why and "port 8000" in there.why


def test_rules_for_connections_alone_leave_requests_as_they_are() -> None:
    assert leads(virtual_service(FQDN, http=[], tcp=[to(CART, 80)]), host=FQDN) == "service shop 80"


def test_the_nearest_virtual_service_comes_first() -> None:
    public = virtual_service(PUBLIC, http=[to(FQDN)], where=EDGE, name="public")
    own = virtual_service(PUBLIC, http=[to(CART)], where=EDGE, name="younger", exportTo=["."])
    assert leads(public, own) == "service cart 80"


def test_the_most_specific_then_the_oldest_virtual_service() -> None:
    wide, exact = virtual_service("*.example.com", http=[to(CART)], name="a"), virtual_service(PUBLIC, http=[to(FQDN)], name="b")
    assert leads(wide, exact) == "service shop 80"
    first = virtual_service(PUBLIC, http=[to(CART)], name="z")
    first["metadata"]["creationTimestamp"] = "2024-01-01T00:00:00Z"
    assert leads(exact, first) == "service cart 80"


def test_service_entries_by_port_and_pattern() -> None:
    entry = service_entry("*.example.com", 8080)
    assert leads(entry, number=8080) == "entry entry 8080"
    assert leads(entry, number=80) == "none"
    assert leads(entry, number=8080, host="example.com") == "none"
    assert leads(entry, number=8080, host="*.shop.example.com") == "entry entry 8080"
    tcp = {"number": 8080, "name": "tcp", "protocol": "TCP"}
    assert leads(service_entry(PUBLIC, ports=[tcp]), number=8080) == "none"


def test_a_destination_that_the_namespace_cannot_see_is_unclear() -> None:
    hidden = service("far", annotations={"networking.istio.io/exportTo": "."})
    assert leads(hidden, virtual_service(PUBLIC, http=[to("far.apps.svc.cluster.local")])) == "unclear"


@pytest.mark.parametrize(
    ("objects", "number", "there"),
    [
        ([service("a")], 80, True), ([service("a")], 8080, False), ([service("a", port("web"))], 80, False),
        ([service("a", port("tcp"))], 80, False), ([service("a", port("grpc", 9000))], 9000, True),
        ([service("a", port("http", protocol="UDP"))], 80, False), ([service_entry(PUBLIC, 8080)], 8080, True),
        ([service_entry(PUBLIC, 8080, exportTo=["other"])], 8080, False), ([service("a"), sidecar("./*")], 80, False),
        ([service("a", annotations={"networking.istio.io/exportTo": "~"})], 80, False), ([service("a", ip="None")], 80, True),
    ],
)  # fmt: skip
def test_the_shared_listener_of_a_port(objects: list[Obj], number: int, there: bool) -> None:
    assert table(Snapshot(objects)).has_http_listener(number) is there


CLAIMS: dict[str, tuple[list[Obj], str]] = {
    "nobody": ([], ""),
    "a VirtualService": ([virtual_service(PUBLIC, http=[to(FQDN)])], "alias"),
    "one on a gateway alone": ([virtual_service(PUBLIC, http=[to(FQDN)], gateways=["edge/gw"])], ""),
    "one without gateways": ([virtual_service(PUBLIC, http=[to(FQDN)], gateways=[])], "alias"),
    "a ServiceEntry": ([service_entry(PUBLIC, 443)], "entry"),
    "a wildcard": ([service_entry("*.example.com", 443)], "entry"),
    "a wildcard of another domain": ([service_entry("*.example.org", 443)], ""),
    "one that is not exported here": ([service_entry(PUBLIC, 443, where=APPS, exportTo=["."])], ""),
    "one that a Sidecar hides": ([service_entry(PUBLIC, 443, where=APPS), sidecar("./*")], ""),
}


@pytest.mark.parametrize(("objects", "name"), CLAIMS.values(), ids=CLAIMS)
def test_who_already_stands_for_a_host(objects: list[Obj], name: str) -> None:
    found = table(Snapshot(objects)).claims_host(PUBLIC)
    assert (found["metadata"]["name"] if found else "") == name


@pytest.mark.parametrize("host", ["shop", "shop.apps.svc.example.com", "shop.apps.pod.cluster.local", "", "shop.other"])
def test_what_is_no_services_name(host: str) -> None:
    assert table(Snapshot(SERVICES)).service_by_host(host) is None
