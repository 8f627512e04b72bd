# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a backend's policies admit a route's requests: by identity, by transport, by protocol, and by what requests may differ in."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Access, ObjectRef, replace
from ansible_collections.meshlb.istio.plugins.module_utils.kube import kinds
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot, Unreadable

from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    EDGE,
    LIVE,
    PUBLIC,
    ROOT,
    Obj,
    authorization_policy,
    backend,
    cluster,
    from_source,
    ingress,
    mesh_config,
    namespace,
    nginx,
    obj,
    outcome,
    path,
    peer_authentication,
    pod,
    port,
    request_authentication,
    service,
    sidecar,
    to_operation,
)

OWN = "cluster.local/ns/edge/sa/default"
BY_NAME, BY_NAMESPACE = from_source(principals=[OWN]), from_source(namespaces=[EDGE])
ISSUER = "https://issuer.example.com"


def mutual(name: str = "web", *paths: Obj, number: int = 80) -> list[Obj]:
    """A backend that is reached by mutual TLS: an undeclared (or TCP) port at the Service's address."""
    return [
        service("shop", port(name, number, 8080)), pod("shop", http=8080),
        ingress("shop", *(paths or [path(backend("shop", number))]), service_upstream="true"),
    ]


def plain(name: str = "http", *paths: Obj) -> list[Obj]:
    """A backend that is reached in plaintext: pod addresses."""
    return [service("shop", port(name)), pod("shop", http=8080), ingress("shop", *(paths or [path(backend("shop"))]))]


def asked(*objects: Obj) -> Access:
    return outcome(cluster(*objects)).access


def by(*rules: Obj, where: str = APPS, **spec: Any) -> Obj:
    return authorization_policy("policy", *rules, where=where, **spec)


def rule(*, sources: dict[str, list[str]] | None = None, when: list[Obj] | None = None, **operation: list[str]) -> Obj:
    found: Obj = {}
    if sources:
        found.update(from_source(**sources))
    if operation:
        found.update(to_operation(**operation))
    if when:
        found["when"] = when
    return found


NOTHING = by()
EVERYBODY = by({})
CANARY = [
    obj(
        "apps/v1", "Deployment", "istio-system", "istiod-canary", labels={"app": "istiod", "istio.io/rev": "canary"},
        spec={"template": {"spec": {"containers": [{"name": "discovery", "image": "istio/pilot:1.31.0"}]}}},
    ),
    obj("v1", "ConfigMap", "istio-system", "istio-canary", data={"mesh": "extensionProviders: [{name: x}]"}),
]  # fmt: skip


