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
from ...kube.objects import Obj, dig, name_of, namespace_of
from ..contract.facts import About, Facts
from ..contract.recognition import Recogniser, Signs
from ..kit.ingresses import IngressEntry, entries
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
    namespace = namespace_of(item.obj)
    for entry in (*entries(item.obj), *_older_entries(item.obj)):
        group = f"Voyager-{namespace}-{entry.service}-{entry.reference}"
        handling = BackendHandling(group=group, why_not_settable=WHY_NOT)
        reference = (namespace, entry.service, entry.reference)
        yield item.route(reference, handling, host=entry.host, path=entry.path, path_type=entry.path_type)
    for rule in dig(item.obj, "spec", "rules", default=[]):
        service, port = _backend(dig(rule, "tcp", "backend", default={}))
        if service:
            handling = BackendHandling(group=f"Voyager-{namespace}-{service}-{port}", scheme="tcp", why_not_settable=WHY_NOT)
            path = f"tcp:{dig(rule, 'tcp', 'port', default=0)}"
            yield item.route((namespace, service, port), handling, host=str(rule.get("host", "")), path=path, path_type="Stream")


def _older_entries(ingress: Obj) -> Iterator[IngressEntry]:
    """Paths whose backends are written as in v1beta1."""
    for rule in dig(ingress, "spec", "rules", default=[]):
        for path in dig(rule, "http", "paths", default=[]):
            service, port = _backend(path.get("backend") or {})
            if service and not dig(path, "backend", "service"):
                yield IngressEntry(str(rule.get("host", "")), str(path.get("path") or "/"), "ImplementationSpecific", service, port)


def _backend(backend: Obj) -> tuple[str, int | str]:
    """The Service and port of a backend, in the form of v1 or of v1beta1."""
    service = backend.get("service") or {}
    port = service.get("port") or {}
    if service:
        return str(service.get("name", "")), port.get("number") or str(port.get("name") or 0)
    return str(backend.get("serviceName") or ""), backend.get("servicePort") or 0


PROFILE = limited(
    About("voyager", "Voyager", facts=FACTS), Recogniser(SIGNS, ("voyager.appscode.com/",)), WHY_NOT, class_names=("voyager",),
    carries=carries, readers=(object_reader("Ingress.voyager.appscode.com", routes, carries),),
)
