# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway's side in the Kubernetes Gateway API: a Gateway that Istio deploys, and an HTTPRoute per host and namespace of backends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ...balancers.contract.chain import GatewayTarget, ServiceNeeds
from ...core.marks import ROUTES_IN
from ...kube.objects import Obj
from ..strategies.naming import object_name
from .carry import HostRules
from .options import GatewayOptions
from .paths import PathRule, gateway_match, needs_expressions

GROUP = "gateway.networking.k8s.io"
VERSION = f"{GROUP}/v1"
SERVICE_TYPE = "networking.istio.io/service-type"
NAMESPACE_NAME = "kubernetes.io/metadata.name"
PROXY = "istio-proxy"
MOST_RULES = 16

Allows = Callable[[str], bool]


def gateway_bodies(
    target: GatewayTarget, options: GatewayOptions, namespaces: Iterable[str], hosts: Iterable[str], needs: ServiceNeeds, *,
    any_name: bool, annotations: dict[str, str], environment: Iterable[tuple[str, str]],
) -> list[Obj]:
    """A Gateway of Istio's class that takes routes of these namespaces, and the ConfigMap of what its fields cannot say."""
    infrastructure: Obj = {}
    notes = {**dict(needs.annotations), **annotations}
    if notes:
        infrastructure["annotations"] = notes
    parameters = _parameters(options, target, needs, dict(environment))
    if parameters is not None:
        infrastructure["parametersRef"] = {"group": "", "kind": "ConfigMap", "name": parameters["metadata"]["name"]}
    spec: Obj = {"gatewayClassName": options.class_name, "listeners": _listeners(target, options, namespaces, hosts, any_name=any_name)}
    if infrastructure:
        spec["infrastructure"] = infrastructure
    body = {
        "apiVersion": VERSION, "kind": "Gateway",
        "metadata": {"name": options.name, "namespace": options.namespace, "annotations": {SERVICE_TYPE: needs.type}}, "spec": spec,
    }
    return [*([parameters] if parameters else []), body]


def _listeners(
    target: GatewayTarget, options: GatewayOptions, namespaces: Iterable[str], hosts: Iterable[str], *, any_name: bool
) -> list[Obj]:
    common: Obj = {
        "protocol": "HTTPS" if target.tls else "HTTP", "port": target.port,
        "allowedRoutes": {"namespaces": {"from": "Selector", "selector": {"matchExpressions": [
            {"key": NAMESPACE_NAME, "operator": "In", "values": sorted({options.namespace, *namespaces})},
        ]}}},
    }
    if target.tls:
        common["tls"] = {"mode": "Terminate", "certificateRefs": [{"group": "", "kind": "Secret", "name": options.credential}]}
    names = sorted(set(hosts))
    # In this API a listener's name is both the server name and the Host that it takes. One server name for several hosts needs one without.
    if not target.tls or any_name or "" in names or not names or (options.server_name and names != [options.server_name]):
        return [{"name": target.port_name, **common}]
    return [{"name": object_name(f"{target.port_name}-{host}"), "hostname": host, **common} for host in names]


def _parameters(options: GatewayOptions, target: GatewayTarget, needs: ServiceNeeds, environment: dict[str, str]) -> Obj | None:
    """Overlays for the objects that Istio makes of the Gateway."""
    data: dict[str, Any] = {}
    service: Obj = {}
    for path, value in needs.fields:
        node = service
        for key in path[:-1]:
            node = node.setdefault(key, {})
        node[path[-1]] = value
    if needs.app_protocol:
        service["ports"] = [{"port": target.port, "appProtocol": needs.app_protocol}]
    if service:
        data["service"] = json.dumps({"spec": service}, sort_keys=True)
    if environment:
        variables = [{"name": key, "value": value} for key, value in sorted(environment.items())]
        pod = {"spec": {"containers": [{"name": PROXY, "env": variables}]}}
        data["deployment"] = json.dumps({"spec": {"template": pod}}, sort_keys=True)
    if not data:
        return None
    return {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{options.name}-parameters", "namespace": options.namespace},
        "data": data,
    }


def route_bodies(options: GatewayOptions, hosts: Sequence[HostRules], allows: Allows, *, redirect: bool) -> list[Obj]:
    """HTTPRoutes beside the backends where the Gateway takes routes from there, else beside the Gateway, with ReferenceGrants."""
    bodies: list[Obj] = []
    granted: set[str] = set()
    for item in hosts:
        expressions = needs_expressions(item.rules)
        for namespace in sorted({rule.backend.namespace for rule in item.rules}):
            rules = [rule for rule in item.rules if rule.backend.namespace == namespace]
            home = namespace if allows(namespace) else options.namespace
            made = [one for rule in rules for one in _rules(rule, home, expressions=expressions, redirect=redirect)]
            name = f"{options.name}-{item.host or 'any'}" + ("" if home == namespace else f"-{namespace}")
            for number, part in enumerate(batched(made)):
                bodies.append(_route(options, item.host, home, namespace, part, f"{name}-{number + 1}" if number else name))
            if home != namespace:
                granted.add(namespace)
    return [*(_grant(options, namespace) for namespace in sorted(granted)), *bodies]


def batched(rules: Sequence[Obj]) -> list[Sequence[Obj]]:
    """Rules in portions that one HTTPRoute takes."""
    return [rules[start : start + MOST_RULES] for start in range(0, len(rules), MOST_RULES)]


def _route(options: GatewayOptions, host: str, home: str, namespace: str, rules: Sequence[Obj], name: str) -> Obj:
    parent = {"name": options.name, **({} if home == options.namespace else {"namespace": options.namespace})}
    return {
        "apiVersion": VERSION, "kind": "HTTPRoute",
        "metadata": {"name": object_name(name), "namespace": home, "annotations": {ROUTES_IN: namespace}},
        "spec": {"parentRefs": [parent], **({"hostnames": [host]} if host else {}), "rules": list(rules)},
    }


def _rules(rule: PathRule, home: str, *, expressions: bool, redirect: bool) -> list[Obj]:
    backend = {"name": rule.backend.service, "port": rule.backend.port}
    if rule.backend.namespace != home:
        backend["namespace"] = rule.backend.namespace
    path = gateway_match(rule, expressions=expressions)
    leads = {"matches": [{"path": path}], "backendRefs": [backend]}
    if not redirect:
        return [leads]
    # A redirect in this API does not look at how the client came; the header that the load balancer sets does.
    clear = {"path": path, "headers": [{"type": "Exact", "name": "X-Forwarded-Proto", "value": "http"}]}
    answer = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}
    return [{"matches": [clear], "filters": [answer]}, leads]


def _grant(options: GatewayOptions, namespace: str) -> Obj:
    name = object_name(f"{options.name}-{options.namespace}")
    return {
        "apiVersion": f"{GROUP}/v1beta1", "kind": "ReferenceGrant",
        "metadata": {"name": name, "namespace": namespace, "annotations": {ROUTES_IN: namespace}},
        "spec": {
            "from": [{"group": GROUP, "kind": "HTTPRoute", "namespace": options.namespace}],
            "to": [{"group": "", "kind": "Service"}],
        },
    }
