# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform: a load balancer outside of the cluster, whose traffic leaves from no workload.

A platform's folder holds its facts, its side of a chain and its health check; :func:`platform` puts a profile together from them.
``bodies.py`` makes the objects that several platforms take alike, ``options.py`` reads their options, ``health.py`` has what their
checks share, ``preflight.py`` what they look for before a chain is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ....core.model import LoadBalancer, ObjectRef, Route, Scheme, replace
from ....kube import kinds
from ....kube.objects import Obj, annotations_of, dig, name_of, namespace_of, ref_of
from ....kube.snapshot import Snapshot
from ...contract.chain import ChainRequest, ChainSide, ClientAddress, HealthChecker
from ...contract.facts import About, ChainFacts
from ...contract.instances import InstanceReader
from ...contract.profile import Profile
from ...contract.recognition import Recogniser
from ...contract.routes import RouteReader, RouteReading, joined_readings
from ..chain.answers import usual_client_address
from ..gateway.dialect import Dialect
from ..gateway.names import KINDS, ROUTE_KINDS
from ..gateway.routes import read_gateway_routes, served_gateways
from ..ingresses import IngressEntry, entries
from ..objects import BackendHandling, is_ignored, services_of
from ..readers import EntriesOf, always, read_ingresses
from ..streams import fixed_route
from .signs import PlatformSigns, on_its_nodes, owns_ingress, owns_service, traces

NOT_IN_THE_CLUSTER = "its traffic leaves from outside the cluster, where no sidecar can be: use chained mode (an Istio gateway behind it)"
WHY_NOT = "it is outside the mesh, so nothing that is set on it gives its connections the mesh's mutual TLS"
HOSTED = Dialect(certificates="none", checks_expressions=False)
"""A platform's certificates need be in no Secret."""
SchemeOf = Callable[[Obj], Scheme]
OfRequest = Callable[[ChainRequest], bool]


def usual_scheme(route: Obj) -> Scheme:
    """How most platforms speak to the backends of one of their Ingresses or Services."""
    return "tcp" if route.get("kind") == "Service" else "http"


def scheme_by_annotation(key: str, tls: str) -> SchemeOf:
    """How a platform speaks to backends that is told so by an annotation; ``tls`` is its value for TLS."""
    return lambda route: "tls" if annotations_of(route).get(key) == tls else "http"


def in_cloud(identifier: str, title: str, *also_called: str) -> About:
    """A platform that is a cloud's own."""
    return About(identifier, title, also_called, "cloud", NOT_IN_THE_CLUSTER)


def platform(
    about: About, signs: PlatformSigns, chain: ChainSide, health: HealthChecker, *, recogniser: Recogniser | None = None,
    instance: InstanceReader | None = None, routes: RouteReader | None = None, dialect: Dialect = HOSTED,
) -> Profile:
    """A platform's profile; what ``signs`` tell is added to its ``recogniser``, and its routes are the usual ones unless given."""
    complete = replace(recogniser or Recogniser(), traces=lambda snapshot: traces(snapshot, signs))
    reader = routes or platform_routes(signs, complete.gateway_classes.controllers, dialect=dialect)
    return Profile(about, complete, instance or InstanceReader(), (reader,), chain=chain, health=health)


def platform_routes(
    signs: PlatformSigns, gateway_classes: tuple[str, ...] = (), scheme_of: SchemeOf = usual_scheme, entries_of: EntriesOf = entries,
    dialect: Dialect = HOSTED,
) -> RouteReader:
    """Ingresses and Services that are the platform's, and routes of its Gateways, none of which can be switched."""

    def read(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
        here = on_its_nodes(snapshot.all(kinds.NODE), signs)

        def of_entry(load_balancer: LoadBalancer, ingress: Obj, entry: IngressEntry, service: Obj) -> BackendHandling:
            features = ("canary",) if entry.shared else ()
            return BackendHandling(scheme=scheme_of(ingress), why_not_settable=WHY_NOT, features=features, dropped=entry.unread)

        def serves(load_balancer: LoadBalancer, ingress: Obj) -> bool:
            return owns_ingress(signs, here, ingress, load_balancer.classes)

        def of_services() -> Iterator[Route]:
            provided = services_of(snapshot)
            for service in snapshot.all(kinds.SERVICE):
                ref = ref_of(service)
                if (only is None or ref in only) and owns_service(signs, here, service):
                    for port in dig(service, "spec", "ports", default=[]):
                        number = int(port.get("port", 0))
                        target = (namespace_of(service), name_of(service), number)
                        yield fixed_route(
                            load_balancer, ref, f"tcp:{number}", target, scheme_of(service), provided, ignored=is_ignored(service),
                        )

        plain = read_ingresses(snapshot, load_balancer, only, of_entry, serves, entries_of=entries_of)
        handle = always(BackendHandling(why_not_settable=WHY_NOT))
        modern = read_gateway_routes(snapshot, load_balancer, only, gateway_classes, handle, dialect=dialect)
        return joined_readings(plain, modern, RouteReading(tuple(of_services())))

    def gateways(snapshot: Snapshot, load_balancer: LoadBalancer) -> Iterable[tuple[str, str]]:
        return served_gateways(snapshot, load_balancer, gateway_classes)

    return RouteReader(read, KINDS, ROUTE_KINDS, gateways)


def address_by_listener(
    title: str, facts: ChainFacts, reads_http: OfRequest, why: str, otherwise: Callable[[ChainRequest], ClientAddress]
) -> Callable[[ChainRequest], ClientAddress]:
    """How the gateway gets to know the client from a platform whose listeners write X-Forwarded-For only where they read HTTP.

    ``why`` says that of these listeners; ``otherwise`` gives the best way of the others.
    """

    def client_address(request: ChainRequest) -> ClientAddress:
        if reads_http(request) and request.client in ("auto", "x_forwarded_for"):
            return ClientAddress("x_forwarded_for", facts.hops if request.trusted_hops is None else request.trusted_hops, why)
        return otherwise(request) if request.client == "auto" else usual_client_address(title, facts, request)

    return client_address


def plain_port_for_https(request: ChainRequest) -> str:
    """Why a load balancer that is made from the gateway's own Service cannot end TLS for it; empty where it can.

    Its listeners are the Service's ports, so the port that clients use for HTTPS has to be one where the gateway speaks plain HTTP.
    """
    if request.gateway.tls:
        return "with a certificate of its own it ends TLS and sends plain bytes on: set gateway.tls to false, or leave the certificate out"
    if request.gateway.port == 80:
        return "its listeners are the gateway's Service's ports: name the one for HTTPS (443, say) in gateway.port, with gateway.tls false"
    return ""
