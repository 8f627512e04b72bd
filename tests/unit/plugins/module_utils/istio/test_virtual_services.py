# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VirtualService's rules do with the requests of a route, and what becomes of routes that meet them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.istio.virtual_services import AskedFor, branches
from ansible_collections.meshlb.istio.plugins.module_utils.istio.visibility import Viewer

from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    EDGE,
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
    to,
    virtual_service,
)

VIEWER = Viewer(EDGE, (("app", "lb"),))
FQDN, OLD = "shop.apps.svc.cluster.local", "old.apps.svc.cluster.local"


def rule(target: str, **match: Any) -> Obj:
    return to(target, match=[match])


def taken(asked: AskedFor, *rules: Obj) -> list[str]:
    """Of each branch: which requests, and the first label of where they go, in a short form."""
    found = branches(virtual_service(PUBLIC, http=list(rules)), asked, VIEWER, 80)
    ends = ("/".join(one.host.split(".")[0] for one in item.targets) or "-" for item in found)
    return [f"{item.part or 'own'}{'' if item.sure else '?'}: {end}" for item, end in zip(found, ends, strict=True)]


ROUTES: dict[str, tuple[AskedFor, list[Obj], list[str]]] = {
    "a narrower path": (AskedFor(), [rule(OLD, uri={"prefix": "/old"}), to(FQDN)], ["own: shop", "paths below /old: old"]),
    "a narrower path that is another route's": (
        AskedFor(without=(("/old", "Prefix"),)), [rule(OLD, uri={"prefix": "/old"}), to(FQDN)], ["own: shop"]),
    "a path beside the route's": (AskedFor(path="/api"), [rule(OLD, uri={"prefix": "/old"}), to(FQDN)], ["own: shop"]),
    "a path that only begins alike": (AskedFor(path="/api"), [rule(OLD, uri={"prefix": "/apis"}), to(FQDN)], ["own: shop"]),
    "a wider path": (AskedFor(path="/api/v1"), [rule(FQDN, uri={"prefix": "/api"}), to(OLD)], ["own: shop"]),
    "an exact route": (AskedFor(path="/a", path_type="Exact"), [rule(OLD, uri={"prefix": "/a/"}), to(FQDN)], ["own: shop"]),
    "a path and what is below it, in two matches": (
        AskedFor(path="/a"), [to(FQDN, match=[{"uri": {"exact": "/a"}}, {"uri": {"prefix": "/a/"}}]), to(OLD)], ["own: shop"]),
    "its own path alone": (
        AskedFor(path="/a"), [rule(OLD, uri={"exact": "/a"}), to(FQDN)], ["own: old", "paths below /a: shop"]),
    "a header": (AskedFor(), [rule(OLD, headers={"x": {}}), to(FQDN)], ["own: shop", "requests by headers?: old"]),
    "an expression": (AskedFor(), [rule(OLD, uri={"regex": "/o.*"}), to(FQDN)], ["own: shop", "paths like /o.*?: old"]),
    "a path that the load balancer rewrites": (
        AskedFor(path="", path_type=""), [rule(OLD, uri={"prefix": "/old"}), to(FQDN)], ["own: shop", "paths below /old?: old"]),
    "no rule for some paths": (AskedFor(), [rule(FQDN, uri={"exact": "/"})], ["own: shop", "other paths below /: -"]),
    "no rule for its path": (AskedFor(), [rule(FQDN, uri={"prefix": "/api"})], ["own: -", "paths below /api: shop"]),
    "another host": (AskedFor(PUBLIC), [rule(OLD, authority={"exact": "x.example.com"}), to(FQDN)], ["own: shop"]),
    "its host": (AskedFor(PUBLIC), [rule(FQDN, authority={"exact": PUBLIC}), to(OLD)], ["own: shop"]),
    "any host": (AskedFor(), [rule(OLD, authority={"prefix": "x"}), to(FQDN)], ["own: shop", "requests by authority?: old"]),
    "clients with other labels": (AskedFor(), [rule(OLD, sourceLabels={"app": "x"}), to(FQDN)], ["own: shop"]),
    "clients with these labels": (AskedFor(), [rule(FQDN, sourceLabels={"app": "lb"}), to(OLD)], ["own: shop"]),
    "gateways make labels count no more": (
        AskedFor(), [rule(FQDN, sourceLabels={"app": "x"}, gateways=["mesh"]), to(OLD)], ["own: shop"]),
    "clients of another namespace": (AskedFor(), [rule(OLD, sourceNamespace="x"), to(FQDN)], ["own: shop"]),
    "upper and lower case": (AskedFor(path="/API"), [rule(FQDN, uri={"prefix": "/api"}, ignoreUriCase=True), to(OLD)], ["own: shop"]),
    "none for this client": ([AskedFor(), [rule(FQDN, port=81)], []]),
}  # fmt: skip


