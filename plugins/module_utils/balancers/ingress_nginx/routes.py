# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading ingress-nginx's routes as the controller does: oldest Ingress first, one upstream per Service port reference.

Source: kubernetes/ingress-nginx internal/ingress/controller/controller.go (createUpstreams, getBackendServers) and
store/store.go (GetIngressClass, sortIngressSlice).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ...core.findings import finding
from ...core.model import Address, Finding, LoadBalancer, ObjectRef, Route, Scheme, Upstream
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, created_at, dig, labels_of, name_of, namespace_of
from ...kube.selectors import vendor_selector
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
from ..kit.streams import fixed_route, tcp_services
from ..legacy import RouteReading

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_REWRITES = ("rewrite-target", "app-root", "use-regex")
_TLS_PROTOCOLS = frozenset({"HTTPS", "GRPCS"})


def to_bool(text: str | None, *, default: bool) -> bool:
    """An annotation or a ConfigMap's key: absent is the default, and what Go cannot parse is false (the empty string too)."""
    return default if text is None else text in _TRUE


def switched_on(text: str | None) -> bool:
    """A switch of the command line: one without a value is on."""
    return text == "" or to_bool(text, default=False)


Place = tuple[str, str, str]


@dataclass
class Locations:
    """What is shared by host and path: ``main`` is the first Ingress that is no canary, and its entry."""

    main: dict[Place, tuple[Obj, Entry]] = field(default_factory=dict)
    canaries: set[Place] = field(default_factory=set)
    passed_through: set[str] = field(default_factory=set)


class IngressRoutes:
    """All routes of one controller instance, read in one pass."""

    def __init__(self, snapshot: Snapshot, load_balancer: LoadBalancer, config: dict[str, str]) -> None:
        self.snapshot = snapshot
        self.load_balancer = load_balancer
        self.config = config
        self.prefix = str(load_balancer.setting("prefix", "nginx.ingress.kubernetes.io"))

    def annotation(self, ingress: Obj, key: str) -> str | None:
        return annotations_of(ingress).get(f"{self.prefix}/{key}")

    def served(self, ingress: Obj) -> bool:
        """Whether this instance serves an Ingress: by class name, else by annotation, else without a class."""
        if not self._watches(namespace_of(ingress)):
            return False
        if self.load_balancer.setting("no_catch_all") and dig(ingress, "spec", "defaultBackend"):
            return False
        name = class_of(ingress)[0]
        if name:
            return name in self.load_balancer.classes
        if CLASS_ANNOTATION in annotations_of(ingress):
            return bool(annotations_of(ingress)[CLASS_ANNOTATION] == self.load_balancer.setting("annotation_class"))
        return bool(self.load_balancer.setting("without_class"))

    def _watches(self, namespace: str) -> bool:
        watched, selector = self.load_balancer.setting("watch_namespace"), self.load_balancer.setting("namespace_selector")
        if watched:
            return bool(namespace == watched)
        if not selector:
            return True
        labels = labels_of(self.snapshot.get(kinds.NAMESPACE, "", namespace) or {})
        return vendor_selector(selector).matches({"kubernetes.io/metadata.name": namespace, **labels})

    def ingresses(self, only: frozenset[ObjectRef] | None) -> list[Obj]:
        """Ingresses in the controller's own order: oldest first, and of one second the name that sorts last."""
        if only is None:
            found = [item for item in self.snapshot.all(kinds.INGRESS) if self.served(item)]
        else:
            named = (self.snapshot.get(kinds.INGRESS, ref.namespace, ref.name) for ref in sorted(only) if ref.kind == "Ingress")
            found = [item for item in named if item is not None and self.served(item)]
        found.sort(key=lambda item: f"{namespace_of(item)}/{name_of(item)}", reverse=True)
        return sorted(found, key=created_at)

    def read(self, only: frozenset[ObjectRef] | None) -> RouteReading:
        ordered = self.ingresses(only)
        deciders = self._deciders(ordered)
        shared = self._locations(ordered)
        routes: list[Route] = []
        findings: list[Finding] = []
        for item in ordered:
            findings += self._remarks(item, deciders)
            for entry in served_entries(item):
                routes.append(self._route(item, entry, deciders[_group(item, entry)], shared))
        return RouteReading(tuple(routes), tuple(findings))

    def _locations(self, ordered: list[Obj]) -> Locations:
        """What Ingresses share by host and path: a canary has no location of its own, so the main one's settings hold."""
        found = Locations()
        for item in ordered:
            for entry in served_entries(item):
                if self._is_canary(item):
                    found.canaries.add(_place(entry))
                    continue
                found.main.setdefault(_place(entry), (item, entry))
                if to_bool(self.annotation(item, "ssl-passthrough"), default=False):
                    found.passed_through.add(entry.host)
        return found

    def _deciders(self, ordered: list[Obj]) -> dict[str, Obj]:
        """Which Ingress decides about each shared upstream: the first one, but a default backend starts it anew."""
        deciders: dict[str, Obj] = {}
        for item in ordered:
            for entry in entries(item):
                if entry.default or _group(item, entry) not in deciders:
                    deciders[_group(item, entry)] = item
        return deciders

    def service_upstream(self, ingress: Obj) -> bool:
        """The annotation, else the ConfigMap's global key."""
        default = to_bool(self.config.get("service-upstream"), default=False)
        return to_bool(self.annotation(ingress, "service-upstream"), default=default)

    def _route(self, ingress: Obj, entry: Entry, decider: Obj, shared: Locations) -> Route:
        canary = self._is_canary(ingress)
        features = list(self._features(decider, ingress))
        if canary or _place(entry) in shared.canaries:
            features.append("canary")
        return Route(
            load_balancer=self.load_balancer.key,
            object=ingress_ref(ingress),
            host=entry.host,
            path=entry.path,
            path_type=entry.path_type,
            backend=make_backend(self.snapshot, namespace_of(ingress), entry.service, entry.reference),
            upstream=self._upstream(ingress, entry, decider, shared),
            upstream_group=_group(ingress, entry),
            features=tuple(sorted(set(features))),
            canary=canary,
            rewrites_path=any(self.annotation(ingress, key) for key in _REWRITES),
            ignored=is_ignored(ingress),
            pinned_strategy=pinned_strategy(self.snapshot, ingress),
        )

    def _upstream(self, ingress: Obj, entry: Entry, decider: Obj, shared: Locations) -> Upstream:
        passed = entry.host in shared.passed_through and entry.host and entry.path == "/"
        if passed and self.load_balancer.setting("ssl_passthrough"):
            return Upstream("cluster_ip", "", "tls")
        owner, location = shared.main.get(_place(entry), (ingress, entry)) if self._is_canary(ingress) else (ingress, entry)
        protocol = (self.annotation(owner, "backend-protocol") or "HTTP").upper()
        scheme: Scheme = "tls" if protocol in _TLS_PROTOCOLS else "tcp" if protocol == "FCGI" else "http"
        address: Address = "cluster_ip" if self.service_upstream(decider) else "pod_ips"
        return Upstream(address, self._host(owner, location), scheme)

    def _host(self, ingress: Obj, entry: Entry) -> str:
        """upstream-vhost with the variables filled in that the plan itself uses; others stay and count as unknown."""
        text = "" if self._is_canary(ingress) else self.annotation(ingress, "upstream-vhost") or ""
        for name, value in (("service_name", entry.service), ("namespace", namespace_of(ingress))):
            text = text.replace(f"${{{name}}}", value).replace(f"${name}", value)
        return "" if text in ("$host", "$http_host", "$best_http_host") else text

    def _is_canary(self, ingress: Obj) -> bool:
        return to_bool(self.annotation(ingress, "canary"), default=False)

    def _features(self, decider: Obj, ingress: Obj) -> list[str]:
        found = []
        if self.annotation(ingress, "affinity") == "cookie":
            found.append("affinity")
        if self.annotation(decider, "upstream-hash-by") or self.annotation(decider, "load-balance"):
            found.append("balancing")
        if self.annotation(ingress, "proxy-next-upstream"):
            found.append("retries")
        return found

    def _remarks(self, ingress: Obj, deciders: dict[str, Obj]) -> list[Finding]:
        found, ref = [], ingress_ref(ingress)
        own = self.annotation(ingress, "service-upstream")
        for group in sorted({_group(ingress, entry) for entry in entries(ingress)}):
            decider = deciders[group]
            if own is not None and self.service_upstream(ingress) != self.service_upstream(decider):
                found.append(finding(
                    "MLB210", f"service-upstream {own!r} has no effect for upstream {group}: "
                    f"older {ingress_ref(decider)} decides", ref, cause=ingress_ref(decider)))
        if self.annotation(ingress, "default-backend"):
            found.append(finding("MLB205", "the default-backend annotation sends errors to pod addresses", ref))
        if resource_backends(ingress):
            found.append(finding("MLB208", f"{resource_backends(ingress)} backend(s) are resources, not Services", ref))
        if (self.annotation(ingress, "backend-protocol") or "").upper() in _TLS_PROTOCOLS:
            found.append(finding("MLB209", "backend-protocol has the load balancer speak TLS itself", ref))
        return found


