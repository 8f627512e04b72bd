# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load balancers whose traffic leaves from no workload of the cluster: their classes, or their controller, stand for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..balancers.contract.instances import Neighbours
from ..balancers.contract.profile import Profile, Registry
from ..balancers.contract.recognition import CONFIDENCES, Confidence, Recognition, Trace
from ..balancers.kit.chain.answers import about_chaining
from ..balancers.kit.classes import controller_of
from ..balancers.kit.gateway.names import GATEWAY_CLASS
from ..balancers.kit.recognition import claims_class, recognise_container
from ..core.model import LoadBalancer, Mode, replace
from ..kube.objects import Obj, containers_of, dig, name_of, namespace_of, pod_template
from ..kube.snapshot import Snapshot


def outside(snapshot: Snapshot, near: Neighbours, registry: Registry, found: Iterable[LoadBalancer]) -> Iterator[LoadBalancer]:
    """One load balancer per profile of this sort that the cluster tells of, and whose workload was not found in it."""
    recognised = list(found)
    served = {name for item in recognised for name in item.classes}
    all_classes = (*near.ingress_classes, *snapshot.all(GATEWAY_CLASS))
    for profile in registry.profiles:
        if not profile.about.outside:
            continue
        here = any(item.vendor == profile.about.id for item in recognised)
        classes = [item for item in all_classes if _is_its_class(profile, item) and name_of(item) not in served]
        controllers = [] if here else list(_controllers(near.workloads, profile))
        traces = () if here else profile.recogniser.traces(snapshot)
        if classes or controllers or traces:
            made = _made(profile, classes, controllers, traces, able_to_more(registry))
            yield replace(made, settings=_settings(profile, controllers, near))


def _settings(profile: Profile, controllers: Sequence[tuple[Obj, Recognition]], near: Neighbours) -> Any:
    """What its controller was started with."""
    return next((profile.instance.settings(workload, match.container, near) for workload, match in controllers), None)


def _is_its_class(profile: Profile, item: Obj) -> bool:
    """Whether an IngressClass or a GatewayClass names the profile's controller."""
    if item.get("kind") == "GatewayClass":
        return dig(item, "spec", "controllerName") in profile.recogniser.gateway_classes.controllers
    return claims_class(profile.recogniser.classes, controller_of(item))


def controller_match(profile: Profile, workload: Obj) -> Recognition | None:
    """Why a workload is the controller of a load balancer whose traffic leaves elsewhere, or ``None``."""
    signs, template = profile.recogniser.controller, pod_template(workload)
    matches = (recognise_container(signs, container, template) for container in containers_of(template)) if signs else ()
    return next((match for match in matches if match is not None), None)


def _controllers(workloads: Iterable[Obj], profile: Profile) -> Iterator[tuple[Obj, Recognition]]:
    matches = ((workload, controller_match(profile, workload)) for workload in workloads)
    yield from ((workload, match) for workload, match in matches if match is not None)


def able_to_more(registry: Registry) -> str:
    """The platforms outside of the cluster that can speak the mesh's mutual TLS all the same."""
    return " and ".join(item.about.title for item in registry.profiles if item.about.outside and _speaks_mutual_tls(item))


def _speaks_mutual_tls(profile: Profile) -> bool:
    return profile.chain is not None and profile.chain.facts.standalone_mtls.possible


def _made(
    profile: Profile, classes: list[Obj], controllers: list[tuple[Obj, Recognition]], traces: tuple[Trace, ...], more: str
) -> LoadBalancer:
    names = sorted({name_of(item) for item in classes})
    first = controllers[0] if controllers else None
    evidence = [f"{item.get('kind')} {name_of(item)} has controller {_controller_of(item)}" for item in classes]
    evidence += [text for dummy, match in controllers for text in match.evidence] + [item.text for item in traces]
    sure: list[Confidence] = ["certain"] if first else ["likely"] if classes else []
    return LoadBalancer(
        name=names[0] if names else name_of(first[0]) if first else profile.about.id,
        namespace="" if names or not first else namespace_of(first[0]),
        vendor=profile.about.id, title=profile.about.title,
        placement="external" if profile.about.placement == "in_cluster" else profile.about.placement,
        version=first[1].version if first else "", classes=tuple(names),
        confidence=max([*sure, *(item.confidence for item in traces)], key=CONFIDENCES.index),
        evidence=tuple(dict.fromkeys(evidence)), modes=_modes(profile, more),
    )


_STRICT = "a STRICT workload refuses it, unless strict_exemption of service_routing opens that workload's one port to everybody's plaintext"


def _modes(profile: Profile, more: str) -> tuple[tuple[str, Mode], ...]:
    facts = profile.chain.facts if profile.chain else None
    own = _speaks_mutual_tls(profile)
    without = f"a sidecar is not possible: {profile.about.outside}; of load balancers outside of the cluster {more} can do more"
    return (
        ("standalone_plaintext", Mode(
            facts is None or facts.standalone.possible,
            f"{facts.standalone.text}; {_STRICT}" if facts else "it reaches backends that accept plaintext",
        )),
        ("standalone_mtls", Mode(
            own, facts.standalone_mtls.text if facts and own else without, () if own else (profile.about.outside,),
        )),
        ("chained", Mode(True, about_chaining(profile.chain), facts.cannot if facts else ())),
    )


def _controller_of(item: Obj) -> str:
    return str(dig(item, "spec", "controller", default="") or dig(item, "spec", "controllerName", default=""))
