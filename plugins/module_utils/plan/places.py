# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a plan writes: only in namespaces in which the run may, and never unsaid outside of a route's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..core.findings import finding
from ..core.model import Finding, ObjectRef, Route, replace
from ..kube.objects import Obj, namespace_of, ref_of
from .strategies.base import Context, Proposal, Strategy


def proposed(context: Context, strategy: Strategy, targets: Iterable[Route]) -> Proposal:
    """What a strategy proposes for routes, as far as it stays in namespaces in which the run may write."""
    wanted = list(targets)
    proposal = strategy.propose(context, wanted)
    outside = dict(_outside(context, proposal, wanted))
    if not outside:
        return proposal
    rest = [route for route in wanted if route not in outside]
    # Without any target left there is nothing to propose; each round has fewer, so there is an end.
    again = proposed(context, strategy, rest) if rest else Proposal()
    return replace(again, refusals={**again.refusals, **outside})


def _outside(context: Context, proposal: Proposal, targets: list[Route]) -> Iterator[tuple[Route, str]]:
    for obj, routes in _written(proposal, targets):
        namespace = namespace_of(obj)
        if namespace and not context.may_write(namespace):
            why = f"it would write {ref_of(obj)}, and namespaces does not name {namespace}"
            yield from ((route, why) for route in routes)


def _written(proposal: Proposal, targets: list[Route]) -> Iterator[tuple[Obj, list[Route]]]:
    """Every object that is written, and the routes that it is written for."""
    wanted = set(targets)
    for creation in proposal.creations:
        own = [route for route in creation.routes if route in wanted]
        yield creation.body, own or targets
    for patch in proposal.patches:
        ref = ref_of(patch.object)
        if any(route.object == ref for route in targets):
            continue
        # A setting beside the routes: of their backend, or else of whatever they share.
        near = [route for route in targets if (route.backend.namespace, route.backend.service) == (ref.namespace, ref.name)]
        yield patch.object, near or targets


def about_places(proposal: Proposal, routes: Iterable[Route]) -> Iterator[Finding]:
    """Where these routes have objects made, or changed, outside of their own namespace."""
    found: dict[tuple[ObjectRef, str], dict[str, None]] = {}
    for obj, own in _written(proposal, list(routes)):
        for route in own:
            if namespace_of(obj) not in ("", route.object.namespace):
                found.setdefault((route.object, namespace_of(obj)), {})[f"{obj['kind']} {ref_of(obj).name}"] = None
    for (ref, namespace), names in found.items():
        message = f"for its routes, {', '.join(names)} is written in namespace {namespace}"
        yield finding("MLB224", message, ref, details={"namespace": namespace, "objects": list(names)})