@pytest.mark.parametrize(("asked", "rules", "result"), ROUTES.values(), ids=ROUTES)
def test_which_requests_a_rule_takes(asked: AskedFor, rules: list[Obj], result: list[str]) -> None:
    assert taken(asked, *rules) == result


def test_shares_without_weight_get_nothing() -> None:
    split = {"route": [{"destination": {"host": FQDN}, "weight": 30}, {"destination": {"host": OLD}, "weight": 0}]}
    (only,) = branches(virtual_service(PUBLIC, http=[split]), AskedFor(), VIEWER, 80)
    assert [(item.host, item.weight) for item in only.targets] == [(FQDN, 100)]


def split(*shares: tuple[str, int]) -> Obj:
    return {"route": [{"destination": {"host": host}, "weight": weight} for host, weight in shares]}


def shop(name: str = "web", *, vip: bool = True, old_in_mesh: bool = False, ip: str = "", number: int = 80) -> list[Obj]:
    """Service and pod ``shop`` with a route there, and Service ``old``, whose pod is outside of the mesh unless it is said."""
    annotations = {"service_upstream": "true"} if vip else {}
    return [
        service("shop", port(name, number), ip=ip), pod("shop", http=8080), service("old", port(name, number)),
        pod("old", sidecar=old_in_mesh, http=8080), ingress("shop", path(backend("shop", number)), **annotations),
    ]


def own(*rules: Obj, **spec: Any) -> Obj:
    return virtual_service(FQDN, where=APPS, http=list(rules), **spec)


def gateway_route(kind: str = "HTTPRoute", where: str = APPS, target: str = "old", **more: Any) -> Obj:
    """A route of the Service with one backend; ``more`` is its rule's in place of that backend."""
    spec = {
        "parentRefs": [{"group": "", "kind": "Service", "name": "shop", "namespace": APPS}],
        "rules": [more or {"backendRefs": [{"name": target, "port": 80}]}],
    }
    return obj("gateway.networking.k8s.io/v1", kind, where, "mesh-route", spec=spec)


def refs(*shares: tuple[str, int]) -> list[Obj]:
    return [{"name": name, "port": 80, "weight": weight} for name, weight in shares]


NAMED = destination_rule("shop", subsets=[
    {"name": "plain", "trafficPolicy": {"tls": {"mode": "DISABLE"}}}, {"name": "v1", "labels": {"app": "shop"}},
    {"name": "v2", "labels": {"version": "none"}},
])  # fmt: skip


def subset(name: str) -> Obj:
    return {"route": [{"destination": {"host": FQDN, "subset": name}}]}


