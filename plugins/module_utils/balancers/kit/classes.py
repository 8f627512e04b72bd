# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which objects an instance serves by their class: names of classes, the field, the annotation, and objects without a class."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from ...core.model import LoadBalancer
from ...kube.default_class import CLASS_ANNOTATION, is_default_class
from ...kube.objects import Obj, annotations_of, dig, name_of
from .ingresses import class_of
from .recognition import claims_class
from .settings import settings_of


class ClassSource(Enum):
    """Where a controller looks for an object's class, and which place decides where both have one."""

    FIELD_FIRST = "field_first"
    ANNOTATION_FIRST = "annotation_first"
    ANNOTATION_ONLY = "annotation_only"


@dataclass(frozen=True)
class ClassRule:
    """A controller's rule for classes.

    ``names`` are those that it takes from ``spec.ingressClassName``; ``annotated`` those from the annotation, ``None`` for the same.
    ``without_class``: it takes objects without a class. ``empty_is_none``: an empty annotation counts as none at all.
    """

    names: frozenset[str]
    annotated: frozenset[str] | None = None
    without_class: bool = False
    source: ClassSource = ClassSource.FIELD_FIRST
    empty_is_none: bool = False

    def takes(self, obj: Obj) -> bool:
        """Whether the controller takes an object."""
        name, annotation = class_of(obj)
        is_annotated = bool(annotation) or (not self.empty_is_none and CLASS_ANNOTATION in annotations_of(obj))
        by_annotation = self.source is ClassSource.ANNOTATION_ONLY or (is_annotated and self.source is ClassSource.ANNOTATION_FIRST)
        if name and not by_annotation:
            return name in self.names
        if is_annotated:
            return annotation in (self.names if self.annotated is None else self.annotated)
        return self.without_class


def controller_of(ingress_class: Obj) -> str:
    """The controller that an IngressClass names."""
    return str(dig(ingress_class, "spec", "controller", default=""))


def takes_class(load_balancer: LoadBalancer, obj: Obj, *, without_class: bool = False) -> bool:
    """The usual rule: the class by name, else by annotation, is one of the load balancer's; ``without_class``: so are those without any."""
    return ClassRule(frozenset(load_balancer.classes), without_class=without_class).takes(obj)


def takes_annotated(classes: Iterable[str], obj: Obj, *, without_class: bool = False) -> bool:
    """The rule of controllers that look at the annotation before the field, and at names alone."""
    return ClassRule(frozenset(classes), None, without_class, ClassSource.ANNOTATION_FIRST, empty_is_none=True).takes(obj)


ClassesOf = Callable[[LoadBalancer, Iterable[Obj]], "tuple[str, ...]"]
"""Names of the classes that an instance serves, from the cluster's IngressClasses."""


def classes_of_controller(controllers: tuple[str, ...], found: Iterable[Obj]) -> tuple[str, ...]:
    """Names of the IngressClasses whose controller is one of these."""
    return tuple(sorted(name_of(item) for item in found if claims_class(controllers, controller_of(item))))


def ingress_classes(controllers: tuple[str, ...] = (), names: tuple[str, ...] = ()) -> ClassesOf:
    """The classes of these controllers, and those of these names."""
    return lambda load_balancer, found: tuple(sorted({*classes_of_controller(controllers, found), *names}))


class NamesClasses(Protocol):
    """Settings that say which classes an instance serves."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""


def classes_in_settings(kind: type[NamesClasses]) -> ClassesOf:
    """The classes that the instance's own settings name."""
    return lambda load_balancer, found: settings_of(load_balancer, kind).classes


def classes_where(is_served: Callable[[LoadBalancer, Obj], bool]) -> ClassesOf:
    """The names of those IngressClasses of which ``is_served`` says that the instance serves them."""
    return lambda load_balancer, found: tuple(sorted(name_of(item) for item in found if is_served(load_balancer, item)))


def default_controllers(found: Iterable[Obj]) -> tuple[str, ...]:
    """The controllers of those IngressClasses that are the cluster's default."""
    return tuple(controller_of(item) for item in found if is_default_class(item))
