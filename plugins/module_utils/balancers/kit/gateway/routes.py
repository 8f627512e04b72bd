# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading Gateway API routes, for every vendor that serves them: which Gateways take a route, for which hosts, to which backends.

How an implementation reaches a backend is never in the standard, so the vendor says that per backend (:class:`BackendHandling`).
Source: kubernetes-sigs/gateway-api, apis/v1 (the fields' own comments) and its conformance tests for hostnames.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial

from ....core.findings import finding
from ....core.model import Finding, LoadBalancer, ObjectRef, Route, Scheme, replace
from ....kube import kinds
from ....kube.objects import Obj, created_at, dig, labels_of, name_of, namespace_of, ref_of
from ....kube.pods import by_namespace
from ....kube.snapshot import Snapshot
from ...contract.routes import RouteReading
from ..objects import BackendHandling, Carries, ServedObject, carries_all, objects_of, read_each, served_object
from ..scope import scope_of
from .attachment import Attached, Attachment, attached
from .dialect import Dialect, Effect, host_of_filter, within_scope
from .listeners import GatewayListener, Listeners, by_parent, gateways_of, granted, label_of, listeners_of, parent_key
from .names import BACKEND_TLS_POLICY, GATEWAY, GROUP, REFERENCE_GRANT, ROUTE_KINDS, WITHOUT_HOSTS
from .policies import by_service, speaks_tls

_PATH_TYPES = {"PathPrefix": "Prefix", "Exact": "Exact", "RegularExpression": "ImplementationSpecific"}
_ANY = "[^/]+"
STANDARD = Dialect()


@dataclass(frozen=True)
class AttachPoint:
    """One backend of one rule, as a Gateway meets it: what a vendor is asked about.

    ``host`` is what the route's own filters make of the Host, empty where they leave it alone. ``mirror``: it gets copies
    of requests (RequestMirror) and answers nobody. ``target`` is the Service itself, empty where there is none. ``policy_tls``: a
    BackendTLSPolicy has it spoken to by TLS.
    """

    route: Obj
    rule: int
    gateway: Obj
    namespace: str
    service: str
    port: int
    host: str = ""
    mirror: bool = False
    target: Obj = field(default_factory=dict)
    policy_tls: bool = False


HandlePoint = Callable[[LoadBalancer, AttachPoint], BackendHandling]


def read_gateway_routes(
    snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None, controllers: Collection[str], handle: HandlePoint,
    serves: Carries = carries_all, *, per_backend_host: bool = False, dialect: Dialect = STANDARD,
) -> RouteReading:
    """Routes of all kinds on the Gateways whose class has one of these controller names.

    ``handle`` says how the implementation reaches each backend; ``serves`` picks the Gateways that this load balancer's
    workload carries (some implementations make one workload per Gateway). ``per_backend_host``: each backend of a rule can
    be sent a Host of its own, so that a rewritten Host costs no canary.
    """
    gateways = served_gateways(snapshot, load_balancer, controllers, serves)
    shared = ("weights",) if per_backend_host else ("canary", "weights")
    grants, policies = partial(snapshot.lookup, REFERENCE_GRANT, by_namespace), partial(snapshot.lookup, BACKEND_TLS_POLICY, by_service)
    own = within_scope(dialect, scope_of(load_balancer))
    taking = Taking(snapshot, listeners_of(snapshot, gateways, own), own)

    def parts(obj: Obj) -> Iterator[Route | Finding]:
        where = taking.of(obj)
        reader = _RuleReader(served_object(snapshot, load_balancer, obj), handle, shared, grants, policies, dialect)
        for attachment in where.taken:
            yield from reader.read(attachment)
        yield from (finding("MLB140", why, ref_of(obj)) for why in where.refusals)

    routes = (obj for kind in (ROUTE_KINDS if gateways else ()) for obj in objects_of(snapshot, kind, only))
    return read_each(routes, parts)


def served_gateways(
    snapshot: Snapshot, load_balancer: LoadBalancer, controllers: Collection[str], serves: Carries = carries_all
) -> dict[tuple[str, str], Obj]:
    """The Gateways of these controllers that a load balancer serves; those that it stands for where it has no workload."""
    found = {key: item for key, item in gateways_of(snapshot.all, controllers).items() if serves(load_balancer, item)}
    own = ((key, snapshot.get(GATEWAY, *key)) for key in load_balancer.gateways)
    # What has a workload of its own is no longer somebody else's.
    standing = {key: item for key, item in own if item is not None}
    return {**found, **standing} if load_balancer.classes or not load_balancer.gateways else standing


@dataclass(frozen=True)
class Taking:
    """Which listeners take a route, with what depends on other routes: a listener carries one TCP route, or one UDP route."""

    snapshot: Snapshot
    listeners: Listeners
    dialect: Dialect

    def of(self, route: Obj) -> Attached:
        """Where a route is taken, and why it is not."""
        found = self._by_itself(route)
        if route["kind"] not in WITHOUT_HOSTS or not self.dialect.one_stream:
            return found
        owners = {id(item): self._oldest(route["kind"], item.listener) for item in found.taken}
        mine = tuple(item for item in found.taken if owners[id(item)] is route)
        carried = (f"{item.listener.label} carries {label_of(owners[id(item)])} already" for item in found.taken if item not in mine)
        return replace(found, taken=mine, refusals=(*found.refusals, *carried))

    def _by_itself(self, route: Obj) -> Attached:
        named = any(key in self.listeners for key in by_parent(route))
        return self._refused(route) or attached(route, self._labels(route), self.listeners, self.dialect) if named else Attached()

    def _refused(self, route: Obj) -> Attached | None:
        why, rules = self.dialect.route(route), dig(route, "spec", "rules", default=[])
        if not why and self.dialect.one_stream and route["kind"] in WITHOUT_HOSTS and len(rules) != 1:
            why = f"it has {len(rules)} rules, where a {route['kind']} has to have one"
        return Attached(refusals=(why,)) if why else None

    def _labels(self, route: Obj) -> dict[str, str]:
        return labels_of(self.snapshot.get(kinds.NAMESPACE, "", namespace_of(route)) or {})

    def _oldest(self, kind: str, listener: GatewayListener) -> Obj:
        named = self.snapshot.lookup(f"{kind}.{GROUP}", by_parent, parent_key(listener.holder))
        taken = (item for item in named if any(one.listener == listener for one in self._by_itself(item).taken))
        return min(taken, key=lambda item: (created_at(item), namespace_of(item), name_of(item)))


@dataclass(frozen=True)
class _PathMatch:
    path: str
    path_type: str


@dataclass(frozen=True)
class _RuleReader:
    """Reads the rules of one route. ``shared`` names what is in use where several backends share a rule's requests."""

    item: ServedObject
    handle: HandlePoint
    shared: tuple[str, ...]
    grants: Callable[[str], list[Obj]]
    policies: Callable[[tuple[str, str]], list[Obj]]
    dialect: Dialect

    def read(self, attachment: Attachment) -> Iterator[Route | Finding]:
        kind, route = str(self.item.obj["kind"]), self.item.obj
        if kind == "UDPRoute":
            yield finding("MLB205", "UDP is carried outside the mesh", ref_of(route))
            return
        for number, rule in enumerate(dig(route, "spec", "rules", default=[])):
            effect = self.dialect.effect(route, rule)
            backends = rule.get("backendRefs") or []
            if effect.refused or (effect.answers and backends):
                what = effect.refused or f"{effect.answers} answers in its backends' place"
                yield finding("MLB220" if effect.refused else "MLB141", f"rule {number + 1}: {what}", ref_of(route))
            if not effect.refused and not effect.answers:
                yield from self._of_rule(attachment, number, rule, effect)

    def _of_rule(self, attachment: Attachment, number: int, rule: Obj, effect: Effect) -> Iterator[Route | Finding]:
        parts = list(self._points(attachment, number, rule, effect))
        yield from (item for item in parts if isinstance(item, Finding))
        points = [item for item in parts if isinstance(item, AttachPoint)]
        for host in attachment.hosts:
            for match in dict.fromkeys(matches(str(self.item.obj["kind"]), rule, attachment.port)):
                yield from (self._route(attachment, point, rule, host, match) for point in points)

    def _points(self, attachment: Attachment, number: int, rule: Obj, effect: Effect) -> Iterator[AttachPoint | Finding]:
        for reference in rule.get("backendRefs") or []:
            own = self.dialect.effect_of_backend(self.item.obj, reference)
            yield from self._unread(number, effect.unread or own.unread)
            if own.refused:
                yield finding("MLB220", f"rule {number + 1}, backend {reference.get('name')}: {own.refused}", ref_of(self.item.obj))
            else:
                yield self._point(attachment, number, reference, own.host or effect.host, mirror=False)
        for item in rule.get("filters") or []:
            reference = dig(item, "requestMirror", "backendRef")
            if reference:
                yield self._point(attachment, number, reference, effect.host, mirror=True)

    def _unread(self, number: int, what: str) -> Iterator[Finding]:
        if what:
            yield finding("MLB142", f"rule {number + 1}: what its filter {what} does is not read", ref_of(self.item.obj))

    def _point(self, attachment: Attachment, number: int, reference: Obj, host: str, *, mirror: bool) -> AttachPoint | Finding:
        route = self.item.obj
        kind, group = str(reference.get("kind") or "Service"), str(reference.get("group") or "")
        namespace, name, port = _named(route, reference)
        if (group, kind) != ("", "Service"):
            return finding("MLB208", f"rule {number + 1} sends to {kind} {namespace}/{name}", ref_of(route))
        if not granted(route, namespace, ("", "Service", name), self.grants):
            why = f"rule {number + 1} names Service {namespace}/{name}, and no ReferenceGrant there allows that"
            return finding("MLB218", why, ref_of(route), cause=ObjectRef("v1", "Service", namespace, name))
        service = self.item.service(namespace, name)
        tls = speaks_tls(self.policies((namespace, name)), name, service, port)
        return AttachPoint(route, number, attachment.gateway, namespace, name, port, host, mirror, service, tls)

    def _route(self, attachment: Attachment, point: AttachPoint, rule: Obj, host: str, match: _PathMatch) -> Route | Finding:
        handling = self.handle(self.item.load_balancer, point)
        if handling.dropped:
            return finding("MLB220", f"rule {point.rule + 1}: {handling.dropped}", ref_of(point.route))
        listed = rule.get("backendRefs") or []
        reference = (point.namespace, point.service, point.port)
        is_shared = len(listed) > 1 and not point.mirror
        route = point.route
        handling = replace(
            handling, host=point.host if handling.host is None else handling.host, scheme=handling.scheme or _scheme(attachment, point),
            group=handling.group or "-".join(map(str, (route["kind"], namespace_of(route), name_of(route), point.rule, *reference))),
            features=tuple({*(self.shared if is_shared else ()), *handling.features}),
        )
        return self.item.route(
            reference, handling, host=host, path=match.path, path_type=match.path_type,
            # What takes a share (or a copy) of another backend's requests.
            canary=point.mirror or (is_shared and reference != _named(route, listed[0])),
            rewrites_path=any(dig(item, "urlRewrite", "path") for item in rule.get("filters") or []),
        )


def _scheme(attachment: Attachment, point: AttachPoint) -> Scheme:
    return "tls" if attachment.scheme == "http" and point.policy_tls else attachment.scheme


def _named(route: Obj, reference: Obj) -> tuple[str, str, int]:
    """Namespace, name and port of what a reference names."""
    return (
        str(reference.get("namespace") or namespace_of(route)), str(reference.get("name") or ""), int(reference.get("port") or 0)
    )


def matches(kind: str, rule: Obj, port: int) -> Iterator[_PathMatch]:
    """Paths that a rule takes; what else it asks for (headers, methods) makes no difference to where a request goes."""
    if kind in ("TCPRoute", "TLSRoute"):
        yield _PathMatch(f"{kind[:3].lower()}:{port}", "Stream")
        return
    for item in rule.get("matches") or [{}]:
        if kind == "GRPCRoute":
            yield _grpc_match(item.get("method") or {})
        else:
            path = item.get("path") or {}
            path_type = _PATH_TYPES.get(str(path.get("type") or "PathPrefix"), "ImplementationSpecific")
            yield _PathMatch(str(path.get("value") or "/"), path_type)


def _grpc_match(method: Obj) -> _PathMatch:
    service, name = str(method.get("service") or ""), str(method.get("method") or "")
    if not service and not name:
        return _PathMatch("/", "Prefix")
    if method.get("type") == "RegularExpression" or not service:
        return _PathMatch(f"/{service or _ANY}/{name or _ANY}", "ImplementationSpecific")
    return _PathMatch(f"/{service}/{name}", "Exact") if name else _PathMatch(f"/{service}", "Prefix")


def host_set_by(filters: list[Obj] | None) -> str:
    """The Host that the standard's own filters of a rule or of a backend make it send, empty where they leave the client's."""
    return next((host for item in reversed(filters or []) if (host := host_of_filter(item))), "")