# name: policies, (decision with the identity, decision in plaintext)
BY_IDENTITY: dict[str, tuple[list[Obj], tuple[str, str]]] = {
    "no policy": ([], ("allowed", "allowed")),
    "allow nothing": ([NOTHING], ("denied", "denied")),
    "allow everybody": ([EVERYBODY], ("allowed", "allowed")),
    "deny nothing": ([by(action="DENY")], ("allowed", "allowed")),
    "deny everybody": ([by({}, action="DENY")], ("denied", "denied")),
    "allow by principal": ([by(BY_NAME)], ("allowed", "denied")),
    "allow another": ([by(from_source(principals=["cluster.local/ns/x/sa/y"]))], ("denied", "denied")),
    "allow any principal": ([by(from_source(principals=["*"]))], ("allowed", "denied")),
    "allow by a principal's beginning": (
        [by(from_source(principals=["cluster.local/ns/edge/*"]))], ("allowed", "denied")),
    "allow by a principal's end": ([by(from_source(principals=["*/sa/default"]))], ("allowed", "denied")),
    "allow by namespace": ([by(BY_NAMESPACE)], ("allowed", "denied")),
    "allow by a pattern of namespaces": ([by(from_source(namespaces=["ed*"]))], ("allowed", "denied")),
    "allow by service account": ([by(from_source(serviceAccounts=["edge/default"]))], ("allowed", "denied")),
    "allow a service account of the policy's own namespace": (
        [by(from_source(serviceAccounts=["default"]))], ("denied", "denied")),
    "allow by trust domain": ([by(from_source(trustDomains=["cluster.local"]))], ("allowed", "denied")),
    "allow all but a namespace": ([by(from_source(notNamespaces=["edge"]))], ("denied", "allowed")),
    "allow all but another": ([by(from_source(notPrincipals=["cluster.local/ns/x/sa/y"]))], ("allowed", "allowed")),
    "deny by namespace": ([by(BY_NAMESPACE, action="DENY")], ("denied", "allowed")),
    "deny whoever has no identity": (
        [by(from_source(notPrincipals=["*"]), action="DENY")], ("allowed", "denied")),
    "deny before allow": (
        [by(BY_NAME), authorization_policy("no", BY_NAMESPACE, action="DENY")], ("denied", "denied")),
    "one of two that allow": (
        [by(BY_NAME), NOTHING | {"metadata": {"name": "other", "namespace": APPS}}], ("allowed", "denied")),
    "audit": ([by({}, action="AUDIT")], ("allowed", "allowed")),
    "a dry run": ([by(annotations={"istio.io/dry-run": "true"})], ("allowed", "allowed")),
    "no dry run": ([by(annotations={"istio.io/dry-run": "no"})], ("denied", "denied")),
    "of the root namespace": ([by(where=ROOT)], ("denied", "denied")),
    "of the root namespace, with a selector": ([by(where=ROOT, selector={"app": "shop"})], ("denied", "denied")),
    "of another namespace": ([by(where=EDGE)], ("allowed", "allowed")),
    "of other pods": ([by(selector={"app": "other"})], ("allowed", "allowed")),
    "of gateways": (
        [by(targetRefs=[{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "x"}])],
        ("allowed", "allowed")),
    "of waypoints, in the old form": (
        [by(targetRef={"group": "", "kind": "Service", "name": "shop"})], ("allowed", "allowed")),
    "an attribute that there is not": ([by(rule(when=[{"key": "source.colour", "values": ["red"]}]))], ("denied", "denied")),
    "by when, principal": (
        [by(rule(when=[{"key": "source.principal", "values": [OWN]}]))], ("allowed", "denied")),
    "by when, namespace": (
        [by(rule(when=[{"key": "source.namespace", "notValues": [EDGE]}]))], ("denied", "allowed")),
    "the pod's port": ([by(to_operation(ports=["8080"]))], ("allowed", "allowed")),
    "the Service's port": ([by(to_operation(ports=["80"]))], ("denied", "denied")),
    "a service of its own": ([by({}, action="CUSTOM", provider={"name": "x"})], ("unknown", "unknown")),
    "a service of its own for another port": (
        [by(to_operation(ports=["9090"]), action="CUSTOM", provider={"name": "x"})], ("allowed", "allowed")),
    "a service of its own that the mesh does not know": (
        [by({}, action="CUSTOM", provider={"name": "x"}), mesh_config("extensionProviders: [{name: y}]")], ("denied", "denied")),
    "a service of its own that the mesh knows": (
        [by({}, action="CUSTOM", provider={"name": "x"}), mesh_config("extensionProviders: [{name: x}]")], ("unknown", "unknown")),
    "a service of its own that another revision knows": (
        [by({}, action="CUSTOM", provider={"name": "x"}), *CANARY, mesh_config("extensionProviders: [{name: y}]")], ("unknown", "unknown")),
    "an address that nobody knows": ([by(from_source(ipBlocks=["192.0.2.0/24"]))], ("unknown", "unknown")),
    "an address that makes no difference": (
        [by(from_source(ipBlocks=["192.0.2.0/24"])), EVERYBODY | {"metadata": {"name": "all", "namespace": APPS}}],
        ("allowed", "allowed")),
}


@pytest.mark.parametrize("name", BY_IDENTITY)
def test_an_identity_comes_with_mutual_tls_alone(name: str) -> None:
    policies, expected = BY_IDENTITY[name]
    assert (asked(*mutual(), *policies).decision, asked(*plain(), *policies).decision) == expected


