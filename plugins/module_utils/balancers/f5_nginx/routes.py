# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the routes of F5's NGINX Ingress Controller.

Source: nginx/kubernetes-ingress internal/k8s/controller.go (HasCorrectIngressClass, createVirtualServerEx),
internal/configs/virtualserver.go (generateProxySetHeaders: a Host among the headers replaces its own) and
pkg/apis/configuration/v1/types.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...core.findings import finding
from ...core.model import Address, Finding, LoadBalancer, ObjectRef, Route, Scheme, Upstream
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, dig, labels_of, name_of, namespace_of, ref_of
from ...kube.selectors import object_selector, vendor_selector
from ...kube.snapshot import Snapshot
from ..kit.gateway.routes import BackendHandling
from ..kit.ingresses import Entry, class_of, is_ignored, make_backend, pinned_strategy
from ..legacy import RouteReading

VIRTUAL_SERVER = "VirtualServer.k8s.nginx.org"
VIRTUAL_SERVER_ROUTE = "VirtualServerRoute.k8s.nginx.org"
TRANSPORT_SERVER = "TransportServer.k8s.nginx.org"
KINDS = (VIRTUAL_SERVER, VIRTUAL_SERVER_ROUTE, TRANSPORT_SERVER)
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

    backend: tuple[str, str, int]
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
    backend: tuple[str, str, int]
    host: str | None
    features: tuple[str, ...] = ()
    shared: bool = False


def is_served(snapshot: Snapshot, load_balancer: LoadBalancer, obj: Obj) -> bool:
    """Whether an instance serves an object: an Ingress must name its class, its own kinds may leave the class out."""
    if not _watches(snapshot, load_balancer, namespace_of(obj)):
        return False
    wanted = load_balancer.setting("class")
    if obj["kind"] != "Ingress":
        return dig(obj, "spec", "ingressClassName", default="") in ("", wanted)
    name, annotation = class_of(obj)
    return (annotation or name) == wanted and bool(load_balancer.classes)


def _watches(snapshot: Snapshot, load_balancer: LoadBalancer, namespace: str) -> bool:
    watched, selector = load_balancer.setting("watch_namespaces", ()), load_balancer.setting("namespace_selector", "")
    if watched:
        return namespace in watched
    if not selector:
        return True
    labels = labels_of(snapshot.get(kinds.NAMESPACE, "", namespace) or {})
    return vendor_selector(selector).matches({"kubernetes.io/metadata.name": namespace, **labels})


def ingress_treatment(ingress: Obj, entry: Entry, service: Obj) -> BackendHandling:
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
    found = {}
    for item in dig(obj, "spec", "upstreams", default=[]):
        namespace, slash, service = str(item.get("service", "")).rpartition("/")
        features = {feature for key, feature in _UPSTREAM_FEATURES.items() if item.get(key)}
        features |= {feature for key, feature in _SWITCHED_FEATURES.items() if dig(item, key, "enable")}
        found[str(item.get("name", ""))] = Pool(
            (namespace if slash else namespace_of(obj), service, int(item.get("port", 0))),
            "cluster_ip" if item.get("use-cluster-ip") else "pod_ips",
            "tls" if dig(item, "tls", "enable") else "http",
            tuple(sorted(features)),
        )
    return found


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
        yield Step(where, action, path, name, pool.backend, _host_of(action), features, shared)


def _host_of(action: Obj) -> str | None:
    for header in dig(action, "proxy", "requestHeaders", "set", default=[]):
        if str(header.get("name", "")).lower() == "host":
            return str(header.get("value", ""))
    return None


