# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Contour in front of a gateway: what keeps both upstreams of a route while there is a chain.

Contour tells its Envoy that an upstream is gone before it tells that no route uses it any more, and a request in between is answered
503 (NC; 6 of 21812 in the lab). Source: projectcontour/contour internal/envoy/cluster.go (Clustername: an upstream is namespace, Service,
port, and a hash of balancing, health check, validation, protocol, server name, idle timeout and slow start),
internal/dag/httpproxy_processor.go (determineSNI: the Host that is set becomes the server name), internal/dag/gatewayapi_processor.go
(of an HTTPRoute the Service alone counts). Where only some namespaces may have roots (--root-namespaces), an HTTPProxy that keeps
upstreams of one of the others is invalid, and of no use.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from ...core.model import Route, replace
from ...kube.objects import Obj, dig
from ...kube.snapshot import Snapshot
from ..contract.chain import ChainRequest
from ..contract.switches import PatchSet
from ..kit.chain.references import in_backend_refs
from ..kit.chain.upstream_holders import holder, holder_host, http_route_spec, with_ingress_holder
from ..kit.ingresses import CLASS_ANNOTATION
from ..kit.patches import object_of
from .proxies import OWN_CLASS

_CLASSES = (CLASS_ANNOTATION, OWN_CLASS)
_OF_UPSTREAM = ("services", "loadBalancerPolicy", "healthCheckPolicy", "timeoutPolicy", "requestHeadersPolicy")
_IDENTITY = ("group", "kind", "name", "namespace", "port")
_MOST = 16


def with_holder(found: PatchSet, snapshot: Snapshot, routes: list[Route], request: ChainRequest) -> PatchSet:
    """The switch of one object, and its holder."""
    if found.refusal or not routes:
        return found
    if routes[0].object.kind == "Ingress":
        return with_ingress_holder(found, snapshot, routes, request, _CLASSES)
    obj = object_of(snapshot, routes[0])
    both = (obj, _switched(obj, found))
    spec = _http_route(obj, both, request) if obj["kind"] == "HTTPRoute" else _http_proxy(obj, both, request)
    return replace(found, bodies=(*found.bodies, holder(obj, request, spec, _CLASSES)))


def _switched(obj: Obj, found: PatchSet) -> Obj:
    changed = deepcopy(obj)
    for patch in found.patches:
        node: Any = changed
        for step in patch.path[:-1]:
            node = node[step]
        node[patch.path[-1]] = patch.value
    return changed


def _http_proxy(obj: Obj, both: tuple[Obj, Obj], request: ChainRequest) -> Obj:
    rules = [
        {key: value for key, value in rule.items() if key in _OF_UPSTREAM}
        for item in both for rule in dig(item, "spec", "routes", default=[]) if rule.get("services")
    ]
    unique = [rule for number, rule in enumerate(rules) if rule not in rules[:number]]
    routes = [{"conditions": [{"prefix": f"/{number}"}], **rule} for number, rule in enumerate(unique)]
    return {"virtualhost": {"fqdn": holder_host(obj, request)}, "routes": routes}


def _http_route(obj: Obj, both: tuple[Obj, Obj], request: ChainRequest) -> Obj:
    """All Services that it names before and after."""
    named = [
        {key: value for key, value in reference.items() if key in _IDENTITY} for item in both for dummy, reference in in_backend_refs(item)
    ]
    unique = [item for number, item in enumerate(named) if item not in named[:number]]
    return http_route_spec(obj, request, [("", unique[start : start + _MOST]) for start in range(0, len(unique), _MOST)])
