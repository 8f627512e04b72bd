# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which load balancer a workload is: all that it could be by its signs, and the one of the best evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..balancers.contract.instances import Neighbours
from ..balancers.contract.profile import Profile, Registry
from ..balancers.contract.recognition import CONFIDENCES, Recognition
from ..balancers.kit.classes import controller_of
from ..balancers.kit.recognition import claims_class, recognition_of
from ..core.model import replace
from ..kube.objects import Obj, argument, name_of
from .outside import controller_match


def recognised(near: Neighbours, registry: Registry) -> Iterator[tuple[Obj, Profile, Recognition]]:
    """Workloads that are a known vendor's data plane."""
    for workload in near.workloads:
        found = candidates(near, registry, workload)
        if found and found[0].carries:
            rivals = tuple(item.profile.about.title for item in found[1:] if item.strength == found[0].strength)
            yield workload, found[0].profile, replace(found[0].match, rivals=rivals)


@dataclass(frozen=True)
class Candidate:
    """A profile that a workload fits. ``carries``: as what carries its traffic, and not as a controller of something elsewhere."""

    profile: Profile
    match: Recognition
    carries: bool = True
    by_class: bool = False

    @property
    def strength(self) -> tuple[bool, int, bool, int]:
        """By what the evidence is compared: an image's last word goes behind any other, and then a class's controller decides."""
        surely = not self.match.sole_word
        return (surely, CONFIDENCES.index(self.match.confidence) if surely else 0, self.by_class, len(self.match.evidence))


def candidates(near: Neighbours, registry: Registry, workload: Obj) -> list[Candidate]:
    """The profiles that a workload fits, the best first."""
    found = []
    for profile in registry.profiles:
        match, controls = recognition_of(profile.recogniser, workload), controller_match(profile, workload)
        if match is not None:
            found.append(Candidate(profile, match))
        elif controls is not None:
            found.append(Candidate(profile, controls, carries=False))
    if len(found) > 1:
        controllers = {controller_of(item) for item in near.ingress_classes if name_of(item) in _classes_in_arguments(found)}
        found = [replace(item, by_class=any(claims_class(item.profile.recogniser.classes, name) for name in controllers)) for item in found]
    return sorted(found, key=lambda item: item.strength, reverse=True)


def _classes_in_arguments(found: Iterable[Candidate]) -> set[str]:
    """Names of classes that the candidates' containers were started with."""
    return {argument(item.match.container, "ingress-class", "ingress.class", "ingressClass") or "" for item in found} - {""}
