# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kong with its ingress controller (Kong/kubernetes-ingress-controller).

The controller only configures; traffic leaves from the proxy, which is another container of the same pod or (gateway discovery)
another workload. Source: internal/dataplane/translator/translate_upstreams.go (service-upstream), kongstate/route.go and
upstream.go (preserve-host, host-header), internal/store/store.go (classes and their parameters).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ...core.model import LoadBalancer, ObjectRef, Route, Scheme, Upstream, replace
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, argument, containers_of, dig, image_name, name_of, namespace_of, pod_template, ref_of
from ...kube.snapshot import Snapshot
from ..contract.chain import Capability, ChainFacts, ChainOption, ChainRequest
from ..contract.facts import Proof
from ..contract.routes import joined_readings
from ..kit.chain.references import ReferenceChain
from ..kit.gateway.hosts import rewrite_hosts
from ..kit.gateway.routes import KINDS as GATEWAY_KINDS
from ..kit.gateway.routes import AttachPoint, BackendHandling, read_gateway_routes
from ..kit.ingresses import CLASS_ANNOTATION, Entry, is_ignored, make_backend, pinned_strategy
from ..kit.patches import PatchBuilder, is_older, mesh_name, object_of
from ..kit.plain import of_classes, read_ingresses
from ..legacy import Facts, PatchSet, RouteReading, Signs

CONTROLLER = "ingress-controllers.konghq.com/kong"
GATEWAY_CONTROLLER = "konghq.com/kic-gateway-controller"
TCP_INGRESS = "TCPIngress.configuration.konghq.com"
PARAMETERS = "IngressClassParameters.configuration.konghq.com"
SERVICE_UPSTREAM = "ingress.kubernetes.io/service-upstream"
PRESERVE_HOST = "konghq.com/preserve-host"
HOST_HEADER = "konghq.com/host-header"
_POLICY = "konghq.com/upstream-policy"
_TLS = frozenset({"https", "tls", "grpcs"})


