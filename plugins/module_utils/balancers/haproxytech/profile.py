# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy Kubernetes Ingress Controller of HAProxy Technologies (haproxytech/kubernetes-ingress); not HAProxy Ingress.

It has no setting for Service routing at all (documentation/annotations.md at v3.2.9; requests 237 and 356), so its routes are
served by what the mesh is told: host_entry and headless_twin.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, ObjectRef, Route, Scheme
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, argument, dig, name_of, namespace_of, ref_of
from ...kube.snapshot import Snapshot
from ..contract.chain import Capability, ChainFacts, ChainOption, ChainRequest
from ..contract.routes import joined_readings
from ..kit.gateway.routes import KINDS, AttachPoint, BackendHandling, read_gateway_routes
from ..kit.ingresses import Entry, class_of, ingress_ref
from ..kit.plain import read_ingresses
from ..kit.streams import fixed_route, tcp_services
from ..legacy import Facts, ReferenceChain, RouteReading, Signs

CONTROLLER = "haproxy.org/ingress-controller"
_TCP_KINDS = ("TCP.ingress.v1.haproxy.org", "TCP.ingress.v3.haproxy.org")
_PREFIXES = ("haproxy.org", "ingress.kubernetes.io", "haproxy.com")
_CONFIG_MAP_FLAGS = ("configmap", "configmap-tcp-services")
_DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True", "enabled", "on"})
_WHY_NOT = "HAProxy Technologies' controller always sends to pod addresses"


