# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Contour's controller was started with, and for which Gateway the provisioner made an Envoy."""

from __future__ import annotations

from dataclasses import dataclass

from ...kube.objects import Obj, argument, containers_of, labels_of, namespace_of, pod_template
from ..contract.instances import Neighbours
from ..kit.recognition import programs_of

OWNER = "projectcontour.io/owning-gateway-name"


@dataclass(frozen=True)
class Settings:
    """``class_names`` are those that it serves, none for its default. ``gateway`` is the only one that it serves, empty for all."""

    class_names: tuple[str, ...] = ()
    gateway: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names are compared; without the option it serves "contour" and what names no class."""
        return () if self.gateway else self.class_names or ("contour",)


def read_settings(workload: Obj, container: Obj, near: Neighbours) -> Settings:
    """Settings of the controller in the same namespace, and the Envoy's own label."""
    beside = (item for one in near.workloads_in(namespace_of(workload)) for item in containers_of(pod_template(one)))
    serving = (item for item in beside if {"contour", "serve"} <= set(programs_of(item)))
    names = (argument(next(serving, {}), "ingress-class-name") or "").split(",")
    gateway = labels_of(workload).get(OWNER) or labels_of(pod_template(workload)).get(OWNER, "")
    return Settings(tuple(item.strip() for item in names if item.strip()), gateway)
