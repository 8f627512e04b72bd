# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a sidecar's HTTP listener sends a request, by its Host header: Services, ServiceEntries and VirtualServices.

Source: istio/istio pilot/pkg/networking/core/httproute.go and route/route.go, and the measurements that the documentation
page docs/design-notes.md lists.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial

from ..kube import kinds
from ..kube.objects import Obj, dig, namespace_of
from ..kube.services import by_cluster_ip, find_port, is_external_name, is_headless
from .entries import entry_hosts, entry_http_ports, namesake
from .mesh import cluster_domain
from .mesh_routes import mesh_routes
from .names import below, plain_host, wildcards_over
from .protocols import AUTO, decided_by_address, is_http, port_protocol
from .registry import aliased, fqdn, service_of_name
from .virtual_services import AskedFor, Branch, RuleTarget, branches, connections, label_of
from .visibility import UNNAMED, Visibility, host_matches, oldest, short_name


@dataclass(frozen=True)
class Destination:
    """Where requests go. ``kind``: ``service``, ``entry`` (a ServiceEntry), ``none``, ``answered`` or ``unclear`` (``why`` says why).

    ``answered``: the sidecar answers by itself. ``host`` is the name in the mesh's registry. Of several destinations of one route, each
    has its share of 100 (``weight``), and ``part`` says of which requests, empty for those of the route's own path; ``sure`` is false
    where there may be no such request.
    """

    kind: str
    target: Obj | None = None
    port: int = 0
    host: str = ""
    why: str = ""
    subset: str = ""
    weight: int = 100
    part: str = ""
    sure: bool = True


@cache
def virtual_hosts(domain: str) -> Callable[[Obj], Iterator[str]]:
    """Index of VirtualServices on the mesh gateway by full host name, in a cluster with this domain."""
    def index(item: Obj) -> Iterator[str]:
        gateways = dig(item, "spec", "gateways", default=[]) or ["mesh"]
        if "mesh" in gateways:
            yield from (short_name(str(host), namespace_of(item), domain).lower() for host in dig(item, "spec", "hosts", default=[]))

    return index


def any_port(service: Obj) -> Iterator[int]:
    """Index of Services by the numbers of all of their ports."""
    yield from (int(port.get("port", 0)) for port in dig(service, "spec", "ports", default=[]))


def http_ports(service: Obj) -> Iterator[int]:
    """Index of Services by the numbers of their ports that are declared HTTP."""
    for port in dig(service, "spec", "ports", default=[]):
        if is_http(port_protocol(port)):
            yield int(port.get("port", 0))


