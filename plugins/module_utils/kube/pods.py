# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods: indexes of them, those of a workload, and the ports of their containers."""

from __future__ import annotations

from collections.abc import Iterator

from . import kinds
from .objects import Obj, dig, labels_of, name_of, namespace_of
from .selectors import object_selector
from .snapshot import Snapshot

_GONE_PHASES = frozenset({"Succeeded", "Failed"})


def by_label(pod: Obj) -> Iterator[tuple[str, str, str]]:
    """Index of Pods by namespace and single label."""
    if dig(pod, "status", "phase") not in _GONE_PHASES:
        for key, value in labels_of(pod).items():
            yield (namespace_of(pod), key, value)


def by_namespace(obj: Obj) -> tuple[str, ...]:
    """Index of namespaced objects by namespace."""
    return (namespace_of(obj),)


def pods_by_ip(pod: Obj) -> Iterator[str]:
    """Index of Pods by address."""
    for item in dig(pod, "status", "podIPs", default=[]) or [{"ip": dig(pod, "status", "podIP", default="")}]:
        if item.get("ip") and dig(pod, "status", "phase") not in _GONE_PHASES:
            yield str(item["ip"])


def workload_pods(snapshot: Snapshot, workload: Obj) -> list[Obj]:
    """Running pods of a workload, told by its selector and, where pods carry one, by their owner's name."""
    selector = object_selector(dig(workload, "spec", "selector"))
    name = name_of(workload)
    found = []
    for pod in snapshot.lookup(kinds.POD, by_namespace, namespace_of(workload)):
        if dig(pod, "status", "phase") in _GONE_PHASES or not selector.matches(labels_of(pod)):
            continue
        owner = next((item for item in dig(pod, "metadata", "ownerReferences", default=[]) if item.get("controller")), None)
        if owner is None or owner.get("name") == name or str(owner.get("name", "")).rpartition("-")[0] == name:
            found.append(pod)
    return found


def container_port(pod: Obj, target: int | str) -> int:
    """The number of a target port in a pod; 0 where a name is not one of its containers' ports."""
    if isinstance(target, int) or str(target).isdigit():
        return int(target)
    for container in dig(pod, "spec", "containers", default=[]):
        for port in container.get("ports") or []:
            if port.get("name") == target:
                return int(port.get("containerPort", 0))
    return 0
