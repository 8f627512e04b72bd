# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traefik's own kinds: IngressRoute, IngressRouteTCP, and the TraefikServices that they go through.

Source: traefik/traefik pkg/provider/kubernetes/crd/kubernetes_{http,tcp}.go. A route's services take their settings from the
entry that names the Service, so each entry is a place of its own; what several services share is one upstream per Service port
only where they stand in a list (weights, mirrors), under one name for the whole provider.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count

from ...core.findings import finding
from ...core.guard import NotUnderstood
from ...core.model import Finding, LoadBalancer, ObjectRef
from ...kube.objects import Obj, dig, name_of, namespace_of, ref_of
from ...kube.services import find_port, is_external_name
from ...kube.snapshot import Snapshot
from ..contract.routes import RouteReading
from ..kit.declared import DeclaredRoute, ServiceReference
from ..kit.objects import bounded, declared_reading, objects_of, served_object, within_guard
from ..kit.own_requests import OwnRequests
from ..kit.patches import is_older
from ..kit.settings import settings_of
from .backends import MIDDLEWARE, NamedObjects, Reached, asked_by, declared, groups_of, host_and_path, named_objects, older
from .rules import REGEXP, Matched, RuleError, at_most_so_many, matched
from .settings import Settings

GROUP = "traefik.io"
ROUTE, ROUTE_TCP, ROUTE_UDP, SERVICE = (
    f"{kind}.{GROUP}" for kind in ("IngressRoute", "IngressRouteTCP", "IngressRouteUDP", "TraefikService")
)
OWN_ROUTES = (ROUTE, ROUTE_TCP, ROUTE_UDP)
OLD_ROUTES = tuple(map(older, OWN_ROUTES))
KINDS = (*OWN_ROUTES, *OLD_ROUTES, *(key for kind in (SERVICE, MIDDLEWARE) for key in (kind, older(kind))))

Path = tuple["str | int", ...]
_DEPTH, _MOST_STEPS = 5, 1000


@dataclass(frozen=True)
class Leaf:
    """One entry that names a Service: where it stands, and how a router comes to it."""

    owner: Obj
    path: Path
    entry: Obj
    namespace: str
    listed: bool = False
    first: bool = True
    mirror: bool = False

    @property
    def service(self) -> str:
        return str(self.entry.get("name", ""))

    @property
    def backend(self) -> ServiceReference:
        port = self.entry.get("port", 0)
        return ServiceReference(self.namespace, self.service, int(port) if str(port).isdigit() else str(port))


