# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NGINX Gateway Fabric (nginx/nginx-gateway-fabric): its operator makes an NGINX per Gateway.

useClusterIP is on its main branch and in no release up to 2.6.7, so it is offered only where the version is later or not known.
Source: apis/v1alpha1/upstreamsettingspolicy_types.go, apis/v1alpha2/nginxproxy_types.go, internal/controller/state/dataplane
(precedence), internal/controller/state/graph (listeners, filters), internal/controller/provisioner/objects.go (pods take the
Gateway's infrastructure labels and annotations).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from ...core.model import LoadBalancer, ObjectRef, Route
from ...core.writes import Field, Write
from ...kube.objects import Obj, argument, containers_of, dig, name_of, namespace_of, pod_template
from ...kube.pods import by_namespace
from ...kube.snapshot import Snapshot
from ..contract.facts import About, Facts, ProofLevel
from ..contract.instances import InstanceReader, Neighbours, SidecarPlace, SidecarTarget
from ..contract.profile import Profile
from ..contract.recognition import GatewayClasses, Recogniser, Signs
from ..contract.routes import RouteReader, RouteReading
from ..contract.switches import PatchSet, Switches
from ..kit.gateway.dialect import USUAL_KINDS, Dialect, ignored_extension, no_extension, unread_extension
from ..kit.gateway.hosts import REWRITES, URL_REWRITE
from ..kit.gateway.names import GATEWAY, KINDS, LISTENER_SET, ROUTE_KINDS
from ..kit.gateway.policies import parameters_of, policies_for
from ..kit.gateway.routes import AttachPoint, read_gateway_routes, served_gateways
from ..kit.objects import BackendHandling
from ..kit.patches import PatchBuilder, is_older
from ..kit.recognition import by_companion, workload_labels
from ..kit.scope import Scope, named_scope
from ..kit.settings import settings_of
from ..kit.writes import pod_fields

CONTROLLERS = ("gateway.nginx.org/nginx-gateway-controller",)
# Snippets may set any header; who is let in is no matter of where requests go.
_FILTERS = {"AuthenticationFilter": ignored_extension, "SnippetsFilter": unread_extension}
DIALECT = Dialect(
    {**USUAL_KINDS, "TLS": frozenset({"TLSRoute"})}, frozenset({LISTENER_SET}), isolates_hosts=True,
    extension=lambda route, reference: _FILTERS.get(str(reference.get("kind")), no_extension)(route, reference),
)
NGINX_PROXY = "NginxProxy.gateway.nginx.org"
POLICY = "UpstreamSettingsPolicy.gateway.nginx.org"
GATEWAY_LABEL = "gateway.networking.k8s.io/gateway-name"
REMEDY = "attach an UpstreamSettingsPolicy to the Service, or an NginxProxy to the Gateway (spec.infrastructure.parametersRef)"
FACTS = Facts(
    routes=("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute"),
    service_routing="useClusterIP of an UpstreamSettingsPolicy for the Service (after 2.6.7, unreleased when read)",
    service_routing_global="useClusterIP of the NginxProxy (after 2.6.7, unreleased when read)",
    host="URLRewrite hostname of the route's rule", loses="balancing once the upstream is one address",
    remark="pods are labelled through the Gateway's spec.infrastructure", proof=ProofLevel.SCHEMA, versions="main after 2.6.7",
)
SIGNS = Signs(images=("nginx-gateway-fabric/nginx", "nginx-gateway-fabric/nginx-plus"))
# The operator's own program prepares NGINX' configuration; its control plane runs it without the second word.
PREPARES = frozenset({"gateway", "initialize"})


@dataclass(frozen=True)
class Settings:
    """The Gateway for which a workload is made, empty where that is not known.

    ``controller`` is the name that GatewayClasses have to have, ``class_name`` the one class that its control plane serves, empty where
    that is not known. ``scope`` are the namespaces that it watches.
    """

    gateway: str = ""
    controller: str = CONTROLLERS[0]
    class_name: str = ""
    scope: Scope = Scope()


def read_settings(workload: Obj, container: Obj, near: Neighbours) -> Settings:
    """What its operator wrote on the workload, and what that was started with: of several the one whose class the Gateway has."""
    name = workload_labels(workload).get(GATEWAY_LABEL, "")
    gateway = near.named(GATEWAY, namespace_of(workload), name) if name else None
    wanted = dig(gateway, "spec", "gatewayClassName", default="")
    planes = [item for one in near.workloads for item in containers_of(pod_template(one)) if argument(item, "gateway-ctlr-name")]
    plane = next((item for item in planes if argument(item, "gatewayclass") == wanted), planes[0] if planes else {})
    return Settings(
        name, argument(plane, "gateway-ctlr-name") or CONTROLLERS[0], argument(plane, "gatewayclass") or "",
        named_scope(argument(plane, "watch-namespaces")),
    )


def sidecar_target(workload: Obj, near: Neighbours) -> SidecarTarget:
    """The Gateway, whose labels and annotations its pods get."""
    name = workload_labels(workload).get(GATEWAY_LABEL, "")
    gateway = near.named(GATEWAY, namespace_of(workload), name) if name else None
    if gateway is None:
        return SidecarTarget(workload, refusal="its operator makes these pods anew, and the Gateway for which it does is not known")
    return SidecarTarget(gateway, ("spec", "infrastructure", "labels"), ("spec", "infrastructure", "annotations"))


def _deciding(policies: list[Obj], proxies: Iterable[Obj | None]) -> tuple[Obj | None, bool]:
    """The object that decides about a Service's address (or would have to), and what it says: a policy before NginxProxies."""
    holders = [*policies, *filter(None, proxies)]
    place = next((number for number, item in enumerate(holders) if "useClusterIP" in dig(item, "spec", default={})), None)
    if place is None:
        return next(iter(holders), None), False
    routed = bool(dig(holders[place], "spec", "useClusterIP"))
    # What an NginxProxy denies, a policy may allow.
    return holders[place if routed or place < len(policies) else 0 if policies else place], routed


def _service(namespace: str, name: str) -> Obj:
    return {"kind": "Service", "metadata": {"namespace": namespace, "name": name}}


def controllers_of(load_balancer: LoadBalancer) -> set[str]:
    """The controller of the GatewayClasses that it serves."""
    return {settings_of(load_balancer, Settings).controller}


def carries(load_balancer: LoadBalancer, obj: Obj) -> bool:
    """Whether a workload is made for a Gateway."""
    settings = settings_of(load_balancer, Settings)
    if settings.class_name not in ("", dig(obj, "spec", "gatewayClassName")):
        return False
    name = settings.gateway
    return not name or (namespace_of(obj), name_of(obj)) == (load_balancer.namespace, name)


def read_gateways(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Routes of the Gateway API."""
    in_namespace = partial(snapshot.lookup, POLICY, by_namespace)

    def of_point(load_balancer: LoadBalancer, point: AttachPoint) -> BackendHandling:
        if point.route["kind"] in ("TCPRoute", "TLSRoute"):
            return BackendHandling(why_not_settable="useClusterIP does not hold for TCP and TLS routes")
        policies = policies_for(in_namespace, _service(point.namespace, point.service))
        holder, routed = _deciding(policies, parameters_of(snapshot.get, NGINX_PROXY, point.gateway))
        group = f"{holder['kind']}-{namespace_of(holder)}-{name_of(holder)}" if holder else ""
        features = ("balancing",) if dig(holder, "spec", "loadBalancingMethod") else ()
        return BackendHandling("cluster_ip" if routed else "pod_ips", group=group, features=features)

    return read_gateway_routes(snapshot, load_balancer, only, controllers_of(load_balancer), of_point, carries, dialect=DIALECT)


def gateways_here(snapshot: Snapshot, load_balancer: LoadBalancer) -> Iterable[tuple[str, str]]:
    """The Gateways whose routes a workload carries."""
    return served_gateways(snapshot, load_balancer, controllers_of(load_balancer), carries)


def set_use_cluster_ip(snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
    """useClusterIP of whatever decides about each Service."""
    patches, in_namespace = PatchBuilder(), partial(snapshot.lookup, POLICY, by_namespace)
    served = served_gateways(snapshot, load_balancer, controllers_of(load_balancer), carries)
    gateways = [item for key, item in sorted(served.items())]
    proxies = [parameters_of(snapshot.get, NGINX_PROXY, gateway) for gateway in gateways]
    for route in routes:
        policies = policies_for(in_namespace, _service(route.backend.namespace, route.backend.service))
        for holder, routed in (_deciding(policies, pair) for pair in proxies):
            if routed:
                continue
            if is_older(load_balancer.version, 2, 7, 0):
                patches.refuse(f"useClusterIP comes after 2.6.7, and this is {load_balancer.version}")
            elif holder is None:
                patches.refuse(f"useClusterIP has nowhere to be set: {REMEDY}")
            else:
                patches.want(holder, ("spec", "useClusterIP"), True)
    return patches.switch()


WRITES = (
    *(Write(kind, (Field("/spec/useClusterIP"),), why="Service routing") for kind in (POLICY, NGINX_PROXY)), REWRITES,
)
HOLDERS = (Write(GATEWAY, pod_fields("/spec/infrastructure"), why="the sidecar"),)
PROFILE = Profile(
    About("nginx_gateway_fabric", "NGINX Gateway Fabric", facts=FACTS),
    Recogniser(SIGNS, gateway_classes=GatewayClasses(CONTROLLERS, per_gateway=True),
               workload=by_companion(SIGNS, PREPARES, "gateway initialize", init=True)),
    InstanceReader(read_settings, sidecar_target=SidecarPlace(sidecar_target, HOLDERS)),
    (RouteReader(read_gateways, (*KINDS, NGINX_PROXY, POLICY), ROUTE_KINDS, gateways_here),),
    Switches(to_service=set_use_cluster_ip, host=URL_REWRITE, writes=WRITES),
)
