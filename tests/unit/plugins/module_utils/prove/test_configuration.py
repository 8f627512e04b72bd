# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof by configuration, case by case."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Verdict
from ansible_collections.meshlb.istio.plugins.module_utils.prove.configuration import combine, evaluate, proofs
from ansible_collections.meshlb.istio.plugins.module_utils.prove.servers import ServerSide
from ansible_collections.meshlb.istio.plugins.module_utils.prove.trace import Dialed

from tests.unit.plugins.module_utils.prove import envoy
from tests.unit.plugins.module_utils.prove.envoy import NO_SIDECAR, PERMISSIVE, STRICT, servers

ECHO = "outbound|80||echo.apps.svc.cluster.local"
VIP, POD = "10.96.0.5", "10.1.0.1"
ECHO_HOST = envoy.virtual_host("echo:80", ["echo.apps.svc.cluster.local", "echo.apps", VIP], envoy.route({"prefix": "/"}, ECHO))
ECHO_CLUSTER = envoy.cluster(ECHO, transport_socket_matches=envoy.automatic(STRICT.identity))
ECHO_EDS = envoy.assignment(ECHO, envoy.endpoint(POD, 8080))


def http_proxy(*more: Any, catch_all: Any = envoy.ALLOW_ANY) -> Any:
    return envoy.proxy(
        [envoy.http_listener(80), envoy.outbound()],
        [ECHO_CLUSTER],
        [envoy.routes("80", *more, ECHO_HOST, catch_all)],
        [ECHO_EDS],
    )


@pytest.mark.parametrize(
    ("side", "verdict"), [(STRICT, "refused"), (PERMISSIVE, "plaintext"), (NO_SIDECAR, "plaintext"), (None, "plaintext")]
)
def test_an_undeclared_pod_address_goes_out_in_plaintext(side: ServerSide | None, verdict: Verdict) -> None:
    result = evaluate(http_proxy(), Dialed(POD, 8080, "http", "shop.example.com"), servers(side))
    assert result.verdict == verdict
    assert result.clusters == ("PassthroughCluster",)
    assert "listener virtualOutbound, filter chain virtualOutbound-catchall-tcp, cluster PassthroughCluster" in result.how
    assert "plaintext" in result.how


@pytest.mark.parametrize("host", ["echo.apps", "echo.apps:80", "ECHO.apps", VIP])
def test_a_declared_http_port_is_matched_by_host(host: str) -> None:
    result = evaluate(http_proxy(), Dialed(VIP, 80, "http", host), servers(STRICT))
    assert result.verdict == "mutual_tls"
    assert result.clusters == (ECHO,)
    assert "route 80, virtual host echo:80" in result.how
    assert f"transport socket tlsMode-istio with the workload certificate, server {STRICT.identity}" in result.how


def test_a_public_host_on_a_declared_http_port_passes_through() -> None:
    result = evaluate(http_proxy(), Dialed(VIP, 80, "http", "shop.example.com"), servers(STRICT))
    assert result.verdict == "refused"
    assert "virtual host allow_any, entry allow_any, cluster PassthroughCluster" in result.how


def test_registry_only_answers_by_itself() -> None:
    proxy = http_proxy(catch_all=envoy.BLOCK_ALL)
    result = evaluate(proxy, Dialed(VIP, 80, "http", "shop.example.com"), servers(PERMISSIVE))
    assert result.verdict == "refused"
    assert "status 502" in result.how


def test_the_black_hole_refuses() -> None:
    proxy = envoy.proxy([envoy.outbound("BlackHoleCluster")])
    assert evaluate(proxy, Dialed(POD, 8080, "http", "x"), servers(PERMISSIVE)).verdict == "refused"


def test_tls_on_a_declared_http_port_takes_the_default_chain() -> None:
    result = evaluate(http_proxy(), Dialed(VIP, 80, "tls", "echo.apps"), servers(PERMISSIVE))
    assert "filter chain PassthroughFilterChain" in result.how
    assert result.verdict == "plaintext"


