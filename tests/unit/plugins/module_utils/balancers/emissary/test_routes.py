# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Emissary dials and sends for a Mapping: resolvers and their precedence, shared upstreams, names, hosts, paths."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Route, replace

from tests.unit.plugins.module_utils.balancers.emissary.support import cluster, host, mapping, module, resolver, tcp_mapping, tls_context
from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    EDGE,
    PUBLIC,
    Obj,
    annotated,
    backend,
    ingress,
    load_balancer,
    path,
    routes,
)
from tests.unit.plugins.module_utils.support.known import read_routes

VIP, PODS, AWAY = "cluster_ip", "pod_ips", "external"
ROUND = {"policy": "round_robin"}
HASH = {"policy": "ring_hash", "header": "x-user"}


def one(*objects: Obj) -> Route:
    (found,) = routes(cluster(*objects))
    return found


def codes(*objects: Obj) -> list[tuple[str, str]]:
    snapshot = cluster(*objects)
    return [(item.code, item.object.name if item.object else "") for item in read_routes(snapshot, [load_balancer(snapshot)])[1]]


SERVICE = "KubernetesServiceResolver"
ADDRESSES: dict[str, tuple[list[Obj], str]] = {
    "by default": ([mapping("a")], VIP),
    "the built-in service resolver": ([mapping("a", resolver="kubernetes-service")], VIP),
    "the built-in endpoint resolver": ([mapping("a", resolver="endpoint")], PODS),
    "its other name": ([mapping("a", resolver="kubernetes-endpoint")], PODS),
    "the Module's": ([mapping("a"), module(resolver="endpoint")], PODS),
    "its own before the Module's": ([mapping("a", resolver="kubernetes-service"), module(resolver="endpoint")], VIP),
    "an empty one is none": ([mapping("a", resolver=""), module(resolver="endpoint")], PODS),
    "a Module of another name": ([mapping("a"), module(name="other", resolver="endpoint")], VIP),
    "a Module of another instance": ([mapping("a"), module(resolver="endpoint", ambassador_id=["two"])], PODS),
    "a resolver of one's own": ([mapping("a", resolver="mine"), resolver("mine")], PODS),
    "one's own that gives the Service": ([mapping("a", resolver="mine"), resolver("mine", SERVICE)], VIP),
    "a built-in name given to another kind": ([mapping("a"), resolver("kubernetes-service")], PODS),
    "a name given to another kind, by its alias": ([mapping("a", resolver="endpoint"), resolver("kubernetes-endpoint", SERVICE)], VIP),
    "the Module's balancing alone": ([mapping("a"), module(load_balancer=ROUND)], VIP),
    "with balancing": ([mapping("a", resolver="endpoint", load_balancer=HASH)], PODS),
    "Consul": ([mapping("a", resolver="consul")], AWAY),
    "an address": ([mapping("a", "10.0.0.1:80", resolver="endpoint")], AWAY),
    "a TCPMapping": ([tcp_mapping("a")], VIP),
    "a TCPMapping with endpoints": ([tcp_mapping("a", resolver="endpoint")], PODS),
    "a TCPMapping by the Module": ([tcp_mapping("a"), module(resolver="endpoint")], PODS),
    "an Ingress": ([ingress("a", path(backend("shop")), class_name="ambassador")], VIP),
    "an Ingress by the Module": ([ingress("a", path(backend("shop")), class_name="ambassador"), module(resolver="endpoint")], PODS),
}


@pytest.mark.parametrize(("objects", "address"), ADDRESSES.values(), ids=ADDRESSES)
def test_which_address_is_dialled(objects: list[Obj], address: str) -> None:
    assert one(*objects).upstream.address == address


DROPPED: dict[str, Obj] = {
    "a resolver that does not exist": mapping("a", resolver="missing"),
    "balancing without endpoints": mapping("a", load_balancer=HASH),
    "balancing with a resolver that gives the Service": mapping("a", load_balancer=HASH, resolver="kubernetes-service"),
    "an unknown policy": mapping("a", load_balancer={"policy": "random"}, resolver="endpoint"),
    "Consul with a qualified name": mapping("a", "shop.apps", resolver="consul"),
    "no service": mapping("a", ""),
    "a port that is none": mapping("a", "shop:http"),
}


@pytest.mark.parametrize("item", DROPPED.values(), ids=DROPPED)
def test_what_emissary_leaves_out_is_told(item: Obj) -> None:
    assert routes(cluster(item)) == []
    assert codes(item) == [("MLB220", "a")]


