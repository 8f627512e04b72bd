# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headless twins: their names, their age beside the Service's, and what becomes of those that are there."""

from __future__ import annotations

import re

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.kube import kinds
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.plan.strategies.twin_names import (
    former_names,
    is_twin_name,
    known_names,
    valid_names,
)

from tests.unit.plugins.module_utils.support.cluster import (
    APPS,
    Obj,
    backend,
    cluster,
    ingress,
    path,
    peer_authentication,
    pod,
    port,
    service,
)
from tests.unit.plugins.module_utils.support.planning import Run, contents, run, taken_back

SERVICES = ("a", "web", "web-v2", "z", "zz9", "a" * 55, "a" * 56, "a" * 63, "z" * 40 + "a" * 23, "a-" * 31 + "z", "web-" + "9" * 59)
BEFORE, EARLY, LATE = "2023-01-01T00:00:00Z", "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"


@pytest.mark.parametrize("name", SERVICES)
def test_a_twin_sorts_after_its_service_in_the_mesh(name: str) -> None:
    found = valid_names(name)
    assert len(set(found)) == len(found) == 10
    for twin in found:
        assert f"{twin}.apps.svc.cluster.local" > f"{name}.apps.svc.cluster.local"
        assert re.fullmatch(r"[a-z][a-z0-9-]{0,61}[a-z0-9]", twin) and is_twin_name(twin)


def test_names_of_services_that_are_alike_stay_apart() -> None:
    assert len({twin for name in ("a" * 62, "a" * 63, "a" * 62 + "b") for twin in valid_names(name)}) == 30


def test_where_nothing_sorts_after_a_name_there_is_no_twin() -> None:
    assert valid_names("z" * 63) == ()


def test_names_of_earlier_releases_are_known() -> None:
    assert former_names("web") == ("web-meshlb",)
    assert former_names("a" * 60)[0].startswith("a" * 50) and is_twin_name(former_names("a" * 60)[0])
    assert known_names("web")[0] == "web0meshlb" and known_names("web")[-1] == "web-meshlb"


def scene(*more: Obj, declared: str = "http", created: str = EARLY) -> Snapshot:
    own = service("shop", port(declared), created=created)
    return cluster(own, pod("shop", http=8080), ingress("shop", path(backend("shop"))), peer_authentication("PERMISSIVE"), *more)


def aged(snapshot: Snapshot, created: str, name: str = "") -> Snapshot:
    """The cluster with its twin made at this time; with a name, as an earlier release would have called it."""
    moved, gone = [], []
    for (kind, namespace, own), item in contents(snapshot).items():
        if namespace == APPS and is_twin_name(own):
            called = name or own
            text = {key: value.replace(own, called) for key, value in item["metadata"]["annotations"].items()}
            meta = {**item["metadata"], "name": called, "annotations": text, "creationTimestamp": created}
            rule = {"spec": {**item["spec"], "host": item["spec"]["host"].replace(own, called)}} if kind == kinds.DESTINATION_RULE else {}
            moved.append({**item, **rule, "metadata": meta})
            gone += [(kind, namespace, own)] if called != own else []
    return snapshot.overlay(moved, gone)


def with_twin(created: str, name: str = "", declared: str = "http") -> Snapshot:
    return aged(run(scene(declared=declared), "headless_twin").after, created, name)


def about(done: Run, code: str = "MLB250") -> list[tuple[str, str]]:
    return [(str(item.object), str(item.cause)) for item in done.plan.findings if item.code == code]


@pytest.mark.parametrize("strategy", ["auto", "headless_twin"])
@pytest.mark.parametrize("name", ["", "shop-meshlb"])
def test_a_twin_that_is_younger_stays_whatever_it_is_called(strategy: str, name: str) -> None:
    done = run(with_twin(LATE, name), strategy)
    assert (done.written, about(done), done.strategies) == ([], [], {"shop": "headless_twin"})


@pytest.mark.parametrize("declared", ["http", "grpc", "web", ""])
@pytest.mark.parametrize(("created", "name"), [(EARLY, "shop-meshlb"), (BEFORE, ""), (BEFORE, "shop-meshlb")])
def test_a_twin_that_is_not_younger_is_replaced(declared: str, created: str, name: str) -> None:
    done = run(with_twin(created, name, declared=declared), "headless_twin")
    old, new = name or "shop0meshlb", "shop0meshlb" if name else "shop1meshlb"
    assert done.written == [
        f"create DestinationRule apps/{new}", f"create Service apps/{new}",
        f"delete DestinationRule apps/{old}", f"delete Service apps/{old}",
    ]
    assert about(done) == [(f"Service apps/{old}", "Service apps/shop")]
    assert "as TCP for every client" in next(item.why for item in done.changes if str(item.object) == f"Service apps/{new}")
    # What is made now is younger, and stays.
    again = run(aged(done.after, LATE))
    assert (again.written, about(again), again.strategies) == ([], [], {"shop": "headless_twin"})


def test_a_twin_of_the_same_second_harms_nobody_by_its_name() -> None:
    assert run(with_twin(EARLY), "headless_twin").written == []


@pytest.mark.parametrize("declared", ["tcp", "https", "mongo"])
def test_a_port_that_is_tcp_anyway_loses_nothing(declared: str) -> None:
    done = run(with_twin(BEFORE, "shop-meshlb", declared=declared), "headless_twin")
    assert (done.written, about(done)) == ([], [])


def test_another_service_of_the_port_may_be_the_oldest() -> None:
    older = service("front", port("http"), created="2022-01-01T00:00:00Z", selector={"app": "shop"})
    done = run(with_twin(BEFORE).overlay([older]), "headless_twin")
    assert (done.written, about(done)) == ([], [])


def test_a_service_that_was_made_anew_has_its_twin_replaced() -> None:
    there = with_twin(LATE)
    anew = service("shop", port("http"), created="2026-01-01T00:00:00Z")
    done = run(there.overlay([anew]), "headless_twin")
    assert "create Service apps/shop1meshlb" in done.written and "delete Service apps/shop0meshlb" in done.written


def test_an_interrupted_replacement_is_finished() -> None:
    done = run(with_twin(BEFORE), "headless_twin")
    both = done.after.overlay([item for key, item in contents(with_twin(BEFORE)).items() if is_twin_name(key[2])])
    young = dict(both.get(kinds.SERVICE, APPS, "shop1meshlb") or {})
    young["metadata"] = {**young["metadata"], "creationTimestamp": LATE}
    again = run(both.overlay([young]), "headless_twin")
    assert again.written == ["delete DestinationRule apps/shop0meshlb", "delete Service apps/shop0meshlb"]


def test_a_name_that_somebody_else_has_is_left_to_them() -> None:
    done = run(scene(service("shop0meshlb", selector={"app": "x"})), "headless_twin")
    assert done.written == ["create DestinationRule apps/shop1meshlb", "create Service apps/shop1meshlb"]
    assert run(done.after, "headless_twin").written == []


def test_what_an_earlier_release_made_is_taken_back() -> None:
    left = contents(taken_back(with_twin(LATE, "shop-meshlb")))
    assert not [key for key in left if is_twin_name(key[2])] and (kinds.SERVICE, APPS, "shop") in left


def test_a_service_without_a_name_for_its_twin_has_none() -> None:
    name = "z" * 63
    objects = [service(name, selector={"app": "shop"}), pod("shop"), ingress("shop", path(backend(name))), peer_authentication()]
    done = run(cluster(*objects), "headless_twin")
    assert done.written == [] and any("no valid name" in item.message for item in done.plan.findings)
