# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other people's routing at the same gateway: it may take requests that a chain leads there, or lose those that it has.

Istio puts VirtualServices of one host and gateway together, the older one's rules first; an exact host goes before a wildcard. HTTPRoutes
of one Gateway are ordered by how narrow they match, then by age.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from ...core.findings import finding, route_details
from ...core.marks import CHAINED_GATEWAY, MANAGED_BY, PART
from ...core.model import Backend, Finding, Route
from ...istio.mesh import cluster_domain
from ...istio.visibility import host_matches, short_name
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, created_at, dig, labels_of, namespace_of, ref_of
from ...kube.snapshot import Snapshot
from .carry import HostRules, sent_host
from .options import GatewayOptions

LATE = created_at({})
"""When something is made that is not there yet."""
_TYPES = {"Exact": "exact", "PathPrefix": "prefix", "RegularExpression": "regex"}


@dataclass(frozen=True)
class NeighbourRule:
    """One rule of somebody's routing. ``paths`` are (kind, value, whether nothing else has to match).

    ``backends`` are names without the cluster's domain.
    """

    paths: tuple[tuple[str, str, bool], ...]
    backends: frozenset[str]


@dataclass(frozen=True)
class Neighbour:
    """Somebody's routing at the gateway. ``hosts`` are patterns, ``*`` for any."""

    obj: Obj
    hosts: tuple[str, ...]
    rules: tuple[NeighbourRule, ...]
    narrow_first: bool = False

    @property
    def born(self) -> str:
        return created_at(self.obj)


def neighbours(base: Snapshot, gateway: GatewayOptions) -> tuple[Neighbour, ...]:
    """All routing at a gateway that this collection did not make, the oldest first."""
    found = _of_istio(base, gateway) if gateway.api == "istio" else _of_gateway_api(base, gateway)
    return tuple(sorted((item for item in found if not _is_ours(item.obj)), key=lambda item: (item.born, str(ref_of(item.obj)))))


def _is_ours(obj: Obj) -> bool:
    return labels_of(obj).get(MANAGED_BY[0]) == MANAGED_BY[1] and annotations_of(obj).get(PART) == CHAINED_GATEWAY


def _of_istio(base: Snapshot, gateway: GatewayOptions) -> Iterator[Neighbour]:
    domain = cluster_domain(base)
    for obj in base.all(kinds.VIRTUAL_SERVICE):
        names = {str(item) if "/" in str(item) else f"{namespace_of(obj)}/{item}" for item in dig(obj, "spec", "gateways", default=[])}
        own = f"{gateway.namespace}/{gateway.name}"
        if own in names:
            hosts = tuple(str(item).lower() for item in dig(obj, "spec", "hosts", default=[]))
            yield Neighbour(obj, hosts, tuple(_rule(rule, namespace_of(obj), domain) for rule in dig(obj, "spec", "http", default=[])))


def _rule(rule: Obj, home: str, domain: str) -> NeighbourRule:
    paths = []
    for match in rule.get("match") or [{}]:
        alone = not set(match) - {"uri", "name", "gateways", "ignoreUriCase", "statPrefix"}
        uri = match.get("uri") or {}
        kind = next((word for word in _TYPES.values() if word in uri), "prefix")
        paths.append((kind, str(uri.get(kind, "")), alone))
    targets = [str(dig(item, "destination", "host", default="")) for item in rule.get("route") or []]
    return NeighbourRule(tuple(paths), frozenset(short_name(item, home, domain).removesuffix(f".svc.{domain}") for item in targets))


def _of_gateway_api(base: Snapshot, gateway: GatewayOptions) -> Iterator[Neighbour]:
    for obj in base.all(kinds.HTTP_ROUTE):
        for parent in dig(obj, "spec", "parentRefs", default=[]):
            key = (str(parent.get("namespace") or namespace_of(obj)), str(parent.get("name")))
            if parent.get("kind", "Gateway") == "Gateway" and key == (gateway.namespace, gateway.name):
                hosts = tuple(str(item).lower() for item in dig(obj, "spec", "hostnames", default=[])) or ("*",)
                rules = tuple(_http_rule(rule, namespace_of(obj)) for rule in dig(obj, "spec", "rules", default=[]))
                yield Neighbour(obj, hosts, rules, narrow_first=True)
                break


