# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ngrok's agents and the operator beside them were started with."""

from __future__ import annotations

from dataclasses import dataclass

from ...kube.objects import Obj, argument, containers_of, namespace_of, pod_template
from ..contract.instances import Neighbours
from ..kit.classes import default_controllers
from ..kit.recognition import claims_class, programs_of

STOCK_CONTROLLERS = ("k8s.ngrok.com/ingress-controller", "ngrok.com/ingress-controller")


@dataclass(frozen=True)
class Settings:
    """``controllers`` are those of its IngressClasses, ``default_class``: one of these is the cluster's default.

    ``namespace`` is the only one that it watches, empty for all.
    """

    controllers: tuple[str, ...] = STOCK_CONTROLLERS
    namespace: str = ""
    default_class: bool = False


def read_settings(workload: Obj, container: Obj, near: Neighbours) -> Settings:
    """Settings of an agent, and of the operator of its release; one of the stock names stands for both."""
    release = argument(container, "release-name")
    operators = (
        item for one in near.workloads_in(namespace_of(workload))
        for item in containers_of(pod_template(one)) if "api-manager" in programs_of(item) and argument(item, "release-name") == release
    )
    name = argument(next(operators, {}), "ingress-controller-name") or STOCK_CONTROLLERS[0]
    controllers = STOCK_CONTROLLERS if name in STOCK_CONTROLLERS else (name,)
    default_class = any(claims_class(controllers, item) for item in default_controllers(near.ingress_classes))
    return Settings(controllers, argument(container, "watch-namespace") or "", default_class)