def _place(entry: Entry) -> Place:
    return (entry.host, entry.path, entry.path_type)


def served_entries(ingress: Obj) -> Iterator[Entry]:
    """Entries as this controller serves them: beside rules, a default backend is for the rest of their hosts, not for any host."""
    found = list(entries(ingress))
    hosts = dict.fromkeys(str(rule.get("host", "")) for rule in dig(ingress, "spec", "rules", default=[]))
    taken = {"", *(entry.host for entry in found if not entry.default and entry.path == "/")}
    for entry in found:
        if entry.default and hosts:
            yield from (replace(entry, host=host) for host in hosts if host not in taken)
        else:
            yield entry


def _group(ingress: Obj, entry: Entry) -> str:
    return f"{namespace_of(ingress)}-{entry.service}-{entry.reference}"


def stream_routes(snapshot: Snapshot, load_balancer: LoadBalancer, tcp: Obj | None) -> tuple[Route, ...]:
    """Routes that no annotation governs: TCP services of the ConfigMap, and the controller's default backend."""
    routes = list(tcp_services(snapshot, load_balancer, tcp))
    namespace, slash, service = str(load_balancer.setting("default_backend", "")).partition("/")
    found = snapshot.get(kinds.SERVICE, namespace, service) if slash else None
    ports = dig(found, "spec", "ports", default=[]) if found else []
    if ports and load_balancer.workload is not None:
        target_port = int(ports[0].get("port", 0))
        target = (namespace, service, target_port)
        routes.append(fixed_route(snapshot, load_balancer, load_balancer.workload, "default-backend", target, "http"))
    return tuple(routes)
