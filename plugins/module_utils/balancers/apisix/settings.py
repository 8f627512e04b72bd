# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What APISIX's ingress controller was started with."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer
from ...istio.settings import SettingsKey
from ...kube import kinds
from ...kube.objects import Obj, containers_of, dig, image_name, name_of, namespace_of, pod_template, ref_of
from ...kube.shapes import shape
from ...kube.snapshot import Snapshot
from ..contract.instances import Neighbours
from ..kit.classes import controller_of, default_controllers
from ..kit.patches import is_older
from ..kit.recognition import version_of
from ..kit.settings import settings_of, told_beside

CONTROLLER = "apisix.apache.org/apisix-ingress-controller"
SETTINGS = SettingsKey("", "config.yaml", shape("controller_name"))
"""The controller's configuration, in a ConfigMap of any name."""


@dataclass(frozen=True)
class Settings:
    """``controller`` is its name in classes; ``default_class``: a class of its own is the cluster's default.

    ``needs_proxy``: its controller (2.x) writes to APISIX only what a class's or a Gateway's parameters, a GatewayProxy, lead there.
    """

    controller: str = CONTROLLER
    default_class: bool = False
    needs_proxy: bool = False


def read_settings(workload: Obj, container: Obj, near: Neighbours) -> Settings:
    """The controller's configuration is in a ConfigMap of the data plane's namespace."""
    names = (item.values.get("controller_name") for item in told_beside(workload, near, SETTINGS, is_ours))
    controller = next(filter(None, names), CONTROLLER)
    beside = (item for one in near.workloads_in(namespace_of(workload)) for item in containers_of(pod_template(one)))
    versions = (version_of(item) for item in beside if "apisix-ingress-controller" in image_name(str(item.get("image", "")))[0])
    version = next(versions, "")
    newer = version[:1].isdigit() and not is_older(version, 2, 0)
    return Settings(controller, controller in default_controllers(near.ingress_classes), newer)


def is_served(load_balancer: LoadBalancer, ingress_class: Obj) -> bool:
    """Whether a class is served: by its controller, and with the parameters that the controller needs."""
    settings = settings_of(load_balancer, Settings)
    return controller_of(ingress_class) == settings.controller and (not settings.needs_proxy or has_proxy(ingress_class))


def has_proxy(ingress_class: Obj) -> bool:
    """Whether a class has a GatewayProxy as its parameters."""
    return str(dig(ingress_class, "spec", "parameters", "kind", default="")) == "GatewayProxy"


def notices(snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[Finding, ...]:
    """Classes that lack the parameters that their controller needs."""
    settings = settings_of(load_balancer, Settings)
    return tuple(
        finding("MLB155", f"IngressClass {name_of(item)} has no parameters of kind GatewayProxy, so controller 2.x writes nothing of it",
                ref_of(item))
        for item in snapshot.all(kinds.INGRESS_CLASS)
        if settings.needs_proxy and controller_of(item) == settings.controller and not has_proxy(item)
    )  # fmt: skip


def is_ours(workload: Obj) -> bool:
    """Whether a workload is of APISIX: others may have a configuration of the same name."""
    return any("apisix" in str(item.get("image", "")) for item in containers_of(pod_template(workload)))
