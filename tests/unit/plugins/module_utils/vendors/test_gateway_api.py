# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateway API routes: which Gateways take them, for which hosts, to which backends, and how their Host is set."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.apply.ownership import apply_changes, claim, release
from ansible_collections.meshlb.istio.plugins.module_utils.model import Finding, LoadBalancer, ObjectRef, Route, Upstream
from ansible_collections.meshlb.istio.plugins.module_utils.observe.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.plan.strategies.base import Proposal
from ansible_collections.meshlb.istio.plugins.module_utils.plan.trial import laid_over
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.gateway_api import Place, Treatment, read_gateway_routes
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.gateway_hosts import rewrite_hosts

from tests.unit.plugins.module_utils.cluster import APPS, EDGE, PUBLIC, Obj, annotated, live, namespace, obj, port, service
from tests.unit.plugins.module_utils.vendors.gateways import (
    GROUP,
    gateway,
    gateway_class,
    grant,
    listener,
    rewrite,
    route,
    rule,
    to_service,
)

CONTROLLER = "example.com/controller"
BALANCER = LoadBalancer("lb", EDGE, "any", "Any")
SHOP, OTHER = service("shop"), service("other")
TO_SHOP = rule(to_service("shop"))
SHOP_NAME = "shop.apps.svc.cluster.local"


def clusters(*objects: Obj) -> Snapshot:
    return live(namespace(EDGE), namespace(APPS, team="a"), SHOP, OTHER, gateway_class(CONTROLLER), *objects)


def read(snapshot: Snapshot, decide: Any = lambda place: Treatment(), **more: Any) -> tuple[list[Route], list[Finding]]:
    found = read_gateway_routes(snapshot, BALANCER, {CONTROLLER}, decide, **more)
    return list(found.routes), list(found.findings)


def routes(*objects: Obj, **more: Any) -> list[Route]:
    return read(clusters(*objects), **more)[0]


def hosts(*objects: Obj) -> list[str]:
    return [item.host for item in routes(*objects)]


SAME = {"allowedRoutes": {"namespaces": {"from": "Same"}}}
SELECTOR = {"allowedRoutes": {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}}}
OTHERS = {"allowedRoutes": {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "b"}}}}}
NAMED = {"allowedRoutes": {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"kubernetes.io/metadata.name": APPS}}}}}
GRPC_ONLY = {"allowedRoutes": {"namespaces": {"from": "All"}, "kinds": [{"kind": "GRPCRoute"}]}}
HTTP_TOO = {"allowedRoutes": {"namespaces": {"from": "All"}, "kinds": [{"group": GROUP, "kind": "HTTPRoute"}]}}
ELSEWHERE = [{"name": "gw", "namespace": "nowhere"}]
A = route("a", TO_SHOP)

ATTACHED: dict[str, tuple[list[Obj], list[str]]] = {
    "by name": ([gateway(), A], [PUBLIC]),
    "to no Gateway of that name": ([gateway(name="x"), A], []),
    "to no Gateway of that namespace": ([gateway(), route("a", TO_SHOP, parents=ELSEWHERE)], []),
    "in the route's own namespace": ([gateway(where=APPS), route("a", TO_SHOP, parents=[{"name": "gw"}])], [PUBLIC]),
    "a class of another controller": ([gateway_class("else", "x"), gateway(class_name="x"), A], []),
    "a class that does not exist": ([gateway(class_name="x"), A], []),
    "to a Service (another kind of parent)": (
        [gateway(), route("a", TO_SHOP, parents=[{"group": "", "kind": "Service", "name": "gw", "namespace": EDGE}])], []),
    "by section": ([gateway(), route("a", TO_SHOP, parents=[{"name": "gw", "namespace": EDGE, "sectionName": "web"}])], [PUBLIC]),
    "by another section": ([gateway(), route("a", TO_SHOP, parents=[{"name": "gw", "namespace": EDGE, "sectionName": "x"}])], []),
    "by port": ([gateway(), route("a", TO_SHOP, parents=[{"name": "gw", "namespace": EDGE, "port": 80}])], [PUBLIC]),
    "by another port": ([gateway(), route("a", TO_SHOP, parents=[{"name": "gw", "namespace": EDGE, "port": 81}])], []),
    "twice, and read once": ([gateway(listener(), listener("tls", "HTTPS", 443)), A], [PUBLIC]),
    "from the same namespace only": ([gateway(listener(**SAME)), A], []),
    "the default is the same namespace": ([gateway({"name": "web", "protocol": "HTTP", "port": 80}), A], []),
    "from the same namespace": ([gateway(listener(**SAME), where=APPS), route("a", TO_SHOP, parents=[{"name": "gw"}])], [PUBLIC]),
    "by the namespace's labels": ([gateway(listener(**SELECTOR)), A], [PUBLIC]),
    "by other labels": ([gateway(listener(**OTHERS)), A], []),
    "by the namespace's name": ([gateway(listener(**NAMED)), A], [PUBLIC]),
    "of another kind": ([gateway(listener(**GRPC_ONLY)), A], []),
    "of its kind": ([gateway(listener(**HTTP_TOO)), A], [PUBLIC]),
    "on a listener of another protocol": ([gateway(listener(protocol="TCP")), A], []),
    "with no parents": ([gateway(), route("a", TO_SHOP, parents=[])], []),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "expected"), ATTACHED.values(), ids=ATTACHED)
