# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What HAProxy Ingress was started with, and its keys in the global ConfigMap and those of IngressClasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...kube.objects import Obj, argument, dig, name_of, namespace_of
from ..contract.instances import Neighbours
from ..kit.annotations import AnnotationKeys, flag_is_on
from ..kit.classes import ClassSource
from ..kit.scope import Scope, named_scope
from ..kit.settings import config_map_data, flag_value

CONTROLLER = "haproxy-ingress.github.io/controller"
_PREFIXES = "haproxy-ingress.github.io,ingress.kubernetes.io"


@dataclass(frozen=True)
class Settings:
    """``class_name`` is what annotations name. ``parameters`` are the keys of the ConfigMaps that IngressClasses name, by class.

    ``ingresses``, ``gateways``: it serves Ingresses, Gateway API routes. ``tcp_services`` and ``default_backend`` are a ConfigMap and a
    Service as ``namespace/name``.
    """

    controller: str = CONTROLLER
    class_name: str = "haproxy"
    without_class: bool = False
    class_source: ClassSource = ClassSource.ANNOTATION_FIRST
    scope: Scope = Scope()
    ingresses: bool = True
    gateways: bool = True
    tcp_services: str = ""
    default_backend: str = ""
    keys: AnnotationKeys = field(default_factory=lambda: AnnotationKeys(tuple(_PREFIXES.split(","))))
    parameters: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def read_settings(workload: Obj, container: Obj, near: Neighbours) -> Settings:
    """The flags, and the ConfigMaps."""
    suffix = (argument(container, "controller-class") or "").lstrip("/")
    prefixes = (argument(container, "annotations-prefix") or _PREFIXES).split(",")
    return Settings(
        argument(container, "full-controller-name") or (f"{CONTROLLER}/{suffix}" if suffix else CONTROLLER),
        argument(container, "ingress-class") or "haproxy",
        flag_is_on(container, "watch-ingress-without-class"), _class_source(container),
        scope=named_scope(flag_value(workload, container, "watch-namespace")),
        ingresses=flag_is_on(container, "watch-ingress", default=True),
        gateways=flag_is_on(container, "watch-gateway", default=True),
        tcp_services=flag_value(workload, container, "tcp-services-configmap"),
        default_backend=flag_value(workload, container, "default-backend-service"),
        keys=AnnotationKeys(tuple(prefixes), config_map_data(near, flag_value(workload, container, "configmap"))),
        parameters={
            name_of(item): config_map_data(near, f"{namespace_of(workload)}/{_parameters_map(item)}")
            for item in near.ingress_classes if _parameters_map(item)
        },
    )


def _class_source(container: Obj) -> ClassSource:
    if flag_is_on(container, "disable-ingress-class-api"):
        return ClassSource.ANNOTATION_ONLY
    return ClassSource.FIELD_FIRST if flag_is_on(container, "ingress-class-precedence") else ClassSource.ANNOTATION_FIRST


def _parameters_map(ingress_class: Obj) -> str:
    """The ConfigMap that an IngressClass names; it is in the controller's own namespace."""
    parameters = dig(ingress_class, "spec", "parameters", default={})
    is_map = not parameters.get("apiGroup") and str(parameters.get("kind", "")).lower() == "configmap"
    return str(parameters.get("name")) if is_map else ""
