# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ingress routes, read for every vendor alike: a vendor says which Ingresses are its own, and how it reaches each backend."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ...core.model import Finding, LoadBalancer, ObjectRef, Route, Upstream
from ...kube import kinds
from ...kube.objects import Obj, dig, name_of, namespace_of
from ...kube.snapshot import Snapshot
from ..contract.routes import RouteReading
from .classes import ClassRule, ClassSource
from .gateway.routes import BackendHandling
from .ingresses import Entry, entries, ingress_ref, is_ignored, make_backend, pinned_strategy, resource_findings
from .own_routes import asked_objects
from .recognition import claims_class

Decide = Callable[[Obj, Entry, Obj], BackendHandling]
"""How a backend is reached, from the Ingress, its entry and the entry's Service (empty where there is none)."""
Served = Callable[[Obj], bool]

_UNKNOWN = BackendHandling(settable=False, why_not_settable="nothing is known about this load balancer's settings")


def classes_of_controller(controllers: tuple[str, ...], snapshot: Snapshot) -> tuple[str, ...]:
    """Names of the IngressClasses whose controller is one of these."""
    return tuple(sorted(
        name_of(item) for item in snapshot.all(kinds.INGRESS_CLASS)
        if claims_class(controllers, str(dig(item, "spec", "controller", default="")))
    ))


def of_classes(load_balancer: LoadBalancer) -> Served:
    """The usual rule: the class by name, else by annotation, is one of the load balancer's."""
    return ClassRule(frozenset(load_balancer.classes)).takes


def annotation_first(classes: Iterable[str], *, without_class: bool = False) -> Served:
    """The rule of controllers that look at the annotation before the field, and at names alone."""
    rule = ClassRule(frozenset(classes), None, without_class, ClassSource.ANNOTATION_FIRST, empty_is_none=True)
    return rule.takes


def plain_routes(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None) -> RouteReading:
    """Routes of all Ingresses of the load balancer's classes, about which nothing more is known."""
    return read_ingresses(snapshot, load_balancer, lambda ingress, entry, service: _UNKNOWN, only)


def read_ingresses(
    snapshot: Snapshot, load_balancer: LoadBalancer, decide: Decide, only: frozenset[ObjectRef] | None = None,
    served: Served | None = None,
) -> RouteReading:
    """Routes of the Ingresses that are ``served``; ``decide`` says how each backend is reached."""
    ours = served or of_classes(load_balancer)
    routes: list[Route] = []
    findings: list[Finding] = []
    for ingress in asked_objects(snapshot, kinds.INGRESS, only):
        if not ours(ingress):
            continue
        for entry in entries(ingress):
            service = snapshot.get(kinds.SERVICE, namespace_of(ingress), entry.service) or {}
            routes.append(_route(snapshot, load_balancer, ingress, entry, decide(ingress, entry, service)))
        findings += resource_findings(ingress)
    return RouteReading(tuple(routes), tuple(findings))


def _route(snapshot: Snapshot, load_balancer: LoadBalancer, ingress: Obj, entry: Entry, treatment: BackendHandling) -> Route:
    ref = ingress_ref(ingress)
    return Route(
        load_balancer=load_balancer.key, object=ref, host=entry.host, path=entry.path, path_type=entry.path_type,
        backend=make_backend(snapshot, namespace_of(ingress), entry.service, entry.reference),
        upstream=Upstream(treatment.address, treatment.host or "", treatment.scheme or "http"),
        upstream_group=treatment.group or f"{ref.namespace}-{entry.service}-{entry.reference}",
        features=tuple(sorted(treatment.features)), settable=treatment.settable, why_not_settable=treatment.why_not_settable,
        ignored=is_ignored(ingress), pinned_strategy=pinned_strategy(snapshot, ingress),
    )
