# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gloo Edge (solo-io/gloo): its proxies take the mesh's certificates themselves, so a sidecar must stay out of them.

Source: docs/content/guides/integrations/service_mesh/istio.md and install/helm/gloo of solo-io/gloo 1.17 (kept in kgateway's repository).
"""

from __future__ import annotations

from collections.abc import Iterator

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, ObjectRef, Route
from ...kube.objects import Obj, dig, name_of, namespace_of, ref_of
from ...kube.snapshot import Snapshot
from ..kit.ingresses import is_ignored, make_backend, pinned_strategy
from ..legacy import Facts, Profile, RouteReading, Signs

VIRTUAL_SERVICE = "VirtualService.gateway.solo.io"
UPSTREAM = "Upstream.gloo.solo.io"
_WHY = (
    "Gloo speaks mutual TLS with the mesh itself, and its vendor says to keep sidecars out of its proxies: set "
    "global.istioIntegration.enabled and enableAutoMtls, or run glooctl istio enable-mtls per Upstream"
)


class Gloo(Profile):
    """Gloo Edge's gateway-proxy."""

    id = "gloo"
    title = "Gloo Edge"
    kinds = (VIRTUAL_SERVICE, UPSTREAM)
    signs = Signs(
        images=("gloo-envoy-wrapper", "gloo-ee-envoy-wrapper"),
        labels=(frozenset({("gloo", "gateway-proxy")}),),
    )
    forbids_injection = _WHY
    facts = Facts(
        routes=("VirtualService (gateway.solo.io)",), remark="its own mutual TLS (istioIntegration) is the way; no sidecar is injected",
        versions="1.17",
    )

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        routes: list[Route] = []
        findings: list[Finding] = []
        for obj in snapshot.all(VIRTUAL_SERVICE):
            if only is None or ref_of(obj) in only:
                routes += _routes(snapshot, load_balancer, obj)
                if any(item.get("delegateAction") for item in dig(obj, "spec", "virtualHost", "routes", default=[])):
                    findings.append(finding("MLB208", "routes that it delegates to RouteTables are not read", ref_of(obj)))
        return RouteReading(tuple(dict.fromkeys(routes)), tuple(findings))


def _routes(snapshot: Snapshot, load_balancer: LoadBalancer, obj: Obj) -> Iterator[Route]:
    for rule in dig(obj, "spec", "virtualHost", "routes", default=[]):
        targets = list(_targets(snapshot, obj, rule.get("routeAction") or {}))
        for host in dig(obj, "spec", "virtualHost", "domains", default=[]) or ["*"]:
            for matcher in rule.get("matchers") or [{"prefix": "/"}]:
                for place, target in enumerate(targets):
                    path, path_type = _path(matcher)
                    yield Route(
                        load_balancer=load_balancer.key, object=ref_of(obj), host="" if host == "*" else str(host), path=path,
                        path_type=path_type, backend=make_backend(snapshot, *target),
                        upstream_group=f"VirtualService-{namespace_of(obj)}-{name_of(obj)}-{'-'.join(map(str, target))}",
                        features=("canary", "weights") if len(targets) > 1 else (), canary=place > 0,
                        settable=False, why_not_settable=_WHY, ignored=is_ignored(obj), pinned_strategy=pinned_strategy(snapshot, obj),
                    )


def _targets(snapshot: Snapshot, obj: Obj, action: Obj) -> Iterator[tuple[str, str, int]]:
    """Services behind an action: named by themselves, or by Upstreams that stand for them."""
    several = dig(action, "multi", "destinations", default=[])
    for item in [dig(action, "single", default={}), *(entry.get("destination") or {} for entry in several)]:
        kube, upstream = item.get("kube") or {}, item.get("upstream") or {}
        if kube:
            reference = kube.get("ref") or {}
            yield str(reference.get("namespace") or namespace_of(obj)), str(reference.get("name", "")), int(kube.get("port") or 0)
        found = snapshot.get(UPSTREAM, str(upstream.get("namespace") or namespace_of(obj)), str(upstream.get("name", "")))
        held = dig(found, "spec", "kube", default={})
        if held:
            yield str(held.get("serviceNamespace", "")), str(held.get("serviceName", "")), int(held.get("servicePort") or 0)


def _path(matcher: Obj) -> tuple[str, str]:
    if matcher.get("exact"):
        return str(matcher["exact"]), "Exact"
    if matcher.get("regex"):
        return str(matcher["regex"]), "RegularExpression"
    return str(matcher.get("prefix") or "/"), "ImplementationSpecific"
