# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listeners that work and listeners that do not; routes that none takes are named with the reason."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.gateway.dialect import Dialect
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.gateway.names import LISTENER_SET, X_LISTENER_SET

from tests.unit.plugins.module_utils.balancers.gateways import GROUP, gateway, gateway_class, listener, route, rule, to_service
from tests.unit.plugins.module_utils.balancers.kit.gateway.support import ENDS, SAME, TO_SHOP, clusters, read
from tests.unit.plugins.module_utils.support.cluster import APPS, EDGE, Obj, namespace, obj

FAR = {"certificateRefs": [{"name": "tls", "namespace": "far"}]}
BOTH = {"certificateRefs": [{"name": "tls"}, {"name": "tls", "namespace": "far"}]}
THROUGH = {"mode": "Passthrough"}
ANY: Any = Dialect()


def taken(dialect: Dialect, *objects: Obj) -> list[tuple[str, str, str]]:
    """Name, host and path of every route, and what is said of the others in the place of a path."""
    found, findings = read(clusters(*objects), dialect=dialect)
    said = [(item.object.name if item.object else "", item.code, item.message) for item in findings]
    return [(item.object.name, item.host, item.path) for item in found] + said


def one(
    *listeners: Obj, kind: str = "HTTPRoute", section: str = "", dialect: Dialect = ANY, more: tuple[Obj, ...] = ()
) -> list[tuple[str, str, str]]:
    parent = {"name": "gw", "namespace": EDGE, **({"sectionName": section} if section else {})}
    return taken(dialect, gateway(*listeners), route("a", TO_SHOP, kind=kind, hosts=(), parents=[parent]), *more)


def secret_grant(where: str = "far", source: str = EDGE, kind: str = "Gateway", name: str = "") -> Obj:
    to = {"group": "", "kind": "Secret", **({"name": name} if name else {})}
    spec = {"from": [{"group": GROUP, "kind": kind, "namespace": source}], "to": [to]}
    return obj(f"{GROUP}/v1beta1", "ReferenceGrant", where, "g", spec=spec)


def noted(kind: str, status: str, generation: int = 1, **more: Any) -> Obj:
    conditions = [{"type": kind, "status": status, "reason": "Because", "observedGeneration": generation, **more}]
    made = gateway(listener())
    made["metadata"]["generation"] = 1
    return {**made, "status": {"listeners": [{"name": "web", "conditions": conditions}]}}


@pytest.mark.parametrize(
    ("listeners", "kind", "why"),
    [
        ([listener("s", "HTTPS", 443)], "HTTPRoute", "it ends TLS and names no certificate"),
        ([listener("s", "HTTPS", 443, tls=FAR)], "HTTPRoute", "it names Secret far/tls, and no ReferenceGrant there allows that"),
        ([listener("s", "TLS", 443, tls=FAR)], "TLSRoute", "it names Secret far/tls"),
        ([listener("s", "HTTPS", 443, tls={"certificateRefs": [{"kind": "Vault", "name": "x"}]})], "HTTPRoute", "which is no Secret"),
        ([listener("s"), listener("s2", "HTTPS", 80, tls=ENDS)], "HTTPRoute", "in conflict with s2 on port 80, as their protocols differ"),
        ([listener("s", "TCP", 80), listener("x")], "TCPRoute", "in conflict with x on port 80"),
        ([listener("s"), listener("x")], "HTTPRoute", "as their hostnames are the same"),
        ([listener("s", hostname="A.example.com"), listener("x", hostname="a.example.com")], "HTTPRoute", "hostnames are the same"),
        ([listener("s", "HTTPS", 443, tls=ENDS), listener("x", "TLS", 443, tls=THROUGH)], "HTTPRoute", "hostnames are the same"),
        ([listener("s", "TCP", 9), listener("x", "TCP", 9)], "TCPRoute", "in conflict with x"),
        ([listener("s", "UDP", 9), listener("x", "UDP", 9)], "UDPRoute", "in conflict with x"),
        ([listener("s", "TLS", 9, tls=THROUGH)], "TCPRoute", "listener s of Gateway edge/gw takes no TCPRoutes"),
        ([listener("s", "SCTP", 9)], "TCPRoute", "takes no TCPRoutes"),
        ([listener("s", **SAME)], "HTTPRoute", "takes no routes of namespace apps (allowedRoutes)"),
        ([listener("x")], "HTTPRoute", "Gateway edge/gw has no listener of the name s"),
    ],
)  # fmt: skip
def test_a_listener_that_does_not_take_a_route(listeners: list[Obj], kind: str, why: str) -> None:
    ((name, code, message),) = one(*listeners, kind=kind, section="s")
    assert (name, code) == ("a", "MLB140") and why in message


