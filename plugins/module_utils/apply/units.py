# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which writes belong together: a refusal in one namespace keeps from being written only what would be wrong without it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain

from ..core.marks import ROUTES_IN
from ..core.model import Change, replace
from ..core.printable import listed
from ..kube.objects import Identity, Obj, dig, identity, identity_of, namespace_of
from ..plan.chain.carry import hosts_in
from ..plan.strategies.base import Proposal, namespaces_served
from ..plan.units import tied
from .book import is_created
from .ledger import Lookup

SHOWN = 4
_GRANT = "ReferenceGrant"
"""Lets the gateway's routing lead to its namespace."""
Homes = Mapping[str, Collection[str]]
"""The namespaces of the routes that each unit is for."""


def planned_units(changes: Sequence[Change], proposals: Iterable[Proposal], existing: Lookup) -> list[Change]:
    """The changes of a plan: what is proposed together is one unit, and so is what two proposals share.

    What the plan no longer needs goes only where all that was planned for its routes' namespaces is written.
    """
    groups = _groups(proposals)
    labels = _labels(changes, groups)
    homes: dict[str, set[str]] = {}
    for item, namespaces in groups.values():
        if item in labels:
            homes.setdefault(labels[item], set()).update(namespaces)
    planned, others = [], []
    for change in changes:
        group = groups.get(identity_of(change.object))
        if group is None:
            others.append(change)
        else:
            planned.append(replace(change, unit=labels[group[0]]))
    return [*planned, *removal_units(others, existing, homes)]


def waiting_for(changes: Iterable[Change], lost: Iterable[str], known: Collection[str], unit_of: Callable[[Change], str]) -> set[str]:
    """The units that are ``lost`` or ``known`` to be, and all that wait for the former, directly or not."""
    waiting = [item for item in changes if item.waits_for]
    units, fresh = set(known), set(lost)
    while fresh:
        units |= fresh
        fresh = {unit_of(item) for item in waiting if not fresh.isdisjoint(item.waits_for)} - units
    return units


def _groups(proposals: Iterable[Proposal]) -> dict[Identity, tuple[int, frozenset[str]]]:
    """Every object that is proposed, with the number of its unit, and the namespaces of the routes that need it."""
    found: dict[Identity, tuple[int, frozenset[str]]] = {}
    for number, group in enumerate(tied(list(map(_bodies, proposals)), lambda bodies: map(identity, bodies))):
        for body in chain.from_iterable(group):
            key = identity(body)
            found[key] = (number, namespaces_served(body) | found.get(key, (0, frozenset()))[1])
    return found


def _bodies(proposal: Proposal) -> list[Obj]:
    return [*(item.body for item in proposal.creations), *(item.object for item in proposal.patches)]


def _labels(changes: Iterable[Change], groups: Mapping[Identity, tuple[int, frozenset[str]]]) -> dict[int, str]:
    """What a unit is called: its objects that change."""
    named: dict[int, list[str]] = {}
    for change in changes:
        group = groups.get(identity_of(change.object))
        if group is not None:
            named.setdefault(group[0], []).append(str(change.object))
    return {number: listed(dict.fromkeys(names), SHOWN) for number, names in named.items()}


def removal_units(changes: Sequence[Change], existing: Lookup, homes: Homes | None = None) -> list[Change]:
    """Changes that take something back: every object is a unit, and what was created goes after the fields that need it were given back.

    All of them wait for the units of ``homes`` that are for routes in the same namespaces.
    """
    restored = {str(item.object): {item.object.namespace} for item in changes if item.action == "patch"}
    of_patches, of_deletions = _waiting(homes or {}), _waiting(homes or {}, restored)
    found = []
    for change in changes:
        needed = of_deletions if change.action == "delete" else of_patches
        found.append(replace(change, unit=str(change.object), waits_for=needed(_served(change, existing))))
    return found


def _waiting(*homes: Homes) -> Callable[[frozenset[str]], frozenset[str]]:
    """Which units have routes in some of the namespaces given. One set for all who ask the same: there may be thousands of both."""
    units: dict[str, set[str]] = {}
    for unit, namespaces in (pair for item in homes for pair in item.items()):
        for namespace in namespaces:
            units.setdefault(namespace, set()).add(unit)

    @cache
    def needed(served: frozenset[str]) -> frozenset[str]:
        return frozenset().union(*(units.get(namespace, ()) for namespace in served))

    return needed


def _served(change: Change, existing: Lookup) -> frozenset[str]:
    return namespaces_served(change.body or existing(*identity_of(change.object)) or {"metadata": {"namespace": change.object.namespace}})


@dataclass(frozen=True)
class ChainHosts:
    """The Hosts that objects of a chain are for: ``served`` by the gateway's routing, ``led`` there by the load balancer's own objects.

    ``of_routes`` are all Hosts of objects that are there, as far as they are known.
    """

    served: Mapping[Identity, Collection[str]] = field(default_factory=dict)
    led: Mapping[Identity, Collection[str]] = field(default_factory=dict)
    of_routes: Mapping[Identity, Collection[str]] = field(default_factory=dict)