def custom_routes(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Routes of its own kinds; a VirtualServerRoute counts where a VirtualServer of the same host takes it in."""
    routes: list[Route] = []
    findings: list[Finding] = []
    for server in snapshot.all(VIRTUAL_SERVER):
        if not is_served(snapshot, load_balancer, server):
            continue
        for obj in (server, *_subroutes(snapshot, load_balancer, server)):
            if only is None or ref_of(obj) in only:
                routes += _routes_of(snapshot, load_balancer, obj, str(dig(server, "spec", "host", default="")))
    for obj in snapshot.all(TRANSPORT_SERVER):
        if (only is None or ref_of(obj) in only) and is_served(snapshot, load_balancer, obj):
            if dig(obj, "spec", "listener", "protocol") == "UDP":
                findings.append(finding("MLB205", f"{ref_of(obj)} is UDP, which the mesh does not carry", ref_of(obj)))
            else:
                routes += _streams(snapshot, load_balancer, obj)
    return RouteReading(tuple(dict.fromkeys(routes)), tuple(findings))


def _subroutes(snapshot: Snapshot, load_balancer: LoadBalancer, server: Obj) -> Iterator[Obj]:
    host = dig(server, "spec", "host")
    taken: dict[tuple[str, str], Obj] = {}
    for route in dig(server, "spec", "routes", default=[]):
        namespace, slash, name = str(route.get("route") or "").rpartition("/")
        found = snapshot.get(VIRTUAL_SERVER_ROUTE, namespace if slash else namespace_of(server), name) if name else None
        chosen = [found] if found else []
        if route.get("routeSelector"):
            selector = object_selector(route["routeSelector"])
            chosen += [item for item in snapshot.all(VIRTUAL_SERVER_ROUTE) if selector.matches(labels_of(item))]
        for item in chosen:
            if dig(item, "spec", "host") == host and is_served(snapshot, load_balancer, item):
                taken[(namespace_of(item), name_of(item))] = item
    yield from taken.values()


def _routes_of(snapshot: Snapshot, load_balancer: LoadBalancer, obj: Obj, host: str) -> Iterator[Route]:
    pools = upstreams_of(obj)
    for step in steps(obj):
        pool = pools[step.upstream]
        path, path_type = _path(step.path)
        sent = "" if step.host is None or step.host in _CLIENTS_HOST else step.host
        yield Route(
            load_balancer=load_balancer.key, object=ref_of(obj), host=host, path=path, path_type=path_type,
            backend=make_backend(snapshot, *step.backend), upstream=Upstream(pool.address, sent, pool.scheme),
            upstream_group=f"{obj['kind']}-{namespace_of(obj)}-{name_of(obj)}-{step.upstream}",
            features=tuple(sorted({*pool.features, *step.features})), canary=step.shared,
            rewrites_path=bool(dig(step.action, "proxy", "rewritePath")),
            ignored=is_ignored(obj), pinned_strategy=pinned_strategy(snapshot, obj),
        )


def _path(text: str) -> tuple[str, str]:
    """nginx's forms of a location: ``=`` exact, ``~`` and ``~*`` regular expressions, ``^~`` or nothing a prefix (of characters)."""
    if text.startswith("^~"):
        return text[2:].strip(), "ImplementationSpecific"
    if text.startswith("~"):
        return text.lstrip("~* "), "RegularExpression"
    return (text[1:].strip(), "Exact") if text.startswith("=") else (text, "ImplementationSpecific")


def _streams(snapshot: Snapshot, load_balancer: LoadBalancer, obj: Obj) -> Iterator[Route]:
    passed = dig(obj, "spec", "listener", "protocol") == "TLS_PASSTHROUGH"
    for name, pool in upstreams_of(obj).items():
        if name == dig(obj, "spec", "action", "pass"):
            yield Route(
                load_balancer=load_balancer.key, object=ref_of(obj), host=str(dig(obj, "spec", "host", default="")),
                path=f"tcp:{dig(obj, 'spec', 'listener', 'name', default='')}", path_type="Stream",
                backend=make_backend(snapshot, *pool.backend), upstream=Upstream("pod_ips", "", "tls" if passed else "tcp"),
                upstream_group=f"TransportServer-{namespace_of(obj)}-{name_of(obj)}-{name}", settable=False,
                why_not_settable="a TransportServer always sends to pod addresses",
                ignored=is_ignored(obj), pinned_strategy=pinned_strategy(snapshot, obj),
            )
