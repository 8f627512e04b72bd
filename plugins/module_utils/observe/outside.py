# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load balancers whose traffic leaves from no workload of the cluster: their classes, or their controller, stand for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ansible_collections.meshlb.istio.plugins.module_utils.model import LoadBalancer, Mode
from ansible_collections.meshlb.istio.plugins.module_utils.observe import kinds
from ansible_collections.meshlb.istio.plugins.module_utils.observe.objects import (
    Obj,
    containers_of,
    dig,
    name_of,
    namespace_of,
    pod_template,
)
from ansible_collections.meshlb.istio.plugins.module_utils.observe.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.base import (
    Confidence,
    Profile,
    Recognition,
    Trace,
    recognise_container,
)
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.gateway_attachment import GATEWAY_CLASS
from ansible_collections.meshlb.istio.plugins.module_utils.vendors.registry import profiles_of


def outside(snapshot: Snapshot, found: Iterable[LoadBalancer]) -> Iterator[LoadBalancer]:
    """One load balancer per profile of this sort that the cluster tells of, and whose workload was not found in it."""
    recognised = list(found)
    served = {name for item in recognised for name in item.classes}
    for profile in profiles_of(snapshot):
        if not profile.outside:
            continue
        here = any(item.vendor == profile.id for item in recognised)
        classes = [item for item in _classes(snapshot, profile) if name_of(item) not in served]
        controllers = [] if here else list(_controllers(snapshot, profile))
        traces = () if here else profile.traces(snapshot)
        if classes or controllers or traces:
            yield _made(profile, classes, controllers, traces)


def _classes(snapshot: Snapshot, profile: Profile) -> Iterator[Obj]:
    for item in snapshot.all(kinds.INGRESS_CLASS):
        if profile.claims_controller(str(dig(item, "spec", "controller", default=""))):
            yield item
    for item in snapshot.all(GATEWAY_CLASS):
        if dig(item, "spec", "controllerName") in profile.gateway_controllers:
            yield item


def _controllers(snapshot: Snapshot, profile: Profile) -> Iterator[tuple[Obj, Recognition]]:
    if profile.controller_signs is None:
        return
    for kind in kinds.WORKLOADS:
        for workload in snapshot.all(kind):
            template = pod_template(workload)
            for container in containers_of(template):
                match = recognise_container(profile.controller_signs, container, template)
                if match is not None:
                    yield workload, match


def _made(
    profile: Profile, classes: list[Obj], controllers: list[tuple[Obj, Recognition]], traces: tuple[Trace, ...]
) -> LoadBalancer:
    names = sorted({name_of(item) for item in classes})
    first = controllers[0] if controllers else None
    evidence = [f"{item.get('kind')} {name_of(item)} has controller {_controller_of(item)}" for item in classes]
    evidence += [text for dummy, match in controllers for text in match.evidence] + [item.text for item in traces]
    sure: list[Confidence] = ["certain"] if first else ["likely"] if classes else []
    return LoadBalancer(
        name=names[0] if names else name_of(first[0]) if first else profile.id,
        namespace="" if names or not first else namespace_of(first[0]),
        vendor=profile.id, title=profile.title, placement="external" if profile.placement == "in_cluster" else profile.placement,
        version=first[1].version if first else "", classes=tuple(names),
        confidence=max([*sure, *(item.confidence for item in traces)], key=_RANK.index),
        evidence=tuple(dict.fromkeys(evidence)), modes=_modes(profile),
    )


_RANK: list[Confidence] = ["possible", "likely", "certain"]


def _modes(profile: Profile) -> tuple[tuple[str, Mode], ...]:
    facts = profile.chain
    known = bool(facts.proof)
    own = known and facts.standalone_mtls.startswith("yes")
    without = f"a sidecar is not possible: {profile.outside}"
    return (
        ("standalone_plaintext", Mode(
            not (known and facts.standalone.startswith("no")),
            facts.standalone if known else "it reaches backends that accept plaintext",
        )),
        ("standalone_mtls", Mode(own, facts.standalone_mtls if own else without, () if own else (profile.outside,))),
        ("chained", Mode(True, "it can send to an Istio gateway, which speaks mutual TLS with the backends", facts.cannot)),
    )


def _controller_of(item: Obj) -> str:
    return str(dig(item, "spec", "controller", default="") or dig(item, "spec", "controllerName", default=""))
