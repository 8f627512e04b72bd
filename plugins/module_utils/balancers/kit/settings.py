# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Typed settings of an instance, and reading them from command lines, environments and ConfigMaps."""

from __future__ import annotations

from typing import TypeVar

from ...core.model import LoadBalancer
from ...kube import kinds
from ...kube.objects import Obj, dig
from ...kube.snapshot import Snapshot

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


def config_map_data(snapshot: Snapshot, reference: str) -> dict[str, str]:
    """The data of the ConfigMap that ``namespace/name`` means, empty where there is none."""
    namespace, slash, name = reference.partition("/")
    found = snapshot.get(kinds.CONFIG_MAP, namespace, name) if slash else None
    return {key: str(value) for key, value in dig(found, "data", default={}).items()}
