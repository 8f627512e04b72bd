# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services whose selector somebody changes while requests are served: what copies the selector misses the new pods from then on."""

from __future__ import annotations

from ..kube import kinds
from ..kube.objects import Obj, annotations_of, dig, labels_of, name_of, namespace_of, pod_template
from ..kube.pods import by_namespace
from ..kube.snapshot import Snapshot

ROLLOUT, CANARY = "Rollout.argoproj.io", "Canary.flagger.app"
HASH = "rollouts-pod-template-hash"
MANAGED = "argo-rollouts.argoproj.io/managed-by-rollouts"
_OF_ROLLOUT = (
    ("blueGreen", "activeService"), ("blueGreen", "previewService"), ("canary", "stableService"), ("canary", "canaryService"),
)
_SWITCHED = frozenset({"color", "colour", "slot"})
"""Last words of the keys by which one of two sets of pods is chosen."""
_COLOURS = frozenset({"blue", "green"})


def why_switched(snapshot: Snapshot, service: Obj) -> str:
    """Who switches this Service's selector, as a clause; empty where nobody is known to."""
    selector = dig(service, "spec", "selector", default={})
    return _by_argo(snapshot, service, selector) or _by_flagger(snapshot, service) or _by_hand(snapshot, service, selector)


def _by_argo(snapshot: Snapshot, service: Obj, selector: dict[str, str]) -> str:
    namespace, name = namespace_of(service), name_of(service)
    named = annotations_of(service).get(MANAGED, "")
    for rollout in snapshot.lookup(ROLLOUT, by_namespace, namespace):
        if name in (dig(rollout, "spec", "strategy", *path) for path in _OF_ROLLOUT):
            named = name_of(rollout)
    if named:
        return f"Argo's Rollout {namespace}/{named} switches the Service's selector"
    return f"Argo Rollouts switches the Service's selector ({HASH})" if HASH in selector else ""


def _by_flagger(snapshot: Snapshot, service: Obj) -> str:
    namespace, name = namespace_of(service), name_of(service)
    owners = dig(service, "metadata", "ownerReferences", default=[])
    made_by = [str(item.get("name")) for item in owners if item.get("kind") == "Canary" and "flagger.app/" in str(item.get("apiVersion"))]
    for canary in snapshot.lookup(CANARY, by_namespace, namespace):
        own = str(dig(canary, "spec", "service", "name") or dig(canary, "spec", "targetRef", "name"))
        if name in (own, f"{own}-primary", f"{own}-canary"):
            made_by.append(name_of(canary))
    return f"Flagger's Canary {namespace}/{made_by[0]} manages the Service's selector" if made_by else ""


def _by_hand(snapshot: Snapshot, service: Obj, selector: dict[str, str]) -> str:
    """Two workloads that differ in the one label by which the Service chooses between them."""
    for key, value in sorted(selector.items()):
        rest = {other: word for other, word in selector.items() if other != key}
        named = key.rpartition("/")[2].lower() in _SWITCHED
        if str(value).lower() not in _COLOURS and not (named and rest):
            continue
        for workload in (item for kind in kinds.WORKLOADS for item in snapshot.lookup(kind, by_namespace, namespace_of(service))):
            labels = labels_of(pod_template(workload))
            other = labels.get(key)
            if other is None or other == value or any(labels.get(name) != word for name, word in rest.items()):
                continue
            if {str(value).lower(), str(other).lower()} == _COLOURS or (named and rest):
                return f"the Service chooses pods by {key}: {value}, and workload {name_of(workload)} has {key}: {other} to be switched to"
    return ""
