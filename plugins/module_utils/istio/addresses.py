# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is at an address: pods, those of a Service, or nobody who is known."""

from __future__ import annotations

from ..kube import kinds
from ..kube.objects import Obj, dig
from ..kube.pods import pods_by_ip
from ..kube.services import by_cluster_ip, find_port
from ..kube.snapshot import Snapshot
from .authentication import effective_mode
from .endpoints import Endpoint, endpoints, view_of
from .inbound import reads_http
from .mesh import interception_defaults


class Addresses:
    """The addresses of one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def pod_at(self, ip: str, port: int) -> Endpoint | None:
        """The pod of an address; pods on the host's network share its address, so it names none of them."""
        pods = [pod for pod in self._snapshot.lookup(kinds.POD, pods_by_ip, ip) if not dig(pod, "spec", "hostNetwork", default=False)]
        return Endpoint(ip, port, view_of(pods[0], interception_defaults(self._snapshot))) if pods else None

    def behind(self, ip: str, port: int) -> tuple[tuple[Endpoint, ...], ...]:
        """The endpoints of each Service that has this address and port."""
        found = ((service, find_port(service, port)) for service in self._snapshot.lookup(kinds.SERVICE, by_cluster_ip, ip))
        return tuple(endpoints(self._snapshot, service, entry) for service, entry in found if entry is not None)

    def mode(self, pod: Obj, port: int) -> str:
        """What PeerAuthentication demands on a pod's port."""
        return effective_mode(self._snapshot, pod, port)

    def expects_http(self, endpoint: Endpoint) -> bool:
        """Whether the sidecar of an endpoint's pod expects HTTP, even of a connection that does not look like it."""
        return reads_http(self._snapshot, endpoint, sent_as_http=False)
