# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway's side of a chain: the Gateway and its routes in the API that was chosen, and what its Service and its pods need."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...balancers.contract.chain import ChainRequest, ChainSide, ClientAddress, LoadBalancerSide, ServiceNeeds
from ...balancers.contract.switches import FieldPatch
from ...core.findings import finding, value_details
from ...core.model import ABSENT, Finding
from ...kube.json_text import json_map
from ...kube.objects import Obj, containers_of, dig, pod_template, ref_of, value_at
from . import gateway_api, istio_api
from .carry import HostRules
from .client import ANNOTATION, wanted_annotation
from .options import ChainPlanOptions
from .surroundings import Surroundings
from .target import GatewayState, takes_routes_from

_RANK = {"ClusterIP": 0, "NodePort": 1, "LoadBalancer": 2}


@dataclass(frozen=True)
class Side:
    """``bodies`` make the gateway, ``routes`` its routing; ``patches`` are fields of what is there already."""

    bodies: tuple[Obj, ...] = ()
    routes: tuple[Obj, ...] = ()
    patches: tuple[FieldPatch, ...] = ()
    findings: tuple[Finding, ...] = ()


def gateway_side(
    around: Surroundings, own: ChainSide, options: ChainPlanOptions, request: ChainRequest,
    client: ClientAddress, front: LoadBalancerSide, hosts: Sequence[HostRules],
) -> Side:
    """All of the gateway's side; nothing of it where the gateway is missing, or where nobody is led to it."""
    state = around.state
    if state.trouble or not hosts:
        return Side()
    redirect = options.https_redirect and not own.facts.redirects
    sent = own.server_name(request)
    any_name = state.target.tls and (sent == "never" or (sent == "settable" and not options.gateway.server_name))
    if options.gateway.api == "istio":
        made = _in_istio(options, state, hosts, any_name=any_name, redirect=redirect)
    else:
        made = _in_gateway_api(around, options, client, front, hosts, any_name=any_name, redirect=redirect)
    if options.gateway.api == "gateway_api" and state.configured is None:
        return made
    patches, findings = _settings(around, client, front)
    return Side(made.bodies, made.routes, patches, findings)


def _in_istio(options: ChainPlanOptions, state: GatewayState, hosts: Sequence[HostRules], *, any_name: bool, redirect: bool) -> Side:
    routes = tuple(istio_api.virtual_services(options.gateway, hosts, state.target.domain))
    if state.configured is not None:
        return Side((), routes)
    names = [item.host for item in hosts]
    body = istio_api.gateway_body(
        state.target, options.gateway, dict(state.selector), names, any_name=any_name, redirect=redirect
    )
    return Side((body,), routes)


def _in_gateway_api(
    around: Surroundings, options: ChainPlanOptions, client: ClientAddress, front: LoadBalancerSide, hosts: Sequence[HostRules], *,
    any_name: bool, redirect: bool,
) -> Side:
    namespaces = sorted({rule.backend.namespace for item in hosts for rule in item.rules})
    state, configured = around.state, around.state.configured

    def allows(namespace: str) -> bool:
        return configured is None or takes_routes_from(configured, namespace, around.namespace_labels.get(namespace, {}))

    routes = tuple(gateway_api.route_bodies(options.gateway, hosts, allows, redirect=redirect))
    if configured is not None:
        return Side((), routes)
    annotation, findings = wanted_annotation(around.topology, None, None, client, {})
    bodies = gateway_api.gateway_bodies(
        state.target, options.gateway, namespaces, [item.host for item in hosts], front.service, any_name=any_name,
        annotations={ANNOTATION: annotation} if annotation else {}, environment=front.environment,
    )
    return Side(tuple(bodies), routes, (), tuple(findings))


def _settings(
    around: Surroundings, client: ClientAddress, front: LoadBalancerSide,
) -> tuple[tuple[FieldPatch, ...], tuple[Finding, ...]]:
    """What a gateway that is there already has to be told."""
    patches: list[FieldPatch] = []
    state = around.state
    holder, path = _annotated(state)
    present = value_at(holder, path) if holder else ABSENT
    metadata = {} if state.deployed else dict(front.environment)
    value, findings = wanted_annotation(around.topology, holder, None if present is ABSENT else str(present), client, metadata)
    unset = _unset(state, front)
    if state.deployed and unset:
        text = f"{', '.join(unset)} is not in its pods' environment: set it by a ConfigMap in spec.infrastructure.parametersRef"
        findings.append(finding("MLB609", text, ref_of(holder or {}), details={"environment": unset}))
    if value is not None and holder is not None:
        patches.append(FieldPatch(holder, path, value))
    more, about = _service_patches(state, front.service)
    return (*patches, *more), (*findings, *about)


def _unset(state: GatewayState, front: LoadBalancerSide) -> list[str]:
    """Variables that the gateway's pods need and do not have. Istio takes them over from an overlay, never from an annotation."""
    there = {
        (item.get("name"), str(item.get("value")))
        for container in containers_of(pod_template(state.workload or {})) for item in container.get("env") or []
    }
    return [f"{name}={value}" for name, value in front.environment if (name, value) not in there]


def _annotated(state: GatewayState) -> tuple[Obj | None, tuple[str, ...]]:
    """Where the gateway's pods get an annotation from."""
    if state.deployed and state.configured is not None and "infrastructure" in dig(state.configured, "spec", default={}):
        return state.configured, ("spec", "infrastructure", "annotations", ANNOTATION)
    if state.deployed and state.configured is not None:
        # Without spec.infrastructure Istio copies the Gateway's own annotations.
        return state.configured, ("metadata", "annotations", ANNOTATION)
    return state.workload, ("spec", "template", "metadata", "annotations", ANNOTATION)


def _service_patches(state: GatewayState, needs: ServiceNeeds) -> tuple[list[FieldPatch], list[Finding]]:
    service = state.service
    if service is None:
        return [], []
    patches, findings = [], []
    wanted: list[tuple[tuple[str | int, ...], object]] = [
        (("metadata", "annotations", key), value) for key, value in needs.annotations
    ]
    wanted += [(("spec", *path), value) for path, value in needs.fields]
    if needs.app_protocol:
        wanted += [(path, needs.app_protocol) for path in _protocol_paths(service, state.target.port)]
    for path, value in wanted:
        present = value_at(service, path)
        merged = _merged(present, value)
        if present is ABSENT or path[-1] == "externalTrafficPolicy":
            patches += [FieldPatch(service, path, value)] if present != value else []
        elif merged is None:
            name = ".".join(map(str, path))
            message = f"{name} is {present!r}, and {value!r} is needed"
            findings.append(finding("MLB609", message, ref_of(service), details=value_details(name, present, value)))
        elif merged != present:
            patches.append(FieldPatch(service, path, merged))
    kind = str(dig(service, "spec", "type", default="ClusterIP"))
    if _RANK.get(kind, 0) < _RANK[needs.type]:
        patches.append(FieldPatch(service, ("spec", "type"), needs.type))
    return patches, findings


def _merged(present: object, value: object) -> object:
    """What holds both values, ``None`` where they differ; an annotation that is a JSON map keeps the keys that it has."""
    if present == value:
        return present
    old, new = json_map(str(present)), json_map(str(value))
    if old is None or new is None or any(old.get(key, new[key]) != new[key] for key in new):
        return None
    return present if all(key in old for key in new) else json.dumps({**old, **new})


def _protocol_paths(service: Obj, number: int) -> Iterable[tuple[str | int, ...]]:
    for place, port in enumerate(dig(service, "spec", "ports", default=[])):
        if port.get("port") == number:
            yield ("spec", "ports", place, "appProtocol")
