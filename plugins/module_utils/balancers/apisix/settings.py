# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What APISIX's ingress controller was started with."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...kube.objects import Obj, dig, namespace_of
from ..contract.instances import Neighbours
from ..kit.classes import default_controllers

CONTROLLER = "apisix.apache.org/apisix-ingress-controller"


@dataclass(frozen=True)
class Settings:
    """``controller`` is its name in classes; ``default_class``: a class of its own is the cluster's default."""

    controller: str = CONTROLLER
    default_class: bool = False


def read_settings(workload: Obj, container: Obj, near: Neighbours) -> Settings:
    """The controller's configuration is in a ConfigMap of the data plane's namespace."""
    texts = (
        str(dig(item, "data", "config.yaml", default="")) for item in near.config_maps_in(namespace_of(workload))
    )
    names = (re.search(r"^controller_name:\s*[\"']?([^\s\"'#]+)", text, re.MULTILINE) for text in texts)
    controller = next((name[1] for name in names if name), CONTROLLER)
    return Settings(controller, controller in default_controllers(near.ingress_classes))
