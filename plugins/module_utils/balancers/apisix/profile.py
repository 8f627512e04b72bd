# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apache APISIX with its ingress controller (apache/apisix-ingress-controller): recognition and switches.

Traffic leaves from the apisix workload, which the controller configures from outside. Source: internal/adc/translator of the
controller (2.x) and apisix/plugins/proxy-rewrite.lua; ``apisix_routes.py`` reads its routes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ...core.model import LoadBalancer, ObjectRef, Route
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, dig, name_of, namespace_of
from ...kube.pods import by_namespace
from ...kube.snapshot import Snapshot
from ..contract.facts import Proof
from ..contract.routes import joined_readings
from ..kit.gateway.routes import KINDS as GATEWAY_KINDS
from ..kit.gateway.routes import AttachPoint, BackendHandling, read_gateway_routes
from ..kit.ingresses import Entry, class_of
from ..kit.patches import PatchBuilder, mesh_name, object_of
from ..kit.plain import read_ingresses
from ..legacy import Facts, PatchSet, Profile, RouteReading, Signs
from .routes import KINDS, PLUGIN_CONFIG, REWRITE, Backend, apisix_routes, http_backends, plugin_host, stream_backends, upstream_settings

CONTROLLER = "apisix.apache.org/apisix-ingress-controller"
_ONLY_PODS = "only an ApisixRoute can name the Service (resolveGranularity); an Ingress or a Gateway API route always goes to pod addresses"
_PODS = BackendHandling(settable=False, why_not_settable=_ONLY_PODS)


