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

from ....core.findings import finding
from ....core.model import Address, Finding, LoadBalancer, ObjectRef, Route, Scheme, Upstream
from ....kube import kinds
from ....kube.objects import Obj, dig, name_of, namespace_of, ref_of
from ....kube.snapshot import Snapshot
from ...contract.routes import RouteReading
from ..ingresses import is_ignored, make_backend, pinned_strategy
from ..own_routes import asked_objects
from .attachment import (
    GATEWAY,
    GATEWAY_CLASS,
    GRPC_ROUTE,
    HTTP_ROUTE,
    REFERENCE_GRANT,
    ROUTE_KINDS,
    TCP_ROUTE,
    TLS_ROUTE,
    Attachment,
    attachments,
    gateways_of,
    granted,
)
from .policies import BACKEND_TLS_POLICY, speaks_tls

KINDS = (GATEWAY_CLASS, GATEWAY, HTTP_ROUTE, GRPC_ROUTE, TCP_ROUTE, TLS_ROUTE, REFERENCE_GRANT, BACKEND_TLS_POLICY)
"""What a profile that reads Gateway API routes names in its ``kinds``."""

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


@dataclass(frozen=True)
class BackendHandling:
    """How an implementation reaches a backend.

    ``host`` is the Host that it sends, ``None`` for what the route's filters say. ``group`` names the upstream where
    it is shared beyond one rule. ``scheme`` is only given where it is not what the route's kind implies. ``dropped`` says
    why the implementation does not serve the backend at all: then there is no route, but a finding.
    """

    address: Address = "pod_ips"
    host: str | None = None
    group: str = ""
    features: tuple[str, ...] = ()
    scheme: Scheme | None = None
    settable: bool = True
    why_not_settable: str = ""
    dropped: str = ""


Decide = Callable[[AttachPoint], BackendHandling]


def read_gateway_routes(
    snapshot: Snapshot, load_balancer: LoadBalancer, controllers: Collection[str], decide: Decide,
    only: frozenset[ObjectRef] | None = None, serves: Callable[[Obj], bool] = lambda gateway: True, *, per_backend_host: bool = False,
) -> RouteReading:
    """Routes of all kinds on the Gateways whose class has one of these controller names.

    ``decide`` says how the implementation reaches each backend; ``serves`` picks the Gateways that this load balancer's
    workload carries (some implementations make one workload per Gateway). ``per_backend_host``: each backend of a rule can
    be sent a Host of its own, so that a rewritten Host costs no canary.
    """
    gateways = {key: item for key, item in gateways_of(snapshot, controllers).items() if serves(item)}
    routes: dict[Route, None] = {}
    findings: dict[Finding, None] = {}
    for kind in ROUTE_KINDS if gateways else ():
        for obj in asked_objects(snapshot, kind, only):
            reader = _Reader(snapshot, load_balancer, obj, decide, ("weights",) if per_backend_host else ("canary", "weights"))
            for attachment in attachments(snapshot, obj, gateways):
                routes.update(dict.fromkeys(reader.routes(attachment)))
            findings.update(dict.fromkeys(reader.findings))
    return RouteReading(tuple(routes), tuple(findings))


@dataclass(frozen=True)
class _Match:
    path: str
    path_type: str


