# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the routes of F5's NGINX Ingress Controller.

Source: nginx/kubernetes-ingress internal/k8s/controller.go (HasCorrectIngressClass, createVirtualServerEx),
internal/configs/virtualserver.go (generateProxySetHeaders: a Host among the headers replaces its own) and
pkg/apis/configuration/v1/types.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from ...core.findings import finding
from ...core.model import Address, Finding, LoadBalancer, ObjectRef, Scheme, Upstream, replace
from ...kube.kinds import INGRESS
from ...kube.objects import Obj, annotations_of, dig, labels_of, name_of, namespace_of, ref_of
from ...kube.selectors import object_selector
from ...kube.snapshot import Snapshot
from ..contract.routes import RouteReader, RouteReading
from ..kit.classes import takes_annotated
from ..kit.conflicts import Claims, by_age_and_uid, first_claims
from ..kit.declared import DeclaredRoute, ServiceReference, host_among
from ..kit.ingresses import IngressEntry
from ..kit.objects import BackendHandling, ServedObject, declared_reading, object_reader, served_object
from ..kit.readers import read_ingresses
from ..kit.settings import settings_of
from .settings import Settings

VIRTUAL_SERVER = "VirtualServer.k8s.nginx.org"
VIRTUAL_SERVER_ROUTE = "VirtualServerRoute.k8s.nginx.org"
OWN_ROUTES = (VIRTUAL_SERVER, VIRTUAL_SERVER_ROUTE)
TRANSPORT_SERVER = "TransportServer.k8s.nginx.org"
USE_CLUSTER_IP = "nginx.org/use-cluster-ip"

_INGRESS_FEATURES = {
    "nginx.org/lb-method": "balancing", "nginx.com/sticky-cookie-services": "affinity", "nginx.com/health-checks": "health_checks",
    "nginx.org/proxy-next-upstream": "retries",
}
_UPSTREAM_FEATURES = {"lb-method": "balancing", "next-upstream": "retries", "subselector": "balancing"}
_SWITCHED_FEATURES = {"sessionCookie": "affinity", "healthCheck": "health_checks"}
_CLIENTS_HOST = frozenset({"$host", "${host}", "$http_host", "${http_host}"})


@dataclass(frozen=True)
class Pool:
    """One upstream of an object."""

    backend: ServiceReference
    address: Address
    scheme: Scheme
    features: tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """One action that sends requests on: ``where`` in the object it is written, and the Host that it sets (``None``: the client's).

    ``shared``: it takes a share of a path's requests, or those that meet further conditions.
    """

    where: tuple[str | int, ...]
    action: Obj
    path: str
    upstream: str
    pool: Pool
    host: str | None
    features: tuple[str, ...] = ()
    shared: bool = False


def serves_ingress(load_balancer: LoadBalancer, ingress: Obj) -> bool:
    """An Ingress must name its class."""
    settings = settings_of(load_balancer, Settings)
    names = {settings.class_name} if load_balancer.classes else ()
    return settings.scope.covers(namespace_of(ingress)) and takes_annotated(names, ingress)


def serves_own(load_balancer: LoadBalancer, obj: Obj) -> bool:
    """Objects of its own kinds may leave the class out."""
    settings, name = settings_of(load_balancer, Settings), dig(obj, "spec", "ingressClassName", default="")
    return settings.custom_resources and settings.scope.covers(namespace_of(obj)) and name in ("", settings.class_name)


def of_entry(load_balancer: LoadBalancer, ingress: Obj, entry: IngressEntry, service: Obj) -> BackendHandling:
    """An Ingress' own annotation decides for it alone (a minion's for the minion); upstreams are not shared between Ingresses."""
    annotations = annotations_of(ingress)
    tls = entry.service in [item.strip() for item in annotations.get("nginx.org/ssl-services", "").split(",")]
    return BackendHandling(
        address="cluster_ip" if annotations.get(USE_CLUSTER_IP) == "true" else "pod_ips",
        group=f"Ingress-{namespace_of(ingress)}-{name_of(ingress)}-{entry.host}-{entry.service}-{entry.reference}",
        features=tuple(sorted({feature for key, feature in _INGRESS_FEATURES.items() if annotations.get(key)})),
        scheme="tls" if tls else "http",
    )


