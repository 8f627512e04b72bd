# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leading Ingresses to a gateway: the object stays, and per path one field names another Service, which stands for the gateway.

An Ingress can only name Services of its own namespace, so each such namespace gets one (an "alias"): by address, a headless
Service without a selector whose EndpointSlice holds the address of the gateway's Service; or by name, one of type
ExternalName. By address needs neither a DNS lookup nor a flag of the controller, and is hidden from the mesh, which
knows that address already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from ....core import marks
from ....core.model import LoadBalancer, ObjectRef, Route, replace
from ....kube.objects import Obj, dig
from ....kube.snapshot import Snapshot
from ...contract.chain import ChainRequest, GatewayTarget, LoadBalancerSide
from ...contract.facts import Capability, ChainFacts, ChainOption
from ...contract.switches import FieldPatch, PatchSet
from ..cloud.bodies import ingress
from ..declared import backend_of
from ..ingresses import entries
from ..patches import PatchBuilder, PatchTarget, targets_of

Path = tuple["str | int", ...]
Names = Literal["never", "also", "rather"]
ROUTES_IN = marks.ROUTES_IN
EXPORT_TO, NOBODY = "networking.istio.io/exportTo", "~"
PORT_NAME = "gateway"
INGRESS_OPTIONS = (
    ChainOption("class_name", "Name of the IngressClass for new Ingresses, where it is not the one that was found."),
    ChainOption("tls_secret", "Secret with the certificate for clients, in the gateway's namespace, for new Ingresses."),
)
"""Keys of ``platform_options`` for new Ingresses."""
INGRESS_FACTS = ChainFacts(
    begins_with=True, objects=("Ingress", "its path's backend, redirected to a Service that stands for the gateway"),
    standalone_mtls=Capability(True, "yes, with a sidecar"), options=INGRESS_OPTIONS,
)
"""What is true of most load balancers that serve Ingresses."""

Annotations = Callable[[ChainRequest], "dict[str, str]"]


def no_annotations(request: ChainRequest) -> dict[str, str]:
    """Nothing is needed for TLS to the gateway."""
    return {}


def for_tls(annotations: Mapping[str, str]) -> Annotations:
    """The same annotations wherever the gateway ends TLS."""
    return lambda request: dict(annotations) if request.gateway.tls else {}


def alias_name(gateway: GatewayTarget) -> str:
    """The name of the Service that stands for a gateway in other namespaces."""
    return f"{gateway.name}-{gateway.namespace}"[:46].replace(".", "-").rstrip("-") + "-gateway"


def by_address(request: ChainRequest, names: Names) -> bool:
    """Whether an alias holds the gateway's address; ``names``: whether the controller follows ExternalName Services."""
    suits = names == "never" or (names == "also" and request.addressed)
    return request.alias == "address" or (request.alias == "auto" and suits)


def alias_bodies(namespace: str, request: ChainRequest, names: Names, notes: dict[str, str] | None = None) -> tuple[Obj, ...]:
    """The objects that stand for the gateway in a namespace; ``notes`` are annotations of the Service."""
    gateway = request.gateway
    name = alias_name(gateway)
    notes = {ROUTES_IN: namespace, EXPORT_TO: NOBODY, **(notes or {})}
    port: Obj = {"name": PORT_NAME, "port": gateway.port, "protocol": "TCP", "targetPort": gateway.port}
    service: Obj = {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace, "annotations": notes},
    }
    if not by_address(request, names):
        target = gateway.full_name
        return ({**service, "spec": {"type": "ExternalName", "externalName": target, "ports": [port]}},)
    listed = [{"addresses": [gateway.address], "conditions": {"ready": True}}] if gateway.address else []
    addresses = {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": name, "namespace": namespace, "annotations": {ROUTES_IN: namespace},
            "labels": {"kubernetes.io/service-name": name, "endpointslice.kubernetes.io/managed-by": "meshlb.istio"},
        },
        "addressType": "IPv6" if ":" in gateway.address else "IPv4", "endpoints": listed,
        "ports": [{"name": PORT_NAME, "port": gateway.port, "protocol": "TCP"}],
    }
    return ({**service, "spec": {"clusterIP": "None", "ports": [port]}}, addresses)


