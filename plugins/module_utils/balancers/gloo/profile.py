# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gloo Edge (solo-io/gloo): its proxies take the mesh's certificates themselves, so a sidecar must stay out of them.

Source: docs/content/guides/integrations/service_mesh/istio.md and install/helm/gloo of solo-io/gloo 1.17 (kept in kgateway's repository).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, ObjectRef, Route, Scheme, replace
from ...kube.objects import Obj, dig, labels_of, namespace_of, ref_of
from ...kube.snapshot import Snapshot
from ..contract.facts import About, Facts
from ..contract.profile import Profile
from ..contract.recognition import Recogniser, Signs
from ..contract.routes import RouteReader, RouteReading
from ..kit.objects import BackendHandling, BackendReference, ServedObject, read_objects, served_object
from ..kit.own_requests import OwnRequests

VIRTUAL_SERVICE, ROUTE_TABLE = "VirtualService.gateway.solo.io", "RouteTable.gateway.solo.io"
UPSTREAM, UPSTREAM_GROUP = "Upstream.gloo.solo.io", "UpstreamGroup.gloo.solo.io"
WHY_NOT = (
    "Gloo speaks mutual TLS with the mesh itself, and its vendor says to keep sidecars out of its proxies: set "
    "global.istioIntegration.enabled and enableAutoMtls, or run glooctl istio enable-mtls per Upstream"
)
FACTS = Facts(
    routes=("VirtualService (gateway.solo.io)",), remark="its own mutual TLS (istioIntegration) is the way; no sidecar is injected",
    versions="1.17",
)
SIGNS = Signs(images=("gloo-envoy-wrapper", "gloo-ee-envoy-wrapper"), labels=(frozenset({("gloo", "gateway-proxy")}),))
OWN_MUTUAL_TLS = "Gloo speaks the mesh's mutual TLS itself, with certificates that it gets beside its proxy"
_DEPTH = 5
_ELSEWHERE = ("consul", "aws", "awsEc2", "azure", "pipe", "ai", "gcp")


@dataclass(frozen=True)
class SentTo:
    """One backend of a rule: its Service port, the Host that is sent (``None``: the client's), and how it is reached."""

    reference: BackendReference
    handling: BackendHandling
    own_mutual_tls: str = ""


def read_virtual_services(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Routes of VirtualServices, and of the RouteTables that they delegate to."""
    own = OwnRequests(snapshot, load_balancer)
    objects = (served_object(snapshot, load_balancer, obj) for obj in snapshot.all(VIRTUAL_SERVICE))
    reading = read_objects(objects, partial(_read, own))
    if only is None:
        return reading
    return replace(
        reading, routes=tuple(item for item in reading.routes if item.object in only),
        findings=tuple(item for item in reading.findings if item.object in only),
    )


def _read(own: OwnRequests, item: ServedObject) -> Iterator[Route | Finding]:
    hosts = ["" if host == "*" else str(host) for host in dig(item.obj, "spec", "virtualHost", "domains", default=[]) or ["*"]]
    yield from _of_rules(own, item, hosts, dig(item.obj, "spec", "virtualHost", "routes", default=[]))


def _of_rules(own: OwnRequests, item: ServedObject, hosts: list[str], rules: list[Obj], depth: int = 0) -> Iterator[Route | Finding]:
    ref = ref_of(item.obj)
    for rule in rules:
        if rule.get("delegateAction"):
            yield from _delegated(own, item, hosts, rule["delegateAction"], depth)
        targets = list(_targets(own, item.obj, rule))
        features = ("canary", "weights") if len(targets) > 1 else ()
        for place, target in enumerate(targets):
            if isinstance(target, str):
                yield finding("MLB208", target, ref)
                continue
            for host, (path, path_type) in product(hosts, map(_path, rule.get("matchers") or [{"prefix": "/"}])):
                handling = replace(target.handling, features=features)
                route = item.route(target.reference, handling, host=host, path=path, path_type=path_type, canary=place > 0)
                yield replace(route, own_mutual_tls=target.own_mutual_tls)


def _delegated(own: OwnRequests, item: ServedObject, hosts: list[str], action: Obj, depth: int) -> Iterator[Route | Finding]:
    """What the RouteTables declare that a rule names, or selects by label."""
    reference, selector = action.get("ref") or action, action.get("selector") or {}
    home = str(reference.get("namespace") or namespace_of(item.obj))
    found = [own.snapshot.get(ROUTE_TABLE, home, str(reference["name"]))] if reference.get("name") else []
    if selector:
        namespaces = selector.get("namespaces") or [namespace_of(item.obj)]
        found += [
            obj for obj in own.snapshot.all(ROUTE_TABLE)
            if ("*" in namespaces or namespace_of(obj) in namespaces) and (selector.get("labels") or {}).items() <= labels_of(obj).items()
        ]
    if not any(found) or depth >= _DEPTH:
        what = f"RouteTable {home}/{reference.get('name')}" if reference.get("name") else "RouteTables by label"
        yield finding("MLB220", f"it delegates to {what}, and there is none that is followed", ref_of(item.obj))
        return
    for table in filter(None, found):
        below = served_object(own.snapshot, item.load_balancer, table)
        yield from _of_rules(own, below, hosts, dig(table, "spec", "routes", default=[]), depth + 1)


def _targets(own: OwnRequests, obj: Obj, rule: Obj) -> Iterator[SentTo | str]:
    """Where a rule sends to: Services by themselves, or Upstreams that represent them; what is neither, as a sentence."""
    action, namespace = rule.get("routeAction") or {}, namespace_of(obj)
    group = action.get("upstreamGroup") or {}
    held = own.snapshot.get(UPSTREAM_GROUP, str(group.get("namespace") or namespace), str(group.get("name", ""))) if group else None
    if group and held is None:
        yield f"it sends to UpstreamGroup {group.get('namespace') or namespace}/{group.get('name')}, which does not exist"
    several = [*dig(action, "multi", "destinations", default=[]), *dig(held, "spec", "destinations", default=[])]
    for key in ("clusterHeader", "dynamicForwardProxy"):
        if key in action:
            yield f"it sends to what {key} says, which is not known beforehand"
    host = str(dig(rule, "options", "hostRewrite", default=""))
    for item in [*filter(None, [action.get("single")]), *(entry.get("destination") or {} for entry in several)]:
        kube, reference = item.get("kube") or {}, item.get("upstream") or {}
        if kube:
            target = kube.get("ref") or {}
            service = (str(target.get("namespace") or namespace), str(target.get("name", "")), int(kube.get("port") or 0))
            yield SentTo(service, _handling(host))
        elif reference:
            yield from _of_upstream(own, str(reference.get("namespace") or namespace), str(reference.get("name", "")), host)
        else:
            yield f"it sends to {', '.join(item) or 'nothing'}, which is no Service of the cluster"


def _of_upstream(own: OwnRequests, namespace: str, name: str, host: str) -> Iterator[SentTo | str]:
    upstream = own.snapshot.get(UPSTREAM, namespace, name)
    spec: Obj = dig(upstream, "spec", default={})
    kube, mutual = spec.get("kube") or {}, OWN_MUTUAL_TLS if dig(spec, "sslConfig", "sds") else ""
    scheme: Scheme = "tls" if spec.get("sslConfig") and not mutual else "http"
    if kube:
        service = (str(kube.get("serviceNamespace", "")), str(kube.get("serviceName", "")), int(kube.get("servicePort") or 0))
        yield SentTo(service, replace(_handling(host), scheme=scheme), mutual)
    for item in dig(spec, "static", "hosts", default=[]):
        found = own.at_url(f"http://{item.get('addr')}:{item.get('port') or 80}", own.load_balancer.namespace)
        if found is None or found.target is None:
            yield f"it sends to static Upstream {namespace}/{name}, whose host {item.get('addr')} is no Service of the cluster"
        else:
            target = (found.target.namespace, found.target.service, found.target.port)
            yield SentTo(target, replace(_handling(host), address=found.address, scheme=scheme), mutual)
    if not kube and "static" not in spec:
        kind = next((key for key in _ELSEWHERE if key in spec), "")
        what = f"is of kind {kind}, and no Service of the cluster" if kind else "is of another kind" if upstream else "does not exist"
        yield f"it sends to Upstream {namespace}/{name}, which {what}"


def _handling(host: str) -> BackendHandling:
    return BackendHandling(host=host, why_not_settable=WHY_NOT)


def _path(matcher: Obj) -> tuple[str, str]:
    if matcher.get("exact"):
        return str(matcher["exact"]), "Exact"
    if matcher.get("regex"):
        return str(matcher["regex"]), "RegularExpression"
    return str(matcher.get("prefix") or "/"), "ImplementationSpecific"


PROFILE = Profile(
    About("gloo", "Gloo Edge", facts=FACTS, forbids_injection=WHY_NOT), Recogniser(SIGNS),
    routes=(RouteReader(read_virtual_services, (VIRTUAL_SERVICE, ROUTE_TABLE, UPSTREAM, UPSTREAM_GROUP), (VIRTUAL_SERVICE, ROUTE_TABLE)),),
)
