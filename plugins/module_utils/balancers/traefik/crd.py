# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traefik's own kinds: IngressRoute, IngressRouteTCP, and the TraefikServices that they lead through.

Source: traefik/traefik pkg/provider/kubernetes/crd/kubernetes_{http,tcp}.go. A route's services take their settings from the
entry that names the Service, so each entry is a place of its own; what several services share is one upstream per Service port
only where they stand in a list (weights, mirrors), under one name for the whole provider.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...core.model import LoadBalancer, ObjectRef
from ...kube.objects import Obj, annotations_of, dig, kind_key, labels_of, name_of, namespace_of, ref_of
from ...kube.selectors import vendor_selector
from ...kube.snapshot import Snapshot
from ..kit.ingresses import CLASS_ANNOTATION
from .backends import MIDDLEWARE, Reached, Routers, Taken, host_and_path, with_chained
from .rules import REGEXP, Matched, RuleError, matched
from .static import CRD, is_on, is_true

GROUP = "traefik.io"
ROUTE, ROUTE_TCP, ROUTE_UDP, SERVICE = (
    f"{kind}.{GROUP}" for kind in ("IngressRoute", "IngressRouteTCP", "IngressRouteUDP", "TraefikService")
)
KINDS = (ROUTE, ROUTE_TCP, ROUTE_UDP, SERVICE, MIDDLEWARE)

Path = tuple["str | int", ...]
_DEPTH = 5


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
    def reference(self) -> int | str:
        port = self.entry.get("port", 0)
        return int(port) if str(port).isdigit() else str(port)


def option(load_balancer: LoadBalancer, name: str) -> str:
    return str(load_balancer.setting(f"{CRD}.{name}", ""))


def is_served(load_balancer: LoadBalancer, obj: Obj) -> bool:
    """Whether an instance serves an object of its own kinds: by class, where it was told one."""
    watched = [item for item in option(load_balancer, "namespaces").split(",") if item]
    if watched and namespace_of(obj) not in watched:
        return False
    if not vendor_selector(option(load_balancer, "labelselector")).matches(labels_of(obj)):
        return False
    wanted = option(load_balancer, "ingressclass")
    found = str(dig(obj, "spec", "ingressClassName", default="")) or annotations_of(obj).get(CLASS_ANNOTATION, "")
    return found == wanted or (not wanted and found == "traefik")


def objects(snapshot: Snapshot, load_balancer: LoadBalancer, kind: str, only: frozenset[ObjectRef] | None) -> list[Obj]:
    """Objects of one of its kinds that an instance serves."""
    if not is_on(dict(load_balancer.settings), CRD):
        return []
    if only is None:
        found: Iterable[Obj | None] = snapshot.all(kind)
    else:
        named = sorted(ref for ref in only if kind_key(ref.api_version, ref.kind) == kind)
        found = [snapshot.get(kind, ref.namespace, ref.name) for ref in named]
    return [item for item in found if item is not None and is_served(load_balancer, item)]


