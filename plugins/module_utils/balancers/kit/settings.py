# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Typed settings of an instance, and reading them from command lines, environments and ConfigMaps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from ...core.model import LoadBalancer
from ...istio.settings import SettingsKey, Told, told
from ...kube import kinds
from ...kube.objects import Obj, argument, dig, name_of, namespace_of, pod_template
from ...kube.pods import by_namespace
from ...kube.snapshot import Snapshot, Unreadable
from ..contract.instances import Neighbours, SettingsMaps
from .gateway.names import GATEWAY

S = TypeVar("S")


def settings_of(load_balancer: LoadBalancer, kind: type[S]) -> S:
    """What an instance was started with; the defaults where it was not read by its own profile."""
    found = load_balancer.settings
    return found if isinstance(found, kind) else kind()


def variable(container: Obj, name: str) -> str:
    """The value of an environment variable, empty where it is not set or not written down."""
    return next((str(item.get("value", "")) for item in container.get("env") or [] if item.get("name") == name), "")


def in_namespace(text: str, namespace: str) -> str:
    """A flag's value with the pod's own namespace filled in."""
    return text.replace("$(POD_NAMESPACE)", namespace)


def flag_value(workload: Obj, container: Obj, name: str) -> str:
    """A flag's value with the pod's own namespace filled in, empty where the flag is absent."""
    return in_namespace(argument(container, name) or "", namespace_of(workload))


def config_maps_of_flags(*flags: str, own_namespace: bool = False) -> SettingsMaps:
    """The namespaces of the ConfigMaps that flags name as ``namespace/name``, and with ``own_namespace`` the workload's."""

    def namespaces(workload: Obj, container: Obj) -> set[str]:
        references = (flag_value(workload, container, flag) for flag in flags)
        own = {namespace_of(workload)} if own_namespace else set()
        return own | {reference.partition("/")[0] for reference in references if "/" in reference}

    return SettingsMaps(namespaces)


def told_beside(workload: Obj, near: Neighbours, where: SettingsKey, ours: Callable[[Obj], bool] = lambda user: True) -> Iterator[Told]:
    """What the ConfigMaps of a workload's namespace say that have a key. Those that only others mount (not ``ours``) are theirs."""
    namespace = namespace_of(workload)
    mounting: dict[str, list[Obj]] = {}
    for user in near.workloads_in(namespace):
        for name in _mounted(user):
            mounting.setdefault(name, []).append(user)
    for item in near.config_maps_in(namespace):
        users = mounting.get(name_of(item), [])
        if not users or any(map(ours, users)):
            yield told(item, where)


def maps_beside(where: SettingsKey, ours: Callable[[Obj], bool] = lambda user: True) -> SettingsMaps:
    """The ConfigMaps of a workload's namespace, of which those that have a key hold settings (:func:`told_beside`)."""

    def misread(workload: Obj, container: Obj, near: Neighbours) -> Iterator[Unreadable]:
        yield from (item.misread for item in told_beside(workload, near, where, ours) if item.misread is not None)

    return SettingsMaps(lambda workload, container: {namespace_of(workload)}, misread)


def _mounted(workload: Obj) -> Iterator[str]:
    for volume in dig(pod_template(workload), "spec", "volumes", default=[]):
        yield from (str(item.get("name", "")) for item in config_maps_of(volume))


def config_maps_of(volume: Obj) -> list[Obj]:
    """The ConfigMaps that a pod's volume consists of, as it names them."""
    sources = [volume, *dig(volume, "projected", "sources", default=[])]
    return [item["configMap"] for item in sources if item.get("configMap")]


def neighbours_of(snapshot: Snapshot) -> Neighbours:
    """What settings may depend on, as a snapshot has it."""
    def workloads_in(namespace: str) -> list[Obj]:
        return [item for kind in kinds.WORKLOADS for item in snapshot.lookup(kind, by_namespace, namespace)]

    def config_maps_in(namespace: str) -> list[Obj]:
        return list(snapshot.lookup(kinds.CONFIG_MAP, by_namespace, namespace))

    workloads = (item for kind in kinds.WORKLOADS for item in snapshot.all(kind))
    others = (tuple(snapshot.all(kind)) for kind in (kinds.NAMESPACE, kinds.INGRESS_CLASS, GATEWAY))
    return Neighbours(snapshot.get, workloads_in, config_maps_in, tuple(workloads), *others)


def config_map_data(near: Neighbours, reference: str) -> dict[str, str]:
    """The data of the ConfigMap that ``namespace/name`` means, empty where there is none."""
    namespace, slash, name = reference.partition("/")
    found = near.named(kinds.CONFIG_MAP, namespace, name) if slash else None
    return {key: str(value) for key, value in dig(found, "data", default={}).items()}
