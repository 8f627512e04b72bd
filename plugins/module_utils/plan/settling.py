# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planning again without the routes that are the cause of what a plan leaves out, so that they keep no other route from being planned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from ..core.model import ObjectRef
from .regressions import LeftOut, Same, Weighed
from .trial import route_identity, served

MOST_TRIED = 8
"""How many plans are made besides the first, at most."""


class Attempted(Protocol):
    """A plan that was made, and weighed."""

    @property
    def weighed(self) -> Weighed: ...


Attempt = TypeVar("Attempt", bound=Attempted)
Barred = frozenset[Same]


def settle(attempt: Callable[[Barred], Attempt]) -> tuple[Attempt, tuple[LeftOut, ...]]:
    """The plan that serves most routes, and what was left out on the way to it.

    ``attempt`` plans without the routes that it is given, which stay as they are. They are routes without mutual TLS that were planned
    together with one that would have got worse: all those of other namespaces at first, and as few of them as will do. Where they are not
    the cause, those of its own namespace are tried, one object after the other. A plan counts only where it serves more routes.
    """
    first = best = attempt(frozenset())
    left_out = first.weighed.left_out
    foreign, own = _suspects(first.weighed)
    tried = 0

    def better(barred: Barred) -> bool:
        nonlocal best, left_out, tried
        if tried == MOST_TRIED:
            return False
        tried += 1
        found = attempt(barred)
        if _number_served(found.weighed) <= _number_served(best.weighed):
            return False
        best, left_out = found, _joined(first.weighed.left_out, found.weighed.left_out)
        return True

    barred = frozenset().union(*foreign.values())
    if barred and better(barred):
        for routes in foreign.values():
            barred = barred - routes if len(foreign) > 1 and better(barred - routes) else barred
    else:
        next(filter(better, own.values()), None)
    return best, left_out


def _suspects(weighed: Weighed) -> tuple[dict[ObjectRef, Barred], dict[ObjectRef, Barred]]:
    """Routes without mutual TLS beside one that would have got worse, by their objects: those of other namespaces, and of its own."""
    foreign: dict[ObjectRef, Barred] = {}
    own: dict[ObjectRef, Barred] = {}
    harmed = {item.suffers.object for item in weighed.left_out}
    for unit in weighed.plan.units if harmed else ():
        suffering = {item.route.object for item in unit if item.route.object in harmed}
        for item in unit if suffering else ():
            ref = item.route.object
            if ref not in suffering and not served(item.before):
                place = own if ref.namespace in {other.namespace for other in suffering} else foreign
                place[ref] = place.get(ref, frozenset()) | {route_identity(item.route)}
    return foreign, own


def _number_served(weighed: Weighed) -> int:
    return sum(1 for item in weighed.plan.routes if served(item.after))


def _joined(earlier: tuple[LeftOut, ...], later: tuple[LeftOut, ...]) -> tuple[LeftOut, ...]:
    said = {(item.suffers, item.cause) for item in earlier}
    return (*earlier, *(item for item in later if (item.suffers, item.cause) not in said))