class HostTable:
    """Where the HTTP listeners of one viewer's sidecar send requests."""

    def __init__(self, visibility: Visibility) -> None:
        self.visibility = visibility
        self.snapshot = visibility.snapshot
        self.fqdn = partial(fqdn, self.snapshot)
        self._domain = cluster_domain(self.snapshot)
        self._hosts_of = virtual_hosts(self._domain)

    def has_http_listener(self, port: int) -> bool:
        """Whether the viewer's sidecar has the shared HTTP listener 0.0.0.0:port."""
        protocol = self.visibility.egress_protocol(port)
        if is_http(protocol) and self._any(any_port, port, port):
            return True
        taken = bool(protocol) and not is_http(protocol) and self.headless_for_any(port) is not None
        return not taken and self._any(http_ports, port, UNNAMED)

    def _any(self, index: Callable[[Obj], Iterator[int]], port: int, scope: int) -> bool:
        """Whether a listener of a Sidecar lets in a Service or a ServiceEntry with this port."""
        services = self.snapshot.each(kinds.SERVICE, index, port)
        entries = self.snapshot.each(kinds.SERVICE_ENTRY, entry_http_ports, port)
        known = itertools.chain(((item, [self.fqdn(item)]) for item in services), ((item, list(entry_hosts(item))) for item in entries))
        return any(self.visibility.sees(item, hosts, scope) for item, hosts in known)

    def headless_for_any(self, port: int) -> Obj | None:
        """The headless Service that gets what is sent to a port at any address, where a Sidecar names the port as one of TCP."""
        if not decided_by_address(self.visibility.egress_protocol(port)):
            return None
        found = oldest(list(filter(is_headless, self.snapshot.each(kinds.SERVICE, any_port, port))))
        return next((item for item in found if self.visibility.sees(item, [self.fqdn(item)], port)), None)

    def waiting(self, port: int) -> Obj | None:
        """A VirtualService that holds for a host of no registry as soon as somebody makes this port one of HTTP, if it is none yet."""
        if self.has_http_listener(port):
            return None
        for item in oldest(list(self.snapshot.all(kinds.VIRTUAL_SERVICE))):
            hosts = [host for host in self._hosts_of(item) if self.registered_host(port, host).kind == "none"]
            if hosts and self.visibility.sees(item, hosts) and self._is_added(item, port):
                return item
        return None

    def http_destination(self, port: int, host: str, path: str) -> Destination:
        """Where a request with this Host and path goes on the shared HTTP listener of ``port``, if that is one place."""
        found = self.http_destinations(port, AskedFor(host, path, "Exact"))
        if len(found) > 1:
            return Destination("unclear", why=f"{found[0].why} splits these requests")
        return replace(found[0], kind="unclear") if found[0].kind == "answered" else found[0]

    def http_destinations(self, port: int, asked: AskedFor) -> tuple[Destination, ...]:
        """Where a route's requests go on the shared HTTP listener of ``port``."""
        name = asked.host.partition(":")[0].lower()
        return self._routed(self.registered_host(port, name), name, port, asked)

    def service_destinations(self, service: Obj, port: int, asked: AskedFor) -> tuple[Destination, ...]:
        """Where a route's HTTP requests go on a listener of a Service's own: whatever their Host, they are the Service's."""
        return self._routed(Destination("service", service, port, self.fqdn(service)), self.fqdn(service), port, asked)

    def connection_destinations(self, service: Obj, port: int, *, tls: bool, scope: int = UNNAMED) -> tuple[Destination, ...]:
        """Where connections to a Service go that are passed on as they are; ``tls``: the port is declared as one of TLS.

        ``scope`` is the port whose listener of a Sidecar lets in what counts.
        """
        own = Destination("service", service, port, self.fqdn(service))
        virtuals = oldest(self._all_virtual_services(self.fqdn(service), scope))
        virtuals += mesh_routes(self.snapshot, service, self.visibility.viewer.namespace)
        found = connections(virtuals, self.visibility.viewer, port, tls=tls)
        if found is None:
            return (own,)
        virtual, branch = found
        return tuple(self._branch(virtual, branch, target, port, whole=True) for target in branch.targets or (None,))

    def _all_virtual_services(self, host: str, scope: int) -> list[Obj]:
        """The visible VirtualServices that name or cover a host."""
        found = (item for pattern in _patterns(host) for item in self.snapshot.lookup(kinds.VIRTUAL_SERVICE, self._hosts_of, pattern))
        return [item for item in found if self.visibility.sees(item, list(self._hosts_of(item)), scope)]

    def _routed(self, registered: Destination, name: str, port: int, asked: AskedFor) -> tuple[Destination, ...]:
        """What the VirtualService of a host makes of requests that its registered owner would get."""
        # A VirtualService may be for one of the hosts that a ServiceEntry has as a wildcard.
        for pattern in _patterns(name if registered.kind == "entry" else registered.host or name):
            virtuals = [item for item in self._virtual_services(pattern, port) if registered.kind != "none" or self._is_added(item, port)]
            made = self._mesh_routes(registered) if pattern == registered.host else []
            ruled = [(item, branches(item, asked, self.visibility.viewer, port)) for item in (*virtuals, *made)]
            found = [(item, several) for item, several in ruled if several]
            if made and len(found) > 1:
                return (Destination("unclear", why=f"{label_of(made[0])} and {label_of(found[0][0])} both route these requests"),)
            if found:
                virtual, several = found[0]
                return tuple(self._branch(virtual, branch, target, port) for branch in several for target in branch.targets or (None,))
            if virtuals and registered.kind != "none":
                break
        return (registered,)

    def _mesh_routes(self, registered: Destination) -> list[Obj]:
        if registered.kind != "service" or registered.target is None:
            return []
        return mesh_routes(self.snapshot, registered.target, self.visibility.viewer.namespace)

    def _is_added(self, virtual: Obj, port: int) -> bool:
        """Whether hosts of a VirtualService that no registry knows are on a port: on 80, and where it has one that is known."""
        return port == 80 or any(self._is_known(port, item) for item in self._hosts_of(virtual))

    def _is_known(self, port: int, host: str) -> bool:
        """Whether a registry has a host of a VirtualService on a port of HTTP. A Service that is another name counts with its own ports."""
        named = service_of_name(self.snapshot, host)
        if named is None or not is_external_name(named):
            return self.registered_host(port, host).kind != "none"
        own = find_port(named, port)
        protocol = port_protocol(own) if own else ""
        return (is_http(protocol) or protocol == AUTO) and self.visibility.sees(named, [self.fqdn(named)], port)

    def registered_host(self, port: int, name: str) -> Destination:
        """The Service or ServiceEntry that owns a Host on a port."""
        service = self._service_named(name)
        if service is not None:
            entry = find_port(service, port)
            protocol = port_protocol(entry) if entry else ""
            named = service_of_name(self.snapshot, name)
            alias = self.fqdn(named) if named is not None and is_external_name(named) else ""
            if (is_http(protocol) or protocol == AUTO) and self.visibility.sees(service, [self.fqdn(service)], port, alias=alias):
                return Destination("service", service, port, self.fqdn(service))
        for pattern in (*self._spelled_out(name), *_patterns(name)):
            item = self._entry(pattern, port)
            if item is not None:
                return Destination("entry", item, port, pattern)
        return Destination("none")

    def _spelled_out(self, name: str) -> Iterator[str]:
        """The full name of a host in the form of a Service's shorter ones: a ServiceEntry for it has these as well."""
        called, _dot, home = name.removesuffix(".svc").partition(".")
        if "." not in home and called and called != "*":
            yield f"{called}.{home or self.visibility.viewer.namespace}.svc.{self._domain}"

    def _service_named(self, name: str) -> Obj | None:
        by_address = self.snapshot.lookup(kinds.SERVICE, by_cluster_ip, name)
        if by_address:
            return by_address[0]
        if "." not in name:
            return self.snapshot.get(kinds.SERVICE, self.visibility.viewer.namespace, name)
        found = self.service_by_host(name)
        if found is None and name.count(".") >= 4:
            # A headless Service also owns the names of its pods (pod.service.namespace.svc).
            found = self.service_by_host(name.partition(".")[2])
            return found if found is not None and is_headless(found) else None
        return found

    def _virtual_services(self, pattern: str, port: int) -> list[Obj]:
        """The visible VirtualServices of a host, in the order in which Istio asks them."""
        found = self.snapshot.lookup(kinds.VIRTUAL_SERVICE, self._hosts_of, pattern)
        visible = [item for item in found if self.visibility.sees(item, [pattern], port)]
        return sorted(oldest(visible), key=self.visibility.nearness)

    def _branch(self, virtual: Obj, branch: Branch, target: RuleTarget | None, port: int, *, whole: bool = False) -> Destination:
        label = label_of(virtual)
        if target is not None:
            host = short_name(target.host, namespace_of(virtual), self._domain)
            return replace(self._target(replace(target, host=host), port, label, whole=whole), part=branch.part, sure=branch.sure)
        kind = "answered" if branch.answer else "unclear"
        return Destination(kind, why=f"{label} {branch.answer or branch.unclear}", part=branch.part, sure=branch.sure)

    def _target(self, target: RuleTarget, port: int, label: str, *, whole: bool = False) -> Destination:
        """A rule's destination. Without a port it is the listener's, for a connection (``whole``) the only one that the Service has."""
        service = self.service_by_host(target.host)
        found = Destination("service", service, target.port or port, target.host, label, target.subset, target.weight)
        stands = service is not None and self._standing_for(service)
        if service is None or stands:
            entry = self._entry(target.host if service is None else self.fqdn(service), found.port)
            if entry is None and stands:
                why = f"{label} sends these requests to port {found.port} of {label_of(stands)}, which it does not have"
                return Destination("answered", why=f"{why}, so the sidecar answers 503", weight=target.weight)
            if entry is None:
                why = f"{label} sends these requests to {target.host or 'something'}, which is no Service"
                return Destination("unclear", why=why, weight=target.weight)
            return replace(found, kind="entry", target=entry)
        ports = dig(service, "spec", "ports", default=[])
        number = target.port or (int(ports[0].get("port", 0)) if whole and len(ports) == 1 else port)
        found = replace(found, port=number, host=self.fqdn(service))
        gone = "" if find_port(service, number) else f"port {number} of {target.host}, which it does not have"
        if not self.visibility.exported(service):
            gone = f"{target.host}, which the load balancer's namespace cannot see"
        if not gone:
            return found
        why = f"{label} sends these requests to {gone}, so the sidecar answers 503"
        return Destination("answered", why=why, weight=target.weight)

    def _standing_for(self, service: Obj) -> Obj | None:
        """The ServiceEntry of a Service's own name where a Sidecar lets in that alone: rules that lead to the name lead to it."""
        name = self.fqdn(service)
        return None if self.visibility.sees(service, [name]) else namesake(self.visibility, name, namespace_of(service))

    def _entry(self, host: str, port: int) -> Obj | None:
        """The oldest visible ServiceEntry for exactly this host that has an HTTP port of this number."""
        found = oldest(self.snapshot.lookup(kinds.SERVICE_ENTRY, entry_hosts, host))
        return next((item for item in found if port in set(entry_http_ports(item)) and self.visibility.sees(item, [host], port)), None)

    def claims_host(self, host: str) -> Obj | None:
        """A VirtualService or ServiceEntry that already stands for a public host in the viewer's mesh, ours left out."""
        host = plain_host(host)
        wanted = [item for item in _patterns(host) if item == host or host_matches(item, host)]
        for pattern in wanted:
            if pattern == "*":
                continue
            found = [
                *self.snapshot.lookup(kinds.VIRTUAL_SERVICE, self._hosts_of, pattern),
                *self.snapshot.lookup(kinds.SERVICE_ENTRY, entry_hosts, pattern),
            ]
            for item in oldest(found):
                if self.visibility.sees(item, [pattern]):
                    return item
        # An object for a wildcard would hold for what is registered below it as well.
        for item in oldest(self.snapshot.lookup(kinds.SERVICE_ENTRY, wildcards_over, host)) if host.startswith("*.") else ():
            if self.visibility.sees(item, list(entry_hosts(item))):
                return item
        return None

    def service_by_host(self, host: str) -> Obj | None:
        """The Service of a mesh name; that of another name is the one that it stands for."""
        found = service_of_name(self.snapshot, host)
        return aliased(self.snapshot, found) if found is not None else None


def _patterns(name: str) -> Iterator[str]:
    """A host and the wildcards that cover it, the most specific first."""
    yield name
    yield from below(name)
    yield "*"
