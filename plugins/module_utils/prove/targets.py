# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a load balancer dials for a route: addresses, and the request that stands for the route."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..core.model import Address, Route
from ..detect.inventory import KnownBackend
from ..istio.endpoints import Endpoint, ready
from ..istio.registry import dialled_port
from ..kube.objects import name_of
from ..kube.services import cluster_ips
from .trace import Dialed

MOST_ADDRESSES = 50
LABEL = "meshlb-proof"

_HOST = re.compile(r"[A-Za-z0-9._-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?")
_PATTERN = re.compile(r"[\^$*+?()\[\]{}|\\]")
_LITERAL_PATHS = ("Prefix", "Exact", "PathPrefix")


@dataclass(frozen=True)
class ProofTarget:
    """``why`` says why there is nothing to dial; ``left_out`` counts addresses beyond the limit."""

    dialed: tuple[Dialed, ...] = ()
    backends: tuple[Endpoint, ...] = ()
    left_out: int = 0
    why: str = ""

    @property
    def addresses(self) -> frozenset[str]:
        """Every ``ip:port`` by which a counter can be told to be this route's."""
        own = {Dialed(item.ip, item.port).address for item in self.backends if item.ip}
        return frozenset(own | {item.address for item in self.dialed})


def target_of(route: Route, known: KnownBackend, seen: Address, most: int = MOST_ADDRESSES) -> ProofTarget:
    """Return the addresses that the load balancer dials for a route, at most ``most`` of them.

    ``seen`` is what a sidecar sees of the address that is dialled.
    """
    backend, service = route.backend, known.service
    if service is None:
        return ProofTarget(why=f"Service {backend.namespace}/{backend.service} does not exist")
    if known.port is None:
        return ProofTarget(why=f"Service {backend.service} has no port {backend.port or backend.port_name}")
    if known.is_external or route.upstream.address == "external":
        return ProofTarget(why="the backend is not in the cluster")
    found = ready(known.endpoints)
    vips = [item for item in cluster_ips(known.reached or service) if item]
    if (seen in ("cluster_ip", "host_name") or known.reached is not service) and vips:
        return ProofTarget((_dialed(route, vips[0], dialled_port(service, known.port)),), found)
    addresses = [(item.ip, item.port) for item in found if item.ip and item.port]
    if not addresses:
        return ProofTarget(why=f"no pod of Service {backend.namespace}/{name_of(service)} has an address")
    dialed = tuple(_dialed(route, ip, number) for ip, number in addresses[:most])
    return ProofTarget(dialed, found, max(0, len(addresses) - most))


def _dialed(route: Route, ip: str, port: int) -> Dialed:
    host = (route.upstream.host or asked_host(route)).lower()
    return Dialed(ip, port, route.upstream.scheme, host, sent_path(route), _HOST.fullmatch(host) is not None)


def asked_host(route: Route) -> str:
    """A Host that a client can ask for to meet this route."""
    if not route.host:
        return f"{LABEL}.invalid"
    return route.host.replace("*", LABEL, 1)


def asked_path(route: Route) -> str | None:
    """A path that a client can ask for to meet this route; ``None`` where the route has a pattern."""
    if not route.path.startswith("/"):
        return "/"
    if route.path_type not in _LITERAL_PATHS and _PATTERN.search(route.path):
        return None
    return route.path


def sent_path(route: Route) -> str | None:
    """The path as the sidecar sees it; ``None`` where that is not known."""
    return None if route.rewrites_path else asked_path(route)
