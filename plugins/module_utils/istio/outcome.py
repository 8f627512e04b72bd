# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a load balancer's sidecar does with one route's requests: the model that every plan and every prediction rests on.

First the Service port's declared protocol, then Host or destination address decides (docs/architecture.md has the table and
where each line of it was measured).
"""

from __future__ import annotations

from dataclasses import dataclass

from ..core.model import LoadBalancer, Outcome, Route, replace
from ..istio.endpoints import Endpoint, endpoints
from ..kube import kinds
from ..kube.objects import Obj, dig, labels_of, name_of, namespace_of
from ..kube.pods import container_port
from ..kube.selectors import selects
from ..kube.services import NO_SELECTOR, cluster_ips, find_port, fqdn, headless_by_port, is_external_name, is_headless, target_port
from ..kube.snapshot import Snapshot
from .gateways import CHAINED_WHY, leads_to_gateway
from .hosts import Destination, has_http_listener, http_destination
from .network import seen_address
from .protocols import decided_by_address, port_protocol
from .transport import destination_rule, received, rule_tls, to_endpoints
from .visibility import Viewer, oldest, outbound_policy, sees

PASSTHROUGH = "PassthroughCluster"
BLACK_HOLE = "BlackHoleCluster"


@dataclass(frozen=True)
class Request:
    """One route seen by the sidecar: the Service behind it, its port, and the endpoints that would be dialled."""

    route: Route
    service: Obj
    port: Obj
    endpoints: tuple[Endpoint, ...]

    @property
    def host(self) -> str:
        return self.route.upstream.host or self.route.host

    @property
    def number(self) -> int:
        return int(self.port.get("port", 0))


def viewer_of(load_balancer: LoadBalancer) -> Viewer:
    return Viewer(load_balancer.namespace, load_balancer.pod_labels)


def predict(snapshot: Snapshot, load_balancer: LoadBalancer, route: Route, *, sidecar: bool | None = None) -> Outcome:
    """Return the verdict for a route as things stand in the snapshot.

    ``sidecar`` overrides whether the load balancer has one: the planner asks what will hold once it is there.
    """
    service = snapshot.get(kinds.SERVICE, route.backend.namespace, route.backend.service)
    if service is None:
        return Outcome("unknown", f"Service {route.backend.namespace}/{route.backend.service} does not exist")
    if leads_to_gateway(snapshot, route.backend.namespace, route.backend.service):
        return Outcome("unknown", CHAINED_WHY)
    if is_external_name(service):
        return Outcome("unknown", f"the backend is an ExternalName Service ({dig(service, 'spec', 'externalName')})")
    port = find_port(service, route.backend.port)
    if port is None:
        return Outcome("unknown", f"Service {name_of(service)} has no port {route.backend.port_name or route.backend.port}")
    request = Request(route, service, port, endpoints(snapshot, service, port))
    if not request.endpoints:
        return Outcome("unknown", "no pods are known behind the Service")
    if load_balancer.workload is None and route.own_mutual_tls:
        return Outcome("unknown", route.own_mutual_tls)
    if not (load_balancer.sidecar.present if sidecar is None else sidecar):
        return _without_sidecar(snapshot, request)
    return _with_sidecar(snapshot, load_balancer, request)


def _with_sidecar(snapshot: Snapshot, load_balancer: LoadBalancer, request: Request) -> Outcome:
    """What the interception settings keep away from the sidecar goes past it, address by address."""
    past: dict[Endpoint, str] = {}
    for item in request.endpoints:
        taken, why = load_balancer.interception.takes_outbound(*_dialled(snapshot, request, item))
        if not taken:
            past[item] = why
    through = tuple(item for item in request.endpoints if item not in past)
    outcomes = []
    if through:
        outcomes.append(_through_sidecar(snapshot, viewer_of(load_balancer), replace(request, endpoints=through)))
    for why in sorted(set(past.values())):
        own = tuple(item for item in request.endpoints if past.get(item) == why)
        outcomes.append(_past_sidecar(snapshot, replace(request, endpoints=own), why))
    return _together(outcomes)


def _dialled(snapshot: Snapshot, request: Request, item: Endpoint) -> tuple[str, int]:
    """Address and port that the load balancer dials for an endpoint."""
    addresses = cluster_ips(request.service)
    if addresses and seen_address(snapshot, request.route.upstream.address) == "cluster_ip":
        return addresses[0], request.number
    return item.ip, item.port


def _together(outcomes: list[Outcome]) -> Outcome:
    if len({item.verdict for item in outcomes}) == 1:
        return outcomes[0]
    return Outcome("mixed", "the backend's pods are not matched alike: " + "; ".join(item.why for item in outcomes))


def _without_sidecar(snapshot: Snapshot, request: Request) -> Outcome:
    if request.route.upstream.scheme == "mutual_tls":
        return Outcome("unknown", "the load balancer has no sidecar that would give it the mesh's certificate")
    return _plain(snapshot, request, "the load balancer has no sidecar", "")


def _past_sidecar(snapshot: Snapshot, request: Request, setting: str) -> Outcome:
    if request.route.upstream.scheme == "mutual_tls":
        how = "the load balancer speaks mutual TLS itself, with the mesh's certificate"
        return received(snapshot, request.endpoints, dict.fromkeys(request.endpoints, True), how, "")
    if request.route.upstream.scheme == "tls":
        return Outcome("unknown", "the load balancer speaks TLS itself and past its sidecar; whether it is mutual is not known")
    return _plain(snapshot, request, f"the load balancer's sidecar does not get it: {setting}", "")


def _through_sidecar(snapshot: Snapshot, viewer: Viewer, request: Request) -> Outcome:
    if request.route.upstream.scheme == "mutual_tls":
        return Outcome("unknown", "the load balancer speaks mutual TLS itself, and its sidecar takes that connection as well")
    address = seen_address(snapshot, request.route.upstream.address)
    if address == "cluster_ip" and cluster_ips(request.service):
        return _to_cluster_ip(snapshot, viewer, request)
    if address in ("cluster_ip", "pod_ips"):
        return _to_pods(snapshot, viewer, request)
    return Outcome("unknown", "the load balancer resolves this backend itself")


def _to_cluster_ip(snapshot: Snapshot, viewer: Viewer, request: Request) -> Outcome:
    protocol = port_protocol(request.port)
    known = sees(snapshot, viewer, request.service, [fqdn(request.service)])
    if decided_by_address(protocol) and known:
        return _to_service(snapshot, viewer, request, request.service, request.number)
    return _by_host(snapshot, viewer, request, request.number, f"{fqdn(request.service)}:{request.number}")


def _to_pods(snapshot: Snapshot, viewer: Viewer, request: Request) -> Outcome:
    """Every pod's address is matched on its own: by a headless Service that has it, else by what listens on its port."""
    groups: dict[tuple[int, str], tuple[Obj | None, list[Endpoint]]] = {}
    for item in request.endpoints:
        twin = headless_over(snapshot, viewer, namespace_of(request.service), item)
        groups.setdefault((item.port, name_of(twin) if twin else ""), (twin, []))[1].append(item)
    outcomes = []
    for key in sorted(groups):
        twin, own = groups[key]
        outcomes.append(_to_pods_on(snapshot, viewer, replace(request, endpoints=tuple(own)), key[0], twin))
    return _together(outcomes)


