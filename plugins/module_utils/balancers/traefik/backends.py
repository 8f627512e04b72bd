# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a Traefik router reaches a Service, the same for every kind of route: address, Host, scheme; and what its middlewares do.

Source: traefik/traefik pkg/provider/kubernetes/{ingress,crd}/kubernetes*.go, pkg/proxy/httputil/proxy.go (passHostHeader),
pkg/middlewares/headers/header.go (a custom Host header).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...core.findings import finding
from ...core.model import Address, Finding, LoadBalancer, Route, Scheme, Upstream
from ...kube import kinds
from ...kube.objects import Obj, dig, name_of, namespace_of, ref_of
from ...kube.services import find_port, fqdn, is_external_name, is_headless
from ...kube.snapshot import Snapshot
from ..kit.ingresses import is_ignored, make_backend, pinned_strategy
from ..kit.patches import is_older

POD_ADDRESS = "<pod address>"
"""Stands for the Host where the address of the chosen pod is sent: it names nothing that a mesh knows."""
MIDDLEWARE = "Middleware.traefik.io"
_CHANGES_PATH = frozenset({"stripPrefix", "stripPrefixRegex", "replacePath", "replacePathRegex", "addPrefix"})


@dataclass(frozen=True)
class Reached:
    """One Service that a router sends to, with the settings that hold there.

    ``native``: to the Service's address (nativeLB). ``nodes``: to the nodes' addresses (nodePortLB). ``host``: what a
    middleware makes of the Host. ``raw``: what is sent where it is not HTTP.
    """

    namespace: str
    service: str
    reference: int | str
    group: str
    native: bool = False
    nodes: bool = False
    passes_host: bool = True
    scheme: str = ""
    raw: Scheme | None = None
    host: str = ""
    features: tuple[str, ...] = ()
    canary: bool = False
    rewrites_path: bool = False


@dataclass(frozen=True)
class Taken:
    """What a router takes, and the object that says so."""

    object: Obj
    host: str
    path: str
    path_type: str


class Routers:
    """Gathers the routes of one instance."""

    def __init__(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> None:
        self.snapshot = snapshot
        self.load_balancer = load_balancer
        self.routes: dict[Route, None] = {}
        self.findings: dict[Finding, None] = {}

    def dropped(self, obj: Obj, why: str) -> None:
        self.findings[finding("MLB220", why, ref_of(obj))] = None

    def remark(self, code: str, obj: Obj, message: str) -> None:
        self.findings[finding(code, message, ref_of(obj))] = None

    def add(self, taken: Taken, reached: Reached) -> None:
        service = self.snapshot.get(kinds.SERVICE, reached.namespace, reached.service) or {}
        headless = bool(service) and is_headless(service)
        if reached.native and headless:
            where = f"headless Service {reached.namespace}/{reached.service}"
            self.dropped(taken.object, f"it is to use the address of {where}, which has none")
            return
        scheme = reached.raw or scheme_of(find_port(service, reached.reference) or {}, reached.scheme)
        if scheme == "tls" and reached.raw is None:
            self.remark("MLB209", taken.object, f"it speaks TLS to {reached.service}:{reached.reference} itself")
        why_not = self._why_not_settable(headless, reached)
        self.routes[Route(
            load_balancer=self.load_balancer.key,
            object=ref_of(taken.object),
            host=taken.host,
            path=taken.path,
            path_type=taken.path_type,
            backend=make_backend(self.snapshot, reached.namespace, reached.service, reached.reference),
            upstream=Upstream(*address_and_host(service, reached), scheme),
            upstream_group=reached.group,
            features=tuple(sorted(set(reached.features))),
            canary=reached.canary,
            rewrites_path=reached.rewrites_path,
            settable=not why_not,
            why_not_settable=why_not,
            ignored=is_ignored(taken.object),
            pinned_strategy=pinned_strategy(self.snapshot, taken.object),
        )] = None

    def _why_not_settable(self, headless: bool, reached: Reached) -> str:
        if headless:
            return "Traefik drops a route to a headless Service that is to be reached by its address"
        if reached.nodes:
            return "nodePortLB sends this route to the nodes"
        return too_old(self.load_balancer, 2, 10)


def too_old(load_balancer: LoadBalancer, *since: int) -> str:
    """Why an instance cannot be told to use a Service's address, empty where it can."""
    if not is_older(load_balancer.version, *since):
        return ""
    return f"Traefik {load_balancer.version} cannot send to a Service's address; {'.'.join(map(str, since))} can"


def address_and_host(service: Obj, reached: Reached) -> tuple[Address, str]:
    """Where it sends to, and the Host that it sends (empty for the client's)."""
    if reached.nodes or is_external_name(service):
        return "external", reached.host
    if reached.passes_host:
        return ("cluster_ip" if reached.native else "pod_ips"), reached.host
    # Without the client's Host it sends the address that it dials; a middleware's Host is replaced as well.
    return ("cluster_ip", own_host(service)) if reached.native else ("pod_ips", POD_ADDRESS)


def own_host(service: Obj) -> str:
    """The Service's address as a Host, which the mesh takes for the Service.

    The Service's name stands in where the address is not known yet (a manifest) or has colons of its own.
    """
    address = str(dig(service, "spec", "clusterIP", default=""))
    return address if address and ":" not in address else fqdn(service)


def scheme_of(port: Obj, given: str) -> Scheme:
    """What is spoken to a Service port: as it is set, else TLS on port 443 and where the port's name begins with https."""
    if given:
        return "tls" if given.lower() == "https" else "http"
    return "tls" if port.get("port") == 443 or str(port.get("name") or "").startswith("https") else "http"


def by_provider_name(middleware: Obj) -> tuple[str]:
    """Index of middlewares by the name under which other providers refer to them."""
    return (f"{namespace_of(middleware)}-{name_of(middleware)}",)


def named_middlewares(snapshot: Snapshot, names: Iterable[str]) -> Iterator[Obj]:
    """Middlewares by ``namespace-name@kubernetescrd``; those of other providers are not in the cluster's objects."""
    for text in names:
        name, dummy, provider = text.strip().partition("@")
        if provider == "kubernetescrd":
            yield from with_chained(snapshot, snapshot.lookup(MIDDLEWARE, by_provider_name, name))


def with_chained(snapshot: Snapshot, found: Iterable[Obj], depth: int = 0) -> Iterator[Obj]:
    """Middlewares, and those that they chain."""
    for item in found:
        yield item
        chained = (
            snapshot.get(MIDDLEWARE, str(link.get("namespace") or namespace_of(item)), str(link.get("name")))
            for link in dig(item, "spec", "chain", "middlewares", default=[])
        )
        if depth < 5:
            yield from with_chained(snapshot, (link for link in chained if link), depth + 1)


def host_and_path(middlewares: Iterable[Obj]) -> tuple[str, bool]:
    """The Host that middlewares set (empty: none does), and whether one of them changes the path."""
    host, changes = "", False
    for item in middlewares:
        changes = changes or bool(_CHANGES_PATH & set(dig(item, "spec", default={})))
        for name, value in dig(item, "spec", "headers", "customRequestHeaders", default={}).items():
            if str(name).lower() == "host":
                host = str(value)
    return host, changes
