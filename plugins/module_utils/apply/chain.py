# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the plan of a chain to the writes that carry it out or take it back, each with its bookkeeping. Pure.

The order keeps every request: first the gateway and all that it has to know, then the load balancer; and back the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from ..balancers.contract.switches import FieldPatch
from ..core.marks import CHAINED_GATEWAY, ROUTE_KINDS, ROUTES_IN
from ..core.model import Change, Finding, replace
from ..kube import kinds
from ..kube.fields import changed, put
from ..kube.objects import Obj, annotations_of, identity, identity_of, kind_key, namespace_of
from ..plan.chain.carry import hosts_in
from ..plan.chain.plan import ChainPlan
from ..plan.chain.target import ISTIO_GATEWAY, KUBERNETES_GATEWAY
from ..plan.keeping import includes, spec_as_written
from .book import is_created, load_balancers_of
from .ledger import Ledger
from .managers import manager_findings
from .ownership import claim, create, take_back
from .units import ChainHosts, chain_removal_units, chain_units
from .widening import widened

GATEWAY, MESH, LOAD_BALANCER, LEFT_OVER = 0, 1, 2, 3
_GATEWAY_SIDE = frozenset({*kinds.WORKLOADS, kinds.SERVICE, ISTIO_GATEWAY, KUBERNETES_GATEWAY})

Key = tuple[str, str, str]
Led = Mapping[Key, Collection[str]]


def chain_name(load_balancer: str, gateway: str) -> str:
    """How a chain is noted on what was written for it: the load balancer's label, and the gateway's ``namespace/name``."""
    return f"{load_balancer}>{gateway}"


def chains_of(ledger: Ledger, load_balancer: str = "", gateway: str = "") -> frozenset[str]:
    """The chains that something was written for, of one load balancer and one gateway where these are given."""
    names = {name for obj in ledger.written for name in load_balancers_of(obj) if ">" in name}
    return frozenset(
        name for name in names
        if load_balancer in ("", name.partition(">")[0]) and gateway in ("", name.partition(">")[2])
    )


def chain_changes(
    ledger: Ledger, plan: ChainPlan, chain: str, unreadable: Collection[Key] = (),
    spared: Callable[[Obj], bool] = lambda obj: False, led: Led | None = None,
) -> tuple[list[Change], list[Finding]]:
    """Writes that bring the cluster to the plan; what an earlier run wrote and the plan lacks is taken back last.

    Where objects are ``unreadable``, the plan may lack routes. What is there for them stays, so nothing is narrowed or taken back.
    What is ``spared`` is left as it is. ``led`` are the Hosts of the routes of objects that are there, as far as they are known.
    """
    changes: list[Change] = []
    findings: list[Finding] = []
    wanted: set[Key] = set()
    noted = ",".join(sorted(_kinds(plan)))
    for phase, why, bodies in _created(plan):
        for body in (put(made, ("metadata", "annotations", ROUTE_KINDS), noted) for made in bodies):
            wanted.add(identity(body))
            existing = ledger.existing(*identity(body))
            if existing is not None and is_created(existing) and spared(existing):
                continue
            if identity(body) in unreadable or (unreadable and existing is not None and _would_lose(existing, body)):
                continue
            for step, when in _steps(existing, body, phase):
                change, about = create(existing, step, ledger.part, [chain], why, when, [chain])
                existing = changed(existing, change) if change else existing
                changes += [change] if change else []
                findings += about
    for phase, why, patches in _changed(plan):
        for key, fields in _by_object(patches).items():
            wanted.add(key)
            obj = ledger.existing(*key)
            change = claim(obj, ledger.part, fields, [chain], why, phase, [chain]) if obj is not None else None
            changes += [change] if change else []

    def stays(obj: Obj) -> bool:
        return bool(unreadable) or identity(obj) in wanted or spared(obj)

    leftovers, about = take_back(ledger, stays, [chain], "the chain no longer needs it", LOAD_BALANCER)
    changes += map(_later, leftovers)
    changes = chain_units(changes, plan.state.target.namespace, wanted, LEFT_OVER, ledger.existing, _hosts(plan, led or {}))
    return in_writing_order(changes), [*findings, *about, *manager_findings(ledger.existing, changes, "what the chain needs")]