def _to_pods_on(snapshot: Snapshot, viewer: Viewer, request: Request, number: int, twin: Obj | None) -> Outcome:
    if twin is None:
        return _by_host(snapshot, viewer, request, number, f"a pod's port {number}")
    outcome = to_endpoints(
        snapshot, viewer, fqdn(twin), namespace_of(twin), number, request.endpoints,
        together=endpoints(snapshot, twin, find_port(twin, number) or {}), cluster=f"outbound|{number}||{fqdn(twin)}",
    )
    return replace(outcome, why=f"pod addresses match headless Service {name_of(twin)}: {outcome.why}")


def headless_over(snapshot: Snapshot, viewer: Viewer, namespace: str, item: Endpoint) -> Obj | None:
    """The oldest visible headless Service with this endpoint's address, and its number as an undeclared or TCP port."""
    labels = labels_of(item.pod.pod) if item.pod else {}
    keys = [(namespace, item.port, pair) for pair in labels.items()] + [(namespace, item.port, NO_SELECTOR)]
    found = [service for key in keys for service in snapshot.lookup(kinds.SERVICE, headless_by_port, key)]
    for service in oldest(found) if len(found) > 1 else found:
        port = find_port(service, item.port) or {}
        if not decided_by_address(port_protocol(port)) or not sees(snapshot, viewer, service, [fqdn(service)]):
            continue
        if _holds(snapshot, service, port, item):
            return service
    return None


def _holds(snapshot: Snapshot, service: Obj, port: Obj, item: Endpoint) -> bool:
    """Whether a Service port has an endpoint at this one's address, whatever the endpoint's own port."""
    selector = dig(service, "spec", "selector", default={})
    if not selector:
        return any(item.ip == other.ip for other in endpoints(snapshot, service, port))
    # Not by a list of all endpoints: this is asked for every pod of every route.
    pod = item.pod.pod if item.pod else {}
    return selects(selector, labels_of(pod)) and container_port(pod, target_port(port)) != 0


