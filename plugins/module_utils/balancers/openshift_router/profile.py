# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenShift's router (openshift/router): HAProxy that an operator makes and puts back; it dials pod addresses.

Source: pkg/router/template/plugin.go (the Service's address is only used for idled Services), deploy/router.yaml (host's network);
images/router/haproxy/conf/haproxy-config.template (4b401a8): forwarded headers, re-encryption without a server name, checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...core.model import Finding, LoadBalancer, ObjectRef, Route, Scheme, Upstream
from ...kube import kinds
from ...kube.objects import Obj, dig, labels_of, name_of, namespace_of, pod_template, ref_of
from ...kube.snapshot import Snapshot
from ..contract.chain import Capability, ChainFacts, ChainOption, ChainRequest, ClientAddress, HealthCheck, LoadBalancerSide, ServerName
from ..contract.facts import Proof
from ..contract.routes import joined_readings
from ..contract.switches import PatchSet
from ..kit.cloud.options import taken, word
from ..kit.ingresses import is_ignored, make_backend, pinned_strategy
from ..legacy import Facts, Limited, RouteReading, Signs
from .chain import FORWARDED, switch

ROUTE = "Route.route.openshift.io"
_OWNED = "ingresscontroller.operator.openshift.io/owning-ingresscontroller"
_HOST = "host"


class OpenshiftRouter(Limited):
    """A router of OpenShift's ingress operator, or one that was started by hand."""

    id = "openshift_router"
    title = "OpenShift router"
    class_controllers = ("openshift.io/ingress-to-route",)
    kinds = (ROUTE,)
    signs = Signs(
        commands=("openshift-router",),
        variables=(frozenset({"ROUTER_SERVICE_NAME", "ROUTER_SERVICE_NAMESPACE"}), frozenset({"ROUTER_SERVICE_HTTP_PORT"})),
        images=("haproxy-router", "origin-haproxy-router"),
    )
    why_not = "the router always sends to pod addresses (the Service's only while it is idled)"
    facts = Facts(
        routes=("Route", "Ingress (turned into Routes)"), host="httpHeaders of a Route, of no use without Service routing",
        remark="its operator puts its pods back, so chained mode; a router of one's own can have a sidecar", versions="4.18",
    )
    also_called = ("openshift_route",)
    chain = ChainFacts(
        hops=1, forwarded_for="replaced", server_name="never", ends_tls="optional", redirects=True,
        tls_to_gateway="termination reencrypt with destinationCACertificate; passthrough leaves the client's own TLS",
        health="TCP, only where the gateway has several pods; it sends to ready pods",
        objects=("Route, its Service, which becomes one that stands for the gateway",),
        cannot=("send a client certificate to the gateway", "tell a gateway behind passthrough who the client is"),
        standalone_mtls=Capability(False, "no where its operator makes it; with a sidecar where the router is one's own"),
        proof=Proof.SCHEMA,
    )
    chain_kinds = (ROUTE,)
    switches_routes = True
    chain_options = (
        ChainOption("termination", "Where clients' TLS ends; without it edge, or reencrypt where the gateway takes TLS.", (
            "none", "edge", "reencrypt", "passthrough")),
        ChainOption("destination_ca", "PEM certificates that sign the gateway's certificate (reencrypt)."),
    )

    def ends_tls(self, request: ChainRequest) -> bool:
        return _termination(request) in ("edge", "reencrypt")

    def server_name(self, request: ChainRequest) -> ServerName:
        return "client" if _termination(request) == "passthrough" else "never"

    def client_address(self, request: ChainRequest) -> ClientAddress:
        if _termination(request) == "passthrough" and request.client == "auto":
            return ClientAddress("none", 0, "passthrough brings no X-Forwarded-For and no PROXY header: the gateway sees the router")
        return super().client_address(request)

    def chain_front(self, request: ChainRequest) -> LoadBalancerSide:
        """One Route per host, since a Route has one."""
        termination, mode = _termination(request), self.client_address(request).mode
        refusal = _refusal(request, termination, mode)
        if refusal:
            return LoadBalancerSide(refusal=refusal)
        steps: tuple[str, ...] = ()
        if termination == "reencrypt" and not request.option("destination_ca"):
            steps = ("Without platform_options.destination_ca the router only takes a gateway's certificate of OpenShift's service CA.",)
        routes = tuple(_route(request, termination, number, host) for number, host in enumerate(request.hosts))
        return LoadBalancerSide(bodies=routes, check=HealthCheck("tcp", request.gateway.target_port), steps=steps)

    def chain_switch(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route], request: ChainRequest
    ) -> PatchSet:
        ref = next(iter(routes)).object
        found = snapshot.get(ROUTE, ref.namespace, ref.name) if ref.kind == "Route" else None
        return switch(found, request) if found else PatchSet(refusal=f"{ref} becomes Routes, which are not known here")

    def chain_preflight(self, snapshot: Snapshot, request: ChainRequest) -> tuple[Finding, ...]:
        """A Route whose host another namespace's older one has is not admitted; in one namespace the older one keeps the path."""
        here = request.gateway.namespace
        whole = ((obj, str(dig(obj, "spec", "host", default=""))) for obj in snapshot.all(ROUTE)
                 if namespace_of(obj) != here or dig(obj, "spec", "path", default="/") in ("", "/"))  # fmt: skip
        return tuple(taken(request, whole, "the router leaves a host to the oldest Route"))

    def blockers(self, workload: Obj) -> tuple[str, ...]:
        labels = {**labels_of(workload), **labels_of(pod_template(workload))}
        if _OWNED in labels or namespace_of(workload) == "openshift-ingress":
            return ("OpenShift's ingress operator puts its pods back and has no setting for their labels: use chained mode",)
        return ()

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        own = (
            route for obj in snapshot.all(ROUTE) if only is None or ref_of(obj) in only
            for route in self._own(snapshot, load_balancer, obj)
        )
        # Ingresses become Routes that their Ingress owns; those are what is read where Routes are known.
        plain = RouteReading() if snapshot.count(ROUTE) else super().routes(snapshot, load_balancer, only)
        return joined_readings(plain, RouteReading(tuple(own)))

    def _own(self, snapshot: Snapshot, load_balancer: LoadBalancer, obj: Obj) -> Iterator[Route]:
        targets = [dig(obj, "spec", "to", default={}), *dig(obj, "spec", "alternateBackends", default=[])]
        for place, target in enumerate(item for item in targets if item.get("kind", "Service") == "Service"):
            service = str(target.get("name", ""))
            yield Route(
                load_balancer=load_balancer.key, object=ref_of(obj), host=str(dig(obj, "spec", "host", default="")),
                path=str(dig(obj, "spec", "path", default="/")), path_type="ImplementationSpecific",
                backend=make_backend(snapshot, namespace_of(obj), service, _port(snapshot, obj, service)),
                upstream=Upstream("pod_ips", _host(obj), _scheme(obj)),
                upstream_group=f"Route-{namespace_of(obj)}-{name_of(obj)}-{service}",
                features=("canary", "weights") if len(targets) > 1 else (), canary=place > 0,
                settable=False, why_not_settable=self.why_not, ignored=is_ignored(obj), pinned_strategy=pinned_strategy(snapshot, obj),
            )


