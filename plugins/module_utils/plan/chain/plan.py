# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a chain: from the cluster, the load balancer and the user's patches to everything that is written on both sides. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ...balancers.contract.chain import ChainRequest, ChainSide, ClientAddress, LoadBalancerSide
from ...balancers.contract.profile import Profile
from ...balancers.contract.switches import FieldPatch, PatchSet
from ...balancers.kit.chain.answers import unknown_chain
from ...core.findings import finding, request_details, route_details
from ...core.marks import IGNORE
from ...core.model import Access, Backend, Finding, LoadBalancer, ObjectRef, Outcome, Route, replace
from ...detect.inventory import KnownBackend, known_backend
from ...istio.authorization.requests import RouteScope
from ...istio.outcome import predict
from ...kube.objects import Obj, created_at, identity, ref_of, value_at
from ...kube.snapshot import Snapshot
from .access import about_access_behind, access_behind
from .carry import Carried, HostRules, carry, sent_host
from .neighbours import about_neighbours
from .options import ChainPlanOptions
from .preflight import PreflightCase, diverted, preflight_findings
from .sides import Side, gateway_side
from .surroundings import Surroundings, look_around, own_sidecar
from .target import GatewayState
from .verdict import through_gateway

_ADDRESSES = {"EndpointSlice": "endpoints", "Endpoints": "subsets"}
_TYPES = {"exact": "Exact"}
_LOST = {"affinity": "its session affinity", "balancing": "its balancing", "retries": "its retries"}


@dataclass(frozen=True)
class ChainedRoute:
    """One host and path with its backend: as it is, and as it will be. ``object`` is the load balancer's own, where there is one.

    ``sent`` is the Host by which the gateway sees its requests.
    """

    host: str
    path: str
    path_type: str
    backend: Backend
    before: Outcome
    after: Outcome
    chained: bool
    object: ObjectRef | None = None
    sent: str = ""

    @property
    def label(self) -> str:
        return f"{self.host or '*'}{self.path} -> {self.backend.namespace}/{self.backend.service}:{self.backend.port}"

    def to_result(self) -> dict[str, Any]:
        return {
            "host": self.host, "path": self.path, "path_type": self.path_type, "backend": self.backend.to_result(),
            "object": self.object.to_result() if self.object else {}, "chained": self.chained,
            "before": self.before.to_result(), "after": self.after.to_result(),
        }


@dataclass(frozen=True)
class ChainPlan:
    """Everything about one chain. ``gateway`` and ``mesh`` come before ``front`` and ``switch``, and go after them.

    ``left_out`` says which routes are kept out of it (or in it), which refuses no other. ``diverted`` are Hosts that would not reach the
    gateway. ``leaving`` are routes that go through it and are not named any more, with what becomes of them there and without it.
    """

    state: GatewayState
    client: ClientAddress
    gateway: Side = Side()
    mesh: tuple[Obj, ...] = ()
    helpers: tuple[Obj, ...] = ()
    front: tuple[Obj, ...] = ()
    switch: tuple[FieldPatch, ...] = ()
    routes: tuple[ChainedRoute, ...] = ()
    findings: tuple[Finding, ...] = ()
    left_out: tuple[Finding, ...] = ()
    diverted: Mapping[str, Finding] = field(default_factory=dict)
    leaving: Mapping[Route, tuple[Outcome, Outcome]] = field(default_factory=dict)

    @property
    def refusals(self) -> tuple[Finding, ...]:
        return tuple(item for item in self.findings if item.severity == "error")


@dataclass(frozen=True)
class _Lead:
    """The load balancer's side: new objects, or fields of those that are there."""

    carried: Carried
    front: LoadBalancerSide = LoadBalancerSide()
    patches: tuple[FieldPatch, ...] = ()
    helpers: tuple[Obj, ...] = ()
    findings: tuple[Finding, ...] = ()


