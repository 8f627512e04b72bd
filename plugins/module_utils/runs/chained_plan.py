# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the options of chained_gateway mean in a cluster: which load balancer, which hosts and backends, and the writes. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..apply import chain as writes
from ..apply.book import is_own, load_balancers_of
from ..apply.ledger import locked
from ..apply.ownership import why_occupied
from ..balancers.contract.profile import Profile, Registry
from ..balancers.kit.declared import backend_of
from ..balancers.kit.objects import services_of
from ..core.errors import MeshlbError
from ..core.findings import FINDINGS, finding
from ..core.model import Change, Finding, LoadBalancer, Route, replace
from ..detect.claims import HostClaims
from ..detect.inventory import take_inventory
from ..detect.load_balancers import detect
from ..detect.routes import read_routes
from ..detect.unread import DECIDING
from ..istio.doubts import doubts
from ..istio.gateways import leads_to_gateway
from ..istio.names import belongs_to_the_mesh
from ..kube.kinds import VIRTUAL_SERVICE
from ..kube.objects import Identity, Obj, created_at, identity, identity_of, namespace_of
from ..kube.reading import about_object
from ..kube.snapshot import Snapshot
from ..plan.chain.barring import claimed, without_harm
from ..plan.chain.carry import HostRules, hosts_in, led_hosts, sent_host
from ..plan.chain.neighbours import LATE, first_at, first_served
from ..plan.chain.options import ChainPlanOptions
from ..plan.chain.paths import PathRule, in_order
from ..plan.chain.plan import ChainPlan, plan_chain
from ..plan.chain.target import ISTIO_GATEWAY, KUBERNETES_GATEWAY
from ..plan.rivals import Known, rivals
from ..plan.strategies.base import namespaces_served
from ..plan.trial import route_identity
from ..plan.writes import CHAIN, chain_writes, chained_gateway
from .kept import Kept, kept_in, missed_kinds
from .options.chained import AskedHost, AskedPath, ChainedOptions
from .session import ledger_of
from .unseen import Unseen, unlisted, whole_or_nothing
from .whole import demand_kinds, demand_readable, demand_seen, demand_whole

_BESIDE = (KUBERNETES_GATEWAY, ISTIO_GATEWAY, VIRTUAL_SERVICE)
"""Kinds that are made in the gateway's namespace."""


@dataclass(frozen=True)
class Chosen:
    """The load balancer that is meant: what kind it is and, where the cluster has one, which."""

    profile: Profile
    load_balancer: LoadBalancer | None = None

    @property
    def label(self) -> str:
        return self.load_balancer.label if self.load_balancer else self.profile.about.id


@dataclass(frozen=True)
class Asked:
    """The one chain that the options are about, how it is noted (``chain``) on what is written, and all load balancers that there are."""

    chosen: Chosen
    options: ChainPlanOptions
    chain: str
    load_balancers: Sequence[LoadBalancer]


@dataclass(frozen=True)
class ChainedDecision:
    """The writes, and what is to be said about ``chains`` (``None``: all). Without a ``plan`` they are taken back.

    Files of the objects that ``stay`` are left as they are.
    """

    changes: Sequence[Change]
    findings: Sequence[Finding]
    plan: ChainPlan | None = None
    chains: Collection[str] | None = None
    digest: str = ""
    stay: frozenset[Identity] = frozenset()

    def is_about(self, obj: Obj) -> bool:
        """Whether what an earlier run wrote is for these chains."""
        return self.chains is None or not load_balancers_of(obj).isdisjoint(self.chains)