class HaproxyTech(ReferenceChain):
    """The company's controller; its IngressClass is called ``haproxy``, like the other one's."""

    id = "haproxytech"
    title = "HAProxy Kubernetes Ingress Controller (HAProxy Technologies)"
    class_controllers = (CONTROLLER, f"{CONTROLLER}/")
    kinds = (*KINDS, *_TCP_KINDS)
    signs = Signs(
        flags=tuple(
            frozenset({flag}) for flag in (
                "ingress.class", "configmap-tcp-services", "empty-ingress-class", "namespace-whitelist", "disable-service-external-name",
            )
        ),
        images=("haproxytech/kubernetes-ingress", "kubernetes-ingress", "hapee-ingress"),
        labels=(
            frozenset({("app.kubernetes.io/name", "kubernetes-ingress")}), frozenset({("run", "haproxy-ingress")}),
        ),
    )
    facts = Facts(
        routes=("Ingress", "TCP services", "TCP", "TCPRoute"),
        host="annotation set-host on the Ingress (read, but of no use without Service routing)",
        remark="no Service routing; a Service of type ExternalName is the vendor's only detour",
        versions="3.2.9",
    )
    chain = ChainFacts(
        hops=1, forwarded_for="appended", server_name="never", ends_tls="always",
        tls_to_gateway="annotation haproxy.org/server-ssl on the Service that stands for the gateway",
        objects=("Ingress", "its path's backend, redirected to a Service that stands for the gateway"),
        standalone_mtls=Capability(True, "yes, with a sidecar"), cannot=("send a server name to the gateway",),
    )
    chain_options = (
        ChainOption("class_name", "Name of the IngressClass for new Ingresses, where it is not the one that was found."),
        ChainOption("tls_secret", "Secret with the certificate for clients, in the gateway's namespace, for new Ingresses."),
    )

    def settings(self, snapshot: Snapshot, workload: Obj, container: Obj) -> dict[str, Any]:
        suffix = (argument(container, "ingress.class") or "").strip("/")
        return {
            "suffix": suffix,
            "controller": f"{CONTROLLER}/{suffix}" if suffix else CONTROLLER,
            "empty_class": argument(container, "empty-ingress-class") in ("", "true"),
            "gateway": argument(container, "gateway-controller-name") or "",
            "namespaces": argument(container, "namespace-whitelist") or "",
            "default_backend": _expand(argument(container, "default-backend-service") or "", namespace_of(workload)),
            **{flag: _expand(argument(container, flag) or "", namespace_of(workload)) for flag in _CONFIG_MAP_FLAGS},
        }

    def config_map_namespaces(self, workload: Obj, container: Obj) -> Iterable[str]:
        names = (_expand(argument(container, flag) or "", namespace_of(workload)) for flag in _CONFIG_MAP_FLAGS)
        return {name.partition("/")[0] for name in names if "/" in name}

    def classes(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[str, ...]:
        wanted = load_balancer.setting("controller")
        return tuple(sorted(name_of(item) for item in snapshot.all(kinds.INGRESS_CLASS) if dig(item, "spec", "controller") == wanted))

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        reader = _Reader(snapshot, load_balancer)
        own = read_ingresses(snapshot, load_balancer, reader.decide, only, reader.served)
        streams = [route for route in reader.streams() if only is None or route.object in only]
        controller = str(load_balancer.setting("gateway"))
        attached = read_gateway_routes(snapshot, load_balancer, {controller}, _to_pods, only) if controller else RouteReading()
        tcp = RouteReading(tuple(route for route in attached.routes if route.object.kind == "TCPRoute"), attached.findings)
        return joined_readings(own, RouteReading(tuple(streams), tuple(dict.fromkeys(reader.findings))), tcp)

    def alias_annotations(self, request: ChainRequest) -> dict[str, str]:
        return {"haproxy.org/server-ssl": "true"} if request.gateway.tls else {}


class _Reader:
    def __init__(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> None:
        self.snapshot = snapshot
        self.load_balancer = load_balancer
        self.findings: list[Finding] = []
        self.config = dict(dig(self._config_map("configmap"), "data", default={}))
        self.default_class = next(
            (str(dig(item, "spec", "controller", default="")) for item in snapshot.all(kinds.INGRESS_CLASS)
             if annotations_of(item).get(_DEFAULT_CLASS) == "true"), "",
        )

    def _config_map(self, flag: str) -> Obj | None:
        namespace, slash, name = str(self.load_balancer.setting(flag, "")).partition("/")
        return self.snapshot.get(kinds.CONFIG_MAP, namespace, name) if slash else None

    def served(self, ingress: Obj) -> bool:
        """The rules of documentation/ingressclass.md: by class, else by the default class, else by what it was told."""
        watched = [item for item in str(self.load_balancer.setting("namespaces")).split(",") if item]
        if watched and namespace_of(ingress) not in watched:
            return False
        name, annotation = class_of(ingress)
        if name:
            return name in self.load_balancer.classes
        suffix = self.load_balancer.setting("suffix")
        if annotation:
            # Releases that still looked at the annotation compared it with the class that they were told.
            return bool(annotation == suffix) or annotation in self.load_balancer.classes
        if self.default_class == self.load_balancer.setting("controller"):
            return True
        return bool(self.load_balancer.setting("empty_class")) if suffix else not self.default_class

    def value(self, key: str, *objects: Obj) -> str:
        """A key of the strongest object that has it, else of the ConfigMap."""
        for obj in objects:
            annotations = annotations_of(obj)
            for prefix in _PREFIXES:
                if f"{prefix}/{key}" in annotations:
                    return annotations[f"{prefix}/{key}"]
        return str(self.config.get(key, ""))

    def decide(self, ingress: Obj, entry: Entry, service: Obj) -> BackendHandling:
        service = self.snapshot.get(kinds.SERVICE, namespace_of(ingress), entry.service) or {}
        scheme = self._scheme(service, ingress)
        if scheme == "tls":
            self.findings.append(finding("MLB209", f"TLS is spoken to {entry.service} past the sidecar", ingress_ref(ingress)))
        balanced = self.value("load-balance", service, ingress)
        affinity = self.value("cookie-persistence", service)
        return BackendHandling(
            # HAProxy fills in what stands in %[...] when the request is there.
            host=self.value("set-host", ingress).replace("%[", "$["),
            group=f"{namespace_of(ingress)}-{entry.service}-{entry.reference}",
            features=(*(("affinity",) if affinity else ()), *(("balancing",) if balanced else ())),
            scheme=scheme, settable=False, why_not_settable=_WHY_NOT,
        )

    def _scheme(self, service: Obj, ingress: Obj) -> Scheme:
        if any(self.value(key, service, ingress) in _TRUE for key in ("server-ssl", "ssl-passthrough")):
            return "tls"
        return "tcp" if self.value("send-proxy-protocol", service, ingress) else "http"

    def streams(self) -> Iterator[Route]:
        """TCP services of the ConfigMap and of TCP objects, and the default backend."""
        yield from tcp_services(self.snapshot, self.load_balancer, self._config_map("configmap-tcp-services"))
        for kind in _TCP_KINDS:
            for obj in self.snapshot.all(kind):
                if self._serves_tcp(obj):
                    yield from self._tcp(obj)
        namespace, slash, name = str(self.load_balancer.setting("default_backend", "")).partition("/")
        service = self.snapshot.get(kinds.SERVICE, namespace, name) if slash else None
        ports = dig(service, "spec", "ports", default=[])
        if ports and self.load_balancer.workload:
            target = (namespace, name, int(ports[0].get("port", 0)))
            yield fixed_route(self.snapshot, self.load_balancer, self.load_balancer.workload, "default-backend", target, "http")

    def _serves_tcp(self, obj: Obj) -> bool:
        found, suffix = annotations_of(obj).get("ingress.class", ""), self.load_balancer.setting("suffix")
        return found in self.load_balancer.classes or (not found and (not suffix or bool(self.load_balancer.setting("empty_class"))))

    def _tcp(self, obj: Obj) -> Iterator[Route]:
        for item in dig(obj, "spec", default=[]):
            for service in [*([item["service"]] if item.get("service") else []), *(item.get("services") or [])]:
                target = (namespace_of(obj), str(service.get("name")), int(service.get("port") or 0))
                yield fixed_route(self.snapshot, self.load_balancer, ref_of(obj), f"tcp:{item.get('name')}", target, "tcp")


def _to_pods(place: AttachPoint) -> BackendHandling:
    return BackendHandling(settable=False, why_not_settable=_WHY_NOT)


def _expand(text: str, namespace: str) -> str:
    return text.replace("$(POD_NAMESPACE)", namespace)
