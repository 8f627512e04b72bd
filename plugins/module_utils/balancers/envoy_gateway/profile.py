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

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ...core.interception import EXCLUDE_OUTBOUND_PORTS
from ...core.model import Finding, LoadBalancer, ObjectRef, Route, replace
from ...kube import kinds
from ...kube.objects import Obj, containers_of, dig, image_name, labels_of, name_of, namespace_of, pod_template
from ...kube.pods import by_namespace
from ...kube.snapshot import Snapshot
from ..contract.chain import ChainRequest, LoadBalancerSide, ServerName
from ..contract.facts import Proof
from ..kit.gateway.hosts import rewrite_hosts
from ..kit.gateway.policies import speaks_tls
from ..kit.gateway.routes import KINDS as GATEWAY_KINDS
from ..kit.gateway.routes import AttachPoint, BackendHandling, gateways_of, read_gateway_routes
from ..kit.patches import PatchBuilder, is_older, object_of
from ..legacy import Facts, PatchSet, Recognition, ReferenceChain, RouteReading, SidecarTarget, Signs, programs_of, recognise_container
from . import chain as envoy_gateway_chain
from .settings import BACKEND_TRAFFIC_POLICY, ENVOY_PROXY, Precedence, envoy_proxy_of, gateway_of_workload, parents_of

CONTROLLER = "gateway.envoyproxy.io/gatewayclass-controller"
_MANAGED = frozenset({("app.kubernetes.io/managed-by", "envoy-gateway"), ("app.kubernetes.io/component", "proxy")})
_CONTROL_PLANE_PORTS = "18000,18001"
_REMEDY = (
    "attach an EnvoyProxy to the Gateway (spec.infrastructure.parametersRef) or to its GatewayClass (spec.parametersRef), "
    "and set spec.provider.type: Kubernetes in it"
)


