# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one instance of a load balancer was started with, and where its pods get their labels from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ...core.model import Finding, LoadBalancer
from ...core.writes import Write
from ...kube.objects import Obj
from ...kube.snapshot import Snapshot, Unreadable


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


@dataclass(frozen=True)
class Neighbours:
    """What the cluster has besides a workload that its settings may depend on: all of some kinds, and objects that it names.

    ``named`` gives an object by kind key, namespace and name, ``workloads_in`` and ``config_maps_in`` give those of a namespace. ConfigMaps
    were read of some namespaces only (``InstanceReader.config_maps``). ``gateways`` are those of the Gateway API.
    """

    named: Callable[[str, str, str], Obj | None]
    workloads_in: Callable[[str], list[Obj]]
    config_maps_in: Callable[[str], list[Obj]]
    workloads: tuple[Obj, ...] = ()
    namespaces: tuple[Obj, ...] = ()
    ingress_classes: tuple[Obj, ...] = ()
    gateways: tuple[Obj, ...] = ()


def none_at_all(*_about: object) -> tuple[()]:
    """The answer of a part that knows of nothing."""
    return ()


def _no_settings(*_about: object) -> None:
    return None


def _workload_itself(workload: Obj, near: Neighbours) -> SidecarTarget:
    return SidecarTarget(workload)


@dataclass(frozen=True)
class SidecarPlace:
    """Where an instance's pods get labels and annotations, and the declaration of these fields where that is not the workload itself."""

    find: Callable[[Obj, Neighbours], SidecarTarget] = _workload_itself
    writes: tuple[Write, ...] = ()

    def __call__(self, workload: Obj, near: Neighbours) -> SidecarTarget:
        return self.find(workload, near)


@dataclass(frozen=True)
class SettingsMaps:
    """ConfigMaps with an instance's settings: the ``namespaces`` that they are in, and those whose text could not be read as a whole."""

    namespaces: Callable[[Obj, Obj], Iterable[str]] = none_at_all
    misread: Callable[[Obj, Obj, Neighbours], Iterable[Unreadable]] = none_at_all

    def __call__(self, workload: Obj, container: Obj) -> Iterable[str]:
        return self.namespaces(workload, container)


@dataclass(frozen=True)
class InstanceReader:
    """What can be said of one instance.

    ``settings`` gives what it was started with, as the load balancer's own dataclass, kept on :class:`core.model.LoadBalancer`: from its
    workload, the container that was recognised, and what else is there. ``config_maps`` says which ConfigMaps hold
    settings. ``classes`` gives the names of the classes that it serves, from the cluster's IngressClasses. ``notices`` are findings
    about the instance itself. ``sidecar_target`` says where its pods get labels and annotations. ``blockers`` gives reasons of its own
    why a sidecar beside this workload is impossible or would not help. ``shares_classes``: several workloads serve one class, each for
    objects of its own, so that nothing is served twice.
    """

    settings: Callable[[Obj, Obj, Neighbours], Any] = _no_settings
    config_maps: SettingsMaps = SettingsMaps()
    classes: Callable[[LoadBalancer, Iterable[Obj]], tuple[str, ...]] = none_at_all
    notices: Callable[[Snapshot, LoadBalancer], tuple[Finding, ...]] = none_at_all
    sidecar_target: SidecarPlace = SidecarPlace()
    blockers: Callable[[Obj], tuple[str, ...]] = none_at_all
    shares_classes: bool = False