@pytest.mark.parametrize(("side", "verdict"), [
    (replace(PERMISSIVE, own_tls=False), "refused"), (replace(PERMISSIVE, own_tls=True), "plaintext"), (STRICT, "refused"),
    (replace(STRICT, own_tls=True), "plaintext"), (NO_SIDECAR, "plaintext"),
])  # fmt: skip
def test_tls_that_passes_by_is_taken_where_a_chain_is_for_it(side: ServerSide, verdict: Verdict) -> None:
    result = evaluate(http_proxy(), Dialed(VIP, 80, "tls", "echo.apps"), servers(side))
    assert result.verdict == verdict
    assert ("TLS that is not the mesh's is refused there" in result.how) is (side.own_tls is False)
    plain = evaluate(http_proxy(), Dialed(POD, 8080, "http", "x"), servers(side))
    assert plain.verdict == ("plaintext" if side.plaintext else "refused")


@pytest.mark.parametrize(("scheme", "inside", "verdict"), [
    ("tls", False, "refused"), ("tls", True, "mutual_tls"), ("tls", None, "mutual_tls"), ("http", False, "mutual_tls"),
])  # fmt: skip
def test_tls_inside_of_mutual_tls_is_no_http(scheme: Any, inside: bool | None, verdict: Verdict) -> None:
    result = evaluate(auto_proxy(), Dialed(VIP, 8097, scheme, "shop.example.com"), servers(replace(STRICT, own_tls_inside=inside)))
    assert result.verdict == verdict


def auto_proxy() -> Any:
    name = "s-auto.apps.svc.cluster.local:8097"
    cluster = "outbound|8097||s-auto.apps.svc.cluster.local"
    catch_all = envoy.virtual_host("any", ["*"], envoy.route({"prefix": "/"}, cluster))
    chains = [envoy.http_chain(envoy.DETECTED, rds=name)]
    default = envoy.tcp_chain(cluster)
    return envoy.proxy(
        [envoy.listener(f"{VIP}_8097", VIP, 8097, chains, default_filter_chain=default), envoy.outbound()],
        [envoy.cluster(cluster, transport_socket_matches=envoy.automatic())],
        [envoy.routes(name, catch_all)],
        [envoy.assignment(cluster, envoy.endpoint(POD, 8080))],
    )


@pytest.mark.parametrize(("scheme", "chain"), [("http", "route s-auto"), ("tcp", "cluster outbound"), ("tls", "cluster outbound")])
def test_an_undeclared_port_is_matched_by_address_whatever_is_sent(scheme: Any, chain: str) -> None:
    result = evaluate(auto_proxy(), Dialed(VIP, 8097, scheme, "shop.example.com"), servers(STRICT))
    assert result.verdict == "mutual_tls"
    assert f"{VIP}_8097, {chain}" in result.how


def test_a_headless_service_keeps_the_original_destination_and_one_transport() -> None:
    name = "outbound|8080||twin.apps.svc.cluster.local"
    proxy = envoy.proxy(
        [envoy.listener(f"{POD}_8080", POD, 8080, [envoy.tcp_chain(name)]), envoy.outbound()],
        [envoy.cluster(name, "ORIGINAL_DST", transport_socket=envoy.mesh_tls(STRICT.identity))],
    )
    assert evaluate(proxy, Dialed(POD, 8080, "http", "shop.example.com"), servers(STRICT)).verdict == "mutual_tls"
    assert evaluate(proxy, Dialed(POD, 8080, "http", "shop.example.com"), servers(NO_SIDECAR)).verdict == "refused"


def test_a_wrong_identity_is_refused_although_the_transport_is_right() -> None:
    name = "outbound|8080||shop.example.com"
    vhost = envoy.virtual_host("shop:8080", ["shop.example.com"], envoy.route({"prefix": "/"}, name))
    socket = envoy.mesh_tls("spiffe://cluster.local/ns/apps/sa/other")
    proxy = envoy.proxy(
        [envoy.http_listener(8080), envoy.outbound()],
        [envoy.cluster(name, "ORIGINAL_DST", transport_socket=socket)],
        [envoy.routes("8080", vhost, envoy.ALLOW_ANY)],
    )
    result = evaluate(proxy, Dialed(POD, 8080, "http", "shop.example.com"), servers(STRICT))
    assert result.verdict == "refused"
    assert f"the server is {STRICT.identity}, which the sidecar does not accept" in result.how


