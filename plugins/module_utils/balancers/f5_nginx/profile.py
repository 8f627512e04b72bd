# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NGINX Ingress Controller of F5 (nginx/kubernetes-ingress): how to recognise it, and its switches.

It and ingress-nginx both call their class ``nginx``; this one's class must have the controller ``nginx.org/ingress-controller``
(it stops where the class has another). Facts are from its source (cmd/nginx-ingress/flags.go, internal/k8s/controller.go,
internal/configs/virtualserver.go); ``f5_nginx_routes.py`` reads its routes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from ...core.model import LoadBalancer, ObjectRef, Route, replace
from ...kube.objects import Obj, argument, dig, namespace_of, ref_of
from ...kube.snapshot import Snapshot
from ..contract.chain import Capability, ChainFacts, ChainOption, ChainRequest
from ..contract.facts import Proof
from ..contract.routes import joined_readings
from ..kit.chain.ingress import alias_name
from ..kit.chain.references import References, in_upstreams
from ..kit.patches import PatchBuilder, is_older, mesh_name, object_of
from ..kit.plain import classes_of_controller, read_ingresses
from ..legacy import Facts, FieldPatch, PatchSet, ReferenceChain, RouteReading, Signs
from .routes import KINDS, USE_CLUSTER_IP, Step, custom_routes, ingress_treatment, is_served, steps, upstreams_of

_SINCE = (3, 5, 0)
_NO_HOST = "of an Ingress it always sends the client's Host; a VirtualServer can send another"


