# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backend's sidecar takes a connection for: HTTP or TCP. Policies about HTTP mean something else on TCP.

Every port of a pod has one chain of filters for all clients, and the oldest Service over the pod names its protocol. Source: istio/istio
pilot/pkg/networking/core/listener_inbound.go, filterchain_options.go (which ALPN leads where) and pilot/pkg/model/context.go (the order).
"""

from __future__ import annotations

from ...kube import kinds
from ...kube.objects import Obj, created_at, dig, labels_of, namespace_of
from ...kube.pods import by_namespace, container_port
from ...kube.selectors import selects
from ...kube.services import find_port, fqdn, target_port
from ...kube.snapshot import Snapshot
from ..endpoints import Endpoint
from ..mesh import MESH_DEPENDS
from ..protocols import AUTO, TCP_PROTOCOLS, declared_protocol, is_http, port_protocol
from ..visibility import Viewer, Visibility

_DEPENDS = (kinds.SERVICE, kinds.POD, kinds.SIDECAR, *MESH_DEPENDS)


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
    return AUTO if listeners else _of_services(snapshot, pod, number)


def _of_services(snapshot: Snapshot, pod: Obj, number: int) -> str:
    over = [
        item for item in snapshot.lookup(kinds.SERVICE, by_namespace, namespace_of(pod))
        if selects(dig(item, "spec", "selector", default={}), labels_of(pod))
    ]
    for service in sorted(over, key=lambda item: (created_at(item), fqdn(item))):
        for port in dig(service, "spec", "ports", default=[]):
            protocol = port_protocol(port)
            if protocol != "udp" and container_port(pod, target_port(port)) == number:
                return protocol
    return AUTO


def leads_to_http(snapshot: Snapshot, cluster: str) -> bool:
    """Whether a sidecar's cluster carries what the sidecar read as HTTP, by the port of the Service that it belongs to."""
    parts = cluster.split("|")
    number, host = (parts[1], parts[3]) if len(parts) == 4 else ("", "")
    labels = host.split(".")
    service = snapshot.get(kinds.SERVICE, labels[1], labels[0]) if labels[2:3] == ["svc"] else None
    port = find_port(service, int(number)) if service is not None and number.isdecimal() else None
    return port is None or port_protocol(port) not in TCP_PROTOCOLS
