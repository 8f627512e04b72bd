# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traefik, k3s' own included: how to recognise it, what it was started with, and its switches.

Source: traefik/traefik at v3.6.12 and v3.7.9. ``traefik_static.py`` reads what it was started with, ``traefik_ingress.py`` and
``traefik_crd.py`` its routes, ``traefik_backends.py`` how each of them reaches a Service.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, ObjectRef, Route
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, containers_of, dig, name_of, namespace_of, pod_template, ref_of, value_at
from ...kube.services import is_headless
from ...kube.snapshot import Snapshot
from ..contract.chain import Capability, ChainFacts, ChainOption, ChainRequest, ServerName
from ..contract.facts import Proof
from ..kit.chain.references import References, in_routes
from ..kit.gateway.hosts import rewrite_hosts
from ..kit.gateway.policies import speaks_tls
from ..kit.gateway.routes import KINDS, AttachPoint, BackendHandling, read_gateway_routes
from ..kit.patches import PatchBuilder, is_older, mesh_name, object_of
from ..legacy import Facts, PatchSet, Recognition, ReferenceChain, RouteReading, Signs
from . import crd
from . import ingress as ingresses
from .backends import POD_ADDRESS, Routers, own_host, scheme_of, too_old
from .static import GATEWAY, INGRESS, NGINX, UNREADABLE, is_on, is_true, mounts_config_map, static_options, told

GATEWAY_CONTROLLER = "traefik.io/gateway-controller"
GATEWAY_NATIVE = "traefik.io/service.nativelb"
_K3S_CHART = "HelmChart.helm.cattle.io"
_K3S_IMAGE = "mirrored-library-traefik"


