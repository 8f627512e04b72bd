# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateway API routes: which Gateways take them, for which hosts, to which backends, and how their Host is set."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.gateway.routes import AttachPoint
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.objects import BackendHandling

from tests.unit.plugins.module_utils.balancers.gateways import gateway, listener, rewrite, route, rule, to_service
from tests.unit.plugins.module_utils.balancers.kit.gateway.support import (
    ATTACHED,
    BACKENDS,
    ENDS,
    TO_SHOP,
    clusters,
    hosts,
    modifier,
    read,
    routes,
)
from tests.unit.plugins.module_utils.support.cluster import PUBLIC, Obj, service


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
        ("GRPCRoute", {"method": {"method": "Get"}}, ("/[^/]+/Get", "ImplementationSpecific")),
        ("GRPCRoute", {"method": {"type": "RegularExpression", "service": "p.*"}}, ("/p.*/[^/]+", "ImplementationSpecific")),
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
        ("TLSRoute", listener("tls", "TLS", 443, tls=ENDS), (PUBLIC, "tls:443", "tcp")),
        ("TCPRoute", listener("tls", "TLS", 443, tls=ENDS), ("", "tcp:443", "tcp")),
        ("TCPRoute", listener("tls", "TLS", 443, PUBLIC, tls=ENDS), (PUBLIC, "tcp:443", "tcp")),
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
    places: list[AttachPoint] = []
    found = routes(gateway(), route("a", mirrored), decide=lambda place: places.append(place) or BackendHandling())
    assert [(item.backend.service, item.canary) for item in found] == [("shop", False), ("other", True)]
    assert [(place.service, place.mirror) for place in places] == [("shop", False), ("other", True)]


@pytest.mark.parametrize(("target", "objects", "expected", "codes"), BACKENDS.values(), ids=BACKENDS)
def test_backends(target: Obj, objects: list[Obj], expected: list[tuple[str, int]], codes: list[str]) -> None:
    snapshot = clusters(gateway(), route("a", rule(target)), service("far", where="far"), *objects)
    found, findings = read(snapshot)
    assert [(item.backend.service, item.backend.port) for item in found] == expected
    assert [item.code for item in findings] == codes
    assert {str(item.cause) for item in findings if item.code == "MLB218"} <= {"Service far/far"}


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
