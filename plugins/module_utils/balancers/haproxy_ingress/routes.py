# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading HAProxy Ingress' routes as the controller does: oldest Ingress first, one backend per Service and target port.

Source: jcmoraisjr/haproxy-ingress pkg/converters/ingress/{ingress,annotations/mapper}.go at v0.14.7 and in 0.17. A key may stand in
four places: the Service, the Ingress, the ConfigMap that the IngressClass names as parameters, the global ConfigMap. Path by
path, the first place that has a key registers it; for a key of a backend the first registration counts. service-upstream alone
is asked when the backend is made, so only its first path's places and the global ConfigMap count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, ObjectRef, Route, Scheme, Upstream, replace
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, created_at, dig, name_of, namespace_of
from ...kube.services import is_headless
from ...kube.snapshot import Snapshot
from ..kit.ingresses import (
    CLASS_ANNOTATION,
    Entry,
    class_of,
    entries,
    ingress_ref,
    is_ignored,
    make_backend,
    pinned_strategy,
    resource_backends,
)
from ..kit.patches import is_older
from ..legacy import RouteReading
from .keys import HEADERS, SERVICE_UPSTREAM, SET_HEADERS, TRUE, host_in, service_port, target_of

_TLS = frozenset({"h1-ssl", "https", "h2-ssl", "grpcs", "fcgi-ssl"})
_IN_USE = {
    "blue-green-balance": "balancing", "blue-green-deploy": "balancing", "balance-algorithm": "balancing",
    "health-check-uri": "health_checks", "agent-check-port": "health_checks",
}

Keys = Mapping[str, str]


@dataclass
class Backend:
    """What the controller makes of one Service and target port."""

    service_upstream: bool
    keys: dict[str, str] = field(default_factory=dict)
    tcp: bool = False


@dataclass(frozen=True)
class Path:
    """One path that is not taken by an older one."""

    ingress: Obj
    entry: Entry
    port: Obj | None
    backend: str
    tcp_port: int = 0


