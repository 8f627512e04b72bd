# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which routes go through the gateway, and how its routing comes to the same backends."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ...core.marks import IGNORE
from ...core.model import Backend, ObjectRef, Route
from ...detect.inventory import KnownBackend
from ...kube.objects import Identity, Obj, dig, identity_of
from .paths import PathRule, in_order, path_rule


@dataclass(frozen=True)
class HostRules:
    """All that the gateway has to know of one host (empty: any host): its paths, the most specific first."""

    host: str
    rules: tuple[PathRule, ...]


Born = Callable[[ObjectRef], str]
_HOSTS = {"VirtualService": "hosts", "HTTPRoute": "hostnames"}


@dataclass(frozen=True)
class Carried:
    """The routes that can be carried over, what the gateway gets for them, and why the others cannot."""

    routes: tuple[Route, ...] = ()
    hosts: tuple[HostRules, ...] = ()
    refusals: Mapping[Route, str] = field(default_factory=dict)


def sent_host(route: Route) -> str:
    """The Host by which the gateway sees a route's requests."""
    return route.upstream.host or route.host


def hosts_in(body: Obj) -> set[str]:
    """The Hosts for which a chain's object routes, the empty one for any; nothing for an object that routes none."""
    field = _HOSTS.get(str(body.get("kind")))
    names = dig(body, "spec", field, default=[]) or [""] if field else []
    return {"" if item == "*" else str(item) for item in names}


def led_hosts(routes: Iterable[Route]) -> dict[Identity, set[str]]:
    """The Hosts by which the gateway would see the requests of each object."""
    found: dict[Identity, set[str]] = {}
    for route in routes:
        found.setdefault(identity_of(route.object), set()).add(sent_host(route))
    return found


def carry(
    routes: Iterable[Route], backends: Mapping[Route, KnownBackend], *, begins_with: bool, barred: Mapping[Route, str] | None = None,
    standing: Collection[Route] = (), vouched: Collection[Route] = (), born: Born = lambda ref: "",
) -> Carried:
    """Decide route by route; what cannot be told apart behind the load balancer stays where it is.

    ``barred`` says why some must stay. Those that go through the gateway already (``standing``) do so on where their object asks to be left
    alone. Where the gateway's side says so too (``vouched``), they are not given up for new ones, nor those of one namespace for those of
    another that came later (``born``: when an object was created, as a text that can be ordered).
    """
    refusals: dict[Route, str] = {}
    groups: dict[str, list[Route]] = {}
    asked = list(routes)
    stays = {*standing, *_beside_others_canaries(asked)}
    for route in asked:
        refusal = (barred or {}).get(route) or _refusal(route, backends[route], route in standing, begins_with=begins_with)
        if not refusal and (route.canary or ("canary" in route.features and route not in stays)):
            refusal = "several backends share its requests, and the gateway cannot see how the load balancer chose"
        if refusal:
            refusals[route] = refusal
        else:
            groups.setdefault(sent_host(route), []).append(route)
    taken: list[Route] = []
    hosts: list[HostRules] = []
    for host, found in sorted(groups.items()):
        refusals.update(_give_way(found, vouched, born, begins_with=begins_with))
        good = [route for route in found if route not in refusals]
        taken += good
        if good:
            hosts.append(HostRules(host, tuple(_rules(good, begins_with=begins_with))))
    return Carried(tuple(taken), tuple(hosts), refusals)


def _beside_others_canaries(routes: Sequence[Route]) -> Iterator[Route]:
    """Routes of which others' objects alone take a share: these stay where they are, and the gateway sees no request that went to them."""
    owners: dict[tuple[str, str], set[str]] = {}
    for route in routes:
        if route.canary:
            owners.setdefault((route.host, route.path), set()).add(route.object.namespace)
    for route in routes:
        found = owners.get((route.host, route.path), set())
        if found and route.object.namespace not in found:
            yield route


def _refusal(route: Route, known: KnownBackend, standing: bool, *, begins_with: bool) -> str:
    if route.ignored and not standing:
        return f"its object asks to be left alone ({IGNORE})"
    if route.path_type == "Stream":
        return "it is no HTTP route"
    if known.is_gateway:
        return "it leads to an Istio gateway already"
    if route.upstream.scheme != "http":
        return f"the load balancer speaks {route.upstream.scheme.upper()} to this backend, so the gateway would get that instead of HTTP"
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


def _give_way(routes: Sequence[Route], vouched: Collection[Route], born: Born, *, begins_with: bool) -> dict[Route, str]:
    """Contradictions, of which whoever comes later bears the consequence: a new route, then a route of somebody who came later.

    What contradicts itself within one namespace (or among those of one age) is refused as a whole.
    """
    found = _contradictions(routes, begins_with=begins_with)
    groups = _in_turn(routes, vouched, born) if found else []
    if len(groups) < 2:
        return found
    kept, found = _Kept(begins_with), {}
    for group in groups:
        late = {route: why for route in group if (why := kept.why_not(route))}
        rest = [route for route in group if route not in late]
        found.update({**late, **_contradictions(rest, begins_with=begins_with)})
        for route in rest:
            if route not in found:
                kept.add(route)
    return found


def _in_turn(routes: Sequence[Route], vouched: Collection[Route], born: Born) -> list[list[Route]]:
    """Routes that stand, then the others, by the age of the oldest object in their namespace: there is no telling within a namespace."""
    oldest: dict[str, str] = {}
    for route in routes:
        namespace = route.object.namespace
        oldest[namespace] = min(oldest.get(namespace, "~"), born(route.object))
    groups: dict[tuple[bool, str], list[Route]] = {}
    for route in routes:
        groups.setdefault((route not in vouched, oldest[route.object.namespace]), []).append(route)
    return [groups[key] for key in sorted(groups)]


class _Kept:
    """Routes of one host that are led to the gateway, and what a further one would contradict."""

    def __init__(self, begins_with: bool) -> None:
        self._begins_with = begins_with
        self._places: dict[tuple[str, str], Route] = {}
        self._backends: set[Backend] = set()
        self._rewritten = False

    def add(self, route: Route) -> None:
        self._places.setdefault(_place(route, self._begins_with), route)
        self._backends.add(route.backend)
        self._rewritten = self._rewritten or route.rewrites_path

    def why_not(self, route: Route) -> str:
        """Why a route cannot be led besides these, empty where it can."""
        if (self._rewritten or route.rewrites_path) and self._backends - {route.backend}:
            return _NOT_APART
        first = self._places.get(_place(route, self._begins_with))
        return _both_claim(first, route) if first is not None and first.backend != route.backend else ""


_NOT_APART = "the load balancer rewrites its path, and by the new path the gateway cannot tell this host's backends apart"


def _both_claim(first: Route, route: Route) -> str:
    return f"{first.object} and {route.object} both claim {route.host}{route.path}, for different backends"


def _place(route: Route, begins_with: bool) -> tuple[str, str]:
    return path_rule(route.path_type, route.path, begins_with=begins_with) or ("", route.path)


def _contradictions(routes: Sequence[Route], *, begins_with: bool) -> dict[Route, str]:
    """Routes of one host that the gateway could not tell apart."""
    found: dict[Route, str] = {}
    if len({route.backend for route in routes}) > 1:
        found.update({route: _NOT_APART for route in routes if route.rewrites_path})
    seen: dict[tuple[str, str], Route] = {}
    for route in routes:
        first = seen.setdefault(_place(route, begins_with), route)
        if first.backend != route.backend and first not in found and route not in found:
            found.update(dict.fromkeys((first, route), _both_claim(first, route)))
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