class EnvoyGateway(ReferenceChain):
    """Envoy Gateway's proxies."""

    id = "envoy_gateway"
    title = "Envoy Gateway"
    kinds = (*GATEWAY_KINDS, ENVOY_PROXY, BACKEND_TRAFFIC_POLICY)
    signs = Signs(labels=(_MANAGED,))
    facts = Facts(
        routes=("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute"),
        service_routing="routingType: Service of a BackendTrafficPolicy for the route (1.7)",
        service_routing_global="routingType: Service of the EnvoyProxy, or of a BackendTrafficPolicy for the Gateway",
        host="URLRewrite hostname of the route's rule",
        loses="affinity, balancing and health checks of a BackendTrafficPolicy once the upstream is one address",
        remark="an object with routingType must be there already; its pods are labelled through the EnvoyProxy",
        proof=Proof.LAB,
        versions="1.9.1 with a policy for the route, one for the Gateway, and the EnvoyProxy; TLSRoute was read, not run",
    )
    chain = envoy_gateway_chain.FACTS
    chain_options = envoy_gateway_chain.OPTIONS
    chain_kinds = (envoy_gateway_chain.CLIENT_TRAFFIC_POLICY,)
    follows_names = "never"

    def recognise(self, workload: Obj) -> Recognition | None:
        """By the shutdown manager, which is the operator's own program beside Envoy; by its labels where somebody left it out."""
        template = pod_template(workload)
        for item in containers_of(template):
            programs = programs_of(item)
            if "envoy-gateway" in programs and "shutdown-manager" in programs:
                tag = image_name(str(item.get("image", "")))[1].lstrip("v")
                evidence = f"container {item.get('name')} runs envoy-gateway's shutdown-manager"
                return Recognition("certain", (evidence,), containers_of(template)[0], tag)
        return next((found for item in containers_of(template) if (found := recognise_container(self.signs, item, template))), None)

    def settings(self, snapshot: Snapshot, workload: Obj, container: Obj) -> dict[str, Any]:
        labels = {**labels_of(workload), **labels_of(pod_template(workload))}
        prefix = "gateway.envoyproxy.io/owning-gateway"
        return {
            "controller": _controller_name(snapshot, namespace_of(workload)),
            "gateway": (labels.get(f"{prefix}-namespace", ""), labels.get(f"{prefix}-name", "")),
            "class": labels.get(f"{prefix}class", ""),
        }

    def config_map_namespaces(self, workload: Obj, container: Obj) -> Iterable[str]:
        return {namespace_of(workload)}

    def sidecar_target(self, snapshot: Snapshot, workload: Obj) -> SidecarTarget:
        own = ((EXCLUDE_OUTBOUND_PORTS, _CONTROL_PLANE_PORTS),)
        gateway = gateway_of_workload(snapshot, workload)
        proxy = envoy_proxy_of(snapshot, gateway) if gateway else None
        if proxy is None:
            why = f"its operator makes these pods anew, and no EnvoyProxy is attached: {_REMEDY}"
            return SidecarTarget(workload, annotations=own, refusal=why)
        if not dig(proxy, "spec", "provider", "type"):
            return SidecarTarget(workload, annotations=own, refusal=(
                f"EnvoyProxy {namespace_of(proxy)}/{name_of(proxy)} has no spec.provider.type: set it to Kubernetes"
            ))
        key = "envoyDaemonSet" if workload.get("kind") == "DaemonSet" else "envoyDeployment"
        pod = ("spec", "provider", "kubernetes", key, "pod")
        return SidecarTarget(proxy, (*pod, "labels"), (*pod, "annotations"), own)

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        controllers = {str(load_balancer.setting("controller"))}
        wanted, class_name = load_balancer.setting("gateway"), load_balancer.setting("class")

        def serves(gateway: Obj) -> bool:
            if class_name:
                return bool(dig(gateway, "spec", "gatewayClassName") == class_name)
            return not wanted[1] or (namespace_of(gateway), name_of(gateway)) == tuple(wanted)

        order = _precedence(snapshot, load_balancer)

        def of_place(place: AttachPoint) -> BackendHandling:
            where = (place.route, place.gateway, place.rule)
            holder = order.deciding(*where)
            # What one object decides for several routes is planned as one.
            group = f"{holder['kind']}-{namespace_of(holder)}-{name_of(holder)}" if holder else ""
            return BackendHandling(
                "cluster_ip" if order.is_routed(*where) else "pod_ips",
                group=group, features=tuple(_features(order.policy_of(*where))),
                scheme="tls" if speaks_tls(snapshot, place.namespace, place.service, place.port) else None,
            )

        return read_gateway_routes(snapshot, load_balancer, controllers, of_place, only, serves)

    def set_service_routing(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        patches, order = PatchBuilder(), _precedence(snapshot, load_balancer)
        gateways = gateways_of(snapshot, {str(load_balancer.setting("controller"))})
        for route in routes:
            obj = object_of(snapshot, route)
            for gateway in parents_of(obj, gateways):
                for number in range(len(dig(obj, "spec", "rules", default=[]))):
                    _switch(patches, order, obj, gateway, number)
        return patches.switch()

    def set_host(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        return rewrite_hosts(snapshot, routes)

    def chain_front(self, request: ChainRequest) -> LoadBalancerSide:
        return envoy_gateway_chain.front(request)

    def chain_switch(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route], request: ChainRequest
    ) -> PatchSet:
        wanted = list(routes)
        found = super().chain_switch(snapshot, load_balancer, wanted, request)
        if found.refusal or not wanted:
            return found
        route = object_of(snapshot, wanted[0])
        on = tuple(parents_of(route, gateways_of(snapshot, {str(load_balancer.setting("controller"))})))
        tls = envoy_gateway_chain.tls_bodies(wanted[0].object.namespace, request)
        found = replace(found, bodies=(*found.bodies, *tls, *envoy_gateway_chain.holders(snapshot, route, on, request)))
        trusted = self.client_address(request).trusted_hops
        return replace(found, findings=tuple(envoy_gateway_chain.header_findings(snapshot, on))) if trusted else found

    def chain_preflight(self, snapshot: Snapshot, request: ChainRequest) -> tuple[Finding, ...]:
        return envoy_gateway_chain.preflight(snapshot, request)

    def server_name(self, request: ChainRequest) -> ServerName:
        # The policy always has a name; without one there is no chain.
        return "settable"


def _precedence(snapshot: Snapshot, load_balancer: LoadBalancer) -> Precedence:
    return Precedence(snapshot, not is_older(load_balancer.version, 1, 7, 0))


def _switch(patches: PatchBuilder, order: Precedence, route: Obj, gateway: Obj, rule: int) -> None:
    if order.is_routed(route, gateway, rule):
        return
    holder = order.deciding(route, gateway, rule)
    if holder is None:
        patches.refuse(f"routingType has nowhere to be set for Gateway {namespace_of(gateway)}/{name_of(gateway)}: {_REMEDY}")
    else:
        patches.want(holder, ("spec", "routingType"), "Service")


def _features(policy: Obj | None) -> Iterator[str]:
    kind = dig(policy, "spec", "loadBalancer", "type", default="")
    if kind == "ConsistentHash":
        yield "affinity"
    elif kind:
        yield "balancing"
    if dig(policy, "spec", "healthCheck"):
        yield "health_checks"
    if dig(policy, "spec", "retry"):
        yield "retries"


def _controller_name(snapshot: Snapshot, namespace: str) -> str:
    """The name that the operator was configured with; its chart keeps that in a ConfigMap beside it."""
    for item in snapshot.lookup(kinds.CONFIG_MAP, by_namespace, namespace):
        text = str(dig(item, "data", "envoy-gateway.yaml", default=""))
        found = re.search(r"^\s*controllerName:\s*[\"']?([^\s\"'#]+)", text, re.MULTILINE)
        if found:
            return found[1]
    return CONTROLLER
