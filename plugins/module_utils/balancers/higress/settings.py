# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Higress's controller was started with: the one class that it compares, and the namespace that it watches.

Source: alibaba/higress pkg/cmd/server.go (options) and pkg/ingress/kube/ingressv1/controller.go (shouldProcessIngressWithClass).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ...core.model import LoadBalancer, ObjectRef, replace
from ...kube.kinds import INGRESS
from ...kube.objects import Obj, annotations_of, argument, containers_of, dig, namespace_of, pod_template
from ...kube.snapshot import Snapshot
from ..contract.instances import Neighbours
from ..contract.routes import RouteReading
from ..kit.classes import ClassRule, ClassSource
from ..kit.ingresses import IngressEntry, entries, ingress_ref
from ..kit.objects import BackendHandling
from ..kit.readers import read_ingresses
from ..kit.scope import Scope, named_scope
from ..kit.settings import settings_of

WHY_NOT = "Higress has no setting for Service routing"
DESTINATION = "higress.io/destination"
_TARGET = re.compile(r"(?:[0-9]+%\s+)?([a-z0-9-]+)\.([a-z0-9-]+)\.svc(?:\.[a-z0-9.-]+)?(?::([0-9]+))?(?:\s+\S+)?")
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


def entries_of(ingress: Obj) -> Iterator[IngressEntry]:
    """Its entries; where a backend is a registry, those that the annotation for destinations leads to in the cluster."""
    yield from entries(ingress)
    targets = [item for text in annotations_of(ingress).get(DESTINATION, "").splitlines() if (item := _TARGET.fullmatch(text.strip()))]
    for rule in dig(ingress, "spec", "rules", default=[]):
        for path in dig(rule, "http", "paths", default=[]) if targets else []:
            if dig(path, "backend", "resource"):
                for name, namespace, port in (item.groups() for item in targets):
                    host, where = str(rule.get("host", "")), str(path.get("path") or "/")
                    path_type = str(path.get("pathType", "ImplementationSpecific"))
                    yield IngressEntry(host, where, path_type, name, int(port or 80), shared=len(targets) > 1, namespace=namespace)


def read_ingress_routes(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Routes of its Ingresses. Destinations that are no Services of the cluster are named, and not those that are."""

    def handle(load_balancer: LoadBalancer, ingress: Obj, entry: IngressEntry, service: Obj) -> BackendHandling:
        return BackendHandling(features=("canary", "weights") if entry.shared else (), why_not_settable=WHY_NOT)

    reading = read_ingresses(snapshot, load_balancer, only, handle, serves, entries_of=entries_of)
    asking = {ingress_ref(item): annotations_of(item)[DESTINATION] for item in snapshot.all(INGRESS) if DESTINATION in annotations_of(item)}
    read = {route.object for route in reading.routes}
    findings = (
        replace(item, message=f"{DESTINATION} is {asking[item.object]!r}: {item.message}") if item.object in asking else item
        for item in reading.findings if item.code != "MLB208" or item.object not in asking or item.object not in read
    )
    return replace(reading, findings=tuple(findings))


def serves(load_balancer: LoadBalancer, ingress: Obj) -> bool:
    """Its class by the annotation first, even an empty one, then by the field."""
    settings = settings_of(load_balancer, Settings)
    own = frozenset({settings.class_name})
    replaces = settings.class_name == _REPLACED
    rule = ClassRule(own, own | {""} if replaces else own, without_class=replaces, source=ClassSource.ANNOTATION_FIRST)
    return settings.scope.covers(namespace_of(ingress)) and (not settings.class_name or rule.takes(ingress))