@pytest.mark.parametrize(
    "listeners",
    [
        [listener("s", "HTTPS", 443, tls=ENDS)], [listener("s", "HTTPS", 443, tls={"options": {"example.com/certificate": "x"}})],
        [listener("s", "HTTPS", 443, tls=BOTH)],
        [listener("s", "HTTPS", 443, tls=ENDS, hostname="a.example.com"), listener("x", "TLS", 443, tls=THROUGH, hostname="b.example.com")],
        [listener("s"), listener("x", "HTTPS", 443, tls=ENDS)], [listener("s"), listener("x", "UDP", 80)],
        # What does not work by itself is in nobody's way.
        [listener("s", "HTTPS", 443, tls=ENDS), listener("x", "HTTPS", 443)],
    ],
)  # fmt: skip
def test_listeners_that_work(listeners: list[Obj]) -> None:
    assert [item[0] for item in one(*listeners, section="s")] == ["a"] and one(*listeners, section="s")[0][2] == "/"


def test_certificates_that_are_granted_or_need_not_be() -> None:
    far = listener("s", "HTTPS", 443, tls=FAR)
    assert one(far, more=(secret_grant(),)) == one(far, more=(secret_grant(name="tls"),)) == [("a", "", "/")]
    for bad in (secret_grant(name="x"), secret_grant(source=APPS), secret_grant(kind="HTTPRoute"), secret_grant(where=EDGE)):
        assert one(far, more=(bad,))[0][1] == "MLB140"
    assert one(far, dialect=Dialect(certificates="none")) == [("a", "", "/")]
    assert one(listener("s", "HTTPS", 443, tls=BOTH), dialect=Dialect(certificates="all"))[0][1] == "MLB140"


def test_settings_about_conflicts_and_kinds() -> None:
    twice = (listener("s", "TCP", 9), listener("x", "TCP", 9))
    first = Dialect(first_wins=frozenset({"TCP"}))
    assert one(*twice, kind="TCPRoute", section="s", dialect=first) == [("a", "", "tcp:9")]
    assert one(*twice, kind="TCPRoute", section="x", dialect=first)[0][1] == "MLB140"
    mixed = (listener("s"), listener("x", "TCP", 80))
    assert one(*mixed, section="s", dialect=Dialect(shares_ports=True)) == [("a", "", "/")]
    odd = listener("s", allowedRoutes={"namespaces": {"from": "All"}, "kinds": [{"kind": "HTTPRoute"}, {"kind": "TCPRoute"}]})
    assert one(odd) == [("a", "", "/")]
    assert "it allows TCPRoute, which its protocol HTTP cannot carry" in one(odd, dialect=Dialect(strict_kinds=True))[0][2]
    assert one(listener(), kind="GRPCRoute", dialect=Dialect().without("GRPCRoute"))[0][1] == "MLB140"
    assert "because" in one(listener(), dialect=Dialect(gateway=lambda item: "because"))[0][2]
    assert "because" in one(listener(), dialect=Dialect(listener=lambda item, spec: "because"))[0][2]
    assert one(listener(), dialect=Dialect(route=lambda item: "because")) == [("a", "MLB140", "because")]


@pytest.mark.parametrize(
    ("made", "works"),
    [
        (noted("Conflicted", "True"), False), (noted("Accepted", "False"), False), (noted("Programmed", "False"), False),
        (noted("Accepted", "True"), True), (noted("Programmed", "False", reason="Pending"), True), (noted("Programmed", "False", 0), True),
        (noted("ResolvedRefs", "False"), True), (noted("Conflicted", "False"), True),
    ],
)  # fmt: skip
def test_conditions_that_the_implementation_wrote(made: Obj, works: bool) -> None:
    found = taken(Dialect(), made, route("a", TO_SHOP, hosts=()))
    assert (found == [("a", "", "/")]) is works


def test_hosts_that_nobody_takes_and_hosts_of_another_listener() -> None:
    both = gateway(listener("web"), listener("own", hostname="*.shop.example.com"))
    named = {"name": "gw", "namespace": EDGE, "sectionName": "web"}
    hosts = ("www.example.com", "*.shop.example.com")
    wide = route("a", TO_SHOP, hosts=hosts, parents=[named])
    assert taken(Dialect(), both, wide) == [("a", "www.example.com", "/"), ("a", "*.shop.example.com", "/")]
    alone = taken(Dialect(isolates_hosts=True), both, wide)
    why = "requests for *.shop.example.com go to listener own of Gateway edge/gw"
    assert alone == [("a", "www.example.com", "/"), ("a", "MLB140", why)]
    # By the whole Gateway it is taken by the other listener as well.
    assert len(taken(Dialect(isolates_hosts=True), both, route("a", TO_SHOP, hosts=hosts))) == 2
    elsewhere = taken(Dialect(), gateway(listener(hostname="*.example.com")), route("a", TO_SHOP, hosts=("a.example.com", "example.org")))
    assert elsewhere == [("a", "a.example.com", "/"), ("a", "MLB140", "no listener that takes it has host example.org")]


