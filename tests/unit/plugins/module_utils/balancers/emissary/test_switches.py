# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the plan does with Emissary's routes: its switches, conflicts with users' settings, every strategy, and the way back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.balancers.emissary.support import (
    CERTIFICATES,
    OUTBOUND,
    cluster,
    mapping,
    module,
    resolver,
    tcp_mapping,
    tls_context,
)
from tests.unit.plugins.module_utils.support.cluster import EDGE, Obj, backend, ingress, load_balancer, path, pod, routes, service
from tests.unit.plugins.module_utils.support.planning import contents, run, taken_back

FULL = "shop.apps.svc.cluster.local"
FORWARDED = {"value": "%REQ(:authority)%", "append": False}
HASH = {"policy": "ring_hash", "header": "x-user"}
ENDPOINT = {"resolver": "endpoint"}
INGRESS = ingress("a", path(backend("shop")), class_name="ambassador")
AUTO_INGRESS = ingress("a", path(backend("auto")), class_name="ambassador")

# Per kind of route and port: which strategies serve it ("" where none is needed), the others refuse.
SERVES: dict[str, tuple[list[Obj], set[str]]] = {
    "declared HTTP": ([mapping("a")], {"host_entry", "host_alias", "host_rewrite"}),
    "declared HTTP, any host": ([mapping("a", hostname="*")], {"host_rewrite"}),
    "declared HTTP, pod addresses": ([mapping("a", **ENDPOINT)], {"host_entry", "headless_twin"}),
    "declared HTTP, pod addresses by the Module": (
        [mapping("a"), module(resolver="endpoint")], {"host_entry", "headless_twin", "host_alias", "host_rewrite"},
    ),
    "undeclared, pod addresses": ([mapping("a", "auto", **ENDPOINT)], {"host_entry", "headless_twin"}),
    "undeclared, pod addresses by the Module": (
        [mapping("a", "auto"), module(resolver="endpoint")], {"service_vip", "host_entry", "headless_twin", "host_alias", "host_rewrite"},
    ),
    "TCP, pod addresses by the Module": (
        [tcp_mapping("a"), module(resolver="endpoint")], {"service_vip", "headless_twin", "host_rewrite"},
    ),
    "TCP, pod addresses": ([tcp_mapping("a", **ENDPOINT)], {"headless_twin"}),
    "an Ingress": ([INGRESS], {"host_entry", "host_alias"}),
    "an Ingress, pod addresses by the Module": ([INGRESS, module(resolver="endpoint")], {"host_entry", "headless_twin"}),
}
STRATEGIES = ("service_vip", "host_entry", "headless_twin", "host_alias", "host_rewrite", "certs_only")


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("objects", "serving"), SERVES.values(), ids=SERVES)
def test_every_strategy_serves_or_says_why_not(objects: list[Obj], serving: set[str], strategy: str) -> None:
    done = run(cluster(*objects), strategy)
    (plan,) = done.plan.routes
    assert (plan.strategy == strategy) is (strategy in serving), plan.after.why
    if strategy in serving:
        assert plan.after.verdict == "mutual_tls"
    else:
        assert f"not {strategy}: " in plan.after.why
        assert "MLB202" in done.codes


@pytest.mark.parametrize("strategy", ["auto", *STRATEGIES[:-1]])
@pytest.mark.parametrize("objects", [item for item, dummy in SERVES.values()], ids=SERVES)
def test_a_second_run_changes_nothing_and_the_way_back_is_exact(objects: list[Obj], strategy: str) -> None:
    snapshot = cluster(*objects)
    done = run(snapshot, strategy)
    assert run(done.after, strategy).changes == []
    assert contents(taken_back(done.after)) == contents(snapshot)


NOTHING_NEEDED: dict[str, list[Obj]] = {
    "undeclared": [mapping("a", "auto")],
    "TCP": [tcp_mapping("a")],
    "undeclared by an Ingress": [AUTO_INGRESS],
    "declared HTTP with the name as Host": [mapping("a", host_rewrite=FULL)],
    "with the name that is resolved": [mapping("a", auto_host_rewrite=True)],
}


