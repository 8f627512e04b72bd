# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one instance of a load balancer was started with, and where its pods get their labels from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ...core.model import Finding, LoadBalancer
from ...kube.objects import Obj
from ...kube.snapshot import Snapshot


@dataclass(frozen=True)
class SidecarTarget:
    """Where a load balancer's pods are labelled and annotated: its workload, or the object from which an operator makes it.

    ``annotations`` are those that its sidecar needs besides the usual ones (ports of its own control plane, say).
    ``refusal`` says why there is no such place.
    """

    object: Obj
    labels_path: tuple[str | int, ...] = ("spec", "template", "metadata", "labels")
    annotations_path: tuple[str | int, ...] = ("spec", "template", "metadata", "annotations")
    annotations: tuple[tuple[str, str], ...] = ()
    refusal: str = ""


def _no_settings(snapshot: Snapshot, workload: Obj, container: Obj) -> Any:
    return None


def _no_namespaces(workload: Obj, container: Obj) -> Iterable[str]:
    return ()


def _no_classes(snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[str, ...]:
    return ()


def _no_notices(snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[Finding, ...]:
    return ()


def _workload_itself(snapshot: Snapshot, workload: Obj) -> SidecarTarget:
    return SidecarTarget(workload)


def _no_blockers(workload: Obj) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True)
class InstanceReader:
    """What can be said of one instance.

    ``settings`` gives what it was started with, as the load balancer's own dataclass, kept on :class:`core.model.LoadBalancer`.
    ``config_maps`` gives the namespaces whose ConfigMaps hold settings.
    ``classes`` gives the names of the classes that it serves. ``notices`` are
    findings about the instance itself. ``sidecar_target`` says where its pods get labels and annotations. ``blockers`` gives reasons
    of its own why a sidecar beside this workload is impossible or would not help. ``shares_classes``: several workloads serve one class,
    each for objects of its own, so that nothing is served twice.
    """

    settings: Callable[[Snapshot, Obj, Obj], Any] = _no_settings
    config_maps: Callable[[Obj, Obj], Iterable[str]] = _no_namespaces
    classes: Callable[[Snapshot, LoadBalancer], tuple[str, ...]] = _no_classes
    notices: Callable[[Snapshot, LoadBalancer], tuple[Finding, ...]] = _no_notices
    sidecar_target: Callable[[Snapshot, Obj], SidecarTarget] = _workload_itself
    blockers: Callable[[Obj], tuple[str, ...]] = _no_blockers
    shares_classes: bool = False
