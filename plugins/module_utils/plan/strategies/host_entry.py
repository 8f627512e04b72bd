# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``host_entry``: nothing changes on the load balancer; its namespace learns that the public host is inside the mesh."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...core.model import Route, replace
from ...core.printable import listed
from ...core.writes import Named, Write
from ...istio.endpoints import PodView
from ...kube import kinds
from ...kube.objects import Obj, dig, labels_of, ref_of
from ...kube.selectors import selects
from .base import Context, Creation, Proposal, Strategy, made_for, metadata_for, namespaces_served
from .naming import object_name

MESH_POLICY = "mesh_policy"
NETWORKING = "networking.istio.io/v1"


PREFIX = "meshlb-entry-"
HTTP2 = frozenset({"grpc", "http2"})
CLIENT_PROTOCOL = ("spec", "trafficPolicy", "connectionPool", "http", "useClientProtocol")


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
    cost = (
        "the Service's own DestinationRule and VirtualService do not apply to this traffic, and for a pod that is gone the sidecar answers "
        "503, where the load balancer would have tried another pod after a failed connection; telemetry has the public host as destination"
    )
    loses = frozenset({MESH_POLICY, "retries"})
    stands_for_hosts = True
    makes_objects_in = "load_balancer"
    writes = (
        Write(kinds.SERVICE_ENTRY, named=named_after_host(PREFIX), place="load_balancer", why="host_entry: a public host is in the mesh"),
        Write(kinds.DESTINATION_RULE, named=named_after_host(PREFIX), place="load_balancer", why="host_entry: mutual TLS to a public host"),
    )

    def hazard(self, context: Context, route: Route, *, in_place: bool = False) -> str:
        others = others_in_mesh(context, [route]) if not in_place else []
        ports = sorted(_ports(context, _alike(context, route.load_balancer[0], route.host))) if others else []
        rules = ((port, context.cluster.waiting(context.load_balancer(route), port)) for port in ports)
        port, rule = next((found for found in rules if found[1]), (0, None))
        if rule is None:
            return ""
        names = listed(sorted({pod.name for pod in others}), 3)
        return f"its ServiceEntry makes port {port} one of HTTP, and what {names} send to it then goes by {ref_of(rule)}, too"

    def propose(self, context: Context, targets: Iterable[Route]) -> Proposal:
        wanted = list(targets)
        refusals: dict[Route, str] = {}
        creations: list[Creation] = []
        for namespace, host in sorted({(route.load_balancer[0], route.host) for route in wanted}):
            everything = _alike(context, namespace, host)
            asking = [route for route in wanted if (route.load_balancer[0], route.host) == (namespace, host)]
            late = _latecomers(context, namespace, host, everything)
            refusals.update({route: late[route] for route in asking if route in late})
            known = [route for route in everything if route not in late]
            refusal = self._refusal(context, known, host)
            if refusal:
                refusals.update({route: refusal for route in asking if route not in refusals})
            else:
                creations += _objects(context, namespace, host, known)
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
        return clients_of(context, routes)[1] or breaks_raw_ports(context, routes[0].load_balancer[0], _ports(context, routes))


def _alike(context: Context, namespace: str, host: str) -> list[Route]:
    """The routes of a host for which one entry stands."""
    return [
        route for route in context.routes
        if (route.load_balancer[0], route.host) == (namespace, host) and route.upstream.scheme == "http"
    ]


def _latecomers(context: Context, namespace: str, host: str, routes: Sequence[Route]) -> dict[Route, str]:
    """Routes of the host that came to an entry that is in place, from namespaces that it is not for, and cannot use it.

    Whoever may write in one namespace takes nothing from the routes of another one.
    """
    entry = service_entry({"name": object_name(f"{PREFIX}{host}"), "namespace": namespace}, host, ()).body
    made = context.live.existing(entry)
    if made is None or not context.is_owned(made) or not any(map(context.may_choose, routes)):
        return {}
    settled = namespaces_served(made)
    late = [route for route in routes if route.object.namespace not in settled and context.facts(route).without_mutual_tls]
    return {route: f"{context.facts(route).without_mutual_tls}, and {host} is in the mesh for other routes already" for route in late}


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
    return f"another route sends TCP to pods on port {broken}, and an HTTP listener there would break it"


def _ports(context: Context, routes: list[Route]) -> set[int]:
    """Ports that the load balancer may dial: the Services' and the pods'."""
    pods = {item.port for route in routes for item in context.endpoints(route)}
    return pods | {route.backend.port for route in routes if route.backend.port}


def _objects(context: Context, namespace: str, host: str, routes: list[Route]) -> list[Creation]:
    identities = {
        item.pod.spiffe(context.facts(route).trust_domain) for route in routes for item in context.endpoints(route) if item.pod is not None
    }
    metadata = metadata_for(object_name(f"{PREFIX}{host}"), namespace, routes)
    return made_for(
        routes, service_entry(metadata, host, _ports(context, routes)),
        _for_clients(context, routes, mutual_tls_rule(metadata, host, ["."], subjectAltNames=sorted(identities))),
    )


def _for_clients(context: Context, routes: Sequence[Route], rule: Creation) -> Creation:
    """The rule for the load balancers' own pods alone, which speaks to backends as it is spoken to: gRPC's status is an HTTP/2 trailer.

    What an earlier release made stays as it is where neither makes a difference.
    """
    labels, spec = clients_of(context, routes)[0], dict(rule.body["spec"])
    made = context.live.existing(rule.body)
    if labels and not (made and "workloadSelector" not in made["spec"] and not others_in_mesh(context, routes)):
        spec["workloadSelector"] = {"matchLabels": labels}
    speaks = any(route.backend.protocol in HTTP2 for route in routes)
    if speaks or not made or dig(made, *CLIENT_PROTOCOL):
        spec["trafficPolicy"] = {**spec["trafficPolicy"], "connectionPool": {"http": {"useClientProtocol": True}}}
    return replace(rule, body={**rule.body, "spec": spec})


def clients_of(context: Context, routes: Sequence[Route]) -> tuple[dict[str, str], str]:
    """Labels that the pods of these routes' load balancers have and no others with a sidecar beside them, or why there have to be some.

    Without either, nobody else is there.
    """
    selectors = [context.pod_selector(key) for key in sorted({route.load_balancer for route in routes})]
    common = dict(set.intersection(*(set(item.items()) for item in selectors)))
    others, namespace = others_in_mesh(context, routes), routes[0].load_balancer[0]
    strangers = [pod for pod in others if common and selects(common, labels_of(pod.pod))]
    if others and (strangers or not common):
        names = listed(sorted({pod.name for pod in strangers or others}), 3)
        why = f"other pods of namespace {namespace} have a sidecar ({names}), and no labels tell the load balancer's from them"
        return {}, f"{why} (harmless_pods can name them)"
    return common, ""


def others_in_mesh(context: Context, routes: Sequence[Route]) -> list[PodView]:
    """Pods with a sidecar in the namespace of these routes' load balancers that are none of theirs, and not named as harmless."""
    selectors = [context.pod_selector(key) for key in {route.load_balancer for route in routes}]
    found = context.live.meshed_pods(routes[0].load_balancer[0])
    others = (pod for pod in found if not any(item and selects(item, labels_of(pod.pod)) for item in selectors))
    return [pod for pod in others if not context.is_harmless(pod.pod)]


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