def test_which_gateways_take_a_route(objects: list[Obj], expected: list[str]) -> None:
    assert hosts(*objects) == expected


@pytest.mark.parametrize(
    ("listened", "named", "expected"),
    [
        ("", (), [""]),
        ("", ("a.example.com",), ["a.example.com"]),
        ("a.example.com", (), ["a.example.com"]),
        ("a.example.com", ("a.example.com", "b.example.com"), ["a.example.com"]),
        ("*.example.com", ("a.example.com",), ["a.example.com"]),
        ("*.example.com", ("a.b.example.com",), ["a.b.example.com"]),
        ("*.example.com", ("example.com",), []),
        ("*.example.com", ("*.example.com",), ["*.example.com"]),
        ("*.example.com", ("*.b.example.com",), ["*.b.example.com"]),
        ("*.b.example.com", ("*.example.com",), ["*.b.example.com"]),
        ("a.example.com", ("*.example.com",), ["a.example.com"]),
        ("*.example.com", (), ["*.example.com"]),
        ("a.example.org", ("a.example.com",), []),
        ("", ("A.Example.com",), ["a.example.com"]),
    ],
)  # fmt: skip
def test_hosts_that_a_route_and_a_listener_have_in_common(listened: str, named: tuple[str, ...], expected: list[str]) -> None:
    assert hosts(gateway(listener(hostname=listened)), route("a", TO_SHOP, hosts=named)) == expected


def test_hosts_of_several_listeners() -> None:
    both = gateway(listener("a", hostname="*.a.example.com"), listener("b", hostname="*.b.example.com"))
    assert hosts(both, route("r", TO_SHOP, hosts=("x.a.example.com", "x.b.example.com"))) == ["x.a.example.com", "x.b.example.com"]


@pytest.mark.parametrize(
    ("kind", "matched", "expected"),
    [
        ("HTTPRoute", None, ("/", "Prefix")),
        ("HTTPRoute", {"path": {"type": "PathPrefix", "value": "/x"}}, ("/x", "Prefix")),
        ("HTTPRoute", {"path": {"value": "/x"}}, ("/x", "Prefix")),
        ("HTTPRoute", {"path": {"type": "Exact", "value": "/x"}}, ("/x", "Exact")),
        ("HTTPRoute", {"path": {"type": "RegularExpression", "value": "/x.*"}}, ("/x.*", "ImplementationSpecific")),
        ("HTTPRoute", {"headers": [{"name": "a", "value": "b"}]}, ("/", "Prefix")),
        ("GRPCRoute", None, ("/", "Prefix")),
        ("GRPCRoute", {"method": {"service": "pkg.Svc", "method": "Get"}}, ("/pkg.Svc/Get", "Exact")),
        ("GRPCRoute", {"method": {"service": "pkg.Svc"}}, ("/pkg.Svc", "Prefix")),
        ("GRPCRoute", {"method": {"method": "Get"}}, ("/", "Prefix")),
        ("GRPCRoute", {"method": {"type": "RegularExpression", "service": "p.*"}}, ("/", "Prefix")),
    ],
)  # fmt: skip
def test_paths(kind: str, matched: Obj | None, expected: tuple[str, str]) -> None:
    made = rule(to_service("shop"), **({"matches": [matched]} if matched else {}))
    (found,) = routes(gateway(), route("a", made, kind=kind))
    assert (found.path, found.path_type) == expected
    assert (found.upstream.scheme, found.backend.port, found.object.kind) == ("http", 80, kind)


def test_matches_of_one_path_are_one_route() -> None:
    matched = [{"path": {"value": "/a"}}, {"path": {"value": "/a"}, "method": "GET"}, {"path": {"value": "/b"}}]
    assert [item.path for item in routes(gateway(), route("a", rule(to_service("shop"), matches=matched)))] == ["/a", "/b"]


