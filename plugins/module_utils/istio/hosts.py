# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a sidecar's HTTP listener sends a request, by its Host header: Services, ServiceEntries and VirtualServices.

Source: istio/istio pilot/pkg/networking/core/httproute.go and route/route.go, and the measurements that the documentation
page docs/design-notes.md lists.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..kube import kinds
from ..kube.objects import Obj, dig, name_of, namespace_of
from ..kube.services import by_cluster_ip, find_port, fqdn, is_headless
from .names import plain_host, wildcards_over
from .protocols import declared_protocol, is_http, port_protocol
from .visibility import Visibility, host_matches, oldest, short_name


@dataclass(frozen=True)
class Destination:
    """What a Host leads to. ``kind``: ``service``, ``entry`` (a ServiceEntry), ``none`` or ``unclear`` (``why`` says why)."""

    kind: str
    target: Obj | None = None
    port: int = 0
    host: str = ""
    why: str = ""


def entry_hosts(entry: Obj) -> Iterator[str]:
    """Index of ServiceEntries by host as written."""
    yield from (str(item).lower() for item in dig(entry, "spec", "hosts", default=[]))


def virtual_hosts(item: Obj) -> Iterator[str]:
    """Index of VirtualServices on the mesh gateway by full host name."""
    gateways = dig(item, "spec", "gateways", default=[]) or ["mesh"]
    if "mesh" in gateways:
        yield from (short_name(str(host), namespace_of(item)).lower() for host in dig(item, "spec", "hosts", default=[]))


def http_ports(service: Obj) -> Iterator[int]:
    """Index of Services by the numbers of their ports that are declared HTTP."""
    for port in dig(service, "spec", "ports", default=[]):
        if is_http(port_protocol(port)):
            yield int(port.get("port", 0))


def entry_http_ports(entry: Obj) -> Iterator[int]:
    """Index of ServiceEntries by the numbers of their HTTP ports."""
    for port in dig(entry, "spec", "ports", default=[]):
        number = int(port.get("number", 0))
        if is_http(declared_protocol(str(port.get("protocol", "")), number)):
            yield number


