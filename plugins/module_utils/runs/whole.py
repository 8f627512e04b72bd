# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run has to see before it writes: all that it would take back, and what may be there already of all that it would make. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from ..apply.units import waiting_for
from ..core.errors import MeshlbError
from ..core.findings import finding
from ..core.marks import ROUTE_KINDS
from ..core.model import Change, Finding, ObjectRef
from ..core.writes import Write
from ..kube.objects import identity_of
from ..kube.snapshot import Snapshot
from .unseen import remedy_of, unlisted

GONE = (
    "Run again when the API server serves it. If it was removed for good, take it out of the annotation "
    f"{ROUTE_KINDS} of what was written for its routes, or delete that by hand."
)


def demand_whole(snapshot: Snapshot, writes: Iterable[Write], config_maps_in: Collection[str] = ()) -> None:
    """Stop a rollback that would leave something behind, and call itself done, because it cannot see it.

    ``writes`` are those that earlier runs may have made for whomever; ``config_maps_in`` as for :func:`unseen.unlisted`. What one object
    notes stops no rollback: see :class:`unseen.Unseen`.
    """
    missing = unlisted(snapshot, writes, config_maps_in)
    if missing:
        what = "what earlier runs wrote there could not be taken back, and the rollback would not be whole"
        raise _unseen(snapshot, missing, f"{', '.join(missing)} cannot be listed, so {what}.")


def demand_seen(snapshot: Snapshot, changes: Iterable[Change]) -> None:
    """Stop a run that would write objects of kinds that it cannot read: nobody knows what is there already."""
    missing = sorted({kind for item in changes if not snapshot.readable(kind := identity_of(item.object)[0])})
    if missing:
        what = "which cannot be read, so nobody knows what is there already"
        raise _unseen(snapshot, missing, f"The plan writes {', '.join(missing)}, {what}.")


def only_seen(snapshot: Snapshot, changes: Sequence[Change]) -> tuple[list[Change], list[Finding]]:
    """The changes without the units that have objects of a kind that cannot be read, and an error for each of these units.

    Raises :class:`MeshlbError` where nothing else would be left to write.
    """
    missing: dict[str, set[str]] = {}
    for item in changes:
        kind = identity_of(item.object)[0]
        if not snapshot.readable(kind):
            missing.setdefault(_unit(item), set()).add(kind)
    lost = waiting_for(changes, missing, (), _unit)
    rest = [item for item in changes if _unit(item) not in lost]
    if lost and not rest:
        demand_seen(snapshot, changes)
    return rest, [_left_out(snapshot, unit, sorted(found)) for unit, found in missing.items()]


def _unit(change: Change) -> str:
    return change.unit or str(change.object)


def _left_out(snapshot: Snapshot, unit: str, missing: list[str]) -> Finding:
    sentences = " ".join(snapshot.source.unknown[kind] for kind in missing)
    message = f"left out: {unit}. {', '.join(missing)} cannot be read, so nobody knows what is there already. {sentences}"
    return finding("MLB409", message, remedy=remedy_of(snapshot, missing, ""), details={"kinds": missing})


def demand_kinds(snapshot: Snapshot, needed: Iterable[str], what: str, missed: Mapping[str, str] | None = None) -> None:
    """Stop where a kind cannot be read (or is ``missed``, each with a sentence) without which ``what`` (a noun phrase) is not known."""
    unknown = {**(missed or {}), **snapshot.source.unknown}
    missing = [kind for kind in dict.fromkeys(needed) if kind in unknown]
    if missing:
        raise _unseen(snapshot, missing, f"{', '.join(missing)} cannot be read, so {what} is not known.", unknown)


def demand_readable(snapshot: Snapshot, refs: Iterable[ObjectRef | None], what: str) -> None:
    """Stop where one of these objects could not be read as a whole, as it decides about ``what`` (a noun phrase)."""
    unreadable = snapshot.source.unreadable
    for ref in refs:
        found = unreadable.get(identity_of(ref)) if ref is not None else None
        if found is not None:
            message = f"{found.ref} could not be read as a whole, and it decides about {what}: {'; '.join(found.faults[:3])}."
            raise MeshlbError(message, "Correct the object, then run again.", found.ref)


def _unseen(snapshot: Snapshot, missing: list[str], message: str, why: Mapping[str, str] | None = None) -> MeshlbError:
    """The error for kinds that cannot be read, with the reason of each."""
    sentences = " ".join((why or snapshot.source.unknown)[kind] for kind in missing)
    return MeshlbError(f"{message} {sentences}", remedy_of(snapshot, missing, GONE), details={"kinds": missing})
