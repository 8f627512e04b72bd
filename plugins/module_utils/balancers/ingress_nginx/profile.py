# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ingress-nginx (kubernetes/ingress-nginx): how to recognise it, and what it was started with.

Facts are from the controller's source (pkg/flags, internal/ingress/controller); ``ingress_nginx_routes.py`` reads its routes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...core.findings import finding, value_conflict
from ...core.model import Finding, LoadBalancer, ObjectRef, Route
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, argument, dig, name_of, namespace_of, ref_of
from ...kube.snapshot import Snapshot
from ..contract.chain import ChainRequest, LoadBalancerSide, ServerName
from ..contract.facts import Proof
from ..legacy import Facts, FieldPatch, PatchSet, Profile, RouteReading, Signs
from . import chain as ingress_nginx_chain
from .routes import IngressRoutes, stream_routes, switched_on, to_bool

_DEFAULT_CONTROLLER = "k8s.io/ingress-nginx"
_CONFIG_MAP_FLAGS = ("configmap", "tcp-services-configmap", "udp-services-configmap")


class IngressNginx(Profile):
    """The Kubernetes project's NGINX controller, and builds of it under other names."""

    id = "ingress_nginx"
    title = "ingress-nginx"
    class_controllers = (_DEFAULT_CONTROLLER, "webapprouting.kubernetes.azure.com/nginx", "webapprouting.kubernetes.azure.com/nginx/")
    signs = Signs(
        commands=("nginx-ingress-controller",),
        # Not "configmap" instead of "election-id": HAProxy Ingress has both of those options too.
        flags=(frozenset({"controller-class", "election-id"}),),
        images=("ingress-nginx/controller", "ingress-nginx/controller-chroot", "nginx-ingress-controller"),
        labels=(
            frozenset({("app.kubernetes.io/name", "ingress-nginx"), ("app.kubernetes.io/component", "controller")}),
            frozenset({("app.kubernetes.io/name", "rke2-ingress-nginx"), ("app.kubernetes.io/component", "controller")}),
        ),
    )
    facts = Facts(
        service_routing="annotation service-upstream on the Ingress (0.9)",
        service_routing_global="ConfigMap key service-upstream (1.0.1)",
        host="annotation upstream-vhost on the Ingress (0.9)",
        loses="affinity, hashing, balancing and retries once the upstream is one address; a canary when the Host is rewritten",
        remark="also AKS app routing and RKE2's builds (RKE2 puts it into kube-system, where nothing is injected); retired in March 2026",
        proof=Proof.LAB,
        versions="1.11.0",
    )
    chain = ingress_nginx_chain.FACTS
    chain_options = ingress_nginx_chain.OPTIONS
    switches_routes = True
    begins_with = True
    retired = "the project ended in March 2026: no releases and no security fixes since"

    def settings(self, snapshot: Snapshot, workload: Obj, container: Obj) -> dict[str, Any]:
        namespace = namespace_of(workload)
        options: dict[str, Any] = {
            "controller": argument(container, "controller-class") or _DEFAULT_CONTROLLER,
            "annotation_class": argument(container, "ingress-class") or "nginx",
            "without_class": switched_on(argument(container, "watch-ingress-without-class")),
            "by_name": switched_on(argument(container, "ingress-class-by-name")),
            "watch_namespace": _expand(argument(container, "watch-namespace") or "", namespace),
            "namespace_selector": argument(container, "watch-namespace-selector") or "",
            "no_catch_all": switched_on(argument(container, "disable-catch-all")),
            "ssl_passthrough": switched_on(argument(container, "enable-ssl-passthrough")),
            "default_backend": _expand(argument(container, "default-backend-service") or "", namespace),
            "no_external_names": switched_on(argument(container, "disable-svc-external-name")),
            "prefix": argument(container, "annotations-prefix") or "nginx.ingress.kubernetes.io",
        }
        for flag in _CONFIG_MAP_FLAGS:
            options[flag] = _expand(argument(container, flag) or "", namespace)
        return options

    def config_map_namespaces(self, workload: Obj, container: Obj) -> Iterable[str]:
        home = namespace_of(workload)
        names = (_expand(argument(container, flag) or "", home) for flag in _CONFIG_MAP_FLAGS)
        return {name.partition("/")[0] for name in names if "/" in name}

    def classes(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[str, ...]:
        wanted = load_balancer.setting("controller")
        found = {
            name_of(item)
            for item in snapshot.all(kinds.INGRESS_CLASS)
            if dig(item, "spec", "controller") == wanted
            or (load_balancer.setting("by_name") and name_of(item) == load_balancer.setting("annotation_class"))
        }
        return tuple(sorted(found))

    def notices(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[Finding, ...]:
        ended = f"{load_balancer.label} is {self.title} {load_balancer.version}: {self.retired}"
        found = [finding("MLB103", ended, load_balancer.workload)]
        udp = _config_map(snapshot, load_balancer, "udp-services-configmap")
        for port, target in sorted(dig(udp, "data", default={}).items() if udp else ()):
            found.append(finding("MLB205", f"UDP port {port} goes to {target} outside the mesh", ref_of(udp or {})))
        return tuple(found)

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        settings = _config_map(snapshot, load_balancer, "configmap")
        reader = IngressRoutes(snapshot, load_balancer, dig(settings, "data", default={}) if settings else {})
        reading = reader.read(only)
        tcp = _config_map(snapshot, load_balancer, "tcp-services-configmap")
        streams = stream_routes(snapshot, load_balancer, tcp)
        if only is not None:
            streams = tuple(route for route in streams if route.object in only)
        return RouteReading((*reading.routes, *streams), reading.findings)

    def set_service_routing(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        return self._annotate(snapshot, load_balancer, routes, "service-upstream", lambda dummy: "true")

    def set_host(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        # upstream-vhost belongs to a location, and a canary Ingress has none of its own.
        main = [route for route in routes if not route.canary]
        services: dict[ObjectRef, set[str]] = {}
        for route in main:
            services.setdefault(route.object, set()).add(route.backend.service)

        def value(route: Route) -> str:
            # nginx fills these variables in per location, so one annotation serves several Services of one namespace.
            several = len(services[route.object]) > 1
            name = "$service_name.$namespace" if several else f"{route.backend.service}.{route.backend.namespace}"
            return f"{name}.svc.cluster.local"

        return self._annotate(snapshot, load_balancer, main, "upstream-vhost", value)

    def chain_front(self, request: ChainRequest) -> LoadBalancerSide:
        return ingress_nginx_chain.front(request, "nginx.ingress.kubernetes.io")

    def chain_switch(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route], request: ChainRequest
    ) -> PatchSet:
        return ingress_nginx_chain.switch(snapshot, load_balancer, routes, request)

    def server_name(self, request: ChainRequest) -> ServerName:
        return "settable" if request.option(ingress_nginx_chain.SECRET) and request.gateway.server_name else "never"

    def _annotate(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route], key: str, value: Any) -> PatchSet:
        annotation = f"{load_balancer.setting('prefix')}/{key}"
        patches: dict[ObjectRef, FieldPatch] = {}
        conflicts: list[Finding] = []
        for route in routes:
            if route.object.kind != "Ingress" or route.object in patches:
                continue
            ingress = snapshot.get(kinds.INGRESS, route.object.namespace, route.object.name) or {}
            wanted, present = value(route), annotations_of(ingress).get(annotation)
            if present is not None and not _same(present, wanted):
                conflicts.append(value_conflict(route.object, annotation, present, wanted))
            elif present is None:
                patches[route.object] = FieldPatch(ingress, ("metadata", "annotations", annotation), wanted)
        if conflicts:
            return PatchSet(refusal=f"{conflicts[0].object}: {conflicts[0].message}", findings=tuple(conflicts))
        return PatchSet(tuple(patches.values()))


def _same(present: str, wanted: str) -> bool:
    return present == wanted or (wanted == "true" and to_bool(present, default=False))


def _config_map(snapshot: Snapshot, load_balancer: LoadBalancer, flag: str) -> Obj | None:
    namespace, slash, name = str(load_balancer.setting(flag, "")).partition("/")
    return snapshot.get(kinds.CONFIG_MAP, namespace, name) if slash else None


def _expand(text: str, namespace: str) -> str:
    return text.replace("$(POD_NAMESPACE)", namespace)
