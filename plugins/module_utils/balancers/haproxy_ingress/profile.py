# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy Ingress (jcmoraisjr/haproxy-ingress): how to recognise it, what it was started with, and its switches.

Facts are from the controller's source and docs at v0.14.7 and in 0.17; ``haproxy_ingress_routes.py`` reads its routes. Both
halves would fit into its one global ConfigMap, but that would also hit headless Services, for which it breaks HAProxy's
configuration; so the Service is annotated, which is the strongest of the four places.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...core.findings import finding
from ...core.model import LoadBalancer, ObjectRef, Route, replace
from ...kube import kinds
from ...kube.objects import Obj, argument, dig, name_of, namespace_of
from ...kube.snapshot import Snapshot
from ..contract.chain import Capability, ChainFacts, ChainOption, ChainRequest, ServerName
from ..contract.facts import Proof
from ..kit.gateway.routes import KINDS, AttachPoint, BackendHandling, read_gateway_routes
from ..kit.patches import PatchBuilder, is_older, mesh_name, object_of
from ..kit.streams import tcp_services
from ..legacy import Facts, PatchSet, Recognition, ReferenceChain, RouteReading, Signs
from .keys import HEADERS, SERVICE_UPSTREAM, SET_HEADERS, TRUE, host_in, with_host
from .routes import Reader, sharing

CONTROLLER = "haproxy-ingress.github.io/controller"
_GROUP = "haproxy-ingress.github.io"
_PREFIXES = "haproxy-ingress.github.io,ingress.kubernetes.io"
_CONFIG_MAP_FLAGS = ("configmap", "tcp-services-configmap")