def chosen_load_balancer(live: Snapshot, options: ChainedOptions, registry: Registry, found: Sequence[LoadBalancer]) -> Chosen:
    """The load balancer that is meant. Raises :class:`MeshlbError` where that is none, or not certain."""
    if options.load_balancer[1]:
        match = next((item for item in found if item.key == options.load_balancer), None)
        if match is None:
            raise MeshlbError(f"load_balancer names {_label(options)}, which was not found.", _known(found))
        return Chosen(registry.get(match.vendor), match)
    if options.platform:
        return _of_platform(live, options.platform, registry, found)
    able = _meant(live, registry, [item for item in found if registry.get(item.vendor).chain and item.confidence != "possible"])
    if len(able) != 1:
        number = f"are {len(able)} load balancers" if able else "is no load balancer"
        hint = f"Set load_balancer or platform. {_known(found)}"
        raise MeshlbError(f"There {number} here that can be chained, and none was named.", hint)
    return Chosen(registry.get(able[0].vendor), able[0])


def _meant(live: Snapshot, registry: Registry, found: list[LoadBalancer]) -> list[LoadBalancer]:
    """Those among which a user has to choose: of several that claim the same routes, the one that is told to be meant."""
    around = rivals(take_inventory(live, registry, found), live, Known()) if len(found) > 1 else {}
    return [item for item in found if item.key not in around or not around[item.key].why]


def _label(options: ChainedOptions) -> str:
    return "/".join(filter(None, options.load_balancer))


def _of_platform(live: Snapshot, platform: str, registry: Registry, found: Sequence[LoadBalancer]) -> Chosen:
    profile = registry.named(platform)
    if profile is None:
        ids = ", ".join(sorted(item.about.id for item in registry.profiles))
        raise MeshlbError(f"platform is {platform!r}, which is no load balancer that this collection knows.", f"Known are: {ids}.")
    own = _meant(live, registry, [item for item in found if item.vendor == profile.about.id])
    if len(own) > 1:
        raise MeshlbError(f"There are {len(own)} of platform {platform} here, and none was named.", f"Set load_balancer. {_known(own)}")
    return Chosen(profile, own[0] if own else None)


def _known(found: Sequence[LoadBalancer]) -> str:
    return "Found were: " + (", ".join(f"{item.label} ({item.vendor})" for item in found) or "none at all") + "."


def asked(live: Snapshot, registry: Registry, options: ChainedOptions) -> Asked:
    """The chain that is meant. Raises :class:`MeshlbError` for what the cluster or its load balancer does not have."""
    known = detect(live, registry)[0]
    meant = chosen_load_balancer(live, options, registry, known)
    found = ChainPlanOptions(
        gateway=options.gateway, carry=options.hosts.carry, only=options.hosts.only,
        hosts=tuple(_host_rules(number, item, live) for number, item in enumerate(options.hosts.new)), client=options.client,
        trusted_hops=options.trusted_hops, https_redirect=options.https_redirect, alias=options.alias,
        platform_options=_platform_options(options.platform_options, meant.profile),
    )
    return Asked(meant, found, writes.chain_name(meant.label, _gateway_label(options)), known)


def _gateway_label(options: ChainedOptions) -> str:
    return f"{options.gateway.namespace}/{options.gateway.name}"


def _host_rules(number: int, asked_host: AskedHost, snapshot: Snapshot) -> HostRules:
    rules = [_path_rule(item, snapshot) for item in asked_host.paths]
    backends: dict[tuple[str, str], object] = {}
    for rule in rules:
        if backends.setdefault((rule.kind, rule.path), rule.backend) != rule.backend:
            raise MeshlbError(f"hosts[{number}] leads path {rule.path} to two backends.", "Leave one of them out.")
    return HostRules(asked_host.host, tuple(in_order(rules)))


def _path_rule(item: AskedPath, snapshot: Snapshot) -> PathRule:
    service, port = services_of(snapshot)(item.namespace, item.service), int(item.port) if item.port.isdigit() else item.port
    found = backend_of(service, item.namespace, item.service, port)
    if not found.port or found.protocol == "unknown":
        raise MeshlbError(
            f"{item.where} names port {item.port} of Service {found.namespace}/{found.service}, which does not exist.",
            "Create it, or correct the name.",
        )
    if leads_to_gateway(snapshot, found.namespace, found.service):
        raise MeshlbError(
            f"{item.where} names Service {found.namespace}/{found.service}, which leads to an Istio gateway, so requests would go round.",
            "Name the Service that is to answer.",
        )
    return PathRule(item.kind, item.path, found)