OUTCOMES: dict[str, tuple[list[Obj], str]] = {
    "undeclared, another Service": ([*shop(), own(to(OLD))], "plaintext"),
    "undeclared, another Service of the mesh": ([*shop(old_in_mesh=True), own(to(OLD))], "unknown"),
    "undeclared, no rule": ([*shop(), own(rule(FQDN, uri={"prefix": "/api"}))], "refused"),
    "undeclared, two halves": ([*shop(), own(split((FQDN, 50), (OLD, 50)))], "mixed"),
    "undeclared, two halves of the mesh": ([*shop(old_in_mesh=True), own(split((FQDN, 50), (OLD, 50)))], "mutual_tls"),
    "undeclared, rules for TCP do not hold for HTTP": ([*shop(), own(tcp=[split((OLD, 100))])], "mutual_tls"),
    "undeclared, a wildcard over the Service": ([*shop(), virtual_service("*.apps.svc.cluster.local", http=[to(OLD)])], "plaintext"),
    "undeclared, the Service's own name and a public one": (
        [*shop(), virtual_service(PUBLIC, FQDN, http=[to(OLD)])], "plaintext"),
    "undeclared, the public name alone": ([*shop(), virtual_service(PUBLIC, http=[to(OLD)])], "mutual_tls"),
    "undeclared, another port": ([*shop(), own(rule(OLD, port=81))], "mutual_tls"),
    "undeclared, not exported": ([*shop(), own(to(OLD), exportTo=["."])], "mutual_tls"),
    "declared tcp, another Service": ([*shop("tcp"), own(tcp=[split((OLD, 100))])], "plaintext"),
    "declared tcp, two shares": ([*shop("tcp"), own(tcp=[split((FQDN, 80), (OLD, 20))])], "mixed"),
    "declared tcp, rules for HTTP do not hold": ([*shop("tcp"), own(to(OLD))], "mutual_tls"),
    "declared https, rules for names": (
        [*shop("https"), own(tls=[{"match": [{"sniHosts": ["x"]}], **split((OLD, 100))}])], "unknown"),
    "headless, another Service": ([*shop(vip=False, ip="None", number=8080), own(to(OLD))], "plaintext"),
    "headless, another Service without that port": (
        [*shop(vip=False, ip="None", number=8080), service("new"), own(to("new.apps.svc.cluster.local"))], "refused"),
    "a subset without TLS": ([*shop(), NAMED, own(subset("plain"))], "plaintext"),
    "a subset": ([*shop(), NAMED, own(subset("v1"))], "mutual_tls"),
    "a subset that nobody made": ([*shop(), NAMED, own(subset("v9"))], "refused"),
    "a subset without pods": ([*shop(), NAMED, own(subset("v2"))], "unknown"),
    "an HTTPRoute of the Service": ([*shop(), gateway_route()], "plaintext"),
    "an HTTPRoute of the Service in the client's namespace": (
        [*shop(), gateway_route(where=EDGE), service("old", port("web"), where=EDGE), pod("old", where=EDGE, sidecar=False)], "plaintext"),
    "an HTTPRoute of a third namespace": ([*shop(), gateway_route(where="third")], "mutual_tls"),
    "an HTTPRoute and a VirtualService": ([*shop(), gateway_route(), own(to(FQDN))], "unknown"),
    "an HTTPRoute whose only backend has no weight": ([*shop(), gateway_route(backendRefs=refs(("shop", 0)))], "refused"),
    "an HTTPRoute whose backends have no weight": ([*shop(), gateway_route(backendRefs=refs(("shop", 0), ("old", 0)))], "refused"),
    "an HTTPRoute without a backend": ([*shop(), gateway_route(backendRefs=[])], "refused"),
    "an HTTPRoute that redirects": ([*shop(), gateway_route(filters=[{"type": "RequestRedirect"}])], "refused"),
    "an HTTPRoute with one backend that has weight": ([*shop(), gateway_route(backendRefs=refs(("shop", 5), ("old", 0)))], "mutual_tls"),
    "a GRPCRoute whose only backend has no weight": ([*shop(), gateway_route("GRPCRoute", backendRefs=refs(("shop", 0)))], "refused"),
    "a TCPRoute of the Service": ([*shop("tcp"), gateway_route("TCPRoute")], "plaintext"),
    "a TCPRoute whose only backend has no weight": ([*shop("tcp"), gateway_route("TCPRoute", backendRefs=refs(("shop", 0)))], "refused"),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "verdict"), OUTCOMES.values(), ids=OUTCOMES)
def test_virtual_services_of_the_backend(objects: list[Obj], verdict: str) -> None:
    assert outcome(cluster(*objects)).verdict == verdict


def test_a_route_that_leads_nowhere_says_so() -> None:
    found = outcome(cluster(*shop(), gateway_route(backendRefs=refs(("shop", 0)))))
    assert "HTTPRoute apps/mesh-route has no backend with a weight, so the sidecar answers 500" in found.why
    found = outcome(cluster(*shop("tcp"), gateway_route("TCPRoute", backendRefs=refs(("shop", 0)))))
    assert "TCPRoute apps/mesh-route has no backend with a weight, so the sidecar closes these connections" in found.why


def test_a_part_that_leaves_in_plaintext_is_not_hidden_by_the_rest() -> None:
    rules = [rule(OLD, uri={"prefix": "/old"}), to(FQDN)]
    found = outcome(cluster(*shop("http"), virtual_service(PUBLIC, http=rules)))
    assert found.verdict == "mixed" and "paths below /old" in found.why and found.also_to == ("apps/old",)
    meshed = [*shop("http", old_in_mesh=True), virtual_service(PUBLIC, http=rules)]
    assert outcome(cluster(*meshed, peer_authentication())).verdict == "mutual_tls"


def test_services_over_the_same_pods_are_the_same_backend() -> None:
    """What a progressive delivery makes: the public Service leads to one of the same pods."""
    primary = service("shop-primary", port("http"), selector={"app": "shop"})
    rules = [split(("shop-primary.apps.svc.cluster.local", 100), (OLD, 0))]
    found = outcome(cluster(*shop("http"), primary, virtual_service(PUBLIC, http=rules), peer_authentication()))
    assert found.verdict == "mutual_tls" and not found.misrouted_to