def upstreams_of(obj: Obj) -> dict[str, Pool]:
    """The upstreams of a VirtualServer or VirtualServerRoute by name."""
    pools = {}
    for item in dig(obj, "spec", "upstreams", default=[]):
        namespace, slash, service = str(item.get("service", "")).rpartition("/")
        features = {feature for key, feature in _UPSTREAM_FEATURES.items() if item.get(key)}
        features |= {feature for key, feature in _SWITCHED_FEATURES.items() if dig(item, key, "enable")}
        pools[str(item.get("name", ""))] = Pool(
            ServiceReference(namespace if slash else namespace_of(obj), service, int(item.get("port", 0))),
            "cluster_ip" if item.get("use-cluster-ip") else "pod_ips",
            "tls" if dig(item, "tls", "enable") else "http",
            tuple(sorted(features)),
        )
    return pools


def steps(obj: Obj) -> Iterator[Step]:
    """Every action of an object that sends requests to an upstream."""
    pools = upstreams_of(obj)
    key = "subroutes" if obj["kind"] == "VirtualServerRoute" else "routes"
    for number, route in enumerate(dig(obj, "spec", key, default=[])):
        path = str(route.get("path", "/"))
        for where, branch, shared in _branches(("spec", key, number), route):
            splits = branch.get("splits") or []
            for place, item in enumerate(splits):
                features = ("canary", "weights")
                yield from _step(pools, (*where, "splits", place, "action"), item.get("action"), path, features, shared or place > 0)
            if not splits:
                yield from _step(pools, (*where, "action"), branch.get("action"), path, (), shared)


def _branches(where: tuple[str | int, ...], route: Obj) -> Iterator[tuple[tuple[str | int, ...], Obj, bool]]:
    yield where, route, False
    for number, match in enumerate(route.get("matches") or []):
        yield (*where, "matches", number), match, True


def _step(
    pools: dict[str, Pool], where: tuple[str | int, ...], action: Obj | None, path: str, features: tuple[str, ...], shared: bool
) -> Iterator[Step]:
    action = action or {}
    name = str(action.get("pass") or dig(action, "proxy", "upstream", default=""))
    pool = pools.get(name)
    if pool is not None:
        yield Step(where, action, path, name, pool, host_among(dig(action, "proxy", "requestHeaders", "set", default=[])), features, shared)


