# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollback leaves: what an object says of itself holds that object, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.core.marks import LOAD_BALANCERS, ROUTE_KINDS
from ansible_collections.meshlb.istio.plugins.module_utils.kube import kinds
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot, Source
from ansible_collections.meshlb.istio.plugins.module_utils.plan.writes import CHAIN
from ansible_collections.meshlb.istio.plugins.module_utils.runs.kept import Kept
from ansible_collections.meshlb.istio.plugins.module_utils.runs.results import left_undone
from ansible_collections.meshlb.istio.plugins.module_utils.runs.session import outcome
from ansible_collections.meshlb.istio.plugins.module_utils.runs.unseen import Unseen, unlisted, whole_or_nothing

from tests.unit.plugins.module_utils.support.cluster import obj

ROUTE = "IngressRoute.traefik.io"
GONE = {ROUTE: "It is not served."}
BLIND = Snapshot([], Source(denied={ROUTE: "Not allowed to list it."}))


def made(namespace: str, name: str, route_kinds: str, label: str = "edge/lb") -> dict[str, Any]:
    notes = {LOAD_BALANCERS: label, **({ROUTE_KINDS: route_kinds} if route_kinds else {})}
    return obj("v1", "Service", namespace, name, labels={"app.kubernetes.io/managed-by": "meshlb.istio"}, annotations=notes)


def changed(namespace: str, label: str = "edge/lb") -> dict[str, Any]:
    return obj("v1", "Service", namespace, "web", annotations={LOAD_BALANCERS: label, "meshlb.istio/replaced": "{}"})


def test_a_note_holds_its_own_object() -> None:
    noting, other = made("a", "x", f"{kinds.INGRESS},{ROUTE}"), made("a", "y", kinds.INGRESS)
    unseen = Unseen(GONE)
    assert [unseen.holds(item) for item in (noting, other, made("a", "z", ""), changed("a"))] == [True, False, False, False]
    assert [item.object.name for item in unseen.findings([noting, other], Snapshot()) if item.object] == ["x"]


def test_a_note_counts_for_load_balancers_that_are_there() -> None:
    unseen = Unseen(GONE, for_whom=["edge/lb"])
    assert unseen.holds(made("a", "x", ROUTE))
    assert not unseen.holds(made("a", "x", ROUTE, "gone/lb"))


def test_what_was_changed_for_a_chain_stays_beside_what_it_leads_to() -> None:
    noting = made("a", "x", ROUTE, "edge/lb>gateways/meshlb")
    unseen = Unseen(GONE).beside([noting])
    assert unseen.holds(changed("a", "edge/lb>gateways/meshlb"))
    assert not unseen.holds(changed("b", "edge/lb>gateways/meshlb"))
    assert not unseen.holds(changed("a", "edge/other>gateways/meshlb"))


def test_nothing_is_taken_back_for_whom_not_all_is_listed() -> None:
    unseen = Unseen(BLIND.source.denied, {"edge/lb": [ROUTE]})
    own, other = made("a", "x", kinds.INGRESS), made("b", "y", kinds.INGRESS, "other/lb")
    assert [unseen.holds(item) for item in (own, other)] == [True, False]
    found = list(unseen.findings([own, other], BLIND))
    assert [item.code for item in found] == ["MLB408"]
    assert "edge/lb" in found[0].message
    assert "ClusterRole" in found[0].remedy
    with pytest.raises(MeshlbError, match="not all would be: edge/lb"):
        whole_or_nothing(found, True)
    assert whole_or_nothing(found, False) == found


def test_config_maps_are_missed_where_some_may_have_been_made() -> None:
    closed = Snapshot([], Source(denied={kinds.CONFIG_MAP: "no"}, closed=frozenset({"gateways"})))
    assert unlisted(closed, CHAIN, {"elsewhere"}) == []
    assert unlisted(closed, CHAIN, {"gateways"}) == [kinds.CONFIG_MAP]


def test_a_changed_object_heeds_the_notes_beside_it_and_beside_its_load_balancer() -> None:
    def kept(*namespaces: str) -> Kept:
        return Kept({}, {"edge/lb": frozenset({ROUTE})}, GONE, {ROUTE: frozenset(namespaces)})

    assert kept("a").kinds_of(changed("a")) == {ROUTE}
    assert kept("edge").kinds_of(changed("a")) == {ROUTE}
    assert not kept("tenant").kinds_of(changed("a"))
    assert not kept("a").kinds_of(changed("a", "other/lb"))


def test_a_module_fails_with_its_whole_result_where_something_was_left_undone() -> None:
    said = {"code": "MLB407", "message": "x stays.", "remedy": "Do so.", "object": {"name": "x"}, "severity": "error"}
    result = {"changed": True, "unfinished": 2, "findings": [{"code": "MLB302", "message": "", "remedy": "", "object": None}, said, said]}
    succeeded, told = outcome(lambda: result)
    assert not succeeded
    assert told["changed"] is True
    assert told["msg"] == "Everything else was done, but not this: x stays. Findings have 1 more like it. Do so."
    assert told["object"] == {"name": "x"}
    done = {"changed": False, "unfinished": 0, "findings": []}
    assert outcome(lambda: done) == (True, done)
    assert left_undone({"changed": False}) == {}