class HostTable:
    """Where the HTTP listeners of one viewer's sidecar send requests."""

    def __init__(self, visibility: Visibility) -> None:
        self.visibility = visibility
        self.snapshot = visibility.snapshot

    def has_http_listener(self, port: int) -> bool:
        """Whether the viewer's sidecar has the shared HTTP listener 0.0.0.0:port."""
        services = self.snapshot.each(kinds.SERVICE, http_ports, port)
        if any(self.visibility.sees(item, [fqdn(item)]) for item in services):
            return True
        entries = self.snapshot.each(kinds.SERVICE_ENTRY, entry_http_ports, port)
        return any(self.visibility.sees(item, list(entry_hosts(item))) for item in entries)

    def http_destination(self, port: int, host: str, path: str) -> Destination:
        """Where a request with this Host goes on the shared HTTP listener of ``port``."""
        name = host.partition(":")[0].lower()
        registered = self.registered_host(port, name)
        for pattern in _patterns(registered.host or name):
            virtual = self._virtual_service(pattern)
            if virtual is not None and (registered.kind != "none" or self._is_added(virtual, port)):
                return self._routed(virtual, port, path, registered)
        return registered

    def _is_added(self, virtual: Obj, port: int) -> bool:
        """Whether hosts of a VirtualService that no registry knows are on a port: on 80, and where it has one that is known."""
        return port == 80 or any(self.registered_host(port, item).kind != "none" for item in virtual_hosts(virtual))

    def registered_host(self, port: int, name: str) -> Destination:
        """The Service or ServiceEntry that owns a Host on a port."""
        service = self._service_named(name)
        if service is not None:
            entry = find_port(service, port)
            if entry is not None and is_http(port_protocol(entry)) and self.visibility.sees(service, [fqdn(service)]):
                return Destination("service", service, port, fqdn(service))
        for pattern in _patterns(name):
            for item in oldest(self.snapshot.lookup(kinds.SERVICE_ENTRY, entry_hosts, pattern)):
                if port in set(entry_http_ports(item)) and self.visibility.sees(item, [pattern]):
                    return Destination("entry", item, port, pattern)
        return Destination("none")

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

    def _virtual_service(self, pattern: str) -> Obj | None:
        found = [
            item for item in self.snapshot.lookup(kinds.VIRTUAL_SERVICE, virtual_hosts, pattern) if self.visibility.sees(item, [pattern])
        ]
        return oldest(found)[0] if found else None

    def _routed(self, virtual: Obj, port: int, path: str, registered: Destination) -> Destination:
        label = f"VirtualService {namespace_of(virtual)}/{name_of(virtual)}"
        for rule in dig(virtual, "spec", "http", default=[]):
            decided = _rule_matches(rule, port, path)
            if decided is None:
                return Destination("unclear", why=f"{label} routes by more than the path")
            if decided:
                return self._rule_destination(virtual, rule, port, label)
        return registered if registered.kind == "none" else Destination("unclear", why=f"{label} has no rule for path {path or '/'}")

    def _rule_destination(self, virtual: Obj, rule: Obj, port: int, label: str) -> Destination:
        targets = {
            (
                short_name(str(dig(item, "destination", "host", default="")), namespace_of(virtual)),
                int(dig(item, "destination", "port", "number", default=0)),
            )
            for item in rule.get("route") or []
        }
        if len(targets) != 1:
            return Destination("unclear", why=f"{label} splits or redirects this path")
        host, number = targets.pop()
        service = self.service_by_host(host)
        if service is None:
            return Destination("unclear", why=f"{label} sends this path to {host}, which is no Service")
        ports = dig(service, "spec", "ports", default=[])
        number = number or (int(ports[0].get("port", 0)) if len(ports) == 1 else port)
        if not self.visibility.sees(service, [fqdn(service)]):
            return Destination("unclear", why=f"{label} sends this path to {host}, which the load balancer's namespace cannot see")
        return Destination("service", service, number, fqdn(service), label)

    def claims_host(self, host: str) -> Obj | None:
        """A VirtualService or ServiceEntry that already stands for a public host in the viewer's mesh, ours left out."""
        host = plain_host(host)
        wanted = [item for item in _patterns(host) if item == host or host_matches(item, host)]
        for pattern in wanted:
            if pattern == "*":
                continue
            found = [
                *self.snapshot.lookup(kinds.VIRTUAL_SERVICE, virtual_hosts, pattern),
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
        """The Service of a full or shortened mesh name (``svc.ns``, ``svc.ns.svc``, the full name)."""
        labels = host.split(".")
        if len(labels) == 2 or (len(labels) > 2 and labels[2] == "svc" and host.endswith((".svc", ".svc.cluster.local"))):
            return self.snapshot.get(kinds.SERVICE, labels[1], labels[0])
        return None


def _patterns(name: str) -> Iterator[str]:
    """A host and the wildcards that cover it, the most specific first."""
    yield name
    rest = name[2:] if name.startswith("*.") else name
    while "." in rest:
        rest = rest.partition(".")[2]
        yield f"*.{rest}"
    yield "*"


def _rule_matches(rule: Obj, port: int, path: str) -> bool | None:
    """Whether a rule takes a path; ``None`` where it depends on something else than path, port and gateway."""
    matches = rule.get("match") or []
    if not matches:
        return True
    for match in matches:
        if set(match) - {"uri", "port", "gateways", "name"}:
            return None
        if match.get("gateways") and "mesh" not in match["gateways"]:
            continue
        if match.get("port") not in (None, port):
            continue
        uri, wanted = match.get("uri") or {}, path or "/"
        if "regex" in uri:
            return None
        if not uri or uri.get("exact") == wanted or ("prefix" in uri and wanted.startswith(str(uri["prefix"]))):
            return True
    return False
