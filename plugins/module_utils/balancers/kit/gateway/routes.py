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
from ....kube.objects import Obj, dig, labels_of, name_of, namespace_of, ref_of
from ....kube.pods import by_namespace
from ....kube.snapshot import Snapshot
from ...contract.routes import RouteReading
from ..objects import BackendHandling, Carries, ServedObject, carries_all, objects_of, read_each, served_object
from .attachment import BACKEND_TLS_POLICY, REFERENCE_GRANT, ROUTE_KINDS, Attachment, attachments, gateways_of, granted
from .policies import by_service, speaks_tls

_PATH_TYPES = {"PathPrefix": "Prefix", "Exact": "Exact", "RegularExpression": "ImplementationSpecific"}


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
    serves: Carries = carries_all, *, per_backend_host: bool = False,
) -> RouteReading:
    """Routes of all kinds on the Gateways whose class has one of these controller names.

    ``handle`` says how the implementation reaches each backend; ``serves`` picks the Gateways that this load balancer's
    workload carries (some implementations make one workload per Gateway). ``per_backend_host``: each backend of a rule can
    be sent a Host of its own, so that a rewritten Host costs no canary.
    """
    gateways = {key: item for key, item in gateways_of(snapshot.all, controllers).items() if serves(load_balancer, item)}
    shared = ("weights",) if per_backend_host else ("canary", "weights")
    grants, policies = partial(snapshot.lookup, REFERENCE_GRANT, by_namespace), partial(snapshot.lookup, BACKEND_TLS_POLICY, by_service)

    def parts(obj: Obj) -> Iterator[Route | Finding]:
        reader = _RuleReader(served_object(snapshot, load_balancer, obj), handle, shared, grants, policies)
        labels = labels_of(snapshot.get(kinds.NAMESPACE, "", namespace_of(obj)) or {})
        for attachment in attachments(obj, labels, gateways):
            yield from reader.read(attachment)

    routes = (obj for kind in (ROUTE_KINDS if gateways else ()) for obj in objects_of(snapshot, kind, only))
    return read_each(routes, parts)


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

    def read(self, attachment: Attachment) -> Iterator[Route | Finding]:
        kind = str(self.item.obj["kind"])
        for number, rule in enumerate(dig(self.item.obj, "spec", "rules", default=[])):
            points: list[AttachPoint] = []
            for point in self._points(attachment, number, rule):
                if isinstance(point, Finding):
                    yield point
                else:
                    points.append(point)
            for host in attachment.hosts:
                for match in dict.fromkeys(matches(kind, rule, attachment.port)):
                    yield from (self._route(attachment, point, rule, host, match) for point in points)

    def _points(self, attachment: Attachment, number: int, rule: Obj) -> Iterator[AttachPoint | Finding]:
        host = host_set_by(rule.get("filters"))
        for reference in rule.get("backendRefs") or []:
            yield self._point(attachment, number, reference, host_set_by(reference.get("filters")) or host, mirror=False)
        for item in rule.get("filters") or []:
            reference = dig(item, "requestMirror", "backendRef")
            if reference:
                yield self._point(attachment, number, reference, host, mirror=True)

    def _point(self, attachment: Attachment, number: int, reference: Obj, host: str, *, mirror: bool) -> AttachPoint | Finding:
        route = self.item.obj
        kind, group = str(reference.get("kind") or "Service"), str(reference.get("group") or "")
        namespace, name, port = _named(route, reference)
        if (group, kind) != ("", "Service"):
            return finding("MLB208", f"rule {number + 1} sends to {kind} {namespace}/{name}", ref_of(route))
        if not granted(route, namespace, name, self.grants):
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
    if not service or method.get("type") == "RegularExpression":
        return _PathMatch("/", "Prefix")
    return _PathMatch(f"/{service}/{name}", "Exact") if name else _PathMatch(f"/{service}", "Prefix")


def host_set_by(filters: list[Obj] | None) -> str:
    """The Host that filters of a rule or of a backend make it send, empty where they leave the client's."""
    found = ""
    for item in filters or []:
        found = str(dig(item, "urlRewrite", "hostname", default="")) or found
        for header in dig(item, "requestHeaderModifier", "set", default=[]):
            if str(header.get("name", "")).lower() == "host":
                found = str(header.get("value", ""))
    return found
