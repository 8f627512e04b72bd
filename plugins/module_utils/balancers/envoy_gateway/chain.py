# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Envoy Gateway in front of an Istio gateway: its HTTPRoutes name the Service that represents the gateway.

Source: envoyproxy/gateway v1.9.1 internal/gatewayapi (backendtlspolicy.go: TLS to a Service is a BackendTLSPolicy alone, which always has a
name and an authority; route.go: no ExternalName, headless Services by their EndpointSlices), internal/xds/translator/listener.go
(use_remote_address appends the client to X-Forwarded-For; disableXForwardedForAppend of a ClientTrafficPolicy leaves that out).

An upstream is named after its route, so only its endpoints change at the switch; but not with mergeBackends of the EnvoyProxy (1.9), where
7 requests were answered 503 in the lab: there an HTTPRoute for requests that nobody makes keeps both upstreams as long as there is a chain.

The policy is for the Service that represents the gateway, never for the gateway's own: Istio reads BackendTLSPolicies too, and
would have every client of that Service speak TLS.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, Route, replace
from ...kube import kinds
from ...kube.objects import Obj, dig, labels_of, ref_of
from ...kube.pods import by_namespace
from ...kube.snapshot import Snapshot
from ..contract.chain import ChainRequest, LoadBalancerSide
from ..contract.facts import Capability, ChainFacts, ChainOption, ProofLevel
from ..contract.switches import PatchSet
from ..kit.chain.answers import chain_side, usual_client_address
from ..kit.chain.ingress import ROUTES_IN, IngressWay, alias_bodies, alias_name
from ..kit.chain.references import ReferenceWay, in_backend_refs
from ..kit.chain.upstream_holders import holder, http_route_spec
from ..kit.cloud.bodies import GATEWAY_API, metadata
from ..kit.gateway.attachment import attached
from ..kit.gateway.listeners import gateways_of, listeners_of
from ..kit.gateway.names import BACKEND_TLS_POLICY, GATEWAY
from ..kit.gateway.policies import policies_for
from ..kit.patches import object_of
from ..kit.settings import settings_of
from ..kit.writes import declaring, http_routes, made_for_chains, stand_ins
from .dialect import STRICT
from .routes import READERS, envoy_proxy_of, parents_of
from .settings import Settings

CLIENT_TRAFFIC_POLICY = "ClientTrafficPolicy.gateway.envoyproxy.io"
FACTS = ChainFacts(
    hops=1, forwarded_for="appended", server_name="settable", ends_tls="always", begins_with=True,
    tls_to_gateway="BackendTLSPolicy for the Service that stands for the gateway: server name and CA",
    objects=("HTTPRoute", "its backends, redirected to a Service that stands for the gateway", "BackendTLSPolicy"),
    standalone_mtls=Capability(True, "yes, with a sidecar"), minimum="1.6 for TLS to the gateway (BackendTLSPolicy v1)",
    cannot=(
        "send no server name in TLS to the gateway, or leave its certificate unverified",
        "keep its balancing, health checks or retries per pod of the backend",
    ),
    options=(
        ChainOption("gateway", "The Gateway (namespace/name) that new HTTPRoutes attach to, where hosts are written and not carried over."),
        ChainOption("server_name", "Name in the gateway's certificate, which is sent as server name, where gateway.tls.host names none."),
        ChainOption("ca_config_map", "ConfigMap (ca.crt) with the CA of the gateway's certificate, in every namespace of routes."),
        ChainOption("ca_secret", "Secret (ca.crt) with that CA, in every namespace of routes. Without both the system's CAs count."),
    ),
    kinds=(CLIENT_TRAFFIC_POLICY,), proof=ProofLevel.LAB,
)


def tls_bodies(namespace: str, request: ChainRequest) -> tuple[Obj, ...]:
    """What makes it speak TLS to the Service that represents the gateway in a namespace."""
    if not request.gateway.tls:
        return ()
    name = alias_name(request.gateway)
    authorities = [
        {"group": "", "kind": kind, "name": str(request.option(option))}
        for kind, option in (("ConfigMap", "ca_config_map"), ("Secret", "ca_secret")) if request.option(option)
    ]
    trust: Obj = {"caCertificateRefs": authorities} if authorities else {"wellKnownCACertificates": "System"}
    return ({
        "apiVersion": GATEWAY_API, "kind": "BackendTLSPolicy", "metadata": metadata(name, namespace, {ROUTES_IN: namespace}),
        "spec": {"targetRefs": [{"group": "", "kind": "Service", "name": name}], "validation": {"hostname": _name(request), **trust}},
    },)


def _name(request: ChainRequest) -> str:
    return request.gateway.server_name or str(request.option("server_name") or "")


def front(request: ChainRequest) -> LoadBalancerSide:
    """An HTTPRoute beside the gateway, on a Gateway of somebody else."""
    if len(_parent(request)) != 2:
        return LoadBalancerSide(
            refusal="which of its Gateways takes the new HTTPRoute is not said: give platform_options.gateway (namespace/name)"
        )
    route = _route(request)
    if not request.gateway.tls:
        return LoadBalancerSide(bodies=(route,))
    own = request.gateway.namespace
    return LoadBalancerSide(bodies=(*alias_bodies(own, request, "never"), *tls_bodies(own, request), route))