class HaproxyIngress(ReferenceChain):
    """The community's HAProxy controller; the controller and HAProxy run in one pod."""

    id = "haproxy_ingress"
    title = "HAProxy Ingress"
    class_controllers = (CONTROLLER, f"{CONTROLLER}/")
    kinds = KINDS
    signs = Signs(
        flags=(frozenset({"reload-strategy"}), frozenset({"sort-backends"}), frozenset({"acme-token-configmap-name"})),
        images=("jcmoraisjr/haproxy-ingress", "haproxy-ingress"),
        # Neither its program's name nor the label run=haproxy-ingress tells it from HAProxy Technologies' controller.
        labels=(frozenset({("app.kubernetes.io/name", "haproxy-ingress")}),),
    )
    facts = Facts(
        routes=("Ingress", "TCP services", "HTTPRoute", "TCPRoute", "TLSRoute"),
        service_routing="key service-upstream on the Service or the Ingress (0.8); not for Gateway API routes",
        service_routing_global="the same key in the class's or the global ConfigMap",
        host="a host line in the key headers (0.11), or request-set-headers (0.17), on the Service or the Ingress",
        host_global="the same key in the class's or the global ConfigMap",
        loses="affinity, blue-green, balancing and health checks once the backend is one address",
        remark="Ingresses of one Service share a backend, and the oldest decides; Gateway API routes (0.15) always go to pod addresses",
        proof=Proof.LAB,
        versions="0.14.7",
    )
    chain = ChainFacts(
        hops=1, forwarded_for="replaced", server_name="settable", ends_tls="always",
        tls_to_gateway="annotation secure-backends on the Ingress, the server name by secure-sni (0.11)",
        objects=("Ingress", "its path's backend, redirected to a Service that stands for the gateway"),
        standalone_mtls=Capability(True, "yes, with a sidecar"), cannot=("keep its balancing per pod of the backend",),
        proof=Proof.LAB,
    )
    chain_options = (
        ChainOption("class_name", "Name of the IngressClass for new Ingresses, where it is not the one that was found."),
        ChainOption("tls_secret", "Secret with the certificate for clients, in the gateway's namespace, for new Ingresses."),
    )
    # Up to 0.14 it reads Endpoints unless told otherwise, and looks names up when it writes its configuration.
    follows_names = "rather"

    def recognise(self, workload: Obj) -> Recognition | None:
        found = super().recognise(workload)
        if found is None or found.confidence != "possible":
            return found
        told = [f"argument --{flag}" for flag in ("configmap", "ingress-class") if argument(found.container, flag) is not None]
        # Its labels alone prove little, but an ingress controller that has them is no other one's.
        return replace(found, confidence="likely", evidence=(*found.evidence, *told)) if told else found

    def settings(self, snapshot: Snapshot, workload: Obj, container: Obj) -> dict[str, Any]:
        home, suffix = namespace_of(workload), (argument(container, "controller-class") or "").lstrip("/")
        options: dict[str, Any] = {
            "controller": argument(container, "full-controller-name") or (f"{CONTROLLER}/{suffix}" if suffix else CONTROLLER),
            "annotation_class": argument(container, "ingress-class") or "haproxy",
            "without_class": _is_on(argument(container, "watch-ingress-without-class")),
            "class_first": _is_on(argument(container, "ingress-class-precedence")),
            "no_class_api": _is_on(argument(container, "disable-ingress-class-api")),
            "watch_namespace": _expand(argument(container, "watch-namespace") or "", home),
            "gateway": argument(container, "watch-gateway") not in ("false", "False", "0", "f"),
            "ingress": argument(container, "watch-ingress") not in ("false", "False", "0", "f"),
            "default_backend": _expand(argument(container, "default-backend-service") or "", home),
            "prefixes": argument(container, "annotations-prefix") or _PREFIXES,
        }
        return options | {flag: _expand(argument(container, flag) or "", home) for flag in _CONFIG_MAP_FLAGS}

    def config_map_namespaces(self, workload: Obj, container: Obj) -> Iterable[str]:
        names = (_expand(argument(container, flag) or "", namespace_of(workload)) for flag in _CONFIG_MAP_FLAGS)
        # Parameters of IngressClasses are in the controller's own namespace.
        return {namespace_of(workload), *(name.partition("/")[0] for name in names if "/" in name)}

    def classes(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[str, ...]:
        wanted = load_balancer.setting("controller")
        return tuple(sorted(name_of(item) for item in snapshot.all(kinds.INGRESS_CLASS) if dig(item, "spec", "controller") == wanted))

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        reader = Reader(snapshot, load_balancer)
        own = reader.read(only) if load_balancer.setting("ingress") else RouteReading()
        attached = _served(load_balancer, _gateway_routes(reader, only)) if load_balancer.setting("gateway") else RouteReading()
        namespace, slash, name = str(load_balancer.setting("tcp-services-configmap", "")).partition("/")
        listed = snapshot.get(kinds.CONFIG_MAP, namespace, name) if slash else None
        streams = (route for route in tcp_services(snapshot, load_balancer, listed) if only is None or route.object in only)
        return RouteReading((*own.routes, *attached.routes, *streams), (*own.findings, *attached.findings))

    def set_service_routing(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        patches, reader = PatchBuilder(), Reader(snapshot, load_balancer)
        for route in routes:
            refusal = _too_old(load_balancer, 0, 8)
            if refusal:
                patches.refuse(refusal)
            said = reader.noted(object_of(snapshot, route)).get(SERVICE_UPSTREAM, "true")
            if said not in TRUE:
                # The Service's annotation would silence it.
                patches.value_conflict(object_of(snapshot, route), SERVICE_UPSTREAM, said, "true")
            _annotate(patches, reader, route, SERVICE_UPSTREAM, "true")
        return patches.switch()

    def set_host(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        patches, reader = PatchBuilder(), Reader(snapshot, load_balancer)
        refusal = _too_old(load_balancer, 0, 11)
        if refusal:
            patches.refuse(refusal)
        wanted_for = list(routes)
        reader.read(frozenset(ref for route in wanted_for for ref in sharing(snapshot, route)))
        for route in wanted_for:
            service = snapshot.get(kinds.SERVICE, route.backend.namespace, route.backend.service)
            if service is None or route.upstream.scheme != "http":
                continue
            wanted, sent = mesh_name(route.backend.namespace, route.backend.service), route.upstream.host
            if sent and sent not in (wanted, f"{route.backend.service}.{route.backend.namespace}"):
                patches.conflict(service, f"a header sets the Host {sent}, the plan needs {wanted}")
            elif not sent:
                key, lines = reader.headers_of(route)
                patches.write(service, ("metadata", "annotations", f"{reader.prefixes[0]}/{key}"), with_host(lines, wanted))
        return patches.switch()

    def server_name(self, request: ChainRequest) -> ServerName:
        return "settable" if request.gateway.server_name else "never"

    def tls_annotations(self, request: ChainRequest) -> dict[str, str]:
        if not request.gateway.tls:
            return {}
        name = request.gateway.server_name
        return {f"{_GROUP}/secure-backends": "true", **({f"{_GROUP}/secure-sni": name} if name else {})}


def _annotate(patches: PatchBuilder, reader: Reader, route: Route, key: str, value: str) -> None:
    """Annotate the Service behind a route; under another prefix the same key counts."""
    service = reader.snapshot.get(kinds.SERVICE, route.backend.namespace, route.backend.service)
    if service is None:
        return
    present = reader.noted(service).get(key)
    if present is None:
        patches.annotate(service, f"{reader.prefixes[0]}/{key}", value)
    elif present not in TRUE:
        patches.value_conflict(service, key, present, value)


def _gateway_routes(reader: Reader, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Gateway API routes: always endpoints; of a Service's keys they take all but service-upstream."""
    snapshot, load_balancer = reader.snapshot, reader.load_balancer

    def decide(place: AttachPoint) -> BackendHandling:
        keys = reader.noted(snapshot.get(kinds.SERVICE, place.namespace, place.service))
        named = "" if is_older(load_balancer.version, 0, 17) else keys.get(SET_HEADERS, reader.config.get(SET_HEADERS, ""))
        lines = named or keys.get(HEADERS, reader.config.get(HEADERS, ""))
        return BackendHandling(
            host=host_in(lines, place.namespace, place.service) or _set_by_filters(place),
            features=("affinity",) if keys.get("affinity", reader.config.get("affinity")) == "cookie" else (),
            settable=False, why_not_settable="HAProxy Ingress sends Gateway API routes to pod addresses, whatever service-upstream says",
        )

    reading = read_gateway_routes(snapshot, load_balancer, {str(load_balancer.setting("controller"))}, decide, only)
    return RouteReading(tuple(route for route in reading.routes if route.object.kind != "GRPCRoute"), reading.findings)


def _served(load_balancer: LoadBalancer, attached: RouteReading) -> RouteReading:
    """What an instance serves of them: before 0.15 it knows the Gateway API's first versions alone, which clusters no longer have."""
    if not is_older(load_balancer.version, 0, 15):
        return attached
    why = f"HAProxy Ingress {load_balancer.version} reads the Gateway API as v1alpha1 and v1alpha2 only; 0.15 reads today's"
    return RouteReading(findings=tuple(dict.fromkeys(finding("MLB220", why, route.object) for route in attached.routes)))


def _set_by_filters(place: AttachPoint) -> str:
    """It knows RequestHeaderModifier, but neither URLRewrite nor filters of a backend."""
    rule = place.route["spec"]["rules"][place.rule]
    headers = (
        header for item in rule.get("filters") or [] for header in dig(item, "requestHeaderModifier", "set", default=[])
    )
    return next((str(header.get("value", "")) for header in headers if str(header.get("name", "")).lower() == "host"), "")


def _too_old(load_balancer: LoadBalancer, *since: int) -> str:
    if not is_older(load_balancer.version, *since):
        return ""
    return f"HAProxy Ingress {load_balancer.version} has no such key; {'.'.join(map(str, since))} has"


def _is_on(text: str | None) -> bool:
    return text == "" or text in TRUE


def _expand(text: str, namespace: str) -> str:
    return text.replace("$(POD_NAMESPACE)", namespace)