class Traefik(ReferenceChain):
    """Traefik proxy; one program is control plane and data plane."""

    id = "traefik"
    title = "Traefik"
    class_controllers = (ingresses.CONTROLLER,)
    kinds = (*KINDS, *crd.KINDS, _K3S_CHART)
    signs = Signs(
        commands=("traefik",),
        images=("traefik", _K3S_IMAGE, "traefik-hub"),
        labels=(frozenset({("app.kubernetes.io/name", "traefik")}),),
    )
    facts = Facts(
        routes=("Ingress", "IngressRoute", "IngressRouteTCP", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute"),
        service_routing="annotation service.nativelb on the Service, or nativeLB of the IngressRoute's service (2.10); "
        "Gateway API: annotation traefik.io/service.nativelb on the Service (3.2); ingress-nginx provider: service-upstream (3.5)",
        service_routing_global="nativeLBByDefault of a provider (3.0; Gateway API 3.2)",
        host="annotation service.passhostheader on the Service, or passHostHeader of the IngressRoute's service: false sends the "
        "Service's address; Gateway API: URLRewrite hostname; ingress-nginx provider: upstream-vhost (3.7)",
        loses="affinity and balancing once the upstream is one address",
        remark="also k3s's own, and in ingress-nginx's place; a route to a headless Service breaks when it is told to use its address",
        proof=Proof.LAB,
        versions="3.6.12",
    )
    chain = ChainFacts(
        hops=1, forwarded_for="replaced", server_name="settable", ends_tls="always",
        tls_to_gateway="annotation service.serversscheme on the Service that stands for the gateway; the server name by a ServersTransport",
        objects=("Ingress or IngressRoute", "its backends, redirected to a Service that stands for the gateway"),
        standalone_mtls=Capability(True, "yes, with a sidecar"), cannot=("keep its affinity per pod of the backend",),
        proof=Proof.LAB,
    )
    chain_options = (
        ChainOption("class_name", "Name of the IngressClass for new Ingresses, where it is not the one that was found."),
        ChainOption("tls_secret", "Secret with the certificate for clients, in the gateway's namespace, for new Ingresses."),
        ChainOption("servers_transport", "ServersTransport (namespace-name@kubernetescrd) for TLS to the gateway: server name and CA."),
    )
    # ExternalName Services are off by default (allowExternalNameServices).
    follows_names = "never"
    references: ClassVar[References] = {"IngressRoute": (in_routes, "name")}

    def recognise(self, workload: Obj) -> Recognition | None:
        by_options = (_by_options(item) for item in containers_of(pod_template(workload)) if told(item))
        return super().recognise(workload) or next(by_options, None)

    def settings(self, snapshot: Snapshot, workload: Obj, container: Obj) -> dict[str, Any]:
        return dict(static_options(snapshot, workload, container))

    def config_map_namespaces(self, workload: Obj, container: Obj) -> Iterable[str]:
        return {namespace_of(workload)} if mounts_config_map(workload) else ()

    def classes(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[str, ...]:
        options = dict(load_balancer.settings)
        found = ingresses.own_classes(snapshot, load_balancer) if is_on(options, INGRESS) else set()
        if is_on(options, NGINX):
            found |= ingresses.nginx_classes(snapshot, load_balancer)
        return tuple(sorted(found))

    def notices(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[Finding, ...]:
        found = []
        unreadable = load_balancer.setting(UNREADABLE)
        if unreadable:
            found.append(finding("MLB105", f"{load_balancer.label}: {unreadable}", load_balancer.workload))
        for item in crd.objects(snapshot, load_balancer, crd.ROUTE_UDP, None):
            found.append(finding("MLB205", "UDP is carried outside the mesh", ref_of(item)))
        return (*found, *_about_k3s(snapshot, load_balancer))

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        routers = Routers(snapshot, load_balancer)
        ingresses.read_ingresses(routers, only)
        crd.Reading(routers).read(only)
        attached = _gateway_routes(snapshot, load_balancer, only)
        return RouteReading((*routers.routes, *attached.routes), (*routers.findings, *attached.findings))

    def set_service_routing(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        patches = PatchBuilder()
        for route in routes:
            obj = object_of(snapshot, route)
            if route.object.group == crd.GROUP:
                for leaf in _leaves(snapshot, load_balancer, obj, route):
                    patches.want(leaf.owner, (*leaf.path, "nativeLB"), True)
            elif route.object.kind != "Ingress":
                ingresses.annotate_service(patches, snapshot, route, GATEWAY_NATIVE, "true")
            elif ingresses.is_own(snapshot, load_balancer, obj):
                ingresses.annotate_service(patches, snapshot, route, ingresses.NATIVE, "true")
            elif not route.canary:
                # A canary's addresses are chosen by the settings of its main Ingress.
                patches.annotate(obj, f"{ingresses.NGINX_PREFIX}service-upstream", "true", ingresses.same_bool)
        return patches.switch()

    def set_host(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        patches = PatchBuilder()
        nginx: list[tuple[Route, Obj]] = []
        attached: list[Route] = []
        for route in routes:
            obj = object_of(snapshot, route)
            if route.object.kind == "Ingress" and not ingresses.is_own(snapshot, load_balancer, obj):
                nginx.append((route, obj))
            elif route.object.kind in ("Ingress", "IngressRoute"):
                _drop_clients_host(patches, snapshot, load_balancer, route, obj)
            elif route.upstream.scheme == "http":
                attached.append(route)
        if nginx:
            ingresses.set_nginx_host(patches, load_balancer, nginx)
        answer = rewrite_hosts(snapshot, attached, per_backend=not is_older(load_balancer.version, 3, 7))
        own = patches.switch()
        if own.refusal or answer.refusal:
            return PatchSet(refusal=own.refusal or answer.refusal, findings=(*own.findings, *answer.findings))
        return PatchSet((*own.patches, *answer.patches))

    def server_name(self, request: ChainRequest) -> ServerName:
        return "settable" if request.option("servers_transport") else "never"

    def alias_annotations(self, request: ChainRequest) -> dict[str, str]:
        prefix, transport = "traefik.ingress.kubernetes.io/service", request.option("servers_transport")
        if not request.gateway.tls:
            return {}
        return {f"{prefix}.serversscheme": "https", **({f"{prefix}.serverstransport": str(transport)} if transport else {})}


def _by_options(container: Obj) -> Recognition:
    return Recognition("likely", (f"container {container.get('name')} is told {told(container)}",), container)


def _drop_clients_host(patches: PatchBuilder, snapshot: Snapshot, load_balancer: LoadBalancer, route: Route, obj: Obj) -> None:
    """Have it send the Service's address as Host; a Host that a middleware sets is the user's, and would be lost."""
    service = snapshot.get(kinds.SERVICE, route.backend.namespace, route.backend.service) or {}
    sent = route.upstream.host
    if sent == mesh_name(route.backend.namespace, route.backend.service) != own_host(service):
        return
    if sent not in ("", own_host(service), POD_ADDRESS):
        patches.conflict(obj, f"a middleware makes the Host {sent}, the plan needs the Service's address")
    elif route.object.kind == "Ingress":
        ingresses.annotate_service(patches, snapshot, route, ingresses.PASSES_HOST, "false")
    else:
        for leaf in _leaves(snapshot, load_balancer, obj, route):
            if value_at(leaf.owner, (*leaf.path, "passHostHeader")) is not False:
                patches.want(leaf.owner, (*leaf.path, "passHostHeader"), False)


def _leaves(snapshot: Snapshot, load_balancer: LoadBalancer, obj: Obj, route: Route) -> list[crd.Leaf]:
    """The entries of an IngressRoute (and of TraefikServices behind it) that name a route's Service port."""
    reading, backend = crd.Reading(Routers(snapshot, load_balancer)), route.backend
    found = [
        leaf for number, rule in enumerate(dig(obj, "spec", "routes", default=[])) for leaf in reading.leaves(obj, number, rule)
    ]
    return [
        leaf for leaf in found
        if (leaf.namespace, leaf.service) == (backend.namespace, backend.service)
        and leaf.reference in (backend.port, backend.port_name)
    ]


def _gateway_routes(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    options = dict(load_balancer.settings)
    if not is_on(options, GATEWAY):
        return RouteReading()
    by_default = is_true(options.get(f"{GATEWAY}.nativelbbydefault"))

    def decide(place: AttachPoint) -> BackendHandling:
        service = snapshot.get(kinds.SERVICE, place.namespace, place.service) or {}
        told = ingresses.lowered(annotations_of(service), "traefik.io/service.").get("nativelb")
        headless, native = bool(service) and is_headless(service), by_default if told is None else is_true(told)
        why_not = "Traefik drops a route to a headless Service that is to be reached by its address" if headless else ""
        port: Obj = next((item for item in dig(service, "spec", "ports", default=[]) if item.get("port") == place.port), {})
        given = str(port.get("appProtocol") or "").lower()
        by_kind = place.route["kind"] in ("TCPRoute", "TLSRoute") or speaks_tls(snapshot, place.namespace, place.service, place.port)
        return BackendHandling(
            "cluster_ip" if native else "pod_ips",
            group=f"gateway-{place.namespace}-{place.service}",
            scheme=None if by_kind else scheme_of(port, _SCHEMES.get(given, given)),
            settable=not (why_not or too_old(load_balancer, 3, 2)),
            why_not_settable=why_not or too_old(load_balancer, 3, 2),
            dropped=f"headless Service {place.service} has no address, and is to be reached by it" if native and headless else "",
        )

    reading = read_gateway_routes(
        snapshot, load_balancer, {GATEWAY_CONTROLLER}, decide, only, per_backend_host=not is_older(load_balancer.version, 3, 7)
    )
    # TCP routes are of the standard's experimental channel, which it must be told to read; TLS routes were, up to 3.6.
    experimental = is_true(options.get(f"{GATEWAY}.experimentalchannel"))
    left_out = {"TCPRoute", *(("TLSRoute",) if is_older(load_balancer.version, 3, 7) else ())}
    routes = tuple(route for route in reading.routes if experimental or route.object.kind not in left_out)
    return RouteReading(routes, reading.findings)


_SCHEMES = {"https": "https", "kubernetes.io/wss": "https"}


def _about_k3s(snapshot: Snapshot, load_balancer: LoadBalancer) -> Iterable[Finding]:
    """k3s installs Traefik from a HelmChart object; what is changed on the Deployment goes with the next start of k3s."""
    chart = next(
        (item for item in snapshot.all(_K3S_CHART) if name_of(item) == load_balancer.name
         and str(dig(item, "spec", "targetNamespace", default=namespace_of(item))) == load_balancer.namespace), None,
    )
    bundled = any(_K3S_IMAGE in item for item in load_balancer.evidence)
    if chart is not None or bundled:
        name = f"HelmChart {namespace_of(chart)}/{name_of(chart)}" if chart else "a HelmChart"
        yield finding(
            "MLB216", f"{load_balancer.label} is installed by k3s from {name}; put what is to stay into a HelmChartConfig of that name",
            load_balancer.workload, cause=ref_of(chart) if chart else None,
        )