def _platform_options(given: Mapping[str, Any], profile: Profile) -> Mapping[str, Any]:
    """``platform_options``, each of them known to the load balancer and among its choices."""
    known = {item.name: item for item in (profile.chain.facts.options if profile.chain else ())}
    for name, value in given.items():
        if name not in known:
            listed = ", ".join(sorted(known)) or "none at all"
            raise MeshlbError(f"platform_options has {name!r}, which {profile.about.title} does not know.", f"It knows: {listed}.")
        choices = known[name].choices
        if choices and value is not None and str(value).lower() not in {item.lower() for item in choices}:
            raise MeshlbError(f"platform_options.{name} is {value!r}.", f"Choose one of: {', '.join(choices)}.")
    return given


def planned_chain(live: Snapshot, registry: Registry, asked_for: ChainedOptions) -> ChainedDecision:
    """The plan for what was asked for, and its writes. Raises :class:`MeshlbError` where it is refused."""
    meant = asked(live, registry, asked_for)
    profile, load_balancer, options, chain = meant.chosen.profile, meant.chosen.load_balancer, meant.options, meant.chain
    chained = _hosts_of(live, registry, chain) if asked_for.absent or options.carry else frozenset()
    if asked_for.absent:
        options = replace(options, without=options.only, only=chained - options.only)
    _demand_hosts(options, profile, load_balancer)
    part = chained_gateway(registry)
    options = replace(options, locked=partial(locked, part=part), taken=lambda body: why_occupied(live.get(*identity(body)), part))
    base = live.after(writes.chain_removal(ledger_of(live, part), [chain])[0])
    found = take_inventory(base, registry, [load_balancer] if load_balancer else [])
    base, live = (view.doubting(found.unreadable) for view in (base, live))
    _demand_readable(live, load_balancer, options)
    stays = {route for route in found.routes if load_balancer and doubts(live).about(load_balancer, route)}
    routes = [route for route in found.routes if route not in stays]
    written = [obj for obj in ledger_of(live, part).written if chain in load_balancers_of(obj)]
    of_gateway, beside_routes = _apart(written, options.gateway.namespace)
    routes = _led_already(routes, written) if asked_for.absent and profile.chain and profile.chain.redirect else routes
    lost = chained - {route.host for route in routes} if options.carry and not asked_for.absent else frozenset()
    kept = kept_in(live, registry, [load_balancer] if load_balancer and options.carry else [], ledger_of(live, part).written)
    _demand_known(live, kept, options, routes, of_gateway, lost)
    if asked_for.absent:
        demand_whole(live, [*CHAIN, *chain_writes(profile)], {options.gateway.namespace})
    _refuse(_hosts_of_the_mesh(live, options))
    options = _standing(options, live, registry, load_balancer, routes, written)
    claims = HostClaims(base, read_routes(base, registry, meant.load_balancers)[0] if options.carry else ())
    plan = without_harm(
        lambda now: plan_chain(live, base, profile, load_balancer, routes, now), options, routes,
        _barred(base, options, routes, of_gateway, claims), asked_for.common.may_get_worse,
    )
    if options.carry and not asked_for.absent and not plan.routes:
        names = f" for {', '.join(sorted(options.only))}" if options.only else ""
        raise MeshlbError(
            f"Not one route of {profile.about.title} was found{names}.",
            "Correct the names in hosts, or write the hosts with their paths and backends.",
        )
    _refuse(plan.refusals)
    _needs_certificate(plan, options)
    ledger, unreadable = ledger_of(base if asked_for.common.output_dir else live, part), live.source.unreadable
    changes, about = writes.chain_changes(
        ledger, plan, chain, {key for key, item in unreadable.items() if item.counts}, lambda obj: bool(kept.kinds_of(obj)),
        led_hosts(routes) if not stays else {},
    )
    left = {*unreadable, *({} if asked_for.common.output_dir else _left_alone(options))}
    changes = [item for item in changes if identity_of(item.object) not in left]
    _refuse(item for item in about if item.severity == "error")
    demand_seen(live, changes)
    said = [*_about_kept(live, kept, beside_routes, asked_for), *(about_object(item) for item in found.unreadable)]
    said += (finding("MLB610", f"{route.host or '*'}{route.path}: {route.unread}", route.object) for route in sorted(stays, key=_sort_key))
    return ChainedDecision(changes, [*ledger_of(live, part).findings, *plan.findings, *plan.left_out, *about, *said], plan, {chain})


