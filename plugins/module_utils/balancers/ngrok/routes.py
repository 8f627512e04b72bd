# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ngrok's agents carry: the operator's translations of Ingresses, Gateway API routes and Services, and AgentEndpoints of users."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, ObjectRef, Route, Scheme, Upstream, replace
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, dig, labels_of, name_of, namespace_of, ref_of
from ...kube.services import find_port
from ...kube.snapshot import Snapshot
from ..contract.routes import RouteReader, RouteReading
from ..kit.gateway.routes import KINDS, AttachPoint, BackendHandling, read_gateway_routes
from ..kit.ingress_routes import read_ingresses
from ..kit.ingresses import IngressEntry, class_of
from ..kit.objects import BackendReference, is_ignored, pinned_strategy
from ..kit.settings import settings_of
from ..kit.streams import fixed_route
from .settings import Settings

GATEWAY_CONTROLLER = "ngrok.com/gateway-controller"
LOAD_BALANCER_CLASS = "ngrok"
AGENT_ENDPOINT = "AgentEndpoint.ngrok.k8s.ngrok.com"
PROTOCOLS = ("ngrok.com/app-protocols", "k8s.ngrok.com/app-protocols")
OWNED = frozenset({"ngrok.com/controller-name", "k8s.ngrok.com/controller-name"})
DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
_SCHEMES: dict[str, Scheme] = {"HTTP": "http", "HTTPS": "tls", "TCP": "tcp", "TLS": "tls"}
_UPSTREAM = re.compile(r"(?:(https?|tcp|tls)://)?([a-z0-9-]+)\.([a-z0-9-]+)(\.svc(?:\.cluster\.local)?)?(?::(\d+))?(?:/.*)?")


def read_ingress_routes(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Routes of Ingresses of its classes, and of those without one where a class of its own is the cluster's default."""
    own = [snapshot.get(kinds.INGRESS_CLASS, "", name) for name in load_balancer.classes]
    without_class = any(annotations_of(item or {}).get(DEFAULT_CLASS) == "true" for item in own)

    def served(ingress: Obj) -> bool:
        name = class_of(ingress)[0]
        return _watches(load_balancer, ingress) and (name in load_balancer.classes if name else without_class)

    def of_entry(ingress: Obj, entry: IngressEntry, service: Obj) -> BackendHandling:
        dropped = "" if entry.host or entry.default else "the operator leaves out rules without a host"
        return BackendHandling("cluster_ip", scheme=_scheme(service, entry.reference), dropped=dropped)

    return read_ingresses(snapshot, load_balancer, of_entry, only, served)


def read_gateways(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Routes of the Gateway API, but for what the operator does not translate."""

    def of_point(point: AttachPoint) -> BackendHandling:
        kind = str(point.route.get("kind"))
        dropped = "the operator serves no GRPCRoute" if kind == "GRPCRoute" else "the operator mirrors no requests" if point.mirror else ""
        # ngrok's cloud applies the filters that set a Host, and what arrives is not known.
        host = "$rewritten" if point.host else None
        return BackendHandling("cluster_ip", host, scheme=_scheme(point.target, point.port), dropped=dropped)

    return read_gateway_routes(
        snapshot, load_balancer, {GATEWAY_CONTROLLER}, of_point, only, lambda gateway: _watches(load_balancer, gateway)
    )


def read_services(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Services of its load balancer class: the first port alone."""
    routes = []
    for service in snapshot.all(kinds.SERVICE):
        ports, ref = dig(service, "spec", "ports", default=[]), ref_of(service)
        own = dig(service, "spec", "type") == "LoadBalancer" and dig(service, "spec", "loadBalancerClass") == LOAD_BALANCER_CLASS
        if own and ports and _watches(load_balancer, service) and (only is None or ref in only):
            number = int(ports[0].get("port", 0))
            routes.append(_stream(snapshot, load_balancer, service, (namespace_of(service), name_of(service), number), "tcp"))
    return RouteReading(tuple(routes))


def read_endpoints(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """AgentEndpoints that the operator did not make itself."""
    found = [
        item for obj in snapshot.all(AGENT_ENDPOINT)
        if _watches(load_balancer, obj) and not OWNED & set(labels_of(obj)) and (only is None or ref_of(obj) in only)
        for item in _endpoint(snapshot, load_balancer, obj)
    ]
    return RouteReading(
        tuple(item for item in found if isinstance(item, Route)), tuple(item for item in found if isinstance(item, Finding))
    )


def _endpoint(snapshot: Snapshot, load_balancer: LoadBalancer, obj: Obj) -> Iterator[Route | Finding]:
    text, public = str(dig(obj, "spec", "upstream", "url", default="")), str(dig(obj, "spec", "url", default=""))
    parts = _UPSTREAM.fullmatch(text)
    scheme, name, namespace, in_cluster, number = parts.groups() if parts else ("", "", "", None, None)
    # A name of two parts may be one of the internet, too.
    if not (in_cluster or snapshot.get(kinds.SERVICE, namespace, name) or snapshot.get(kinds.NAMESPACE, "", namespace)):
        yield finding("MLB208", f"its upstream {text!r} is no Service of the cluster", ref_of(obj))
        return
    port = int(number) if number else 443 if scheme == "https" else 80
    route = _stream(snapshot, load_balancer, obj, (namespace, name, port), _SCHEMES[(scheme or "http").upper()])
    if scheme not in ("tcp", "tls"):
        host = urlsplit(public if "://" in public else f"https://{public}").hostname or ""
        # An internal endpoint gets what others forward to it, with a Host that its own address does not tell.
        route = replace(route, path="/", path_type="Prefix", host="" if host.endswith(".internal") else host)
    yield route


def _stream(snapshot: Snapshot, load_balancer: LoadBalancer, obj: Obj, target: BackendReference, scheme: Scheme) -> Route:
    """A route to a Service's name, where nothing is to be set."""
    route = fixed_route(snapshot, load_balancer, ref_of(obj), f"tcp:{target[2]}", target, scheme)
    return replace(
        route, upstream=Upstream("cluster_ip", "", scheme), settable=True, why_not_settable="",
        ignored=is_ignored(obj), pinned_strategy=pinned_strategy(snapshot, obj),
    )


def _watches(load_balancer: LoadBalancer, obj: Obj) -> bool:
    return settings_of(load_balancer, Settings).namespace in ("", namespace_of(obj))


def _scheme(service: Obj, reference: int | str) -> Scheme | None:
    """The protocol that a Service's annotation gives to a port by its name, ``None`` where it gives none."""
    annotations = annotations_of(service)
    text = next((annotations[key] for key in PROTOCOLS if key in annotations), "")
    try:
        protocols = json.loads(text) if text else {}
    except ValueError:
        return None
    name = (find_port(service, reference) or {}).get("name", "")
    return _SCHEMES.get(str(protocols.get(name, "")).upper()) if isinstance(protocols, dict) else None


READERS = (
    RouteReader(read_ingress_routes), RouteReader(read_gateways, KINDS), RouteReader(read_services),
    RouteReader(read_endpoints, (AGENT_ENDPOINT,)),
)
