# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What F5's NGINX Ingress Controller can be told about its routes: annotations of Ingresses, fields of its own kinds."""

from __future__ import annotations

from ...core.model import LoadBalancer
from ...kube.objects import Obj, dig, name_of, namespace_of
from ..contract.switches import PatchSet, Switches
from ..kit.declared import ServiceReference
from ..kit.patches import PatchBuilder, PatchTarget, by_object, is_older, mesh_name, on_targets
from .routes import USE_CLUSTER_IP, Step, steps, upstreams_of

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
                _send_host(patches, obj, step)
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


def _send_host(patches: PatchBuilder, obj: Obj, step: Step) -> None:
    """An action has one of pass and proxy, and only proxy can set headers, so a plain pass becomes a proxy."""
    name = mesh_name(step.pool.backend.namespace, step.pool.backend.service)
    if step.host is not None:
        if step.host != name:
            patches.conflict(obj, f"the action for {step.path} sends Host {step.host!r}, the plan needs {name!r}")
        return
    proxy = dict(step.action.get("proxy") or {"upstream": step.action.get("pass")})
    headers = dict(proxy.get("requestHeaders") or {})
    headers["set"] = [*(headers.get("set") or []), {"name": "Host", "value": name}]
    rest = {key: value for key, value in step.action.items() if key not in ("pass", "proxy")}
    patches.write(obj, step.where, {**rest, "proxy": {**proxy, "requestHeaders": headers}})


SWITCHES = Switches(to_service=on_targets(to_service), host=on_targets(send_hosts))
