# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The headless twins that a cluster has, and whether they harm anybody: a twin must not decide about its backend's port."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...core.findings import finding
from ...core.marks import MANAGED_BY, PART, SERVICE_ROUTING
from ...core.model import Finding, Route
from ...istio.inbound import Takeover, takeover
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, created_at, labels_of, name_of, namespace_of, ref_of
from ...kube.services import is_headless
from ...kube.snapshot import Snapshot
from .twin_names import is_twin_name, known_names


@dataclass(frozen=True)
class Twin:
    """A twin that is there, and what it takes away from the Service beside it, if it does."""

    service: Obj
    taken: Takeover | None = None

    @property
    def harm(self) -> str:
        """What the twin does to all clients of its backend, as a sentence without a full stop; empty where it does nothing."""
        if self.taken is None:
            return ""
        own, other = created_at(self.service), created_at(self.taken.service)
        age = "as old as" if own == other else "older than"
        declares = f"declares {self.taken.protocol}" if self.taken.protocol != "auto" else "declares no protocol"
        return (
            f"{ref_of(self.service)} is {age} {ref_of(self.taken.service)}, so the pods' sidecars go by it and handle port "
            f"{self.taken.number}, which {declares}, as TCP for every client: policies about HTTP then fail or deny everything"
        )


def is_twin(service: Obj) -> bool:
    """Whether a Service says that it is a twin, and is made like one."""
    marked = labels_of(service).get(MANAGED_BY[0]) == MANAGED_BY[1] and annotations_of(service).get(PART) == SERVICE_ROUTING
    return marked and is_headless(service) and is_twin_name(name_of(service))


def twins_of(snapshot: Snapshot, service: Obj) -> tuple[Twin, ...]:
    """The twins of one Service, by what they are called: those with this release's names first.

    What could not be read is one that stays, as nothing is known of it.
    """
    found = (_twin(snapshot, namespace_of(service), name) for name in known_names(name_of(service)))
    return tuple(item for item in found if item is not None)


def _twin(snapshot: Snapshot, namespace: str, name: str) -> Twin | None:
    if (kinds.SERVICE, namespace, name) in snapshot.source.unreadable:
        return Twin(named(name, namespace))
    obj = snapshot.get(kinds.SERVICE, namespace, name)
    return Twin(obj, takeover(snapshot, obj, is_twin)) if obj is not None and is_twin(obj) else None


def named(name: str, namespace: str) -> Obj:
    """A Service of which the name alone is known."""
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}}


def about_twins(snapshot: Snapshot, routes: Iterable[Route], code: str) -> Iterator[Finding]:
    """The twins beside these routes' backends that harm others, each once."""
    services = dict.fromkeys((route.backend.namespace, route.backend.service) for route in routes)
    for key in sorted(services):
        service = snapshot.get(kinds.SERVICE, *key)
        for twin in twins_of(snapshot, service) if service is not None else ():
            if twin.taken is not None:
                details = {"service": ref_of(twin.taken.service), "port": twin.taken.number, "protocol": twin.taken.protocol}
                yield finding(code, twin.harm, ref_of(twin.service), cause=ref_of(twin.taken.service), details=details)