@pytest.mark.parametrize("objects", NOTHING_NEEDED.values(), ids=NOTHING_NEEDED)
def test_the_page_is_right_where_the_address_or_the_host_is(objects: list[Obj]) -> None:
    done = run(cluster(*objects))
    assert done.verdicts == {"mutual_tls"}
    assert done.changes == []
    assert "MLB219" not in done.codes


@pytest.mark.parametrize("strict", [True, False])
def test_the_page_is_wrong_for_declared_http_and_the_plan_says_so(strict: bool) -> None:
    done = run(cluster(mapping("a"), mapping("b", "auto", prefix="/b/"), strict=strict))
    (found,) = [item for item in done.plan.findings if item.code == "MLB219"]
    assert found.object is not None
    assert found.object.name == "a"
    assert "declared as http" in found.message
    assert done.route("a").before.verdict == ("refused" if strict else "plaintext")
    assert done.verdicts == {"mutual_tls"}


def test_a_balanced_mapping_keeps_its_balancing() -> None:
    done = run(cluster(mapping("a", load_balancer=HASH, **ENDPOINT)))
    assert done.route().strategy in ("host_entry", "headless_twin")
    assert done.verdicts == {"mutual_tls"}


def test_the_host_is_rewritten_and_the_public_one_passed_on() -> None:
    done = run(cluster(mapping("a")), "host_rewrite")
    (change,) = done.changes
    spec = done.after.get("Mapping.getambassador.io", "apps", "a")["spec"]  # type: ignore[index]
    assert change.action == "patch"
    assert spec["host_rewrite"] == FULL
    assert spec["add_request_headers"] == {"x-forwarded-host": FORWARDED}


OWN, THEIRS = {"x-a": {"value": "1"}}, {"X-Forwarded-Host": {"value": "mine"}}
HEADERS: dict[str, tuple[list[Obj], Obj]] = {
    "beside the user's": ([mapping("a", add_request_headers=OWN)], {**OWN, "x-forwarded-host": FORWARDED}),
    "the user's own stays": ([mapping("a", add_request_headers=THEIRS)], THEIRS),
    "with the Module's, which the Mapping's would hide": (
        [mapping("a"), module(defaults={"httpmapping": {"add_request_headers": OWN}})], {**OWN, "x-forwarded-host": FORWARDED},
    ),
    "with the Module's for all kinds": (
        [mapping("a"), module(defaults={"add_request_headers": OWN})], {**OWN, "x-forwarded-host": FORWARDED},
    ),
    "none of the Module's where the Mapping wants none": (
        [mapping("a", add_request_headers={}), module(defaults={"add_request_headers": OWN})], {"x-forwarded-host": FORWARDED},
    ),
}


@pytest.mark.parametrize(("objects", "headers"), HEADERS.values(), ids=HEADERS)
def test_headers_that_are_there_stay(objects: list[Obj], headers: Obj) -> None:
    snapshot = cluster(*objects)
    done = run(snapshot, "host_rewrite")
    assert done.after.get("Mapping.getambassador.io", "apps", "a")["spec"]["add_request_headers"] == headers  # type: ignore[index]
    assert contents(taken_back(done.after)) == contents(snapshot)