def _standing(
    options: ChainPlanOptions, live: Snapshot, registry: Registry, load_balancer: LoadBalancer | None, routes: Iterable[Route],
    written: Sequence[Obj],
) -> ChainPlanOptions:
    """Which routes lead to the gateway: objects of theirs were changed, and in the cluster as it is they do not come to their backends."""
    found = _led_already(routes, written)
    if load_balancer is None or not found:
        return options
    as_it_is = take_inventory(live, registry, [load_balancer], frozenset(route.object for route in found)).routes
    direct, of_gateway = {route_identity(route) for route in as_it_is}, _apart(written, options.gateway.namespace)[0]
    standing = frozenset(route for route in found if route_identity(route) not in direct)
    return replace(options, standing=standing, vouched=frozenset(route for route in standing if _serves(of_gateway, route)))


def _serves(of_gateway: Iterable[Obj], route: Route) -> bool:
    """Whether the gateway's own routing, which only those beside it can write, leads a route's Host to its namespace."""
    return any(sent_host(route) in hosts_in(body) and route.backend.namespace in namespaces_served(body) for body in of_gateway)


def _left_alone(options: ChainPlanOptions) -> set[Identity]:
    """Objects that ask to be left alone, and are behind the gateway: as they are, until they are taken back by name."""
    taken_back = {route.object for route in options.standing if options.takes_back(route)}
    return {identity_of(route.object) for route in options.standing if route.ignored and route.object not in taken_back}


def _demand_hosts(options: ChainPlanOptions, profile: Profile, load_balancer: LoadBalancer | None) -> None:
    if not options.carry and not options.hosts:
        raise MeshlbError("hosts is empty, so nobody would be led to the gateway.", "Write from_load_balancer, or a list.")
    if options.carry and load_balancer is None:
        raise MeshlbError(
            f"hosts come from the load balancer's routes, and no {profile.about.title} was found here.",
            "Write the hosts with their paths and backends.",
        )


def _apart(written: Iterable[Obj], gateway: str) -> tuple[list[Obj], list[Obj]]:
    """What lies beside the gateway, of which all routes of the chain may be in need, and what lies in namespaces of routes.

    Whoever may edit objects there decides about what lies there alone.
    """
    objects = list(written)
    return [obj for obj in objects if namespace_of(obj) == gateway], [obj for obj in objects if namespace_of(obj) != gateway]


def _about_kept(live: Snapshot, kept: Kept, written: Sequence[Obj], options: ChainedOptions) -> list[Finding]:
    """What stays in namespaces of routes, as what it is for cannot be seen: where it was to be taken back, that is an error."""
    unseen = whole_or_nothing(list(Unseen(kept.missed).findings(written, live)), options.common.all_or_nothing) if options.absent else []
    return [*kept.findings(written), *unseen]


def _led_already(routes: Iterable[Route], written: Iterable[Obj]) -> list[Route]:
    """Routes whose objects a chain has changed: what some object says of its hosts leads nobody else's routes to the gateway."""
    led = set(map(identity, written))
    return [route for route in routes if identity_of(route.object) in led]


