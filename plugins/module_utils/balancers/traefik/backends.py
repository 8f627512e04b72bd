# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a Traefik router reaches a Service, the same for every kind of route: address, Host, scheme; and what its middlewares do.

Source: traefik/traefik pkg/provider/kubernetes/{ingress,crd}/kubernetes*.go, pkg/proxy/httputil/proxy.go (passHostHeader),
pkg/middlewares/headers/header.go (a custom Host header).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ...core.findings import finding
from ...core.model import Address, Finding, Scheme, Upstream
from ...kube import kinds
from ...kube.objects import Obj, dig, name_of, namespace_of, ref_of
from ...kube.services import find_port, is_external_name, is_headless
from ...kube.snapshot import Snapshot
from ..kit.declared import DeclaredRoute, ServiceReference
from ..kit.objects import bounded
from ..kit.own_requests import OWN_HOST, OwnRequests
from ..kit.patches import is_older

POD_ADDRESS = "<pod address>"
"""The Host where the address of the chosen pod is sent: it names nothing that a mesh knows."""
MIDDLEWARE = "Middleware.traefik.io"
_GROUP, _OLD_GROUP = ".traefik.io", ".traefik.containo.us"
HEADLESS = "Traefik drops a route to a headless Service that is to be reached by its address"
_DEPTH, _MOST = 5, 1000
_CHANGES_PATH = frozenset({"stripPrefix", "stripPrefixRegex", "replacePath", "replacePathRegex", "addPrefix"})


def older(kind: str) -> str:
    """A kind of Traefik's own in the group that it had before 2.10, and that 3.0 reads no more."""
    return kind.removesuffix(_GROUP) + _OLD_GROUP


def groups_of(version: str, kind: str) -> tuple[str, ...]:
    """The kind keys under which a version reads a kind of its own."""
    if is_older(version, 2, 10):
        return (older(kind),)
    return (kind, older(kind)) if is_older(version, 3, 0) else (kind,)


@dataclass(frozen=True)
class NamedObjects:
    """Objects that routes name: by kind, namespace and name, or by kind and ``namespace-name``, as other providers refer to them."""

    get: Callable[[str, str, str], Obj | None]
    provided: Callable[[str, str], list[Obj]]

    def service(self, namespace: str, name: str) -> Obj:
        """A Service, empty where there is none."""
        return self.get(kinds.SERVICE, namespace, name) or {}

    def middlewares(self, references: Iterable[Obj], namespace: str, depth: int = 0) -> Iterator[Obj]:
        """Middlewares, each followed by those that it chains."""
        for item in references:
            name, dummy, provider = str(item.get("name")).partition("@")
            own = self.get(MIDDLEWARE, str(item.get("namespace") or namespace), name)
            for middleware in self.provided(MIDDLEWARE, name) if provider == "kubernetescrd" else [own] if own and not provider else []:
                yield middleware
                chained = dig(middleware, "spec", "chain", "middlewares", default=[])
                yield from self.middlewares(chained if depth < _DEPTH else [], namespace_of(middleware), depth + 1)

    def provided_middlewares(self, names: Iterable[str]) -> Iterator[Obj]:
        """Middlewares by ``namespace-name@kubernetescrd``; those of other providers are not in the cluster's objects."""
        for text in names:
            name, dummy, provider = text.strip().partition("@")
            for item in self.provided(MIDDLEWARE, name) if provider == "kubernetescrd" else ():
                yield from self.middlewares([item["metadata"]], namespace_of(item))


def named_objects(snapshot: Snapshot, version: str = "") -> NamedObjects:
    """The objects of a cluster, as routes name them; those of its own in the groups that a version reads."""

    def get(kind: str, namespace: str, name: str) -> Obj | None:
        keys = groups_of(version, kind) if kind.endswith(_GROUP) else (kind,)
        return next(filter(None, (snapshot.get(key, namespace, name) for key in keys)), None)

    def provided(kind: str, name: str) -> list[Obj]:
        return [item for key in groups_of(version, kind) for item in snapshot.lookup(key, _provider_name, name)]

    return NamedObjects(get, provided)


def asked_by(own: OwnRequests, obj: Obj, middlewares: Iterable[Obj], host: str, native: bool) -> Iterator[DeclaredRoute | Finding]:
    """What middlewares ask for themselves: whether a request is allowed, and pages in place of errors. ``host`` is the client's."""
    for item in bounded(middlewares, "middlewares", _MOST):
        address = str(dig(item, "spec", "forwardAuth", "address", default=""))
        yield from own.to_url(obj, f"forwardAuth of Middleware {name_of(item)}", address, home=own.load_balancer.namespace)
        entry = dig(item, "spec", "errors", "service", default={})
        if entry.get("name") and entry.get("kind", "Service") == "Service":
            port = entry.get("port", 0)
            target = ServiceReference(
                str(entry.get("namespace") or namespace_of(item)), str(entry["name"]), int(port) if str(port).isdigit() else str(port),
            )
            by_address = native if entry.get("nativeLB") is None else bool(entry["nativeLB"])
            upstream = Upstream("cluster_ip" if by_address else "pod_ips", host or OWN_HOST)
            yield own.to_service(f"errors of Middleware {name_of(item)}", target, upstream)


