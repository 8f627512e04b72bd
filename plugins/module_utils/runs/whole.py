# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run has to see before it writes: all that it would take back, and what may be there already of all that it would make. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ..core.errors import MeshlbError
from ..core.marks import ROUTE_KINDS
from ..core.model import Change, ObjectRef
from ..core.writes import Write
from ..kube import kinds
from ..kube.objects import Obj, identity_of
from ..kube.rights import hint_for
from ..kube.snapshot import Snapshot
from .kept import route_kinds_of

GONE = (
    "Run again when the API server serves it. If it was removed for good, take it out of the annotation "
    f"{ROUTE_KINDS} of what was written for its routes, or delete that by hand."
)


def demand_whole(
    snapshot: Snapshot, writes: Iterable[Write], written: Iterable[Obj] = (), config_maps_in: Collection[str] = ()
) -> None:
    """Stop a rollback that would leave something behind, and call itself done, because it cannot see it.

    ``writes`` are those that earlier runs may have made. ``written`` is what is to be taken back, with the kinds of its routes, whose
    objects were changed as well. ``config_maps_in`` are the namespaces where ConfigMaps may have been made.
    """
    noted = {kind for obj in written for kind in route_kinds_of(obj) or ()}
    # ConfigMaps are not read everywhere, so what counts is whether they were where some may have been made.
    made = {item.kind for item in writes if item.kind != kinds.CONFIG_MAP or not snapshot.source.closed.isdisjoint(config_maps_in)}
    missing = sorted(kind for kind in made | noted if not snapshot.readable(kind))
    if missing:
        what = "what earlier runs wrote there could not be taken back, and the rollback would not be whole"
        raise _unseen(snapshot, missing, f"{', '.join(missing)} cannot be listed, so {what}.")


def demand_seen(snapshot: Snapshot, changes: Iterable[Change]) -> None:
    """Stop a run that would write objects of kinds that it cannot read: nobody knows what is there already."""
    missing = sorted({kind for item in changes if not snapshot.readable(kind := identity_of(item.object)[0])})
    if missing:
        what = "which cannot be read, so nobody knows what is there already"
        raise _unseen(snapshot, missing, f"The plan writes {', '.join(missing)}, {what}.")


def demand_kinds(snapshot: Snapshot, needed: Iterable[str], what: str) -> None:
    """Stop where a kind cannot be read without which ``what`` (a noun phrase) is not known."""
    missing = [kind for kind in dict.fromkeys(needed) if not snapshot.readable(kind)]
    if missing:
        raise _unseen(snapshot, missing, f"{', '.join(missing)} cannot be read, so {what} is not known.")


def demand_readable(snapshot: Snapshot, refs: Iterable[ObjectRef | None], what: str) -> None:
    """Stop where one of these objects could not be read as a whole, as it decides about ``what`` (a noun phrase)."""
    unreadable = snapshot.source.unreadable
    for ref in refs:
        found = unreadable.get(identity_of(ref)) if ref is not None else None
        if found is not None:
            message = f"{found.ref} could not be read as a whole, and it decides about {what}: {'; '.join(found.faults[:3])}."
            raise MeshlbError(message, "Correct the object, then run again.", found.ref)


def _unseen(snapshot: Snapshot, missing: list[str], message: str) -> MeshlbError:
    """The error for kinds that cannot be read, with the reason of each."""
    sentences = " ".join(snapshot.source.unknown[kind] for kind in missing)
    refused = next((kind for kind in missing if kind in snapshot.source.denied), "")
    return MeshlbError(f"{message} {sentences}", hint_for(refused) if refused else GONE, details={"kinds": missing})
