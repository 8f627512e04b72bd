# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What F5's NGINX Ingress Controller was started with."""

from __future__ import annotations

from dataclasses import dataclass

from ...kube.objects import Obj, argument
from ..contract.instances import Neighbours
from ..kit.annotations import flag_is_on
from ..kit.scope import Scope, selected_scope
from ..kit.settings import flag_value


@dataclass(frozen=True)
class Settings:
    """``custom_resources``: it serves its own kinds."""

    class_name: str = "nginx"
    scope: Scope = Scope()
    custom_resources: bool = True


def read_settings(workload: Obj, container: Obj, near: Neighbours) -> Settings:
    """The flags."""
    watched, label = flag_value(workload, container, "watch-namespace"), argument(container, "watch-namespace-label")
    return Settings(
        argument(container, "ingress-class") or "nginx", selected_scope(near.namespaces, watched, label),
        flag_is_on(container, "enable-custom-resources", default=True),
    )
