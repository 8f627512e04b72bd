# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Envoy Gateway's operator was configured with, and which Gateways one of its workloads is made for."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.model import replace
from ...istio.settings import SettingsKey
from ...kube.objects import Obj, containers_of, dig, image_name, labels_of, name_of, namespace_of, pod_template
from ...kube.selectors import object_selector
from ...kube.shapes import shape
from ..contract.instances import Neighbours
from ..kit.recognition import programs_of, workload_labels
from ..kit.scope import Scope
from ..kit.settings import told_beside

OWNER = "gateway.envoyproxy.io/owning-gateway"
SETTINGS = SettingsKey("", "envoy-gateway.yaml", shape("""gateway{controllerName} extensionManager* provider{kubernetes{watch{
    type namespaces[] namespaceSelector{matchLabels= matchExpressions[]{key operator values[]}}
}}}"""))
"""The operator's configuration, in a ConfigMap of any name."""


@dataclass(frozen=True)
class Settings:
    """``gateway`` is the namespace and the name of the one for which a workload is made, ``class_name`` the class of merged ones.

    ``extended``: the operator was told of filters besides its own. ``scope`` are the namespaces that it watches.
    """

    controller: str = "gateway.envoyproxy.io/gatewayclass-controller"
    gateway: tuple[str, str] = ("", "")
    class_name: str = ""
    extended: bool = False
    scope: Scope = Scope()

    def carries(self, gateway: Obj) -> bool:
        """Whether the workload is made for a Gateway; for all where nothing says for which."""
        if self.class_name:
            return bool(dig(gateway, "spec", "gatewayClassName") == self.class_name)
        return not self.gateway[1] or (namespace_of(gateway), name_of(gateway)) == self.gateway


def owners_of(workload: Obj) -> Settings:
    """What the operator wrote on a workload."""
    labels = workload_labels(workload)
    gateway = labels.get(f"{OWNER}-namespace", ""), labels.get(f"{OWNER}-name", "")
    return Settings(gateway=gateway, class_name=labels.get(f"{OWNER}class", ""))


def read_settings(workload: Obj, container: Obj, near: Neighbours) -> Settings:
    """What the workload is made for, by the operator whose chart keeps its configuration in a ConfigMap beside it.

    The operator is in the workload's namespace, unless it makes proxies in those of their Gateways.
    """
    homes = (workload, *filter(_is_operator, near.workloads))
    texts = (item.values for home in homes for item in told_beside(home, near, SETTINGS) if item.values)
    text, found = next(texts, {}), owners_of(workload)
    return replace(
        found, controller=dig(text, "gateway", "controllerName") or found.controller, extended=bool(text.get("extensionManager")),
        scope=_watched(dig(text, "provider", "kubernetes", "watch", default={}), near),
    )


def _is_operator(workload: Obj) -> bool:
    containers = containers_of(pod_template(workload))
    return any("server" in programs_of(item) and image_name(str(item.get("image", "")))[0].endswith("/gateway") for item in containers)


def _watched(watch: Obj, near: Neighbours) -> Scope:
    """The namespaces that the operator watches: those of these names, or those with labels."""
    selector = watch.get("namespaceSelector") if watch.get("type") == "NamespaceSelector" else None
    if selector is None:
        return Scope(frozenset(map(str, watch.get("namespaces") or [])))
    fits = object_selector(selector)
    chosen = (name_of(item) for item in near.namespaces if fits.matches(labels_of(item)))
    # Nobody's namespace has this name, so that none is watched where none fits.
    return Scope(frozenset(chosen) or frozenset({"-"}))