def _would_lose(existing: Obj, body: Obj) -> bool:
    """Whether an object would say less than it does now: fewer hosts, paths or kinds of routes."""
    if not includes(body.get("spec"), spec_as_written(existing)):
        return True
    kept, wanted = (set(annotations_of(item).get(ROUTE_KINDS, "").split(",")) for item in (existing, body))
    return not kept <= wanted


def _hosts(plan: ChainPlan, known: Led) -> ChainHosts:
    """The Hosts that the plan's objects are for: a grant for those of routes to its namespace, a new route of the load balancer for all."""
    every = {item.sent for item in plan.routes if item.chained}
    granted: dict[str, set[str]] = {}
    for body in plan.mesh:
        granted.setdefault(annotations_of(body).get(ROUTES_IN, ""), set()).update(hosts_in(body))
    served = {identity(body): hosts_in(body) or granted.get(namespace_of(body), every) for body in plan.mesh}
    led: dict[Key, set[str]] = {identity(body): set(every) for body in plan.front}
    for item in plan.routes:
        if item.chained and item.object is not None:
            led.setdefault(identity_of(item.object), set()).add(item.sent)
    return ChainHosts(served, led, known)


def _kinds(plan: ChainPlan) -> set[str]:
    """The kinds of a chain's routes, and of all that is made for it: of these, too, none may be missed when it is taken back."""
    routes = {kind_key(item.object.api_version, item.object.kind) for item in plan.routes if item.object is not None}
    return routes | {identity(body)[0] for dummy, why, bodies in _created(plan) for body in bodies}


def _steps(existing: Obj | None, body: Obj, phase: int) -> Iterable[tuple[Obj, int]]:
    """An object, and when: what a Gateway serves no longer goes when nobody is sent there any more."""
    wider = widened(existing, body) if existing is not None and is_created(existing, CHAINED_GATEWAY) else body
    if wider != body:
        yield wider, phase
        phase = LEFT_OVER
    yield body, phase


def _created(plan: ChainPlan) -> Iterable[tuple[int, str, Iterable[Obj]]]:
    name = f"{plan.state.target.namespace}/{plan.state.target.name}"
    yield GATEWAY, f"makes the gateway {name} that the load balancer sends to", plan.gateway.bodies
    yield MESH, f"leads requests from gateway {name} to their backends", plan.mesh
    yield MESH, f"stands for gateway {name} where the load balancer's routes are", plan.helpers
    yield LOAD_BALANCER, f"leads the load balancer to gateway {name}", plan.front


def _changed(plan: ChainPlan) -> Iterable[tuple[int, str, Iterable[FieldPatch]]]:
    yield GATEWAY, "makes the gateway fit for the load balancer before it", plan.gateway.patches
    yield LOAD_BALANCER, f"leads its requests to gateway {plan.state.target.namespace}/{plan.state.target.name}", plan.switch


def _by_object(patches: Iterable[FieldPatch]) -> dict[Key, dict[tuple[str | int, ...], Any]]:
    found: dict[Key, dict[tuple[str | int, ...], Any]] = {}
    for patch in patches:
        found.setdefault(identity(patch.object), {})[patch.path] = patch.value
    return dict(sorted(found.items()))


def chain_removal(
    ledger: Ledger, chains: Collection[str] | None, keep: Callable[[Obj], bool] | None = None, led: Led | None = None
) -> tuple[list[Change], list[Finding]]:
    """Writes that take chains back (``None``: all): the load balancer's fields and new routes first, then the gateway's side.

    ``led`` are the Hosts of the routes of the objects that are changed, as far as they are known.
    """
    changes, findings = take_back(ledger, keep, chains, "is taken back", LOAD_BALANCER)
    changes = chain_removal_units([_later(item) for item in changes], ledger.existing, ChainHosts(of_routes=led or {}), LEFT_OVER)
    return in_writing_order(changes), [*findings, *manager_findings(ledger.existing, changes, "what the chain needs")]


def _later(change: Change) -> Change:
    """Restored fields of the gateway's own objects wait, with all that was created for it, until nobody sends to it any more."""
    ref = change.object
    of_gateway = kind_key(ref.api_version, ref.kind) in _GATEWAY_SIDE
    return replace(change, phase=LEFT_OVER) if change.action == "patch" and of_gateway else change


def in_writing_order(changes: Iterable[Change]) -> list[Change]:
    """Changes in the order in which they are made."""
    return sorted(changes, key=lambda item: item.sort_key)