@pytest.mark.parametrize(
    ("kind", "listened", "expected"),
    [
        ("TCPRoute", listener("db", "TCP", 5432), ("", "tcp:5432", "tcp")),
        ("TLSRoute", listener("tls", "TLS", 443, tls={"mode": "Passthrough"}), (PUBLIC, "tls:443", "tls")),
        ("TLSRoute", listener("tls", "TLS", 443), (PUBLIC, "tls:443", "tcp")),
        ("TCPRoute", listener("tls", "TLS", 443), ("", "tcp:443", "tcp")),
    ],
)  # fmt: skip
def test_streams(kind: str, listened: Obj, expected: tuple[str, str, str]) -> None:
    (found,) = routes(gateway(listened), route("a", TO_SHOP, kind=kind))
    assert (found.host, found.path, found.upstream.scheme, found.path_type) == (*expected, "Stream")


def test_several_backends_are_a_canary_and_its_main_route() -> None:
    found = routes(gateway(), route("a", rule(to_service("shop", weight=90), to_service("other", weight=0))))
    assert [(item.backend.service, item.canary, item.features) for item in found] == [
        ("shop", False, ("canary", "weights")), ("other", True, ("canary", "weights")),
    ]  # fmt: skip
    (alone,) = routes(gateway(), route("a", rule(to_service("shop", weight=3))))
    assert (alone.canary, alone.features) == (False, ())


def test_a_mirror_gets_a_route_of_its_own() -> None:
    mirrored = rule(to_service("shop"), filters=[{"type": "RequestMirror", "requestMirror": {"backendRef": to_service("other")}}])
    places: list[Place] = []
    found = routes(gateway(), route("a", mirrored), decide=lambda place: places.append(place) or Treatment())
    assert [(item.backend.service, item.canary) for item in found] == [("shop", False), ("other", True)]
    assert [(place.service, place.mirror) for place in places] == [("shop", False), ("other", True)]


BACKENDS: dict[str, tuple[Obj, list[Obj], list[tuple[str, int]], list[str]]] = {
    "a Service": (to_service("shop"), [], [("shop", 80)], []),
    "a port that it lacks": (to_service("shop", 81), [], [("shop", 81)], []),
    "a Service that does not exist": (to_service("missing"), [], [("missing", 80)], []),
    "another kind": (to_service("shop", group="multicluster.x-k8s.io", kind="ServiceImport"), [], [], ["MLB208"]),
    "another namespace": (to_service("far", namespace="far"), [], [], ["MLB218"]),
    "another namespace, granted": (to_service("far", namespace="far"), [grant("far")], [("far", 80)], []),
    "granted by name": (to_service("far", namespace="far"), [grant("far", service="far")], [("far", 80)], []),
    "granted for another": (to_service("far", namespace="far"), [grant("far", service="x")], [], ["MLB218"]),
    "granted to others": (to_service("far", namespace="far"), [grant("far", source="x")], [], ["MLB218"]),
    "granted to another kind": (to_service("far", namespace="far"), [grant("far", kind="TCPRoute")], [], ["MLB218"]),
    "granted elsewhere": (to_service("far", namespace="far"), [grant("else")], [], ["MLB218"]),
}


@pytest.mark.parametrize(("target", "objects", "expected", "codes"), BACKENDS.values(), ids=BACKENDS)
def test_backends(target: Obj, objects: list[Obj], expected: list[tuple[str, int]], codes: list[str]) -> None:
    snapshot = clusters(gateway(), route("a", rule(target)), service("far", where="far"), *objects)
    found, findings = read(snapshot)
    assert [(item.backend.service, item.backend.port) for item in found] == expected
    assert [item.code for item in findings] == codes


def modifier(name: str, value: str, how: str = "set") -> Obj:
    return {"type": "RequestHeaderModifier", "requestHeaderModifier": {how: [{"name": name, "value": value}]}}


@pytest.mark.parametrize(
    ("filters", "own", "expected"),
    [
        ([], [], ""),
        ([rewrite("x.example.com")], [], "x.example.com"),
        ([rewrite(path={"type": "ReplaceFullPath", "replaceFullPath": "/"})], [], ""),
        ([modifier("Host", "x.example.com")], [], "x.example.com"),
        ([modifier("host", "x.example.com")], [], "x.example.com"),
        ([modifier("X-Host", "x.example.com")], [], ""),
        ([modifier("Host", "x.example.com", "add")], [], ""),
        ([], [rewrite("x.example.com")], "x.example.com"),
        ([rewrite("y.example.com")], [modifier("Host", "x.example.com")], "x.example.com"),
    ],
)  # fmt: skip
def test_hosts_set_by_filters(filters: list[Obj], own: list[Obj], expected: str) -> None:
    (found,) = routes(gateway(), route("a", rule(to_service("shop", filters=own), filters=filters)))
    assert found.upstream.host == expected