# name: policies, (decision where the port is HTTP, decision where it is TCP), and what a sentence names
BY_REQUEST: dict[str, tuple[list[Obj], tuple[str, str], str]] = {
    "deny a path": ([by(to_operation(paths=["/admin*"]), action="DENY")], ("conditional", "denied"), "path"),
    "deny the path": ([by(to_operation(paths=["/*"]), action="DENY")], ("denied", "denied"), ""),
    "deny another path": ([by(to_operation(paths=["/x"]), action="DENY")], ("conditional", "denied"), "path"),
    "deny paths that end so": ([by(to_operation(paths=["*.php"]), action="DENY")], ("conditional", "denied"), "path"),
    "deny a template": ([by(to_operation(paths=["/a/{*}/c"]), action="DENY")], ("conditional", "denied"), "path"),
    "allow a path": ([by(to_operation(paths=["/public/*"]))], ("conditional", "denied"), "path"),
    "allow all paths": ([by(to_operation(paths=["/*"]))], ("allowed", "denied"), ""),
    "allow a template of everything": ([by(to_operation(paths=["/{**}"]))], ("allowed", "denied"), ""),
    "allow all but a path": ([by(to_operation(notPaths=["/admin"]))], ("conditional", "denied"), "path"),
    "allow a method": ([by(to_operation(methods=["GET"]))], ("conditional", "denied"), "method"),
    "deny a method": ([by(to_operation(methods=["DELETE"]), action="DENY")], ("conditional", "denied"), "method"),
    "one and the others": (
        [by(to_operation(methods=["GET"]), to_operation(notMethods=["GET"]))], ("allowed", "denied"), ""),
    "allow the host": ([by(to_operation(hosts=["SHOP.example.com"]))], ("allowed", "denied"), ""),
    "allow another host": ([by(to_operation(hosts=["other.example.com"]))], ("denied", "denied"), ""),
    "allow by header": (
        [by(rule(when=[{"key": "request.headers[X-Team]", "values": ["blue"]}]))],
        ("conditional", "denied"), "header x-team"),
    "by a header that is set on the way": (
        [by(rule(when=[{"key": "request.headers[x-forwarded-proto]", "values": ["https"]}]))],
        ("unknown", "denied"), "header x-forwarded-proto"),
    "tokens are checked": ([request_authentication(ISSUER)], ("conditional", "allowed"), "token"),
    "tokens are checked elsewhere": ([request_authentication(ISSUER, selector={"app": "other"})], ("allowed", "allowed"), ""),
    "tokens are asked for": (
        [request_authentication(ISSUER), by(from_source(requestPrincipals=["*"]))],
        ("conditional", "denied"), "token"),
    "tokens are asked for, and nobody issues any": (
        [by(from_source(requestPrincipals=["*"]))], ("denied", "denied"), ""),
    "a token of another issuer": (
        [request_authentication(ISSUER), by(from_source(requestPrincipals=["https://other.example/*"]))],
        ("denied", "denied"), ""),
    "whoever has no token is denied": (
        [request_authentication(ISSUER), by(from_source(notRequestPrincipals=["*"]), action="DENY")],
        ("conditional", "denied"), "token"),
    "a claim": (
        [request_authentication(ISSUER), by(rule(when=[{"key": "request.auth.claims[group]", "values": ["a"]}]))],
        ("conditional", "denied"), "token"),
    "the client's address": (
        [by(from_source(remoteIpBlocks=["203.0.113.0/24"]))], ("conditional", "unknown"), "address"),
    "any client's address": ([by(from_source(remoteIpBlocks=["0.0.0.0/0"]))], ("allowed", "unknown"), ""),
    "who and what": ([by({**BY_NAME, **to_operation(paths=["/api/*"])})], ("conditional", "denied"), "path"),
    "what others may": (
        [by({**from_source(namespaces=["x"]), **to_operation(paths=["/api/*"])})], ("denied", "denied"), ""),
    "what others may not": (
        [by({**from_source(namespaces=["x"]), **to_operation(paths=["/api/*"])}, action="DENY")],
        ("allowed", "allowed"), ""),
}


@pytest.mark.parametrize("name", BY_REQUEST)
def test_what_requests_differ_in(name: str) -> None:
    policies, expected, named = BY_REQUEST[name]
    found = [asked(*mutual(protocol), *policies) for protocol in ("web", "tcp-web")]
    assert tuple(item.decision for item in found) == expected
    assert named in found[0].why


def test_a_route_that_does_not_take_the_path_is_not_asked_about_it() -> None:
    policy = by(to_operation(paths=["/admin*"]), action="DENY")
    shop = path(backend("shop"), "/shop")
    assert asked(*mutual("web", shop), policy).decision == "allowed"
    assert asked(*mutual("web", path(backend("shop"), "/admin")), policy).decision == "denied"
    exact = path(backend("shop"), "/", "Exact")
    assert asked(*mutual("web", exact), policy).decision == "allowed"


def test_a_path_that_another_route_takes_is_not_this_routes() -> None:
    """Nobody reaches /admin by the route of /, so the rule about it makes no difference there."""
    policy = authorization_policy("policy", to_operation(paths=["/admin*"]), action="DENY")
    both = cluster(*mutual("web", path(backend("shop")), path(backend("shop"), "/admin")), policy)
    assert outcome(both, path="/admin").access.decision == "denied"
    assert outcome(both, path="/").access.decision == "conditional"  # /administration is this one's
    narrow = authorization_policy("policy", to_operation(paths=["/admin/*"]), action="DENY")
    both = cluster(*mutual("web", path(backend("shop")), path(backend("shop"), "/admin")), narrow)
    assert outcome(both, path="/").access.decision == "allowed"