def test_endpoints_without_a_sidecar_make_it_mixed() -> None:
    eds = envoy.assignment(ECHO, envoy.endpoint(POD, 8080), envoy.endpoint("10.1.0.2", 8080, meshed=False))
    proxy = envoy.proxy(
        [envoy.http_listener(80)], [ECHO_CLUSTER], [envoy.routes("80", ECHO_HOST)], [eds]
    )
    result = evaluate(proxy, Dialed(VIP, 80, "http", "echo.apps"), lambda ip, _port: (STRICT if ip == POD else NO_SIDECAR,))
    assert result.verdict == "mixed"
    assert "for 1 of 2 endpoints" in result.how


def test_another_tls_is_not_the_meshs() -> None:
    socket = envoy.mesh_tls()
    socket["typed_config"]["common_tls_context"].pop("tls_certificate_sds_secret_configs")
    proxy = envoy.proxy(
        [envoy.listener("l", VIP, 443, [envoy.tcp_chain(ECHO)])],
        [envoy.cluster(ECHO, transport_socket=socket)],
        eds=[ECHO_EDS],
    )
    result = evaluate(proxy, Dialed(VIP, 443, "tcp"), servers(STRICT))
    assert result.verdict == "unknown"
    assert "not with the workload certificate" in result.how


def test_weights_lead_to_every_cluster_that_has_any() -> None:
    clusters = [{"name": ECHO, "weight": 90}, {"name": "PassthroughCluster", "weight": 10}, {"name": "none", "weight": 0}]
    split = envoy.route({"prefix": "/"}, {"route": {"weighted_clusters": {"clusters": clusters}}})
    proxy = http_proxy(envoy.virtual_host("split", ["split.example.com"], split))
    result = evaluate(proxy, Dialed(VIP, 80, "http", "split.example.com"), servers(PERMISSIVE))
    assert result.verdict == "mixed"
    assert result.clusters == (ECHO, "PassthroughCluster")


def test_a_route_on_a_header_is_possible_beside_the_next() -> None:
    canary = envoy.route({"prefix": "/", "headers": [{"name": "x-canary", "present_match": True}]}, "PassthroughCluster")
    host = envoy.virtual_host("c", ["c.example.com"], canary, envoy.route({"prefix": "/"}, ECHO))
    result = evaluate(http_proxy(host), Dialed(VIP, 80, "http", "c.example.com"), servers(STRICT))
    assert result.verdict == "mixed"
    assert "(under further conditions)" in result.how


def test_no_virtual_host_means_404() -> None:
    proxy = envoy.proxy([envoy.http_listener(80)], [], [envoy.routes("80", ECHO_HOST)])
    result = evaluate(proxy, Dialed(VIP, 80, "http", "shop.example.com"), servers(STRICT))
    assert result.verdict == "refused"
    assert "404" in result.how


@pytest.mark.parametrize(
    ("listeners", "routes", "why"),
    [
        ([], [], "no listener"),
        ([envoy.http_listener(80)], [], "route 80 is not in the configuration dump"),
        ([envoy.listener("m", VIP, 80, [], filter_chain_matcher={})], [], "matcher tree"),
        ([envoy.listener("e", VIP, 80, [{"filters": []}])], [], "neither an HTTP nor a TCP proxy"),
        ([envoy.http_listener(80)], [envoy.routes("80", envoy.virtual_host("p", ["*"], envoy.route({"prefix": "/"}, {})))], "run time"),
    ],
)
def test_what_is_not_understood_is_unknown(listeners: Any, routes: Any, why: str) -> None:
    result = evaluate(envoy.proxy(listeners, [], routes), Dialed(VIP, 80, "http", "echo.apps"), servers(STRICT))
    assert result.verdict == "unknown"
    assert why in result.how