NAMES: dict[str, tuple[Obj, tuple[str, str, int]]] = {
    "a bare name": (mapping("a", "shop"), (APPS, "shop", 80)),
    "with a port": (mapping("a", "shop:81"), (APPS, "shop", 81)),
    "qualified": (mapping("a", "shop.apps:81", where=EDGE), (APPS, "shop", 81)),
    "the full name": (mapping("a", "shop.apps.svc.cluster.local", where=EDGE), (APPS, "shop", 80)),
    "with a scheme": (mapping("a", "http://shop"), (APPS, "shop", 80)),
    "with TLS": (mapping("a", "https://shop"), (APPS, "shop", 443)),
    "with TLS and a port": (mapping("a", "https://shop:81"), (APPS, "shop", 81)),
    "beside Emissary": (mapping("a", "near", where=EDGE), (EDGE, "near", 80)),
    "a Service that is not there": (mapping("a", "gone.apps"), (APPS, "gone", 80)),
    "elsewhere": (mapping("a", "www.example.org"), ("", "www.example.org", 80)),
    "the pod itself": (mapping("a", "localhost:8500"), ("", "localhost", 8500)),
}


@pytest.mark.parametrize(("item", "expected"), NAMES.values(), ids=NAMES)
def test_which_service_a_name_means(item: Obj, expected: tuple[str, str, int]) -> None:
    found = one(item).backend
    assert (found.namespace, found.service, found.port) == expected


def test_a_bare_name_beside_emissary_if_the_module_says_so() -> None:
    found = one(mapping("a"), module(use_ambassador_namespace_for_service_resolution=True))
    assert found.backend.namespace == EDGE


SENT: dict[str, tuple[list[Obj], str]] = {
    "the client's": ([mapping("a")], ""),
    "a literal": ([mapping("a", host_rewrite="x.example.org")], "x.example.org"),
    "the name that is resolved": ([mapping("a", auto_host_rewrite=True)], "shop.apps"),
    "as it is written": ([mapping("a", "shop.apps.svc:80", auto_host_rewrite=True)], "shop.apps.svc"),
    "switched off": ([mapping("a", auto_host_rewrite=False)], ""),
    "endpoints have no name": ([mapping("a", auto_host_rewrite=True, resolver="endpoint")], ""),
    "a literal with endpoints": ([mapping("a", host_rewrite="x.example.org", resolver="endpoint")], "x.example.org"),
}


@pytest.mark.parametrize(("objects", "sent"), SENT.values(), ids=SENT)
def test_which_host_is_sent(objects: list[Obj], sent: str) -> None:
    assert one(*objects).upstream.host == sent


UP = {"secret": "istio-certs", "alpn_protocols": "istio"}
ROOT = {"cacert_chain_file": "/etc/istio-certs/root-cert.pem"}
SCHEMES: dict[str, tuple[list[Obj], str]] = {
    "in clear": ([mapping("a")], "http"),
    "by its scheme": ([mapping("a", "https://shop")], "tls"),
    "by true": ([mapping("a", tls=True)], "tls"),
    "by a context": ([mapping("a", tls="up"), tls_context("up", secret="own")], "tls"),
    "by a context that is not there": ([mapping("a", tls="up")], "http"),
    "with the mesh's certificate, not verifying": ([mapping("a", "shop:80", tls="up"), tls_context("up", **UP)], "tls"),
    "with the mesh's certificate, verifying": ([mapping("a", "shop:80", tls="up"), tls_context("up", **UP, **ROOT)], "mutual_tls"),
    "a TCPMapping": ([tcp_mapping("a")], "tcp"),
    "a TCPMapping with a context": ([tcp_mapping("a", tls="up"), tls_context("up", secret="own")], "tls"),
}


@pytest.mark.parametrize(("objects", "scheme"), SCHEMES.values(), ids=SCHEMES)
def test_how_the_backend_is_spoken_to(objects: list[Obj], scheme: str) -> None:
    assert one(*objects).upstream.scheme == scheme


FILES = {"cert_chain_file": "/etc/certs/cert-chain.pem", "private_key_file": "/etc/certs/key.pem"}
VERIFYING = {**FILES, "cacert_chain_file": "/etc/certs/root-cert.pem"}
WRITTEN = {"proxy.istio.io/config": "proxyMetadata: {OUTPUT_CERTS: /etc/certs/}"}
BY_FILES: dict[str, tuple[Obj, Obj, str]] = {
    "the sidecar's files": (VERIFYING, WRITTEN, "mutual_tls"),
    "without the mesh's root": (FILES, WRITTEN, "tls"),
    "of another folder": ({**VERIFYING, "cert_chain_file": "/own/cert-chain.pem"}, WRITTEN, "tls"),
    "a sidecar that writes none": (VERIFYING, {}, "tls"),
    "no sidecar that could write them": (VERIFYING, {**WRITTEN, "sidecar.istio.io/inject": "false"}, "tls"),
}


