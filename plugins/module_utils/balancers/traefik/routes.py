# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traefik's routes: of Ingresses, of its own kinds, and of the Gateway API."""

from __future__ import annotations

from collections.abc import Iterable

from ...core.model import LoadBalancer, ObjectRef, replace
from ...kube.objects import Obj, annotations_of, dig, namespace_of
from ...kube.services import is_headless
from ...kube.snapshot import Snapshot
from ..contract.routes import RouteReader, RouteReading
from ..kit.annotations import go_bool
from ..kit.gateway.dialect import USUAL_KINDS, Dialect, Effect, no_extension, within_scope
from ..kit.gateway.names import KINDS as GATEWAY_KINDS
from ..kit.gateway.names import ROUTE_KINDS
from ..kit.gateway.routes import AttachPoint
from ..kit.objects import BackendHandling
from ..kit.patches import is_older
from ..kit.readers import gateway_reader
from ..kit.settings import settings_of
from .backends import HEADLESS, MIDDLEWARE, host_and_path, named_objects, scheme_of, too_old
from .crd import KINDS, OLD_ROUTES, OWN_ROUTES, read_own_kinds
from .files import read_files
from .ingress import lowered, read_ingress_routes
from .settings import Settings

GATEWAY_CONTROLLER = "traefik.io/gateway-controller"
_FILTERS = ("RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "URLRewrite", "ExtensionRef", "CORS")
DIALECT = Dialect(
    {**USUAL_KINDS, "TLS": frozenset({"TLSRoute"}), "UDP": frozenset()}, strict_kinds=True, certificates="all", shares_ports=True,
    first_wins=frozenset({"HTTP", "HTTPS", "TLS", "TCP"}), one_stream=False, filters=frozenset(_FILTERS),
)
K3S_CHART = "HelmChart.helm.cattle.io"
_SCHEMES = {"https": "https", "kubernetes.io/wss": "https"}


def sends_per_backend(load_balancer: LoadBalancer) -> bool:
    """Whether the filters of single backends are applied."""
    return not is_older(load_balancer.version, 3, 7)


def handle_point(load_balancer: LoadBalancer, point: AttachPoint) -> BackendHandling:
    """By the Service's annotation, else by the provider's default."""
    service, noted = point.target, lowered(annotations_of(point.target), "traefik.io/service.")
    native = go_bool(noted.get("nativelb"), default=settings_of(load_balancer, Settings).gateway.native)
    headless = bool(service) and is_headless(service)
    why_not = HEADLESS if headless else too_old(load_balancer.version, 3, 2)
    port: Obj = next((item for item in dig(service, "spec", "ports", default=[]) if item.get("port") == point.port), {})
    given = str(port.get("appProtocol") or "").lower()
    by_kind = point.route["kind"] in ("TCPRoute", "TLSRoute") or point.policy_tls
    return BackendHandling(
        "cluster_ip" if native else "pod_ips", group=f"gateway-{point.namespace}-{point.service}",
        scheme=None if by_kind else scheme_of(port, _SCHEMES.get(given, given)), why_not_settable=why_not,
        dropped=f"headless Service {point.service} has no address, and is to be reached by it" if native and headless else "",
    )


def dialect_of(snapshot: Snapshot, load_balancer: LoadBalancer) -> Dialect:
    """Its own way, as this instance was started. Source: traefik/traefik fd5a576 pkg/provider/kubernetes/gateway."""
    settings = settings_of(load_balancer, Settings)
    # TCP routes are of the standard's experimental channel, which it must be told to read; TLS routes were, up to 3.6.
    experimental = () if settings.experimental_channel else ("TCPRoute", *(("TLSRoute",) if is_older(load_balancer.version, 3, 7) else ()))
    own = replace(
        DIALECT, listener=lambda gateway, listener: _without_entry_point(settings, listener),
        extension=lambda route, reference: _effect(snapshot, settings, route, reference),
    )
    return within_scope(own.without(*experimental), *settings.gateway.scopes)


def _without_entry_point(settings: Settings, listener: Obj) -> str:
    """Why a listener has no entry point: one has to have its port, and for HTTP no TLS of its own."""
    number, plain = listener.get("port"), listener.get("protocol") == "HTTP"
    fits = [item for item in settings.entry_points if item.port == number and not (plain and item.tls)]
    return f"Traefik has no entry point with port {number} for it" if settings.entry_points and not fits else ""


def _effect(snapshot: Snapshot, settings: Settings, route: Obj, reference: Obj) -> Effect:
    """What a Middleware does as a filter; Traefik reads it only beside its own kinds."""
    kind, name = f"{reference.get('kind')}.{reference.get('group')}", str(reference.get("name", ""))
    if kind != MIDDLEWARE or not settings.crd.on:
        return no_extension(route, reference)
    if snapshot.get(MIDDLEWARE, namespace_of(route), name) is None:
        return Effect(refused=f"Middleware {namespace_of(route)}/{name} does not exist")
    return Effect(host_and_path(named_objects(snapshot).middlewares([{"name": name}], namespace_of(route)))[0])


GATEWAYS = gateway_reader({GATEWAY_CONTROLLER}, handle_point, per_backend_host=sends_per_backend, dialect=dialect_of, kinds=(MIDDLEWARE,))


def read_gateways(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Routes of the Gateway API, where it was told of it."""
    return GATEWAYS.read(snapshot, load_balancer, only) if _reads_gateways(load_balancer) else RouteReading()


def gateways_here(snapshot: Snapshot, load_balancer: LoadBalancer) -> Iterable[tuple[str, str]]:
    """The Gateways that it serves."""
    return GATEWAYS.gateways(snapshot, load_balancer) if _reads_gateways(load_balancer) else ()


def _reads_gateways(load_balancer: LoadBalancer) -> bool:
    return bool(load_balancer.gateways) or settings_of(load_balancer, Settings).gateway.on


READERS = (
    RouteReader(read_files),
    RouteReader(read_ingress_routes, (K3S_CHART,)), RouteReader(read_own_kinds, KINDS, (*OWN_ROUTES, *OLD_ROUTES)),
    RouteReader(read_gateways, GATEWAY_KINDS, ROUTE_KINDS, gateways_here),
)