def plan_chain(
    live: Snapshot, base: Snapshot, profile: Profile, load_balancer: LoadBalancer | None, routes: Sequence[Route], options: ChainPlanOptions
) -> ChainPlan:
    """Plan one chain. ``base`` is the cluster without this collection's chains, ``routes`` are the load balancer's in it."""
    around = look_around(base, options.gateway)
    state, title, own = around.state, profile.about.title, profile.chain or unknown_chain(profile.about.title)
    backends = {route: _known(base, state, route) for route in routes}
    request = _request(around, profile.about.id, load_balancer, options)
    client = own.client_address(request)

    def redirect(asked: list[Route]) -> PatchSet:
        redirected = own.redirect(base, load_balancer, asked, request) if own.redirect and load_balancer else None
        if redirected is None:
            return PatchSet(refusal=f"{title} has no way that is known to lead its routes to a gateway one by one")
        locked, taken = (options.locked(patch.object) for patch in redirected.patches), map(options.taken, redirected.bodies)
        refusal = next(filter(None, (*locked, *taken)), "")
        return PatchSet(refusal=refusal) if refusal else redirected

    selected = _selected(routes, options)
    lead = _lead(
        title, own, selected if load_balancer else None, backends, options, request, redirect, lambda ref: created_at(base.at(ref) or {})
    )
    hosts = (*lead.carried.hosts, *options.hosts)
    request = replace(request, hosts=_named(hosts), carried=bool(lead.patches))
    side = gateway_side(around, own, options, request, client, lead.front, hosts)
    seen = tuple(dict.fromkeys(item.host for item in hosts))
    case = PreflightCase(
        around, title, own, load_balancer, options, request, client, lead.front, own_sidecar(base, load_balancer, state, seen),
        () if state.trouble else own.preflight(base, request), seen, (*side.bodies, *side.routes, *lead.helpers),
    )
    turned, there = diverted(case), {sent_host(route) for route in options.standing}
    findings = [*preflight_findings(case), *(item for host, item in turned.items() if host not in there)]
    findings += _beside(title, own, routes, options)
    findings += (*side.findings, *lead.findings, *_about(lead, options), *_address_unknown(lead, state))
    findings += about_neighbours(base, options.gateway, hosts, {sent_host(route) for route in options.standing})
    findings += (finding("MLB613", step) for step in (*lead.front.steps, *_late(title, lead.front)))
    asked = {*(route.backend for route in routes), *(rule.backend for host in options.hosts for rule in host.rules)}
    verdicts = _Verdicts(
        {backend: through_gateway(base, state, backend) for backend in asked},
        {route: predict(base, load_balancer, route) if load_balancer else Outcome("unknown", "") for route in routes},
        lambda obj: live.get(*identity(obj)), partial(access_behind, base, state, load_balancer),
    )
    found = tuple(_chained(verdicts, lead, options, side.routes))
    findings += about_access_behind(base, state, ((item.label, item.object, item.before, item.after) for item in found if item.chained))
    return ChainPlan(
        state, client, side, side.routes, lead.helpers, lead.front.bodies, lead.patches, found, tuple(dict.fromkeys(findings)),
        (*(item for host, item in turned.items() if host in there), *options.kept.values(), *(
            item for route, item in options.barred.items() if route in lead.carried.refusals
        )),
        {host: item for host, item in turned.items() if host not in there},
        {route: (verdicts.by_gateway(route.backend, _scope(route)), verdicts.direct[route]) for route in options.leaving},
    )


def _known(base: Snapshot, state: GatewayState, route: Route) -> KnownBackend:
    """What is behind a route; the Service that the chain leads to is a gateway's, whatever its pods look like."""
    known, target = known_backend(base, route), state.target
    is_target = (route.backend.namespace, route.backend.service) == (target.namespace, target.service)
    return replace(known, is_gateway=known.is_gateway or is_target)


