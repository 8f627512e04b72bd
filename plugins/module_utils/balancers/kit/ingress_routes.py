# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ingress routes, read for every vendor alike: a vendor says which Ingresses are its own, and how it reaches each backend."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ...core.findings import finding
from ...core.model import Finding, LoadBalancer, ObjectRef, Route, replace
from ...kube import kinds
from ...kube.objects import Obj, namespace_of, ref_of
from ...kube.snapshot import Snapshot
from ..contract.routes import RouteReading
from .classes import ClassRule, ClassSource
from .ingresses import IngressEntry, entries, resource_findings
from .objects import BackendHandling, ServedObject, objects_of, reading_of, served_object

Decide = Callable[[Obj, IngressEntry, Obj], BackendHandling]
"""How a backend is reached, from the Ingress, its entry and the entry's Service (empty where there is none)."""
Served = Callable[[Obj], bool]


def of_classes(load_balancer: LoadBalancer, *, without_class: bool = False) -> Served:
    """The usual rule: the class by name, else by annotation, is one of the load balancer's; ``without_class``: so are those without any."""
    return ClassRule(frozenset(load_balancer.classes), without_class=without_class).takes


def annotation_first(classes: Iterable[str], *, without_class: bool = False) -> Served:
    """The rule of controllers that look at the annotation before the field, and at names alone."""
    rule = ClassRule(frozenset(classes), None, without_class, ClassSource.ANNOTATION_FIRST, empty_is_none=True)
    return rule.takes


def read_ingresses(
    snapshot: Snapshot, load_balancer: LoadBalancer, decide: Decide, only: frozenset[ObjectRef] | None = None,
    served: Served | None = None,
) -> RouteReading:
    """Routes of the Ingresses that are ``served``; ``decide`` says how each backend is reached."""
    ours = served or of_classes(load_balancer)
    return reading_of(
        part for ingress in objects_of(snapshot, kinds.INGRESS, only) if ours(ingress)
        for part in _read(served_object(snapshot, load_balancer, ingress), decide)
    )


def _read(item: ServedObject, decide: Decide) -> Iterator[Route | Finding]:
    ingress, namespace = item.obj, namespace_of(item.obj)
    for entry in entries(ingress):
        handling = decide(ingress, entry, item.service(namespace, entry.service))
        if handling.dropped:
            yield finding("MLB220", f"{entry.host}{entry.path}: {handling.dropped}", ref_of(ingress))
            continue
        group = handling.group or f"{namespace}-{entry.service}-{entry.reference}"
        reference = (namespace, entry.service, entry.reference)
        yield item.route(reference, replace(handling, group=group), host=entry.host, path=entry.path, path_type=entry.path_type)
    yield from resource_findings(ingress)