def read_own_kinds(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """All routes of an instance's own kinds."""
    settings, named = settings_of(load_balancer, Settings), named_objects(snapshot, load_balancer.version)
    own = OwnRequests(snapshot, load_balancer)

    def read(obj: Obj) -> Iterator[DeclaredRoute | Finding]:
        for number, rule in enumerate(dig(obj, "spec", "routes", default=[]) if settings.crd.serves(obj) else []):
            yield from _of_rule(settings, own, named, RouterRule(obj, number, rule))

    return declared_reading(partial(served_object, snapshot, load_balancer), (
        (obj, part) for kind in (ROUTE, ROUTE_TCP) for key in groups_of(load_balancer.version, kind)
        for obj in objects_of(snapshot, key, only)
        for part in within_guard(obj, partial(read, obj))
    ))


@dataclass(frozen=True)
class RouterRule:
    """One entry of ``spec.routes``."""

    obj: Obj
    number: int
    rule: Obj

    def dropped(self, why: str) -> Finding:
        return finding("MLB220", f"route {self.number + 1}{why}", ref_of(self.obj))


def _of_rule(settings: Settings, own: OwnRequests, named: NamedObjects, rule: RouterRule) -> Iterator[DeclaredRoute | Finding]:
    version = own.load_balancer.version
    try:
        alternatives = matched(str(rule.rule.get("match", "")), rule_syntax(settings, version, rule.rule))
        below = _below_parents(settings, version, named, rule.obj, alternatives)
    except RuleError as error:
        yield rule.dropped(f": {error}")
        return
    barred = _barred(settings, rule)
    if barred:
        yield rule.dropped(f" {barred}, and allowCrossNamespace is not set")
        return
    parts = list(leaves(named, rule.obj, rule.number, rule.rule))
    yield from (part for part in parts if isinstance(part, Finding))
    services = [part for part in parts if isinstance(part, Leaf)]
    foreign = next((leaf for leaf in services if leaf.namespace != namespace_of(leaf.owner) and not settings.cross_namespace), None)
    if foreign is not None:
        yield rule.dropped(f" leads to {foreign.namespace}/{foreign.service}, and allowCrossNamespace is not set")
        return
    # For HTTP one service that cannot be made ends the rule: what is missing is told by its own route.
    missing = [leaf for leaf in services if _is_missing(named, leaf)] if rule.obj["kind"] == ROUTE.partition(".")[0] else []
    middlewares = list(bounded(named.middlewares(rule.rule.get("middlewares") or [], namespace_of(rule.obj)), "middlewares"))
    yield from (part for match in below[:1] for part in asked_by(own, rule.obj, middlewares, match.host, settings.crd.native))
    for match in below:
        for leaf in missing or services:
            native = bool(settings.crd.native if leaf.entry.get("nativeLB") is None else leaf.entry["nativeLB"])
            reached = _reached_by_tcp(rule, leaf, match, native) if rule.obj["kind"] == "IngressRouteTCP" else _reached(
                named, rule, leaf, match, native
            )
            yield from declared(version, rule.obj, reached, named.service(leaf.namespace, leaf.service))


def rule_syntax(settings: Settings, version: str, rule: Obj) -> int:
    """The version of the language that a rule is in; 0 where the load balancer's is not known."""
    told = str(rule.get("syntax") or settings.syntax).lower()
    if not version[:1].isdigit():
        return 0
    return 2 if is_older(version, 3, 0) or told == "v2" else 3


def _barred(settings: Settings, rule: RouterRule) -> str:
    """What of another namespace a rule needs and may not use, as a clause; empty where there is nothing."""
    if settings.cross_namespace:
        return ""
    home = namespace_of(rule.obj)
    named = [("middleware", item) for item in rule.rule.get("middlewares") or []]
    named += [("middleware", item) for entry in rule.rule.get("services") or [] for item in entry.get("middlewares") or []]
    named += [("TLSOption", item) for item in filter(None, [dig(rule.obj, "spec", "tls", "options")])]
    named += [("serversTransport", {"name": entry.get("serversTransport")}) for entry in rule.rule.get("services") or []]
    for what, item in named:
        name, namespace = str(item.get("name") or ""), str(item.get("namespace") or home)
        if namespace != home or name.endswith("@kubernetescrd"):
            return f"uses {what} {name}" + (f" of namespace {namespace}" if namespace != home else "")
    return ""


def _is_missing(named: NamedObjects, leaf: Leaf) -> bool:
    service = named.service(leaf.namespace, leaf.service)
    return not is_external_name(service) and find_port(service, leaf.backend.port) is None


def leaves(named: NamedObjects, obj: Obj, number: int, rule: Obj) -> Iterator[Leaf | Finding]:
    """Every Service that a route comes to, with the place where it is named; and what of that cannot be followed."""
    services, steps = list(rule.get("services") or []), count()
    for position, entry in enumerate(services):
        path: Path = ("spec", "routes", number, "services", position)
        yield from _resolved(named, Leaf(obj, path, entry, _home(entry, obj), len(services) > 1, position == 0), steps)


def _resolved(named: NamedObjects, leaf: Leaf, steps: Iterator[int], depth: int = 0) -> Iterator[Leaf | Finding]:
    if next(steps, _MOST_STEPS) >= _MOST_STEPS:
        raise NotUnderstood(f"services that lead to more than {_MOST_STEPS} others are not followed")
    if leaf.entry.get("kind", "Service") != "TraefikService":
        yield leaf
        return
    name, dummy, provider = leaf.service.partition("@")
    if provider and provider != "kubernetescrd":
        if provider != "internal":
            yield finding("MLB208", f"it sends to {leaf.service}, which is in no object of the cluster", ref_of(leaf.owner))
        return
    service = next(iter(named.provided(SERVICE, name)), None) if provider else named.get(SERVICE, leaf.namespace, name)
    if service is None or depth > _DEPTH:
        yield finding("MLB220", f"TraefikService {leaf.namespace}/{name} does not exist", ref_of(leaf.owner))
        return
    for inner in _inside(service, leaf):
        yield from _resolved(named, inner, steps, depth + 1)


def _inside(service: Obj, outer: Leaf) -> Iterator[Leaf]:
    spec = service.get("spec") or {}
    for kind in ("weighted", "highestRandomWeight"):
        listed = list(dig(spec, kind, "services", default=[]))
        for position, entry in enumerate(listed):
            yield _leaf(service, ("spec", kind, "services", position), entry, outer, first=position == 0)
    if spec.get("mirroring"):
        yield _leaf(service, ("spec", "mirroring"), spec["mirroring"], outer)
        for position, entry in enumerate(dig(spec, "mirroring", "mirrors", default=[])):
            yield _leaf(service, ("spec", "mirroring", "mirrors", position), entry, outer, first=False, mirror=True)
    for kind in ("service", "fallback"):
        if dig(spec, "failover", kind):
            yield _leaf(service, ("spec", "failover", kind), spec["failover"][kind], outer, first=kind == "service")


def _leaf(owner: Obj, path: Path, entry: Obj, outer: Leaf, *, first: bool = True, mirror: bool = False) -> Leaf:
    return Leaf(owner, path, entry, _home(entry, owner), True, first and outer.first, mirror or outer.mirror)


def _home(entry: Obj, owner: Obj) -> str:
    return str(entry.get("namespace") or namespace_of(owner))


def _below_parents(
    settings: Settings, version: str, named: NamedObjects, obj: Obj, alternatives: tuple[Matched, ...]
) -> tuple[Matched, ...]:
    """Alternatives with what the routers above it ask for (parentRefs, since 3.6). Raises :class:`RuleError` where one is missing."""
    above: list[Matched] = []
    references = dig(obj, "spec", "parentRefs", default=[])
    for ref in references:
        namespace, name = str(ref.get("namespace") or namespace_of(obj)), str(ref.get("name"))
        if namespace != namespace_of(obj) and not settings.cross_namespace:
            raise RuleError(f"its parent {namespace}/{name} is in another namespace, and allowCrossNamespace is not set")
        parent = named.get(ROUTE, namespace, name)
        if parent is None:
            raise RuleError(f"its parent {namespace}/{name} does not exist")
        for rule in dig(parent, "spec", "routes", default=[]):
            try:
                above += matched(str(rule.get("match", "")), rule_syntax(settings, version, rule))
            except RuleError:
                continue
    if references and not above:
        raise RuleError("none of its parents has a rule that is served")
    return tuple(at_most_so_many(one.both(item) for one in above for item in alternatives)) or alternatives


def _reached(named: NamedObjects, rule: RouterRule, leaf: Leaf, match: Matched, native: bool) -> Reached:
    entry = leaf.entry
    sent_host, changes_path = host_and_path([
        *named.middlewares(rule.rule.get("middlewares") or [], namespace_of(rule.obj)),
        *named.middlewares(entry.get("middlewares") or [], leaf.namespace),
    ])
    group = f"crd-{rule.obj['kind']}-{namespace_of(rule.obj)}-{name_of(rule.obj)}-{rule.number}"
    return Reached(
        leaf.backend, f"crd-{leaf.namespace}-{leaf.service}-{leaf.backend.port}" if leaf.listed else group,
        match.host, match.path or "/", "Exact" if match.path_type == "Exact" else "ImplementationSpecific",
        native=native, nodes=bool(entry.get("nodePortLB")) and not entry.get("nativeLB"),
        passes_host=entry.get("passHostHeader") is not False, scheme=str(entry.get("scheme") or ""), sent_host=sent_host,
        features=(
            *(["affinity"] if entry.get("sticky") else []),
            *(["balancing"] if entry.get("strategy") not in (None, "", "wrr", "RoundRobin") else []),
            *(["weights"] if leaf.listed else []),
        ),
        canary=leaf.mirror or not leaf.first, rewrites_path=changes_path or match.path_type == REGEXP,
    )


def _reached_by_tcp(rule: RouterRule, leaf: Leaf, match: Matched, native: bool) -> Reached:
    points = ",".join(map(str, dig(rule.obj, "spec", "entryPoints", default=[]))) or "*"
    speaks_tls = bool(dig(rule.obj, "spec", "tls", "passthrough", default=False)) or bool(leaf.entry.get("tls"))
    return Reached(
        leaf.backend, f"crd-{ref_of(rule.obj)}-{rule.number}-{leaf.service}-{leaf.backend.port}", match.host, f"tcp:{points}", "Stream",
        native=native, nodes=bool(leaf.entry.get("nodePortLB")), raw="tls" if speaks_tls else "tcp",
        features=("weights",) if leaf.listed else (), canary=not leaf.first,
    )
