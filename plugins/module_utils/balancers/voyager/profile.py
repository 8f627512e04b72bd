# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Voyager (voyagermesh/voyager): an operator that makes one HAProxy Deployment per Ingress, plain or of its own kind.

Source: docs/concepts/overview.md and the examples (the operator's code is not public any more); how it addresses backends is not
confirmed, and taken to be by pod.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...core.model import LoadBalancer, ObjectRef, Route
from ...kube.objects import Obj, name_of, namespace_of, ref_of
from ...kube.snapshot import Snapshot
from ..contract.routes import joined_readings
from ..kit.gateway.routes import BackendHandling
from ..kit.ingresses import Entry, class_of, entries, is_ignored, make_backend, pinned_strategy
from ..kit.plain import read_ingresses
from ..legacy import Facts, Limited, RouteReading, Signs

INGRESS = "Ingress.voyager.appscode.com"


class Voyager(Limited):
    """One of Voyager's HAProxy workloads."""

    id = "voyager"
    title = "Voyager"
    class_controllers = ("voyager.appscode.com/",)
    class_names = ("voyager",)
    kinds = (INGRESS,)
    signs = Signs(
        images=("voyagermesh/haproxy", "appscode/haproxy"),
        labels=(frozenset({("origin", "voyager")}),),
    )
    why_not = "Voyager has no setting for Service routing"
    facts = Facts(
        routes=("Ingress", "Ingress (voyager.appscode.com)"), versions="2026.3",
        remark="how it addresses backends is not confirmed; its operator may put back what is changed on its pods",
    )

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        def ours(obj: Obj) -> bool:
            return (namespace_of(obj), f"voyager-{name_of(obj)}") == load_balancer.key

        def of_entry(ingress: Obj, entry: Entry, service: Obj) -> BackendHandling:
            return BackendHandling(settable=False, why_not_settable=self.why_not)

        def served(ingress: Obj) -> bool:
            return ours(ingress) and bool(set(class_of(ingress)) & set(load_balancer.classes))

        plain = read_ingresses(snapshot, load_balancer, of_entry, only, served)
        own = (
            route for obj in snapshot.all(INGRESS) if ours(obj) and (only is None or ref_of(obj) in only)
            for route in self._own(snapshot, load_balancer, obj)
        )
        return joined_readings(plain, RouteReading(tuple(own)))

    def _own(self, snapshot: Snapshot, load_balancer: LoadBalancer, obj: Obj) -> Iterator[Route]:
        for entry in entries(obj):
            yield Route(
                load_balancer=load_balancer.key, object=ref_of(obj), host=entry.host, path=entry.path, path_type=entry.path_type,
                backend=make_backend(snapshot, namespace_of(obj), entry.service, entry.reference),
                upstream_group=f"Voyager-{namespace_of(obj)}-{entry.service}-{entry.reference}", settable=False,
                why_not_settable=self.why_not, ignored=is_ignored(obj), pinned_strategy=pinned_strategy(snapshot, obj),
            )