def stream(name: str, made: str = "", kind: str = "TCPRoute", rules: int = 1) -> Obj:
    item = route(name, *([rule(to_service("shop"))] * rules), kind=kind, hosts=())
    return {**item, "metadata": {**item["metadata"], **({"creationTimestamp": made} if made else {})}}


def test_a_listener_carries_the_oldest_stream() -> None:
    here = gateway(listener("db", "TCP", 5432))
    both = (stream("young", "2025-09-01T00:00:00Z"), stream("old", "2025-03-01T00:00:00Z"))
    why = "listener db of Gateway edge/gw carries TCPRoute apps/old already"
    assert taken(Dialect(), here, *both) == [("old", "", "tcp:5432"), ("young", "MLB140", why)]
    assert len(taken(Dialect(one_stream=False), here, *both)) == 2
    # One that is no route itself stands in nobody's way; without a time the name decides.
    assert [item[1] for item in taken(Dialect(), here, stream("a", rules=2), stream("b"), stream("c"))] == ["", "MLB140", "MLB140"]
    two = gateway(listener("db", "TCP", 5432), listener("more", "TCP", 5433))
    shared = [("old", "", "tcp:5432"), ("old", "", "tcp:5433")]
    assert taken(Dialect(), two, *both)[:2] == shared


def test_udp_is_named() -> None:
    assert taken(Dialect(), gateway(listener("dns", "UDP", 53)), stream("dns", kind="UDPRoute")) == [
        ("dns", "MLB205", "UDP is carried outside the mesh")
    ]


def listener_set(*listeners: Obj, kind: str = "ListenerSet", name: str = "more", made: str = "") -> Obj:
    group = f"{GROUP}/v1" if kind == "ListenerSet" else "gateway.networking.x-k8s.io/v1alpha1"
    item = obj(group, kind, APPS, name, spec={"parentRef": {"name": "gw", "namespace": EDGE}, "listeners": list(listeners)})
    return {**item, "metadata": {**item["metadata"], **({"creationTimestamp": made} if made else {})}}


SETS = Dialect(listener_sets=frozenset({LISTENER_SET, X_LISTENER_SET}))


@pytest.mark.parametrize("kind", ["ListenerSet", "XListenerSet"])
def test_listener_sets(kind: str) -> None:
    group = "gateway.networking.x-k8s.io" if kind[0] == "X" else GROUP
    behind = route("a", TO_SHOP, hosts=(), parents=[{"group": group, "kind": kind, "name": "more"}])
    added = listener_set(listener("own", hostname="own.example.com", **SAME), kind=kind)
    open_gateway = gateway(listener(), allowedListeners={"namespaces": {"from": "All"}})
    assert taken(SETS, open_gateway, added, behind) == [("a", "own.example.com", "/")]
    assert taken(Dialect(), open_gateway, added, behind) == []
    assert taken(SETS, gateway(listener()), added, behind)[0][2] == f"Gateway edge/gw admits no {kind} apps/more (allowedListeners)"
    # Who names the Gateway means its own listeners alone.
    assert taken(SETS, open_gateway, added, route("a", TO_SHOP, hosts=())) == [("a", "", "/")]


def test_the_gateway_goes_before_listener_sets_and_the_older_before_the_younger() -> None:
    def behind(name: str) -> Obj:
        return route(name, TO_SHOP, hosts=(), parents=[{"group": GROUP, "kind": "ListenerSet", "name": name}])

    allowed = {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}}
    old = listener_set(listener("x", port=81), name="old", made="2025-01-01T00:00:00Z")
    young = listener_set(listener("x", port=81), name="young", made="2026-01-01T00:00:00Z")
    own = gateway(listener(), allowedListeners=allowed)
    assert [item[:2] for item in taken(SETS, own, young, old, behind("old"), behind("young"))] == [("old", ""), ("young", "MLB140")]
    full = gateway(listener(), listener("y", port=81), allowedListeners=allowed)
    assert {item[1] for item in taken(SETS, full, young, old, behind("old"), behind("young"))} == {"MLB140"}
    assert taken(SETS, full, young, old, route("a", TO_SHOP, hosts=())) == [("a", "", "/")]


def test_a_parent_that_is_nobodys_here_is_not_named() -> None:
    other = [gateway_class("example.com/other", "x"), gateway(name="x", class_name="x"), namespace("y")]
    assert taken(Dialect(), gateway(), *other, route("a", TO_SHOP, parents=[{"name": "x", "namespace": EDGE, "sectionName": "z"}])) == []