def test_what_the_vendor_says_of_a_backend() -> None:
    said = Treatment("cluster_ip", "10.0.0.1", "mine", ("affinity",), "tls", False, "because")
    places: list[Place] = []
    (found,) = routes(
        gateway(), route("a", rule(to_service("shop"), filters=[rewrite("x", path={})])), decide=lambda place: places.append(place) or said
    )
    assert (found.upstream, found.upstream_group) == (Upstream("cluster_ip", "10.0.0.1", "tls"), "mine")
    assert (found.features, found.settable, found.why_not_settable) == (("affinity",), False, "because")
    (place,) = places
    assert (place.namespace, place.service, place.port, place.host, place.rule) == (APPS, "shop", 80, "x", 0)
    assert place.gateway["metadata"]["name"] == "gw"


def test_a_backend_that_the_vendor_drops_is_a_finding() -> None:
    snapshot = clusters(gateway(), A)
    assert [item.code for item in read(snapshot, lambda place: Treatment(dropped="because"))[1]] == ["MLB220"]


def policy(name: str = "shop", section: str = "", **spec: Any) -> Obj:
    target = {"group": "", "kind": "Service", "name": name, **({"sectionName": section} if section else {})}
    return obj(f"{GROUP}/v1", "BackendTLSPolicy", APPS, "p", spec=spec or {"targetRefs": [target]})


@pytest.mark.parametrize(
    ("item", "scheme"),
    [
        (policy(), "tls"), (policy("other"), "http"), (policy(section="http"), "tls"), (policy(section="x"), "http"),
        (policy(targetRef={"group": "", "kind": "Service", "name": "shop"}), "tls"),
        (policy(targetRefs=[{"group": "x.example.com", "kind": "Service", "name": "shop"}]), "http"),
    ],
)  # fmt: skip
def test_policies_that_turn_on_tls(item: Obj, scheme: str) -> None:
    assert [found.upstream.scheme for found in routes(gateway(), A, item)] == [scheme]


def test_hosts_of_several_backends_where_each_can_have_its_own() -> None:
    item = route("a", rule(to_service("shop", filters=[modifier("X", "y")]), to_service("other")))
    snapshot = clusters(gateway(), item)
    found = read(snapshot, per_backend_host=True)[0]
    assert {one.features for one in found} == {("weights",)}
    answer = rewrite_hosts(snapshot, found, per_backend=True)
    assert {wish.path: wish.value for wish in answer.wishes} == {
        ("spec", "rules", 0, "backendRefs", 0, "filters"): [modifier("X", "y"), rewrite(SHOP_NAME)],
        ("spec", "rules", 0, "backendRefs", 1, "filters"): [rewrite("other.apps.svc.cluster.local")],
    }
    assert len(rewrite_hosts(snapshot, found[:1], per_backend=True).wishes) == 1
    after = read(laid_over(snapshot, Proposal(answer.wishes)))[0]
    assert [one.upstream.host for one in after] == [SHOP_NAME, "other.apps.svc.cluster.local"]


def test_rewriting_paths_pins_and_ignoring() -> None:
    full = rewrite(path={"type": "ReplaceFullPath", "replaceFullPath": "/"})
    pinned = annotated(route("a", rule(to_service("shop"), filters=[full])), strategy="host_entry", ignore="true")
    (found,) = routes(gateway(), pinned)
    assert (found.rewrites_path, found.pinned_strategy, found.ignored) == (True, "host_entry", True)


def test_only_some_objects_and_only_some_gateways() -> None:
    objects = [gateway(), gateway(name="x"), A, route("b", TO_SHOP, parents=[{"name": "x", "namespace": EDGE}])]
    snapshot = clusters(*objects)
    everything = read(snapshot)[0]
    assert [item.object.name for item in everything] == ["a", "b"]
    assert read(snapshot, only=frozenset([everything[1].object]))[0] == everything[1:]
    assert read(snapshot, only=frozenset([ObjectRef("v1", "Service", APPS, "a")]))[0] == []
    assert read(snapshot, serves=lambda item: item["metadata"]["name"] == "x")[0] == everything[1:]


def test_rules_are_upstreams_of_their_own() -> None:
    found = routes(gateway(), route("a", rule(to_service("shop"), path="/a"), rule(to_service("shop"), path="/b")), route("b", TO_SHOP))
    assert len({item.upstream_group for item in found}) == 3


