# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one of Tailscale's proxies is for, as its operator labels it and tells it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ...kube import kinds
from ...kube.objects import Obj, annotations_of, containers_of, dig, labels_of, namespace_of, pod_template
from ..contract.instances import Neighbours
from ..kit.settings import variable

PROXY_CLASS, PROXY_GROUP = "ProxyClass.tailscale.com", "ProxyGroup.tailscale.com"
PARENT = "tailscale.com/parent-resource"
CLASS_KEY = "tailscale.com/proxy-class"
USUAL_CLASS = "tailscale"


class Role(Enum):
    """What a proxy is for; the value is what its operator tells it to be."""

    INGRESS = "k8s-operator-ingress-resource"
    SERVICE = "k8s-operator-ingress-proxy"
    GROUP = "k8s-operator-proxygroup-ingress"


PARENT_KINDS = {Role.INGRESS: kinds.INGRESS, Role.SERVICE: kinds.SERVICE, Role.GROUP: PROXY_GROUP}


@dataclass(frozen=True)
class Settings:
    """``namespace`` and ``name`` are those of the object that the proxy was made for. ``class_name`` is the operator's IngressClass.

    ``proxy_class`` is the name of the ProxyClass that holds for the proxy, empty where none does.
    """

    role: Role | None = None
    namespace: str = ""
    name: str = ""
    class_name: str = USUAL_CLASS
    proxy_class: str = ""


def role_of(container: Obj) -> Role | None:
    """What a container is told to be, ``None`` where it is no proxy into the cluster."""
    value = variable(container, "TS_INTERNAL_APP")
    return next((role for role in Role if role.value == value), None)


def read_settings(workload: Obj, container: Obj, near: Neighbours) -> Settings:
    """Settings of a proxy, and of the operator, which makes all proxies in its own namespace."""
    operators = (
        item for one in near.workloads_in(namespace_of(workload)) if one.get("kind") == "Deployment"
        for item in containers_of(pod_template(one)) if variable(item, "PROXY_IMAGE")
    )
    operator, role = next(operators, {}), role_of(container)
    own = {**labels_of(pod_template(workload)), **labels_of(workload)}
    namespace, name = own.get(f"{PARENT}-ns", ""), own.get(PARENT, "")
    parent = near.named(PARENT_KINDS[role], namespace, name) if role else None
    chosen = str(dig(parent, "spec", "proxyClass", default="")) if role is Role.GROUP else class_chosen_by(parent or {})
    return Settings(
        role, namespace, name, variable(operator, "OPERATOR_INGRESS_CLASS_NAME") or USUAL_CLASS,
        chosen or variable(operator, "PROXY_DEFAULT_CLASS"),
    )


def class_chosen_by(obj: Obj) -> str:
    """The ProxyClass that an Ingress or a Service asks for: its label goes before its annotation."""
    return labels_of(obj).get(CLASS_KEY) or annotations_of(obj).get(CLASS_KEY, "")
