# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Contour's controller was started with, and for which Gateway the provisioner made an Envoy."""

from __future__ import annotations

from dataclasses import dataclass

from ...kube import kinds
from ...kube.objects import Obj, argument, containers_of, dig, labels_of, namespace_of, pod_template
from ...kube.selectors import selects
from ...kube.yaml_text import yaml_map
from ..contract.instances import Neighbours
from ..kit.recognition import programs_of
from ..kit.scope import Scope, listed_names, named_scope

OWNER = "projectcontour.io/owning-gateway-name"


@dataclass(frozen=True)
class Settings:
    """``class_names`` are those that it serves, none for its default. ``gateway`` is the only one that it serves, empty for all.

    ``controller`` is the name that GatewayClasses have to have, ``gateway_ref`` the one Gateway (namespace, name) that its configuration
    names. ``scope`` are the namespaces that it watches, and ``roots`` those in which an HTTPProxy may have a host. ``authoriser`` and
    ``rate_limiter`` are ExtensionServices (``namespace/name``) that are asked about all requests.
    """

    class_names: tuple[str, ...] = ()
    gateway: str = ""
    scope: Scope = Scope()
    roots: Scope = Scope()
    authoriser: str = ""
    rate_limiter: str = ""
    controller: str = "projectcontour.io/gateway-controller"
    gateway_ref: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """Names are compared; without the option it serves "contour" and what names no class."""
        return () if self.gateway else self.class_names or ("contour",)


def read_settings(workload: Obj, container: Obj, near: Neighbours) -> Settings:
    """Settings of the controller that Envoy's bootstrap names, and the Envoy's own label."""
    controller, serving = _controller(workload, near)
    names = sorted(listed_names(argument(serving, "ingress-class-name")))
    gateway = labels_of(workload).get(OWNER) or labels_of(pod_template(workload)).get(OWNER, "")
    config = _config(controller, near)
    reference = dig(config, "gateway", "gatewayRef", default={})
    return Settings(
        tuple(names), gateway, named_scope(argument(serving, "watch-namespaces")), named_scope(argument(serving, "root-namespaces")),
        str(dig(config, "globalExtAuth", "extensionService", default="")),
        str(dig(config, "rateLimitService", "extensionService", default="")),
        next(filter(None, map(_provisions, near.workloads)), Settings.controller) if gateway else Settings.controller,
        tuple(str(reference.get(part, "")) for part in ("namespace", "name")) if reference else (),
    )


def _provisions(workload: Obj) -> str:
    """The name that a provisioner's GatewayClasses have to have, where it was told one."""
    containers = (item for item in containers_of(pod_template(workload)) if "gateway-provisioner" in programs_of(item))
    return next((argument(item, "gateway-controller-name") or "" for item in containers), "")


def _controller(workload: Obj, near: Neighbours) -> tuple[Obj, Obj]:
    """The controller in the same namespace, and its container: the one whose Service is named, else the first."""
    namespace, template = namespace_of(workload), pod_template(workload)
    found = [
        (one, item) for one in near.workloads_in(namespace) for item in containers_of(pod_template(one))
        if {"contour", "serve"} <= set(programs_of(item))
    ]
    prepares = [item for item in dig(template, "spec", "initContainers", default=[]) if "bootstrap" in programs_of(item)]
    address = next((argument(item, "xds-address") for item in prepares), None) or ""
    name, dummy, rest = address.partition(".")
    service = near.named(kinds.SERVICE, rest.partition(".")[0] or namespace, name) if name else None
    selector = dig(service, "spec", "selector", default={})
    named = [pair for pair in found if selector and selects(selector, labels_of(pod_template(pair[0])))]
    return next(iter(named or found), ({}, {}))


def _config(controller: Obj, near: Neighbours) -> Obj:
    """Its configuration file, from the ConfigMaps that it mounts; empty where there is none that can be read."""
    for volume in dig(pod_template(controller), "spec", "volumes", default=[]):
        held = near.named(kinds.CONFIG_MAP, namespace_of(controller), str(dig(volume, "configMap", "name", default="")))
        text = dig(held, "data", "contour.yaml")
        if isinstance(text, str):
            try:
                return dict(yaml_map(text))
            except (ImportError, ValueError, RecursionError):
                return {}
    return {}