def chain_units(
    changes: Sequence[Change], gateway: str, wanted: Collection[Identity], last: int, existing: Lookup, hosts: ChainHosts
) -> list[Change]:
    """The changes of a chain: the gateway's routing for a Host is a unit, and so is every other object but the gateway itself.

    All wait for the gateway, whose namespace is ``gateway``. What leads a route there waits for the routing of its Hosts too, and for what
    stands beside it. What is made smaller in the ``last`` phase waits for everybody. What is not ``wanted`` any more is taken back
    (:func:`chain_removal_units`), and goes after what takes its place: the gateway's routing for a Host after all that is planned for this
    Host, what stands beside routes after all that is planned there, and the gateway itself after everybody.
    """
    planned, smaller, others = [], [], []
    for change in changes:
        if identity_of(change.object) not in wanted:
            others.append(change)
        elif change.phase == last:
            smaller.append(replace(change, unit=f"{change.object}, made smaller"))
        else:
            planned.append(replace(change, unit=_chain_unit(change, gateway, hosts)))
    planned = _waiting_for_hosts(planned, hosts)
    needed = frozenset(item.unit for item in planned)
    places = _waiting(_places(planned, hosts))
    later = [replace(item, waits_for=needed | {str(change.object) for change in others if change.action == "patch"}) for item in smaller]
    for item in chain_removal_units(others, existing, hosts, last):
        keys = _place(item, last)
        later.append(replace(item, waits_for=item.waits_for | (needed if keys is None else places(keys))))
    return [*planned, *later]


def _places(planned: Iterable[Change], hosts: ChainHosts) -> dict[str, set[str]]:
    """The units, each with the Hosts and the namespaces that it is for."""
    found: dict[str, set[str]] = {}
    for change in planned:
        key = identity_of(change.object)
        named = {f"host {host}" for host in (*hosts.served.get(key, ()), *hosts.led.get(key, ()))}
        found.setdefault(change.unit, set()).update({*named, change.object.namespace})
    return found


def _place(change: Change, last: int) -> frozenset[str] | None:
    """What a change that takes something back is for: Hosts, or the namespace that it stands in; ``None`` for everybody."""
    if change.action == "patch":
        return None if change.phase == last else frozenset()
    named = hosts_in(change.body or {})
    if named:
        return frozenset(f"host {host}" for host in named)
    return frozenset({change.object.namespace}) if _is_beside_routes(change.body or {}) else None


def _chain_unit(change: Change, gateway: str, hosts: ChainHosts) -> str:
    key = identity_of(change.object)
    if key in hosts.served:
        return f"the gateway's routing for {', '.join(sorted(hosts.served[key])) or 'any host'}"
    return "" if change.object.namespace == gateway and key not in hosts.led else str(change.object)


def _waiting_for_hosts(changes: Sequence[Change], hosts: ChainHosts) -> list[Change]:
    of_hosts: dict[str, set[str]] = {}
    beside: dict[str, set[str]] = {}
    for change in changes:
        key = identity_of(change.object)
        for host in hosts.served.get(key, ()):
            of_hosts.setdefault(host, set()).add(change.unit)
        if key not in hosts.led and key not in hosts.served:
            beside.setdefault(change.object.namespace, set()).add(change.unit)
    found = []
    for change in changes:
        needed = {""} - {change.unit}
        for host in hosts.led.get(identity_of(change.object), ()):
            needed |= of_hosts.get(host, set())
        if identity_of(change.object) in hosts.led:
            needed |= beside.get(change.object.namespace, set())
        found.append(replace(change, waits_for=frozenset(needed)))
    return found


def chain_removal_units(changes: Sequence[Change], existing: Lookup, hosts: ChainHosts, last: int) -> list[Change]:
    """What takes a chain back: the gateway's routing for a Host goes after all that leads this Host there was given back.

    What leads somewhere unknown leads any Host. What stands for the gateway beside routes goes with these, and the gateway's own side, of
    which fields are given back in the ``last`` phase, only after all of them.
    """
    every = {str(item.object): item for item in changes if item.action == "patch"}
    leading = {unit: _led(item, existing, hosts) for unit, item in every.items() if item.phase != last}

    def leading_any(named: Collection[str]) -> frozenset[str]:
        return frozenset(unit for unit, own in leading.items() if own is None or not set(named).isdisjoint(own))

    def needed(change: Change) -> frozenset[str]:
        if change.action == "patch":
            return frozenset(leading) if change.phase == last else change.waits_for
        named = hosts_in(change.body or {})
        if named:
            return leading_any(named)
        if change.object.kind == _GRANT:
            alike = (item for item in changes if item.action == "delete" and _serve_alike(item, change))
            return change.waits_for.union(*(leading_any(hosts_in(item.body or {})) for item in alike))
        return change.waits_for if _is_beside_routes(change.body or {}) else frozenset(every)

    return [replace(change, waits_for=needed(change)) for change in removal_units(changes, existing)]


def _serve_alike(change: Change, other: Change) -> bool:
    """Whether two objects that were created are for routes to the same namespaces."""
    return namespaces_served(change.body or {}) == namespaces_served(other.body or {})


def _led(change: Change, existing: Lookup, hosts: ChainHosts) -> Collection[str] | None:
    """The Hosts that an object leads to the gateway, ``None`` where that is not known; what was made for the chain leads none."""
    key = identity_of(change.object)
    return () if is_created(existing(*key) or {}) else hosts.of_routes.get(key)


def _is_beside_routes(obj: Obj) -> bool:
    return bool(dig(obj, "metadata", "annotations", ROUTES_IN) == namespace_of(obj))
