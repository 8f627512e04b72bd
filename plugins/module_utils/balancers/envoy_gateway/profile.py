# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Envoy Gateway (envoyproxy/gateway): its operator makes an Envoy per Gateway (or one for a class whose Gateways are merged).

Service routing is a setting of objects that hold for several routes (EnvoyProxy, BackendTrafficPolicy), so routes under one such
object are planned together. Source: api/v1alpha1/{envoyproxy,backendtrafficpolicy}_types.go, internal/gatewayapi/policyindex.go
(precedence), internal/infrastructure/kubernetes/proxy/resource.go (pods); chained mode: internal/gatewayapi/{backendtlspolicy,route}.go,
internal/xds/translator/listener.go.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...core.interception import EXCLUDE_OUTBOUND_PORTS
from ...core.model import LoadBalancer, Route, replace
from ...core.writes import Field, Write, none_before
from ...kube.objects import Obj, dig, name_of, namespace_of
from ...kube.snapshot import Snapshot
from ..contract.facts import About, Facts, ProofLevel
from ..contract.instances import InstanceReader, Neighbours, SidecarPlace, SidecarTarget
from ..contract.profile import Profile
from ..contract.recognition import GatewayClasses, Recogniser, Signs
from ..contract.switches import PatchSet, Switches
from ..kit.gateway.hosts import REWRITES, URL_REWRITE
from ..kit.gateway.listeners import gateways_of
from ..kit.patches import PatchBuilder, object_of
from ..kit.recognition import by_companion
from ..kit.settings import maps_beside, settings_of
from ..kit.writes import pod_fields
from .chain import CHAIN
from .own import READER as OWN_REQUESTS
from .routes import BACKEND_TRAFFIC_POLICY, ENVOY_PROXY, READERS, envoy_proxy_of, parents_of, precedence
from .settings import SETTINGS, Settings, owners_of, read_settings

FACTS = Facts(
    routes=("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute"),
    service_routing="routingType: Service of a BackendTrafficPolicy for the route (1.7)",
    service_routing_global="routingType: Service of the EnvoyProxy, or of a BackendTrafficPolicy for the Gateway",
    host="URLRewrite hostname of the route's rule",
    loses="affinity, balancing and health checks of a BackendTrafficPolicy once the upstream is one address",
    remark="an object with routingType must be there already; its pods are labelled through the EnvoyProxy", proof=ProofLevel.LAB,
    versions="1.9.1 with a policy for the route, one for the Gateway, and the EnvoyProxy; TLSRoute was read, not run",
)
SIGNS = Signs(labels=(frozenset({("app.kubernetes.io/managed-by", "envoy-gateway"), ("app.kubernetes.io/component", "proxy")}),))
REMEDY = (
    "attach an EnvoyProxy to the Gateway (spec.infrastructure.parametersRef) or to its GatewayClass (spec.parametersRef), "
    "and set spec.provider.type: Kubernetes in it"
)
CONTROL_PLANE_PORTS = "18000,18001"
# The operator's own program beside Envoy; somebody may have left it out.
SHUTDOWN_MANAGER = frozenset({"envoy-gateway", "shutdown-manager"})


def sidecar_target(workload: Obj, near: Neighbours) -> SidecarTarget:
    """The EnvoyProxy of the Gateway for which the workload is made; of merged ones the first of the class."""
    owners = owners_of(workload)
    gateways = near.gateways if owners.gateway[1] or owners.class_name else ()
    of_gateway = replace(owners, class_name="") if owners.gateway[1] else owners
    gateway = min(filter(of_gateway.carries, gateways), key=name_of, default=None)
    proxy = envoy_proxy_of(near.named, gateway) if gateway else None
    annotations, refusal = ((EXCLUDE_OUTBOUND_PORTS, CONTROL_PLANE_PORTS),), ""
    if proxy is None:
        refusal = f"its operator makes these pods anew, and no EnvoyProxy is attached: {REMEDY}"
    elif not dig(proxy, "spec", "provider", "type"):
        refusal = f"EnvoyProxy {namespace_of(proxy)}/{name_of(proxy)} has no spec.provider.type: set it to Kubernetes"
    if proxy is None or refusal:
        return SidecarTarget(workload, annotations=annotations, refusal=refusal)
    key = "envoyDaemonSet" if workload.get("kind") == "DaemonSet" else "envoyDeployment"
    pod = ("spec", "provider", "kubernetes", key, "pod")
    return SidecarTarget(proxy, (*pod, "labels"), (*pod, "annotations"), annotations)


def set_routing_type(snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
    """The routingType of whatever decides about each rule."""
    patches, order = PatchBuilder(), precedence(snapshot, load_balancer)
    gateways = gateways_of(snapshot.all, {settings_of(load_balancer, Settings).controller})
    for obj in (object_of(snapshot, route) for route in routes):
        for gateway in parents_of(obj, gateways):
            for rule in range(len(dig(obj, "spec", "rules", default=[]))):
                holder, routed = order.deciding(obj, gateway, rule)
                if routed:
                    continue
                if holder is None:
                    patches.refuse(f"routingType has nowhere to be set for Gateway {namespace_of(gateway)}/{name_of(gateway)}: {REMEDY}")
                else:
                    patches.want(holder, ("spec", "routingType"), "Service")
    return patches.switch()


WRITES = (
    *(Write(kind, (Field("/spec/routingType", none_before),), why="Service routing") for kind in (BACKEND_TRAFFIC_POLICY, ENVOY_PROXY)),
    REWRITES,
)
HOLDERS = tuple(
    Write(ENVOY_PROXY, pod_fields(f"/spec/provider/kubernetes/{key}/pod"), why="the sidecar")
    for key in ("envoyDaemonSet", "envoyDeployment")
)
PROFILE = Profile(
    About("envoy_gateway", "Envoy Gateway", facts=FACTS),
    Recogniser(SIGNS, workload=by_companion(SIGNS, SHUTDOWN_MANAGER, "envoy-gateway's shutdown-manager"),
               gateway_classes=GatewayClasses((Settings.controller,), per_gateway=True)),
    InstanceReader(
        read_settings, maps_beside(SETTINGS), sidecar_target=SidecarPlace(sidecar_target, HOLDERS),
    ),
    (*READERS, OWN_REQUESTS), Switches(to_service=set_routing_type, host=URL_REWRITE, writes=WRITES), CHAIN,
)
