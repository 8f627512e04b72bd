# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pomerium with its ingress controller (pomerium/ingress-controller), which usually are one process.

Source: pomerium/ingress_to_route.go (service_proxy_upstream), pomerium/gateway/backendrefs.go (Gateway API routes always name
the Service), pomerium/ingress_annotations.go; the Host is that of the upstream's address unless it is told otherwise
(pomerium.com/docs/reference/routes/headers).
"""

from __future__ import annotations

from dataclasses import dataclass

from ...core.model import LoadBalancer, Scheme
from ...core.writes import Write, annotation, none_before
from ...kube import kinds
from ...kube.default_class import is_default_class
from ...kube.objects import Obj, annotations_of, argument, namespace_of
from ...kube.services import full_name
from ..contract.facts import About, Facts
from ..contract.instances import InstanceReader, Neighbours
from ..contract.profile import Profile
from ..contract.recognition import GatewayClasses, Recogniser, Signs
from ..contract.switches import PatchSet, Switches
from ..kit.classes import classes_in_settings, classes_of_controller, takes_class
from ..kit.gateway.routes import AttachPoint
from ..kit.ingresses import IngressEntry, entry_group
from ..kit.objects import BackendHandling, is_watched
from ..kit.patches import PatchBuilder, PatchTarget, on_targets
from ..kit.readers import gateway_reader, ingress_reader
from ..kit.settings import settings_of

CONTROLLER = "pomerium.io/ingress-controller"
FACTS = Facts(
    routes=("Ingress", "HTTPRoute", "GRPCRoute"),
    service_routing="annotation service_proxy_upstream of an Ingress (0.16.1); Gateway API routes always",
    host="nothing to set: it sends the name of the upstream",
    default="pod addresses (Gateway API: the Service), the upstream's address as Host",
    loses="balancing once the upstream is one name",
    remark="preserve_host_header and host_rewrite annotations are the user's own and stay", versions="0.31",
)
SIGNS = Signs(
    flags=(frozenset({"pomerium-config"}),), images=("pomerium/ingress-controller",),
    labels=(frozenset({("app.kubernetes.io/name", "pomerium")}),),
)
HOST_ANNOTATIONS = ("preserve_host_header", "host_rewrite", "host_rewrite_header", "host_path_regex_rewrite_pattern")


@dataclass(frozen=True)
class Settings:
    """``default_class``: one of its classes is the cluster's default. ``namespaces``: those that it watches, none for all."""

    gateway_controller: str = "pomerium.io/gateway-controller"
    prefix: str = "ingress.pomerium.io"
    namespaces: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    default_class: bool = False


def read_settings(workload: Obj, container: Obj, near: Neighbours) -> Settings:
    """Settings of the controller, and the classes that name it."""
    classes = classes_of_controller((argument(container, "name") or CONTROLLER,), near.ingress_classes)
    return Settings(
        argument(container, "gateway-class-controller-name") or Settings.gateway_controller,
        argument(container, "prefix") or Settings.prefix,
        tuple(filter(None, (argument(container, "namespaces") or "").split(","))), classes,
        any(is_default_class(near.named(kinds.INGRESS_CLASS, "", name) or {}) for name in classes),
    )


def serves(load_balancer: LoadBalancer, ingress: Obj) -> bool:
    """Ingresses of its classes in the namespaces that it watches."""
    settings = settings_of(load_balancer, Settings)
    return is_watched(settings.namespaces, ingress) and takes_class(load_balancer, ingress, without_class=settings.default_class)


def of_point(load_balancer: LoadBalancer, point: AttachPoint) -> BackendHandling:
    """Always the Service; without a filter that says otherwise, the Host is the name in the upstream's address."""
    return BackendHandling("cluster_ip", point.host or full_name(point.namespace, point.service, load_balancer.cluster_domain))


def gateway_controllers(load_balancer: LoadBalancer) -> set[str]:
    """The controller of the GatewayClasses that it serves."""
    return {settings_of(load_balancer, Settings).gateway_controller}


def of_entry(load_balancer: LoadBalancer, ingress: Obj, entry: IngressEntry, service: Obj) -> BackendHandling:
    """How it reaches the backend of an Ingress, by the annotations below its prefix."""
    prefix = settings_of(load_balancer, Settings).prefix
    annotations = {key.partition("/")[2]: value for key, value in annotations_of(ingress).items() if key.partition("/")[0] == prefix}
    routed = _is_true(annotations.get("service_proxy_upstream"))
    scheme: Scheme = "tls" if _is_true(annotations.get("secure_upstream")) else "http"
    if _is_true(annotations.get("tcp_upstream")) or _is_true(annotations.get("ssh_upstream")):
        scheme = "tcp"
    host = _host(annotations, full_name(namespace_of(ingress), entry.service, load_balancer.cluster_domain) if routed else "$pod_address")
    features = ("balancing",) if annotations.get("lb_config") else ()
    return BackendHandling("cluster_ip" if routed else "pod_ips", host, entry_group(ingress, entry), features, scheme)


def _host(annotations: dict[str, str], upstream: str) -> str:
    if _is_true(annotations.get("preserve_host_header")):
        return ""
    if annotations.get("host_rewrite_header") or annotations.get("host_path_regex_rewrite_pattern"):
        return "$rewritten"
    return annotations.get("host_rewrite") or upstream


def _is_true(value: str | None) -> bool:
    return str(value).lower() == "true"


def to_service(load_balancer: LoadBalancer, targets: list[PatchTarget]) -> PatchSet:
    """The annotation of each Ingress."""
    patches, key = PatchBuilder(), f"{settings_of(load_balancer, Settings).prefix}/service_proxy_upstream"
    for target in targets:
        if target.route.object.kind == "Ingress":
            patches.annotate(target.object, key, "true", lambda present, value: _is_true(present))
    return patches.switch()


def check_host(load_balancer: LoadBalancer, targets: list[PatchTarget]) -> PatchSet:
    """Nothing is to be set, but nobody else may have set another Host."""
    patches, prefix = PatchBuilder(), settings_of(load_balancer, Settings).prefix
    for target in targets:
        route, name = target.route, target.mesh_name
        is_ingress = route.object.kind == "Ingress"
        for key in (f"{prefix}/{item}" for item in HOST_ANNOTATIONS if is_ingress):
            present = annotations_of(target.object).get(key)
            if present not in (None, "false", name):
                patches.conflict(target.object, f"{key} is {present!r}, and the plan needs the upstream's own name")
        if not is_ingress and route.upstream.host.partition(":")[0] != name:
            patches.conflict(target.object, f"it sends Host {route.upstream.host!r}, and the plan needs the upstream's own name")
    return patches.switch()


WRITES = (Write(kinds.INGRESS, (annotation("*/service_proxy_upstream", none_before),), why="Service routing"),)
PROFILE = Profile(
    # The controller's name is an option, and the vendor's examples put a suffix to it.
    About("pomerium", "Pomerium", facts=FACTS), Recogniser(SIGNS, (f"{CONTROLLER}*",), GatewayClasses((Settings.gateway_controller,))),
    InstanceReader(read_settings, classes=classes_in_settings(Settings)),
    (ingress_reader(of_entry, serves), gateway_reader(gateway_controllers, of_point)),
    Switches(to_service=on_targets(to_service), host=on_targets(check_host), writes=WRITES),
)
