# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found: load balancers with their routes, and what is behind each route. It is passed on instead of being looked up again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from ..balancers.contract.profile import Registry
from ..core.model import Address, Finding, LoadBalancer, ObjectRef, Route, replace
from ..istio.ambient import balancer_is_ambient, pod_is_ambient
from ..istio.authentication import effective_mode
from ..istio.authorization.access import http_policies
from ..istio.destination_rules import policy_of
from ..istio.endpoints import Endpoint, PodView, endpoints, view_of
from ..istio.gateways import leads_to_gateway
from ..istio.hosts import virtual_hosts
from ..istio.mesh import cluster_domain, interception_defaults, read_mesh
from ..istio.mesh_routes import mesh_routes
from ..istio.names import Taken
from ..istio.network import seen_address, undoes_service_routing
from ..istio.outcome import Outlook
from ..istio.registry import aliased, dialled_port, fqdn
from ..kube import kinds
from ..kube.objects import Obj, dig, ref_of
from ..kube.pods import workload_pods
from ..kube.reading import about_object
from ..kube.services import find_port
from ..kube.snapshot import Snapshot, Unreadable
from .claims import HostClaims
from .guarded import read_with
from .switching import why_switched
from .unread import doubted, marked, why_unclear

Key = tuple[str, str]
"""A load balancer's namespace and name."""


@dataclass(frozen=True)
class KnownBackend:
    """The Service port that a route names, and the pods behind it; each part is empty where it does not exist.

    ``is_gateway``: what the Service leads to is an Istio gateway. ``reached`` is the Service itself, or the one that it is another name of.
    """

    service: Obj | None = None
    port: Obj | None = None
    endpoints: tuple[Endpoint, ...] = ()
    is_gateway: bool = False
    reached: Obj | None = None

    @property
    def is_external(self) -> bool:
        """Whether the Service is only a name of something that is no Service of the cluster."""
        return self.service is not None and self.reached is None


@dataclass(frozen=True)
class RouteFacts:
    """What stands between one load balancer and the backend of one route.

    ``seen_address`` is what the load balancer's sidecar sees of the address that is dialled. ``without_mutual_tls`` says why an endpoint
    cannot take mutual TLS, empty where all can. ``visible``: the sidecar is told of the Service. ``rule`` is the DestinationRule that holds
    for the Service, and ``rule_mode`` its TLS mode for the port. ``has_mesh_policy``: the Service has policies in the mesh that only
    hold for requests that the mesh routes. ``claimed_by`` is the object that already represents the route's host in the mesh, and
    ``taken`` says why no object may be made for that host at all. ``ambient``: the load balancer or a pod behind it is in ambient mode.
    ``http_policies`` are those about HTTP in front of the backend. ``acting`` are the VirtualServices and the routes of the Gateway API
    that say what becomes of requests to the Service. ``switched`` says who switches its selector, empty where nobody is known to.
    """

    backend: KnownBackend = field(default_factory=KnownBackend)
    seen_address: Address = "pod_ips"
    without_mutual_tls: str = ""
    visible: bool = True
    rule: ObjectRef | None = None
    rule_mode: str = ""
    has_mesh_policy: bool = False
    claimed_by: ObjectRef | None = None
    taken: Taken | None = None
    http_policies: tuple[str, ...] = ()
    acting: tuple[ObjectRef, ...] = ()
    switched: str = ""
    ambient: bool = False
    trust_domain: str = ""


@dataclass(frozen=True)
class Inventory:
    """Everything that was found in one snapshot. ``facts`` are per route, ``findings`` per load balancer's routes.

    ``unreadable`` are objects whose content is not understood, so that their routes are not known.
   """

    load_balancers: Mapping[Key, LoadBalancer]
    routes: tuple[Route, ...] = ()
    facts: Mapping[Route, RouteFacts] = field(default_factory=dict)
    findings: Mapping[Key, tuple[Finding, ...]] = field(default_factory=dict)
    service_routing_undone: bool = False
    unreadable: tuple[Unreadable, ...] = ()


def take_inventory(
    snapshot: Snapshot, registry: Registry, load_balancers: Iterable[LoadBalancer], only: frozenset[ObjectRef] | None = None
) -> Inventory:
    """Read the routes of these load balancers; ``only`` limits the reading to these objects."""
    by_key = {item.key: item for item in load_balancers}
    routes: list[Route] = []
    findings: dict[Key, tuple[Finding, ...]] = {}
    unreadable: dict[ObjectRef, Unreadable] = {}
    for key, item in by_key.items():
        profile = registry.get(item.vendor)
        why = why_unclear(snapshot, profile, item)
        readings = [marked(snapshot, reader, read_with(reader, snapshot, item, only), why) for reader in profile.routes]
        routes += (doubted(snapshot, item, route) for reading in readings for route in reading.routes)
        unreadable.update((obj.ref, obj) for reading in readings for obj in reading.unreadable)
        about = (about_object(obj) for reading in readings for obj in reading.unreadable)
        findings[key] = (*(remark for reading in readings for remark in reading.findings), *about)
    return Inventory(
        by_key, tuple(sorted(beside_each_other(routes), key=lambda route: route.sort_key)), {}, findings,
        undoes_service_routing(snapshot), tuple(unreadable.values()),
    )