def _sort_key(route: Route) -> Any:
    return route.sort_key


def _demand_readable(live: Snapshot, load_balancer: LoadBalancer | None, options: ChainPlanOptions) -> None:
    """Stop where an object that decides about all routes of the chain, or belongs to its gateway, could not be read."""
    unknown = doubts(live)
    of_all = unknown.of_load_balancer(load_balancer) if load_balancer else next(iter(unknown.everything), None)
    of_gateway = (item.ref for key, item in live.source.unreadable.items() if item.counts and key[1] == options.gateway.namespace)
    demand_readable(live, [of_all, *of_gateway], "the chain")


def _demand_known(
    live: Snapshot, kept: Kept, options: ChainPlanOptions, routes: Sequence[Route], of_gateway: Sequence[Obj], lost: Collection[str]
) -> None:
    """Stop where it is not known which routes the load balancer has: those that are not in the plan are led away from the gateway."""
    demand_kinds(live, DECIDING, "what becomes of requests")
    unclear = next((route for route in routes if route.unread), None)
    if options.carry and unclear is not None:
        raise MeshlbError(f"{unclear.object} cannot be led to a gateway: {unclear.unread}.", "Grant the right that is missing.")
    unknown = sorted({kind for obj in of_gateway for kind in kept.kinds_of(obj)})
    demand_kinds(live, unknown, "which of its routes are led to the gateway", kept.missed)
    if lost and any(map(kept.may_be_for_unserved, of_gateway)):
        raise MeshlbError(
            f"No route has host {', '.join(sorted(lost))} any more. An earlier release led it to the gateway, and did not note "
            "by which kind of route: it may be one that the API server no longer serves.",
            "If the host is gone for good, take it back: state: absent with its name in hosts.",
        )


def _hosts_of_the_mesh(live: Snapshot, options: ChainPlanOptions) -> Iterator[Finding]:
    """Hosts that were asked for by name and are the mesh's own."""
    for item in options.hosts:
        taken = belongs_to_the_mesh(live, item.host) if item.host else None
        if taken is not None:
            yield finding("MLB222", f"hosts names {item.host}: {taken.why}", cause=taken.owner)


def _barred(
    base: Snapshot, options: ChainPlanOptions, routes: Sequence[Route], of_gateway: Sequence[Obj], claims: HostClaims
) -> dict[Route, Finding]:
    """The routes for whose host the gateway gets no routing. Raises :class:`MeshlbError` where that was asked for by name."""
    born = partial(_born, of_gateway)
    _refuse(first_at(base, options.gateway, options.hosts, born))
    if not options.carry:
        return {}
    return {**first_served(base, options.gateway, routes, born), **claimed(claims, routes, _hosts_in(of_gateway))}


def _born(of_gateway: Iterable[Obj], host: str) -> str:
    """When the gateway's routing for a host was made, as a text that can be ordered: late where it is still to be."""
    return min((created_at(obj) for obj in of_gateway if ("" if host == "*" else host) in hosts_in(obj)), default=LATE)


def _needs_certificate(plan: ChainPlan, options: ChainPlanOptions) -> None:
    target = plan.state.target
    if target.tls and plan.state.configured is None and not options.gateway.credential:
        raise MeshlbError(
            f"Gateway {options.gateway.namespace}/{target.name} is to be made with TLS, and no credential with its certificate is named.",
            "Name its Secret in gateway.tls.credential_name.",
        )


def _refuse(findings: Iterable[Finding]) -> None:
    found = list(findings)
    if not found:
        return
    first = found[0]
    where = f"{first.object}: " if first.object and str(first.object) not in first.message else ""
    raise MeshlbError(
        f"{first.code}: {where}{first.message.rstrip('.')}.", FINDINGS[first.code].remedy, first.object,
        {"findings": [item.to_result() for item in found]},
    )


