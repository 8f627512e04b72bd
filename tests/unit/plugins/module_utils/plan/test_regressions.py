# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No change makes a route worse: what would is left out as a whole, and everything else is carried out."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Finding, Outcome
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.plan.strategies.table import NAMES
from ansible_collections.meshlb.istio.plugins.module_utils.plan.trial import worse

from tests.unit.plugins.module_utils.support.cluster import (
    PUBLIC,
    Obj,
    annotated,
    backend,
    cluster,
    ingress,
    path,
    peer_authentication,
    pod,
    port,
    service,
)
from tests.unit.plugins.module_utils.support.planning import Run, run

VICTIM = [service("web", where="victim"), pod("web", where="victim"), ingress("shop", path(backend("web")), where="victim")]
LEGACY = [service("old", where="outside"), pod("old", where="outside", sidecar=False)]
SQUAT = [*LEGACY, ingress("squat", path(backend("old"), "/zz"), where="outside")]
GONE = [ingress("squat", path(backend("gone"), "/zz"), where="outside")]
OTHER = [
    service("other", where="third"), pod("other", where="third"),
    ingress("other", path(backend("other")), host="other.example.com", where="third"),
]  # fmt: skip


def done(*objects: Obj, strategy: str = "auto", **options: Any) -> Snapshot:
    return run(cluster(*objects, peer_authentication()), strategy, **options).after


def with_more(before: Snapshot, *objects: Obj) -> Snapshot:
    return before.overlay(objects)


def left_out(found: Run) -> list[Finding]:
    return [item for item in found.findings if item.code == "MLB223"]


MUTUAL, PLAIN, MIXED, REFUSED, UNKNOWN = (Outcome(item, "") for item in ("mutual_tls", "plaintext", "mixed", "refused", "unknown"))
ELSEWHERE = Outcome("unknown", "", misrouted_to="a/b")


@pytest.mark.parametrize("after", [PLAIN, MIXED, REFUSED, UNKNOWN, ELSEWHERE])
def test_anything_is_worse_than_mutual_tls(after: Outcome) -> None:
    assert worse(MUTUAL, after) and not worse(after, MUTUAL)


def test_what_is_worse_than_an_answer_in_clear() -> None:
    assert worse(PLAIN, REFUSED) and worse(MIXED, REFUSED) and worse(PLAIN, ELSEWHERE)
    assert not any(worse(before, after) for before in (PLAIN, MIXED, REFUSED, UNKNOWN) for after in (PLAIN, MIXED, UNKNOWN, MUTUAL))
    assert not worse(REFUSED, REFUSED) and not worse(UNKNOWN, REFUSED)


@pytest.mark.parametrize("squatters", [SQUAT, GONE], ids=["outside of the mesh", "no backend"])
@pytest.mark.parametrize("strategy", ["host_entry", "host_alias", "headless_twin", "host_rewrite", "auto"])
def test_a_new_neighbour_takes_nothing_away(strategy: str, squatters: list[Obj]) -> None:
    before = done(*VICTIM, strategy=strategy)
    again = run(with_more(before, *squatters, *OTHER), strategy)
    assert again.route("shop").before.verdict == again.route("shop").after.verdict == "mutual_tls"
    assert not [item for item in again.written if item.startswith("delete")]
    # Everybody else is planned as usual.
    assert again.route("other").after.verdict == "mutual_tls"
    assert run(again.after, strategy).written == []


def test_who_suffers_and_who_is_the_cause_are_named() -> None:
    again = run(with_more(done(*VICTIM, strategy="host_entry"), *SQUAT), "host_entry")
    (found,) = left_out(again)
    assert found.severity == "error" and str(found.cause) == "Ingress outside/squat" and "Ingress victim/shop" in found.message
    assert "from mutual_tls to refused" in found.message and again.written == []
    assert found.details.to_result()["left_out"][0]["name"] == f"meshlb-entry-{PUBLIC}"


def test_what_the_user_allows_is_carried_out() -> None:
    before = with_more(done(*VICTIM, strategy="host_entry"), *SQUAT)
    again = run(before, "host_entry", may_get_worse=lambda route: route.object.name == "shop")
    assert [item.split()[0] for item in again.written] == ["delete", "delete"] and left_out(again) == []
    assert again.route("shop").after.verdict == "refused"
    other = run(before, "host_entry", may_get_worse=lambda route: route.object.name == "squat")
    assert other.written == []


def test_a_host_that_another_route_sends_is_not_diverted() -> None:
    dials = ingress(
        "dials", path(backend("web")), where="victim", host="www.example.com", upstream_vhost="api.example.com", service_upstream="true",
        created="2025-01-01T00:00:00Z",
    )
    web = [service("web", port("web"), where="victim"), pod("web", where="victim")]
    # Younger than its route, so its host is not taken: what remains is that nothing may get worse.
    claims = [
        service("evil", port("http", 80), where="tenant"), pod("evil", where="tenant"),
        ingress("claims", path(backend("evil")), where="tenant", host="api.example.com", created="2024-01-01T00:00:00Z"),
    ]  # fmt: skip
    for strategy in ("host_alias", "host_entry"):
        found = run(cluster(*web, dials, *claims, *OTHER, peer_authentication()), strategy)
        assert found.route("dials").after == found.route("dials").before
        assert found.route("other").after.verdict == "mutual_tls"


def test_what_asks_to_be_ignored_keeps_what_it_has() -> None:
    for strategy in ("headless_twin", "host_entry", "host_rewrite"):
        before = done(*VICTIM, strategy=strategy)
        shop = before.get("Ingress.networking.k8s.io", "victim", "shop") or {}
        again = run(with_more(before, annotated(shop, ignore="true")), strategy)
        assert again.written == [] and left_out(again) == []
        assert again.route("shop").before.verdict == "mutual_tls"


@pytest.mark.parametrize("first", NAMES[:-1])
def test_a_word_that_is_no_strategy_takes_nothing_away(first: str) -> None:
    web = [service("web", port("web"), where="victim"), pod("web", where="victim"), VICTIM[2]]
    before = done(*web, strategy=first)
    shop = before.get("Ingress.networking.k8s.io", "victim", "shop") or {}
    again = run(with_more(before, annotated(shop, strategy="magic")), first)
    assert again.written == [] and again.route("shop").after.verdict == "mutual_tls"


def test_a_change_of_strategy_is_no_regression() -> None:
    before = done(*VICTIM, *OTHER, strategy="host_entry")
    again = run(before, "headless_twin")
    assert left_out(again) == [] and set(again.strategies.values()) == {"headless_twin"}
    assert not [item for item in again.after.everything() if item["kind"] == "ServiceEntry"]