def _parent(request: ChainRequest) -> list[str]:
    return [word for word in str(request.option("gateway") or "").split("/") if word]


def _route(request: ChainRequest) -> Obj:
    gateway, (namespace, name) = request.gateway, _parent(request)
    service = alias_name(gateway) if gateway.tls else gateway.service
    rule = {"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": [{"name": service, "port": gateway.port}]}
    hosts = {"hostnames": list(request.hosts)} if request.hosts else {}
    return {
        "apiVersion": GATEWAY_API, "kind": "HTTPRoute", "metadata": metadata(request.name, gateway.namespace),
        "spec": {"parentRefs": [{"namespace": namespace, "name": name}], **hosts, "rules": [rule]},
    }


def preflight(snapshot: Snapshot, request: ChainRequest) -> tuple[Finding, ...]:
    """What it cannot do, and whether the Gateway that was named takes a new route."""
    findings: list[Finding] = []
    if request.alias == "name":
        findings.append(finding("MLB617", "Envoy Gateway takes no Service of type ExternalName as a backend: leave route_backend out"))
    if request.gateway.tls and not _name(request):
        why = (
            "Envoy Gateway verifies the gateway's certificate, and no name to look for in it is given: set gateway.tls.host, or "
            "platform_options.server_name where the gateway is to answer any name"
        )
        findings.append(finding("MLB617", why))
    if len(_parent(request)) == 2 and snapshot.source.live:
        labels = labels_of(snapshot.get(kinds.NAMESPACE, "", request.gateway.namespace) or {})
        findings += _about_parent(snapshot, request, snapshot.get(GATEWAY, *_parent(request)), labels)
    return tuple(findings)


def _about_parent(snapshot: Snapshot, request: ChainRequest, gateway: Obj | None, labels: dict[str, str]) -> Iterable[Finding]:
    """Whether the Gateway takes a new route of the gateway's namespace, which has these labels."""
    namespace, name = _parent(request)
    if gateway is None:
        yield finding("MLB617", f"there is no Gateway {namespace}/{name} for the new HTTPRoute: correct platform_options.gateway")
    elif not attached(_route(request), labels, listeners_of(snapshot, {(namespace, name): gateway}, STRICT), STRICT).taken:
        of = request.gateway.namespace
        why = f"no listener of Gateway {namespace}/{name} takes HTTPRoutes of namespace {of} for these hosts: see its allowedRoutes"
        yield finding("MLB617", why, ref_of(gateway))


def redirect(snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route], request: ChainRequest) -> PatchSet:
    """Redirect the routes of one object, over TLS where the gateway takes it, and keep upstreams that would come or go with them."""
    asked = list(routes)
    answer = WAY.redirect(snapshot, load_balancer, asked, request)
    if answer.refusal or not asked:
        return answer
    route = object_of(snapshot, asked[0])
    gateways = list(parents_of(route, gateways_of(snapshot.all, {settings_of(load_balancer, Settings).controller})))
    bodies = [*answer.bodies, *tls_bodies(asked[0].object.namespace, request)]
    if any(dig(envoy_proxy_of(snapshot.get, gateway), "spec", "mergeBackends") is not None for gateway in gateways):
        bodies.append(_holder(route, request))
    # Where the client is left out of X-Forwarded-For, what a client forged would be believed.
    policies = [policy for gateway in gateways for section in _sections(gateway)
                for policy in policies_for(partial(snapshot.lookup, CLIENT_TRAFFIC_POLICY, by_namespace), gateway, section)]  # fmt: skip
    trusted = usual_client_address("Envoy Gateway", FACTS, request).trusted_hops
    return replace(answer, bodies=tuple(bodies), findings=tuple(_about_headers(policies)) if trusted else ())


def _sections(gateway: Obj) -> Iterable[str | None]:
    return (None, *(str(item.get("name")) for item in dig(gateway, "spec", "listeners", default=[])))


def _holder(route: Obj, request: ChainRequest) -> Obj:
    """Where upstreams are named after Services: an HTTPRoute for a header that nobody sends, which names those before and after."""
    former = [{"name": item["name"], "port": item.get("port")} for dummy, item in in_backend_refs(route)]
    named = [*former, {"name": alias_name(request.gateway), "port": request.gateway.port}]
    unique = [(f"/{number}", [item]) for number, item in enumerate(named) if item not in named[:number]]
    return holder(route, request, http_route_spec(route, request, unique))


def _about_headers(policies: Iterable[Obj]) -> Iterable[Finding]:
    for policy in policies:
        if dig(policy, "spec", "clientIPDetection", "xForwardedFor", "disableXForwardedForAppend"):
            why = (
                f"{ref_of(policy)} has disableXForwardedForAppend, so Envoy Gateway writes no client into X-Forwarded-For: take "
                "that out, or set client_address.trusted_hops to 0"
            )
            yield finding("MLB617", why, ref_of(policy))


WAY = ReferenceWay(READERS, IngressWay(follows_names="never"))
WRITES = (*stand_ins(), http_routes(with_objects=True), *made_for_chains(BACKEND_TLS_POLICY))
CHAIN = declaring(chain_side("Envoy Gateway", FACTS, front, redirect, preflight=preflight), *WRITES)
