# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a load balancer's pod template needs so that its pods get a sidecar that leaves inbound traffic alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..balancers.contract.instances import SidecarTarget
from ..balancers.kit.writes import pod_fields
from ..core.errors import MeshlbError
from ..core.interception import EXCLUDE_INBOUND_PORTS, INCLUDE_INBOUND_PORTS
from ..core.model import ABSENT, LoadBalancer
from ..core.writes import Write
from ..istio.injection import INJECT, INJECTION, REVISION, TLS_MODE
from ..istio.proxy_config import PROXY_CONFIG, USUAL_GRACE, outliving
from ..kube import kinds
from ..kube.objects import Obj, dig, kind_key, labels_of, name_of, namespace_of, pod_template
from ..kube.selectors import object_selector

MODE = "standalone_mtls"
CHAINED = "Chained mode (this load balancer in front of an Istio gateway) needs no sidecar."

WRITES = tuple(
    Write(kind, pod_fields("/spec/template/metadata"), place="load_balancer", why="the sidecar") for kind in kinds.WORKLOADS
)
"""What is set on the workload itself; profiles declare other objects from which an operator makes pods."""
Desired = dict["tuple[str | int, ...]", Any]


def workload_for(load_balancer: LoadBalancer, workload: Obj | None) -> Obj:
    """The workload that gets the sidecar, if it is there. Raises :class:`MeshlbError` with the exact reason where it cannot get one."""
    ref = load_balancer.workload
    if workload is None or ref is None:
        raise refused(load_balancer, ["no workload of it is in the cluster"])
    if kind_key(ref.api_version, ref.kind) not in kinds.WORKLOADS:
        raise refused(load_balancer, [f"a {ref.kind} is not started anew when it changes"])
    mode = load_balancer.mode(MODE)
    if not mode.supported:
        raise refused(load_balancer, list(mode.blockers) or [mode.why])
    return workload


def refused(load_balancer: LoadBalancer, reasons: list[str]) -> MeshlbError:
    """The error (of the sort of finding MLB301) that names every reason."""
    details = {"code": "MLB301", "blockers": reasons}
    message = f"{load_balancer.title} {load_balancer.label} cannot get a sidecar: {'; '.join(reasons)}."
    return MeshlbError(message, CHAINED, load_balancer.workload, details)


def usable(load_balancer: LoadBalancer, target: SidecarTarget) -> SidecarTarget:
    """Where the pods get their labels and annotations. Raises :class:`MeshlbError` where there is no such place."""
    if target.refusal:
        raise refused(load_balancer, [target.refusal])
    return target


@dataclass(frozen=True)
class Injection:
    """What decides whether pods get a sidecar: webhooks that inject (none where they are not known), and their namespace's labels."""

    hooks: tuple[Obj, ...] = ()
    namespace: Mapping[str, str] = field(default_factory=dict)


def desired_fields(
    injection: Injection, load_balancer: LoadBalancer, workload: Obj, inbound_capture: str, target: SidecarTarget | None = None
) -> Desired:
    """Fields of the target (the workload itself where none is given), by path. ``inbound_capture`` is ``none`` or ``all``.

    Raises :class:`MeshlbError` where no injector's selectors can be met by labelling the pods.
    """
    target = target or SidecarTarget(workload)
    labels, annotations = target.labels_path, target.annotations_path
    desired: Desired = {(*labels, key): value for key, value in _injection_labels(injection, load_balancer, workload).items()}
    desired.update({(*annotations, key): value for key, value in target.annotations})
    config, dummy = outliving(*_proxy_settings(workload, target))
    desired.update({(*annotations, PROXY_CONFIG): config} if config else {})
    if inbound_capture == "none":
        # Present and empty: an absent annotation means all ports.
        desired[(*annotations, INCLUDE_INBOUND_PORTS)] = ""
        # The sidecar does not take inbound connections, so nobody in the mesh may send it mutual TLS.
        desired[(*labels, TLS_MODE)] = "disabled"
        return desired
    desired[(*annotations, INCLUDE_INBOUND_PORTS)] = ABSENT
    desired[(*annotations, EXCLUDE_INBOUND_PORTS)] = ABSENT
    if dig(target.object, *labels, TLS_MODE) == "disabled":
        desired[(*labels, TLS_MODE)] = ABSENT
    return desired


def against_outliving(workload: Obj, target: SidecarTarget) -> str:
    """What keeps the proxy from starting before the pod's containers, or from outliving them: a part of a sentence, or nothing."""
    return outliving(*_proxy_settings(workload, target))[1]


def _proxy_settings(workload: Obj, target: SidecarTarget) -> tuple[Any, int]:
    grace = dig(pod_template(workload), "spec", "terminationGracePeriodSeconds", default=USUAL_GRACE)
    return dig(target.object, *target.annotations_path, PROXY_CONFIG), grace if isinstance(grace, int) else USUAL_GRACE


def _injection_labels(injection: Injection, load_balancer: LoadBalancer, workload: Obj) -> dict[str, str]:
    """The labels that make an injector take the pods. The pod's label wins over its annotation and its namespace."""
    asked = {INJECT: "true"}
    hooks, namespace = injection.hooks, injection.namespace
    if not hooks:
        return asked  # read from manifests, or webhooks may not be read: the usual way
    own = labels_of(pod_template(workload))
    revisions = sorted(set(_revisions(hooks)), key=lambda item: (item != "default", item))
    for labels in [asked, *({**asked, REVISION: revision} for revision in revisions)]:
        if any(selected(hook, namespace, {**own, **labels}) for hook in hooks):
            _demand_one_revision(load_balancer, labels, revisions)
            return labels
    raise refused(load_balancer, [_why_not(namespace_of(workload), namespace)])


def _demand_one_revision(load_balancer: LoadBalancer, labels: dict[str, str], revisions: list[str]) -> None:
    if REVISION in labels and len(revisions) > 1 and labels[REVISION] != "default":
        reason = f"there is no default injector, and several revisions to choose from ({', '.join(revisions)})"
        error = refused(load_balancer, [reason])
        error.hint = f"Label the namespace with {REVISION} and the revision that its pods are to use."
        raise error


def _why_not(name: str, labels: Mapping[str, str]) -> str:
    for key in (INJECTION, REVISION):
        if key in labels:
            return f"namespace {name} is labelled {key}={labels[key]}, for which no injector is registered"
    return f"no registered injector selects pods of namespace {name}"


def injector_hooks(configurations: Iterable[Obj]) -> Iterator[Obj]:
    """The webhooks that inject sidecars, out of the cluster's webhook configurations."""
    for item in sorted(configurations, key=name_of):
        for hook in item.get("webhooks") or []:
            target = dig(hook, "clientConfig", default={})
            if "/inject" in str(dig(target, "service", "path", default=target.get("url", ""))):
                yield hook


def selected(hook: Obj, namespace: Mapping[str, str], pod: Mapping[str, str]) -> bool:
    """Whether a webhook is called for a pod with these labels in a namespace with those; no selector selects all."""
    selectors = ((hook.get("namespaceSelector"), namespace), (hook.get("objectSelector"), pod))
    return all(object_selector(selector or {}).matches(labels) for selector, labels in selectors)


def _revisions(hooks: Iterable[Obj]) -> Iterator[str]:
    for hook in hooks:
        for name in ("objectSelector", "namespaceSelector"):
            for item in object_selector(hook.get(name)).requirements:
                if (item.key, item.operator) == (REVISION, "In"):
                    yield from map(str, filter(None, item.values))
