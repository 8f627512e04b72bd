# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pomerium with its ingress controller (pomerium/ingress-controller), which usually are one process.

Source: pomerium/ingress_to_route.go (service_proxy_upstream), pomerium/gateway/backendrefs.go (Gateway API routes always name
the Service), pomerium/ingress_annotations.go; the Host is that of the upstream's address unless it is told otherwise
(pomerium.com/docs/reference/routes/headers).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...core.model import LoadBalancer, ObjectRef, Route, Scheme
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, argument, dig, name_of, namespace_of
from ...kube.snapshot import Snapshot
from ..contract.facts import Proof
from ..contract.routes import joined_readings
from ..kit.gateway.routes import KINDS as GATEWAY_KINDS
from ..kit.gateway.routes import AttachPoint, BackendHandling, read_gateway_routes
from ..kit.ingresses import CLASS_ANNOTATION, Entry
from ..kit.patches import PatchBuilder, mesh_name, object_of
from ..kit.plain import of_classes, read_ingresses
from ..legacy import Facts, PatchSet, Profile, RouteReading, Signs

CONTROLLER = "pomerium.io/ingress-controller"
_REWRITES = ("preserve_host_header", "host_rewrite", "host_rewrite_header", "host_path_regex_rewrite_pattern")
_STREAMS = ("tcp_upstream", "ssh_upstream")


class Pomerium(Profile):
    """Pomerium, all in one."""

    id = "pomerium"
    title = "Pomerium"
    # The name is an option, and the vendor's examples put a suffix to it.
    class_controllers = (f"{CONTROLLER}*",)
    kinds = GATEWAY_KINDS
    signs = Signs(
        flags=(frozenset({"pomerium-config"}),),
        images=("pomerium/ingress-controller",),
        labels=(frozenset({("app.kubernetes.io/name", "pomerium")}),),
    )
    facts = Facts(
        routes=("Ingress", "HTTPRoute", "GRPCRoute"),
        service_routing="annotation service_proxy_upstream of an Ingress (0.16.1); Gateway API routes always",
        host="nothing to set: it sends the name of the upstream",
        default="pod addresses (Gateway API: the Service), the upstream's address as Host",
        loses="balancing once the upstream is one name",
        remark="preserve_host_header and host_rewrite annotations are the user's own and stay",
        proof=Proof.SOURCE,
        versions="0.31",
    )

    def settings(self, snapshot: Snapshot, workload: Obj, container: Obj) -> dict[str, Any]:
        return {
            "controller": argument(container, "name") or CONTROLLER,
            "gateway_controller": argument(container, "gateway-class-controller-name") or "pomerium.io/gateway-controller",
            "prefix": argument(container, "prefix") or "ingress.pomerium.io",
            "namespaces": tuple(item for item in (argument(container, "namespaces") or "").split(",") if item),
        }

    def classes(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[str, ...]:
        wanted = load_balancer.setting("controller")
        return tuple(sorted(name_of(item) for item in snapshot.all(kinds.INGRESS_CLASS) if dig(item, "spec", "controller") == wanted))

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        by_class, watched = of_classes(load_balancer), load_balancer.setting("namespaces", ())

        def served(ingress: Obj) -> bool:
            if watched and namespace_of(ingress) not in watched:
                return False
            if dig(ingress, "spec", "ingressClassName") or CLASS_ANNOTATION in annotations_of(ingress):
                return by_class(ingress)
            return any(_is_default(snapshot.get(kinds.INGRESS_CLASS, "", name) or {}) for name in load_balancer.classes)

        def of_entry(ingress: Obj, entry: Entry, service: Obj) -> BackendHandling:
            return _treatment(ingress, entry, str(load_balancer.setting("prefix")))

        plain = read_ingresses(snapshot, load_balancer, of_entry, only, served)
        gateway = read_gateway_routes(snapshot, load_balancer, {str(load_balancer.setting("gateway_controller"))}, _of_place, only)
        return joined_readings(plain, gateway)

    def set_service_routing(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        patches = PatchBuilder()
        for route in routes:
            if route.object.kind == "Ingress":
                key = f"{load_balancer.setting('prefix')}/service_proxy_upstream"
                patches.annotate(object_of(snapshot, route), key, "true", lambda present, wanted: _is_set(present))
        return patches.switch()

    def set_host(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        patches = PatchBuilder()
        for route in routes:
            obj = object_of(snapshot, route)
            for name in _REWRITES if route.object.kind == "Ingress" else ():
                key = f"{load_balancer.setting('prefix')}/{name}"
                present = annotations_of(obj).get(key)
                own = present == mesh_name(route.backend.namespace, route.backend.service)
                if present not in (None, "false") and not own:
                    patches.conflict(obj, f"{key} is {present!r}, and the plan needs the upstream's own name")
            if route.object.kind != "Ingress" and route.upstream.host.partition(":")[0] != _name_of(route):
                patches.conflict(obj, f"it sends Host {route.upstream.host!r}, and the plan needs the upstream's own name")
        return patches.switch()


def _name_of(route: Route) -> str:
    return mesh_name(route.backend.namespace, route.backend.service)


def _of_place(place: AttachPoint) -> BackendHandling:
    # Without a filter that says otherwise, the Host is the name in the upstream's address.
    return BackendHandling("cluster_ip", place.host or mesh_name(place.namespace, place.service))


def _is_default(ingress_class: Obj) -> bool:
    return annotations_of(ingress_class).get("ingressclass.kubernetes.io/is-default-class") == "true"


def _is_set(value: str | None) -> bool:
    return str(value).lower() == "true"


def _treatment(ingress: Obj, entry: Entry, prefix: str) -> BackendHandling:
    noted = {key.partition("/")[2]: value for key, value in annotations_of(ingress).items() if key.partition("/")[0] == prefix}
    routed = _is_set(noted.get("service_proxy_upstream"))
    scheme: Scheme = "tls" if _is_set(noted.get("secure_upstream")) else "http"
    if any(_is_set(noted.get(key)) for key in _STREAMS):
        scheme = "tcp"
    return BackendHandling(
        "cluster_ip" if routed else "pod_ips", _host(noted, mesh_name(namespace_of(ingress), entry.service) if routed else "$pod_address"),
        group=f"Ingress-{namespace_of(ingress)}-{name_of(ingress)}-{entry.host}-{entry.path}",
        features=("balancing",) if noted.get("lb_config") else (), scheme=scheme,
    )


def _host(noted: dict[str, str], upstream: str) -> str:
    if _is_set(noted.get("preserve_host_header")):
        return ""
    if noted.get("host_rewrite_header") or noted.get("host_path_regex_rewrite_pattern"):
        return "$rewritten"
    return noted.get("host_rewrite") or upstream
