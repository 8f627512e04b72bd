# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which writes belong together, and what waits for what."""

from __future__ import annotations

from typing import Any

from ansible_collections.meshlb.istio.plugins.module_utils.apply import units
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.switches import FieldPatch
from ansible_collections.meshlb.istio.plugins.module_utils.core.marks import ROUTES_IN
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Change, FieldChange
from ansible_collections.meshlb.istio.plugins.module_utils.kube.objects import identity, ref_of
from ansible_collections.meshlb.istio.plugins.module_utils.plan.strategies.base import Creation, Proposal

Obj = dict[str, Any]


def obj(name: str, namespace: str = "web", kind: str = "Service", routes_in: str = "") -> Obj:
    metadata = {"name": name, "namespace": namespace, "annotations": {ROUTES_IN: routes_in} if routes_in else {}}
    return {"apiVersion": "v1" if kind == "Service" else "networking.k8s.io/v1", "kind": kind, "metadata": metadata}


def proposal(*made: Obj, patched: tuple[Obj, ...] = ()) -> Proposal:
    return Proposal(tuple(FieldPatch(item, ("spec", "a"), 1) for item in patched), tuple(Creation(item, "why") for item in made))


def create(item: Obj, phase: int = 0) -> Change:
    return Change(ref_of(item), "create", "why", (), item, phase)


def patch(item: Obj, phase: int = 1) -> Change:
    return Change(ref_of(item), "patch", "why", (FieldChange(("spec", "a"), 0, 1),), None, phase)


def delete(item: Obj, phase: int = 2) -> Change:
    return Change(ref_of(item), "delete", "why", (), item, phase)


def there(*items: Obj) -> Any:
    known = {identity(item): item for item in items}
    return lambda *key: known.get(key)


def by_name(changes: list[Change]) -> dict[str, Change]:
    return {item.object.name: item for item in changes}


def test_what_is_proposed_together_is_one_unit_and_so_is_what_two_proposals_share() -> None:
    a, b, shared, c = obj("a"), obj("b"), obj("shared"), obj("c", "other")
    found = by_name(units.planned_units(
        [create(a), create(b), create(shared), create(c)], [proposal(a, shared), proposal(c), proposal(b, shared)], there(),
    ))  # fmt: skip
    assert found["a"].unit == found["b"].unit == found["shared"].unit != found["c"].unit
    assert found["a"].unit == "Service web/a, Service web/b, Service web/shared"
    assert all(item.waits_for == frozenset() for item in found.values())


def test_what_is_no_longer_needed_waits_for_what_is_planned_for_its_namespaces() -> None:
    new, other = obj("new"), obj("other", "other")
    left = obj("left", "edge", routes_in="web,third")
    apart = obj("apart", "edge", routes_in="third")
    back = obj("back", "third", "Ingress")
    found = by_name(units.planned_units(
        [create(new), create(other), delete(left), delete(apart), patch(back)], [proposal(new), proposal(other)], there(back),
    ))  # fmt: skip
    assert found["left"].waits_for == {"Service web/new", "Ingress third/back"}
    assert found["apart"].waits_for == {"Ingress third/back"}
    assert found["back"].waits_for == frozenset() and found["back"].unit == "Ingress third/back"


def test_taking_back_is_a_unit_for_each_object() -> None:
    one, two = obj("one", "a", "Ingress"), obj("two", "b", "Ingress")
    alias, both = obj("alias", "edge", routes_in="a"), obj("both", "edge", routes_in="a,b")
    found = by_name(units.removal_units([patch(one), patch(two), delete(alias), delete(both)], there(one, two)))
    assert found["one"].unit != found["two"].unit
    assert found["alias"].waits_for == {"Ingress a/one"} and found["both"].waits_for == {"Ingress a/one", "Ingress b/two"}