class _Reader:
    """Routes of one object."""

    def __init__(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, obj: Obj, decide: Decide, weighted: tuple[str, ...]
    ) -> None:
        self.weighted = weighted
        self.snapshot = snapshot
        self.load_balancer = load_balancer
        self.obj = obj
        self.decide = decide
        self.findings: list[Finding] = []

    def routes(self, attachment: Attachment) -> Iterator[Route]:
        for number, rule in enumerate(dig(self.obj, "spec", "rules", default=[])):
            backends = list(self._backends(attachment, number, rule))
            for host in attachment.hosts:
                for match in dict.fromkeys(matches(str(self.obj["kind"]), rule, attachment.port)):
                    for place, features in backends:
                        treatment = self.decide(place)
                        if treatment.dropped:
                            self.findings.append(finding("MLB220", f"rule {number + 1}: {treatment.dropped}", ref_of(self.obj)))
                        else:
                            yield self._route(attachment, place, rule, host, match, features, treatment)

    def _backends(self, attachment: Attachment, number: int, rule: Obj) -> Iterator[tuple[AttachPoint, tuple[str, ...]]]:
        sent = host_set_by(rule.get("filters"))
        listed = list(rule.get("backendRefs") or [])
        weighted = self.weighted if len(listed) > 1 else ()
        for reference in listed:
            own = host_set_by(reference.get("filters")) or sent
            place = self._place(attachment, number, reference, own, mirror=False)
            if place is not None:
                yield place, weighted
        for item in rule.get("filters") or []:
            reference = dig(item, "requestMirror", "backendRef")
            if reference:
                place = self._place(attachment, number, reference, sent, mirror=True)
                if place is not None:
                    yield place, ()

    def _place(self, attachment: Attachment, number: int, reference: Obj, host: str, *, mirror: bool) -> AttachPoint | None:
        home = namespace_of(self.obj)
        kind, group = str(reference.get("kind") or "Service"), str(reference.get("group") or "")
        namespace, name = str(reference.get("namespace") or home), str(reference.get("name") or "")
        if (group, kind) != ("", "Service"):
            self.findings.append(finding("MLB208", f"rule {number + 1} sends to {kind} {namespace}/{name}", ref_of(self.obj)))
            return None
        if not granted(self.snapshot, self.obj, namespace, name):
            self.findings.append(finding(
                "MLB218", f"rule {number + 1} names Service {namespace}/{name}, and no ReferenceGrant there allows that", ref_of(self.obj),
                cause=ObjectRef("v1", "Service", namespace, name),
            ))
            return None
        target, port = self.snapshot.get(kinds.SERVICE, namespace, name) or {}, int(reference.get("port") or 0)
        tls = speaks_tls(self.snapshot, namespace, name, port)
        return AttachPoint(self.obj, number, attachment.gateway, namespace, name, port, host, mirror, target, tls)

    def _route(
        self, attachment: Attachment, place: AttachPoint, rule: Obj, host: str, match: _Match, features: tuple[str, ...],
        treatment: BackendHandling,
    ) -> Route:
        first = dig(rule, "backendRefs", 0, default={})
        main = (str(first.get("namespace") or namespace_of(self.obj)), str(first.get("name") or ""), int(first.get("port") or 0))
        return Route(
            load_balancer=self.load_balancer.key,
            object=ref_of(self.obj),
            host=host,
            path=match.path,
            path_type=match.path_type,
            backend=make_backend(self.snapshot, place.namespace, place.service, place.port),
            upstream=Upstream(
                treatment.address, place.host if treatment.host is None else treatment.host, self._scheme(attachment, place, treatment),
            ),
            upstream_group=treatment.group or self._group(place),
            features=tuple(sorted({*features, *treatment.features})),
            # What takes a share (or a copy) of another backend's requests.
            canary=place.mirror or (bool(features) and (place.namespace, place.service, place.port) != main),
            rewrites_path=any(dig(item, "urlRewrite", "path") for item in rule.get("filters") or []),
            settable=treatment.settable,
            why_not_settable=treatment.why_not_settable,
            ignored=is_ignored(self.obj),
            pinned_strategy=pinned_strategy(self.snapshot, self.obj),
        )

    def _scheme(self, attachment: Attachment, place: AttachPoint, treatment: BackendHandling) -> Scheme:
        if treatment.scheme is not None:
            return treatment.scheme
        return "tls" if attachment.scheme == "http" and place.policy_tls else attachment.scheme

    def _group(self, place: AttachPoint) -> str:
        own = f"{self.obj['kind']}-{namespace_of(self.obj)}-{name_of(self.obj)}-{place.rule}"
        return f"{own}-{place.namespace}-{place.service}-{place.port}"


def matches(kind: str, rule: Obj, port: int) -> Iterator[_Match]:
    """Paths that a rule takes; what else it asks for (headers, methods) makes no difference to where a request goes."""
    if kind in ("TCPRoute", "TLSRoute"):
        yield _Match(f"{kind[:3].lower()}:{port}", "Stream")
        return
    for item in rule.get("matches") or [{}]:
        if kind == "GRPCRoute":
            yield _grpc_match(item.get("method") or {})
        else:
            path = item.get("path") or {}
            yield _Match(str(path.get("value") or "/"), _PATH_TYPES.get(str(path.get("type") or "PathPrefix"), "ImplementationSpecific"))


def _grpc_match(method: Obj) -> _Match:
    service, name = str(method.get("service") or ""), str(method.get("method") or "")
    if not service or method.get("type") == "RegularExpression":
        return _Match("/", "Prefix")
    return _Match(f"/{service}/{name}", "Exact") if name else _Match(f"/{service}", "Prefix")


def host_set_by(filters: list[Obj] | None) -> str:
    """The Host that filters of a rule or of a backend make it send, empty where they leave the client's."""
    found = ""
    for item in filters or []:
        found = str(dig(item, "urlRewrite", "hostname", default="")) or found
        for header in dig(item, "requestHeaderModifier", "set", default=[]):
            if str(header.get("name", "")).lower() == "host":
                found = str(header.get("value", ""))
    return found


__all__ = [
    "GATEWAY",
    "GATEWAY_CLASS",
    "KINDS",
    "AttachPoint",
    "BackendHandling",
    "gateways_of",
    "host_set_by",
    "read_gateway_routes",
]
