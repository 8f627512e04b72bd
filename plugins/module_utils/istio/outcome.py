# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a load balancer's sidecar does with one route's requests: the model that every plan and every prediction rests on.

First the Service port's declared protocol, then Host or destination address decides (docs/design-notes.md has the table and
where each line of it was measured).
"""

from __future__ import annotations

from ..core.model import UNKNOWN, LoadBalancer, Outcome, Route, replace
from ..kube import kinds
from ..kube.objects import Obj, dig, labels_of, name_of, namespace_of
from ..kube.pods import container_port, workload_pods
from ..kube.selectors import selects
from ..kube.services import NO_SELECTOR, cluster_ips, find_port, headless_by_port, is_headless, target_port
from ..kube.snapshot import Snapshot
from .ambient import WHY as AMBIENT
from .ambient import balancer_is_ambient
from .authorization.access import access_of
from .beyond import as_followed, at_backends, uncertain
from .destination_rules import policy_of
from .endpoints import Endpoint, endpoints, pods_selected, serving
from .entries import catching, entry_hosts, keeps_address, namesake
from .gateways import CHAINED_WHY, leads_to_gateway
from .hosts import Destination, HostTable
from .network import seen_address
from .protocols import AUTO, TLS_PROTOCOLS, decided_by_address, port_protocol
from .raw_tls import SPOKEN, as_taken
from .registry import aliased, dialled_port
from .request import Request, Share, of_shares, resolved, together
from .transport import Transport
from .visibility import UNNAMED, OwnListener, Viewer, Visibility, oldest

PASSTHROUGH = "PassthroughCluster"
BLACK_HOLE = "BlackHoleCluster"


def viewer_of(load_balancer: LoadBalancer) -> Viewer:
    return Viewer(load_balancer.namespace, load_balancer.pod_labels, load_balancer.revision)


class Outlook:
    """What becomes of one load balancer's requests, as things stand in a snapshot."""

    def __init__(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> None:
        self.snapshot = snapshot
        self.load_balancer = load_balancer
        self.visibility = Visibility(snapshot, viewer_of(load_balancer))
        self.hosts = HostTable(self.visibility)
        self.transport = Transport(self.visibility)

    def predict(self, route: Route, *, sidecar: bool | None = None) -> Outcome:
        """Return the verdict for a route as things stand, and who of its requests is admitted.

        ``sidecar`` overrides whether the load balancer has one: the planner asks what will hold once it is there.
        """
        outcome = self._transport_of(route, sidecar=sidecar)
        return replace(outcome, access=access_of(self.snapshot, self.load_balancer, route, outcome))

    def _transport_of(self, route: Route, *, sidecar: bool | None) -> Outcome:
        service = self.snapshot.get(kinds.SERVICE, route.backend.namespace, route.backend.service)
        if route.unread or service is None:
            return Outcome("unknown", route.unread or f"Service {route.backend.namespace}/{route.backend.service} does not exist")
        if leads_to_gateway(self.snapshot, route.backend.namespace, route.backend.service):
            return Outcome("unknown", CHAINED_WHY)
        request = self._asked(route, service)
        if isinstance(request, Outcome):
            return request
        if route.own_mutual_tls and self.load_balancer.sidecar.injected is not True:
            return Outcome("unknown", route.own_mutual_tls)
        if self.load_balancer.workload is None and self.load_balancer.sidecar.injected == UNKNOWN and not sidecar:
            return Outcome("unknown", "nothing is known of the load balancer's pods, so neither is whether they have a sidecar")
        present = self.load_balancer.sidecar.present if sidecar is None else sidecar
        if not present and balancer_is_ambient(self.snapshot, self.load_balancer):
            return Outcome("unknown", f"the load balancer is {AMBIENT}")
        outcome = self._with_sidecar(request) if present else self._without_sidecar(request)
        outcome = as_taken(self.snapshot, request.route.upstream.scheme, outcome)
        if not present:
            return uncertain(outcome, at_backends(self.snapshot, outcome) if outcome.verdict != "unknown" else None)
        by_pod = seen_address(self.snapshot, request.route.upstream.address) == "pod_ips"
        return as_followed(self.snapshot, self.load_balancer, request, outcome, pods_dialled=by_pod)

    def _asked(self, route: Route, service: Obj) -> Request | Outcome:
        """What is asked of the mesh, or why that is not known."""
        reached, port = aliased(self.snapshot, service), find_port(service, route.backend.port)
        if reached is None:
            return Outcome("unknown", f"the backend is an ExternalName Service ({dig(service, 'spec', 'externalName')})")
        if port is None:
            return Outcome("unknown", f"Service {name_of(service)} has no port {route.backend.port_name or route.backend.port}")
        own = find_port(reached, dialled_port(service, port)) if reached is not service else port
        if own is None:
            number = dialled_port(service, port)
            return Outcome("unknown", f"{name_of(service)} is another name of Service {name_of(reached)}, which has no port {number}")
        found = serving(self.snapshot, reached, own)
        if not found:
            return Outcome("unknown", "no pods are known behind the Service")
        return Request(resolved(route, reached, self.hosts.fqdn(reached)) if reached is not service else route, reached, own, found)

    def _with_sidecar(self, request: Request) -> Outcome:
        """What the interception settings keep away from the sidecar goes past it, address by address."""
        groups: dict[tuple[bool | None, str], list[Endpoint]] = {}
        for item in request.endpoints:
            groups.setdefault(self.load_balancer.interception.takes_outbound(*self._dialled(request, item)), []).append(item)
        outcomes = []
        for (taken, why), found in sorted(groups.items(), key=lambda item: (item[0][0] is not True, item[0][1])):
            own = replace(request, endpoints=tuple(found))
            if taken is None:
                outcomes.append(Outcome("unknown", why))
            else:
                outcomes.append(self._through_sidecar(own) if taken else self._past_sidecar(own, why))
        return together(outcomes)

    def _dialled(self, request: Request, item: Endpoint) -> tuple[str, int]:
        """Address and port that the load balancer dials for an endpoint."""
        addresses = cluster_ips(request.service)
        if addresses and seen_address(self.snapshot, request.route.upstream.address) == "cluster_ip":
            return addresses[0], request.number
        return item.ip, item.port

    def _without_sidecar(self, request: Request) -> Outcome:
        if request.route.upstream.scheme == "mutual_tls":
            return Outcome("unknown", "the load balancer has no sidecar that would give it the mesh's certificate")
        return self._plain(request, "the load balancer has no sidecar", "")

    def _past_sidecar(self, request: Request, setting: str) -> Outcome:
        if request.route.upstream.scheme == "mutual_tls":
            how = "the load balancer speaks mutual TLS itself, with the mesh's certificate"
            return self.transport.received(request.endpoints, dict.fromkeys(request.endpoints, True), how, "")
        if request.route.upstream.scheme == "tls":
            return Outcome("unknown", "the load balancer speaks TLS itself and past its sidecar; whether it is mutual is not known")
        return self._plain(request, f"the load balancer's sidecar does not get it: {setting}", "")

    def _through_sidecar(self, request: Request) -> Outcome:
        if request.route.upstream.scheme == "mutual_tls":
            return Outcome("unknown", "the load balancer speaks mutual TLS itself, and its sidecar takes that connection as well")
        address = seen_address(self.snapshot, request.route.upstream.address)
        if address == "cluster_ip" and cluster_ips(request.service):
            return self._to_cluster_ip(request)
        if address in ("cluster_ip", "pod_ips"):
            return self._to_pods(request)
        return Outcome("unknown", "the load balancer resolves this backend itself")

    def _to_cluster_ip(self, request: Request) -> Outcome:
        name = self.hosts.fqdn(request.service)
        listener = self.visibility.own_listener(request.service, [name], request.number, port_protocol(request.port))
        if listener is not None:
            return self._at_service(request, request.service, request.number, listener)
        return self._by_host(request, request.number, f"{name}:{request.number}")

    def _to_pods(self, request: Request) -> Outcome:
        """Every pod's address is matched on its own: by a headless Service that has it, else by what listens on its port."""
        groups: dict[tuple[int, str], tuple[Obj | None, list[Endpoint]]] = {}
        for item in request.endpoints:
            twin = self.headless_over(request, item)
            groups.setdefault((item.port, name_of(twin) if twin else ""), (twin, []))[1].append(item)
        outcomes = []
        for key in sorted(groups):
            twin, own = groups[key]
            outcomes.append(self._to_pods_on(replace(request, endpoints=tuple(own)), key[0], twin))
        return together(outcomes)

    def _to_pods_on(self, request: Request, number: int, twin: Obj | None) -> Outcome:
        if twin is None:
            return self._by_host(request, number, f"a pod's port {number}")
        outcome = self._at_service(request, twin, number, OwnListener(port_protocol(find_port(twin, number) or {})))
        return replace(outcome, why=f"pod addresses match headless Service {name_of(twin)}: {outcome.why}")

    def headless_over(self, request: Request, item: Endpoint) -> Obj | None:
        """The oldest visible headless Service with this endpoint's address, and its number as an undeclared or TCP port.

        What is HTTP goes to the oldest whose port is undeclared, as its listener has a chain for that beside the one for the rest.
        """
        labels = labels_of(item.pod.pod) if item.pod else {}
        home = item.pod.namespace if item.pod else namespace_of(request.service)
        keys = [(home, item.port, pair) for pair in labels.items()] + [("", item.port, NO_SELECTOR)]
        found = [service for key in keys for service in self.snapshot.lookup(kinds.SERVICE, headless_by_port, key)]
        first: Obj | None = None
        for service in oldest(found) if len(found) > 1 else found:
            port = find_port(service, item.port) or {}
            # On a port that a Sidecar names, a headless Service has the listener for any address, and none for its pods'.
            seen = self.visibility.sees(service, [self.hosts.fqdn(service)], UNNAMED)
            if not decided_by_address(port_protocol(port)) or not seen or not self._holds(service, port, item):
                continue
            if request.route.upstream.scheme != "http" or port_protocol(port) == AUTO:
                return service
            first = first or service
        return first

    def _holds(self, service: Obj, port: Obj, item: Endpoint) -> bool:
        """Whether a Service port has an endpoint at this one's address, whatever the endpoint's own port."""
        selector = dig(service, "spec", "selector", default={})
        if not selector:
            return any(item.ip == other.ip for other in endpoints(self.snapshot, service, port))
        # Not by a list of all endpoints: this is asked for every pod of every route.
        pod = item.pod.pod if item.pod else {}
        return selects(selector, labels_of(pod)) and container_port(pod, target_port(port)) != 0

    def _by_host(self, request: Request, number: int, dialled: str) -> Outcome:
        scheme = request.route.upstream.scheme
        if not self.hosts.has_http_listener(number) or scheme in SPOKEN:
            # A listener for HTTP lets TLS and HTTP/1.0 through as if it were not there.
            return self._without_listener(request, f"the sidecar has no listener for {dialled}")
        if scheme == "tcp":
            return Outcome("unknown", f"the sidecar expects HTTP for {dialled}, and whether that is what it gets is not known")
        if "$" in request.host:
            return Outcome("unknown", f"the load balancer makes the Host out of variables ({request.host})")
        host = f"Host {request.host}" if request.host else "an arbitrary Host"
        nowhere = f"{host} matches nothing on the sidecar's HTTP listener for port {number}"
        return of_shares([self._share(request, item, nowhere) for item in self.hosts.http_destinations(number, request.asked)])

    def _at_service(self, request: Request, service: Obj, number: int, listener: OwnListener) -> Outcome:
        """On a listener of the Service's own address, or of its pods': the Host is not looked at, VirtualServices are."""
        entry = namesake(self.visibility, self.hosts.fqdn(service), namespace_of(service))
        if entry is not None:
            label = f"ServiceEntry {namespace_of(entry)}/{name_of(entry)}"
            return Outcome("unknown", f"{label} stands for {self.hosts.fqdn(service)}, and what it makes of these requests is not known")
        protocol, scheme = listener.protocol, request.route.upstream.scheme
        if protocol == AUTO and scheme == "http":
            if not self.visibility.sees(service, [self.hosts.fqdn(service)], number):
                why = f"the Sidecar's listener for port {number} has no route to {self.hosts.fqdn(service)}, so the sidecar answers 404"
                return Outcome("refused", why)
            found = self.hosts.service_destinations(service, number, request.asked)
        else:
            found = self.hosts.connection_destinations(service, number, tls=protocol in TLS_PROTOCOLS, scope=listener.scope)
            if protocol == AUTO and scheme == "tcp" and self.hosts.service_destinations(service, number, request.asked) != found:
                return Outcome("unknown", f"{self.hosts.fqdn(service)} has rules for HTTP, and whether that is what it gets is not known")
        return of_shares([self._share(request, item, "") for item in found])

    def _share(self, request: Request, found: Destination, nowhere: str) -> Share:
        """What becomes of the requests that go to one destination."""
        if found.kind == "service":
            return self._to_destination(request, found)
        if found.kind == "entry":
            return Share(found, self._to_entry(request, found.target or {}, found.host, found.port, found.subset))
        if found.kind == "answered":
            return Share(found, Outcome("refused", found.why))
        return Share(found, Outcome("unknown", found.why) if found.kind == "unclear" else self._unmatched(request, nowhere))

    def _to_destination(self, request: Request, found: Destination) -> Share:
        service = found.target or {}
        port = find_port(service, found.port)
        if self._has_no_local_endpoint(service):
            where = f"internalTrafficPolicy of Service {name_of(service)} is Local, and none of its pods is on the load balancer's nodes"
            return Share(found, Outcome("refused", f"{where}, so the sidecar answers 503"))
        if port is None:
            return Share(found, Outcome("refused", f"Service {name_of(service)} has no port {found.port}"))
        own = service is request.service and found.port == request.number
        name, home = self.hosts.fqdn(service), namespace_of(service)
        keeps = is_headless(service) or policy_of(self.transport.destination_rule(name, home), found.port, found.subset).original
        behind = request.endpoints if own or keeps else serving(self.snapshot, service, port)
        outcome = self.transport.to_endpoints(
            name, home, found.port, behind, subset=found.subset, together=endpoints(self.snapshot, service, port) if keeps else None,
        )
        same = {item.key for item in behind} & {item.key for item in request.endpoints}
        elsewhere = "" if same or own or not behind else f"{home}/{name_of(service)}"
        return Share(found, outcome, elsewhere)

    def _to_entry(self, request: Request, entry: Obj, host: str, port: int, subset: str = "") -> Outcome:
        cluster, label = f"outbound|{port}|{subset}|{host}", f"ServiceEntry {namespace_of(entry)}/{name_of(entry)}"
        if not keeps_address(entry):
            return Outcome("unknown", f"{label} takes these requests to addresses of its own", cluster)
        # Without a DestinationRule, nothing is known of the pods behind the original destination, so TLS stays off.
        if not policy_of(self.transport.destination_rule(host, namespace_of(entry)), port, subset).cluster.get("mode"):
            return self._plain(request, f"{label} keeps the dialled address, but no DestinationRule turns on TLS", cluster)
        names = dig(entry, "spec", "subjectAltNames", default=[])
        outcome = self.transport.to_endpoints(host, namespace_of(entry), port, request.endpoints, subset=subset, names=names)
        return replace(outcome, why=f"{label} keeps the dialled address: {outcome.why}")

    def _has_no_local_endpoint(self, service: Obj) -> bool:
        """Whether a Service is for pods of the same node alone, and the load balancer is on others; false where that is not known."""
        if dig(service, "spec", "internalTrafficPolicy") != "Local" or is_headless(service):
            return False
        workload = self.snapshot.at(self.load_balancer.workload)
        nodes = {dig(pod, "spec", "nodeName") for pod in workload_pods(self.snapshot, workload)} if workload else set()
        behind = pods_selected(self.snapshot, namespace_of(service), dig(service, "spec", "selector", default={}))
        own = {dig(item.pod, "spec", "nodeName") for item in behind}
        return bool(nodes and own) and None not in nodes | own and not nodes & own

    def _without_listener(self, request: Request, why: str) -> Outcome:
        """No listener is there for what is dialled, unless somebody has one for any address, or for the network."""
        groups: dict[tuple[str, int], list[Endpoint]] = {}
        for item in request.endpoints:
            groups.setdefault(self._dialled(request, item), []).append(item)
        outcomes = []
        for (ip, port), found in groups.items():
            own = replace(request, endpoints=tuple(found))
            entry, certain = catching(self.visibility, ip, port)
            headless = self.hosts.headless_for_any(port) if entry is None else None
            if headless is not None:
                listener = OwnListener(self.visibility.egress_protocol(port), port)
                outcomes.append(self._at_service(own, headless, port, listener))
            elif entry is None:
                outcomes.append(self._unmatched(own, why))
            elif not certain:
                label = f"ServiceEntry {namespace_of(entry)}/{name_of(entry)}"
                outcomes.append(Outcome("unknown", f"{why}, unless {label} has one, and the address is not known"))
            else:
                outcomes.append(self._to_entry(own, entry, next(entry_hosts(entry), ""), port))
        return together(outcomes)

    def _unmatched(self, request: Request, why: str) -> Outcome:
        policy = self.visibility.outbound_policy()
        if policy == "ALLOW_ANY":
            return self._plain(request, f"{why}, so it leaves in plaintext through {PASSTHROUGH}", PASSTHROUGH)
        if policy == "REGISTRY_ONLY":
            return Outcome("refused", f"{why}, and outboundTrafficPolicy REGISTRY_ONLY blocks it", BLACK_HOLE)
        return Outcome("unknown", f"{why}, and outboundTrafficPolicy {policy} decides", "")

    def _plain(self, request: Request, why: str, cluster: str) -> Outcome:
        return self.transport.received(request.endpoints, dict.fromkeys(request.endpoints, False), why, cluster)


def predict(snapshot: Snapshot, load_balancer: LoadBalancer, route: Route, *, sidecar: bool | None = None) -> Outcome:
    """Return the verdict for a route as things stand in the snapshot (see :meth:`Outlook.predict`)."""
    return Outlook(snapshot, load_balancer).predict(route, sidecar=sidecar)