def beside_each_other(routes: Iterable[Route]) -> list[Route]:
    """The routes, each with the paths of its host that others of the same load balancer take."""
    found = list(routes)
    paths: dict[tuple[Key, str], set[tuple[str, str]]] = {}
    for route in found:
        paths.setdefault((route.load_balancer, route.host), set()).add((route.path, route.path_type))
    return [_beside(route, paths[(route.load_balancer, route.host)]) for route in found]


def _beside(route: Route, paths: set[tuple[str, str]]) -> Route:
    above = route.path.rstrip("/")
    narrower = {(path, kind) for path, kind in paths if path.startswith(above) and (path.rstrip("/") != above or kind == "Exact")}
    others = tuple(sorted(narrower - {(route.path, route.path_type)}))
    return replace(route, beside=others) if others else route


def known_backend(snapshot: Snapshot, route: Route) -> KnownBackend:
    """What a snapshot has behind a route."""
    service = snapshot.get(kinds.SERVICE, route.backend.namespace, route.backend.service)
    if service is None:
        return KnownBackend()
    port, reached = find_port(service, route.backend.port), aliased(snapshot, service)
    own = port if reached is service or port is None else find_port(reached or {}, dialled_port(service, port))
    behind = endpoints(snapshot, reached, own) if reached and own else ()
    return KnownBackend(service, port, behind, leads_to_gateway(snapshot, route.backend.namespace, route.backend.service), reached)


def route_facts(snapshot: Snapshot, load_balancer: LoadBalancer, route: Route, claims: HostClaims) -> RouteFacts:
    """What a snapshot says of one route of a load balancer."""
    backend, outlook = known_backend(snapshot, route), Outlook(snapshot, load_balancer)
    claimed = outlook.hosts.claims_host(route.host) if route.host else None
    claimed_by, address = ref_of(claimed) if claimed else None, seen_address(snapshot, route.upstream.address)
    taken = claims.taken(route)
    if backend.service is None:
        return RouteFacts(backend, address, claimed_by=claimed_by, taken=taken)
    host = fqdn(snapshot, backend.service)
    rule = outlook.transport.destination_rule(host, route.backend.namespace)
    policy = (rule or {}).get("spec", {})
    by_rule = bool(policy.get("subsets") or set(policy.get("trafficPolicy") or {}) - {"tls"})
    ambient = balancer_is_ambient(snapshot, load_balancer) or any(pod_is_ambient(snapshot, item.pod) for item in backend.endpoints)
    reasons = (_without_mutual_tls(item, partial(effective_mode, snapshot)) for item in backend.endpoints)
    return RouteFacts(
        backend, address, next((text for text in reasons if text), ""), outlook.visibility.sees(backend.service, [host]),
        ref_of(rule) if rule else None, str(policy_of(rule, route.backend.port).cluster.get("mode") or ""),
        by_rule or bool(_naming(snapshot, backend.service)), claimed_by, taken,
        http_policies(snapshot, backend.endpoints),
        tuple(_acting(snapshot, backend.service, load_balancer.namespace)), why_switched(snapshot, backend.service), ambient,
        read_mesh(snapshot, load_balancer.revision).trust_domain,
    )


def _acting(snapshot: Snapshot, service: Obj, viewer: str) -> Iterator[ObjectRef]:
    """What says what becomes of requests to a Service that come from a namespace."""
    yield from (ref_of(item) for item in (*_naming(snapshot, service), *mesh_routes(snapshot, service, viewer)))


def _naming(snapshot: Snapshot, service: Obj) -> list[Obj]:
    """The VirtualServices that name a Service."""
    return snapshot.lookup(kinds.VIRTUAL_SERVICE, virtual_hosts(cluster_domain(snapshot)), fqdn(snapshot, service))


def _without_mutual_tls(item: Endpoint, mode: Callable[[Obj, int], str]) -> str:
    """Why an endpoint cannot take mutual TLS, empty where it can."""
    if item.pod is None:
        return f"address {item.ip} belongs to no pod"
    if not item.pod.captures(item.port):
        return f"pod {item.pod.namespace}/{item.pod.name} has no sidecar on port {item.port}"
    if mode(item.pod.pod, item.port) == "DISABLE":
        return f"PeerAuthentication disables mutual TLS for pod {item.pod.namespace}/{item.pod.name} port {item.port}"
    return ""


def running_pods(snapshot: Snapshot, load_balancer: LoadBalancer) -> list[PodView]:
    """The running pods that carry a load balancer's traffic."""
    workload = snapshot.at(load_balancer.workload)
    pods, defaults = workload_pods(snapshot, workload) if workload else [], interception_defaults(snapshot)
    # A pod that is starting cannot be asked, and one that is being deleted gets no more requests.
    return [
        view_of(pod, defaults) for pod in pods if dig(pod, "status", "phase") == "Running" and not dig(pod, "metadata", "deletionTimestamp")
    ]
