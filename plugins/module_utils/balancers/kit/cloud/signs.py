# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a load balancer outside of the cluster shows inside of it: as data per platform, and what is made of it for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ....kube import kinds
from ....kube.objects import Obj, annotations_of, dig, name_of, namespace_of, ref_of
from ....kube.snapshot import Snapshot
from ...contract.recognition import Trace
from ..ingresses import class_of

SHOWN = 3
"""How many objects of one sort are named as evidence."""


@dataclass(frozen=True)
class PlatformSigns:
    """Where to look. A word that ends in ``*`` stands for every one that begins so. Controllers of classes are on the profile.

    ``nodes``: beginnings of Nodes' ``spec.providerID``; where the nodes are somebody else's, only controllers of classes and
    ``load_balancer_classes`` count. ``class_annotations``: values of ``kubernetes.io/ingress.class``; ``unclassed``: an Ingress that
    names no class is its own too. ``ingress_annotations``, ``service_annotations``: keys that only it reads or writes (``key=value``
    asks for a value too); ``shared_annotations``: keys of an Ingress that another platform uses too, which count on its own nodes alone.
    ``load_balancer_classes``: values of a Service's ``spec.loadBalancerClass``; ``all_services``: Services
    of type LoadBalancer without one are its own on its nodes. ``hostnames``: ends of names in ``status.loadBalancer``, with their
    dot. ``kinds``: kind keys whose controller is installed where all of them are served: never more than "possible".
    """

    nodes: tuple[str, ...] = ()
    class_annotations: tuple[str, ...] = ()
    unclassed: bool = False
    ingress_annotations: tuple[str, ...] = ()
    shared_annotations: tuple[str, ...] = ()
    finalizers: tuple[str, ...] = ()
    service_annotations: tuple[str, ...] = ()
    load_balancer_classes: tuple[str, ...] = ()
    all_services: bool = False
    hostnames: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


def matches(value: str, words: Iterable[str]) -> bool:
    """Whether a value is one of the words, or begins like one that ends in an asterisk."""
    return any(value.startswith(word[:-1]) if word.endswith("*") else value == word for word in words)


def on_its_nodes(snapshot: Snapshot, signs: PlatformSigns) -> bool | None:
    """Whether the cluster's nodes are the platform's; ``None`` where they say nothing."""
    known = [str(dig(node, "spec", "providerID", default="")) for node in snapshot.all(kinds.NODE)]
    told = [item for item in known if item]
    if not told or not signs.nodes:
        return None
    return any(item.startswith(signs.nodes) for item in told)


def owns_ingress(snapshot: Snapshot, signs: PlatformSigns, ingress: Obj, classes: Iterable[str]) -> bool:
    """Whether an Ingress is the platform's: by its class, else by its annotation, else because it names none."""
    name, annotation = class_of(ingress)
    if {name, annotation} & set(classes) - {""}:
        return True
    if annotation and matches(annotation, signs.class_annotations):
        return on_its_nodes(snapshot, signs) is not False
    if _annotated(snapshot, signs, ingress) or _finalized(ingress, signs) or _given_name(ingress, signs):
        return on_its_nodes(snapshot, signs) is not False and not name
    return signs.unclassed and not name and not annotation and on_its_nodes(snapshot, signs) is True


def owns_service(snapshot: Snapshot, signs: PlatformSigns, service: Obj) -> bool:
    """Whether a Service of type LoadBalancer is served by the platform."""
    return _service_trace(snapshot, signs, service) is not None


