# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes that are kept out of a chain: their host is not theirs to claim at the gateway, or they would be worse off behind it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from ...core.findings import finding, request_details, route_details
from ...core.marks import IGNORE, ROUTES_IN
from ...core.model import Finding, Route
from ...detect.claims import HostClaims
from ...istio.names import plain_host
from ...kube.kinds import VIRTUAL_SERVICE
from ...kube.objects import Obj, annotations_of, kind_key_of, ref_of
from ..trial import becoming_worse, worse
from .carry import hosts_in, sent_host
from .options import ChainPlanOptions
from .plan import ChainPlan

Plan = Callable[[ChainPlanOptions], ChainPlan]


def claimed(claims: HostClaims, routes: Iterable[Route], chained: Collection[str]) -> dict[Route, Finding]:
    """The routes for whose host the gateway must get no routing. ``chained`` are hosts that it has already, which stay."""
    found = {}
    for route in routes:
        host = sent_host(route)
        if not host or "$" in host or host in chained or _is_own_service(route, host):
            continue
        # Who has the load balancer send another Host than its own claims none by that, and the gateway sees only what is sent to it.
        taken = claims.of_the_mesh(host) if route.upstream.host else claims.taken(route)
        if taken is not None:
            message = f"{taken.why}; {route.object} stays where it is"
            found[route] = finding("MLB222", message, route.object, cause=taken.owner, details=route_details(route))
    return found


def _is_own_service(route: Route, host: str) -> bool:
    """Whether a load balancer that rewrites the Host sends the name of the route's own backend."""
    return plain_host(host).split(".")[:2] == [route.backend.service, route.backend.namespace]


def without_harm(
    plan: Plan, options: ChainPlanOptions, routes: Iterable[Route], barred: Mapping[Route, Finding], may_get_worse: Callable[[Route], bool]
) -> ChainPlan:
    """The plan without routes that would be worse off behind the gateway, or whose place there is taken, and with those that need it.

    Each round bars at least one more, so there is an end.
    """
    known, kept_out, kept_in = list(routes), dict(barred), dict[Route, Finding]()
    while True:
        found = plan(options.barring(kept_out, kept_in))
        out = {**_harmed(found, known, may_get_worse), **_displaced(found, known, options.taken), **_diverted(found, known)}
        stay = _needing(found, may_get_worse)
        if out.keys() <= kept_out.keys() and not stay:
            return found
        kept_out.update(out)
        kept_in.update(stay)


def _needing(plan: ChainPlan, may_get_worse: Callable[[Route], bool]) -> dict[Route, Finding]:
    """Routes that nobody names any more, and that go through the gateway on: they would be worse off without, or ask to be left alone."""
    found = {}
    for route, (behind, direct) in plan.leaving.items():
        where = f"{route.host or '*'}{route.path}"
        if route.ignored:
            message = f"{where}: hosts names it no longer, and its object asks to be left alone ({IGNORE}): it stays behind the gateway"
            found[route] = finding("MLB213", message, route.object, details=route_details(route))
        elif worse(behind, direct) and not may_get_worse(route):
            message = (
                f"left out: taking {route.object} back, which hosts names no longer. Without the gateway, {where} would go "
                f"{becoming_worse(behind, direct)}"
            )
            details = request_details(route, suffers=route.object, before=behind.verdict, after=direct.verdict)
            found[route] = finding("MLB223", message, route.object, remedy=_TAKE_BACK, details=details)
    return found


_TAKE_BACK = "To take it back all the same, run with state: absent and its host in hosts, or name it in allow_regressions."


def _diverted(plan: ChainPlan, routes: Iterable[Route]) -> dict[Route, Finding]:
    """Routes of Hosts that somebody's object keeps from the gateway, where there are others that are led there all the same."""
    led = {item.sent for item in plan.routes if item.chained and item.object is not None}
    if not led - plan.diverted.keys():
        return {}
    return {route: plan.diverted[host] for route in routes if (host := sent_host(route)) in plan.diverted}


def _displaced(plan: ChainPlan, routes: Iterable[Route], taken: Callable[[Obj], str]) -> dict[Route, Finding]:
    """Routes for which the gateway's routing cannot be made, as somebody else's object has its name."""
    found = {}
    for body in plan.mesh:
        why = taken(body)
        if not why:
            continue
        hosts, home = hosts_in(body), annotations_of(body).get(ROUTES_IN, "")
        for route in routes:
            if sent_host(route) in hosts and (kind_key_of(body) == VIRTUAL_SERVICE or route.backend.namespace == home):
                message = f"{why}; {route.object} stays where it is"
                found[route] = finding("MLB402", message, route.object, cause=ref_of(body), details=route_details(route))
    return found


def _harmed(plan: ChainPlan, routes: Iterable[Route], may_get_worse: Callable[[Route], bool]) -> dict[Route, Finding]:
    by_place = {(item.object, item.host, item.path, item.path_type, item.backend): item for item in plan.routes if item.chained}
    found = {}
    for route in routes:
        item = by_place.get((route.object, route.host, route.path, route.path_type, route.backend))
        if item is None or not worse(item.before, item.after) or may_get_worse(route):
            continue
        message = (
            f"left out: {route.object} stays where it is. Behind the gateway, {route.host or '*'}{route.path} would go "
            f"{becoming_worse(item.before, item.after)}"
        )
        details = request_details(route, suffers=route.object, before=item.before.verdict, after=item.after.verdict)
        found[route] = finding("MLB223", message, route.object, details=details)
    return found