def taken_back_chains(live: Snapshot, registry: Registry, options: ChainedOptions) -> ChainedDecision:
    """What takes chains back as a whole. A chain of which not all can be seen stays, and so does what leads to an object that stays."""
    ledger, chains = ledger_of(live, chained_gateway(registry)), chains_meant(live, registry, options)
    demand_whole(live, CHAIN)
    written = [obj for obj in ledger.written if chains is None or load_balancers_of(obj) & set(chains)]
    meant = {name for obj in written for name in load_balancers_of(obj) if chains is None or name in chains}
    hidden = {name: found for name, profiles in _profiles_of(live, registry, options, meant) if (found := unlisted(
        live, [*CHAIN, *(item for profile in profiles for item in chain_writes(profile))], {name.partition(">")[2].partition("/")[0]}
    ))}
    unseen = Unseen(missed_kinds(live, registry), hidden).beside(written)
    # With files, taking back means that they say nothing any more.
    nothing = bool(options.common.output_dir)
    changes, about = writes.chain_removal(ledger, chains, lambda obj: nothing or unseen.holds(obj))
    if len(changes) > 1:
        routes = read_routes(live.after(changes), registry, detect(live, registry)[0])[0]
        changes, about = writes.chain_removal(ledger, chains, lambda obj: nothing or unseen.holds(obj), led_hosts(routes))
    left = whole_or_nothing(list(unseen.findings(written, live)), options.common.all_or_nothing)
    stay = frozenset(identity(obj) for obj in written if unseen.holds(obj))
    return ChainedDecision(changes, [*ledger.findings, *about, *left], chains=chains, stay=stay)


def _profiles_of(
    live: Snapshot, registry: Registry, options: ChainedOptions, chains: Collection[str]
) -> Iterator[tuple[str, Iterable[Profile]]]:
    """The chains, each with the kinds of load balancers that it may be of: all where its own is not there.

    Where none is known, the load balancers that are there: fields of theirs may have been set.
    """
    named = registry.named(options.platform) if options.platform else None
    found = {item.label: registry.get(item.vendor) for item in detect(live, registry)[0]}
    for name in sorted(chains or found):
        own = named or found.get(name.partition(">")[0])
        yield name, [own] if own else registry.profiles


def chains_meant(live: Snapshot, registry: Registry, options: ChainedOptions) -> Collection[str] | None:
    """The chains that are to be taken back, ``None`` for all."""
    if options.hosts:
        return {asked(live, registry, options).chain}
    label = _label(options)
    if not label and options.platform:
        label = chosen_load_balancer(live, options, registry, detect(live, registry)[0]).label
    gateway = _gateway_label(options) if options.names_gateway else ""
    return writes.chains_of(ledger_of(live, chained_gateway(registry)), label, gateway) if label or gateway else None


def remaining_hosts(live: Snapshot, registry: Registry, options: ChainedOptions) -> frozenset[str]:
    """With ``state: absent`` and names in ``hosts``: the chained hosts that are to stay."""
    only = options.hosts.only
    return _hosts_of(live, registry, asked(live, registry, options).chain) - only if only else frozenset()


def _hosts_of(live: Snapshot, registry: Registry, chain: str) -> frozenset[str]:
    """Hosts that an earlier run leads to the gateway."""
    return _hosts_in(obj for obj in ledger_of(live, chained_gateway(registry)).written if chain in load_balancers_of(obj))


def _hosts_in(written: Iterable[Obj]) -> frozenset[str]:
    return frozenset().union(*map(hosts_in, written))


def gateway_namespaces(live: Snapshot, registry: Registry) -> set[str]:
    """Namespaces of gateways for which earlier runs made something: a ConfigMap may lie beside it."""
    part = chained_gateway(registry)
    return {namespace_of(item) for kind in _BESIDE for item in live.all(kind) if is_own(item, part)}


def not_there(live: Snapshot, objects: Iterable[Obj]) -> list[Obj]:
    """Those objects that are not in the cluster."""
    return [item for item in objects if live.get(*identity(item)) is None]
