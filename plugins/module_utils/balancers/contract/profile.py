# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The questions that every load balancer's file answers. Nothing outside ``balancers/`` asks which vendor it is.

A vendor is a subclass of :class:`Profile`, in a file of its own, and one line in ``registry.py``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from ...core.model import Finding, LoadBalancer, ObjectRef, Route
from ...kube.objects import Obj, containers_of, image_name, pod_template
from ...kube.snapshot import Snapshot
from .chained import Chained
from .switches import FieldPatch, PatchSet, Trace

__all__ = [
    "Confidence", "Facts", "Profile", "Recognition", "RouteReading", "SidecarTarget", "Signs", "PatchSet", "Trace", "FieldPatch",
    "programs_of", "recognise_container", "words_of",
]

Confidence = Literal["certain", "likely", "possible"]


@dataclass(frozen=True)
class Recognition:
    """Why a workload is believed to be this vendor's, and the container that says so."""

    confidence: Confidence
    evidence: tuple[str, ...]
    container: Obj
    version: str = ""


@dataclass(frozen=True)
class SidecarTarget:
    """Where a load balancer's pods are labelled and annotated: its workload, or the object from which an operator makes it.

    ``annotations`` are those that its sidecar needs besides the usual ones (ports of its own control plane, say).
    ``refusal`` says why there is no such place.
    """

    object: Obj
    labels_path: tuple[str | int, ...] = ("spec", "template", "metadata", "labels")
    annotations_path: tuple[str | int, ...] = ("spec", "template", "metadata", "annotations")
    annotations: tuple[tuple[str, str], ...] = ()
    refusal: str = ""


@dataclass(frozen=True)
class Facts:
    """What the documentation's vendor table says; everything else in it is derived.

    ``service_routing`` and ``host`` name the switch per object, ``service_routing_global`` and ``host_global`` the global
    ones, with the version that brought them, empty where there is none. ``proof`` is ``measured in the lab``, ``validated
    against the vendor's schema`` or ``read in the vendor's source``; ``versions`` are those that this holds for.
    """

    routes: tuple[str, ...] = ("Ingress",)
    service_routing: str = ""
    service_routing_global: str = ""
    host: str = ""
    host_global: str = ""
    default: str = "pod addresses, the client's Host"
    loses: str = ""
    remark: str = ""
    proof: str = "read in the vendor's source"
    versions: str = ""


