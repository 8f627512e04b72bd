# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a load balancer outside of the cluster shows inside of it: as data per platform, and what is made of it for all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from ....kube import kinds
from ....kube.objects import Obj, annotations_of, dig, name_of, namespace_of, ref_of
from ....kube.snapshot import Snapshot
from ...contract.recognition import Trace
from ..ingresses import class_of

SHOWN = 3
"""How many objects of one sort are named as evidence."""


@dataclass(frozen=True)
class PlatformSigns:
    """Where to look. A word that ends in ``*`` means every one that begins so. Controllers of classes are on the profile.

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


def fits(value: str, words: Iterable[str]) -> bool:
    """Whether a value is one of the words, or begins like one that ends in an asterisk."""
    return any(value.startswith(word[:-1]) if word.endswith("*") else value == word for word in words)


def on_its_nodes(nodes: Iterable[Obj], signs: PlatformSigns) -> bool | None:
    """Whether the cluster's nodes are the platform's; ``None`` where they say nothing."""
    provider_ids = [str(dig(node, "spec", "providerID", default="")) for node in nodes]
    if not any(provider_ids) or not signs.nodes:
        return None
    return any(item.startswith(signs.nodes) for item in provider_ids)


def owns_ingress(signs: PlatformSigns, here: bool | None, ingress: Obj, classes: Iterable[str]) -> bool:
    """Whether an Ingress is the platform's: by its class, else by its annotation, else because it names none.

    ``here`` is the answer of :func:`on_its_nodes`, for this and all functions below.
    """
    name, annotation = class_of(ingress)
    if {name, annotation} & set(classes) - {""}:
        return True
    if annotation and fits(annotation, signs.class_annotations):
        return here is not False
    return _ingress_trace(signs, here, ingress) is not None


def owns_service(signs: PlatformSigns, here: bool | None, service: Obj) -> bool:
    """Whether a Service of type LoadBalancer is served by the platform."""
    return _service_trace(signs, here, service) is not None


def traces(snapshot: Snapshot, signs: PlatformSigns) -> tuple[Trace, ...]:
    """All that tells of the platform besides classes: what was written for it or by it, and, weakest, that its kinds are served."""
    here = on_its_nodes(snapshot.all(kinds.NODE), signs)
    of_ingresses = (_ingress_trace(signs, here, item) for item in snapshot.all(kinds.INGRESS))
    of_services = (_service_trace(signs, here, item) for item in snapshot.all(kinds.SERVICE))
    evidence = [trace for group in (of_ingresses, of_services) for trace in islice(filter(None, group), SHOWN)]
    served = bool(signs.kinds) and snapshot.source.live and all(snapshot.serves(kind) for kind in signs.kinds)
    if served and here is not False:
        evidence.append(Trace(f"the cluster serves {', '.join(signs.kinds)}", "possible"))
    return tuple(evidence)


def _ingress_trace(signs: PlatformSigns, here: bool | None, ingress: Obj) -> Trace | None:
    name, annotation = class_of(ingress)
    if here is False or name:
        return None
    label = f"Ingress {namespace_of(ingress)}/{name_of(ingress)}"
    key, finalizer, host = _annotated(signs, here, ingress), _finalized(ingress, signs), _given_name(ingress, signs)
    if annotation and fits(annotation, signs.class_annotations):
        return Trace(f"{label} has class annotation {annotation}", "likely")
    if key or finalizer:
        return Trace(f"{label} carries {key}" if key else f"{label} has finalizer {finalizer}")
    if host:
        return Trace(f"{label} got the name {host}", "likely")
    nodes = " or ".join(signs.nodes)
    return Trace(f"{label} names no class, on nodes of {nodes}", "likely") if _unclassed(signs, here, ingress) else None


def _service_trace(signs: PlatformSigns, here: bool | None, service: Obj) -> Trace | None:
    if dig(service, "spec", "type") != "LoadBalancer":
        return None
    named = str(dig(service, "spec", "loadBalancerClass", default=""))
    if named:
        return Trace(f"{ref_of(service)} has loadBalancerClass {named}") if fits(named, signs.load_balancer_classes) else None
    if here is False:
        return None
    key, host = _written(service, signs.service_annotations), _given_name(service, signs)
    if key:
        return Trace(f"{ref_of(service)} carries {key}")
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
        for name, present in annotations.items():
            if fits(name, (key,)) and (not equals or present == value):
                return f"annotation {name}" + (f" = {present}" if equals else "")
    return ""


def _annotated(signs: PlatformSigns, here: bool | None, ingress: Obj) -> str:
    return _written(ingress, signs.ingress_annotations) or (_written(ingress, signs.shared_annotations) if here else "")


def _unclassed(signs: PlatformSigns, here: bool | None, ingress: Obj) -> bool:
    return signs.unclassed and here is True and class_of(ingress) == ("", "")


def _finalized(obj: Obj, signs: PlatformSigns) -> str:
    return next((item for item in dig(obj, "metadata", "finalizers", default=[]) if fits(str(item), signs.finalizers)), "")


def _given_name(obj: Obj, signs: PlatformSigns) -> str:
    """The name by which the platform made an object known."""
    hosts = (str(item.get("hostname") or "") for item in dig(obj, "status", "loadBalancer", "ingress", default=[]))
    return next((host for host in hosts if host and host.endswith(signs.hostnames)), "") if signs.hostnames else ""
