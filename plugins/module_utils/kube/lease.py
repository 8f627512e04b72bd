# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases (coordination.k8s.io/v1) by which runs that write know of each other. Pure: no client, and no clock of its own.

Each run has a Lease of its own. Whose namespaces overlap with another's waits until that one's Lease is gone, or has expired.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ..core.marks import MANAGED_BY, RUN_MODULE, RUN_NAMESPACES
from ..core.model import ObjectRef
from .objects import Obj, annotations_of, dig, labels_of, name_of, ref_of, time_in

API_VERSION = "coordination.k8s.io/v1"
PREFIX = "meshlb-run-"

DURATION = 60.0
"""Seconds after which a Lease that nobody renews has expired."""

RENEWAL = 5.0
"""Seconds from one renewal to the next."""

DEADLINE = 40.0
"""Seconds without a renewal after which its holder writes no more: well before others take the Lease for expired."""

WATCH = 2.5 * RENEWAL
"""Seconds for which a Lease has to be seen without a renewal, however old the time in it is."""


@dataclass(frozen=True)
class Claim:
    """Who is about to write, and in which namespaces: an empty set means all of them."""

    holder: str
    module: str
    namespaces: frozenset[str] = frozenset()

    def overlaps(self, other: Claim) -> bool:
        """Whether the two may write for the same routes."""
        return not self.namespaces or not other.namespaces or not self.namespaces.isdisjoint(other.namespaces)

    def __str__(self) -> str:
        where = f"namespaces {', '.join(sorted(self.namespaces))}" if self.namespaces else "all namespaces"
        return f"{self.holder or 'an unnamed run'} ({self.module or 'another tool'}, {where})"


@dataclass(frozen=True)
class LeaseState:
    """One Lease of a run, as it was read."""

    ref: ObjectRef
    claim: Claim
    renewed: float | None = None
    resource_version: str = ""
    uid: str = ""


def lease_body(ref: ObjectRef, claim: Claim, now: float) -> Obj:
    """The Lease of a run that begins to wait or to write at ``now`` (seconds since 1970)."""
    moment = moment_of(now)
    return {
        "apiVersion": ref.api_version, "kind": ref.kind,
        "metadata": {
            "name": ref.name, "namespace": ref.namespace, "labels": dict([MANAGED_BY]),
            "annotations": {RUN_MODULE: claim.module, RUN_NAMESPACES: ",".join(sorted(claim.namespaces))},
        },
        "spec": {
            "holderIdentity": claim.holder, "leaseDurationSeconds": int(DURATION), "acquireTime": moment, "renewTime": moment,
        },
    }


def lease_ref(namespace: str, token: str) -> ObjectRef:
    """The Lease of the run that this word stands for."""
    return ObjectRef(API_VERSION, "Lease", namespace, f"{PREFIX}{token}")


def lease_states(objects: Iterable[Obj]) -> list[LeaseState]:
    """The Leases of runs among others. One that is not as a run writes it still counts, for all namespaces."""
    return [_state(item) for item in objects if labels_of(item).get(MANAGED_BY[0]) == MANAGED_BY[1]]


def _state(lease: Obj) -> LeaseState:
    noted = annotations_of(lease)
    namespaces = frozenset(filter(None, str(noted.get(RUN_NAMESPACES) or "").split(",")))
    claim = Claim(str(dig(lease, "spec", "holderIdentity", default="") or name_of(lease)), str(noted.get(RUN_MODULE) or ""), namespaces)
    renewed = time_in(str(dig(lease, "spec", "renewTime", default="")))
    version, uid = (str(dig(lease, "metadata", key, default="")) for key in ("resourceVersion", "uid"))
    return LeaseState(ref_of(lease), claim, renewed, version, uid)


def moment_of(seconds: float) -> str:
    """A time as a Lease has it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class Watch:
    """What one run has seen of the Leases of others: for how long each was not renewed, by this machine's own clock.

    Other machines' clocks may be wrong, so the time in a Lease alone says nothing. It counts where it is old by the clock of the
    API server, from which holders take it, and only once two renewals were missed while this run looked on.
    """

    seen: dict[tuple[str, str, str], float] = field(default_factory=dict)

    def has_expired(self, lease: LeaseState, now: float, server_time: float | None) -> bool:
        """Whether its holder is gone. ``now`` is this machine's, ``server_time`` the API server's, as far as it is known."""
        unchanged = now - self.seen.setdefault((lease.ref.name, lease.uid, lease.resource_version), now)
        if unchanged >= DURATION:
            return True
        old = server_time is not None and lease.renewed is not None and server_time - lease.renewed > DURATION
        return old and unchanged >= WATCH