CONFLICTS: dict[str, tuple[list[Obj], str, str]] = {
    "another Host": ([mapping("a", host_rewrite="x.example.org")], "host_rewrite", "host_rewrite is 'x.example.org'"),
    "the Host switched off": ([mapping("a", auto_host_rewrite=False)], "host_rewrite", "auto_host_rewrite is False"),
    "a resolver": ([mapping("a", "auto", **ENDPOINT)], "service_vip", "resolver is 'endpoint', the plan needs 'kubernetes-service'"),
    "a resolver of one's own": ([mapping("a", "auto", resolver="mine"), resolver("mine")], "service_vip", "resolver is 'mine'"),
    "balancing, which needs its resolver": (
        [mapping("a", "auto", load_balancer=HASH), module(resolver="endpoint")], "service_vip", "load_balancer is set",
    ),
    "no resolver gives the Service": (
        [mapping("a", "auto"), resolver("kubernetes-service")], "service_vip", "was given to another kind",
    ),
    "one Mapping of a shared upstream": (
        [mapping("a", "auto", **ENDPOINT), mapping("b", "auto", prefix="/b/")], "service_vip", "resolver is 'endpoint'",
    ),
}


@pytest.mark.parametrize(("objects", "strategy", "reason"), CONFLICTS.values(), ids=CONFLICTS)
def test_a_users_own_setting_is_not_overwritten(objects: list[Obj], strategy: str, reason: str) -> None:
    done = run(cluster(*objects), strategy)
    assert done.changes == []
    assert reason in done.route("a").after.why


def test_a_shared_upstream_is_switched_as_one() -> None:
    done = run(cluster(mapping("a", "auto"), mapping("b", "auto", prefix="/b/"), module(resolver="endpoint")), "service_vip")
    assert done.written == ["patch Mapping apps/a", "patch Mapping apps/b"]
    assert {item.route.upstream.address for item in run(done.after, "service_vip").plan.routes} == {"cluster_ip"}


def test_the_resolver_of_ones_own_that_gives_the_service() -> None:
    resolvers = [resolver("kubernetes-service"), resolver("mine", "KubernetesServiceResolver")]
    done = run(cluster(mapping("a", "auto"), module(resolver="endpoint"), *resolvers), "service_vip")
    assert done.after.get("Mapping.getambassador.io", "apps", "a")["spec"]["resolver"] == "mine"  # type: ignore[index]


def test_weighted_mappings_keep_their_shares_with_a_rewritten_host() -> None:
    objects = [mapping("a", weight=90), mapping("b", "other", weight=10)]
    done = run(cluster(*objects), "host_rewrite")
    assert done.verdicts == {"mutual_tls"}
    assert not any(item.after.misrouted_to for item in done.plan.routes)
    refused = run(cluster(*objects), "host_alias")
    assert "a canary shares host" in refused.route("a").after.why


def test_host_alias_does_not_take_cut_off_paths_over() -> None:
    done = run(cluster(mapping("a", prefix="/a/"), mapping("b", "other", prefix="/b/")), "host_alias")
    assert done.changes == []
    assert "rewrites paths" in done.route("a").after.why


def test_what_an_annotation_holds_is_served_without_touching_it() -> None:
    note = "apiVersion: getambassador.io/v3alpha1\nkind: Mapping\nname: x\nhostname: noted.example.com\nprefix: /\nservice: noted\n"
    objects = [service("noted", annotations={"getambassador.io/config": note}), pod("noted")]
    done = run(cluster(*objects))
    assert done.verdicts == {"mutual_tls"}
    # Rules for the host need no switch that an annotation could not have.
    assert done.written == [f"create {kind} edge/meshlb-entry-noted.example.com" for kind in ("DestinationRule", "ServiceEntry")]
    assert "getambassador.io/config" in run(cluster(*objects), "host_rewrite").route().after.why


def test_what_leads_out_of_the_cluster_is_told() -> None:
    done = run(cluster(mapping("a", "www.example.org")))
    found = [(item.code, item.object.name) for item in done.plan.findings if item.object and item.object.kind == "Mapping"]
    assert found == [("MLB208", "a")]


# certs_only -------------------------------------------------------------------------------------------------------------

READY = {OUTBOUND: "", "traffic.sidecar.istio.io/includeInboundPorts": ""}


def prepared(*objects: Obj, **more: Any) -> Any:
    given: dict[str, Any] = {"env": CERTIFICATES, "annotations": READY, **more}
    return cluster(*objects, **given)


