# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Kong's ingress controller was started with, and what its own class's parameters say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...kube import kinds
from ...kube.default_class import is_default_class
from ...kube.objects import Obj, argument, containers_of, dig, image_name, name_of, namespace_of, pod_template
from ..contract.instances import Neighbours
from ..kit.recognition import version_of
from ..kit.settings import variable

PARAMETERS = "IngressClassParameters.configuration.konghq.com"


@dataclass(frozen=True)
class Settings:
    """``class_name`` is empty where no controller was found. ``class_wide``: its class turns Service routing on for all that it serves.

    ``default_class``: its class is the cluster's default one. ``version`` is the controller's.
    """

    class_name: str = ""
    version: str = ""
    class_wide: bool = False
    default_class: bool = False

    @property
    def classes(self) -> tuple[str, ...]:
        """The one class that the controller was told."""
        return (self.class_name,) if self.class_name else ()


def read_settings(workload: Obj, container: Obj, near: Neighbours) -> Settings:
    """Settings of the controller beside the proxy, or wherever it runs."""
    found = _controller(workload, near.workloads)
    if found is None:
        return Settings()
    name = argument(found, "ingress-class") or variable(found, "CONTROLLER_INGRESS_CLASS") or "kong"
    # The controller compares names; without a class object of that name its parameters are the defaults.
    own = near.named(kinds.INGRESS_CLASS, "", name) or {}
    return Settings(name, version_of(found), _class_wide(near, own), is_default_class(own))


def _class_wide(near: Neighbours, own: Obj) -> bool:
    parameters = dig(own, "spec", "parameters", default={})
    if (parameters.get("apiGroup"), parameters.get("kind")) != ("configuration.konghq.com", "IngressClassParameters"):
        return False
    held = near.named(PARAMETERS, str(parameters.get("namespace", "")), str(parameters.get("name", "")))
    return bool(dig(held, "spec", "serviceUpstream", default=False))


def _controller(workload: Obj, workloads: Iterable[Obj]) -> Obj | None:
    """The controller's container: beside the proxy, else in a workload of the same namespace, else the only one there is."""
    everywhere = [workload, *sorted(
        workloads, key=lambda item: (namespace_of(item) != namespace_of(workload), namespace_of(item), name_of(item)),
    )]  # fmt: skip
    containers = (container for item in everywhere for container in containers_of(pod_template(item)))
    return next(filter(is_controller, containers), None)


def is_controller(container: Obj) -> bool:
    """Whether a container is the ingress controller, by its image or by its settings."""
    image = image_name(str(container.get("image", "")))[0].rpartition("/")[2]
    variables = {str(item.get("name", "")) for item in container.get("env") or []}
    return image == "kubernetes-ingress-controller" or {"CONTROLLER_INGRESS_CLASS"} <= variables or any(
        name.startswith("CONTROLLER_KONG_ADMIN") for name in variables
    )
