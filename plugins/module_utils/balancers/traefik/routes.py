# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traefik's routes: of Ingresses, of its own kinds, and of the Gateway API."""

from __future__ import annotations

from ...core.model import LoadBalancer, ObjectRef, replace
from ...kube.objects import Obj, annotations_of, dig
from ...kube.services import is_headless
from ...kube.snapshot import Snapshot
from ..contract.routes import RouteReader, RouteReading
from ..kit.annotations import go_bool
from ..kit.gateway.names import KINDS as GATEWAY_KINDS
from ..kit.gateway.names import ROUTE_KINDS
from ..kit.gateway.routes import AttachPoint
from ..kit.objects import BackendHandling
from ..kit.patches import is_older
from ..kit.readers import gateway_reader
from ..kit.settings import settings_of
from .backends import HEADLESS, scheme_of, too_old
from .crd import KINDS, OLD_ROUTES, OWN_ROUTES, read_own_kinds
from .files import read_files
from .ingress import lowered, read_ingress_routes
from .settings import Settings

GATEWAY_CONTROLLER = "traefik.io/gateway-controller"
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


GATEWAYS = gateway_reader({GATEWAY_CONTROLLER}, handle_point, per_backend_host=sends_per_backend)


def read_gateways(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Routes of the Gateway API, where it was told of it."""
    settings = settings_of(load_balancer, Settings)
    if not settings.gateway.on:
        return RouteReading()
    # TCP routes are of the standard's experimental channel, which it must be told to read; TLS routes were, up to 3.6.
    experimental = () if settings.experimental_channel else ("TCPRoute", *(("TLSRoute",) if is_older(load_balancer.version, 3, 7) else ()))
    reading = GATEWAYS.read(snapshot, load_balancer, only)
    return replace(reading, routes=tuple(route for route in reading.routes if route.object.kind not in experimental))


READERS = (
    RouteReader(read_files),
    RouteReader(read_ingress_routes, (K3S_CHART,)), RouteReader(read_own_kinds, KINDS, (*OWN_ROUTES, *OLD_ROUTES)),
    RouteReader(read_gateways, GATEWAY_KINDS, ROUTE_KINDS),
)