ALL_SORTS = [
    mapping("a", "shop:80"), mapping("b", "auto:80", prefix="/b/"), mapping("c", "other:80", prefix="/c/", **ENDPOINT), tcp_mapping("d"),
]


@pytest.mark.parametrize("strategy", ["auto", "certs_only"])
def test_certs_only_serves_every_sort_of_route(strategy: str) -> None:
    snapshot = prepared(*ALL_SORTS)
    done = run(snapshot, strategy)
    assert set(done.strategies.values()) == {"certs_only"}
    assert done.verdicts == {"mutual_tls"}
    assert done.body("TLSContext")["spec"] == {
        "secret": "istio-certs", "cacert_chain_file": "/etc/istio-certs/root-cert.pem", "alpn_protocols": "istio",
    }
    assert {item.route.upstream.scheme for item in run(done.after, strategy).plan.routes} == {"mutual_tls"}
    assert run(done.after, strategy).changes == []
    assert contents(taken_back(done.after)) == contents(snapshot)


def test_the_context_is_for_this_instance() -> None:
    env = {**CERTIFICATES, "AMBASSADOR_ID": "two"}
    done = run(prepared(mapping("a", "shop:80", ambassador_id=["two"]), env=env), "certs_only")
    context = done.body("TLSContext")
    assert context["spec"]["ambassador_id"] == ["two"]
    assert context["metadata"]["namespace"] == EDGE


OLD = "docker.io/emissaryingress/emissary:3.10.0"
UNREADY: dict[str, tuple[Obj, Obj, str]] = {
    "before rotation worked": ({"image": OLD}, mapping("a", "shop:80"), "this Emissary is 3.10.0"),
    "an unknown version": ({"image": "ghcr.io/emissary-ingress/emissary@sha256:0"}, mapping("a", "shop:80"), "does not tell"),
    "no certificates": ({"env": {}}, mapping("a", "shop:80"), "AMBASSADOR_ISTIO_SECRET_DIR is not set"),
    "outbound captured": ({"annotations": {}}, mapping("a", "shop:80"), "encrypt again"),
    "no port": ({}, mapping("a", "shop"), "service names no port"),
    "a scheme": ({}, mapping("a", "http://shop:80"), "names the scheme http"),
    "TLS of its own": ({}, mapping("a", "shop:80", tls="own"), "tls is 'own'"),
    "an Ingress": ({}, INGRESS, "an Ingress has neither"),
}


@pytest.mark.parametrize(("more", "item", "reason"), UNREADY.values(), ids=UNREADY)
def test_certs_only_says_what_is_missing(more: Obj, item: Obj, reason: str) -> None:
    done = run(prepared(item, **more), "certs_only")
    assert done.changes == []
    assert reason in done.route().after.why


def test_the_vendors_own_way_without_verification_is_not_taken_for_mutual_tls() -> None:
    context = tls_context("up", secret="istio-certs", alpn_protocols="istio")
    done = run(prepared(mapping("a", "shop:80", tls="up"), context))
    assert done.route().after.verdict == "unknown"
    assert "MLB209" in done.codes
    verifying = tls_context("up", secret="istio-certs", alpn_protocols="istio", cacert_chain_file="/etc/istio-certs/root-cert.pem")
    assert run(prepared(mapping("a", "shop:80", tls="up"), verifying)).verdicts == {"mutual_tls"}


def test_what_is_past_the_sidecar_is_in_clear() -> None:
    done = run(prepared(mapping("a", "auto"), env={}))
    assert done.route().after.verdict == "refused"
    assert "includeOutboundIPRanges" in done.route().after.why


def test_a_sidecar_is_possible_with_the_stock_annotation() -> None:
    snapshot = cluster(annotations={"sidecar.istio.io/inject": "false"})
    assert load_balancer(snapshot).mode("standalone_mtls").supported
    assert routes(snapshot) == []
