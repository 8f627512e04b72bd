# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What NetScaler's controller was started with.

Source: netscaler/netscaler-k8s-ingress-controller docs/configure/ingress-classes.md and deployment/, netscaler/netscaler-helm-charts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...core.model import LoadBalancer
from ...kube.objects import Obj, containers_of, name_of, namespace_of, pod_template
from ..contract.instances import Neighbours
from ..kit.classes import classes_of_controller
from ..kit.ingresses import class_of
from ..kit.recognition import words_of
from ..kit.scope import Scope
from ..kit.settings import settings_of, variable

CLASS_CONTROLLER = "citrix.com/ingress-controller"


@dataclass(frozen=True)
class Settings:
    """``names`` are those of ``--ingress-classes`` in lower case, ``None`` where it is not given. ``known``: its controller was found."""

    names: frozenset[str] | None = None
    scope: Scope = Scope()
    known: bool = False


def read_settings(workload: Obj, container: Obj, near: Neighbours) -> Settings:
    """Arguments of the controller in the same pod, of which charts write option and values into one word."""
    for item in containers_of(pod_template(workload)):
        if variable(item, "NS_IP") or variable(item, "NS_DEPLOYMENT_MODE"):
            words = [word for text in words_of(item) for word in text.split()]
            watched = variable(item, "NAMESPACE")
            return Settings(_listed(words, "--ingress-classes"), Scope(frozenset(watched.split())), known=True)
    return Settings()


def _listed(words: list[str], option: str) -> frozenset[str] | None:
    names: set[str] | None = None
    for position, word in enumerate(words):
        if word.partition("=")[0] == option:
            names = set(word.partition("=")[2].split(","))
            for following in words[position + 1 :]:
                if following.startswith("-"):
                    break
                names |= set(following.split(","))
    return None if names is None else frozenset(name.lower() for name in names if name)


def classes(load_balancer: LoadBalancer, found: Iterable[Obj]) -> tuple[str, ...]:
    """The classes that name its controller, of which it may be told to serve some; and names that are no object."""
    settings, listed = settings_of(load_balancer, Settings), list(found)
    own = classes_of_controller((CLASS_CONTROLLER,), listed)
    if settings.names is None:
        return own
    foreign = {name_of(item).lower() for item in listed} - {name.lower() for name in own}
    objects = tuple(name for name in own if name.lower() in settings.names)
    return tuple(sorted({*objects, *(settings.names - foreign - {name.lower() for name in objects})}))


def serves(load_balancer: LoadBalancer, ingress: Obj) -> bool:
    """By the field its class; else by the annotation, where it was told names, and else whatever names no class by the field."""
    settings, (name, annotation) = settings_of(load_balancer, Settings), class_of(ingress)
    if not settings.scope.covers(namespace_of(ingress)):
        return False
    mine = {item.lower() for item in load_balancer.classes}
    if name:
        return name.lower() in mine
    if settings.names is None:
        return settings.known or annotation.lower() in mine
    return annotation.lower() in settings.names