@pytest.mark.parametrize(("context", "annotations", "scheme"), BY_FILES.values(), ids=BY_FILES)
def test_the_meshs_certificate_may_be_named_by_files(context: Obj, annotations: Obj, scheme: str) -> None:
    snapshot = cluster(mapping("a", "shop:80", tls="up"), tls_context("up", **context), annotations=annotations)
    assert {item.upstream.scheme for item in read_routes(snapshot, [load_balancer(snapshot)])[0]} == {scheme}


PLACES: dict[str, tuple[Obj, tuple[str, str, str], bool]] = {
    "everything": (mapping("a"), (PUBLIC, "/", "PathPrefix"), False),
    "a prefix is cut off": (mapping("a", prefix="/shop/"), (PUBLIC, "/shop/", "PathPrefix"), True),
    "kept": (mapping("a", prefix="/shop/", rewrite=""), (PUBLIC, "/shop/", "PathPrefix"), False),
    "replaced by itself": (mapping("a", prefix="/shop/", rewrite="/shop/"), (PUBLIC, "/shop/", "PathPrefix"), False),
    "replaced": (mapping("a", rewrite="/new/"), (PUBLIC, "/", "PathPrefix"), True),
    "by a pattern": (mapping("a", regex_rewrite={"pattern": "a", "substitution": "b"}), (PUBLIC, "/", "PathPrefix"), True),
    "exactly": (mapping("a", prefix="/shop", prefix_exact=True, rewrite=""), (PUBLIC, "/shop", "Exact"), False),
    "a pattern": (mapping("a", prefix="/s.*", prefix_regex=True, rewrite=""), (PUBLIC, "/s.*", "RegularExpression"), True),
    "any host": (mapping("a", hostname="*"), ("", "/", "PathPrefix"), False),
    "a wildcard": (mapping("a", hostname="*.example.com"), ("*.example.com", "/", "PathPrefix"), False),
    "a glob": (mapping("a", hostname="shop*"), ("", "/", "PathPrefix"), False),
    "the older field": (mapping("a", hostname=None, host="Shop.example.com"), (PUBLIC, "/", "PathPrefix"), False),
    "a pattern of hosts": (mapping("a", hostname=None, host="sh.*", host_regex=True), ("", "/", "PathPrefix"), False),
    "by the header": (mapping("a", hostname=None, headers={":authority": PUBLIC}), (PUBLIC, "/", "PathPrefix"), False),
    "no host": (mapping("a", hostname=None), ("", "/", "PathPrefix"), False),
    "a port": (tcp_mapping("a"), ("", "tcp:9000", "Stream"), False),
    "an Ingress cuts its path off as well": (
        ingress("a", path(backend("shop"), "/shop"), class_name="ambassador"), (PUBLIC, "/shop", "PathPrefix"), True,
    ),
    "an Ingress, exactly": (
        ingress("a", path(backend("shop"), "/shop", "Exact"), class_name="ambassador"), (PUBLIC, "/shop", "Exact"), True,
    ),
    "an Ingress of any host": (
        ingress("a", path(backend("shop", "http")), class_name="ambassador", host=""), ("", "/", "PathPrefix"), False,
    ),
}


@pytest.mark.parametrize(("item", "place", "rewrites"), PLACES.values(), ids=PLACES)
def test_hosts_and_paths(item: Obj, place: tuple[str, str, str], rewrites: bool) -> None:
    found = one(item)
    assert (found.host, found.path, found.path_type) == place
    assert found.rewrites_path is rewrites
    assert found.backend.port in (80, 81)


@pytest.mark.parametrize("field", ["mappingSelector", "selector"])
def test_a_mapping_without_a_host_has_those_of_the_hosts_that_select_it(field: str) -> None:
    selector: dict[str, Any] = {field: {"matchLabels": {"site": "x"}}}
    hosts = [host("one", "one.example.com", **selector), host("two", "two.example.com", **selector), host("three", "*")]
    found = routes(cluster(mapping("a", hostname=None, labels={"site": "x"}), *hosts))
    assert [item.host for item in found] == ["one.example.com", "two.example.com"]


