# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gloo Edge (solo-io/gloo): its proxies take the mesh's certificates themselves, so a sidecar must stay out of them.

Source: docs/content/guides/integrations/service_mesh/istio.md and install/helm/gloo of solo-io/gloo 1.17 (kept in kgateway's repository).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, ObjectRef, Route
from ...kube.objects import Obj, dig, namespace_of, ref_of
from ...kube.snapshot import Snapshot
from ..contract.facts import About, Facts
from ..contract.profile import Profile
from ..contract.recognition import Recogniser, Signs
from ..contract.routes import RouteReader, RouteReading
from ..kit.objects import BackendHandling, ServedObject, objects_of, read_objects, served_object

VIRTUAL_SERVICE = "VirtualService.gateway.solo.io"
UPSTREAM = "Upstream.gloo.solo.io"
WHY_NOT = (
    "Gloo speaks mutual TLS with the mesh itself, and its vendor says to keep sidecars out of its proxies: set "
    "global.istioIntegration.enabled and enableAutoMtls, or run glooctl istio enable-mtls per Upstream"
)
FACTS = Facts(
    routes=("VirtualService (gateway.solo.io)",), remark="its own mutual TLS (istioIntegration) is the way; no sidecar is injected",
    versions="1.17",
)
SIGNS = Signs(images=("gloo-envoy-wrapper", "gloo-ee-envoy-wrapper"), labels=(frozenset({("gloo", "gateway-proxy")}),))
Upstreams = Callable[[str, str], "Obj | None"]


def read_virtual_services(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Routes of VirtualServices, and which of them are delegated to other objects."""
    upstreams = partial(snapshot.get, UPSTREAM)
    objects = (served_object(snapshot, load_balancer, obj) for obj in objects_of(snapshot, VIRTUAL_SERVICE, only))
    return read_objects(objects, lambda item: _read(item, upstreams))


def _read(item: ServedObject, upstreams: Upstreams) -> Iterator[Route | Finding]:
    yield from _routes(item, upstreams)
    if any(rule.get("delegateAction") for rule in dig(item.obj, "spec", "virtualHost", "routes", default=[])):
        yield finding("MLB208", "routes that it delegates to RouteTables are not read", ref_of(item.obj))


def _routes(item: ServedObject, upstreams: Upstreams) -> Iterator[Route]:
    for rule in dig(item.obj, "spec", "virtualHost", "routes", default=[]):
        references = list(_references(namespace_of(item.obj), rule.get("routeAction") or {}, upstreams))
        features = ("canary", "weights") if len(references) > 1 else ()
        handling = BackendHandling(features=features, why_not_settable=WHY_NOT)
        for host in dig(item.obj, "spec", "virtualHost", "domains", default=[]) or ["*"]:
            for path, path_type in map(_path, rule.get("matchers") or [{"prefix": "/"}]):
                for place, reference in enumerate(references):
                    yield item.route(
                        reference, handling, host="" if host == "*" else str(host), path=path, path_type=path_type, canary=place > 0
                    )


def _references(namespace: str, action: Obj, upstreams: Upstreams) -> Iterator[tuple[str, str, int]]:
    """Services behind an action: named by themselves, or by Upstreams that represent them."""
    several = dig(action, "multi", "destinations", default=[])
    for item in [dig(action, "single", default={}), *(entry.get("destination") or {} for entry in several)]:
        kube, upstream = item.get("kube") or {}, item.get("upstream") or {}
        if kube:
            reference = kube.get("ref") or {}
            yield str(reference.get("namespace") or namespace), str(reference.get("name", "")), int(kube.get("port") or 0)
        service = dig(upstreams(str(upstream.get("namespace") or namespace), str(upstream.get("name", ""))), "spec", "kube", default={})
        if service:
            yield str(service.get("serviceNamespace", "")), str(service.get("serviceName", "")), int(service.get("servicePort") or 0)


def _path(matcher: Obj) -> tuple[str, str]:
    if matcher.get("exact"):
        return str(matcher["exact"]), "Exact"
    if matcher.get("regex"):
        return str(matcher["regex"]), "RegularExpression"
    return str(matcher.get("prefix") or "/"), "ImplementationSpecific"


PROFILE = Profile(
    About("gloo", "Gloo Edge", facts=FACTS, forbids_injection=WHY_NOT), Recogniser(SIGNS),
    routes=(RouteReader(read_virtual_services, (VIRTUAL_SERVICE, UPSTREAM), (VIRTUAL_SERVICE,)),),
)
