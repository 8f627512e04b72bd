# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What APISIX's ingress controller was started with."""

from __future__ import annotations

from dataclasses import dataclass

from ...istio.settings import SettingsKey
from ...kube.objects import Obj, containers_of, pod_template
from ...kube.shapes import shape
from ..contract.instances import Neighbours
from ..kit.classes import default_controllers
from ..kit.settings import told_beside

CONTROLLER = "apisix.apache.org/apisix-ingress-controller"
SETTINGS = SettingsKey("", "config.yaml", shape("controller_name"))
"""The controller's configuration, in a ConfigMap of any name."""


@dataclass(frozen=True)
class Settings:
    """``controller`` is its name in classes; ``default_class``: a class of its own is the cluster's default."""

    controller: str = CONTROLLER
    default_class: bool = False


def read_settings(workload: Obj, container: Obj, near: Neighbours) -> Settings:
    """The controller's configuration is in a ConfigMap of the data plane's namespace."""
    names = (item.values.get("controller_name") for item in told_beside(workload, near, SETTINGS, is_ours))
    controller = next(filter(None, names), CONTROLLER)
    return Settings(controller, controller in default_controllers(near.ingress_classes))


def is_ours(workload: Obj) -> bool:
    """Whether a workload is of APISIX: others may have a configuration of the same name."""
    return any("apisix" in str(item.get("image", "")) for item in containers_of(pod_template(workload)))