def _service_trace(snapshot: Snapshot, signs: PlatformSigns, service: Obj) -> Trace | None:
    if dig(service, "spec", "type") != "LoadBalancer":
        return None
    named = str(dig(service, "spec", "loadBalancerClass", default=""))
    if named:
        return Trace(f"{ref_of(service)} has loadBalancerClass {named}") if matches(named, signs.load_balancer_classes) else None
    here = on_its_nodes(snapshot, signs)
    if here is False:
        return None
    key = _written(service, signs.service_annotations)
    if key:
        return Trace(f"{ref_of(service)} carries {key}")
    host = _given_name(service, signs)
    if host:
        return Trace(f"{ref_of(service)} got the name {host}", "likely")
    if here and signs.all_services:
        return Trace(f"{ref_of(service)} is of type LoadBalancer, on nodes of {' or '.join(signs.nodes)}", "likely")
    return None


def _written(obj: Obj, words: Iterable[str]) -> str:
    """The first annotation that fits, as it is said in evidence."""
    annotations = annotations_of(obj)
    for word in words:
        key, equals, value = word.partition("=")
        for found, present in annotations.items():
            if matches(found, (key,)) and (not equals or present == value):
                return f"annotation {found}" + (f" = {present}" if equals else "")
    return ""


def _annotated(snapshot: Snapshot, signs: PlatformSigns, ingress: Obj) -> str:
    own = _written(ingress, signs.ingress_annotations)
    return own or (_written(ingress, signs.shared_annotations) if on_its_nodes(snapshot, signs) else "")


def _finalized(obj: Obj, signs: PlatformSigns) -> str:
    return next((item for item in dig(obj, "metadata", "finalizers", default=[]) if matches(str(item), signs.finalizers)), "")


def _given_name(obj: Obj, signs: PlatformSigns) -> str:
    """The name by which the platform made an object known."""
    return next((item for item in _hostnames(obj) if item.endswith(signs.hostnames)), "") if signs.hostnames else ""


def _hostnames(obj: Obj) -> Iterator[str]:
    for item in dig(obj, "status", "loadBalancer", "ingress", default=[]):
        if item.get("hostname"):
            yield str(item["hostname"])


def traces(snapshot: Snapshot, signs: PlatformSigns) -> tuple[Trace, ...]:
    """All that tells of the platform besides classes: what was written for it or by it, and, weakest, that its kinds are served."""
    found = [*_first(_ingress_traces(snapshot, signs)), *_first(_service_traces(snapshot, signs))]
    served = bool(signs.kinds) and snapshot.source.live and all(snapshot.serves(kind) for kind in signs.kinds)
    if served and on_its_nodes(snapshot, signs) is not False:
        found.append(Trace(f"the cluster serves {', '.join(signs.kinds)}", "possible"))
    return tuple(found)


def _first(found: Iterator[Trace]) -> list[Trace]:
    return [item for dummy, item in zip(range(SHOWN), found, strict=False)]


def _ingress_traces(snapshot: Snapshot, signs: PlatformSigns) -> Iterator[Trace]:
    if on_its_nodes(snapshot, signs) is False:
        return
    for ingress in snapshot.all(kinds.INGRESS):
        name, annotation = class_of(ingress)
        label = f"Ingress {namespace_of(ingress)}/{name_of(ingress)}"
        key, finalizer = _annotated(snapshot, signs, ingress), _finalized(ingress, signs)
        if not name and annotation and matches(annotation, signs.class_annotations):
            yield Trace(f"{label} has class annotation {annotation}", "likely")
        elif key and not name:
            yield Trace(f"{label} carries {key}")
        elif finalizer and not name:
            yield Trace(f"{label} has finalizer {finalizer}")
        elif _given_name(ingress, signs) and not name:
            yield Trace(f"{label} got the name {_given_name(ingress, signs)}", "likely")
        elif signs.unclassed and not name and not annotation and on_its_nodes(snapshot, signs):
            yield Trace(f"{label} names no class, on nodes of {' or '.join(signs.nodes)}", "likely")


def _service_traces(snapshot: Snapshot, signs: PlatformSigns) -> Iterator[Trace]:
    for service in snapshot.all(kinds.SERVICE):
        found = _service_trace(snapshot, signs, service)
        if found is not None:
            yield found
