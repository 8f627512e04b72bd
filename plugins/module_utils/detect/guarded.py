# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reader that meets something unforeseen: which objects it is about, and what is read without them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ..balancers.contract.routes import RouteReader, RouteReading
from ..core.guard import attempt
from ..core.model import LoadBalancer, ObjectRef, replace
from ..kube import kinds
from ..kube.objects import Obj, identity, identity_of
from ..kube.reading import not_understood
from ..kube.snapshot import Snapshot, Unreadable

_ALWAYS_READ = (kinds.INGRESS, kinds.SERVICE)


def read_with(
    reader: RouteReader, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
) -> RouteReading:
    """What a reader reads. Objects that it fails on are found by leaving others out, are noted, and keep no other from being read."""
    found, error = attempt(lambda: [reader.read(snapshot, load_balancer, only)])
    if error is None:
        return found[0]
    candidates = [obj for kind in dict.fromkeys((*_ALWAYS_READ, *reader.kinds)) for obj in snapshot.all(kind)]
    wrong = _wrong(reader, snapshot, load_balancer, candidates, candidates, error)
    rest = snapshot.overlay(gone=[identity_of(item.ref) for item in wrong])
    again, error = attempt(lambda: [reader.read(rest, load_balancer, only)])
    if error is not None:
        # Not one object's fault: nothing of this kind is known.
        return RouteReading(unreadable=tuple(not_understood(obj, error) for obj in candidates))
    return replace(again[0], unreadable=(*again[0].unreadable, *wrong))


def _read(reader: RouteReader, snapshot: Snapshot, load_balancer: LoadBalancer) -> list[RouteReading]:
    return [reader.read(snapshot, load_balancer, None)]


def _wrong(
    reader: RouteReader, snapshot: Snapshot, load_balancer: LoadBalancer, everything: Sequence[Obj], some: Sequence[Obj], error: Exception
) -> list[Unreadable]:
    """Those of ``some``, on which the reader fails with ``error``, that it fails on by themselves; all where none does."""
    if len(some) < 2:
        return [not_understood(obj, error) for obj in some]
    wrong: list[Unreadable] = []
    for half in (some[: len(some) // 2], some[len(some) // 2 :]):
        kept = set(map(identity, half))
        view = snapshot.overlay(gone=[key for key in map(identity, everything) if key not in kept])
        dummy, again = attempt(partial(_read, reader, view, load_balancer))
        if again is not None:
            wrong += _wrong(reader, snapshot, load_balancer, everything, half, again)
    return wrong or [not_understood(obj, error) for obj in some]
