# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a route may have objects made for its host: not for a name of the mesh, nor for one that somebody else's requests carry.

Whoever may write a route chooses its host. An object for that host decides about all requests that carry it, whoever sends them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from ..core.model import ObjectRef, Route
from ..istio.names import Taken, belongs_to_the_mesh, below, plain_host
from ..kube import kinds
from ..kube.objects import Obj, created_at, dig
from ..kube.services import is_external_name
from ..kube.snapshot import Snapshot


@dataclass(frozen=True)
class Dial:
    """One name that a load balancer is known to dial, or to send as Host, and the object that has it do so."""

    host: str
    object: ObjectRef


def dialled_hosts(service: Callable[[str, str], Obj | None], routes: Iterable[Route]) -> Iterator[Dial]:
    """Every name that is dialled, or sent as Host, besides the public hosts by which routes are asked. ``service`` gives the cluster's."""
    for route in routes:
        for host in (route.upstream.host, _external_name(service(route.backend.namespace, route.backend.service))):
            name = plain_host(host)
            # What is made of variables is no name, and a route that sends its own host dials nothing new.
            if name and "$" not in name and name != plain_host(route.host):
                yield Dial(name, route.object)


def _external_name(service: Obj | None) -> str:
    return str(dig(service, "spec", "externalName", default="")) if service and is_external_name(service) else ""


class HostClaims:
    """Whose a host is, in one snapshot with these routes of all load balancers."""

    def __init__(self, snapshot: Snapshot, routes: Iterable[Route]) -> None:
        self._snapshot = snapshot
        self._dials: dict[str, dict[ObjectRef, str]] = {}
        for dial in dialled_hosts(partial(snapshot.get, kinds.SERVICE), routes):
            for pattern in (dial.host, *below(dial.host)):
                self._dials.setdefault(pattern, {}).setdefault(dial.object, dial.host)

    def taken(self, route: Route) -> Taken | None:
        """Why no object may stand for a route's host, ``None`` where one may."""
        return (self.of_the_mesh(route.host) or self._dialled(route)) if route.host else None

    def of_the_mesh(self, host: str) -> Taken | None:
        """Why a host is the mesh's own, ``None`` where it is not."""
        return belongs_to_the_mesh(self._snapshot, host)

    def _dialled(self, route: Route) -> Taken | None:
        for other, name in self._dials.get(plain_host(route.host), {}).items():
            if other.namespace != route.object.namespace and not self._is_younger(other, route.object):
                return Taken(f"a load balancer dials {name} for {other}", other)
        return None

    def _is_younger(self, other: ObjectRef, own: ObjectRef) -> bool:
        """Whether one object is certainly younger: else whoever dials a host could keep its owner from being planned."""
        first, second = self._snapshot.at(own), self._snapshot.at(other)
        if not first or not second or not dig(first, "metadata", "creationTimestamp"):
            return False
        return bool(dig(second, "metadata", "creationTimestamp")) and created_at(first) < created_at(second)