def read_virtual_servers(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Routes of VirtualServers; a VirtualServerRoute counts where a VirtualServer of the same host takes it in."""
    servers, parts = (
        [obj for obj in snapshot.all(kind) if serves_own(load_balancer, obj)] for kind in (VIRTUAL_SERVER, VIRTUAL_SERVER_ROUTE)
    )
    owners = owners_of_hosts(snapshot, load_balancer)
    lost = {ref_of(server): why for server in servers if (why := _why_lost(owners, server, str(dig(server, "spec", "host", default=""))))}
    return declared_reading(partial(served_object, snapshot, load_balancer), (
        (obj, part)
        for server in servers for obj in (server, *_parts_of(server, parts)) if only is None or ref_of(obj) in only
        for part in (
            [finding("MLB220", lost[ref_of(server)], ref_of(obj))] if ref_of(server) in lost
            else declared_by_server(obj, str(dig(server, "spec", "host", default="")))
        )
    ))


def owners_of_hosts(snapshot: Snapshot, load_balancer: LoadBalancer) -> Claims:
    """Whose each host is: the oldest Ingress's or VirtualServer's, whatever their paths. Minions are part of their master."""
    ingresses = (item for item in snapshot.all(INGRESS) if serves_ingress(load_balancer, item) and _merged_as(item) != "minion")
    servers = (item for item in snapshot.all(VIRTUAL_SERVER) if serves_own(load_balancer, item))
    return first_claims(by_age_and_uid([*ingresses, *servers]), _hosts)


def _hosts(obj: Obj) -> list[str]:
    if obj["kind"] == "VirtualServer":
        return [str(dig(obj, "spec", "host", default=""))]
    return [str(rule.get("host", "")) for rule in dig(obj, "spec", "rules", default=[])]


def _merged_as(ingress: Obj) -> str:
    return annotations_of(ingress).get("nginx.org/mergeable-ingress-type", "")


def _why_lost(owners: Claims, obj: Obj, host: str) -> str:
    """Why an object does not have a host, empty where it has it."""
    owner = owners.get(host)
    if obj["kind"] == "Ingress" and _merged_as(obj) == "minion":
        return "" if owner and _merged_as(owner) == "master" else f"it is a minion, and no master has host {host}"
    if owner is None or ref_of(owner) == ref_of(obj):
        return ""
    return f"host {host} is that of {ref_of(owner)}, which is older, and a host is one object's alone"


def read_ingress_routes(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Routes of Ingresses that have their hosts."""
    owners = owners_of_hosts(snapshot, load_balancer)

    def handle(load_balancer: LoadBalancer, ingress: Obj, entry: IngressEntry, service: Obj) -> BackendHandling:
        lost = "" if entry.default else _why_lost(owners, ingress, entry.host)
        return replace(of_entry(load_balancer, ingress, entry, service), dropped=lost)

    return read_ingresses(snapshot, load_balancer, only, handle, serves_ingress)


def _parts_of(server: Obj, parts: Iterable[Obj]) -> list[Obj]:
    """The VirtualServerRoutes that a VirtualServer takes in, by name or by label."""
    rules = dig(server, "spec", "routes", default=[])
    names = {_full_name(server, str(rule["route"])) for rule in rules if rule.get("route")}
    selectors = [object_selector(rule["routeSelector"]) for rule in rules if rule.get("routeSelector")]
    return [
        part for part in parts if dig(part, "spec", "host") == dig(server, "spec", "host") and (
            (namespace_of(part), name_of(part)) in names or any(selector.matches(labels_of(part)) for selector in selectors)
        )
    ]


def _full_name(server: Obj, reference: str) -> tuple[str, str]:
    namespace, slash, name = reference.rpartition("/")
    return (namespace if slash else namespace_of(server), name)


def declared_by_server(obj: Obj, host: str) -> Iterator[DeclaredRoute]:
    """What a VirtualServer or VirtualServerRoute declares."""
    for step in steps(obj):
        pool, (path, path_type) = step.pool, _path(step.path)
        sent = "" if step.host is None or step.host in _CLIENTS_HOST else step.host
        yield DeclaredRoute(
            pool.backend, host, path, path_type, Upstream(pool.address, sent, pool.scheme),
            _group(obj, step.upstream), (*pool.features, *step.features), step.shared, bool(dig(step.action, "proxy", "rewritePath")),
        )


def _group(obj: Obj, upstream: str) -> str:
    return f"{obj['kind']}-{namespace_of(obj)}-{name_of(obj)}-{upstream}"


def _path(text: str) -> tuple[str, str]:
    """nginx's forms of a location: ``=`` exact, ``~`` and ``~*`` regular expressions, ``^~`` or nothing a prefix (of characters)."""
    if text.startswith("^~"):
        return text[2:].strip(), "ImplementationSpecific"
    if text.startswith("~"):
        return text.lstrip("~* "), "RegularExpression"
    return (text[1:].strip(), "Exact") if text.startswith("=") else (text, "ImplementationSpecific")


def declared_streams(item: ServedObject) -> Iterator[DeclaredRoute | Finding]:
    """What a TransportServer declares."""
    obj = item.obj
    protocol = dig(obj, "spec", "listener", "protocol")
    if protocol == "UDP":
        yield finding("MLB205", f"{ref_of(obj)} is UDP, which the mesh does not carry", ref_of(obj))
        return
    name = dig(obj, "spec", "action", "pass")
    pool = upstreams_of(obj).get(name)
    if pool is not None:
        yield DeclaredRoute(
            pool.backend, str(dig(obj, "spec", "host", default="")),
            f"tcp:{dig(obj, 'spec', 'listener', 'name', default='')}", "Stream",
            Upstream("pod_ips", "", "tls" if protocol == "TLS_PASSTHROUGH" else "tcp"), _group(obj, name),
            why_not_settable="a TransportServer always sends to pod addresses",
        )


READERS = (
    RouteReader(read_ingress_routes, (VIRTUAL_SERVER,)), RouteReader(read_virtual_servers, OWN_ROUTES, OWN_ROUTES),
    object_reader(TRANSPORT_SERVER, declared_streams, serves_own),
)
