# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a strategy is: from routes to the fields and objects that would give them mutual TLS. It predicts nothing itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from ...balancers.contract.profile import Registry
from ...balancers.contract.switches import FieldPatch, PatchSet, RouteSwitch
from ...core.marks import ROUTE_KINDS, ROUTES_IN
from ...core.model import Finding, LoadBalancer, ObjectRef, Outcome, Route
from ...core.writes import Write
from ...detect.inventory import Inventory, RouteFacts
from ...istio.endpoints import Endpoint, PodView
from ...kube.objects import Identity, Obj, dig, identity, kind_key
from ..units import switches
from .twins import Twin


@dataclass(frozen=True)
class Creation:
    """An object that a strategy wants created, the reason, as the change says it, and the routes that it is for."""

    body: Obj
    reason: str
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """Fields to set on objects that exist, objects to create, and the routes that it cannot help, each with the reason."""

    patches: tuple[FieldPatch, ...] = ()
    creations: tuple[Creation, ...] = ()
    refusals: Mapping[Route, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def size(self) -> int:
        """How many objects it touches."""
        return len(self.creations) + len({id(item.object) for item in self.patches})


class Cluster(Protocol):
    """What a plan may ask the cluster: whether an object is there, what a switch would write, and what would become of requests."""

    def existing(self, obj: Obj) -> Obj | None:
        """The object of this kind, namespace and name."""

    def twins(self, service: Obj) -> Sequence[Twin]:
        """The headless twins of a Service that this collection made, in the order in which they are to be kept."""

    def meshed_pods(self, namespace: str) -> Sequence[PodView]:
        """The pods of a namespace that have a sidecar, or will have one."""

    def waiting(self, load_balancer: LoadBalancer, port: int) -> Obj | None:
        """The VirtualService that an HTTP listener on a port would put in force (:meth:`istio.hosts.HostTable.waiting`)."""

    def ask(self, switch: RouteSwitch, load_balancer: LoadBalancer, routes: Iterable[Route]) -> PatchSet:
        """A load balancer's answer for these routes."""

    def outcomes(self, routes: Iterable[Route], proposal: Proposal) -> Mapping[Route, Outcome]:
        """Outcome per route if the proposal were carried out and every load balancer had its sidecar."""


@dataclass(frozen=True)
class Context:
    """What a strategy may look at: all routes that are planned together, and the cluster without our own changes.

    ``inventory`` is that of the cluster without our own changes, ``live`` the cluster with them. ``raw_ports``:
    see :func:`plan.trial.raw_ports`. ``may_write``: whether the run may write in a namespace.
    ``is_owned``: whether an object (or ``None``) was made or changed by this collection.
    ``may_choose``: whether a route's strategy is left to us. ``is_harmless``: whether the user says of a pod beside a load balancer that
    what is made for public hosts may hold for it, too.
    """

    inventory: Inventory
    registry: Registry
    routes: tuple[Route, ...]
    cluster: Cluster
    live: Cluster
    raw_ports: frozenset[tuple[str, int]] = frozenset()
    may_write: Callable[[str], bool] = lambda namespace: True
    is_owned: Callable[[Any], bool] = lambda obj: False
    may_choose: Callable[[Route], bool] = lambda route: False
    is_harmless: Callable[[Obj], bool] = lambda pod: False

    def load_balancer(self, route: Route) -> LoadBalancer:
        """The load balancer of a route."""
        return self.inventory.load_balancers[route.load_balancer]

    def facts(self, route: Route) -> RouteFacts:
        """What is known of a route."""
        return self.inventory.facts[route]

    def object_of(self, route: Route) -> Obj:
        """The object of a route as it is, empty where it is gone."""
        return self.at(route.object)

    def at(self, ref: ObjectRef) -> Obj:
        """The object that a reference names, as it is, empty where there is none."""
        named = {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": {"name": ref.name, "namespace": ref.namespace}}
        return self.live.existing(named) or {}

    def pod_selector(self, key: tuple[str, str]) -> dict[str, str]:
        """Labels by which a load balancer's workload knows its own pods; empty where it has no such labels."""
        ref = self.inventory.load_balancers[key].workload
        if ref is None:
            return {}
        return dict(dig(self.at(ref), "spec", "selector", "matchLabels", default={}))

    def endpoints(self, route: Route) -> tuple[Endpoint, ...]:
        """Pods behind a route; empty where its Service or port does not exist."""
        return self.facts(route).backend.endpoints


Place = Literal["nowhere", "backend", "load_balancer"]
"""Where a strategy makes objects, beside a route's own namespace."""


class Strategy(ABC):
    """One way to mutual TLS. ``loses`` names the features of a route that stop working; ``gain`` is the short reason for it.

    ``stands_for_hosts``: it makes objects that hold for every request with a route's host.
    ``wide``: it touches the backend's side, or takes the choice of backends from the load balancer.
    ``writes`` declares what it creates; what load balancers are told is declared with their switches.
    """

    name: str = ""
    gain: str = ""
    cost: str = ""
    keeps_host: bool = True
    loses: frozenset[str] = frozenset()
    touches_load_balancer: bool = False
    stands_for_hosts: bool = False
    wide: bool = False
    makes_objects_in: Place = "nowhere"

    def stays_with(self, route: Route) -> bool:
        """Whether it makes objects in the namespace of the route's object alone."""
        if self.makes_objects_in == "backend":
            return route.backend.namespace == route.object.namespace
        return self.makes_objects_in == "nowhere"
    writes: tuple[Write, ...] = ()

    def earlier(self, route: Route) -> Iterable[Identity]:
        """What earlier runs may have made for a route under names that are not those of today."""
        return ()

    def hazard(self, context: Context, route: Route, *, in_place: bool = False) -> str:
        """What it would cost others, or the route later on, so that nobody but the user may choose it; empty where nothing.

        ``in_place``: it is there already, and what it costs is paid.
        """
        return ""

    @abstractmethod
    def propose(self, context: Context, targets: Iterable[Route]) -> Proposal:
        """What to write so that ``targets`` (routes of one unit that need help) get mutual TLS."""


def switched(context: Context, targets: Iterable[Route], *, host: bool) -> Proposal:
    """Service routing (and with ``host`` the Host rewrite) by each load balancer's own settings.

    Routes that share an upstream with a target are switched along, because one setting decides for all of them.
    """
    wanted = list(targets)
    groups = {(route.load_balancer, route.upstream_group) for route in wanted}
    together = [
        route for route in context.routes
        if (route.load_balancer, route.upstream_group) in groups and route.settable and not route.ignored and not route.unread
    ]
    patches: list[FieldPatch] = []
    # What needs no switch is not refused for want of one.
    refusals = {
        route: route.why_not_settable for route in wanted
        if not route.settable and (host or route.upstream.address != "cluster_ip")
    }
    findings: list[Finding] = []
    for block in switches(together):
        load_balancer = context.load_balancer(block[0])
        profile = context.registry.get(load_balancer.vendor)
        to_service = profile.switches.to_service or refusing(f"{profile.about.title} has no setting for Service routing")
        answers = [context.cluster.ask(to_service, load_balancer, block)]
        if host:
            rewrite = profile.switches.host or refusing(f"{profile.about.title} has no setting that rewrites the Host")
            answers.append(context.cluster.ask(rewrite, load_balancer, block))
        refusal = next((answer.refusal for answer in answers if answer.refusal), "")
        findings += (remark for answer in answers for remark in answer.findings)
        if refusal:
            refusals.update({route: refusal for route in wanted if route in block})
            continue
        patches += (patch for answer in answers for patch in answer.patches)
    return Proposal(tuple(patches), (), refusals, tuple(findings))


def refusing(reason: str) -> RouteSwitch:
    """A switch that is not there, and why."""
    return lambda snapshot, load_balancer, routes: PatchSet(refusal=reason)


def metadata_for(name: str, namespace: str, routes: Iterable[Route], annotations: Mapping[str, str] | None = None) -> Obj:
    """Metadata of an object that is created for these routes."""
    found = list(routes)
    served = ",".join(sorted({route.object.namespace for route in found}))
    noted = {ROUTES_IN: served, ROUTE_KINDS: kinds_noted(found), **(annotations or {})}
    return {"name": name, "namespace": namespace, "annotations": noted}


def kinds_noted(routes: Iterable[Route]) -> str:
    """The kinds of objects that hold these routes, as bookkeeping notes them."""
    return ",".join(sorted({kind_key(route.object.api_version, route.object.kind) for route in routes}))


def annotated(body: Obj, annotations: Mapping[str, str]) -> Obj:
    """An object with further annotations; those that it has stay."""
    metadata = body["metadata"]
    return {**body, "metadata": {**metadata, "annotations": {**annotations, **(metadata.get("annotations") or {})}}}


def made_for(routes: Iterable[Route], *creations: Creation) -> list[Creation]:
    """Creations, with the routes that they are for."""
    wanted = tuple(routes)
    return [replace(item, routes=wanted) for item in creations]


def namespaces_served(obj: Obj) -> frozenset[str]:
    """Namespaces of the routes for which an object was created; of one that was only changed, its own."""
    metadata = obj.get("metadata") or {}
    text = (metadata.get("annotations") or {}).get(ROUTES_IN) or str(metadata.get("namespace", ""))
    return frozenset(text.split(","))


def joined(*proposals: Proposal) -> Proposal:
    """All of several proposals; the same object proposed twice counts once."""
    creations: dict[tuple[str, str, str], Creation] = {}
    patches: dict[tuple[int, tuple[str | int, ...]], FieldPatch] = {}
    refusals: dict[Route, str] = {}
    findings = tuple(dict.fromkeys(remark for proposal in proposals for remark in proposal.findings))
    for proposal in proposals:
        for creation in proposal.creations:
            creations.setdefault(identity(creation.body), creation)
        for patch in proposal.patches:
            patches.setdefault((id(patch.object), patch.path), patch)
        refusals.update(proposal.refusals)
    return Proposal(tuple(patches.values()), tuple(creations.values()), refusals, findings)
