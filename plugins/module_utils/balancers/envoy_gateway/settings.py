# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Envoy Gateway's operator was configured with, and which Gateways one of its workloads is made for."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.model import replace
from ...istio.settings import SettingsKey
from ...kube.objects import Obj, dig, name_of, namespace_of
from ...kube.shapes import shape
from ..contract.instances import Neighbours
from ..kit.recognition import workload_labels
from ..kit.settings import told_beside

OWNER = "gateway.envoyproxy.io/owning-gateway"
SETTINGS = SettingsKey("", "envoy-gateway.yaml", shape("gateway{controllerName}"))
"""The operator's configuration, in a ConfigMap of any name."""


@dataclass(frozen=True)
class Settings:
    """``gateway`` is the namespace and the name of the one for which a workload is made, ``class_name`` the class of merged ones."""

    controller: str = "gateway.envoyproxy.io/gatewayclass-controller"
    gateway: tuple[str, str] = ("", "")
    class_name: str = ""
    extended: bool = False

    def carries(self, gateway: Obj) -> bool:
        """Whether the workload is made for a Gateway; for all where nothing says for which."""
        if self.class_name:
            return bool(dig(gateway, "spec", "gatewayClassName") == self.class_name)
        return not self.gateway[1] or (namespace_of(gateway), name_of(gateway)) == self.gateway


def owners_of(workload: Obj) -> Settings:
    """What the operator wrote on a workload."""
    labels = workload_labels(workload)
    gateway = labels.get(f"{OWNER}-namespace", ""), labels.get(f"{OWNER}-name", "")
    return Settings(gateway=gateway, class_name=labels.get(f"{OWNER}class", ""))


def read_settings(workload: Obj, container: Obj, near: Neighbours) -> Settings:
    """What the workload is made for, by the operator whose chart keeps its controller's name in a ConfigMap beside it."""
    names = (dig(item.values, "gateway", "controllerName") for item in told_beside(workload, near, SETTINGS))
    found, name = owners_of(workload), next(filter(None, names), "")
    return replace(found, controller=name) if name else found