def redirected(
    targets: Iterable[PatchTarget], request: ChainRequest, names: Names, notes: dict[str, str] | None = None
) -> PatchSet:
    """The switch for Ingresses: per path one field, and the aliases that these name."""
    value = {"name": alias_name(request.gateway), "port": {"number": request.gateway.port}}
    patches: dict[tuple[ObjectRef, Path], FieldPatch] = {}
    for target in targets:
        route, places = target.route, backend_paths(target)
        if not places:
            return PatchSet(refusal=f"{route.object} has no field that leads {route.host or '*'}{route.path} to a Service")
        patches.update({(route.object, place): FieldPatch(target.object, place, value) for place in places})
    bodies = (
        body for namespace in sorted({ref.namespace for ref, dummy in patches}) for body in alias_bodies(namespace, request, names, notes)
    )
    return PatchSet(tuple(patches.values()), bodies=tuple(bodies))


def backend_paths(target: PatchTarget) -> list[Path]:
    """Where an Ingress names the Service of a route."""
    obj, route = target.object, target.route
    if route.object.kind != "Ingress":
        return []
    found: list[Path] = []
    for number, rule in enumerate(dig(obj, "spec", "rules", default=[])):
        for place, entry in enumerate(dig(rule, "http", "paths", default=[])):
            # Profiles read a path in the load balancer's own sense: without its mark of an expression, and with another type.
            path = str(entry.get("path") or "/")
            if str(rule.get("host", "")) == route.host and path in (route.path, f"/~{route.path}") and _names(
                entry.get("backend"), target
            ):
                found.append(("spec", "rules", number, "http", "paths", place, "backend", "service"))
    if not found and route.path == "/" and _names(dig(obj, "spec", "defaultBackend"), target):
        found.append(("spec", "defaultBackend", "service"))
    return found


def _names(backend: Obj | None, target: PatchTarget) -> bool:
    service = dig(backend, "service", default={})
    port = service.get("port") or {}
    reference, name = port.get("number") or str(port.get("name") or 0), str(service.get("name", ""))
    named, found = (target.route.object.namespace, name), target.route.backend
    return bool(service) and named == (found.namespace, found.service) and backend_of(target.service, *named, reference) == found


@dataclass(frozen=True)
class IngressWay:
    """How routes of Ingresses are redirected: what differs between load balancers.

    ``follows_names``: whether it follows Services of type ExternalName; only those do where it still reads Endpoints, which nobody makes of
    slices. ``tls_annotations`` are for an Ingress, ``alias_annotations`` for the Service that represents the gateway, for TLS to it.
    """

    follows_names: Names = "also"
    tls_annotations: Annotations = no_annotations
    alias_annotations: Annotations = no_annotations

    def front(self, request: ChainRequest) -> LoadBalancerSide:
        """A new Ingress beside the gateway."""
        if request.gateway.tls and self.alias_annotations(request):
            return LoadBalancerSide(
                refusal="TLS to the gateway is an annotation of the gateway's own Service here, which a new Ingress would share"
            )
        return new_ingress(request, self.tls_annotations(request))

    def redirect(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route], request: ChainRequest) -> PatchSet:
        """Redirect the routes of one Ingress."""
        targets = targets_of(snapshot, routes)
        found = redirected(targets, request, self.follows_names, self.alias_annotations(request))
        return found if found.refusal or not targets else with_annotations(found, targets, self.tls_annotations(request))


def with_annotations(found: PatchSet, targets: list[PatchTarget], needed: dict[str, str]) -> PatchSet:
    """The switch, and annotations that hold for an Ingress as a whole: refused where some of its paths stay."""
    if not needed:
        return found
    ingress_object = targets[0].object
    if len({(item.route.host, item.route.path) for item in targets}) < len({(item.host, item.path) for item in entries(ingress_object)}):
        return PatchSet(refusal="TLS to the gateway is switched for an Ingress as a whole, and some of its paths stay with their backends")
    patches = PatchBuilder()
    for key, value in needed.items():
        patches.annotate(ingress_object, key, value)
    answer = patches.switch()
    return answer if answer.refusal else replace(found, patches=(*found.patches, *answer.patches))


def new_ingress(request: ChainRequest, annotations: dict[str, str] | None = None) -> LoadBalancerSide:
    """The usual front: an Ingress beside the gateway."""
    name = str(request.option("class_name") or (request.classes[0] if request.classes else ""))
    if not name:
        return LoadBalancerSide(refusal="no IngressClass of this load balancer was found: give platform_options.class_name")
    return LoadBalancerSide(bodies=(ingress(request, name, annotations or {}, tls_secret=str(request.option("tls_secret", ""))),))
