# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``host_entry``: nothing changes on the load balancer; its namespace learns that the public host is inside the mesh."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...core.model import Route
from ...core.writes import Named, Write
from ...kube import kinds
from ...kube.objects import Obj, dig
from .base import Context, Creation, Proposal, Strategy, made_for, metadata_for
from .naming import object_name

MESH_POLICY = "mesh_policy"
NETWORKING = "networking.istio.io/v1"


PREFIX = "meshlb-entry-"


def named_after_host(prefix: str) -> Named:
    """The rule for names that are made of a host, which the object holds: in ``hosts``, or as ``host``."""

    def named(obj: Mapping[str, Any]) -> bool:
        host = dig(obj, "spec", "hosts", 0) or dig(obj, "spec", "host")
        return isinstance(host, str) and dig(obj, "metadata", "name") == object_name(f"{prefix}{host}")

    return named


class HostEntry(Strategy):
    """ServiceEntry (keeps the dialled address) and DestinationRule (mutual TLS, pinned identities) per public host."""

    name = "host_entry"
    gain = "the load balancer is left untouched and keeps its own balancing, and the Host is kept"
    cost = "the Service's own DestinationRule and VirtualService do not apply to this traffic"
    loses = frozenset({MESH_POLICY})
    stands_for_hosts = True
    makes_objects_in = "load_balancer"
    writes = (
        Write(kinds.SERVICE_ENTRY, named=named_after_host(PREFIX), place="load_balancer", why="host_entry: a public host is in the mesh"),
        Write(kinds.DESTINATION_RULE, named=named_after_host(PREFIX), place="load_balancer", why="host_entry: mutual TLS to a public host"),
    )

    def propose(self, context: Context, targets: Iterable[Route]) -> Proposal:
        wanted = list(targets)
        refusals: dict[Route, str] = {}
        creations: list[Creation] = []
        for namespace, host in sorted({(route.load_balancer[0], route.host) for route in wanted}):
            everything = [
                route for route in context.routes
                if (route.load_balancer[0], route.host) == (namespace, host) and route.upstream.scheme == "http"
            ]
            refusal = self._refusal(context, everything, host)
            if refusal:
                refusals.update({route: refusal for route in wanted if route.host == host and route.load_balancer[0] == namespace})
            else:
                creations += _objects(context, namespace, host, everything)
        return Proposal((), tuple(creations), refusals)

    @staticmethod
    def _refusal(context: Context, routes: list[Route], host: str) -> str:
        if not host:
            return "a route without a host has nothing that the mesh could match"
        if not routes:
            return "only plain HTTP carries a Host that the sidecar can read"
        taken = why_taken(context, routes)
        if taken:
            return taken
        for route in routes:
            outside = context.facts(route).without_mutual_tls
            if outside:
                return f"{outside}, and one TLS setting holds for all backends of {host}"
        return breaks_raw_ports(context, routes[0].load_balancer[0], _ports(context, routes))


def why_taken(context: Context, routes: Sequence[Route]) -> str:
    """Why no object may stand for the host of these routes; empty where it is free, and one of them may claim it."""
    facts = [context.facts(route) for route in routes]
    taken = [item.taken.why for item in facts if item.taken]
    if len(taken) == len(facts):
        return taken[0]
    return f"{facts[0].claimed_by} already stands for {routes[0].host}" if facts[0].claimed_by else ""


def breaks_raw_ports(context: Context, namespace: str, ports: Iterable[int]) -> str:
    """Why HTTP listeners on these ports would break another route, empty where they would not."""
    broken = next((port for port in sorted(ports) if (namespace, port) in context.raw_ports), None)
    if broken is None:
        return ""
    return f"another route sends TLS or TCP to pods on port {broken}, and an HTTP listener there would break it"


def _ports(context: Context, routes: list[Route]) -> set[int]:
    """Ports that the load balancer may dial: the Services' and the pods'."""
    pods = {item.port for route in routes for item in context.endpoints(route)}
    return pods | {route.backend.port for route in routes if route.backend.port}


def _objects(context: Context, namespace: str, host: str, routes: list[Route]) -> list[Creation]:
    domain = context.inventory.trust_domain
    identities = set()
    for route in routes:
        for item in context.endpoints(route):
            if item.pod is not None:
                identities.add(item.pod.spiffe(domain))
    name = object_name(f"{PREFIX}{host}")
    metadata = metadata_for(name, namespace, routes)
    return made_for(
        routes, service_entry(metadata, host, _ports(context, routes)),
        mutual_tls_rule(metadata, host, ["."], subjectAltNames=sorted(identities)),
    )


def service_entry(metadata: Obj, host: str, ports: Iterable[int]) -> Creation:
    """What makes a public host known on these ports, for the load balancer's namespace alone; the dialled address is kept."""
    spec = {
        "hosts": [host], "exportTo": ["."], "location": "MESH_INTERNAL", "resolution": "NONE",
        "ports": [{"name": f"http-{port}", "number": port, "protocol": "HTTP"} for port in sorted(ports)],
    }
    return Creation({"apiVersion": NETWORKING, "kind": "ServiceEntry", "metadata": metadata, "spec": spec}, in_the_mesh(host))


def mutual_tls_rule(metadata: Obj, host: str, viewers: list[str], **tls: list[str]) -> Creation:
    """What has sidecars in these namespaces send mutual TLS to a host."""
    spec = {"host": host, "exportTo": viewers, "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL", **tls}}}
    body = {"apiVersion": NETWORKING, "kind": "DestinationRule", "metadata": metadata, "spec": spec}
    return Creation(body, f"has the load balancer's sidecar send mutual TLS to {host}")


def in_the_mesh(host: str) -> str:
    """The reason for an object that stands for a public host."""
    return f"tells the load balancer's namespace that {host} is in the mesh"