class F5Nginx(ReferenceChain):
    """F5's NGINX Ingress Controller: VirtualServer, VirtualServerRoute, TransportServer and (mergeable) Ingress."""

    id = "f5_nginx"
    title = "NGINX Ingress Controller (F5)"
    class_controllers = ("nginx.org/ingress-controller",)
    kinds = KINDS
    signs = Signs(
        commands=("nginx-ingress",),
        flags=(frozenset({"nginx-configmaps"}),),
        images=("nginx/nginx-ingress", "nginx-ic/nginx-plus-ingress", "nginx-ic/nginx-ingress"),
        labels=(frozenset({("app.kubernetes.io/name", "nginx-ingress")}), frozenset({("app", "nginx-ingress")})),
    )
    facts = Facts(
        routes=("VirtualServer", "VirtualServerRoute", "Ingress (mergeable too)", "TransportServer (pod addresses only)"),
        service_routing="use-cluster-ip of an upstream (1.11.0); annotation nginx.org/use-cluster-ip of an Ingress (3.5.0)",
        host="requestHeaders.set Host of an action (VirtualServer only)",
        loses="affinity, balancing, retries and health checks once the upstream is one address",
        remark="splits keep working, because each has its own Host; subselector excludes use-cluster-ip",
        proof=Proof.SCHEMA,
        versions="5.6.0",
    )
    chain = ChainFacts(
        hops=1, forwarded_for="appended", server_name="never", ends_tls="always",
        tls_to_gateway="annotation nginx.org/ssl-services on the Ingress, tls.enable of a VirtualServer's upstreams",
        objects=("Ingress or VirtualServer", "its backends, redirected to a Service that stands for the gateway"),
        standalone_mtls=Capability(True, "yes, with a sidecar"), cannot=("be relied on to send a server name to the gateway",),
        proof=Proof.SCHEMA,
    )
    chain_options = (
        ChainOption("class_name", "Name of the IngressClass for new Ingresses, where it is not the one that was found."),
        ChainOption("tls_secret", "Secret with the certificate for clients, in the gateway's namespace, for new Ingresses."),
    )
    # ExternalName Services need a resolver, which only NGINX Plus has.
    follows_names = "never"
    references: ClassVar[References] = {kind: (in_upstreams, "service") for kind in ("VirtualServer", "VirtualServerRoute")}

    def settings(self, snapshot: Snapshot, workload: Obj, container: Obj) -> dict[str, Any]:
        watched = argument(container, "watch-namespace") or ""
        return {
            "class": argument(container, "ingress-class") or "nginx",
            "watch_namespaces": tuple(
                item.strip().replace("$(POD_NAMESPACE)", namespace_of(workload)) for item in watched.split(",") if item.strip()
            ),
            "namespace_selector": argument(container, "watch-namespace-label") or "",
            "custom_resources": argument(container, "enable-custom-resources") not in ("false", "0", "f", "F", "False", "FALSE"),
        }

    def classes(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[str, ...]:
        wanted = load_balancer.setting("class")
        return tuple(name for name in classes_of_controller(self.class_controllers, snapshot) if name == wanted)

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        plain = read_ingresses(
            snapshot, load_balancer, ingress_treatment, only, lambda ingress: is_served(snapshot, load_balancer, ingress)
        )
        if not load_balancer.setting("custom_resources", True):
            return plain
        return joined_readings(plain, custom_routes(snapshot, load_balancer, only))

    def set_service_routing(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        patches = PatchBuilder()
        for obj, own in _by_object(snapshot, routes):
            if obj["kind"] == "Ingress":
                if is_older(load_balancer.version, *_SINCE):
                    patches.refuse(f"use-cluster-ip of an Ingress came with 3.5.0, and this is {load_balancer.version}")
                patches.annotate(obj, USE_CLUSTER_IP, "true", lambda present, wanted: _is_true(present))
            else:
                _use_cluster_ip(patches, obj, {(item.backend.namespace, item.backend.service, item.backend.port) for item in own})
        return patches.switch()

    def set_host(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        patches = PatchBuilder()
        for obj, own in _by_object(snapshot, routes):
            if obj["kind"] == "Ingress":
                patches.refuse(_NO_HOST)
                continue
            backends = {(item.backend.namespace, item.backend.service, item.backend.port) for item in own}
            for step in steps(obj):
                if step.backend in backends:
                    _send_host(patches, obj, step)
        return patches.switch()

    def tls_annotations(self, request: ChainRequest) -> dict[str, str]:
        return {"nginx.org/ssl-services": alias_name(request.gateway)} if request.gateway.tls else {}

    def chain_switch(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route], request: ChainRequest
    ) -> PatchSet:
        found = super().chain_switch(snapshot, load_balancer, routes, request)
        if not request.gateway.tls:
            return found
        # Of a VirtualServer every upstream says for itself whether it is spoken to by TLS.
        led = {(ref_of(patch.object), patch.path[:-1]): patch for patch in found.patches if patch.path[:2] == ("spec", "upstreams")}
        encrypted = (FieldPatch(patch.object, (*patch.path[:-1], "tls", "enable"), True) for patch in led.values())
        return replace(found, patches=(*found.patches, *encrypted))


def _by_object(snapshot: Snapshot, routes: Iterable[Route]) -> Iterator[tuple[Obj, list[Route]]]:
    grouped: dict[ObjectRef, list[Route]] = {}
    for route in routes:
        grouped.setdefault(route.object, []).append(route)
    for ref in sorted(grouped):
        yield object_of(snapshot, grouped[ref][0]), grouped[ref]


def _is_true(present: Any) -> bool:
    # What reads the endpoints compares with this very word (internal/k8s/controller.go).
    return bool(present == "true")


def _use_cluster_ip(patches: PatchBuilder, obj: Obj, backends: set[tuple[str, str, int]]) -> None:
    for number, upstream in enumerate(dig(obj, "spec", "upstreams", default=[])):
        found = upstreams_of(obj).get(str(upstream.get("name", "")))
        if found is None or found.backend not in backends:
            continue
        if upstream.get("subselector"):
            patches.refuse(f"upstream {upstream.get('name')} of {obj['kind']} {namespace_of(obj)}/{dig(obj, 'metadata', 'name')} "
                          "selects pods itself (subselector), which excludes use-cluster-ip")
        patches.want(obj, ("spec", "upstreams", number, "use-cluster-ip"), True)


def _send_host(patches: PatchBuilder, obj: Obj, step: Step) -> None:
    """An action has one of pass and proxy, and only proxy can set headers, so a plain pass becomes a proxy."""
    namespace, service, dummy = step.backend
    wanted = mesh_name(namespace, service)
    if step.host is not None:
        if step.host != wanted:
            patches.conflict(obj, f"the action for {step.path} sends Host {step.host!r}, the plan needs {wanted!r}")
        return
    proxy = dict(step.action.get("proxy") or {"upstream": step.action.get("pass")})
    headers = dict(proxy.get("requestHeaders") or {})
    headers["set"] = [*(headers.get("set") or []), {"name": "Host", "value": wanted}]
    rest = {key: value for key, value in step.action.items() if key not in ("pass", "proxy")}
    patches.write(obj, step.where, {**rest, "proxy": {**proxy, "requestHeaders": headers}})