class Kong(ReferenceChain):
    """Kong's proxy, configured by its ingress controller."""

    id = "kong"
    title = "Kong"
    class_controllers = (CONTROLLER,)
    kinds = (*GATEWAY_KINDS, TCP_INGRESS, PARAMETERS)
    signs = Signs(
        variables=(frozenset({"KONG_PROXY_LISTEN"}), frozenset({"KONG_NGINX_DAEMON"})),
        images=("kong", "kong-gateway", "kong-gateway-oss"),
    )
    facts = Facts(
        routes=("Ingress", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "TCPIngress"),
        service_routing="annotation ingress.kubernetes.io/service-upstream on the Service",
        service_routing_global="serviceUpstream of the class's IngressClassParameters",
        host="annotation konghq.com/preserve-host: \"false\" on the Ingress; URLRewrite hostname of an HTTPRoute (3.2)",
        loses="hashing, weights and health checks of a KongUpstreamPolicy once the upstream is one name",
        remark="the sidecar belongs to the proxy's pods, not to the controller's; the Service annotation holds for all routes to it",
        proof=Proof.SCHEMA,
        versions="KIC 3.5",
    )
    chain = ChainFacts(
        hops=1, forwarded_for="appended", server_name="never", ends_tls="always",
        tls_to_gateway="annotation konghq.com/protocol: https on the Service that stands for the gateway",
        objects=("Ingress", "its path's backend, redirected to a Service that stands for the gateway"),
        standalone_mtls=Capability(True, "yes, with a sidecar"), cannot=("be relied on to send a server name to the gateway",),
    )
    chain_options = (
        ChainOption("class_name", "Name of the IngressClass for new Ingresses, where it is not the one that was found."),
        ChainOption("tls_secret", "Secret with the certificate for clients, in the gateway's namespace, for new Ingresses."),
    )

    def settings(self, snapshot: Snapshot, workload: Obj, container: Obj) -> dict[str, Any]:
        found = _controller(snapshot, workload)
        if found is None:
            return {"class": "", "controller_version": ""}
        named = argument(found, "ingress-class") or _variable(found, "CONTROLLER_INGRESS_CLASS")
        return {"class": named or "kong", "controller_version": image_name(str(found.get("image", "")))[1].lstrip("v")}

    def classes(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[str, ...]:
        # The controller compares names; without a class object of that name its parameters are the defaults.
        wanted = str(load_balancer.setting("class"))
        return (wanted,) if wanted else ()

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        reader = _Reader(snapshot, load_balancer)
        gateway = read_gateway_routes(snapshot, load_balancer, {GATEWAY_CONTROLLER}, reader.of_place, only)
        plain = read_ingresses(snapshot, load_balancer, reader.of_entry, only, reader.served)
        rewriting = replace(plain, routes=tuple(reader.with_path(route) for route in plain.routes))
        return joined_readings(rewriting, gateway, RouteReading(tuple(reader.tcp_routes(only))))

    def set_service_routing(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        patches = PatchBuilder()
        if not class_wide(snapshot, load_balancer):
            for route in routes:
                service = snapshot.get(kinds.SERVICE, route.backend.namespace, route.backend.service)
                if service is not None:
                    patches.annotate(service, SERVICE_UPSTREAM, "true")
        return patches.switch()

    def set_host(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        patches, http = PatchBuilder(), []
        for route in routes:
            if route.object.kind == "Ingress":
                patches.annotate(object_of(snapshot, route), PRESERVE_HOST, "false", lambda present, wanted: str(present).lower() == wanted)
                _check_host_header(patches, snapshot, route)
            elif route.object.kind == "HTTPRoute" and is_older(str(load_balancer.setting("controller_version")), 3, 2, 0):
                patches.refuse("URLRewrite hostname of an HTTPRoute came with 3.2 of the ingress controller")
            elif route.object.kind != "TCPIngress":
                http.append(route)
        own, standard = patches.switch(), rewrite_hosts(snapshot, http)
        refusal = own.refusal or standard.refusal
        return PatchSet(() if refusal else (*own.patches, *standard.patches), refusal, (*own.findings, *standard.findings))

    def alias_annotations(self, request: ChainRequest) -> dict[str, str]:
        return {"konghq.com/protocol": "https"} if request.gateway.tls else {}


def _check_host_header(patches: PatchBuilder, snapshot: Snapshot, route: Route) -> None:
    """The Service may say which Host is sent where the client's is not kept; then it must be the Service's own name."""
    service = snapshot.get(kinds.SERVICE, route.backend.namespace, route.backend.service) or {}
    present = annotations_of(service).get(HOST_HEADER, "")
    name = mesh_name(route.backend.namespace, route.backend.service)
    if present and present.partition(":")[0] not in (name, name.removesuffix(".svc.cluster.local"), name.removesuffix(".cluster.local")):
        patches.value_conflict(service, HOST_HEADER, present, name)


def class_wide(snapshot: Snapshot, load_balancer: LoadBalancer) -> bool:
    """Whether the parameters of the controller's own class turn Service routing on for everything that it serves."""
    found = snapshot.get(kinds.INGRESS_CLASS, "", str(load_balancer.setting("class")))
    parameters = dig(found, "spec", "parameters", default={})
    if (parameters.get("apiGroup"), parameters.get("kind")) != ("configuration.konghq.com", "IngressClassParameters"):
        return False
    held = snapshot.get(PARAMETERS, str(parameters.get("namespace", "")), str(parameters.get("name", "")))
    return bool(dig(held, "spec", "serviceUpstream", default=False))


class _Reader:
    """Routes of one instance, as its controller translates them."""

    def __init__(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> None:
        self.snapshot = snapshot
        self.load_balancer = load_balancer
        self.by_class = of_classes(load_balancer)
        self.class_wide = class_wide(snapshot, load_balancer)

    def served(self, ingress: Obj) -> bool:
        """By class, or without one where the controller's class is the cluster's default."""
        if dig(ingress, "spec", "ingressClassName") or CLASS_ANNOTATION in annotations_of(ingress):
            return self.by_class(ingress)
        own = snapshot_class(self.snapshot, self.load_balancer)
        return annotations_of(own).get("ingressclass.kubernetes.io/is-default-class") == "true"

    def of_service(self, namespace: str, name: str) -> tuple[bool, Obj]:
        service = self.snapshot.get(kinds.SERVICE, namespace, name) or {}
        return self.class_wide or annotations_of(service).get(SERVICE_UPSTREAM) == "true", service

    def of_place(self, place: AttachPoint) -> BackendHandling:
        routed, service = self.of_service(place.namespace, place.service)
        return BackendHandling("cluster_ip" if routed else "pod_ips", features=_features(service), scheme=_scheme(service))

    def of_entry(self, ingress: Obj, entry: Entry) -> BackendHandling:
        routed, service = self.of_service(namespace_of(ingress), entry.service)
        host = ""
        if annotations_of(ingress).get(PRESERVE_HOST, "").lower() == "false":
            # Kong then sends the name of the target: the Service's name, or a pod's address.
            target = f"{entry.service}.{namespace_of(ingress)}.svc" if routed else "$pod_address"
            host = annotations_of(service).get(HOST_HEADER) or target
        return BackendHandling("cluster_ip" if routed else "pod_ips", host, features=_features(service), scheme=_scheme(service) or "http")

    def with_path(self, route: Route) -> Route:
        annotations = annotations_of(object_of(self.snapshot, route))
        rewrites = annotations.get("konghq.com/strip-path") == "true" or "konghq.com/rewrite" in annotations
        if route.path.startswith("/~"):
            return replace(route, path=route.path[2:], path_type="RegularExpression", rewrites_path=rewrites)
        return replace(route, rewrites_path=rewrites)

    def tcp_routes(self, only: frozenset[ObjectRef] | None) -> Iterator[Route]:
        for obj in self.snapshot.all(TCP_INGRESS):
            named = annotations_of(obj).get(CLASS_ANNOTATION)
            if named not in self.load_balancer.classes or (only is not None and ref_of(obj) not in only):
                continue
            for rule in dig(obj, "spec", "rules", default=[]):
                target = rule.get("backend") or {}
                namespace, name, port = namespace_of(obj), str(target.get("serviceName", "")), int(target.get("servicePort") or 0)
                routed, dummy = self.of_service(namespace, name)
                yield Route(
                    load_balancer=self.load_balancer.key, object=ref_of(obj), host=str(rule.get("host", "")),
                    path=f"tcp:{rule.get('port', 0)}", path_type="Stream", backend=make_backend(self.snapshot, namespace, name, port),
                    upstream=Upstream("cluster_ip" if routed else "pod_ips", "", "tcp"), upstream_group=f"{namespace}-{name}-{port}",
                    ignored=is_ignored(obj), pinned_strategy=pinned_strategy(self.snapshot, obj),
                )


def snapshot_class(snapshot: Snapshot, load_balancer: LoadBalancer) -> Obj:
    """The IngressClass of the controller's own name, empty where there is none."""
    return snapshot.get(kinds.INGRESS_CLASS, "", str(load_balancer.setting("class"))) or {}


def _features(service: Obj) -> tuple[str, ...]:
    return ("balancing",) if annotations_of(service).get(_POLICY) else ()


def _scheme(service: Obj) -> Scheme | None:
    return "tls" if annotations_of(service).get("konghq.com/protocol") in _TLS else None


def _controller(snapshot: Snapshot, workload: Obj) -> Obj | None:
    """The controller's container: beside the proxy, else in a workload of the same namespace, else the only one there is."""
    everywhere = [workload, *sorted(
        (item for kind in kinds.WORKLOADS for item in snapshot.all(kind)),
        key=lambda item: (namespace_of(item) != namespace_of(workload), namespace_of(item), name_of(item)),
    )]  # fmt: skip
    for item in everywhere:
        for container in containers_of(pod_template(item)):
            if is_controller(container):
                return container
    return None


def is_controller(container: Obj) -> bool:
    """Whether a container is the ingress controller, by its image or by its settings."""
    image = image_name(str(container.get("image", "")))[0].rpartition("/")[2]
    variables = {str(item.get("name", "")) for item in container.get("env") or []}
    return image == "kubernetes-ingress-controller" or {"CONTROLLER_INGRESS_CLASS"} <= variables or any(
        name.startswith("CONTROLLER_KONG_ADMIN") for name in variables
    )


def _variable(container: Obj, name: str) -> str:
    return next((str(item.get("value", "")) for item in container.get("env") or [] if item.get("name") == name), "")
