# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateway API routes: which Gateways take them, for which hosts, to which backends, and how their Host is set."""

from __future__ import annotations

from copy import deepcopy

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.apply.ownership import claim, release
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.switches import PatchSet
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.gateway.hosts import host_rewrites
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.gateway.routes import AttachPoint
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.objects import BackendHandling
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.patches import targets_of
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import ObjectRef, Upstream
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.plan.strategies.base import Proposal
from ansible_collections.meshlb.istio.plugins.module_utils.plan.trial import written

from tests.unit.plugins.module_utils.balancers.gateways import GROUP, gateway, gateway_class, listener, rewrite, route, rule, to_service
from tests.unit.plugins.module_utils.balancers.kit.gateway.support import (
    CONTROLLER,
    SHOP_NAME,
    SWITCHED,
    TO_SHOP,
    A,
    clusters,
    modifier,
    policy,
    read,
    routes,
)
from tests.unit.plugins.module_utils.support.cluster import APPS, EDGE, Obj, annotated, live, obj, port, service
from tests.unit.plugins.module_utils.support.parts import ROUTING


def test_what_the_vendor_says_of_a_backend() -> None:
    said = BackendHandling("cluster_ip", "10.0.0.1", "mine", ("affinity",), "tls", "because")
    places: list[AttachPoint] = []
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
    assert [item.code for item in read(snapshot, lambda place: BackendHandling(dropped="because"))[1]] == ["MLB220"]


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
    answer = host_rewrites(targets_of(snapshot, found), per_backend=True)
    assert {patch.path: patch.value for patch in answer.patches} == {
        ("spec", "rules", 0, "backendRefs", 0, "filters"): [modifier("X", "y"), rewrite(SHOP_NAME)],
        ("spec", "rules", 0, "backendRefs", 1, "filters"): [rewrite("other.apps.svc.cluster.local")],
    }
    assert len(host_rewrites(targets_of(snapshot, found[:1]), per_backend=True).patches) == 1
    after = read(snapshot.overlay(written(Proposal(answer.patches))))[0]
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
    assert read(snapshot, serves=lambda balancer, item: item["metadata"]["name"] == "x")[0] == everything[1:]


def test_rules_are_upstreams_of_their_own() -> None:
    found = routes(gateway(), route("a", rule(to_service("shop"), path="/a"), rule(to_service("shop"), path="/b")), route("b", TO_SHOP))
    assert len({item.upstream_group for item in found}) == 3


@pytest.mark.parametrize(("made", "filters", "refusal"), SWITCHED.values(), ids=SWITCHED)
def test_setting_the_host(made: Obj, filters: list[Obj] | None, refusal: str) -> None:
    snapshot = clusters(gateway(), route("a", made))
    answer = host_rewrites(targets_of(snapshot, read(snapshot)[0]))
    assert (refusal in answer.refusal) if refusal else answer.refusal == ""
    assert [item.value for item in answer.patches] == ([filters] if filters else [])
    if not refusal:
        view = snapshot.overlay(written(Proposal(answer.patches)))
        assert {item.upstream.host for item in read(view)[0]} == {SHOP_NAME}


def test_a_host_that_a_user_set_is_a_conflict() -> None:
    snapshot = clusters(gateway(), route("a", rule(to_service("shop"), filters=[rewrite("x")])))
    assert [item.code for item in host_rewrites(targets_of(snapshot, read(snapshot)[0])).findings] == ["MLB203"]


def test_only_rules_to_the_routes_backends_are_written() -> None:
    item = route("a", rule(to_service("other"), path="/x"), rule(to_service("shop"), path="/y"), rule(to_service("shop", 8080), path="/z"))
    snapshot = clusters(gateway(), item)
    wanted = [found for found in read(snapshot)[0] if found.path == "/y"]
    assert [patch.path for patch in host_rewrites(targets_of(snapshot, wanted)).patches] == [("spec", "rules", 1, "filters")]
    assert host_rewrites(targets_of(snapshot, wanted), lambda backend: "vip").patches[0].value == [rewrite("vip")]


@pytest.mark.parametrize(
    ("kind", "refusal"), [("GRPCRoute", "GRPCRoute has no filter that rewrites the Host"), ("TCPRoute", ""), ("TLSRoute", "")],
)  # fmt: skip
def test_kinds_that_cannot_set_a_host(kind: str, refusal: str) -> None:
    """A stream has none, so it is in nobody's way."""
    listened = gateway(listener(), listener("t", "TCP", 1), listener("s", "TLS", 2))
    snapshot = clusters(listened, route("a", TO_SHOP, kind=kind))
    assert host_rewrites(targets_of(snapshot, read(snapshot)[0])) == PatchSet(refusal=refusal)


def test_what_was_set_can_be_taken_back_though_weights_moved() -> None:
    item = route("a", rule(to_service("shop"), filters=[rewrite(path={"a": "b"})]), rule(to_service("other"), path="/x"))
    snapshot = clusters(gateway(), item)
    answer = host_rewrites(targets_of(snapshot, read(snapshot)[0]))
    change = claim(item, ROUTING, {patch.path: patch.value for patch in answer.patches}, ["edge/lb"], "why")
    assert change is not None
    (changed,) = deepcopy(snapshot.after([change]).all(f"HTTPRoute.{GROUP}"))
    changed["spec"]["rules"][1]["backendRefs"][0]["weight"] = 5
    back, findings = release(changed, ROUTING)
    assert back is not None and findings == []
    (restored,) = Snapshot([changed]).after([back]).all(f"HTTPRoute.{GROUP}")
    item["spec"]["rules"][1]["backendRefs"][0]["weight"] = 5
    assert restored == item


def test_a_port_of_a_name_that_istio_reads() -> None:
    snapshot = live(gateway_class(CONTROLLER), gateway(), A, service("shop", port("grpc-web", 80)), obj("v1", "Pod", APPS, "x"))
    assert [item.backend.protocol for item in read(snapshot)[0]] == ["grpc-web"]