def test_a_path_that_is_changed_on_the_way_is_not_known() -> None:
    changed = ingress("shop", path(backend("shop")), service_upstream="true", rewrite_target="/x")
    policy = by(to_operation(paths=["/x"]))
    found = asked(service("shop", port("web")), pod("shop", http=8080), changed, policy)
    assert (found.decision, "path" in found.why) == ("unknown", True)


def test_what_decides_is_named() -> None:
    found = asked(*mutual(), authorization_policy("own", BY_NAME), authorization_policy("other", from_source(namespaces=["x"])))
    assert (found.decision, found.policies, found.identity) == ("allowed", ("apps/own",), OWN)
    found = asked(*mutual(), authorization_policy("other", from_source(namespaces=["x"])), authorization_policy("more"))
    assert (found.decision, found.policies, found.reason) == ("denied", ("apps/more", "apps/other"), "not_admitted")
    assert OWN in found.why and "apps/other" in found.why


def test_a_trust_domain_has_all_of_its_names() -> None:
    config = mesh_config("trustDomain: new.example\ntrustDomainAliases: [old.example]\n")
    own = "new.example/ns/edge/sa/default"
    for name in ("cluster.local", "old.example", "new.example", "*"):
        policy = by(from_source(principals=[f"{name}/ns/edge/sa/default"]))
        found = asked(*mutual(), config, policy)
        assert (found.decision, found.identity) == ("allowed", own), name
    stranger = by(from_source(principals=["strange.example/ns/edge/sa/default"]))
    assert asked(*mutual(), config, stranger).decision == "denied"
    other = by(from_source(trustDomains=["old.example"]))
    assert asked(*mutual(), config, other).decision == "allowed"


def test_the_root_namespace_is_the_meshs() -> None:
    policy = by(where="mesh-root")
    assert asked(*mutual(), policy).decision == "allowed"
    assert asked(*mutual(), policy, mesh_config("rootNamespace: mesh-root\n")).decision == "denied"


def test_the_address_is_that_of_the_load_balancers_pods() -> None:
    policy = by(from_source(ipBlocks=["10.9.0.0/16"]))

    def sender(ip: str, name: str) -> Obj:
        return pod("lb", where=EDGE, ip=ip, name=name)

    assert asked(*mutual(), policy, sender("10.9.0.7", "one")).decision == "allowed"
    assert asked(*mutual(), policy, sender("10.8.0.7", "one")).decision == "denied"
    assert asked(*mutual(), policy, sender("10.8.0.7", "one"), sender("10.9.0.7", "two")).decision == "unknown"


def test_the_least_of_several_pods_counts() -> None:
    """Two versions behind one Service, and a policy for one of them."""
    version = pod("shop", http=8080, labels={"version": "2"})
    policy = by(selector={"version": "2"})
    assert asked(*mutual(), version).decision == "allowed"
    assert asked(*mutual(), version, policy).decision == "denied"
    paths = by(to_operation(paths=["/api/*"]), selector={"version": "2"})
    assert asked(*mutual(), version, paths).decision == "conditional"


def test_no_sidecar_enforces_nothing() -> None:
    objects = [service("shop", port()), pod("shop", sidecar=False, http=8080), ingress("shop", path(backend("shop")))]
    assert asked(*objects, NOTHING).decision == "allowed"
    ambient = [item for item in cluster(*objects, NOTHING).everything() if item["kind"] != "Namespace"]
    enrolled = namespace(APPS, **{"istio.io/dataplane_mode": "ambient"})
    found = outcome(Snapshot([*ambient, enrolled, namespace(EDGE, istio_injection="enabled")], LIVE)).access
    assert found.decision == "unknown"


def test_a_port_that_is_left_out_of_the_sidecar_is_not_guarded() -> None:
    left_out = pod("shop", http=8080, annotations={"traffic.sidecar.istio.io/excludeInboundPorts": "8080"})
    assert asked(service("shop", port()), left_out, ingress("shop", path(backend("shop"))), NOTHING).decision == "allowed"


def test_what_does_not_reach_the_backend_is_not_known() -> None:
    found = asked(*plain(), peer_authentication("STRICT"), by(BY_NAME))
    assert (found.decision, found.reason) == ("unknown", "not_reached")


def test_policies_that_cannot_be_read() -> None:
    source = replace(LIVE, denied={kinds.AUTHORIZATION_POLICY: "no"})
    found = outcome(Snapshot(list(cluster(*mutual()).everything()), source))
    assert (found.verdict, found.access.decision, found.access.reason) == ("mutual_tls", "unknown", "unread")
    assert kinds.AUTHORIZATION_POLICY in found.access.why


