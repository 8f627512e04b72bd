# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backends behind an address, as :class:`servers.ServerSide`: what a cluster's endpoints are judged with."""

from __future__ import annotations

from ..istio.authentication import effective_mode
from ..istio.endpoints import Endpoint, endpoints, view_of
from ..istio.mesh import interception_defaults, read_mesh
from ..kube import kinds
from ..kube.objects import dig
from ..kube.pods import pods_by_ip
from ..kube.services import by_cluster_ip, find_port
from ..kube.snapshot import Snapshot
from .servers import Readings, ServerSide, server_side
from .targets import MOST_ADDRESSES, ready


class Backends:
    """A :data:`servers.ServerLookup` on a snapshot and what was read from backend sidecars."""

    def __init__(self, snapshot: Snapshot, readings: Readings) -> None:
        self._snapshot = snapshot
        self._readings = readings
        self._trust_domain = read_mesh(snapshot).trust_domain
        self._known: dict[tuple[str, int], tuple[ServerSide, ...]] = {}

    def __call__(self, ip: str, port: int) -> tuple[ServerSide, ...]:
        """One for a pod's address, those of its pods for a Service's, none for an address that nobody has."""
        if (ip, port) not in self._known:
            self._known[(ip, port)] = self._look_up(ip, port)
        return self._known[(ip, port)]

    def _look_up(self, ip: str, port: int) -> tuple[ServerSide, ...]:
        # Pods on the host's network share its address, so the address names none of them.
        pods = [pod for pod in self._snapshot.lookup(kinds.POD, pods_by_ip, ip) if not dig(pod, "spec", "hostNetwork", default=False)]
        if pods:
            return (self._side(Endpoint(ip, port, view_of(pods[0], interception_defaults(self._snapshot)))),)
        found: list[ServerSide] = []
        for service in self._snapshot.lookup(kinds.SERVICE, by_cluster_ip, ip):
            entry = find_port(service, port)
            if entry is not None:
                behind = ready(endpoints(self._snapshot, service, entry))
                found += [self._side(item) for item in behind[:MOST_ADDRESSES]]
        return tuple(found)

    def _side(self, endpoint: Endpoint) -> ServerSide:
        pod = endpoint.pod
        if pod is None:
            return ServerSide(f"{endpoint.ip}:{endpoint.port}", reason="the address belongs to no pod that was read")
        return server_side(
            pod,
            endpoint.port,
            self._readings,
            lambda item, number: effective_mode(self._snapshot, item, number),
            pod.spiffe(self._trust_domain),
        )
