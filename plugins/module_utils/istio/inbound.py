# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod's sidecar takes a connection for, HTTP or TCP: there is one inbound chain per target port, and the oldest Service has it.

Of Services that were made in the same second, it is the one whose host comes first. Who may see a Service plays no part. Source:
istio/istio pilot/pkg/model/context.go (SetServiceTargets), pilot/pkg/networking/core/listener_inbound.go (getFilterChainsByServicePort)
and filterchain_options.go (which ALPN leads where).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..kube import kinds
from ..kube.objects import Obj, dig, identity, labels_of, namespace_of
from ..kube.pods import by_namespace, container_port
from ..kube.selectors import selects
from ..kube.services import find_port, is_external_name, target_port
from ..kube.snapshot import Snapshot
from .endpoints import Endpoint, pods_selected
from .mesh import MESH_DEPENDS, is_discovered
from .protocols import AUTO, TCP_PROTOCOLS, declared_protocol, is_http, port_protocol
from .visibility import Viewer, Visibility, oldest

_DEPENDS = (kinds.SERVICE, kinds.POD, kinds.SIDECAR, *MESH_DEPENDS)


@dataclass(frozen=True)
class Takeover:
    """A Service that decides about a port in another one's place, so that the port's requests are handled as TCP for every client."""

    number: int
    service: Obj
    protocol: str


def by_seniority(snapshot: Snapshot, pod: Obj, number: int) -> list[tuple[Obj, Obj]]:
    """The Services, each with its port, that lead to a port of a pod; the first one decides. Istio knows none where it does not look."""
    if not is_discovered(snapshot, namespace_of(pod)):
        return []
    found = [
        item for item in snapshot.lookup(kinds.SERVICE, by_namespace, namespace_of(pod))
        if not is_external_name(item) and selects(dig(item, "spec", "selector"), labels_of(pod))
    ]
    return [(service, port) for service in oldest(found) for port in _ports_to(service, pod, number)]


def _ports_to(service: Obj, pod: Obj, number: int) -> Iterator[Obj]:
    for port in dig(service, "spec", "ports", default=[]):
        if port_protocol(port) != "udp" and container_port(pod, target_port(port)) == number:
            yield port


def takeover(snapshot: Snapshot, service: Obj, is_beside: Callable[[Obj], bool]) -> Takeover | None:
    """What a Service that declares its ports as TCP takes away from others that lead to the same pods, if it does.

    ``is_beside`` tells those that do not count as others.
    """
    selector = dig(service, "spec", "selector", default={})
    for view in pods_selected(snapshot, namespace_of(service), selector):
        for number in dict.fromkeys(container_port(view.pod, target_port(port)) for port in dig(service, "spec", "ports", default=[])):
            ranked = by_seniority(snapshot, view.pod, number)
            other = next(((item, port) for item, port in ranked if not is_beside(item)), None)
            if other is None or identity(ranked[0][0]) != identity(service):
                continue
            protocol = port_protocol(other[1])
            if protocol not in TCP_PROTOCOLS:
                return Takeover(number, other[0], protocol)
    return None


def reads_http(snapshot: Snapshot, endpoint: Endpoint, *, sent_as_http: bool) -> bool:
    """Whether the sidecar of an endpoint's pod reads HTTP. ``sent_as_http``: the connection says so, or begins like it."""
    protocol = inbound_protocol(snapshot, endpoint)
    return sent_as_http if protocol == AUTO else is_http(protocol)


def inbound_protocol(snapshot: Snapshot, endpoint: Endpoint) -> str:
    """The protocol that a port of a pod is declared to have, ``auto`` where nobody declares one."""
    if endpoint.pod is None:
        return AUTO
    pod = endpoint.pod.pod
    key = ("inbound", namespace_of(pod), tuple(sorted(labels_of(pod).items())), endpoint.key)
    return snapshot.cached(key, lambda view: _protocol(view, pod, endpoint.port), _DEPENDS)


def _protocol(snapshot: Snapshot, pod: Obj, number: int) -> str:
    scope = Visibility(snapshot, Viewer(namespace_of(pod), tuple(sorted(labels_of(pod).items())))).scope()
    listeners = dig(scope, "spec", "ingress", default=[]) if scope else []
    for item in listeners:
        if dig(item, "port", "number") == number:
            return declared_protocol(str(dig(item, "port", "protocol", default="")), number)
    if listeners:
        return AUTO
    return next((port_protocol(port) for _service, port in by_seniority(snapshot, pod, number)), AUTO)


def leads_to_http(snapshot: Snapshot, cluster: str) -> bool:
    """Whether a sidecar's cluster carries what the sidecar read as HTTP, by the port of the Service that it belongs to."""
    parts = cluster.split("|")
    number, host = (parts[1], parts[3]) if len(parts) == 4 else ("", "")
    labels = host.split(".")
    service = snapshot.get(kinds.SERVICE, labels[1], labels[0]) if labels[2:3] == ["svc"] else None
    port = find_port(service, int(number)) if service is not None and number.isdecimal() else None
    return port is None or port_protocol(port) not in TCP_PROTOCOLS
