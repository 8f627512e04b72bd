# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a routing plan to the writes that carry it out or take it back, each with its bookkeeping. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from ..core.errors import MeshlbError
from ..core.findings import finding
from ..core.marks import ROUTE_KINDS, SERVICE_ROUTING
from ..core.model import ABSENT, Change, Finding
from ..core.writes import Part
from ..kube.fields import put, remove
from ..kube.objects import Obj, identity, ref_of, value_at
from ..plan.keeping import includes, spec_as_written
from ..plan.routing import RoutingPlan
from ..plan.strategies.headless_twin import also_serving, is_shared
from .book import is_created, load_balancers_of
from .ledger import Ledger, is_of
from .managers import manager_findings
from .ownership import claim, create, take_back
from .units import planned_units

# Mesh objects come first, then the load balancer is switched to them, and only then goes what nothing uses any more.
MESH, LOAD_BALANCER, LEFT_OVER = 0, 1, 2

Key = tuple[str, str, str]


def routing_changes(
    ledger: Ledger, plan: RoutingPlan, scope: Collection[str], in_scope: Callable[[Obj], bool],
    held: Callable[[Obj], bool] = lambda obj: False,
) -> tuple[list[Change], list[Finding]]:
    """Writes that bring the cluster to the plan, from what the ledger says.

    ``scope`` names the load balancers (``namespace/name``) that this run decides about. What the part had written for
    them and the plan no longer needs is taken back, as far as ``in_scope`` allows. What is ``held`` also serves routes that the plan
    does not know, so nothing of it is narrowed.
    """
    changes, findings, wanted = _created(ledger, plan, scope, held)
    patches, patched, refused = _patched(ledger, plan, scope)
    kept = wanted | patched
    leftovers, about_leftovers = take_back(
        ledger, lambda obj: identity(obj) in kept or not in_scope(obj), scope, "the plan no longer needs it", LEFT_OVER
    )
    everything = [*changes, *patches, *leftovers]
    about = [*findings, *refused, *about_leftovers, *manager_findings(ledger.existing, everything, "what the plan sets")]
    everything = planned_units(everything, (proposal for proposal, dummy in plan.proposals), ledger.existing)
    return sorted(everything, key=lambda item: item.sort_key), about


def _created(
    ledger: Ledger, plan: RoutingPlan, scope: Collection[str], held: Callable[[Obj], bool]
) -> tuple[list[Change], list[Finding], set[Key]]:
    changes, findings, wanted = [], [], set()
    for proposal, names in plan.proposals:
        for creation in proposal.creations:
            existing = ledger.existing(*identity(creation.body))
            wanted.add(identity(creation.body))
            if existing is not None and held(existing) and not includes(creation.body.get("spec"), spec_as_written(existing)):
                continue
            body = _for_others_too(existing, creation.body, scope)
            change, found = create(existing, body, ledger.part, names, creation.reason, MESH, scope)
            changes += [change] if change else []
            findings += found
    return changes, findings, wanted


def _for_others_too(existing: Obj | None, body: Obj, scope: Collection[str]) -> Obj:
    """``body`` as it must be while a twin of ours, or its rule, also serves load balancers that this run does not decide about."""
    others = load_balancers_of(existing) - set(scope) if existing is not None and is_created(existing, SERVICE_ROUTING) else frozenset()
    if not others or existing is None or not is_shared(body):
        return body
    shared, path = also_serving(body, existing, {name.partition("/")[0] for name in others}), ("metadata", "annotations", ROUTE_KINDS)
    noted = [value_at(obj, path) for obj in (existing, body)]
    # Where nobody noted the kinds of the others' routes, a note would not be whole.
    whole = ABSENT if ABSENT in noted else ",".join(sorted({kind for text in noted for kind in str(text).split(",")}))
    found: Obj = remove(shared, path) if whole is ABSENT else put(shared, path, whole)
    return found


def _patched(ledger: Ledger, plan: RoutingPlan, scope: Collection[str]) -> tuple[list[Change], set[Key], list[Finding]]:
    desired: dict[Key, dict[tuple[str | int, ...], Any]] = {}
    for_whom: dict[Key, set[str]] = {}
    reasons: dict[Key, dict[str, None]] = {}
    for proposal, names in plan.proposals:
        for patch in proposal.patches:
            key = identity(patch.object)
            desired.setdefault(key, {})[patch.path] = patch.value
            for_whom.setdefault(key, set()).update(names)
            reasons.setdefault(key, {})[patch.reason] = None
    changes, findings = [], []
    for key, fields in sorted(desired.items()):
        obj = ledger.existing(*key)
        if obj is None:
            continue
        try:
            change = claim(obj, ledger.part, fields, for_whom[key], "; ".join(reasons[key]), LOAD_BALANCER, scope)
        except MeshlbError as error:
            # One object of somebody's keeps nobody else's from being written.
            findings.append(finding("MLB406", error.message, ref_of(obj)))
            continue
        changes += [change] if change else []
    return changes, set(desired), findings


def is_owned(part: Part, obj: Obj | None) -> bool:
    """Whether this part wrote anything on an object."""
    return obj is not None and is_of(obj, part)
