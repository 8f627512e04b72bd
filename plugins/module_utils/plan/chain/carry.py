# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which routes go through the gateway, and how its routing comes to the same backends."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ...core.marks import IGNORE
from ...core.model import Backend, Route
from ...detect.inventory import KnownBackend
from .paths import PathRule, in_order, path_rule


@dataclass(frozen=True)
class HostRules:
    """All that the gateway has to know of one host (empty: any host): its paths, the most specific first."""

    host: str
    rules: tuple[PathRule, ...]


@dataclass(frozen=True)
class Carried:
    """The routes that can be carried over, what the gateway gets for them, and why the others cannot."""

    routes: tuple[Route, ...] = ()
    hosts: tuple[HostRules, ...] = ()
    refusals: Mapping[Route, str] = field(default_factory=dict)


def sent_host(route: Route) -> str:
    """The Host by which the gateway sees a route's requests."""
    return route.upstream.host or route.host


def carry(
    routes: Iterable[Route], backends: Mapping[Route, KnownBackend], *, begins_with: bool, barred: Mapping[Route, str] | None = None,
    standing: Collection[Route] = (),
) -> Carried:
    """Decide route by route; what cannot be told apart behind the load balancer stays where it is.

    ``barred`` says why some must stay. Those that go through the gateway already (``standing``) are not given up for new ones.
    """
    refusals: dict[Route, str] = {}
    groups: dict[str, list[Route]] = {}
    for route in routes:
        refusal = (barred or {}).get(route) or _refusal(route, backends[route], begins_with=begins_with)
        if refusal:
            refusals[route] = refusal
        else:
            groups.setdefault(sent_host(route), []).append(route)
    taken: list[Route] = []
    hosts: list[HostRules] = []
    for host, found in sorted(groups.items()):
        refusals.update(_give_way(found, standing, begins_with=begins_with))
        good = [route for route in found if route not in refusals]
        taken += good
        if good:
            hosts.append(HostRules(host, tuple(_rules(good, begins_with=begins_with))))
    return Carried(tuple(taken), tuple(hosts), refusals)


def _refusal(route: Route, known: KnownBackend, *, begins_with: bool) -> str:
    if route.ignored:
        return f"its object asks to be left alone ({IGNORE})"
    if route.path_type == "Stream":
        return "it is no HTTP route"
    if route.upstream.scheme != "http":
        return f"the load balancer speaks {route.upstream.scheme.upper()} to this backend, so the gateway would get that instead of HTTP"
    if "canary" in route.features or route.canary:
        return "several backends share its requests, and the gateway cannot see how the load balancer chose"
    if "$" in route.upstream.host:
        return f"the load balancer makes the Host out of variables ({route.upstream.host})"
    if path_rule(route.path_type, route.path, begins_with=begins_with) is None and not route.rewrites_path:
        return f"its path ({route.path_type} {route.path}) is written in the load balancer's own way"
    return _backend_refusal(route.backend, known)


def _backend_refusal(backend: Backend, known: KnownBackend) -> str:
    name = f"Service {backend.namespace}/{backend.service}"
    if known.service is None:
        return f"{name} does not exist"
    if known.is_external:
        return f"{name} is of type ExternalName"
    return "" if known.port else f"{name} has no port {backend.port_name or backend.port}"


def _give_way(routes: Sequence[Route], standing: Collection[Route], *, begins_with: bool) -> dict[Route, str]:
    """Contradictions, of which a new route bears the consequence rather than one that stands."""
    found = _contradictions(routes, begins_with=begins_with)
    kept = [route for route in routes if route in standing]
    if not any(route in found for route in kept):
        return found
    found = _contradictions(kept, begins_with=begins_with)
    for route in (item for item in routes if item not in standing):
        with_it = _contradictions([*kept, route], begins_with=begins_with)
        new = {other: why for other, why in with_it.items() if other not in found}
        if new:
            found[route] = new.get(route) or next(iter(new.values()))
        else:
            kept.append(route)
    return found


def _contradictions(routes: Sequence[Route], *, begins_with: bool) -> dict[Route, str]:
    """Routes of one host that the gateway could not tell apart."""
    found: dict[Route, str] = {}
    if len({route.backend for route in routes}) > 1:
        why = "the load balancer rewrites its path, and by the new path the gateway cannot tell this host's backends apart"
        found.update({route: why for route in routes if route.rewrites_path})
    seen: dict[tuple[str, str], Route] = {}
    for route in routes:
        place = path_rule(route.path_type, route.path, begins_with=begins_with) or ("", route.path)
        first = seen.setdefault(place, route)
        if first.backend != route.backend and first not in found and route not in found:
            why = f"{first.object} and {route.object} both claim {route.host}{route.path}, for different backends"
            found.update({first: why, route: why})
    return found


def _rules(routes: Sequence[Route], *, begins_with: bool) -> list[PathRule]:
    backends = list(dict.fromkeys(route.backend for route in routes))
    if any(route.rewrites_path for route in routes):
        # All lead to one backend (see above), whatever the path has become.
        return [PathRule("any", "/", backends[0])]
    rules = []
    for route in routes:
        place = path_rule(route.path_type, route.path, begins_with=begins_with)
        if place is not None:
            rules.append(PathRule(*place, route.backend))
    return in_order(rules)
