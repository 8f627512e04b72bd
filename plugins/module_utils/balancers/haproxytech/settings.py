# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What HAProxy Technologies' controller was started with."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...kube.objects import Obj, argument
from ..contract.instances import Neighbours
from ..kit.annotations import AnnotationKeys, flag_is_on
from ..kit.classes import default_controllers
from ..kit.scope import Scope, named_scope
from ..kit.settings import config_map_data, flag_value

CONTROLLER = "haproxy.org/ingress-controller"
_PREFIXES = ("haproxy.org", "ingress.kubernetes.io", "haproxy.com")


@dataclass(frozen=True)
class Settings:
    """``suffix`` tells instances apart: it ends the controller's name in their IngressClasses.

    ``without_class``: it serves Ingresses without a class; ``tcp_without_class``: objects of kind TCP without one. ``tcp_services`` and
    ``default_backend`` are a ConfigMap and a Service as ``namespace/name``.
    """

    suffix: str = ""
    controller: str = CONTROLLER
    without_class: bool = False
    tcp_without_class: bool = False
    scope: Scope = Scope()
    gateway_controller: str = ""
    tcp_services: str = ""
    default_backend: str = ""
    keys: AnnotationKeys = field(default_factory=lambda: AnnotationKeys(_PREFIXES))


def read_settings(workload: Obj, container: Obj, near: Neighbours) -> Settings:
    """The flags, and the annotations' defaults in the ConfigMap."""
    suffix = (argument(container, "ingress.class") or "").strip("/")
    controller = f"{CONTROLLER}/{suffix}" if suffix else CONTROLLER
    takes_empty, default = flag_is_on(container, "empty-ingress-class"), default_controllers(near.ingress_classes)[:1]
    return Settings(
        suffix, controller,
        # The rules of documentation/ingressclass.md.
        without_class=default == (controller,) or (takes_empty if suffix else not default),
        tcp_without_class=takes_empty or not suffix,
        scope=named_scope(argument(container, "namespace-whitelist")),
        gateway_controller=argument(container, "gateway-controller-name") or "",
        tcp_services=flag_value(workload, container, "configmap-tcp-services"),
        default_backend=flag_value(workload, container, "default-backend-service"),
        keys=AnnotationKeys(_PREFIXES, config_map_data(near, flag_value(workload, container, "configmap"))),
    )
