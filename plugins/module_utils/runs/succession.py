# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing that carries requests goes before what takes its place is known to the load balancers' sidecars."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..apply.book import load_balancers_of
from ..apply.routing import LEFT_OVER
from ..core.errors import MeshlbError
from ..core.findings import finding
from ..core.model import Change, Finding, LoadBalancer
from ..detect.inventory import running_pods
from ..istio.registry import fqdn
from ..kube import kinds
from ..kube.objects import Obj, dig, identity_of, kind_key_of
from ..kube.snapshot import Snapshot
from ..plan.strategies.base import namespaces_served
from ..prove.asking import Asker
from .waiting import SETTLE, Clock, wait_for

WAIT = 60.0
"""Seconds that a sidecar gets to take in what was made. It takes one or two."""
MOMENT = 1.0
"""Seconds from a cluster to its listeners: istiod sends them in this order, on one connection."""
REMOVAL = LEFT_OVER + 1
"""The phase in which what was created goes."""
_CARRIERS = frozenset({kinds.SERVICE, kinds.SERVICE_ENTRY})

Key = tuple[str, str]


@dataclass
class Succession:
    """What a run makes, and what goes for it. ``wanted`` are the bodies that its plan has, those that are there already too.

    Without an ``asker`` no sidecar can be asked.
    """

    snapshot: Snapshot
    load_balancers: Mapping[str, LoadBalancer]
    wanted: Sequence[Obj]
    changes: Sequence[Change]
    asker: Asker | None
    clock: Clock
    findings: list[Finding] = field(default_factory=list)

    def before(self, phase: int) -> None:
        """Wait before anything goes. Raises :class:`core.errors.MeshlbError` where a sidecar does not take in what was made."""
        awaited = self._awaited() if phase == REMOVAL else {}
        if not awaited:
            return
        closed: dict[Key, str] = {}
        wait_for(lambda: self._missing(awaited, closed), WAIT, _too_late, self.clock)
        self.clock.sleep(SETTLE if closed else MOMENT)
        if closed:
            pods = ", ".join(f"{namespace}/{name}" for namespace, name in sorted(closed))
            message = f"The sidecars of {pods} cannot be asked ({next(iter(closed.values()))}), so {SETTLE:g} seconds were waited instead"
            self.findings.append(finding("MLB252", message, details={"pods": sorted("/".join(pod) for pod in closed)}))

    def _awaited(self) -> dict[Key, frozenset[str]]:
        """By sidecar, the clusters that it has to know: of what serves namespaces from which something goes."""
        gone = [item.body or {} for item in self.changes if item.action == "delete" and identity_of(item.object)[0] in _CARRIERS]
        emptied = frozenset(namespace for body in gone for namespace in namespaces_served(body))
        found: dict[Key, set[str]] = {}
        for body in self.wanted:
            if kind_key_of(body) in _CARRIERS and namespaces_served(body) & emptied:
                for label in load_balancers_of(body):
                    for pod in self._pods(label):
                        found.setdefault(pod, set()).update(clusters_of(self.snapshot, body))
        return {pod: frozenset(names) for pod, names in found.items()}

    def _pods(self, label: str) -> Iterable[Key]:
        load_balancer = self.load_balancers.get(label)
        views = running_pods(self.snapshot, load_balancer) if load_balancer else []
        return [(view.namespace, view.name) for view in views if view.sidecar]

    def _missing(self, awaited: dict[Key, frozenset[str]], closed: dict[Key, str]) -> str:
        """What a sidecar still lacks. What is known of one is not asked again, and neither is one that cannot be asked."""
        for pod, names in list(awaited.items()):
            if self.asker is None:
                closed[pod] = "there is no way to them"
            found = self.asker.knows(pod, names) if self.asker else ""
            if isinstance(found, MeshlbError):
                closed[pod] = found.message
            elif found:
                return f"the sidecar of {'/'.join(pod)} does not know {found}"
            del awaited[pod]
        return ""


def clusters_of(snapshot: Snapshot, body: Obj) -> Collection[str]:
    """The names that Envoy has for what a Service or a ServiceEntry brings."""
    is_service = kind_key_of(body) == kinds.SERVICE
    hosts = [fqdn(snapshot, body)] if is_service else [str(host) for host in dig(body, "spec", "hosts", default=[])]
    numbers = [item.get("port" if is_service else "number") for item in dig(body, "spec", "ports", default=[])]
    return [f"outbound|{number}||{host}" for host in hosts for number in numbers]


def _too_late(reason: str) -> MeshlbError:
    return MeshlbError(
        f"What the plan makes is written, and what it replaces stays: after {WAIT:g} seconds {reason}.",
        "See whether a Sidecar resource hides it, and whether that proxy is connected to istiod, then run again to finish the job.",
    )
