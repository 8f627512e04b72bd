# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ngrok's agents carry: the operator's translations of Ingresses, Gateway API routes and Services, and AgentEndpoints of users."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, ObjectRef, Scheme, Upstream, replace
from ...kube import kinds
from ...kube.json_text import json_map
from ...kube.objects import Obj, annotations_of, dig, labels_of, name_of, namespace_of, ref_of
from ...kube.services import find_port
from ...kube.snapshot import Snapshot
from ..contract.routes import RouteReader, RouteReading
from ..kit.declared import DeclaredRoute, ServiceReference
from ..kit.gateway.dialect import Dialect
from ..kit.gateway.routes import AttachPoint
from ..kit.ingresses import IngressEntry, class_of
from ..kit.objects import BackendHandling, ServedObject, object_reader, objects_of, read_objects, served_object
from ..kit.readers import gateway_reader, ingress_reader
from ..kit.settings import settings_of
from ..kit.streams import declared_stream
from .settings import Settings

GATEWAY_CONTROLLER = "ngrok.com/gateway-controller"
LOAD_BALANCER_CLASS = "ngrok"
AGENT_ENDPOINT = "AgentEndpoint.ngrok.k8s.ngrok.com"
PROTOCOLS = ("ngrok.com/app-protocols", "k8s.ngrok.com/app-protocols")
OWNED = frozenset({"ngrok.com/controller-name", "k8s.ngrok.com/controller-name"})
_SCHEMES: dict[str, Scheme] = {"HTTP": "http", "HTTPS": "tls", "TCP": "tcp", "TLS": "tls"}
_UPSTREAM = re.compile(r"(?:(https?|tcp|tls)://)?([a-z0-9-]+)\.([a-z0-9-]+)(\.svc(?:\.[a-z0-9.-]+)?)?(?::(\d+))?(?:/.*)?")


def serves(load_balancer: LoadBalancer, ingress: Obj) -> bool:
    """Ingresses of its classes, and those without one where a class of its own is the cluster's default."""
    name, default_class = class_of(ingress)[0], settings_of(load_balancer, Settings).default_class
    return _watches(load_balancer, ingress) and (name in load_balancer.classes if name else default_class)


def of_entry(load_balancer: LoadBalancer, ingress: Obj, entry: IngressEntry, service: Obj) -> BackendHandling:
    """How it reaches the backend of an Ingress."""
    dropped = "" if entry.host or entry.default else "the operator leaves out rules without a host"
    return BackendHandling("cluster_ip", scheme=_scheme(service, entry.reference), dropped=dropped)


def of_point(load_balancer: LoadBalancer, point: AttachPoint) -> BackendHandling:
    """How it reaches the backend of a Gateway API route, and what of these the operator does not translate."""
    kind = str(point.route.get("kind"))
    dropped = "the operator serves no GRPCRoute" if kind == "GRPCRoute" else "the operator mirrors no requests" if point.mirror else ""
    # ngrok's cloud applies the filters that set a Host, and what arrives is not known.
    host = "$rewritten" if point.host else None
    return BackendHandling("cluster_ip", host, scheme=_scheme(point.target, point.port), dropped=dropped)


def exposes(load_balancer: LoadBalancer, service: Obj) -> bool:
    """Whether a Service is of its load balancer class."""
    own = dig(service, "spec", "type") == "LoadBalancer" and dig(service, "spec", "loadBalancerClass") == LOAD_BALANCER_CLASS
    return own and _watches(load_balancer, service)


def declared_by_service(item: ServedObject) -> Iterator[DeclaredRoute]:
    """Of a Service the first port alone."""
    for port in dig(item.obj, "spec", "ports", default=[])[:1]:
        yield _stream(ServiceReference(namespace_of(item.obj), name_of(item.obj), int(port.get("port", 0))), "tcp")


def read_endpoints(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """AgentEndpoints that the operator did not make itself."""
    ours = (obj for obj in objects_of(snapshot, AGENT_ENDPOINT, only) if _watches(load_balancer, obj) and not OWNED & set(labels_of(obj)))
    namespaces = {name_of(item) for item in snapshot.all(kinds.NAMESPACE)}
    return read_objects((served_object(snapshot, load_balancer, obj) for obj in ours), lambda item: _endpoint(item, namespaces))


def _endpoint(item: ServedObject, namespaces: set[str]) -> Iterator[DeclaredRoute | Finding]:
    obj = item.obj
    text, public = str(dig(obj, "spec", "upstream", "url", default="")), str(dig(obj, "spec", "url", default=""))
    parts = _UPSTREAM.fullmatch(text)
    scheme, name, namespace, in_cluster, number = parts.groups() if parts else ("", "", "", None, None)
    # A name of two parts may be one of the internet, too.
    known = in_cluster in (".svc", f".svc.{item.load_balancer.cluster_domain}")
    if not known and (in_cluster or not (item.service(namespace, name) or namespace in namespaces)):
        yield finding("MLB208", f"its upstream {text!r} is no Service of the cluster", ref_of(obj))
        return
    port = int(number) if number else 443 if scheme == "https" else 80
    route = _stream(ServiceReference(namespace, name, port), _SCHEMES[(scheme or "http").upper()])
    if scheme not in ("tcp", "tls"):
        host = urlsplit(public if "://" in public else f"https://{public}").hostname or ""
        # An internal endpoint gets what others forward to it, with a Host that its own address does not tell.
        route = replace(route, path="/", path_type="Prefix", host="" if host.endswith(".internal") else host)
    yield route


def _stream(target: ServiceReference, scheme: Scheme) -> DeclaredRoute:
    """A route to a Service's name, where nothing is to be set."""
    return replace(declared_stream(f"tcp:{target.port}", target), upstream=Upstream("cluster_ip", "", scheme), why_not_settable="")


def _watches(load_balancer: LoadBalancer, obj: Obj) -> bool:
    return settings_of(load_balancer, Settings).namespace in ("", namespace_of(obj))


def _scheme(service: Obj, reference: int | str) -> Scheme | None:
    """The protocol that a Service's annotation gives to a port by its name, ``None`` where it gives none."""
    annotations = annotations_of(service)
    text = next((annotations[key] for key in PROTOCOLS if key in annotations), "")
    protocols = json_map(text) or {}
    name = (find_port(service, reference) or {}).get("name", "")
    return _SCHEMES.get(str(protocols.get(name, "")).upper())


READERS = (
    ingress_reader(of_entry, serves), gateway_reader({GATEWAY_CONTROLLER}, of_point, _watches, dialect=Dialect(certificates="none")),
    object_reader(kinds.SERVICE, declared_by_service, exposes), RouteReader(read_endpoints, (AGENT_ENDPOINT,), (AGENT_ENDPOINT,)),
)
