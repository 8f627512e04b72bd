# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load balancers that claim the same routes from different namespaces: which of them is planned, and which is planned around.

Whoever may create a Deployment can make one that looks like somebody else's load balancer. Its routes would then be planned together with
those of the real one, in whose plan it would have a say, and in whose routes' namespaces things would be written for it. So one of them
is planned: the one that the user names, else the one for which there is the first evidence of :data:`_EVIDENCE` that the others lack.
Whoever may only write in a claimant's own namespace can make none of it. Where nothing tells them apart, none is planned.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ..core.findings import finding
from ..core.model import Finding, LoadBalancer, ObjectRef
from ..detect.classes import given_addresses, release_namespace
from ..detect.inventory import Inventory
from ..kube import kinds
from ..kube.objects import Obj, dig, labels_of, namespace_of, pod_template, ref_of, time_in
from ..kube.pods import by_namespace
from ..kube.selectors import selects
from ..kube.snapshot import Snapshot

Key = tuple[str, str]
Weight = tuple["float | None", ...]
"""How much of each kind of evidence there is; ``None`` where that is not known."""


@dataclass(frozen=True)
class Known:
    """What is known from elsewhere, by labels of load balancers: the namespaces of what earlier runs wrote, and whom the user names."""

    written_in: Mapping[str, Collection[str]] = field(default_factory=dict)
    named: Collection[str] = ()


@dataclass(frozen=True)
class Rival:
    """A load balancer that claims the same routes, and by what it is told to be the one that is meant; nothing tells where empty."""

    load_balancer: LoadBalancer
    why: str = ""


def rivals(inventory: Inventory, snapshot: Snapshot, known: Known) -> dict[Key, Rival]:
    """The load balancers that are planned around, each with the one whose routes it serves as well."""
    claims = _Claims(inventory, snapshot, known)
    found = {}
    for item in inventory.load_balancers.values():
        first = None if item.label in known.named else claims.ahead_of(item)
        if first is not None:
            found[item.key] = first
    return found


class _Claims:
    """Which load balancers claim which objects of routes, and what speaks for each."""

    def __init__(self, inventory: Inventory, snapshot: Snapshot, known: Known) -> None:
        self._inventory, self._snapshot, self._known = inventory, snapshot, known
        self._served: dict[Key, set[ObjectRef]] = {}
        for route in inventory.routes:
            self._served.setdefault(route.load_balancer, set()).add(route.object)
        self._evidence: dict[Key, Weight] = {}

    def ahead_of(self, item: LoadBalancer) -> Rival | None:
        """The claimant that is planned instead of this one, ``None`` where this one is."""
        undecided = None
        for other in self._inventory.load_balancers.values():
            if other.namespace == item.namespace or not self._share(item, other):
                continue
            why, ahead = _weighed(self._weight(item), self._weight(other))
            if ahead:
                return Rival(other, why)
            # Where earlier runs wrote for both, what was planned goes on being planned.
            if not why and not self._weight(item)[_ESTABLISHED]:
                undecided = undecided or Rival(other)
        return undecided

    def _share(self, item: LoadBalancer, other: LoadBalancer) -> bool:
        both = self._served.get(item.key, set()) & self._served.get(other.key, set())
        return any(not self._names_several(ref) for ref in both)

    def _names_several(self, ref: ObjectRef) -> bool:
        """Whether a route names several parents itself, so that several load balancers serve it as its owner wants."""
        parents = dig(self._snapshot.at(ref), "spec", "parentRefs", default=[])
        return len({(dig(item, "namespace"), dig(item, "name")) for item in parents}) > 1

    def _weight(self, item: LoadBalancer) -> Weight:
        if item.key not in self._evidence:
            written = set(self._known.written_in.get(item.label, ()))
            workload = self._snapshot.at(item.workload) if item.workload else None
            born = time_in(str(dig(workload, "metadata", "creationTimestamp", default="")))
            self._evidence[item.key] = (
                item.label in self._known.named, self._is_vouched_for(item), workload is not None and self._is_published(item, workload),
                bool(written - {item.namespace}), None if born is None else -born, item.namespace not in self._shared_places, bool(written),
            )
        return self._evidence[item.key]

    def _is_vouched_for(self, item: LoadBalancer) -> bool:
        """Whether a class, which belongs to the cluster as a whole, came with a release in its namespace, or is all that there is of it."""
        if item.workload is None:
            return bool(item.classes)
        classes = filter(None, (self._snapshot.get(kinds.INGRESS_CLASS, "", name) for name in item.classes))
        return any(release_namespace(obj) == item.namespace for obj in classes)

    def _is_published(self, item: LoadBalancer, workload: Obj) -> bool:
        """Whether others' routes give an address in their status that the API server gave to a Service of these pods."""
        own, labels = set(), labels_of(pod_template(workload))
        for service in self._snapshot.lookup(kinds.SERVICE, by_namespace, item.namespace):
            if selects(dig(service, "spec", "selector", default={}), labels):
                own |= {*given_addresses(service)}
        routes = (ref for ref in self._served.get(item.key, ()) if ref.namespace != item.namespace)
        return any(not own.isdisjoint(given_addresses(self._snapshot.at(ref) or {})) for ref in routes)

    @cached_property
    def _shared_places(self) -> set[str]:
        """Namespaces where there is more than a load balancer: routes, backends, or other workloads."""
        balancers = {item.workload for item in self._inventory.load_balancers.values()}
        used = {namespace for route in self._inventory.routes for namespace in (route.object.namespace, route.backend.namespace)}
        return used | {
            namespace_of(obj) for kind in kinds.WORKLOADS for obj in self._snapshot.all(kind)
            if ref_of(obj) not in balancers
        }


_EVIDENCE = (
    "the user names it", "its class came with a release of its namespace", "the status of routes gives its Service's address",
    "earlier runs wrote something for it in other namespaces", "it is older", "nothing else is in its namespace",
    "earlier runs wrote something for it",
)
_ESTABLISHED = 3


def _weighed(ours: Weight, theirs: Weight) -> tuple[str, bool]:
    """The first evidence that tells two apart, empty where none does, and whether it is theirs."""
    for why, one, other in zip(_EVIDENCE, ours, theirs, strict=True):
        if one is not None and other is not None and one != other:
            return why, other > one
    return "", False


def about_rivals(load_balancers: Mapping[Key, LoadBalancer], found: Mapping[Key, Rival]) -> Iterator[Finding]:
    """That a load balancer is planned around, why, and how it would be planned."""
    for key, rival in found.items():
        item, other = load_balancers[key], rival.load_balancer
        details = {"load_balancer": item.label, "other": other.label, "why": rival.why}
        if rival.why:
            code = "MLB227" if rival.why in _WRITTEN else "MLB310"
            message = (
                f"{item.label} serves routes that {other.label} serves too, and {other.label} is the one that is planned: {rival.why}. "
                f"{item.label} is planned around; if it is yours, name it in load_balancers"
            )
        else:
            code = "MLB311"
            message = f"{item.label} and {other.label} serve the same routes, and nothing tells which is meant; these stay as they are"
        yield finding(code, message, item.workload, cause=other.workload, details=details)


_WRITTEN = frozenset({_EVIDENCE[_ESTABLISHED], _EVIDENCE[-1]})
