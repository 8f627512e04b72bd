# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollback leaves as it is, as nobody can see all that belongs to it; everything else is taken back. Pure.

What an object says of itself, whoever may edit it can make it say. So a note of a kind that cannot be read holds that object, and a load
balancer whose kinds cannot be read holds what was written for it. Neither stops the rollback of anything else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..apply.book import is_created, load_balancers_of
from ..core.errors import MeshlbError
from ..core.findings import finding
from ..core.marks import ROUTE_KINDS
from ..core.model import Finding
from ..core.printable import listed
from ..core.writes import Write
from ..kube import kinds
from ..kube.objects import Obj, namespace_of, ref_of
from ..kube.rights import hint_for
from ..kube.snapshot import Snapshot
from .kept import MOST_NAMED, route_kinds_of


def unlisted(snapshot: Snapshot, writes: Iterable[Write], config_maps_in: Collection[str] = ()) -> list[str]:
    """Kinds of these writes of which not all objects can be seen.

    ConfigMaps are not read everywhere: what counts is whether they were in ``config_maps_in``, where some may have been made.
    """
    closed = not snapshot.source.closed.isdisjoint(config_maps_in)
    return sorted({item.kind for item in writes if not snapshot.readable(item.kind) and (closed or item.kind != kinds.CONFIG_MAP)})


@dataclass(frozen=True)
class Unseen:
    """What is not seen: ``missed`` kinds, each with a sentence, and for whom (a load balancer, a chain) which kinds are ``hidden``.

    ``for_whom`` are those that notes count for, ``None`` for all. ``held_beside`` are namespaces of noting objects, by chain: what was
    changed there leads to what stays.
    """

    missed: Mapping[str, str] = field(default_factory=dict)
    hidden: Mapping[str, Sequence[str]] = field(default_factory=dict)
    for_whom: Collection[str] | None = None
    held_beside: Collection[tuple[str, str]] = ()

    def beside(self, written: Iterable[Obj]) -> Unseen:
        """The same, where what was changed for a chain is held in namespaces where what it leads to is."""
        held = {(name, namespace_of(obj)) for obj in written if self.noted(obj) for name in load_balancers_of(obj)}
        return Unseen(self.missed, self.hidden, self.for_whom, held)

    def noted(self, obj: Obj) -> list[str]:
        """The kinds that an object notes and that cannot be seen."""
        if not is_created(obj) or (self.for_whom is not None and load_balancers_of(obj).isdisjoint(self.for_whom)):
            return []
        return sorted((route_kinds_of(obj) or frozenset()) & self.missed.keys())

    def holds(self, obj: Obj) -> bool:
        """Whether an object is to be left as it is."""
        names = load_balancers_of(obj)
        beside = not is_created(obj) and any((name, namespace_of(obj)) in self.held_beside for name in names)
        return beside or not names.isdisjoint(self.hidden) or bool(self.noted(obj))

    def findings(self, written: Iterable[Obj], snapshot: Snapshot) -> Iterator[Finding]:
        """What is left as it is, each an error, and why."""
        objects = list(written)
        for name, found in sorted(self.hidden.items()):
            own = [ref_of(item) for item in objects if name in load_balancers_of(item)]
            sentences = " ".join(snapshot.source.unknown[kind] for kind in found)
            stays = f"; {listed(own, MOST_NAMED)} stays as it is" if own else ""
            message = f"{name}: {', '.join(found)} cannot be listed, so what was written there could not be taken back{stays}. {sentences}"
            details = {"load_balancer": name, "kinds": found, "objects": own}
            yield finding("MLB408", message, remedy=_remedy(snapshot, found), details=details)
        for obj in objects:
            names = self.noted(obj)
            if names and load_balancers_of(obj).isdisjoint(self.hidden):
                sentences = " ".join(self.missed[kind] for kind in names)
                message = f"{ref_of(obj)} is noted to be for routes of {', '.join(names)}, and stays as it is. {sentences}"
                yield finding("MLB407", message, ref_of(obj), remedy=_remedy(snapshot, names), details={"kinds": names})


def _remedy(snapshot: Snapshot, found: Sequence[str]) -> str:
    return remedy_of(snapshot, found, (
        f"Run again when the API server serves it. If it was removed for good, take it out of the annotation {ROUTE_KINDS} of the object, "
        "or delete the object by hand."
    ))


def remedy_of(snapshot: Snapshot, found: Iterable[str], otherwise: str) -> str:
    """What helps where kinds cannot be read: the right to read the first that is refused, ``otherwise`` where none is."""
    refused = next((kind for kind in found if kind in snapshot.source.denied), "")
    return hint_for(refused) if refused else otherwise


def whole_or_nothing(left: Sequence[Finding], asked: bool) -> list[Finding]:
    """What is left of a rollback. Raises :class:`MeshlbError` where it was ``asked`` to be made as a whole, or not at all."""
    if asked and left:
        raise MeshlbError(f"Nothing is taken back, as not all would be: {left[0].message}", left[0].remedy, left[0].object)
    return list(left)