# The upstream's name holds service, port, TLS, balancing and namespace, but not the resolver: the first one decides.
ENDPOINT = {"resolver": "endpoint"}
SHARED: dict[str, tuple[list[Obj], list[str]]] = {
    "endpoint first": ([mapping("a", prefix="/a/", **ENDPOINT), mapping("b", prefix="/b/")], [PODS, PODS]),
    "default first": ([mapping("a", prefix="/a/"), mapping("b", prefix="/b/", **ENDPOINT)], [VIP, VIP]),
    "written in the other order": ([mapping("b", prefix="/b/"), mapping("a", prefix="/a/", **ENDPOINT)], [PODS, PODS]),
    "the port spelled out is another": ([mapping("a", prefix="/a/", **ENDPOINT), mapping("b", "shop:80", prefix="/b/")], [PODS, VIP]),
    "balancing makes another": (
        [mapping("a", prefix="/a/", load_balancer=HASH, **ENDPOINT), mapping("b", prefix="/b/")], [PODS, VIP],
    ),
    "another namespace makes another": (
        [mapping("a", "shop.apps", prefix="/a/", **ENDPOINT), mapping("b", "shop.apps", where=EDGE, prefix="/b/")], [PODS, VIP],
    ),
    "a tag makes another": ([mapping("a", prefix="/a/", cluster_tag="x", **ENDPOINT), mapping("b", prefix="/b/")], [PODS, VIP]),
    "Mappings come before TCPMappings": ([tcp_mapping("a", **ENDPOINT), mapping("b", "shop:81", prefix="/b/")], [VIP, VIP]),
    "a group comes where its first one is": (
        # c is in a's group, so it is made before b.
        [mapping("a", "other", prefix="/x/"), mapping("b", prefix="/b/"), mapping("c", prefix="/x/", **ENDPOINT)], [VIP, PODS, PODS],
    ),
}


@pytest.mark.parametrize(("objects", "addresses"), SHARED.values(), ids=SHARED)
def test_the_first_one_decides_about_a_shared_upstream(objects: list[Obj], addresses: list[str]) -> None:
    found = sorted(routes(cluster(*objects)), key=lambda item: item.object.name)
    assert [item.upstream.address for item in found] == addresses
    groups = {item.object.name: item.upstream_group for item in found}
    alike = len(set(groups.values())) < len(groups)
    assert alike is (codes(*objects) != [] or addresses == ["cluster_ip", "cluster_ip"])


def test_who_lost_is_told() -> None:
    assert codes(mapping("a", prefix="/a/"), mapping("b", prefix="/b/", **ENDPOINT)) == [("MLB210", "b")]


def test_only_what_is_asked_for_is_read() -> None:
    snapshot = cluster(mapping("a"), mapping("b"), tcp_mapping("c"), ingress("d", path(backend("shop")), class_name="ambassador"))
    everything = routes(snapshot)
    for route in everything:
        found, dummy = read_routes(snapshot, [load_balancer(snapshot)], frozenset({route.object}))
        # Alone in its place a Mapping shares it with nobody.
        assert found == [replace(route, features=(), canary=False)]


IN_USE: dict[str, tuple[Obj, list[Obj], tuple[str, ...]]] = {
    "nothing": (mapping("a"), [], ()),
    "affinity": (mapping("a", load_balancer=HASH, **ENDPOINT), [], ("affinity",)),
    "round robin is what there is anyway": (mapping("a", load_balancer=ROUND, **ENDPOINT), [], ()),
    "balancing": (mapping("a", load_balancer={"policy": "least_request"}, **ENDPOINT), [], ("balancing",)),
    "balancing by the Module": (mapping("a", **ENDPOINT), [module(load_balancer={"policy": "maglev", "source_ip": True})], ("affinity",)),
    "the Module's without endpoints": (mapping("a"), [module(load_balancer={"policy": "maglev", "source_ip": True})], ()),
    "retries": (mapping("a", retry_policy={"retry_on": "5xx"}, **ENDPOINT), [], ("retries",)),
    "health checks": (mapping("a", health_checks=[{}], **ENDPOINT), [], ("health_checks",)),
    "health checks of an address do nothing": (mapping("a", health_checks=[{}]), [], ()),
}


@pytest.mark.parametrize(("item", "more", "features"), IN_USE.values(), ids=IN_USE)
def test_what_is_in_use(item: Obj, more: list[Obj], features: tuple[str, ...]) -> None:
    assert one(item, *more).features == features


def test_mappings_of_one_place_share_it_by_weight() -> None:
    found = routes(cluster(mapping("a", weight=90), mapping("b", "other", weight=10), mapping("c", prefix="/c/")))
    assert {item.object.name: (item.features, item.canary) for item in found} == {
        "a": (("weights",), True), "b": (("weights",), True), "c": ((), False),
    }


def test_a_shadow_is_no_share() -> None:
    main, shadow = sorted(routes(cluster(mapping("a"), mapping("b", "other", shadow=True))), key=lambda item: item.object.name)
    assert (main.features, main.canary, main.settable) == ((), False, True)
    assert not shadow.settable
    assert shadow.canary
    assert "-shadow" in shadow.why_not_settable


def test_pins_and_exclusions() -> None:
    pinned, ignored = annotated(mapping("a"), strategy="host_entry"), annotated(mapping("b", prefix="/b/"), ignore="true")
    found = {item.object.name: item for item in routes(cluster(pinned, ignored))}
    assert found["a"].pinned_strategy == "host_entry"
    assert found["b"].ignored