class Reading:
    """All routes of an instance's own kinds."""

    def __init__(self, routers: Routers) -> None:
        self.routers = routers
        self.snapshot, self.load_balancer = routers.snapshot, routers.load_balancer

    def read(self, only: frozenset[ObjectRef] | None) -> None:
        for kind in (ROUTE, ROUTE_TCP):
            for obj in objects(self.snapshot, self.load_balancer, kind, only):
                for number, rule in enumerate(dig(obj, "spec", "routes", default=[])):
                    self._read_rule(obj, number, rule, tcp=kind == ROUTE_TCP)

    def _read_rule(self, obj: Obj, number: int, rule: Obj, *, tcp: bool) -> None:
        try:
            alternatives = matched(str(rule.get("match", "")))
        except RuleError as error:
            self.routers.dropped(obj, f"route {number + 1}: {error}")
            return
        found = list(self.leaves(obj, number, rule))
        foreign = next((leaf for leaf in found if not self.is_allowed(leaf)), None)
        if foreign is not None:
            self.routers.dropped(
                obj, f"route {number + 1} leads to {foreign.namespace}/{foreign.service}, and allowCrossNamespace is not set"
            )
            return
        for match in self._below_parents(obj, alternatives):
            for leaf in found:
                if tcp:
                    self.routers.add(self._tcp_taken(obj, match), self._tcp_reached(obj, number, leaf))
                else:
                    self.routers.add(_taken(obj, match), self._reached(obj, number, rule, leaf, match))

    def leaves(self, obj: Obj, number: int, rule: Obj) -> Iterator[Leaf]:
        """Every Service that a route comes to, with the place where it is named."""
        services = list(rule.get("services") or [])
        for position, entry in enumerate(services):
            path: Path = ("spec", "routes", number, "services", position)
            yield from self._resolved(Leaf(obj, path, entry, self._home(entry, obj), len(services) > 1, position == 0))

    def _resolved(self, leaf: Leaf, depth: int = 0) -> Iterator[Leaf]:
        if leaf.entry.get("kind", "Service") != "TraefikService":
            yield leaf
            return
        name, dummy, provider = leaf.service.partition("@")
        if provider and provider != "kubernetescrd":
            if provider != "internal":
                self.routers.remark("MLB208", leaf.owner, f"it sends to {leaf.service}, which is in no object of the cluster")
            return
        found = self.snapshot.get(SERVICE, leaf.namespace, name)
        if provider:
            found = next((item for item in self.snapshot.all(SERVICE) if f"{namespace_of(item)}-{name_of(item)}" == name), None)
        if found is None or depth > _DEPTH:
            self.routers.dropped(leaf.owner, f"TraefikService {leaf.namespace}/{name} does not exist")
            return
        for inner in self._inside(found, leaf):
            yield from self._resolved(inner, depth + 1)

    def _inside(self, service: Obj, outer: Leaf) -> Iterator[Leaf]:
        spec = service.get("spec") or {}
        for kind in ("weighted", "highestRandomWeight"):
            listed = list(dig(spec, kind, "services", default=[]))
            for position, entry in enumerate(listed):
                yield self._leaf(service, ("spec", kind, "services", position), entry, outer, first=position == 0)
        if spec.get("mirroring"):
            yield self._leaf(service, ("spec", "mirroring"), spec["mirroring"], outer)
            for position, entry in enumerate(dig(spec, "mirroring", "mirrors", default=[])):
                yield self._leaf(service, ("spec", "mirroring", "mirrors", position), entry, outer, first=False, mirror=True)
        for kind in ("service", "fallback"):
            if dig(spec, "failover", kind):
                yield self._leaf(service, ("spec", "failover", kind), spec["failover"][kind], outer, first=kind == "service")

    def _leaf(self, owner: Obj, path: Path, entry: Obj, outer: Leaf, *, first: bool = True, mirror: bool = False) -> Leaf:
        return Leaf(owner, path, entry, self._home(entry, owner), True, first and outer.first, mirror or outer.mirror)

    def _home(self, entry: Obj, owner: Obj) -> str:
        return str(entry.get("namespace") or namespace_of(owner))

    def is_allowed(self, leaf: Leaf) -> bool:
        return leaf.namespace == namespace_of(leaf.owner) or is_true(option(self.load_balancer, "allowcrossnamespace"))

    def _below_parents(self, obj: Obj, alternatives: tuple[Matched, ...]) -> tuple[Matched, ...]:
        """Alternatives with what the routers above it ask for (parentRefs, since 3.6)."""
        above: list[Matched] = []
        for ref in dig(obj, "spec", "parentRefs", default=[]):
            parent = self.snapshot.get(ROUTE, str(ref.get("namespace") or namespace_of(obj)), str(ref.get("name")))
            for rule in dig(parent, "spec", "routes", default=[]):
                try:
                    above += matched(str(rule.get("match", "")))
                except RuleError:
                    continue
        return tuple(dict.fromkeys(one.both(item) for one in above for item in alternatives)) or alternatives

    def _middlewares(self, references: Iterable[Obj], namespace: str) -> Iterator[Obj]:
        for item in references:
            found = self.snapshot.get(MIDDLEWARE, str(item.get("namespace") or namespace), str(item.get("name")))
            yield from with_chained(self.snapshot, [found] if found else [])

    def _reached(self, obj: Obj, number: int, rule: Obj, leaf: Leaf, match: Matched) -> Reached:
        host, changes = host_and_path([
            *self._middlewares(rule.get("middlewares") or [], namespace_of(obj)),
            *self._middlewares(leaf.entry.get("middlewares") or [], leaf.namespace),
        ])
        native = leaf.entry.get("nativeLB")
        features = [
            *(["affinity"] if leaf.entry.get("sticky") else []),
            *(["balancing"] if leaf.entry.get("strategy") not in (None, "", "wrr", "RoundRobin") else []),
            *(["weights"] if leaf.listed else []),
        ]
        return Reached(
            leaf.namespace, leaf.service, leaf.reference, self._group(obj, number, leaf),
            native=self._by_default if native is None else bool(native),
            nodes=bool(leaf.entry.get("nodePortLB")) and not native,
            passes_host=leaf.entry.get("passHostHeader") is not False,
            scheme=str(leaf.entry.get("scheme") or ""),
            host=host,
            features=tuple(features),
            canary=leaf.mirror or not leaf.first,
            rewrites_path=changes or match.path_type == REGEXP,
        )

    @property
    def _by_default(self) -> bool:
        return is_true(option(self.load_balancer, "nativelbbydefault"))

    def _group(self, obj: Obj, number: int, leaf: Leaf) -> str:
        if leaf.listed:
            return f"crd-{leaf.namespace}-{leaf.service}-{leaf.reference}"
        return f"crd-{obj['kind']}-{namespace_of(obj)}-{name_of(obj)}-{number}"

    def _tcp_taken(self, obj: Obj, match: Matched) -> Taken:
        points = ",".join(map(str, dig(obj, "spec", "entryPoints", default=[]))) or "*"
        return Taken(obj, match.host, f"tcp:{points}", "Stream")

    def _tcp_reached(self, obj: Obj, number: int, leaf: Leaf) -> Reached:
        native = leaf.entry.get("nativeLB")
        speaks_tls = bool(dig(obj, "spec", "tls", "passthrough", default=False)) or bool(leaf.entry.get("tls"))
        return Reached(
            leaf.namespace, leaf.service, leaf.reference, f"crd-{ref_of(obj)}-{number}-{leaf.service}-{leaf.reference}",
            native=self._by_default if native is None else bool(native),
            nodes=bool(leaf.entry.get("nodePortLB")),
            raw="tls" if speaks_tls else "tcp",
            features=("weights",) if leaf.listed else (),
            canary=not leaf.first,
        )


def _taken(obj: Obj, match: Matched) -> Taken:
    return Taken(obj, match.host, match.path or "/", "Exact" if match.path_type == "Exact" else "ImplementationSpecific")