@dataclass(frozen=True)
class RouteReading:
    """What a profile reads of a load balancer's routes."""

    routes: tuple[Route, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Signs:
    """How a vendor's containers are recognised; evidence in this order, the first two are certain.

    ``commands``: names of its program. ``flags``: options that only it has (all of a set must be there); ``variables``:
    environment variables likewise. ``images``: ends of its image's path, without registry host, so that mirrored images
    match. ``labels``: weakest.
    """

    commands: tuple[str, ...] = ()
    flags: tuple[frozenset[str], ...] = ()
    variables: tuple[frozenset[str], ...] = ()
    images: tuple[str, ...] = ()
    labels: tuple[frozenset[tuple[str, str]], ...] = ()


class Profile(Chained, ABC):
    """One kind of load balancer. What it is asked in chained mode is in :class:`balancers.contract.chained.Chained`."""

    id: str = ""
    placement: Literal["in_cluster", "node", "cloud", "external"] = "in_cluster"
    class_controllers: tuple[str, ...] = ()
    """``spec.controller`` of its IngressClasses; an entry that ends in ``/`` is a prefix."""
    gateway_controllers: tuple[str, ...] = ()
    """``spec.controllerName`` of its GatewayClasses, where that is not a setting."""
    outside: str = ""
    """Where its traffic leaves, if that may be no workload of the cluster: its classes and its controller then stand for it."""
    controller_signs: Signs | None = None
    """How the controller of such a load balancer is recognised."""
    kinds: tuple[str, ...] = ()
    """Kind keys that it reads besides the common ones."""
    signs: Signs = Signs()
    facts: Facts = Facts()
    retired: str = ""
    """A sentence when the project no longer publishes releases."""
    forbids_injection: str = ""
    """The reason when a sidecar must not be injected beside it."""

    def recognise(self, workload: Obj) -> Recognition | None:
        """Return why this workload is this vendor's data plane, or ``None``."""
        best: Recognition | None = None
        template = pod_template(workload)
        for container in containers_of(template):
            found = recognise_container(self.signs, container, template)
            if found is not None and (best is None or _RANK[found.confidence] > _RANK[best.confidence]):
                best = found
        return best

    def claims_controller(self, controller: str) -> bool:
        """Whether an IngressClass's ``spec.controller`` is this vendor's."""
        return any(
            controller.startswith(item) if item.endswith("/") else controller == item for item in self.class_controllers
        )

    def settings(self, snapshot: Snapshot, workload: Obj, container: Obj) -> dict[str, Any]:
        """What this instance was started with: kept on the LoadBalancer for the profile's own use."""
        return {}

    def config_map_namespaces(self, workload: Obj, container: Obj) -> Iterable[str]:
        """Namespaces whose ConfigMaps hold this instance's settings."""
        return ()

    def classes(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[str, ...]:
        """Names of the classes that this instance serves."""
        return ()

    def sidecar_target(self, snapshot: Snapshot, workload: Obj) -> SidecarTarget:
        """Where its pods get their labels and annotations; the workload itself unless an operator makes that."""
        return SidecarTarget(workload)

    def traces(self, snapshot: Snapshot) -> tuple[Trace, ...]:
        """What else than classes and a controller tells that it is used here, where its traffic leaves from no workload."""
        return ()

    def blockers(self, snapshot: Snapshot, workload: Obj) -> tuple[str, ...]:
        """Reasons of its own why a sidecar beside this workload is impossible or would not help."""
        return (self.forbids_injection,) if self.forbids_injection else ()

    def notices(self, snapshot: Snapshot, load_balancer: LoadBalancer) -> tuple[Finding, ...]:
        """Findings about the instance itself."""
        return ()

    @abstractmethod
    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        """Read its routes; ``only`` limits the reading to routes of these objects (the planner tries things out)."""

    def set_service_routing(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        """Fields that make it send these routes to the Service's address."""
        return PatchSet(refusal=f"{self.title} has no setting for Service routing")

    def set_host(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        """Fields that make it send the Service's name as Host."""
        return PatchSet(refusal=f"{self.title} has no setting that rewrites the Host")

    def set_certificates(self, snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        """Fields and objects that make it speak mutual TLS itself, with the mesh's certificate, and verify the backend's."""
        return PatchSet(refusal=f"{self.title} is not known to speak the mesh's mutual TLS itself and verify the backend's certificate")


_RANK = {"possible": 0, "likely": 1, "certain": 2}


def programs_of(container: Obj) -> tuple[str, ...]:
    """What a container's command line names as programs and subcommands, without directories, in order."""
    words = words_of(container)
    # What follows an option without "=" is its value; what follows "--" is a program again.
    values = {number + 1 for number, (word, dummy) in enumerate(pairwise(words)) if _takes_value(word)}
    return tuple(
        word.rpartition("/")[2] for number, word in enumerate(words) if not word.startswith("-") and number not in values
    )


def _takes_value(word: str) -> bool:
    return word.startswith("-") and word != "--" and "=" not in word


def words_of(container: Obj) -> list[str]:
    """The command line of a container as it is written."""
    return [str(word) for word in [*(container.get("command") or []), *(container.get("args") or [])]]


def recognise_container(signs: Signs, container: Obj, template: Obj) -> Recognition | None:
    """Match one container against a vendor's signs."""
    path, tag = image_name(str(container.get("image", "")))
    image = next((item for item in signs.images if path == item or path.endswith(f"/{item}")), "")
    programs = programs_of(container)
    evidence = [(f"container {container.get('name')} runs {item}", "certain") for item in signs.commands if item in programs][:1]
    if image:
        evidence.append((f"image {path} ends in {image}", "certain"))
    evidence += _weaker_evidence(signs, container, template)
    if not evidence:
        return None
    confidence: Confidence = max((_CONFIDENCES[word] for dummy, word in evidence), key=lambda item: _RANK[item])
    return Recognition(confidence, tuple(text for text, dummy in evidence), container, tag.lstrip("v") if image else "")


_CONFIDENCES: dict[str, Confidence] = {"certain": "certain", "likely": "likely", "possible": "possible"}


def _weaker_evidence(signs: Signs, container: Obj, template: Obj) -> list[tuple[str, str]]:
    """Options, environment variables and labels: of each the first set that is there as a whole."""
    flags = {word.lstrip("-").partition("=")[0] for word in words_of(container) if word.startswith("-")}
    variables = {str(item.get("name", "")) for item in container.get("env") or []}
    labels = dict(template.get("metadata", {}).get("labels") or {})
    found: list[tuple[str, str]] = []
    for flag_set in [item for item in signs.flags if item <= flags][:1]:
        found.append(("arguments " + ", ".join(f"--{item}" for item in sorted(flag_set)), "likely"))
    for names in [item for item in signs.variables if item <= variables][:1]:
        found.append(("environment " + ", ".join(sorted(names)), "likely"))
    for pairs in [item for item in signs.labels if item <= set(labels.items())][:1]:
        found.append(("labels " + ", ".join(f"{key}={value}" for key, value in sorted(pairs)), "possible"))
    return found
