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

from collections.abc import Iterable

from ansible_collections.meshlb.istio.plugins.module_utils.chaining import ChainRequest, Front, GatewayTarget
from ansible_collections.meshlb.istio.plugins.module_utils.clouds.bodies import ingress
from ansible_collections.meshlb.istio.plugins.module_utils.model import Route
from ansible_collections.meshlb.istio.plugins.module_utils.observe import kinds
from ansible_collections.meshlb.istio.plugins.module_utils.observe.objects import Obj, dig
from ansible_collections.meshlb.istio.plugins.module_utils.observe.services import CLUSTER_DOMAIN
from ansible_collections.meshlb.istio.plugins.module_utils.observe.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.ingresses import make_backend
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.switches import Switch, Wish

Path = tuple["str | int", ...]
ROUTES_IN = "meshlb.istio/routes-in"
EXPORT_TO, NOBODY = "networking.istio.io/exportTo", "~"
PORT_NAME = "gateway"


def alias_name(gateway: GatewayTarget) -> str:
    """The name of the Service that stands for a gateway in other namespaces."""
    return f"{gateway.name}-{gateway.namespace}"[:46].replace(".", "-").rstrip("-") + "-gateway"


def by_address(request: ChainRequest, *, names: bool) -> bool:
    """Whether an alias holds the gateway's address; ``names``: whether the controller follows ExternalName Services."""
    return request.alias == "address" or (request.alias == "auto" and not names)


def alias_bodies(namespace: str, request: ChainRequest, *, names: bool) -> tuple[Obj, ...]:
    """The objects that stand for the gateway in a namespace."""
    gateway = request.gateway
    name = alias_name(gateway)
    notes = {ROUTES_IN: namespace, EXPORT_TO: NOBODY}
    port: Obj = {"name": PORT_NAME, "port": gateway.port, "protocol": "TCP", "targetPort": gateway.port}
    service: Obj = {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace, "annotations": notes},
    }
    if not by_address(request, names=names):
        target = f"{gateway.service}.{gateway.namespace}.svc.{CLUSTER_DOMAIN}"
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


def redirected(snapshot: Snapshot, routes: Iterable[Route], request: ChainRequest, *, names: bool = True) -> Switch:
    """The switch for Ingresses: per path one field, and the aliases that these name."""
    value = {"name": alias_name(request.gateway), "port": {"number": request.gateway.port}}
    wishes: dict[tuple[str, str, Path], Wish] = {}
    namespaces: set[str] = set()
    for route in routes:
        ref = route.object
        found = snapshot.get(kinds.INGRESS, ref.namespace, ref.name) if ref.kind == "Ingress" else None
        places = backend_paths(snapshot, found, route) if found else []
        if found is None or not places:
            return Switch(refusal=f"{route.object} has no field that leads {route.host or '*'}{route.path} to a Service")
        for place in places:
            wishes[(route.object.namespace, route.object.name, place)] = Wish(found, place, value)
        namespaces.add(route.object.namespace)
    bodies = [body for namespace in sorted(namespaces) for body in alias_bodies(namespace, request, names=names)]
    return Switch(tuple(wishes.values()), bodies=tuple(bodies))


def backend_paths(snapshot: Snapshot, obj: Obj, route: Route) -> list[Path]:
    """Where an Ingress names the Service of a route."""
    found: list[Path] = []
    for number, rule in enumerate(dig(obj, "spec", "rules", default=[])):
        for place, entry in enumerate(dig(rule, "http", "paths", default=[])):
            kind = str(entry.get("pathType", "ImplementationSpecific"))
            same = (str(rule.get("host", "")), str(entry.get("path") or "/"), kind) == (route.host, route.path, route.path_type)
            if same and _names(snapshot, entry.get("backend"), route):
                found.append(("spec", "rules", number, "http", "paths", place, "backend", "service"))
    if not found and route.path == "/" and _names(snapshot, dig(obj, "spec", "defaultBackend"), route):
        found.append(("spec", "defaultBackend", "service"))
    return found


def _names(snapshot: Snapshot, backend: Obj | None, route: Route) -> bool:
    service = dig(backend, "service", default={})
    port = service.get("port") or {}
    reference = port.get("number") or str(port.get("name") or 0)
    return bool(service) and make_backend(snapshot, route.object.namespace, str(service.get("name", "")), reference) == route.backend


def new_ingress(request: ChainRequest, annotations: dict[str, str] | None = None) -> Front:
    """The usual front: an Ingress beside the gateway."""
    name = str(request.option("class_name") or (request.classes[0] if request.classes else ""))
    if not name:
        return Front(refusal="no IngressClass of this load balancer was found: give platform_options.class_name")
    return Front(bodies=(ingress(request, name, annotations or {}, tls_secret=str(request.option("tls_secret", ""))),))
