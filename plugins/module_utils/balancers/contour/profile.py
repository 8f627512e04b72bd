# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Contour (projectcontour/contour): an Envoy DaemonSet or Deployment carries the traffic, the controller only configures it.

It always sends to pod addresses (internal/envoy/v3/cluster.go: EDS); only an ExternalName Service makes it resolve a name, and
that is off by default for reasons of security. So there is no switch: its Host settings alone do not help.
``contour_proxies.py`` reads HTTPProxies. Source for the rest: cmd/contour/serve.go, internal/ingressclass/ingressclass.go,
examples/contour/03-envoy.yaml, internal/provisioner.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from ...core.interception import EXCLUDE_OUTBOUND_PORTS
from ...core.model import LoadBalancer, ObjectRef, Route
from ...kube import kinds
from ...kube.objects import Obj, argument, containers_of, dig, image_name, labels_of, name_of, namespace_of, pod_template
from ...kube.pods import by_namespace
from ...kube.snapshot import Snapshot
from ..contract.chain import Capability, ChainFacts, ChainOption, ChainRequest
from ..contract.facts import Proof
from ..contract.routes import joined_readings
from ..kit.chain.references import References, in_routes
from ..kit.gateway.routes import KINDS as GATEWAY_KINDS
from ..kit.gateway.routes import AttachPoint, BackendHandling, read_gateway_routes
from ..kit.ingresses import Entry
from ..kit.plain import read_ingresses
from ..legacy import Facts, PatchSet, Recognition, ReferenceChain, RouteReading, SidecarTarget, Signs, programs_of, recognise_container
from . import chain as contour_chain
from .proxies import HTTP_PROXY, NO_SWITCH, class_named, http_proxies

GATEWAY_CONTROLLER = "projectcontour.io/gateway-controller"
_OWNER = "projectcontour.io/owning-gateway-name"
_XDS_PORT = "8001"
_POD_IPS = BackendHandling(settable=False, why_not_settable=NO_SWITCH)


class Contour(ReferenceChain):
    """Contour's Envoy."""

    id = "contour"
    title = "Contour"
    kinds = (*GATEWAY_KINDS, HTTP_PROXY)
    signs = Signs(labels=(frozenset({("app.kubernetes.io/name", "contour"), ("app.kubernetes.io/component", "envoy")}),))
    facts = Facts(
        routes=("HTTPProxy", "Ingress", "HTTPRoute, GRPCRoute, TCPRoute, TLSRoute"),
        host="requestHeadersPolicy of an HTTPProxy (per service since 1.25), of no use without Service routing",
        remark="an ExternalName Service that names the backend is its only Service routing (enableExternalNameService, off by default)",
        proof=Proof.LAB,
        versions="1.33.8; TLSRoute and requestHeadersPolicy were read, not run",
    )
    chain = ChainFacts(
        hops=1, forwarded_for="appended", server_name="never", ends_tls="always",
        tls_to_gateway="annotation projectcontour.io/upstream-protocol.tls on the Service that stands for the gateway",
        objects=("Ingress or HTTPProxy", "its backends, redirected to a Service that stands for the gateway"),
        standalone_mtls=Capability(True, "yes, with a sidecar"), cannot=("send a server name of one's choice to the gateway",),
        proof=Proof.LAB,
    )
    chain_options = (
        ChainOption("class_name", "Name of the IngressClass for new Ingresses, where it is not the one that was found."),
        ChainOption("tls_secret", "Secret with the certificate for clients, in the gateway's namespace, for new Ingresses."),
    )
    # ExternalName Services are off by default (enableExternalNameService).
    follows_names = "never"
    references: ClassVar[References] = {"HTTPProxy": (in_routes, "name")}

    def recognise(self, workload: Obj) -> Recognition | None:
        """By what only its data plane has beside Envoy: the shutdown manager, or the step that writes Envoy's bootstrap."""
        template = pod_template(workload)
        companions = [*containers_of(template), *dig(template, "spec", "initContainers", default=[])]
        for item in companions:
            programs = programs_of(item)
            tag = image_name(str(item.get("image", "")))[1].lstrip("v")
            if "contour" in programs and ("shutdown-manager" in programs or "bootstrap" in programs):
                what = "shutdown-manager" if "shutdown-manager" in programs else "bootstrap"
                return Recognition("certain", (f"container {item.get('name')} runs contour's {what}",), _envoy(template), tag)
        return next((found for item in containers_of(template) if (found := recognise_container(self.signs, item, template))), None)

    def settings(self, snapshot: Snapshot, workload: Obj, container: Obj) -> dict[str, Any]:
        return {
            "class_names": tuple(_class_names(snapshot, namespace_of(workload))),
            "gateway": labels_of(workload).get(_OWNER) or labels_of(pod_template(workload)).get(_OWNER, ""),
        }

    def classes(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[str, ...]:
        if load_balancer.setting("gateway"):
            return ()
        # Names are compared; without the option it serves "contour" and what names no class.
        return tuple(load_balancer.setting("class_names")) or ("contour",)

    def sidecar_target(self, snapshot: Snapshot, workload: Obj) -> SidecarTarget:
        own = ((EXCLUDE_OUTBOUND_PORTS, _XDS_PORT),)
        if labels_of(workload).get(_OWNER):
            return SidecarTarget(workload, annotations=own, refusal=(
                f"Contour's provisioner makes {name_of(workload)} and puts its pods back: label namespace {namespace_of(workload)} "
                "for injection, and set spec.envoy.podAnnotations of the ContourDeployment that its GatewayClass names"
            ))
        return SidecarTarget(workload, annotations=own)

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        gateway, home = str(load_balancer.setting("gateway")), load_balancer.namespace

        def serves(item: Obj) -> bool:
            return not gateway or (name_of(item), namespace_of(item)) == (gateway, home)

        def of_place(place: AttachPoint) -> BackendHandling:
            return _POD_IPS

        through_gateway = read_gateway_routes(snapshot, load_balancer, {GATEWAY_CONTROLLER}, of_place, only, serves)
        if gateway:
            return through_gateway

        def served(obj: Obj) -> bool:
            named = class_named(obj)
            return named in load_balancer.classes or (not named and not load_balancer.setting("class_names"))

        def of_entry(ingress: Obj, entry: Entry, service: Obj) -> BackendHandling:
            return _POD_IPS

        plain = read_ingresses(snapshot, load_balancer, of_entry, only, served)
        return joined_readings(plain, http_proxies(snapshot, load_balancer, served, only), through_gateway)

    def chain_switch(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route], request: ChainRequest
    ) -> PatchSet:
        wanted = list(routes)
        return contour_chain.with_holder(super().chain_switch(snapshot, load_balancer, wanted, request), snapshot, wanted, request)

    def alias_annotations(self, request: ChainRequest) -> dict[str, str]:
        return {"projectcontour.io/upstream-protocol.tls": str(request.gateway.port)} if request.gateway.tls else {}


def _envoy(template: Obj) -> Obj:
    found = containers_of(template)
    return next((item for item in found if "envoy" in programs_of(item)[:1]), found[0] if found else {})


def _class_names(snapshot: Snapshot, namespace: str) -> list[str]:
    """What the controller of this namespace was told to serve (several names are separated by commas)."""
    for kind in kinds.WORKLOADS:
        for workload in snapshot.lookup(kind, by_namespace, namespace):
            for container in containers_of(pod_template(workload)):
                programs = programs_of(container)
                if "contour" in programs and "serve" in programs:
                    text = argument(container, "ingress-class-name") or ""
                    return [item.strip() for item in text.split(",") if item.strip()]
    return []
