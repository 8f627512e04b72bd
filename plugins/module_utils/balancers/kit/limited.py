# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load balancers without a switch that would help: their routes are read, and only what needs no setting of theirs is offered."""

from __future__ import annotations

from collections.abc import Callable

from ...core.model import LoadBalancer, ObjectRef
from ...kube.objects import Obj, name_of
from ...kube.snapshot import Snapshot
from ..contract.facts import About
from ..contract.instances import InstanceReader
from ..contract.profile import Profile
from ..contract.recognition import Recogniser
from ..contract.routes import RouteReader, RouteReading, joined_readings
from .gateway.routes import AttachPoint, BackendHandling, read_gateway_routes
from .ingresses import Entry, class_of
from .plain import classes_of_controller, read_ingresses


def limited(
    about: About, recogniser: Recogniser, why_not: str, *, kinds: tuple[
        str, ...
    ] = (), class_names: tuple[str, ...] = (), gateway_label: str = ""
) -> Profile:
    """A profile whose routes go to pod addresses for good.

    ``why_not`` says why. ``kinds`` are those that it reads besides the common ones. ``class_names`` are names of classes that it
    compares, where it does not look for a controller. ``gateway_label`` is the label by which its workloads say for which Gateway they
    are made.
    """
    reader = limited_routes(recogniser.gateway_classes, why_not, kinds, gateway_label)
    return Profile(about, recogniser, InstanceReader(classes=limited_classes(recogniser.classes, class_names)), (reader,))


def limited_classes(controllers: tuple[str, ...], names: tuple[str, ...] = ()) -> Callable[[Snapshot, LoadBalancer], tuple[str, ...]]:
    """The classes of these controllers, and those of these names."""
    return lambda snapshot, load_balancer: tuple(sorted({*classes_of_controller(controllers, snapshot), *names}))


def limited_routes(controllers: tuple[str, ...], why_not: str, kinds: tuple[str, ...] = (), gateway_label: str = "") -> RouteReader:
    """Ingresses of its classes, and Gateway API routes of its controllers, to pod addresses."""
    handling = BackendHandling(settable=False, why_not_settable=why_not)

    def read(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
        wanted = dict(load_balancer.pod_labels).get(gateway_label, "")

        def of_entry(ingress: Obj, entry: Entry, service: Obj) -> BackendHandling:
            return handling

        def of_point(point: AttachPoint) -> BackendHandling:
            return handling

        def served(ingress: Obj) -> bool:
            return bool(set(class_of(ingress)) & set(load_balancer.classes))

        def serves(gateway: Obj) -> bool:
            return not wanted or name_of(gateway) == wanted

        plain = read_ingresses(snapshot, load_balancer, of_entry, only, served)
        return joined_readings(plain, read_gateway_routes(snapshot, load_balancer, controllers, of_point, only, serves))

    return RouteReader(read, kinds)
