# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which writes belong together: a refusal in one namespace keeps from being written only what would be wrong without it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from ..core.marks import ROUTES_IN
from ..core.model import Change, replace
from ..core.printable import listed
from ..kube.objects import Identity, Obj, dig, identity, identity_of, namespace_of
from ..plan.strategies.base import Proposal, namespaces_served
from .ledger import Lookup

SHOWN = 4


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
    later = []
    for change in removal_units(others, existing):
        served = _served(change, existing)
        needed = {label for label, namespaces in homes.items() if not namespaces.isdisjoint(served)}
        later.append(replace(change, waits_for=change.waits_for | needed))
    return [*planned, *later]


def _groups(proposals: Iterable[Proposal]) -> dict[Identity, tuple[int, frozenset[str]]]:
    """Every object that is proposed, with the number of its unit, and the namespaces of the routes that need it."""
    members: dict[int, list[tuple[Identity, frozenset[str]]]] = {}
    of: dict[Identity, int] = {}
    for number, proposal in enumerate(proposals):
        bodies = [*(item.body for item in proposal.creations), *(item.object for item in proposal.patches)]
        own = [(identity(body), namespaces_served(body)) for body in bodies]
        for joined in {of[key] for key, dummy in own if key in of}:
            own += members.pop(joined)
        members[number] = own
        of.update(dict.fromkeys((key for key, dummy in own), number))
    found: dict[Identity, tuple[int, frozenset[str]]] = {}
    for number, entries in members.items():
        for key, namespaces in entries:
            found[key] = (number, namespaces | found.get(key, (0, frozenset()))[1])
    return found


def _labels(changes: Iterable[Change], groups: Mapping[Identity, tuple[int, frozenset[str]]]) -> dict[int, str]:
    """What a unit is called: its objects that change."""
    named: dict[int, list[str]] = {}
    for change in changes:
        group = groups.get(identity_of(change.object))
        if group is not None:
            named.setdefault(group[0], []).append(str(change.object))
    return {number: listed(dict.fromkeys(names), SHOWN) for number, names in named.items()}


def removal_units(changes: Sequence[Change], existing: Lookup) -> list[Change]:
    """Changes that take something back: every object is a unit, and what was created goes after the fields that need it were given back."""
    restored = {str(item.object): item.object.namespace for item in changes if item.action == "patch"}
    found = []
    for change in changes:
        served = _served(change, existing)
        needed = {label for label, namespace in restored.items() if namespace in served} if change.action == "delete" else set()
        found.append(replace(change, unit=str(change.object), waits_for=frozenset(needed)))
    return found


def _served(change: Change, existing: Lookup) -> frozenset[str]:
    return namespaces_served(change.body or existing(*identity_of(change.object)) or {"metadata": {"namespace": change.object.namespace}})


def chain_units(
    changes: Sequence[Change], gateway: str, wanted: Collection[Identity], last: int, existing: Lookup
) -> list[Change]:
    """The changes of a chain: what lies in a namespace of routes is one unit there, and waits for the gateway's side.

    ``gateway`` is the gateway's namespace. What lies there is needed by all. What is not ``wanted`` any more is taken back, and what is
    made smaller in the ``last`` phase waits, as the taking back does, for everybody.
    """
    planned, smaller, others = [], [], []
    for change in changes:
        if identity_of(change.object) not in wanted:
            others.append(change)
        elif change.object.namespace != gateway:
            planned.append(replace(change, unit=f"namespace {change.object.namespace}", waits_for=frozenset({""})))
        elif change.phase == last:
            smaller.append(replace(change, unit=f"{change.object}, made smaller"))
        else:
            planned.append(change)
    needed = frozenset(item.unit for item in planned)
    later = [replace(item, waits_for=item.waits_for | needed) for item in (*smaller, *chain_removal_units(others, existing))]
    return [*planned, *later]


def chain_removal_units(changes: Sequence[Change], existing: Lookup) -> list[Change]:
    """What takes a chain back: what stands for the gateway beside routes goes with these, the gateway's own side only after all of them."""
    every = frozenset(str(item.object) for item in changes if item.action == "patch")
    found = []
    for change in removal_units(changes, existing):
        shared = change.action == "delete" and not _is_beside_routes(change.body or {})
        found.append(replace(change, waits_for=every) if shared else change)
    return found


def _is_beside_routes(obj: Obj) -> bool:
    return bool(dig(obj, "metadata", "annotations", ROUTES_IN) == namespace_of(obj))
