# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which routes are planned together, and that planning a large cluster stays linear."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Backend, ObjectRef, Route
from ansible_collections.meshlb.istio.plugins.module_utils.detect import inventory
from ansible_collections.meshlb.istio.plugins.module_utils.istio import outcome as matching
from ansible_collections.meshlb.istio.plugins.module_utils.plan import routing, trial
from ansible_collections.meshlb.istio.plugins.module_utils.plan.strategies.table import STRATEGIES
from ansible_collections.meshlb.istio.plugins.module_utils.plan.units import units

from tests.unit.plugins.module_utils.support.cluster import (
    Obj,
    backend,
    cluster,
    config_map,
    ingress,
    path,
    peer_authentication,
    pod,
    port,
    routes,
    service,
)
from tests.unit.plugins.module_utils.support.planning import run


def route(name: str, **more: Any) -> Route:
    """A route that shares nothing with another: everything about it is named after it."""
    service_name = more.pop("service", name)
    made = {
        "load_balancer": ("edge", "lb"), "object": ObjectRef("networking.k8s.io/v1", "Ingress", "apps", more.pop("of", name)),
        "host": f"{name}.example.com", "path": name, "backend": Backend(more.pop("where", "apps"), service_name, 80),
        "upstream_group": f"apps-{name}-80", **more,
    }  # fmt: skip
    return Route(**made)


TIES: dict[str, tuple[list[Route], list[str]]] = {
    "nothing": ([route("a"), route("b")], ["a", "b"]),
    "a Service": ([route("a", service="x"), route("b", service="x")], ["ab"]),
    "a Service of that name elsewhere": ([route("a", service="x"), route("b", service="x", where="other")], ["a", "b"]),
    "an object": ([route("a", of="x"), route("b", of="x")], ["ab"]),
    "an object without settings": ([route("a", of="x", settable=False), route("b", of="x", settable=False)], ["a", "b"]),
    "an upstream": ([route("a", upstream_group="x"), route("b", upstream_group="x")], ["ab"]),
    "an upstream of another load balancer": (
        [route("a", upstream_group="x"), route("b", upstream_group="x", load_balancer=("inner", "lb"))], ["a", "b"]),
    "no upstream at all": ([route("a", upstream_group=""), route("b", upstream_group="")], ["a", "b"]),
    "a host": ([route("a", host="h"), route("b", host="h")], ["ab"]),
    "a host of two load balancers in one namespace": (
        [route("a", host="h"), route("b", host="h", load_balancer=("edge", "second"))], ["ab"]),
    "a host of two namespaces": ([route("a", host="h"), route("b", host="h", load_balancer=("inner", "lb"))], ["a", "b"]),
    "no host": ([route("a", host=""), route("b", host="")], ["a", "b"]),
    "a wildcard and what is below it": ([route("a"), route("b", host="*.example.com"), route("c")], ["abc"]),
    "a wildcard of another domain": ([route("a"), route("b", host="*.example.org"), route("c")], ["a", "b", "c"]),
    "a wildcard of another namespace": ([route("a"), route("b", host="*.example.com", load_balancer=("inner", "lb"))], ["a", "b"]),
    "a wildcard below a wildcard": ([route("a", host="*.x.example.com"), route("b", host="*.example.com")], ["ab"]),
    "a wildcard and its own domain": ([route("a", host="example.com"), route("b", host="*.example.com")], ["a", "b"]),
    "a chain": ([route("a", service="x"), route("b", service="x", host="h"), route("d"), route("c", host="h")], ["abc", "d"]),
    "none": ([], []),
}  # fmt: skip


@pytest.mark.parametrize(("everything", "expected"), TIES.values(), ids=TIES)
def test_what_ties_routes(everything: list[Route], expected: list[str]) -> None:
    assert ["".join(sorted(item.path for item in unit)) for unit in units(everything)] == expected


def test_the_order_of_routes_is_kept() -> None:
    everything = [route(name, host="h") for name in "cab"]
    assert units(everything) == [tuple(everything)]


def many(count: int, *, shared: bool = False) -> list[Obj]:
    """So many Ingresses, two to a Service, of all kinds of ports, in ten namespaces; or all on one host."""
    made: list[Obj] = [peer_authentication()]
    for number in range(count):
        name, where = f"s{number // 2}", f"ns{number // 2 % 10}"
        if number % 2 == 0:
            made += [service(name, port(["http", "web", "tcp", "grpc"][number // 2 % 4]), where=where), pod(name, where=where)]
        host = "one.example.com" if shared else f"h{number}.example.com"
        made.append(ingress(f"i{number}", path(backend(name), f"/{number}"), where=where, host=host))
    return made


def counted(monkeypatch: pytest.MonkeyPatch, objects: list[Obj]) -> tuple[int, int]:
    """How many predictions a plan takes, and how many routes it reads."""
    calls = {"predict": 0, "routes": 0}

    def predict(*args: Any, **options: Any) -> Any:
        calls["predict"] += 1
        return matching.predict(*args, **options)

    def read(*args: Any) -> Any:
        found = inventory.take_inventory(*args)
        calls["routes"] += len(found.routes)
        return found

    for module in (routing, trial):
        monkeypatch.setattr(module, "predict", predict)
        monkeypatch.setattr(module, "take_inventory", read)
    run(cluster(*objects))
    return calls["predict"], calls["routes"]


@pytest.mark.parametrize("shared", [False, True])
def test_the_work_grows_with_the_number_of_routes_alone(monkeypatch: pytest.MonkeyPatch, shared: bool) -> None:
    few, many_more = (counted(monkeypatch, many(count, shared=shared)) for count in (40, 160))
    for small, large in zip(few, many_more, strict=True):
        assert 0 < large <= 4 * small
    # One look for the verdict before, one without changes, one per strategy, one for what was chosen for each on its own.
    assert many_more[0] <= 160 * (2 + len(STRATEGIES) + 1)


def test_each_stream_of_one_configmap_is_planned_on_its_own() -> None:
    targets = {str(9000 + number): f"apps/s{number}:80" for number in range(3)}
    objects = [service(f"s{number}", port("tcp")) for number in range(3)] + [pod(f"s{number}") for number in range(3)]
    snapshot = cluster(*objects, config_map("tcp", **targets), args=("--tcp-services-configmap=edge/tcp",))
    assert len(routes(snapshot)) == 3
    assert [item.action for item in run(snapshot).changes] == ["create"] * 6