def test_no_endpoints_is_unknown() -> None:
    proxy = envoy.proxy([envoy.http_listener(80)], [ECHO_CLUSTER], [envoy.routes("80", ECHO_HOST)])
    assert evaluate(proxy, Dialed(VIP, 80, "http", "echo.apps"), servers(STRICT)).verdict == "unknown"


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["mutual_tls", "mutual_tls"], "mutual_tls"),
        (["mutual_tls", "unknown"], "unknown"),
        (["mutual_tls", "plaintext", "unknown"], "mixed"),
        (["plaintext", "refused"], "mixed"),
        ([], "unknown"),
    ],
)
def test_verdicts_combine(verdicts: list[Verdict], expected: Verdict) -> None:
    assert combine(verdicts) == expected


def test_addresses_that_go_the_same_way_share_a_sentence() -> None:
    proxy = envoy.proxy([envoy.outbound()])
    evaluations = [evaluate(proxy, Dialed(f"10.1.0.{n}", 8080, "http", "x"), servers(STRICT)) for n in (1, 2, 3)]
    found = proofs(evaluations, "sidecar of lb/nginx-1")
    assert [item.source for item in found] == ["sidecar of lb/nginx-1", "sidecar of apps/echo-1"]
    assert found[0].fact.startswith("10.1.0.1:8080 with Host x and path / (and 2 more addresses): listener virtualOutbound")


UNREAD = {"safe_regex": {"regex": "/(?=s)"}}


def unread_first(cluster: str, *rest: Any) -> Any:
    host = envoy.virtual_host("shop:80", ["shop"], envoy.route(UNREAD, cluster), *rest)
    clusters = [ECHO_CLUSTER, envoy.cluster("plain", "ORIGINAL_DST")]
    return envoy.proxy([envoy.http_listener(80), envoy.outbound()], clusters, [envoy.routes("80", host)], [ECHO_EDS])


def test_an_expression_that_is_not_evaluated_makes_no_difference_where_all_ways_are_alike() -> None:
    proxy = unread_first(ECHO, envoy.route({"prefix": "/"}, ECHO))
    assert evaluate(proxy, Dialed(VIP, 80, "http", "shop", "/s"), servers(STRICT)).verdict == "mutual_tls"


@pytest.mark.parametrize("rest", [[envoy.route({"prefix": "/"}, "plain")], []])
def test_an_expression_that_is_not_evaluated_is_unknown_and_named(rest: list[Any]) -> None:
    result = evaluate(unread_first(ECHO, *rest), Dialed(VIP, 80, "http", "shop", "/s"), servers(PERMISSIVE))
    assert result.verdict == "unknown"
    assert "the expression of entry" in result.how
    assert "is not evaluated: it has a group that begins with ?=" in result.how


@pytest.mark.parametrize(
    ("regex", "verdict"),
    [("spiffe://cluster.local/ns/apps/.*", "mutual_tls"), ("spiffe://other/.*", "refused"), ("(?=x)", "unknown")],
)
def test_names_of_servers_may_be_expressions(regex: str, verdict: Verdict) -> None:
    matcher = {"matcher": {"safe_regex": {"regex": regex}}}
    socket = envoy.mesh_tls(STRICT.identity)
    context = socket["typed_config"]["common_tls_context"]["combined_validation_context"]["default_validation_context"]
    context.clear()
    context["match_typed_subject_alt_names"] = [matcher]
    listeners, clusters = [envoy.http_listener(80), envoy.outbound()], [envoy.cluster(ECHO, transport_socket=socket)]
    proxy = envoy.proxy(listeners, clusters, [envoy.routes("80", ECHO_HOST)], [ECHO_EDS])
    assert evaluate(proxy, Dialed(VIP, 80, "http", "echo.apps"), servers(STRICT)).verdict == verdict
