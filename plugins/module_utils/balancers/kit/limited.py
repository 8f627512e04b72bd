# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load balancers without a switch that would help: their routes are read, and only what needs no setting of theirs is offered."""

from __future__ import annotations

from ...core.model import LoadBalancer, replace
from ...kube.objects import Obj, name_of
from ..contract.chain import ChainSide
from ..contract.facts import About
from ..contract.instances import InstanceReader
from ..contract.profile import Profile
from ..contract.recognition import Recogniser
from ..contract.routes import RouteReader
from .classes import ingress_classes
from .gateway.dialect import Dialect
from .gateway.routes import STANDARD
from .ingresses import class_of
from .objects import BackendHandling, Carries, carries_all
from .readers import always, gateway_reader, ingress_reader


def limited(
    about: About, recogniser: Recogniser, why_not: str, *, class_names: tuple[str, ...] = (), carries: Carries = carries_all,
    readers: tuple[RouteReader, ...] = (), chain: ChainSide | None = None, dialect: Dialect = STANDARD,
) -> Profile:
    """A profile whose routes go to pod addresses for good.

    ``why_not`` says why. ``class_names`` are names of classes that it compares, where it does not look for a controller. ``carries``
    says which Ingresses and Gateways a workload is made for, where it is not made for all of them. ``readers`` are for kinds of its own.
    """
    controllers, handle = recogniser.gateway_classes.controllers, always(BackendHandling(why_not_settable=why_not))
    gateways = [gateway_reader(controllers, handle, carries, dialect=dialect)] if controllers else []
    standard = (limited_ingresses(why_not, carries), *gateways)
    instance = InstanceReader(classes=ingress_classes(recogniser.classes, class_names))
    return Profile(about, recogniser, instance, (*standard, *readers), chain=chain)


def of_own_rule(profile: Profile, ingresses: RouteReader, instance: InstanceReader) -> Profile:
    """Such a profile that reads Ingresses by its settings, and not by its classes alone."""
    return replace(profile, instance=instance, routes=(ingresses, *profile.routes[1:]))


def limited_ingresses(why_not: str, carries: Carries = carries_all) -> RouteReader:
    """Ingresses of its classes, to pod addresses."""

    def serves(load_balancer: LoadBalancer, ingress: Obj) -> bool:
        return carries(load_balancer, ingress) and bool(set(class_of(ingress)) & set(load_balancer.classes))

    return ingress_reader(always(BackendHandling(why_not_settable=why_not)), serves)


def of_labelled_gateway(label: str) -> Carries:
    """A workload for the Gateway whose name it has as this label."""

    def carries(load_balancer: LoadBalancer, gateway: Obj) -> bool:
        return dict(load_balancer.pod_labels).get(label) in (None, "", name_of(gateway))

    return carries
