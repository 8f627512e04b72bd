# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What earlier runs wrote for routes that this run could not read: it stays as it is. Pure.

A route that is not in a list which could not be read is not a route that is gone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ..apply.book import is_created, load_balancers_of
from ..balancers.contract.profile import Registry
from ..core.findings import finding
from ..core.marks import ROUTE_KINDS
from ..core.model import Finding, LoadBalancer
from ..core.printable import listed
from ..detect.unread import EVERY_KIND, unknown_kinds, unserved_kinds
from ..kube import kinds
from ..kube.objects import Obj, annotations_of, kind_key_of, namespace_of, ref_of
from ..kube.snapshot import Snapshot
from ..plan.writes import CHAIN

MOST_NAMED = 10
_SHARED = frozenset({kinds.SERVICE, kinds.CONFIG_MAP})
"""Kinds whose objects are changed for routes of other kinds."""


def route_kinds_of(obj: Obj) -> frozenset[str] | None:
    """The kinds of the routes for which an object was written; ``None`` where nobody noted them."""
    if not is_created(obj):
        own = kind_key_of(obj)
        return None if own in _SHARED else frozenset({own})
    text = annotations_of(obj).get(ROUTE_KINDS)
    return None if text is None else frozenset(item for item in str(text).split(",") if item)


@dataclass(frozen=True)
class Kept:
    """Kinds of routes per load balancer (its label): those of which nothing is known, and those that are not served.

    ``missed`` are all kinds that cannot be read, whoever has routes of them, each with a sentence. An object's note of one of them keeps
    that object alone, as whoever may edit the object may edit the note. Changed objects have no note, so for them that of others counts:
    ``noted_in`` are the namespaces of the objects that note a kind.
    """

    unknown: Mapping[str, frozenset[str]] = field(default_factory=dict)
    unserved: Mapping[str, frozenset[str]] = field(default_factory=dict)
    missed: Mapping[str, str] = field(default_factory=dict)
    noted_in: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def kinds_of(self, obj: Obj) -> frozenset[str]:
        """The kinds for whose routes an object may be, and of which nothing is known: while there are any, it is not touched."""
        found, noted = self._all(self.unknown, obj), route_kinds_of(obj)
        if EVERY_KIND in found:
            return found
        return found | self._noted_near(obj) if noted is None else noted & (found | self.missed.keys())

    def _noted_near(self, obj: Obj) -> frozenset[str]:
        """Kinds that are not served, of which something was written beside this object or beside its load balancers."""
        near = {namespace_of(obj), *(name.partition("/")[0] for name in _for_whom(obj))}
        return frozenset(kind for kind in self._all(self.unserved, obj) if not near.isdisjoint(self.noted_in.get(kind, ())))

    def spares(self, obj: Obj) -> bool:
        """Whether an object must not be taken for one that nothing needs any more."""
        return bool(self.kinds_of(obj)) or self.may_be_for_unserved(obj)

    def spares_file(self, obj: Obj) -> bool:
        """Whether the file of an object stays; what a file holds does not always say for whom it is."""
        return self.spares(obj) or (not _for_whom(obj) and any(EVERY_KIND in found for found in self.unknown.values()))

    def may_be_for_unserved(self, obj: Obj) -> bool:
        """Whether an earlier release wrote an object, which did not note for which kinds, and some of them are not served."""
        return is_created(obj) and route_kinds_of(obj) is None and bool(self._all(self.unserved, obj))

    def findings(self, written: Iterable[Obj]) -> Iterator[Finding]:
        """What stays, and for want of which kinds."""
        stays: dict[tuple[str, ...], list[Obj]] = {}
        for obj in written:
            found = self.kinds_of(obj)
            if found:
                stays.setdefault(tuple(sorted(found)), []).append(obj)
        for names, objects in sorted(stays.items()):
            which = "routes of which nothing is known" if EVERY_KIND in names else f"routes of {', '.join(names)}, which cannot be read"
            refs = [ref_of(item) for item in objects]
            message = f"{listed(refs, MOST_NAMED)} may be for {which}, and stays as it is"
            yield finding("MLB111", message, refs[0] if len(refs) == 1 else None, details={"kinds": names, "objects": refs})
        unserved = frozenset().union(*self.unserved.values())
        for kind in sorted({kind for names in stays for kind in names} & (unserved & self.missed.keys())):
            yield finding("MLB110", f"{kind}: {self.missed[kind]}", details={"kind": kind})

    @staticmethod
    def _all(per_load_balancer: Mapping[str, frozenset[str]], obj: Obj) -> frozenset[str]:
        return frozenset().union(*(per_load_balancer.get(name, frozenset()) for name in _for_whom(obj)))


def _for_whom(obj: Obj) -> set[str]:
    """The labels of the load balancers that an object was written for."""
    return {name.partition(">")[0].lstrip("/") for name in load_balancers_of(obj)}


def about_spared(kept: Kept, left: Iterable[Obj]) -> Iterator[Finding]:
    """Objects of an earlier release that nothing seems to need any more, and that stay all the same."""
    for obj in left:
        if kept.may_be_for_unserved(obj) and not kept.kinds_of(obj):
            message = "the plan does not need it, but it may be for routes of a kind that the API server no longer serves"
            yield finding("MLB112", message, ref_of(obj))


def kept_in(snapshot: Snapshot, registry: Registry, load_balancers: Iterable[LoadBalancer], written: Collection[Obj]) -> Kept:
    """What must be kept of what was ``written`` for these load balancers."""
    if not snapshot.source.live:
        return Kept()
    unknown, unserved = {}, {}
    for item in load_balancers:
        profile = registry.get(item.vendor)
        unknown[item.label] = unknown_kinds(snapshot, profile, item)
        unserved[item.label] = unserved_kinds(snapshot, profile)
    return Kept(unknown, unserved, missed_kinds(snapshot, registry), _noted_in(written))


def missed_kinds(snapshot: Snapshot, registry: Registry) -> dict[str, str]:
    """Kinds of routes, and of what chains are made of, that cannot be read here, each with a sentence."""
    known = dict.fromkeys((*registry.route_kinds(), *registry.chain_kinds(), *(item.kind for item in CHAIN)))
    server, there = snapshot.source.server, set(snapshot.kinds())
    absent = {kind: f"The API server {server} does not serve {kind}." for kind in known if not snapshot.serves(kind) and kind not in there}
    return {**absent, **snapshot.source.unknown}


def _noted_in(written: Iterable[Obj]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for obj in filter(is_created, written):
        for kind in route_kinds_of(obj) or ():
            found.setdefault(kind, set()).add(namespace_of(obj))
    return {kind: frozenset(namespaces) for kind, namespaces in found.items()}