def _scheme(obj: Obj) -> Scheme:
    return "tls" if dig(obj, "spec", "tls", "termination") in ("passthrough", "reencrypt") else "http"


def _host(obj: Obj) -> str:
    for item in dig(obj, "spec", "httpHeaders", "actions", "request", default=[]):
        if str(item.get("name", "")).lower() == _HOST:
            return str(dig(item, "action", "set", "value", default=""))
    return ""


def _port(snapshot: Snapshot, obj: Obj, service: str) -> int | str:
    """The Service's port that a Route means: by its target port (number or name), else the first one."""
    wanted = dig(obj, "spec", "port", "targetPort", default="")
    ports = dig(snapshot.get(kinds.SERVICE, namespace_of(obj), service), "spec", "ports", default=[])
    for port in ports:
        if wanted and wanted in (port.get("name"), port.get("targetPort", port.get("port"))):
            return int(port.get("port", 0))
    return wanted or (int(ports[0].get("port", 0)) if ports else 0)


def _termination(request: ChainRequest) -> str:
    return word(request, "termination") or ("reencrypt" if request.gateway.tls else "edge")


def _refusal(request: ChainRequest, termination: str, mode: str) -> str:
    takes_tls = termination in ("reencrypt", "passthrough")
    if not request.hosts:
        return "a Route serves one host: give hosts"
    if takes_tls != request.gateway.tls:
        return f"termination {termination} sends {'TLS' if takes_tls else 'plain HTTP'}, and the gateway's port is not for that"
    if termination == "none" and request.https_redirect:
        return "https_redirect needs TLS at the router: set platform_options.termination"
    if mode in ("proxy_protocol", "source_address"):
        return "the router sends no PROXY header, and its connections come from its own address: use client_address.mode x_forwarded_for"
    if termination == "passthrough" and mode == "x_forwarded_for":
        return "with passthrough the router writes no X-Forwarded-For, so whatever the client wrote there would be taken"
    return ""


def _route(request: ChainRequest, termination: str, number: int, host: str) -> Obj:
    wildcard = host.startswith("*.")
    tls: Obj = {"termination": termination}
    if termination == "reencrypt" and request.option("destination_ca"):
        tls["destinationCACertificate"] = str(request.option("destination_ca"))
    if request.https_redirect or termination == "edge":
        tls["insecureEdgeTerminationPolicy"] = "Redirect" if request.https_redirect else "Allow"
    name = request.name if not number else f"{request.name}-{number + 1}"
    spec: Obj = {
        "host": f"wildcard{host[1:]}" if wildcard else host, "wildcardPolicy": "Subdomain" if wildcard else "None",
        "to": {"kind": "Service", "name": request.gateway.service, "weight": 100},
        "port": {"targetPort": request.gateway.port_name},
    }
    return {
        "apiVersion": "route.openshift.io/v1", "kind": "Route",
        # What a client wrote into X-Forwarded-For is not handed on.
        "metadata": {"name": name, "namespace": request.gateway.namespace, "annotations": {FORWARDED: "replace"}},
        "spec": {**spec, **({"tls": tls} if termination != "none" else {})},
    }
