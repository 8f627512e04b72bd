# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trying a proposal out: lay it over the snapshot, read the routes again, and ask the model what would happen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..balancers.contract.profile import Registry
from ..balancers.contract.switches import PatchSet, RouteSwitch
from ..core.model import LoadBalancer, Outcome, Route, replace
from ..detect.inventory import Inventory, take_inventory
from ..istio.endpoints import PodView, pods_in
from ..istio.outcome import Outlook, predict
from ..kube.fields import put
from ..kube.objects import Obj, identity, value_at
from ..kube.snapshot import Snapshot
from .strategies.base import Cluster, Proposal
from .strategies.twins import Twin, twins_of

Outcomes = Mapping[Route, Outcome]


def may_have_sidecar(load_balancer: LoadBalancer) -> bool:
    """Whether the plan may count on a sidecar: there is one, or its workload can have one.

    What is outside of the cluster has no workload: the mutual TLS that such a platform may speak by itself is not a sidecar's.
    """
    possible = load_balancer.workload is not None and load_balancer.mode("standalone_mtls").supported
    return load_balancer.sidecar.present or possible


def served(outcome: Outcome) -> bool:
    """Whether a route has what the project is for: mutual TLS, to the Service that it names."""
    return outcome.verdict == "mutual_tls" and not outcome.misrouted_to


_ADMITTED = ("denied", "conditional", "allowed")


def loses_access(before: Outcome, after: Outcome) -> bool:
    """Whether the backend's policies would keep out requests that they admit."""
    then, now = before.access.decision, after.access.decision
    return then in _ADMITTED and now in _ADMITTED and _ADMITTED.index(now) < _ADMITTED.index(then)


def becoming_worse(before: Outcome, after: Outcome) -> str:
    """What a route lost, for people: the verdicts before and after, or what policies say before and after."""
    if worse_transport(before, after) or not loses_access(before, after):
        return f"from {before.verdict} to {after.verdict}: {after.why}"
    then, now = (f"{item.verdict} (access {item.access.decision})" for item in (before, after))
    return f"from {then} to {now}: {after.access.why}"


def worse(before: Outcome, after: Outcome) -> bool:
    """Whether a route lost something: mutual TLS, its backend, or an answer at all, be it for want of access."""
    return worse_transport(before, after) or loses_access(before, after)


def worse_transport(before: Outcome, after: Outcome) -> bool:
    """Whether a route lost something that does not depend on policies."""
    if served(before) and not served(after):
        return True
    answered = before.verdict in ("plaintext", "mixed")
    return bool(after.misrouted_to and not before.misrouted_to) or (answered and after.verdict == "refused")


def raw_ports(snapshot: Snapshot, inventory: Inventory) -> frozenset[tuple[str, int]]:
    """Ports of pods, each with the load balancer's namespace, to which a route sends TCP past the mesh.

    A new HTTP listener of that number in the load balancer's sidecar would wait for the client's first bytes, and a server may speak
    first. TLS passes through it untouched.
    """
    found: set[tuple[str, int]] = set()
    for route in inventory.routes:
        outlook = Outlook(snapshot, inventory.load_balancers[route.load_balancer])
        if route.upstream.scheme in ("http", "http/1.0", "tls") or served(outlook.predict(route, sidecar=True)):
            continue
        ports = {item.port for item in inventory.facts[route].backend.endpoints}
        found |= {(route.load_balancer[0], port) for port in ports if not outlook.hosts.has_http_listener(port)}
    return frozenset(found)


class SnapshotCluster:
    """The cluster that a plan asks, as one snapshot has it (:class:`plan.strategies.base.Cluster`)."""

    def __init__(
        self, snapshot: Snapshot, registry: Registry, load_balancers: Mapping[tuple[str, str], LoadBalancer],
        locked: Callable[[Obj], str] = lambda obj: "",
    ) -> None:
        self.snapshot = snapshot
        self.registry = registry
        self.load_balancers = load_balancers
        self.locked = locked

    def existing(self, obj: Obj) -> Obj | None:
        return self.snapshot.get(*identity(obj))

    def twins(self, service: Obj) -> Sequence[Twin]:
        return twins_of(self.snapshot, service)

    def meshed_pods(self, namespace: str) -> Sequence[PodView]:
        return [pod for pod in pods_in(self.snapshot, namespace) if pod.sidecar]

    def waiting(self, load_balancer: LoadBalancer, port: int) -> Obj | None:
        return Outlook(self.snapshot, load_balancer).hosts.waiting(port)

    def ask(self, switch: RouteSwitch, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        answer = switch(self.snapshot, load_balancer, routes)
        refusal = next(filter(None, (self.locked(patch.object) for patch in answer.patches)), "")
        return PatchSet(refusal=refusal) if refusal else answer

    def outcomes(self, routes: Iterable[Route], proposal: Proposal) -> Outcomes:
        asked = list(routes)
        tried = SnapshotCluster(self.snapshot.overlay(written(proposal)), self.registry, self.load_balancers)
        by_identity = tried.read_again(asked) if proposal.patches else {}
        outcomes = {}
        for route in asked:
            load_balancer = self.load_balancers[route.load_balancer]
            # Only some objects were read again, so what is beside a route is what it was.
            now = replace(by_identity.get(route_identity(route), route), beside=route.beside)
            outcomes[route] = predict(tried.snapshot, load_balancer, now, sidecar=may_have_sidecar(load_balancer))
        return outcomes

    def read_again(self, routes: Iterable[Route]) -> dict[tuple[Any, ...], Route]:
        """These routes as they are here, by what stays the same about them."""
        routes = list(routes)
        keys = sorted({route.load_balancer for route in routes})
        only = frozenset(route.object for route in routes)
        changed = take_inventory(self.snapshot, self.registry, (self.load_balancers[key] for key in keys), only)
        return {route_identity(route): route for route in changed.routes}


def route_identity(route: Route) -> tuple[Any, ...]:
    """What stays the same about a route whatever is set on it."""
    return (route.load_balancer, route.object, route.host, route.path, route.path_type, route.backend, route.canary)


def written(proposal: Proposal) -> list[Obj]:
    """The objects as they would be with a proposal carried out (without bookkeeping)."""
    patched: dict[int, Obj] = {}
    for patch in proposal.patches:
        patched[id(patch.object)] = put(patched.get(id(patch.object), patch.object), patch.path, patch.value)
    return [*patched.values(), *(item.body for item in proposal.creations)]


def in_place(live: Cluster, proposal: Proposal, is_owned: Any) -> bool:
    """Whether the cluster already has everything that a proposal asks for (so that a run would keep it)."""
    return bool(proposal.size) and all(_there(live, proposal, is_owned))


def partly_in_place(live: Cluster, proposal: Proposal, is_owned: Any) -> bool:
    """Whether the cluster already has something of what a proposal asks for."""
    return any(_there(live, proposal, is_owned))


def _there(live: Cluster, proposal: Proposal, is_owned: Any) -> Iterator[bool]:
    """Of each thing that a proposal asks for, whether it is there."""
    for patch in proposal.patches:
        found = live.existing(patch.object)
        yield found is not None and value_at(found, patch.path) == patch.value
    yield from (is_owned(live.existing(item.body)) for item in proposal.creations)