def _provider_name(obj: Obj) -> tuple[str]:
    """Index of objects by the name under which other providers refer to them."""
    return (f"{namespace_of(obj)}-{name_of(obj)}",)


@dataclass(frozen=True)
class Reached:
    """One Service that a router sends requests of a host and path to, with the settings that hold there.

    ``native``: to the Service's address (nativeLB). ``nodes``: to the nodes' addresses (nodePortLB). ``sent_host``: what a
    middleware makes of the Host. ``raw``: what is sent where it is not HTTP.
    """

    backend: ServiceReference
    group: str
    host: str = ""
    path: str = "/"
    path_type: str = "ImplementationSpecific"
    native: bool = False
    nodes: bool = False
    passes_host: bool = True
    scheme: str = ""
    raw: Scheme | None = None
    sent_host: str = ""
    features: tuple[str, ...] = ()
    canary: bool = False
    rewrites_path: bool = False


def declared(version: str, obj: Obj, reached: Reached, service: Obj) -> Iterator[DeclaredRoute | Finding]:
    """The route of an object to a Service, and what is to be said of it."""
    headless, backend = bool(service) and is_headless(service), reached.backend
    if reached.native and headless:
        what = f"it is to use the address of headless Service {backend.namespace}/{backend.service}, which has none"
        yield finding("MLB220", what, ref_of(obj))
        return
    scheme = reached.raw or scheme_of(find_port(service, backend.port) or {}, reached.scheme)
    if scheme == "tls" and reached.raw is None:
        yield finding("MLB209", f"it speaks TLS to {backend.service}:{backend.port} itself", ref_of(obj))
    why_not = "nodePortLB sends this route to the nodes" if reached.nodes else too_old(version, 2, 10)
    if not why_not and _OLD_GROUP[1:] in str(obj.get("apiVersion")):
        why_not = f"nothing is set on objects of the older group {_OLD_GROUP[1:]}"
    yield DeclaredRoute(
        backend, reached.host, reached.path, reached.path_type, Upstream(*address_and_host(service, reached), scheme), reached.group,
        reached.features, reached.canary, reached.rewrites_path, HEADLESS if headless else why_not,
    )


def too_old(version: str, *since: int) -> str:
    """Why a version cannot be told to use a Service's address, empty where it can."""
    return f"Traefik {version} cannot send to a Service's address; {'.'.join(map(str, since))} can" if is_older(version, *since) else ""


def address_and_host(service: Obj, reached: Reached) -> tuple[Address, str]:
    """Where it sends to, and the Host that it sends (empty for the client's)."""
    if reached.nodes or is_external_name(service):
        return "external", reached.sent_host
    if reached.passes_host:
        return ("cluster_ip" if reached.native else "pod_ips"), reached.sent_host
    # Without the client's Host it sends the address that it dials; a middleware's Host is replaced as well.
    return ("cluster_ip", address_of(service)) if reached.native else ("pod_ips", POD_ADDRESS)


def address_of(service: Obj) -> str:
    """The Service's address as a Host, which the mesh takes for the Service.

    It is the Service's name where the address is not known yet (a manifest) or has colons of its own.
    """
    address = str(dig(service, "spec", "clusterIP", default=""))
    return address if address and ":" not in address else f"{name_of(service)}.{namespace_of(service)}.svc"


def scheme_of(port: Obj, given: str) -> Scheme:
    """What is spoken to a Service port: as it is set, else TLS on port 443 and where the port's name begins with https."""
    if given:
        return "tls" if given.lower() == "https" else "http"
    return "tls" if port.get("port") == 443 or str(port.get("name") or "").startswith("https") else "http"


def host_and_path(middlewares: Iterable[Obj]) -> tuple[str, bool]:
    """The Host that middlewares set (empty: none does), and whether one of them changes the path."""
    host, changes = "", False
    for item in bounded(middlewares, "middlewares", _MOST):
        changes = changes or bool(_CHANGES_PATH & set(dig(item, "spec", default={})))
        for name, value in dig(item, "spec", "headers", "customRequestHeaders", default={}).items():
            if str(name).lower() == "host":
                host = str(value)
    return host, changes