def _http_rule(rule: Obj, home: str) -> NeighbourRule:
    paths = []
    for match in rule.get("matches") or [{}]:
        path = match.get("path") or {}
        kind = _TYPES.get(str(path.get("type") or "PathPrefix"), "regex")
        paths.append((kind, str(path.get("value") or "/"), not set(match) - {"path"}))
    targets = [(str(item.get("namespace") or home), str(item.get("name"))) for item in rule.get("backendRefs") or []]
    return NeighbourRule(tuple(paths), frozenset(f"{name}.{namespace}" for namespace, name in targets))


def takes(neighbour: Neighbour, path: str, path_type: str, backend: Backend) -> str:
    """What a neighbour that comes first takes of the requests for a path: ``all``, ``some`` or nothing (empty).

    What it leads to the same Service is nothing.
    """
    own, found = frozenset({f"{backend.service}.{backend.namespace}"}), ""
    for rule in neighbour.rules:
        parts = [_covers(item, path, path_type, narrow_first=neighbour.narrow_first) for item in rule.paths]
        part = "all" if "all" in parts else "some" if "some" in parts else ""
        if part and rule.backends != own:
            found = found or part
        if part == "all":
            return found
    return found


def _covers(match: tuple[str, str, bool], path: str, path_type: str, *, narrow_first: bool) -> str:
    kind, value, alone = match
    wanted = path if path.startswith("/") else "/"
    if kind == "regex":
        return "some"
    if kind == "exact":
        part = "all" if path_type.lower() == "exact" and value == wanted else "some" if value.startswith(wanted) else ""
    else:
        part = "all" if wanted.startswith(value) else "some" if value.startswith(wanted) else ""
        if narrow_first and part == "all" and value.rstrip("/") != wanted.rstrip("/"):
            # A wider path comes after a narrower one, whoever is older.
            return ""
    return part if alone or not part else "some"


def _is_pattern(host: str) -> bool:
    return host.startswith("*")


def first_served(
    base: Snapshot, gateway: GatewayOptions, routes: Iterable[Route], born: Callable[[str], str]
) -> dict[Route, Finding]:
    """The routes whose requests somebody else's routing at the gateway would take first.

    ``born``: when this collection's routing for a host was made, as a text that can be ordered; late for what is still to be made.
    """
    around, found = neighbours(base, gateway), {}
    for route in routes:
        host = sent_host(route).lower() or "*"
        other = _first(around, host, born(host), route.path, route.path_type, route.backend)
        if other is not None:
            message = f"{_answers(other, host, route.path)}; {route.object} stays where it is"
            found[route] = finding("MLB622", message, route.object, cause=ref_of(other.obj), details=route_details(route))
    return found


def first_at(base: Snapshot, gateway: GatewayOptions, hosts: Iterable[HostRules], born: Callable[[str], str]) -> Iterator[Finding]:
    """The same for hosts and paths that were asked for by name."""
    around = neighbours(base, gateway)
    for item in hosts:
        host = item.host.lower() or "*"
        for rule in item.rules:
            other = _first(around, host, born(host), rule.path, rule.kind, rule.backend)
            if other is not None:
                yield finding("MLB622", _answers(other, host, rule.path), ref_of(other.obj), details={"host": host, "path": rule.path})


def _first(
    around: Iterable[Neighbour], host: str, born: str, path: str, path_type: str, backend: Backend
) -> Neighbour | None:
    older = (other for other in around if host in other.hosts and other.born <= born)
    return next((other for other in older if takes(other, path, path_type, backend) == "all"), None)


def _answers(other: Neighbour, host: str, path: str) -> str:
    return f"{ref_of(other.obj)} answers for {host}{path} at the gateway and is older, so its rules come first, and lead elsewhere"


def about_neighbours(base: Snapshot, gateway: GatewayOptions, hosts: Iterable[HostRules], made: Collection[str]) -> Iterator[Finding]:
    """What a chain and others' routing at the gateway take from each other; ``made`` are hosts that are led there already."""
    around = neighbours(base, gateway)
    for item in hosts:
        host = item.host.lower() or "*"
        for other in around:
            about = ref_of(other.obj)
            parts = {takes(other, rule.path, rule.kind, rule.backend) for rule in item.rules} - {""}
            if host in other.hosts and parts:
                yield finding("MLB623", f"{about} answers for {host} at the gateway too: some requests of these routes go by it", about)
            elif host not in made and any(_is_pattern(known) and known != host and host_matches(known, host) for known in other.hosts):
                yield finding("MLB623", f"{about} answers for {host} at the gateway by a wildcard; from now on the chain does", about)
            elif _is_pattern(host):
                inside = [known for known in other.hosts if known != host and host_matches(host, known)]
                if inside:
                    yield finding("MLB623", f"{about} answers for {inside[0]} at the gateway: requests for it are not the chain's", about)
