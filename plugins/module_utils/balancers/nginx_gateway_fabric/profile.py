# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NGINX Gateway Fabric (nginx/nginx-gateway-fabric): its operator makes an NGINX per Gateway.

useClusterIP is on its main branch and in no release up to 2.6.7, so it is offered only where the version is later or not known.
Source: apis/v1alpha1/upstreamsettingspolicy_types.go, apis/v1alpha2/nginxproxy_types.go, internal/controller/state/dataplane
(precedence), internal/controller/provisioner/objects.go (pods take the Gateway's infrastructure labels and annotations).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...core.model import LoadBalancer, ObjectRef, Route
from ...kube.objects import Obj, containers_of, created_at, dig, image_name, labels_of, name_of, namespace_of, pod_template
from ...kube.snapshot import Snapshot
from ..contract.facts import Proof
from ..kit.gateway.attachment import by_namespace
from ..kit.gateway.hosts import rewrite_hosts
from ..kit.gateway.routes import GATEWAY, GATEWAY_CLASS, KINDS, AttachPoint, BackendHandling, gateways_of, read_gateway_routes
from ..kit.patches import PatchBuilder, is_older
from ..legacy import Facts, PatchSet, Profile, Recognition, RouteReading, SidecarTarget, Signs, programs_of, recognise_container

NGINX_PROXY = "NginxProxy.gateway.nginx.org"
POLICY = "UpstreamSettingsPolicy.gateway.nginx.org"
_GATEWAY_LABEL = "gateway.networking.k8s.io/gateway-name"
_REMEDY = "attach an UpstreamSettingsPolicy to the Service, or an NginxProxy to the Gateway (spec.infrastructure.parametersRef)"


class NginxGatewayFabric(Profile):
    """NGINX Gateway Fabric's data planes."""

    id = "nginx_gateway_fabric"
    title = "NGINX Gateway Fabric"
    gateway_controllers = ("gateway.nginx.org/nginx-gateway-controller",)
    kinds = (*KINDS, NGINX_PROXY, POLICY)
    signs = Signs(images=("nginx-gateway-fabric/nginx", "nginx-gateway-fabric/nginx-plus"))
    facts = Facts(
        routes=("HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute"),
        service_routing="useClusterIP of an UpstreamSettingsPolicy for the Service (after 2.6.7, unreleased when read)",
        service_routing_global="useClusterIP of the NginxProxy (after 2.6.7, unreleased when read)",
        host="URLRewrite hostname of the route's rule",
        loses="balancing once the upstream is one address",
        remark="pods are labelled through the Gateway's spec.infrastructure",
        proof=Proof.SCHEMA,
        versions="main after 2.6.7",
    )

    def recognise(self, workload: Obj) -> Recognition | None:
        template = pod_template(workload)
        for item in dig(template, "spec", "initContainers", default=[]):
            # The operator's own program prepares NGINX' configuration; its control plane runs it without this word.
            if "gateway" in programs_of(item) and "initialize" in programs_of(item):
                tag = image_name(str(item.get("image", "")))[1].lstrip("v")
                evidence = f"init container {item.get('name')} runs gateway initialize"
                return Recognition("certain", (evidence,), containers_of(template)[0], tag)
        return next((found for item in containers_of(template) if (found := recognise_container(self.signs, item, template))), None)

    def settings(self, snapshot: Snapshot, workload: Obj, container: Obj) -> dict[str, Any]:
        return {"gateway": {**labels_of(workload), **labels_of(pod_template(workload))}.get(_GATEWAY_LABEL, "")}

    def sidecar_target(self, snapshot: Snapshot, workload: Obj) -> SidecarTarget:
        name = {**labels_of(workload), **labels_of(pod_template(workload))}.get(_GATEWAY_LABEL, "")
        gateway = snapshot.get(GATEWAY, namespace_of(workload), name) if name else None
        if gateway is None:
            return SidecarTarget(workload, refusal="its operator makes these pods anew, and the Gateway for which it does is not known")
        return SidecarTarget(gateway, ("spec", "infrastructure", "labels"), ("spec", "infrastructure", "annotations"))

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        wanted = load_balancer.setting("gateway")

        def serves(gateway: Obj) -> bool:
            return not wanted or (namespace_of(gateway), name_of(gateway)) == (load_balancer.namespace, wanted)

        def of_place(place: AttachPoint) -> BackendHandling:
            if place.route["kind"] in ("TCPRoute", "TLSRoute"):
                return BackendHandling(settable=False, why_not_settable="useClusterIP does not hold for TCP and TLS routes")
            holder, routed = deciding(snapshot, place.gateway, place.namespace, place.service)
            group = f"{holder['kind']}-{namespace_of(holder)}-{name_of(holder)}" if holder else ""
            return BackendHandling("cluster_ip" if routed else "pod_ips", group=group, features=_features(holder))

        return read_gateway_routes(snapshot, load_balancer, self.gateway_controllers, of_place, only, serves)

    def set_service_routing(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        patches = PatchBuilder()
        gateways = gateways_of(snapshot, self.gateway_controllers)
        name = load_balancer.setting("gateway")
        own = [item for key, item in sorted(gateways.items()) if not name or key == (load_balancer.namespace, name)]
        for route in routes:
            for gateway in own:
                holder, routed = deciding(snapshot, gateway, route.backend.namespace, route.backend.service)
                if routed:
                    continue
                if is_older(load_balancer.version, 2, 7, 0):
                    patches.refuse(f"useClusterIP comes after 2.6.7, and this is {load_balancer.version}")
                elif holder is None:
                    patches.refuse(f"useClusterIP has nowhere to be set: {_REMEDY}")
                else:
                    patches.want(holder, ("spec", "useClusterIP"), True)
        return patches.switch()

    def set_host(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        return rewrite_hosts(snapshot, routes)


def deciding(snapshot: Snapshot, gateway: Obj, namespace: str, service: str) -> tuple[Obj | None, bool]:
    """The object that decides about a Service's address (or would have to), and what it says: the policy before the NginxProxy."""
    policies = sorted(
        (item for item in snapshot.lookup(POLICY, by_namespace, namespace) if _names(item, service)),
        key=lambda item: (created_at(item), name_of(item)),
    )
    for policy in policies:
        if "useClusterIP" in dig(policy, "spec", default={}):
            return policy, bool(dig(policy, "spec", "useClusterIP"))
    own, of_class = _proxies(snapshot, gateway)
    for proxy in (own, of_class):
        if proxy is not None and "useClusterIP" in dig(proxy, "spec", default={}):
            routed = bool(dig(proxy, "spec", "useClusterIP"))
            return (policies[0] if policies and not routed else proxy), routed
    return (policies[0] if policies else own or of_class), False


def _names(policy: Obj, service: str) -> bool:
    return any(item.get("kind") == "Service" and item.get("name") == service for item in dig(policy, "spec", "targetRefs", default=[]))


def _proxies(snapshot: Snapshot, gateway: Obj) -> tuple[Obj | None, Obj | None]:
    """The NginxProxy of a Gateway and that of its class; the Gateway's is laid over the class's, field by field."""
    own = dig(gateway, "spec", "infrastructure", "parametersRef", default={})
    held = snapshot.get(GATEWAY_CLASS, "", str(dig(gateway, "spec", "gatewayClassName", default="")))
    of_class = dig(held, "spec", "parametersRef", default={})
    return (
        snapshot.get(NGINX_PROXY, namespace_of(gateway), str(own.get("name", ""))) if own.get("kind") == "NginxProxy" else None,
        snapshot.get(NGINX_PROXY, str(of_class.get("namespace", "")), str(of_class.get("name", "")))
        if of_class.get("kind") == "NginxProxy" else None,
    )


def _features(holder: Obj | None) -> tuple[str, ...]:
    return ("balancing",) if dig(holder, "spec", "loadBalancingMethod") else ()
