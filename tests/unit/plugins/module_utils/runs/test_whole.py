# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that cannot see what it wrote, or what is there already, stops before it writes, and says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import REGISTRY
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Change, ObjectRef, replace
from ansible_collections.meshlb.istio.plugins.module_utils.core.writes import Write
from ansible_collections.meshlb.istio.plugins.module_utils.istio.injection import sidecar_state
from ansible_collections.meshlb.istio.plugins.module_utils.kube import kinds
from ansible_collections.meshlb.istio.plugins.module_utils.kube.rights import RIGHTS_URL
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot, Source
from ansible_collections.meshlb.istio.plugins.module_utils.plan.writes import CHAIN, ROUTING, SIDECAR
from ansible_collections.meshlb.istio.plugins.module_utils.runs import routing as routing_run
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.common import CommonOptions, common_options
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.routing import RoutingOptions
from ansible_collections.meshlb.istio.plugins.module_utils.runs.whole import demand_kinds, demand_seen, demand_whole, only_seen

from tests.unit.plugins.module_utils.runs.test_kept import HTTP_ROUTE, ROUTE, before, done, refused, vanished
from tests.unit.plugins.module_utils.support.cluster import workload
from tests.unit.plugins.module_utils.support.known import detect


def snapshot(**source: Any) -> Snapshot:
    return Snapshot([], Source(available=frozenset({kinds.SERVICE}), **source))


@pytest.mark.parametrize(("writes", "kind", "role"), [
    (ROUTING, kinds.DESTINATION_RULE, "meshlb-assess"), (ROUTING, kinds.PEER_AUTHENTICATION, "meshlb-assess"),
    (SIDECAR, kinds.STATEFUL_SET, "meshlb-assess"), (CHAIN, HTTP_ROUTE, "meshlb-vendors-read"),
    (CHAIN, "Gateway.networking.istio.io", "meshlb-chained-read"),
])
def test_a_rollback_lists_all_that_it_may_have_written(writes: tuple[Write, ...], kind: str, role: str) -> None:
    with pytest.raises(MeshlbError, match="rollback would not be whole") as caught:
        demand_whole(snapshot(denied={kind: f"Not allowed to list {kind}."}), writes)
    assert kind in caught.value.message
    assert caught.value.hint == f"Bind ClusterRole {role} to this user: {RIGHTS_URL}."
    demand_whole(snapshot(denied={"Odd.x.example": "no"}), writes)


def test_config_maps_matter_where_some_may_have_been_made() -> None:
    closed = snapshot(denied={kinds.CONFIG_MAP: "no"}, closed=frozenset({"gateways"}))
    demand_whole(closed, CHAIN, {"elsewhere"})
    with pytest.raises(MeshlbError, match="ConfigMap cannot be listed"):
        demand_whole(closed, CHAIN, {"gateways"})


def test_nothing_is_written_where_nobody_knows_what_is_there() -> None:
    change = Change(ObjectRef("v1", "Service", "apps", "x"), "create", "because", body={})
    demand_seen(snapshot(), [change])
    with pytest.raises(MeshlbError, match="nobody knows what is there already"):
        demand_seen(snapshot(denied={kinds.SERVICE: "no"}), [change])


def test_what_nobody_can_see_is_left_out_with_all_that_waits_for_it() -> None:
    rule, service = ObjectRef("networking.istio.io/v1", "DestinationRule", "apps", "x"), ObjectRef("v1", "Service", "apps", "x")
    changes = [
        Change(rule, "create", "because", body={}, unit="x"), Change(service, "create", "because", body={}, unit="x"),
        Change(replace(service, name="old"), "delete", "because", unit="old", waits_for=frozenset({"x"})),
        Change(replace(service, name="y"), "create", "because", body={}, unit="y"),
    ]
    blind = snapshot(denied={kinds.DESTINATION_RULE: "Not allowed."})
    rest, left = only_seen(blind, changes)
    assert [item.object.name for item in rest] == ["y"]
    assert [(item.code, item.severity) for item in left] == [("MLB409", "error")]
    assert only_seen(snapshot(), changes) == (changes, [])
    with pytest.raises(MeshlbError, match="nobody knows what is there already"):
        only_seen(blind, changes[:3])


def test_what_is_needed_is_demanded() -> None:
    demand_kinds(snapshot(), [kinds.WEBHOOK], "it")
    with pytest.raises(MeshlbError, match="cannot be read, so it is not known"):
        demand_kinds(snapshot(denied={kinds.WEBHOOK: "no"}), [kinds.WEBHOOK], "it")