def _by_host(snapshot: Snapshot, viewer: Viewer, request: Request, number: int, dialled: str) -> Outcome:
    scheme = request.route.upstream.scheme
    if not has_http_listener(snapshot, viewer, number):
        return _unmatched(snapshot, viewer, request, f"the sidecar has no listener for {dialled}")
    if scheme == "tls":
        return Outcome("refused", f"the sidecar expects HTTP for {dialled} and gets TLS")
    if scheme == "tcp":
        return Outcome("unknown", f"the sidecar expects HTTP for {dialled}, and whether that is what it gets is not known")
    if "$" in request.host:
        return Outcome("unknown", f"the load balancer makes the Host out of variables ({request.host})")
    destination = http_destination(snapshot, viewer, number, request.host, request.route.path)
    if destination.kind == "service":
        return _to_destination(snapshot, viewer, request, destination)
    if destination.kind == "entry":
        return _to_entry(snapshot, viewer, request, destination)
    if destination.kind == "unclear":
        return Outcome("unknown", destination.why)
    host = f"Host {request.host}" if request.host else "an arbitrary Host"
    return _unmatched(snapshot, viewer, request, f"{host} matches nothing on the sidecar's HTTP listener for port {number}")


def _to_destination(snapshot: Snapshot, viewer: Viewer, request: Request, found: Destination) -> Outcome:
    assert_service = found.target or {}
    outcome = _to_service(snapshot, viewer, request, assert_service, found.port)
    own = (namespace_of(request.service), name_of(request.service))
    if (namespace_of(assert_service), name_of(assert_service)) == own:
        return outcome
    other = f"{namespace_of(assert_service)}/{name_of(assert_service)}"
    return replace(outcome, misrouted_to=other, why=f"the Host leads to Service {other} instead: {outcome.why}")


def _to_service(snapshot: Snapshot, viewer: Viewer, request: Request, service: Obj, number: int) -> Outcome:
    port = find_port(service, number)
    if port is None:
        return Outcome("refused", f"Service {name_of(service)} has no port {number}")
    same = service is request.service and number == request.number
    found = request.endpoints if same else endpoints(snapshot, service, port)
    return to_endpoints(
        snapshot, viewer, fqdn(service), namespace_of(service), number, found,
        together=found if is_headless(service) else None, cluster=f"outbound|{number}||{fqdn(service)}",
    )


def _to_entry(snapshot: Snapshot, viewer: Viewer, request: Request, found: Destination) -> Outcome:
    entry, host = found.target or {}, found.host
    cluster, label = f"outbound|{found.port}||{host}", f"ServiceEntry {namespace_of(entry)}/{name_of(entry)}"
    resolution = str(dig(entry, "spec", "resolution", default="NONE"))
    if dig(entry, "spec", "location", default="MESH_EXTERNAL") != "MESH_INTERNAL" or resolution != "NONE":
        return Outcome("unknown", f"{label} takes this Host to addresses of its own", cluster)
    # Without a DestinationRule, nothing is known of the pods behind the original destination, so TLS stays off.
    if not rule_tls(destination_rule(snapshot, viewer, host, namespace_of(entry)), found.port).get("mode"):
        return _plain(snapshot, request, f"{label} keeps the dialled address, but no DestinationRule turns on TLS", cluster)
    outcome = to_endpoints(snapshot, viewer, host, namespace_of(entry), found.port, request.endpoints, cluster=cluster)
    return replace(outcome, why=f"{label} keeps the dialled address: {outcome.why}")


def _unmatched(snapshot: Snapshot, viewer: Viewer, request: Request, why: str) -> Outcome:
    policy = outbound_policy(snapshot, viewer)
    if policy == "ALLOW_ANY":
        return _plain(snapshot, request, f"{why}, so it leaves in plaintext through {PASSTHROUGH}", PASSTHROUGH)
    if policy == "REGISTRY_ONLY":
        return Outcome("refused", f"{why}, and outboundTrafficPolicy REGISTRY_ONLY blocks it", BLACK_HOLE)
    return Outcome("unknown", f"{why}, and outboundTrafficPolicy {policy} decides", "")


def _plain(snapshot: Snapshot, request: Request, why: str, cluster: str) -> Outcome:
    return received(snapshot, request.endpoints, dict.fromkeys(request.endpoints, False), why, cluster)
