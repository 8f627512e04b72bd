# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Contour in front of a gateway, and what keeps both upstreams of a route while there is a chain.

Contour tells its Envoy that an upstream is gone before it tells that no route uses it any more, and a request in between is answered
503 (NC; 6 of 21812 in the lab). Source: projectcontour/contour internal/envoy/cluster.go (Clustername: an upstream is namespace, Service,
port, and a hash of balancing, health check, validation, protocol, server name, idle timeout and slow start),
internal/dag/httpproxy_processor.go (determineSNI: the Host that is set becomes the server name), internal/dag/gatewayapi_processor.go
(of an HTTPRoute the Service alone counts). Where only some namespaces may have roots (--root-namespaces), an HTTPProxy that keeps
upstreams of one of the others is invalid, and of no use.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from ...core.model import LoadBalancer, Route, replace
from ...core.writes import Write
from ...kube.default_class import CLASS_ANNOTATION
from ...kube.objects import Obj, dig
from ...kube.snapshot import Snapshot
from ..contract.chain import ChainRequest
from ..contract.facts import Capability, ChainFacts, ProofLevel
from ..contract.switches import PatchSet
from ..kit.chain.answers import chain_side
from ..kit.chain.ingress import INGRESS_OPTIONS, IngressWay
from ..kit.chain.references import ReferenceWay, in_backend_refs, in_routes
from ..kit.chain.upstream_holders import holder, holder_host, http_route_spec, with_ingress_holder
from ..kit.patches import object_of
from ..kit.writes import SERVICES_OF_ROUTES, declaring, http_routes, of_a_chain, redirects
from .routes import HTTP_PROXY, OWN_CLASS, READERS

FACTS = ChainFacts(
    hops=1, forwarded_for="appended", server_name="never", ends_tls="always", begins_with=True,
    tls_to_gateway="annotation projectcontour.io/upstream-protocol.tls on the Service that stands for the gateway",
    objects=("Ingress or HTTPProxy", "its backends, redirected to a Service that stands for the gateway"),
    standalone_mtls=Capability(True, "yes, with a sidecar"), cannot=("send a server name of one's choice to the gateway",),
    options=INGRESS_OPTIONS, proof=ProofLevel.LAB,
)
_CLASSES = (CLASS_ANNOTATION, OWN_CLASS)
_OF_UPSTREAM = ("services", "loadBalancerPolicy", "healthCheckPolicy", "timeoutPolicy", "requestHeadersPolicy")
_IDENTITY = ("group", "kind", "name", "namespace", "port")
_MOST = 16


def alias_annotations(request: ChainRequest) -> dict[str, str]:
    """TLS to the gateway is a setting of the Service that represents it."""
    return {"projectcontour.io/upstream-protocol.tls": str(request.gateway.port)} if request.gateway.tls else {}


# ExternalName Services are off by default (enableExternalNameService).
INGRESSES = IngressWay("never", alias_annotations=alias_annotations)
WAY = ReferenceWay(READERS, INGRESSES, {"HTTPProxy": (in_routes, "name")})


def redirect(snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route], request: ChainRequest) -> PatchSet:
    """The switch of one object, and its holder."""
    listed = list(routes)
    answer = WAY.redirect(snapshot, load_balancer, listed, request)
    if answer.refusal or not listed:
        return answer
    obj = object_of(snapshot, listed[0])
    if listed[0].object.kind == "Ingress":
        return with_ingress_holder(answer, obj, listed, request, _CLASSES)
    both = (obj, _switched(obj, answer))
    spec = _http_route(obj, both, request) if obj["kind"] == "HTTPRoute" else _http_proxy(obj, both, request)
    return replace(answer, bodies=(*answer.bodies, holder(obj, request, spec, _CLASSES)))


def _switched(obj: Obj, answer: PatchSet) -> Obj:
    changed = deepcopy(obj)
    for patch in answer.patches:
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


WRITES = redirects(
    http_routes(with_objects=True), Write(HTTP_PROXY, SERVICES_OF_ROUTES, of_a_chain, why="leads requests to the gateway"),
)
CHAIN = declaring(chain_side("Contour", FACTS, INGRESSES.front, redirect), *WRITES)
