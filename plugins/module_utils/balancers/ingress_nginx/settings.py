# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ingress-nginx was started with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...core.model import Scheme
from ...kube.objects import Obj, argument
from ..contract.instances import Neighbours
from ..kit.annotations import AnnotationKeys, flag_is_on, go_bool
from ..kit.scope import Scope, selected_scope
from ..kit.settings import config_map_data, flag_value

CONTROLLER = "k8s.io/ingress-nginx"
USUAL_KEYS = AnnotationKeys(("nginx.ingress.kubernetes.io",))


@dataclass(frozen=True)
class Settings:
    """``class_name`` is the class that annotations name, and with ``by_name`` an IngressClass too.

    ``catch_all``: it serves Ingresses with a default backend. ``external_names``: it follows Services of type ExternalName.
    ``service_upstream`` and ``auth_url`` are global keys. ConfigMaps and the default backend are ``namespace/name``.
    """

    controller: str = CONTROLLER
    class_name: str = "nginx"
    by_name: bool = False
    without_class: bool = False
    scope: Scope = Scope()
    catch_all: bool = True
    ssl_passthrough: bool = False
    external_names: bool = True
    service_upstream: bool = False
    default_backend: str = ""
    tcp_services: str = ""
    udp_services: str = ""
    udp_ports: Mapping[str, str] = field(default_factory=dict)
    keys: AnnotationKeys = USUAL_KEYS
    auth_url: str = ""
    http_version: str = "1.1"
    http_1_0: Scheme = "http/1.0"


def read_settings(workload: Obj, container: Obj, near: Neighbours) -> Settings:
    """The flags, and what the ConfigMaps say that they name."""
    prefix, udp_services = argument(container, "annotations-prefix"), flag_value(workload, container, "udp-services-configmap")
    config = config_map_data(near, flag_value(workload, container, "configmap"))
    return Settings(
        argument(container, "controller-class") or CONTROLLER,
        argument(container, "ingress-class") or "nginx",
        by_name=flag_is_on(container, "ingress-class-by-name"),
        without_class=flag_is_on(container, "watch-ingress-without-class"),
        scope=selected_scope(
            near.namespaces, flag_value(workload, container, "watch-namespace"), argument(container, "watch-namespace-selector")
        ),
        catch_all=not flag_is_on(container, "disable-catch-all"),
        ssl_passthrough=flag_is_on(container, "enable-ssl-passthrough"),
        external_names=not flag_is_on(container, "disable-svc-external-name"),
        service_upstream=go_bool(config.get("service-upstream")),
        default_backend=flag_value(workload, container, "default-backend-service"),
        tcp_services=flag_value(workload, container, "tcp-services-configmap"),
        udp_services=udp_services, udp_ports=config_map_data(near, udp_services),
        keys=AnnotationKeys((prefix,)) if prefix else USUAL_KEYS, http_version=config.get("proxy-http-version") or "1.1",
    )