def test_a_policy_that_is_not_understood_is_of_its_namespace_alone() -> None:
    """Verdicts stay, and so does who is admitted elsewhere."""
    everything = list(cluster(*mutual()).everything())
    for where, expected in ((APPS, "unknown"), (ROOT, "unknown"), ("elsewhere", "allowed")):
        ref = ObjectRef("security.istio.io/v1beta1", "AuthorizationPolicy", where, "odd")
        source = replace(LIVE, unreadable={(kinds.AUTHORIZATION_POLICY, where, "odd"): Unreadable(ref, ("spec.rules is a text",))})
        found = outcome(Snapshot(everything, source))
        assert (found.verdict, found.access.decision) == ("mutual_tls", expected), where


def test_the_server_name_is_that_of_the_cluster() -> None:
    named = by(rule(when=[{"key": "connection.sni", "values": ["outbound_.80_._.shop.apps.*"]}]))
    assert (asked(*mutual(), named).decision, asked(*plain(), named).decision) == ("allowed", "denied")


def test_the_address_that_is_reached() -> None:
    at = by(rule(when=[{"key": "destination.ip", "values": ["10.0.0.0/8"]}]))
    assert asked(*mutual(), at).decision == "allowed"
    elsewhere = by(rule(when=[{"key": "destination.ip", "values": ["192.0.2.1"]}]))
    assert asked(*mutual(), elsewhere).decision == "denied"


def test_the_oldest_service_decides_what_the_port_is() -> None:
    """A second Service over the pods that declares TCP takes HTTP, and rules about it, away from all clients."""
    policy = by(to_operation(paths=["/*"]))
    older, younger = "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"

    def with_second(name: str, created: str) -> Access:
        first = service("shop", port("web"), created="2024-06-01T00:00:00Z")
        second = service(name, port("tcp-x", 8080, 8080), selector={"app": "shop"}, created=created)
        return asked(first, second, pod("shop", http=8080), ingress("shop", path(backend("shop")), service_upstream="true"), policy)

    assert with_second("second", younger).decision == "allowed"
    found = with_second("second", older)
    assert (found.decision, found.as_tcp) == ("denied", ("apps/policy",))
    assert with_second("zzz", "2024-06-01T00:00:00Z").decision == "allowed"
    assert with_second("aaa", "2024-06-01T00:00:00Z").decision == "denied"


def test_a_twin_of_an_undeclared_port_is_tcp_to_the_backend() -> None:
    policy = by(to_operation(paths=["/*"]))
    twin = service("twin", port("tcp-8080", 8080, 8080), ip="None", selector={"app": "shop"}, created="2030-01-01T00:00:00Z")
    objects = [service("shop", port("web"), created="2024-01-01T00:00:00Z"), pod("shop", http=8080), ingress("shop", path(backend("shop")))]
    assert asked(*objects, policy).decision == "allowed"
    assert asked(*objects, twin, policy).decision == "denied"


def test_a_sidecar_resource_may_declare_the_port() -> None:
    policy = by(to_operation(paths=["/*"]))
    listener = {"port": {"number": 8080, "protocol": "TCP", "name": "tcp"}, "defaultEndpoint": "127.0.0.1:8080"}
    own = sidecar(where=APPS, ingress=[listener])
    assert asked(*plain(), policy).decision == "allowed"
    assert asked(*plain(), own, policy).decision == "denied"


def test_a_host_that_a_route_leaves_open() -> None:
    policy = by(to_operation(hosts=[PUBLIC]))
    objects = [service("shop", port("web")), pod("shop", http=8080)]
    any_host = ingress("shop", path(backend("shop")), host="", service_upstream="true")
    wide = ingress("shop", path(backend("shop")), host="*.example.com", service_upstream="true")
    far = ingress("shop", path(backend("shop")), host="*.example.org", service_upstream="true")
    assert [asked(*objects, item, policy).decision for item in (any_host, wide, far)] == ["conditional", "conditional", "denied"]


def test_what_tells_too_many_requests_apart_is_not_known() -> None:
    headers = [{"key": f"request.headers[x-{number}]", "values": ["a", "b"]} for number in range(12)]
    found = asked(*mutual(), by(rule(when=headers)))
    assert found.decision == "unknown"


def test_a_route_without_a_workload_has_no_known_identity() -> None:
    """Nothing is said of identities where nobody knows who sends."""
    assert asked(*mutual(), nginx("lb", serviceAccountName="own"), by(BY_NAME)).decision == "denied"
