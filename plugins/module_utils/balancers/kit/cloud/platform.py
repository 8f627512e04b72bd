# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform: a load balancer outside of the cluster, whose traffic leaves from no workload.

A platform's folder holds its facts, its side of a chain and its health check; :func:`platform` puts a profile together from them, and
``bodies.py`` makes the objects that several platforms take alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ....core.model import Finding, LoadBalancer, ObjectRef, Route, Scheme, replace
from ....kube import kinds
from ....kube.objects import Obj, dig, name_of, namespace_of, ref_of
from ....kube.snapshot import Snapshot
from ...contract.chain import (
    STATUS_PORT,
    STATUS_PORT_NAME,
    ChainFacts,
    ChainRequest,
    ChainSide,
    CheckTarget,
    ClientAddress,
    HealthCheck,
    HealthChecker,
    LoadBalancerSide,
    ServerName,
)
from ...contract.facts import About
from ...contract.instances import InstanceReader
from ...contract.profile import Profile
from ...contract.recognition import Recogniser
from ...contract.routes import RouteReader, RouteReading, joined_readings
from ..chain.answers import chain_side
from ..gateway.routes import KINDS, AttachPoint, BackendHandling, read_gateway_routes
from ..ingresses import Entry
from ..plain import read_ingresses
from ..streams import fixed_route
from .signs import PlatformSigns, owns_ingress, owns_service, traces

NOT_IN_THE_CLUSTER = "its traffic leaves from outside the cluster, where no sidecar can be: use chained mode (an Istio gateway behind it)"
WHY_NOT = "it is outside the mesh, so nothing that is set on it gives its connections the mesh's mutual TLS"
SchemeOf = Callable[[Obj], Scheme]


def usual_scheme(route: Obj) -> Scheme:
    """How most platforms speak to the backends of one of their Ingresses or Services."""
    return "tcp" if route.get("kind") == "Service" else "http"


def platform(
    about: About, signs: PlatformSigns, chain: ChainSide, health: HealthChecker, *, recogniser: Recogniser | None = None,
    instance: InstanceReader | None = None, routes: RouteReader | None = None,
) -> Profile:
    """A platform's profile; what ``signs`` tell is added to its ``recogniser``."""
    shown = replace(recogniser or Recogniser(), traces=lambda snapshot: traces(snapshot, signs))
    reader = routes or platform_routes(signs, shown.gateway_classes)
    return Profile(about, shown, instance or InstanceReader(), (reader,), chain=chain, health=health)


def platform_routes(signs: PlatformSigns, gateway_classes: tuple[str, ...] = (), scheme_of: SchemeOf = usual_scheme) -> RouteReader:
    """Ingresses and Services that are the platform's, and routes of its Gateways, none of which can be switched."""

    def read(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
        def of_entry(ingress: Obj, entry: Entry, service: Obj) -> BackendHandling:
            return BackendHandling(scheme=scheme_of(ingress), settable=False, why_not_settable=WHY_NOT)

        def of_point(point: AttachPoint) -> BackendHandling:
            return BackendHandling(settable=False, why_not_settable=WHY_NOT)

        def served(ingress: Obj) -> bool:
            return owns_ingress(snapshot, signs, ingress, load_balancer.classes)

        plain = read_ingresses(snapshot, load_balancer, of_entry, only, served)
        modern = read_gateway_routes(snapshot, load_balancer, gateway_classes, of_point, only)
        return joined_readings(plain, modern, RouteReading(tuple(_of_services(snapshot, load_balancer, only, signs, scheme_of))))

    return RouteReader(read, KINDS)


def _of_services(
    snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None, signs: PlatformSigns, scheme_of: SchemeOf
) -> Iterator[Route]:
    for service in snapshot.all(kinds.SERVICE):
        ref = ref_of(service)
        if (only is None or ref in only) and owns_service(snapshot, signs, service):
            for port in dig(service, "spec", "ports", default=[]):
                number = int(port.get("port", 0))
                target = (namespace_of(service), name_of(service), number)
                yield fixed_route(snapshot, load_balancer, ref, f"tcp:{number}", target, scheme_of(service))


def platform_chain(
    title: str, facts: ChainFacts, front: Callable[[ChainRequest], LoadBalancerSide], *, certificates: tuple[str, ...] = (),
    preflight: Callable[[Snapshot, ChainRequest], tuple[Finding, ...]] | None = None,
    client_address: Callable[[ChainRequest], ClientAddress] | None = None, ends_tls: Callable[[ChainRequest], bool] | None = None,
    server_name: Callable[[ChainRequest], ServerName] | None = None,
) -> ChainSide:
    """A platform's side of a chain.

    ``certificates`` are the keys of ``platform_options`` that give it a certificate, with any of which clients' TLS ends at it. The
    client's own server name then goes no further.
    """

    def ends(request: ChainRequest) -> bool:
        if certificates:
            return any(request.option(name) for name in certificates)
        return facts.ends_tls == "always"

    ending = ends_tls or ends

    def name(request: ChainRequest) -> ServerName:
        return "never" if facts.server_name == "client" and ending(request) else facts.server_name

    return chain_side(
        title, facts, front, preflight=preflight, client_address=client_address, ends_tls=ending, server_name=server_name or name
    )


def class_for(request: ChainRequest, default: str = "") -> str:
    """The class that new objects name: the one that was asked for, else the first that was found, else the usual one."""
    return str(request.option("class_name") or (request.classes[0] if request.classes else default))


def gateway_check(request: ChainRequest) -> CheckTarget:
    """What a platform is asked to check in chained mode: the gateway, at the port by which its Service answers checks."""
    return CheckTarget(request.gateway.namespace, request.gateway.service, status_check(request.gateway.status_port))


STATUS_UNDERSTANDS_PROXY = (("ENVOY_STATUS_PORT_ENABLE_PROXY_PROTOCOL", "true"),)
"""Environment of a gateway's proxy whose status port is to take connections with a PROXY header, and those without one (Istio 1.27)."""


def pod_port(port: int | str) -> int:
    """The number by which a pod answers a check: of the status port where that is named, 0 for other names."""
    return port if isinstance(port, int) else STATUS_PORT if port == STATUS_PORT_NAME else 0


def plain_port_for_https(request: ChainRequest) -> str:
    """Why a load balancer that is made from the gateway's own Service cannot end TLS for it; empty where it can.

    Its listeners are the Service's ports, so the port that clients use for HTTPS has to be one where the gateway speaks plain HTTP.
    """
    if request.gateway.tls:
        return "with a certificate of its own it ends TLS and sends plain bytes on: set gateway.tls to false, or leave the certificate out"
    if request.gateway.port == 80:
        return "its listeners are the gateway's Service's ports: name the one for HTTPS (443, say) in gateway.port, with gateway.tls false"
    return ""


def status_check(port: int | str) -> HealthCheck:
    """The check of Istio's proxies: in clear, at the status port, ready once they are configured and not draining."""
    return HealthCheck("http", port)


def refused(reasons: Iterable[str]) -> LoadBalancerSide | None:
    """The first reason as the whole answer, ``None`` where there is none."""
    first = next((reason for reason in reasons if reason), "")
    return LoadBalancerSide(refusal=first) if first else None
