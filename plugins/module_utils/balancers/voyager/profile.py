# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Voyager (voyagermesh/voyager): an operator that makes one HAProxy Deployment per Ingress, plain or of its own kind.

Source: docs/concepts/overview.md and the examples (the operator's code is not public any more); how it addresses backends is not
confirmed, and taken to be by pod.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...core.model import LoadBalancer, Route
from ...kube.objects import Obj, name_of, namespace_of
from ..contract.facts import About, Facts
from ..contract.recognition import Recogniser, Signs
from ..kit.ingresses import entries
from ..kit.limited import limited
from ..kit.objects import BackendHandling, ServedObject, object_reader

FACTS = Facts(
    routes=("Ingress", "Ingress (voyager.appscode.com)"), versions="2026.3",
    remark="how it addresses backends is not confirmed; its operator may put back what is changed on its pods",
)
SIGNS = Signs(images=("voyagermesh/haproxy", "appscode/haproxy"), labels=(frozenset({("origin", "voyager")}),))
WHY_NOT = "Voyager has no setting for Service routing"


def carries(load_balancer: LoadBalancer, obj: Obj) -> bool:
    """The workload of an Ingress is named after it."""
    return (namespace_of(obj), f"voyager-{name_of(obj)}") == load_balancer.key


def routes(item: ServedObject) -> Iterator[Route]:
    """Routes of an Ingress of its own kind, which is written as plain ones are."""
    for entry in entries(item.obj):
        namespace = namespace_of(item.obj)
        group = f"Voyager-{namespace}-{entry.service}-{entry.reference}"
        handling = BackendHandling(group=group, why_not_settable=WHY_NOT)
        reference = (namespace, entry.service, entry.reference)
        yield item.route(reference, handling, host=entry.host, path=entry.path, path_type=entry.path_type)


PROFILE = limited(
    About("voyager", "Voyager", facts=FACTS), Recogniser(SIGNS, ("voyager.appscode.com/",)), WHY_NOT, class_names=("voyager",),
    carries=carries, readers=(object_reader("Ingress.voyager.appscode.com", routes, carries),),
)