class Apisix(Profile):
    """APISIX's data plane, configured by its ingress controller."""

    id = "apisix"
    title = "Apache APISIX"
    class_controllers = (CONTROLLER,)
    kinds = (*GATEWAY_KINDS, *KINDS)
    signs = Signs(
        variables=(frozenset({"APISIX_STAND_ALONE"}), frozenset({"APISIX_PROFILE"})),
        images=("apisix",),
        labels=(frozenset({("app.kubernetes.io/name", "apisix")}),),
    )
    facts = Facts(
        routes=("ApisixRoute", "Ingress (pod addresses only)", "HTTPRoute, GRPCRoute, TCPRoute, TLSRoute (pod addresses only)"),
        service_routing="resolveGranularity: service of an ApisixRoute's backend (2.0)",
        host="passHost: node of an ApisixUpstream that exists, else the plugin proxy-rewrite of the ApisixRoute's rule",
        loses="affinity, balancing, retries and health checks of an ApisixUpstream once the upstream is one address",
        remark="the sidecar belongs to the apisix workload, not to the controller; headless Services must not be named so",
        proof=Proof.SCHEMA,
        versions="controller 2.0",
    )

    def settings(self, snapshot: Snapshot, workload: Obj, container: Obj) -> dict[str, Any]:
        return {"controller": _controller_name(snapshot, namespace_of(workload))}

    def config_map_namespaces(self, workload: Obj, container: Obj) -> Iterable[str]:
        # The controller's own configuration names its controller; the vendor's chart keeps both in one namespace.
        return {namespace_of(workload)}

    def classes(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[str, ...]:
        wanted = load_balancer.setting("controller")
        return tuple(sorted(name_of(item) for item in snapshot.all(kinds.INGRESS_CLASS) if dig(item, "spec", "controller") == wanted))

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        def served(obj: Obj) -> bool:
            name, annotation = class_of(obj)
            return _serves(snapshot, load_balancer, annotation or name)

        def of_entry(ingress: Obj, entry: Entry, service: Obj) -> BackendHandling:
            return _PODS

        def of_place(place: AttachPoint) -> BackendHandling:
            return _PODS

        plain = read_ingresses(snapshot, load_balancer, of_entry, only, served)
        gateway = read_gateway_routes(snapshot, load_balancer, {str(load_balancer.setting("controller"))}, of_place, only)
        own = apisix_routes(snapshot, load_balancer, lambda name: _serves(snapshot, load_balancer, name), only)
        return joined_readings(own, plain, gateway)

    def set_service_routing(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        patches = PatchBuilder()
        for route in routes:
            obj = object_of(snapshot, route)
            for item in _backends_of(snapshot, obj, route):
                if _is_headless(snapshot, item):
                    # The controller only looks for an empty address, so "None" would become a host to dial.
                    patches.refuse(f"Service {item.service} is headless, and resolveGranularity: service needs an address")
                _name_service(patches, obj, item)
        return patches.switch()

    def set_host(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        patches = PatchBuilder()
        for route in routes:
            obj = object_of(snapshot, route)
            for item in _backends_of(snapshot, obj, route):
                if not item.stream:
                    _send_host(patches, snapshot, obj, item)
        return patches.switch()


def _backends_of(snapshot: Snapshot, obj: Obj, route: Route) -> list[Backend]:
    everything = [*http_backends(snapshot, obj), *stream_backends(snapshot, obj)] if obj.get("kind") == "ApisixRoute" else []
    wanted = (route.backend.service, route.backend.port)
    # Routes of one rule to one Service port share the upstream, so all of them are meant.
    return [item for item in everything if (item.service, item.port) == wanted and item.stream == (route.upstream.scheme == "tcp")]


def _name_service(patches: PatchBuilder, obj: Obj, item: Backend) -> None:
    path = (*item.where, "resolveGranularity")
    if item.stream and item.granularity in ("", "endpoint"):
        # The API server fills the default in for streams, so it says nothing about what somebody wants.
        patches.write(obj, path, "service")
    else:
        patches.want(obj, path, "service")


def _send_host(patches: PatchBuilder, snapshot: Snapshot, obj: Obj, item: Backend) -> None:
    found = upstream_settings(snapshot, namespace_of(obj), item.service, item.port)
    name = mesh_name(namespace_of(obj), item.service)
    if found is not None:
        upstream, where, settings = found
        if settings.get("passHost") == "rewrite":
            if settings.get("upstreamHost") != name:
                patches.conflict(upstream, f"passHost is 'rewrite' to {settings.get('upstreamHost')!r}, the plan needs 'node'")
        else:
            patches.want(upstream, (*where, "passHost"), "node")
        return
    rule = dig(obj, *item.rule, default={})
    if len({backend.get("serviceName") for backend in rule.get("backends") or []}) > 1:
        patches.refuse(f"rule {rule.get('name')} has several Services, and each needs an ApisixUpstream of its name for its own Host")
        return
    _rewrite(patches, snapshot, obj, item, name)


def _rewrite(patches: PatchBuilder, snapshot: Snapshot, obj: Obj, item: Backend, name: str) -> None:
    rule = dig(obj, *item.rule, default={})
    present = plugin_host(rule)
    if present == name:
        return
    plugins = list(rule.get("plugins") or [])
    own = next((number for number, plugin in enumerate(plugins) if plugin.get("name") == REWRITE), None)
    shared_in = str(rule.get("plugin_config_namespace") or namespace_of(obj))
    shared = snapshot.get(PLUGIN_CONFIG, shared_in, str(rule.get("plugin_config_name", "")))
    if present or (own is not None and plugins[own].get("enable") is False):
        patches.conflict(obj, f"plugin {REWRITE} of rule {rule.get('name')} sends Host {present!r}, the plan needs {name!r}")
    elif own is None and any(plugin.get("name") == REWRITE for plugin in dig(shared, "spec", "plugins", default=[])):
        patches.refuse(f"rule {rule.get('name')} takes {REWRITE} from an ApisixPluginConfig, which one of its own would replace")
    else:
        base: Obj = plugins.pop(own) if own is not None else {"name": REWRITE, "enable": True}
        merged = {**base, "config": {**(base.get("config") or {}), "host": name}}
        plugins.insert(len(plugins) if own is None else own, merged)
        patches.write(obj, (*item.rule, "plugins"), plugins)


def _is_headless(snapshot: Snapshot, item: Backend) -> bool:
    service = snapshot.get(kinds.SERVICE, item.namespace, item.service)
    return bool(dig(service, "spec", "clusterIP") == "None")


def _serves(snapshot: Snapshot, load_balancer: LoadBalancer, name: str) -> bool:
    if name:
        return name in load_balancer.classes
    found = (snapshot.get(kinds.INGRESS_CLASS, "", item) or {} for item in load_balancer.classes)
    return any(annotations_of(item).get("ingressclass.kubernetes.io/is-default-class") == "true" for item in found)


def _controller_name(snapshot: Snapshot, namespace: str) -> str:
    for item in snapshot.lookup(kinds.CONFIG_MAP, by_namespace, namespace):
        text = str(dig(item, "data", "config.yaml", default=""))
        found = re.search(r"^controller_name:\s*[\"']?([^\s\"'#]+)", text, re.MULTILINE)
        if found:
            return found[1]
    return CONTROLLER
