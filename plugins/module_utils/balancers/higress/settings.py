# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Higress's controller was started with: the one class that it compares, and the namespace that it watches.

Source: alibaba/higress pkg/cmd/server.go (options) and pkg/ingress/kube/ingressv1/controller.go (shouldProcessIngressWithClass).
"""

from __future__ import annotations

from dataclasses import dataclass

from ...core.model import LoadBalancer
from ...kube.objects import Obj, argument, containers_of, namespace_of, pod_template
from ..contract.instances import Neighbours
from ..kit.classes import ClassRule, ClassSource
from ..kit.scope import Scope, named_scope
from ..kit.settings import settings_of

_REPLACED = "nginx"
"""In place of this class's controller it serves Ingresses without a class too."""


@dataclass(frozen=True)
class Settings:
    """``class_name`` is the one class that it serves; with an empty one it serves every Ingress."""

    class_name: str = "higress"
    scope: Scope = Scope()

    @property
    def classes(self) -> tuple[str, ...]:
        """The name of its class."""
        return (self.class_name,) if self.class_name else ()


def read_settings(workload: Obj, container: Obj, near: Neighbours) -> Settings:
    """The arguments of the controller beside the gateway."""
    beside = (item for one in near.workloads_in(namespace_of(workload)) for item in containers_of(pod_template(one)))
    found = next((item for item in beside if argument(item, "gatewaySelectorKey", "ingressClass") is not None), {})
    given = argument(found, "ingressClass")
    return Settings("higress" if given is None else given, named_scope(argument(found, "watchNamespace")))


def serves(load_balancer: LoadBalancer, ingress: Obj) -> bool:
    """Its class by the annotation first, even an empty one, then by the field."""
    settings = settings_of(load_balancer, Settings)
    own = frozenset({settings.class_name})
    replaces = settings.class_name == _REPLACED
    rule = ClassRule(own, own | {""} if replaces else own, without_class=replaces, source=ClassSource.ANNOTATION_FIRST)
    return settings.scope.covers(namespace_of(ingress)) and (not settings.class_name or rule.takes(ingress))