SWITCHED: dict[str, tuple[Obj, list[Obj] | None, str]] = {
    "no filters": (TO_SHOP, [rewrite(SHOP_NAME)], ""),
    "other filters": (rule(to_service("shop"), filters=[modifier("X", "y")]), [modifier("X", "y"), rewrite(SHOP_NAME)], ""),
    "a rewritten path": (rule(to_service("shop"), filters=[rewrite(path={"a": "b"})]), [rewrite(SHOP_NAME, path={"a": "b"})], ""),
    "the same already": (rule(to_service("shop"), filters=[rewrite(SHOP_NAME)]), None, ""),
    "another host": (rule(to_service("shop"), filters=[rewrite("x.example.com")]), None, "sends Host x.example.com, the plan needs"),
    "another host by header": (rule(to_service("shop"), filters=[modifier("Host", "x")]), None, "sends Host x, the plan needs"),
    "another host of the backend": (rule(to_service("shop", filters=[rewrite("x")])), None, "sends Host x, the plan needs"),
    "two backends": (rule(to_service("shop"), to_service("other")), None, "has several backends"),
}


@pytest.mark.parametrize(("made", "filters", "refusal"), SWITCHED.values(), ids=SWITCHED)
def test_setting_the_host(made: Obj, filters: list[Obj] | None, refusal: str) -> None:
    snapshot = clusters(gateway(), route("a", made))
    answer = rewrite_hosts(snapshot, read(snapshot)[0])
    assert (refusal in answer.refusal) if refusal else answer.refusal == ""
    assert [item.value for item in answer.wishes] == ([filters] if filters else [])
    if not refusal:
        view = laid_over(snapshot, Proposal(answer.wishes))
        assert {item.upstream.host for item in read(view)[0]} == {SHOP_NAME}


def test_a_host_that_a_user_set_is_a_conflict() -> None:
    snapshot = clusters(gateway(), route("a", rule(to_service("shop"), filters=[rewrite("x")])))
    assert [item.code for item in rewrite_hosts(snapshot, read(snapshot)[0]).findings] == ["MLB203"]


def test_only_rules_to_the_routes_backends_are_written() -> None:
    item = route("a", rule(to_service("other"), path="/x"), rule(to_service("shop"), path="/y"), rule(to_service("shop", 8080), path="/z"))
    snapshot = clusters(gateway(), item)
    wanted = [found for found in read(snapshot)[0] if found.path == "/y"]
    assert [wish.path for wish in rewrite_hosts(snapshot, wanted).wishes] == [("spec", "rules", 1, "filters")]
    assert rewrite_hosts(snapshot, wanted, lambda backend: "vip").wishes[0].value == [rewrite("vip")]


@pytest.mark.parametrize("kind", ["GRPCRoute", "TCPRoute", "TLSRoute"])
def test_kinds_that_cannot_set_a_host(kind: str) -> None:
    listened = gateway(listener(), listener("t", "TCP", 1), listener("s", "TLS", 2))
    snapshot = clusters(listened, route("a", TO_SHOP, kind=kind))
    assert rewrite_hosts(snapshot, read(snapshot)[0]).refusal == f"{kind} has no filter that rewrites the Host"


def test_what_was_set_can_be_taken_back_though_weights_moved() -> None:
    item = route("a", rule(to_service("shop"), filters=[rewrite(path={"a": "b"})]), rule(to_service("other"), path="/x"))
    snapshot = clusters(gateway(), item)
    answer = rewrite_hosts(snapshot, read(snapshot)[0])
    change = claim(item, "service_routing", {wish.path: wish.value for wish in answer.wishes}, ["edge/lb"], "why")
    assert change is not None
    (changed,) = deepcopy(apply_changes(snapshot, [change]).all(f"HTTPRoute.{GROUP}"))
    changed["spec"]["rules"][1]["backendRefs"][0]["weight"] = 5
    back, findings = release(changed, "service_routing")
    assert back is not None and findings == []
    (restored,) = apply_changes(Snapshot([changed]), [back]).all(f"HTTPRoute.{GROUP}")
    item["spec"]["rules"][1]["backendRefs"][0]["weight"] = 5
    assert restored == item


def test_a_port_of_a_name_that_istio_reads() -> None:
    snapshot = live(gateway_class(CONTROLLER), gateway(), A, service("shop", port("grpc-web", 80)), obj("v1", "Pod", APPS, "x"))
    assert [item.backend.protocol for item in read(snapshot)[0]] == ["grpc-web"]