def test_a_chain_waits_for_its_gateway_and_each_route_for_its_hosts_and_what_is_beside_it() -> None:
    gateway, here, there_too = obj("gateway", "istio-ingress"), obj("alias", "a"), obj("alias2", "b")
    one, two, second = obj("one", "a", "Ingress"), obj("two", "b", "Ingress"), obj("second", "a", "Ingress")
    of_a, of_b = obj("of-a", "istio-ingress"), obj("of-b", "istio-ingress")
    smaller = create(obj("smaller", "istio-ingress"), 3)
    old = delete(obj("old", "istio-ingress", routes_in="a"), 3)
    made = (gateway, here, there_too, of_a, of_b)
    changes = [*map(create, made), patch(one, 2), patch(two, 2), patch(second, 2), smaller, old]
    wanted = {identity(item) for item in (*made, one, two, second, smaller.body or {})}
    hosts = units.ChainHosts(
        {identity(of_a): {"a.example.com"}, identity(of_b): {""}},
        {identity(one): {"a.example.com"}, identity(two): {""}, identity(second): {"a.example.com", ""}},
    )  # fmt: skip
    found = by_name(units.chain_units(changes, "istio-ingress", wanted, 3, there(one, two), hosts))
    assert found["gateway"].unit == "" and found["gateway"].waits_for == frozenset()
    assert found["of-a"].unit == "the gateway's routing for a.example.com" and found["of-a"].waits_for == {""}
    assert found["one"].unit == "Ingress a/one" and found["alias"].unit == "Service a/alias"
    assert found["one"].waits_for == {"", found["of-a"].unit, "Service a/alias"}
    assert found["two"].waits_for == {"", found["of-b"].unit, "Service b/alias2"}
    assert found["second"].waits_for == {"", found["of-a"].unit, found["of-b"].unit, "Service a/alias"}
    everybody = {item.unit for item in found.values()} - {found["smaller"].unit, found["old"].unit}
    assert found["smaller"].waits_for == found["old"].waits_for == everybody
    assert found["smaller"].unit not in everybody


def test_the_gateway_goes_after_every_route_was_given_back_and_an_alias_after_those_beside_it() -> None:
    one, two = obj("one", "a", "Ingress"), obj("two", "b", "Ingress")
    alias, gateway = obj("alias", "a", routes_in="a"), obj("gateway", "istio-ingress")
    pods = patch(obj("pods", "istio-ingress", "Deployment"), 2)
    changes = [patch(one), patch(two), pods, delete(alias), delete(gateway)]
    found = by_name(units.chain_removal_units(changes, there(one, two), units.ChainHosts(), 2))
    assert found["alias"].waits_for == {"Ingress a/one"}
    assert found["gateway"].waits_for == {"Ingress a/one", "Ingress b/two", "Deployment istio-ingress/pods"}
    assert found["pods"].waits_for == {"Ingress a/one", "Ingress b/two"}


def routing(name: str, host: str, namespace: str = "istio-ingress", kind: str = "VirtualService", routes_in: str = "a") -> Obj:
    field = "hosts" if kind == "VirtualService" else "hostnames"
    return {**obj(name, namespace, kind, routes_in), "spec": {field: [host]}}


def test_the_routing_of_a_host_goes_after_those_that_lead_it_there_were_given_back() -> None:
    one, two, unknown = obj("one", "a", "Ingress"), obj("two", "b", "Ingress"), obj("unknown", "c", "Ingress")
    known = units.ChainHosts(of_routes={identity(one): {"a.example.com"}, identity(two): {"b.example.com", ""}})
    gone = [
        routing("of-a", "a.example.com"), routing("of-b", "b.example.com"), routing("any", "*"),
        routing("near", "b.example.com", "a", "HTTPRoute"), obj("grant", "a", "ReferenceGrant", routes_in="a"),
    ]
    for changes, more in ([patch(one), patch(two)], set()), ([patch(one), patch(two), patch(unknown)], {"Ingress c/unknown"}):
        found = by_name(units.chain_removal_units([*changes, *map(delete, gone)], there(one, two, unknown), known, 2))
        assert found["of-a"].waits_for == {"Ingress a/one"} | more
        assert found["of-b"].waits_for == found["any"].waits_for == found["near"].waits_for == {"Ingress b/two"} | more
        assert found["grant"].waits_for == {"Ingress a/one", "Ingress b/two"} | more


def test_what_a_chain_needs_no_longer_waits_for_what_takes_its_place_and_for_nobody_else() -> None:
    new, other, left = obj("new", "a", "Ingress"), obj("other", "b", "Ingress"), obj("left", "a", "Ingress")
    made = [routing("new-a", "a.example.com"), routing("new-b", "b.example.com")]
    old = [routing("old-a", "a.example.com", "a", "HTTPRoute"), routing("gone", "gone.example.com"), obj("alias", "b", routes_in="b")]
    hosts = units.ChainHosts(
        {identity(made[0]): {"a.example.com"}, identity(made[1]): {"b.example.com"}},
        {identity(new): {"a.example.com"}, identity(other): {"b.example.com"}}, {identity(left): {"gone.example.com"}},
    )  # fmt: skip
    changes = [*map(create, made), patch(new, 2), patch(other, 2), patch(left, 2), *(delete(item, 3) for item in old)]
    wanted = {identity(item) for item in (*made, new, other)}
    found = by_name(units.chain_units(changes, "istio-ingress", wanted, 3, there(new, other, left), hosts))
    assert found["left"].waits_for == frozenset()
    assert found["gone"].waits_for == {"Ingress a/left"}
    assert found["old-a"].waits_for == {"the gateway's routing for a.example.com", "Ingress a/new"}
    assert found["alias"].waits_for == {"Ingress b/other"}