@dataclass(frozen=True)
class _Verdicts:
    """What becomes of requests by way of the gateway and without it, and what is there already."""

    behind: Mapping[Backend, Outcome]
    direct: Mapping[Route, Outcome]
    existing: Callable[[Obj], Obj | None]
    admits: Callable[[RouteScope, Outcome], Access]

    def by_gateway(self, backend: Backend, asked: RouteScope) -> Outcome:
        """What becomes of a route's requests behind the gateway."""
        outcome = self.behind[backend]
        return replace(outcome, access=self.admits(asked, outcome))


def _late(title: str, front: LoadBalancerSide) -> tuple[str, ...]:
    """What to do where the load balancer's own check does not see that a gateway pod is about to end."""
    if front.check.kind != "tcp":
        return ()
    return (
        f"{title} checks that a gateway pod takes connections, which it does until its proxy ends: 5 s after the pod is told to, "
        "by Istio's default. If its controller needs longer to take a pod out, give the gateway's pods longer in the annotation "
        "proxy.istio.io/config (terminationDrainDuration), and a terminationGracePeriodSeconds above that.",
    )


def _request(around: Surroundings, vendor: str, load_balancer: LoadBalancer | None, options: ChainPlanOptions) -> ChainRequest:
    target = around.state.target
    return ChainRequest(
        name=f"{options.gateway.name}-{vendor.replace('_', '-')}"[:50], gateway=target, hosts=_named(options.hosts),
        https_redirect=options.https_redirect, classes=load_balancer.classes if load_balancer else (), client=options.client,
        trusted_hops=options.trusted_hops, options=options.platform_options, alias=options.alias, addressed=bool(
            target.address
        ) or around.live,
    )


def _named(hosts: Iterable[HostRules]) -> tuple[str, ...]:
    """Hosts for the load balancer; none where one of them is "any"."""
    names = tuple(dict.fromkeys(item.host for item in hosts))
    return () if "" in names else names


def _selected(routes: Sequence[Route], options: ChainPlanOptions) -> list[Route]:
    if not options.carry:
        return []
    return [route for route in routes if options.names(route) or route in options.kept]


def _lead(
    title: str, own: ChainSide, routes: list[Route] | None, backends: Mapping[Route, KnownBackend], options: ChainPlanOptions,
    request: ChainRequest,
    redirect: Callable[[list[Route]], PatchSet], born: Callable[[ObjectRef], str],
) -> _Lead:
    if not options.carry or routes is None:
        front = own.front(request) if options.hosts else LoadBalancerSide()
        return _Lead(Carried(), front)
    barred = {route: item.message for route, item in options.barred.items()}
    decided = partial(
        carry, backends=backends, begins_with=own.facts.begins_with, standing=options.standing, vouched=options.vouched, born=born,
    )
    carried = decided(routes, barred=barred)
    refusals = dict(carried.refusals)
    patches: list[FieldPatch] = []
    helpers: dict[tuple[str, str, str], Obj] = {}
    findings: list[Finding] = []
    for ref in dict.fromkeys(route.object for route in carried.routes):
        asked = [route for route in carried.routes if route.object == ref]
        answer = redirect(asked)
        findings += answer.findings
        if answer.refusal:
            refusals.update(dict.fromkeys(asked, answer.refusal))
            continue
        patches += answer.patches
        helpers.update({identity(body): body for body in answer.bodies})
    if carried.routes and own.redirect is None:
        front = own.front(replace(request, hosts=_named(carried.hosts)))
        if not front.refusal:
            return _Lead(carried, front, (), (), (finding("MLB618", f"{title}: {next(iter(refusals.values()), '')}"),))
    rest = decided([route for route in carried.routes if route not in refusals])
    return _Lead(replace(rest, refusals=refusals), LoadBalancerSide(), tuple(patches), tuple(helpers.values()), tuple(findings))