class Reader:
    """All backends and routes of one instance."""

    def __init__(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> None:
        self.snapshot = snapshot
        self.load_balancer = load_balancer
        self.prefixes = str(load_balancer.setting("prefixes")).split(",")
        self.config: Keys = self.config_map(str(load_balancer.setting("configmap", "")))
        self.backends: dict[str, Backend] = {}
        self.findings: list[Finding] = []

    def config_map(self, full_name: str) -> dict[str, str]:
        namespace, slash, name = full_name.partition("/")
        return dict(dig(self.snapshot.get(kinds.CONFIG_MAP, namespace, name), "data", default={})) if slash else {}

    def noted(self, obj: Obj | None) -> dict[str, str]:
        """An object's keys without their prefix; of two prefixes the first counts."""
        found: dict[str, str] = {}
        annotations = annotations_of(obj or {})
        for prefix in self.prefixes:
            for key, value in annotations.items():
                if key.startswith(f"{prefix}/"):
                    found.setdefault(key[len(prefix) + 1 :], value)
        return found

    def served(self, ingress: Obj) -> bool:
        """Whether this instance serves an Ingress: the annotation before the class, unless told otherwise."""
        name, annotations = class_of(ingress)[0], annotations_of(ingress)
        noted = annotations.get(CLASS_ANNOTATION)
        wanted, without = self.load_balancer.setting("annotation_class"), bool(self.load_balancer.setting("without_class"))
        by_annotation = without if noted is None else noted == wanted
        if not name or self.load_balancer.setting("no_class_api"):
            return by_annotation
        by_class = name in self.load_balancer.classes
        if noted is None or (by_annotation != by_class and self.load_balancer.setting("class_first")):
            return by_class
        return by_annotation

    def ingresses(self, only: frozenset[ObjectRef] | None) -> list[Obj]:
        """Ingresses in the controller's own order: oldest first, then by name."""
        watched = self.load_balancer.setting("watch_namespace")
        if only is None:
            asked = self.snapshot.all(kinds.INGRESS)
        else:
            named = (self.snapshot.get(kinds.INGRESS, ref.namespace, ref.name) for ref in sorted(only) if ref.kind == "Ingress")
            asked = [item for item in named if item is not None]
        found = [item for item in asked if self.served(item) and (not watched or namespace_of(item) == watched)]
        return sorted(found, key=lambda item: (created_at(item), f"{namespace_of(item)}/{name_of(item)}"))

    def read(self, only: frozenset[ObjectRef] | None) -> RouteReading:
        default = self._default_backend(only)
        paths = [path for ingress in self.ingresses(only) for path in self._paths(ingress)]
        taken: dict[tuple[str, ...], Path] = {}
        for path in paths:
            place = (path.entry.host, path.entry.path, path.entry.path_type, str(path.tcp_port))
            first = taken.setdefault(place, path)
            if first is not path:
                message = f"{path.entry.host or '*'}{path.entry.path} is taken by {ingress_ref(first.ingress)}"
                self.findings.append(finding("MLB220", message, ingress_ref(path.ingress), cause=ingress_ref(first.ingress)))
                continue
            self._register(path)
        routes = [route for path in taken.values() for route in self._route(path)]
        return RouteReading((*default, *routes), tuple(dict.fromkeys(self.findings)))

    def _paths(self, ingress: Obj) -> Iterator[Path]:
        if resource_backends(ingress):
            message = f"{resource_backends(ingress)} backend(s) are resources, not Services"
            self.findings.append(finding("MLB208", message, ingress_ref(ingress)))
        noted = self.noted(ingress)
        tcp_port = int(noted["tcp-service-port"]) if noted.get("tcp-service-port", "").isdigit() else 0
        for entry in entries(ingress):
            if noted.get("redirect-to") and not entry.default:
                continue
            service = self.snapshot.get(kinds.SERVICE, namespace_of(ingress), entry.service)
            port = service_port(service or {}, entry.reference)
            target = target_of(port) if port else entry.reference
            yield Path(ingress, entry, port, f"{namespace_of(ingress)}-{entry.service}-{target}", tcp_port)

    def _register(self, path: Path) -> None:
        """Enter the keys of a path's places into its backend, in the order in which they count."""
        ingress, home = path.ingress, namespace_of(path.ingress)
        places = [self.noted(self.snapshot.get(kinds.SERVICE, home, path.entry.service)), self.noted(ingress)]
        if not path.entry.default:
            places.append(self._parameters(class_of(ingress)[0]))
        found: dict[str, str] = {}
        for keys in places:
            found = {**keys, **found}
        backend = self.backends.get(path.backend)
        if backend is None:
            backend = self.backends[path.backend] = Backend(self._upstream(found))
        elif self._upstream(found) != backend.service_upstream and SERVICE_UPSTREAM in self.noted(ingress):
            message = f"service-upstream has no effect for backend {path.backend}: an older Ingress decides"
            self.findings.append(finding("MLB210", message, ingress_ref(ingress)))
        backend.keys = {**found, **backend.keys}
        backend.tcp = backend.tcp or bool(path.tcp_port) or self._passes_tls(path)

    def _upstream(self, keys: Keys) -> bool:
        return keys.get(SERVICE_UPSTREAM, self.config.get(SERVICE_UPSTREAM, "")) in TRUE

    def _parameters(self, class_name: str) -> dict[str, str]:
        """Keys of the ConfigMap that an IngressClass names; it is in the controller's own namespace."""
        found = dig(self.snapshot.get(kinds.INGRESS_CLASS, "", class_name), "spec", "parameters", default={})
        if found.get("apiGroup") or str(found.get("kind", "")).lower() != "configmap":
            return {}
        return self.config_map(f"{self.load_balancer.namespace}/{found.get('name')}")

    def _passes_tls(self, path: Path) -> bool:
        return self.noted(path.ingress).get("ssl-passthrough") in TRUE and path.entry.path == "/" and not path.entry.default

    def effective(self, backend: str, key: str) -> str:
        """The value that counts for a backend, empty where the key stands nowhere."""
        made = self.backends.get(backend)
        return made.keys[key] if made and key in made.keys else self.config.get(key, "")

    def headers(self, backend: str) -> tuple[str, str]:
        """The key that sets request headers for a backend, and its value."""
        own = "" if is_older(self.load_balancer.version, 0, 17) else self.effective(backend, SET_HEADERS)
        return (SET_HEADERS, own) if own else (HEADERS, self.effective(backend, HEADERS))

    def headers_of(self, route: Route) -> tuple[str, str]:
        """The same for the backend of a route that was read."""
        service = self.snapshot.get(kinds.SERVICE, route.backend.namespace, route.backend.service) or {}
        port = service_port(service, route.backend.port) or {}
        return self.headers(f"{route.backend.namespace}-{route.backend.service}-{target_of(port)}")

    def _route(self, path: Path) -> Iterator[Route]:
        ingress, entry, namespace = path.ingress, path.entry, namespace_of(path.ingress)
        service = self.snapshot.get(kinds.SERVICE, namespace, entry.service) or {}
        made = self.backends[path.backend]
        headless = bool(service) and is_headless(service)
        if headless and made.service_upstream:
            message = f"service-upstream makes HAProxy look for a server called None: headless Service {entry.service} has no address"
            self.findings.append(finding("MLB220", message, ingress_ref(ingress)))
            return
        ref, scheme = ingress_ref(ingress), self._scheme(path)
        if scheme == "tls":
            self.findings.append(finding("MLB209", f"TLS is spoken to {entry.service} past the sidecar", ref))
        path_type, is_regexp = self._path_type(path)
        yield Route(
            load_balancer=self.load_balancer.key, object=ref, host=entry.host,
            path=f"tcp:{path.tcp_port}" if path.tcp_port else entry.path,
            path_type="Stream" if path.tcp_port else path_type,
            backend=make_backend(self.snapshot, namespace, entry.service, int(path.port["port"]) if path.port else entry.reference),
            upstream=Upstream(
                "cluster_ip" if made.service_upstream else "pod_ips",
                host_in(self.headers(path.backend)[1], namespace, entry.service), scheme,
            ),
            # The switches are annotations of the Service, which hold for all of its ports.
            upstream_group=f"{namespace}-{entry.service}",
            features=self._features(path.backend),
            rewrites_path=is_regexp or any(self.noted(ingress).get(key) for key in ("rewrite-target", "app-root")),
            settable=not headless,
            why_not_settable="a headless Service has no address to send to, and would break HAProxy's configuration" if headless else "",
            ignored=is_ignored(ingress), pinned_strategy=pinned_strategy(self.snapshot, ingress),
        )

    def _scheme(self, path: Path) -> Scheme:
        protocol = self.effective(path.backend, "backend-protocol").lower()
        if self._passes_tls(path) or protocol in _TLS or self.effective(path.backend, "secure-backends") in TRUE:
            return "tls"
        # Behind PROXY protocol or FastCGI a sidecar sees no HTTP.
        raw = self.backends[path.backend].tcp or protocol == "fcgi" or bool(self.effective(path.backend, "proxy-protocol"))
        return "tcp" if raw else "http"

    def _path_type(self, path: Path) -> tuple[str, bool]:
        written = path.entry.path_type
        noted = self.noted(path.ingress).get("path-type", "").lower() if written == "ImplementationSpecific" else ""
        return {"exact": "Exact", "prefix": "Prefix"}.get(noted, written), noted == "regex"

    def _features(self, backend: str) -> tuple[str, ...]:
        found = {word for key, word in _IN_USE.items() if self.effective(backend, key)}
        return tuple(sorted(found | ({"affinity"} if self.effective(backend, "affinity") == "cookie" else set())))

    def _default_backend(self, only: frozenset[ObjectRef] | None) -> tuple[Route, ...]:
        """The route of --default-backend-service: its keys come from the Service and the global ConfigMap alone."""
        namespace, slash, name = str(self.load_balancer.setting("default_backend", "")).partition("/")
        workload = self.load_balancer.workload
        service = self.snapshot.get(kinds.SERVICE, namespace, name) if slash else None
        ports = dig(service, "spec", "ports", default=[])
        if service is None or workload is None or not ports or (only is not None and workload not in only):
            return ()
        ingress = {"apiVersion": workload.api_version, "kind": workload.kind, "metadata": {"namespace": namespace}}
        entry = Entry("", "/", "Prefix", name, int(ports[0]["port"]), default=True)
        path = Path(ingress, entry, ports[0], f"{namespace}-{name}-{target_of(ports[0])}")
        self._register(path)
        found = (replace(route, object=workload, path="default-backend", path_type="Stream") for route in self._route(path))
        return tuple(found)


def by_service(ingress: Obj) -> Iterator[tuple[str, str]]:
    """Index of Ingresses by namespace and the Services that they name."""
    yield from {(namespace_of(ingress), entry.service) for entry in entries(ingress)}


def sharing(snapshot: Snapshot, route: Route) -> set[ObjectRef]:
    """The objects whose keys a route's backend may have: every Ingress of its Service, and its own."""
    key = (route.backend.namespace, route.backend.service)
    return {route.object, *(ingress_ref(item) for item in snapshot.lookup(kinds.INGRESS, by_service, key))}
