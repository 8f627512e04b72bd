# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load balancers without a switch that would help: their routes are read, and only what needs no vendor support is offered."""

from __future__ import annotations

from ...core.model import LoadBalancer, ObjectRef
from ...kube.objects import Obj, name_of
from ...kube.snapshot import Snapshot
from ..contract.routes import joined_readings
from ..legacy import Profile, RouteReading
from .gateway.routes import AttachPoint, BackendHandling, read_gateway_routes
from .ingresses import Entry, class_of
from .plain import classes_of_controller, read_ingresses


class Limited(Profile):
    """Ingresses of its classes and Gateway API routes of its controllers go to pod addresses, and ``why_not`` says why for good."""

    why_not: str = ""
    class_names: tuple[str, ...] = ()
    """Names of classes that it compares, where it does not look for a controller."""
    gateway_label: str = ""
    """The label by which its workloads say for which Gateway they are made."""

    def classes(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[str, ...]:
        return tuple(sorted({*classes_of_controller(self.class_controllers, snapshot), *self.class_names}))

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        treatment = BackendHandling(settable=False, why_not_settable=self.why_not)
        wanted = dict(load_balancer.pod_labels).get(self.gateway_label, "")

        def of_entry(ingress: Obj, entry: Entry) -> BackendHandling:
            return treatment

        def of_place(place: AttachPoint) -> BackendHandling:
            return treatment

        def served(ingress: Obj) -> bool:
            return bool(set(class_of(ingress)) & set(load_balancer.classes))

        def serves(gateway: Obj) -> bool:
            return not wanted or name_of(gateway) == wanted

        plain = read_ingresses(snapshot, load_balancer, of_entry, only, served)
        return joined_readings(plain, read_gateway_routes(snapshot, load_balancer, self.gateway_controllers, of_place, only, serves))