def scene(live: Snapshot, **options: Any) -> routing_run.RoutingScene:
    found, dummy = detect(live)
    return routing_run.RoutingScene(live, REGISTRY, found, found, RoutingOptions(**options))


@pytest.mark.parametrize("hide", [refused, vanished])
@pytest.mark.parametrize("kind", [kinds.DESTINATION_RULE, kinds.SERVICE_ENTRY])
def test_routes_are_not_taken_back_in_part(hide: Any, kind: str) -> None:
    with pytest.raises(MeshlbError, match=kind):
        routing_run.taken_back(scene(hide(done(), kind), state="absent"))


def test_nothing_of_a_load_balancer_is_taken_back_whose_kinds_may_not_be_listed() -> None:
    found = routing_run.taken_back(scene(refused(done(), ROUTE), state="absent"))
    assert found.changes == []
    left = [item for item in found.findings if item.code == "MLB408"]
    assert len(left) == 1
    assert "edge/lb" in left[0].message
    assert ROUTE in left[0].message


def test_what_is_noted_for_a_kind_that_is_not_served_stays_alone() -> None:
    live = vanished(done(), ROUTE)
    found = routing_run.taken_back(scene(live, state="absent"))
    assert {f"{item.action} {item.object.name}" for item in found.changes} == {"delete meshlb-entry-shop.example.com"}
    left = [item for item in found.findings if item.code == "MLB407"]
    assert {item.object.name for item in left if item.object} == {"meshlb-entry-web.example.com"}
    assert all(ROUTE in item.message and "meshlb.istio/route-kinds" in item.remedy for item in left)
    with pytest.raises(MeshlbError, match="Nothing is taken back.*meshlb-entry-web.example.com"):
        routing_run.taken_back(scene(live, state="absent", common=CommonOptions(all_or_nothing=True)))


def test_a_kind_that_no_load_balancer_here_has_does_not_keep_a_rollback() -> None:
    found = routing_run.taken_back(scene(refused(done(), "HTTPProxy.projectcontour.io"), state="absent"))
    assert {item.action for item in found.changes} == {"delete"}


def test_what_was_written_for_a_load_balancer_that_is_gone_with_its_kinds_is_taken_back() -> None:
    live = vanished(done(), ROUTE)
    without = live.overlay(gone=[(kinds.DEPLOYMENT, "edge", "lb")])
    found = routing_run.taken_back(scene(without, state="absent"))
    assert {item.action for item in found.changes} == {"delete"}


@pytest.mark.parametrize("applied", [True, False])
def test_files_keep_what_may_still_be_needed(tmp_path: Path, applied: bool) -> None:
    common = CommonOptions(output_dir=str(tmp_path / "out"))
    live = done() if applied else before()
    if not applied:
        # As written by an earlier run, for a cluster that does not have it yet.
        changes = routing_run.planned(scene(live, common=common)).changes
        routing_run.deliver(routing_run.Session(common, live, REGISTRY), changes)
    spoilt = refused(live, ROUTE)
    run = scene(spoilt, common=common)
    decision = routing_run.planned(run)
    lacking = list(routing_run._in_no_file(run, decision))
    assert {item.object.name for item in lacking if item.object} == ({"meshlb-entry-web.example.com"} if applied else set())
    written = routing_run.deliver(routing_run.Session(common, spoilt, REGISTRY), decision.changes, keep=decision.held)
    assert any("meshlb-entry-web.example.com" in name for name in written.files or ()) != applied
    assert not list(routing_run._in_no_file(scene(live, common=common), routing_run.planned(scene(live, common=common))))


def test_a_sidecar_in_pods_that_may_not_be_read_is_not_known() -> None:
    made = workload("edge", where="edge")
    hidden = Snapshot([made], Source(denied={kinds.POD: "no"}))
    state = sidecar_state(hidden, "edge", made["spec"]["template"], [])
    assert state.to_result() == {"injected": "unknown", "inbound_capture": "unknown"}
    assert not state.present
    assert sidecar_state(Snapshot([made]), "edge", made["spec"]["template"], []).injected is False


def test_a_request_may_take_a_minute_or_what_is_said() -> None:
    assert common_options({}).request_timeout == 60
    assert common_options({"request_timeout": 5}).request_timeout == 5
    for seconds in (0, -1):
        with pytest.raises(MeshlbError, match=f"request_timeout is {seconds}"):
            common_options({"request_timeout": seconds})
    assert replace(common_options({}), request_timeout=1).request_timeout == 1