def _beside(title: str, own: ChainSide, routes: Iterable[Route], options: ChainPlanOptions) -> Iterable[Finding]:
    """New routes at the address of older ones that take the same requests: the older one would go on taking them."""
    wanted = {(item.host, rule.path) for item in options.hosts for rule in item.rules}
    for route in routes if own.redirect else ():
        if (route.host, route.path) in wanted:
            do = "write the host as a name in hosts, and this route is led to the gateway"
            text = f"{title} takes {route.host or '*'}{route.path} to a backend by {route.object} already: {do}"
            yield finding("MLB617", text, route.object, details=request_details(route))


def _about(lead: _Lead, options: ChainPlanOptions) -> list[Finding]:
    found = []
    for route, why in lead.carried.refusals.items():
        if route in options.barred:
            continue
        where = f"{route.host or '*'}{route.path} -> {route.backend.service}:{route.backend.port}"
        code = "MLB213" if route.ignored else "MLB610"
        found.append(finding(code, f"{where}: {why}", route.object, details=route_details(route)))
    for route in lead.carried.routes:
        if route.ignored:
            where = f"{route.host or '*'}{route.path}"
            message = f"{where}: its object asks to be left alone ({IGNORE}), and stays behind the gateway as it is"
            found.append(finding("MLB213", message, route.object, details=route_details(route)))
        lost = [item for item in route.features if item in _LOST]
        if lost:
            message = f"{route.host or '*'}{route.path}: {' and '.join(_LOST[item] for item in lost)}"
            found.append(finding("MLB611", message, route.object, details=request_details(route, lost=lost)))
    return found


def _address_unknown(lead: _Lead, state: GatewayState) -> list[Finding]:
    empty = [body for body in (*lead.helpers, *lead.front.bodies) if body["kind"] in _ADDRESSES and not body.get(_ADDRESSES[body["kind"]])]
    if not empty:
        return []
    gateway = ObjectRef("v1", "Service", state.target.namespace, state.target.service)
    return [finding("MLB619", f"{ref_of(empty[0])} will hold the address of {gateway.namespace}/{gateway.name}", cause=gateway)]


def _chained(verdicts: _Verdicts, lead: _Lead, options: ChainPlanOptions, mesh: tuple[Obj, ...]) -> list[ChainedRoute]:
    found = []
    for route in (*lead.carried.routes, *lead.carried.refusals):
        chained = route in lead.carried.routes and route not in lead.carried.refusals
        direct = verdicts.direct[route]
        behind = verdicts.by_gateway(route.backend, _scope(route)) if chained else direct
        now = behind if chained and _in_place(verdicts, lead, route) else direct
        found.append(ChainedRoute(
            route.host, route.path, route.path_type, route.backend, now, behind, chained, route.object, sent_host(route),
        ))
    nothing = Outcome("unknown", "no route of this collection leads there yet")
    # A load balancer that is made of the gateway's own Service has no object of its own: there the gateway's routes tell.
    telling = lead.front.bodies or mesh
    there = bool(telling) and all(verdicts.existing(body) is not None for body in telling)
    for host in options.hosts:
        for rule in host.rules:
            behind = verdicts.by_gateway(rule.backend, RouteScope(host.host, rule.path, _TYPES.get(rule.kind, "Prefix")))
            now = behind if there else nothing
            found.append(ChainedRoute(host.host, rule.path, rule.kind, rule.backend, now, behind, True, sent=host.host))
    return sorted(found, key=lambda item: (item.host, item.path, item.path_type, item.backend.service, item.backend.port))


def _scope(route: Route) -> RouteScope:
    """A route's requests as the gateway gets them."""
    return RouteScope(sent_host(route), route.path, route.path_type, route.rewrites_path, beside=route.beside)


def _in_place(verdicts: _Verdicts, lead: _Lead, route: Route) -> bool:
    """Whether every field that redirects the route's object to the gateway is set already."""
    own = [patch for patch in lead.patches if ref_of(patch.object) == route.object]
    current = verdicts.existing(own[0].object) if own else None
    return current is not None and all(value_at(current, patch.path) == patch.value for patch in own)
