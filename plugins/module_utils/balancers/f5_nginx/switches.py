# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What F5's NGINX Ingress Controller can be told about its routes: annotations of Ingresses, fields of its own kinds."""

from __future__ import annotations

from typing import Any

from ...core.model import LoadBalancer
from ...core.writes import Field, Write, annotation, none_before
from ...kube import kinds
from ...kube.objects import Obj, dig, name_of, namespace_of
from ...kube.services import full_name
from ..contract.switches import PatchSet, Switches
from ..kit.declared import ServiceReference
from ..kit.patches import PatchBuilder, PatchTarget, by_object, is_older, on_targets
from .routes import USE_CLUSTER_IP, VIRTUAL_SERVER, VIRTUAL_SERVER_ROUTE, Step, steps, upstreams_of

_SINCE = (3, 5, 0)
_NO_HOST = "of an Ingress it always sends the client's Host; a VirtualServer can send another"


def to_service(load_balancer: LoadBalancer, targets: list[PatchTarget]) -> PatchSet:
    """Service routing of an Ingress, or of upstreams."""
    patches = PatchBuilder()
    for obj, listed in by_object(targets):
        if obj["kind"] == "Ingress":
            if is_older(load_balancer.version, *_SINCE):
                patches.refuse(f"use-cluster-ip of an Ingress came with 3.5.0, and this is {load_balancer.version}")
            # What reads the endpoints compares with this very word (internal/k8s/controller.go).
            patches.annotate(obj, USE_CLUSTER_IP, "true")
        else:
            _use_cluster_ip(patches, obj, _backends(listed))
    return patches.switch()


def send_hosts(load_balancer: LoadBalancer, targets: list[PatchTarget]) -> PatchSet:
    """The Host of each action that sends to a backend."""
    patches = PatchBuilder()
    for obj, listed in by_object(targets):
        if obj["kind"] == "Ingress":
            patches.refuse(_NO_HOST)
            continue
        for step in steps(obj):
            if step.pool.backend in _backends(listed):
                _send_host(patches, obj, step, listed[0].domain)
    return patches.switch()


def _backends(targets: list[PatchTarget]) -> set[ServiceReference]:
    backends = (target.route.backend for target in targets)
    return {ServiceReference(backend.namespace, backend.service, backend.port) for backend in backends}


def _use_cluster_ip(patches: PatchBuilder, obj: Obj, backends: set[ServiceReference]) -> None:
    for number, upstream in enumerate(dig(obj, "spec", "upstreams", default=[])):
        pool = upstreams_of(obj).get(str(upstream.get("name", "")))
        if pool is None or pool.backend not in backends:
            continue
        if upstream.get("subselector"):
            patches.refuse(
                f"upstream {upstream.get('name')} of {obj['kind']} {namespace_of(obj)}/{name_of(obj)} "
                "selects pods itself (subselector), which excludes use-cluster-ip"
            )
        patches.want(obj, ("spec", "upstreams", number, "use-cluster-ip"), True)


def _send_host(patches: PatchBuilder, obj: Obj, step: Step, domain: str) -> None:
    """An action has one of pass and proxy, and only proxy can set headers, so a plain pass becomes a proxy."""
    name = full_name(step.pool.backend.namespace, step.pool.backend.service, domain)
    if step.host is not None:
        if step.host != name:
            patches.conflict(obj, f"the action for {step.path} sends Host {step.host!r}, the plan needs {name!r}")
        return
    patches.write(obj, step.where, _sending(step.action, name))


def _sending(action: Obj, host: str) -> Obj:
    proxy = dict(action.get("proxy") or {"upstream": action.get("pass")})
    headers = dict(proxy.get("requestHeaders") or {})
    headers["set"] = [*(headers.get("set") or []), {"name": "Host", "value": host}]
    rest = {key: value for key, value in action.items() if key not in ("pass", "proxy")}
    return {**rest, "proxy": {**proxy, "requestHeaders": headers}}


def _not_sending(value: Any, was: Any) -> bool:
    """What an action may have been before: one that the Host was added to."""
    added = dig(value, "proxy", "requestHeaders", "set", default=[])
    if not isinstance(was, dict) or not isinstance(added, list) or not isinstance(was.get("proxy") or {}, dict):
        return False
    headers = dig(was, "proxy", "requestHeaders", default={})
    if not isinstance(headers, dict) or not isinstance(headers.get("set") or [], list):
        return False
    return bool(_sending(was, str(dig(added, -1, "value", default=""))) == value)


_BRANCHES = ("action", "splits/*/action", "matches/*/action", "matches/*/splits/*/action")
_ROUTES = {VIRTUAL_SERVER: "routes", VIRTUAL_SERVER_ROUTE: "subroutes"}
WRITES = (
    Write(kinds.INGRESS, (annotation(USE_CLUSTER_IP, none_before),), why="Service routing"),
    *(
        Write(kind, (
            Field("/spec/upstreams/*/use-cluster-ip", none_before),
            *(Field(f"/spec/{key}/*/{branch}", _not_sending) for branch in _BRANCHES),
        ), why="Service routing, and the Host that is sent") for kind, key in _ROUTES.items()
    ),
)  # fmt: skip
SWITCHES = Switches(to_service=on_targets(to_service), host=on_targets(send_hosts), writes=WRITES)
