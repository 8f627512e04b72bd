# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects that are meant to be routes and that no load balancer took: each is named, with the reason that is nearest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from ..balancers.contract.profile import Registry
from ..balancers.kit.classes import controller_of
from ..balancers.kit.gateway.listeners import added_to, by_parent
from ..balancers.kit.gateway.names import GATEWAY, ROUTE_KINDS
from ..balancers.kit.ingresses import class_of, entries
from ..core.findings import finding
from ..core.model import Finding, LoadBalancer, Route
from ..istio.gateways import is_istio_gateway
from ..kube import kinds
from ..kube.objects import Obj, name_of, namespace_of, ref_of
from ..kube.snapshot import Snapshot
from .classes import ISTIO_CLASSES, ISTIO_CONTROLLERS
from .gateways import gateway_class_of

_LISTENER_SETS = ("ListenerSet", "XListenerSet")


def about_orphans(
    snapshot: Snapshot, registry: Registry, load_balancers: Collection[LoadBalancer], routes: Iterable[Route], said: Iterable[Finding],
    namespaces: Collection[str] = (),
) -> Iterator[Finding]:
    """Objects of which no load balancer read a route, and of which none of them said why. ``namespaces`` limits them, none does not."""
    known = {route.object for route in routes} | {item.object for item in said if item.object}
    known |= {item.ref for item in snapshot.source.unreadable.values()}
    classes = {name_of(item): controller_of(item) for item in snapshot.all(kinds.INGRESS_CLASS)}
    for kind in (kinds.INGRESS, *(kind for kind in _own_kinds(registry) if snapshot.readable(kind))):
        for obj in snapshot.all(kind):
            if ref_of(obj) in known or (namespaces and namespace_of(obj) not in namespaces):
                continue
            if kind in ROUTE_KINDS:
                yield from _of_gateway_api(snapshot, obj)
            elif kind != kinds.INGRESS:
                yield _of_own_kind(registry, load_balancers, kind, obj)
            elif any(entries(obj)):
                yield from _of_ingress(load_balancers, classes, obj)


def _own_kinds(registry: Registry) -> tuple[str, ...]:
    """Kinds of vendors and of the Gateway API whose objects are routes."""
    found = {kind for profile in registry.profiles for reader in profile.routes for kind in reader.routes}
    return tuple(sorted(found - {kinds.INGRESS, kinds.SERVICE}))


def _of_own_kind(registry: Registry, load_balancers: Iterable[LoadBalancer], kind: str, obj: Obj) -> Finding:
    able = {profile.about.id: profile for profile in registry.profiles if any(kind in reader.routes for reader in profile.routes)}
    here = [item.label for item in load_balancers if item.vendor in able]
    if here:
        why = "it answers by itself, or its class, namespace or labels are not theirs"
        return finding("MLB157", f"{', '.join(here)} read no route of it: {why}", ref_of(obj), details={"load_balancers": here})
    titles = " or ".join(profile.about.title for profile in able.values())
    return finding("MLB156", f"no load balancer here reads {kind}: no workload of {titles} was found", ref_of(obj))


def _of_gateway_api(snapshot: Snapshot, route: Obj) -> Iterator[Finding]:
    """Why nobody serves a route of the Gateway API; one whose parents are Services or Istio's own is the mesh's."""
    reasons = []
    for key in by_parent(route):
        kind, parent = key[0].partition(".")[0], snapshot.get(*key)
        place = f"{kind} {key[1]}/{key[2]}"
        gateway = parent if kind == "Gateway" else snapshot.get(GATEWAY, *added_to(parent)) if parent and kind in _LISTENER_SETS else None
        if kind not in ("Gateway", *_LISTENER_SETS) or (gateway and is_istio_gateway(*gateway_class_of(snapshot, gateway))):
            return
        if parent is None:
            reasons.append(f"its parent {place} is not among what was read")
        elif kind in _LISTENER_SETS:
            reasons.append(f"its parent {place} adds to no Gateway of a load balancer that reads {kind}s")
        else:
            reasons.append(f"no load balancer that was found serves its parent {place}")
    if reasons:
        yield finding("MLB156", f"nobody serves it: {'; '.join(dict.fromkeys(reasons))}", ref_of(route))


def _of_ingress(load_balancers: Iterable[LoadBalancer], classes: Mapping[str, str], ingress: Obj) -> Iterator[Finding]:
    name, annotation = class_of(ingress)
    named, found = name or annotation, list(load_balancers)
    if named in ISTIO_CLASSES or classes.get(named) in ISTIO_CONTROLLERS:
        return
    serving = [item.label for item in found if named in item.classes]
    if not named:
        why = "it names no class, and none of the load balancers here serves Ingresses without one"
    elif serving:
        why = f"its class {named} is that of {', '.join(serving)}, where its namespace, labels or kind of backend are left out"
    elif named in classes:
        why = f"no load balancer here serves its class {named}, whose controller is {classes[named]}"
    else:
        why = f"its class {named} is that of no load balancer here, and there is no IngressClass of that name"
    yield finding("MLB156", f"nobody serves it: {why}", ref_of(ingress), details={"class": named, "load_balancers": serving})
