# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of chained_gateway, from its options to its result."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from ..apply import chain as writes
from ..apply import ownership
from ..apply.book import is_created, load_balancers_of
from ..balancers.contract.profile import Profile, Registry
from ..balancers.kit.gateway.routes import KINDS
from ..balancers.registry import REGISTRY
from ..core.errors import MeshlbError
from ..core.findings import FINDINGS
from ..core.model import Change, Finding, LoadBalancer, ObjectRef, replace
from ..detect.description import about_reading
from ..detect.load_balancers import config_map_namespaces, detect
from ..detect.routes import read_routes
from ..kube.kinds import VIRTUAL_SERVICE
from ..kube.objects import dig, namespace_of, ref_of
from ..kube.snapshot import Snapshot
from ..plan.chain.options import Options
from ..plan.chain.plan import ChainPlan, plan_chain
from ..plan.chain.surroundings import DEFINITION
from ..plan.chain.target import ISTIO_GATEWAY, KUBERNETES_GATEWAY
from .chained_options import chain_options, chosen, expected_objects, gateway_options
from .routing import demand, reading_kinds
from .session import Result, Session, deliver, report, start
from .waiting import SETTLE, Clock, accepted, pods_ready, service_there, wait_for

_BESIDE = (KUBERNETES_GATEWAY, ISTIO_GATEWAY, VIRTUAL_SERVICE)
"""Kinds that are made in the gateway's namespace."""
_ROUTED = {"VirtualService": "hosts", "HTTPRoute": "hostnames"}


def run(params: Mapping[str, Any], check_mode: bool, diff: bool, clock: Clock | None = None) -> Result:
    """Chain a load balancer to a gateway, or take chains back; raises :class:`MeshlbError` before anything is written."""
    for name in ("drain", "wait_timeout"):
        if int(params.get(name) or 0) < 0:
            raise MeshlbError(f"{name} is {params[name]}.", "Give a number of seconds, 0 for none.")
    runner = _Run(params, check_mode, diff, clock or Clock())
    return runner.absent() if params["state"] == "absent" and not runner.keeps_hosts() else runner.present()


def asked(live: Snapshot, registry: Registry, params: Mapping[str, Any]) -> tuple[Profile, LoadBalancer | None, Options, str]:
    """The one chain that the parameters are about: load balancer, options, and how the chain is noted on what is written."""
    profile, load_balancer = chosen(params, registry, detect(live, registry)[0])
    options = chain_options(params, live, profile)
    label = load_balancer.label if load_balancer else profile.about.id
    return profile, load_balancer, options, writes.chain_name(label, f"{options.gateway.namespace}/{options.gateway.name}")


def remaining_hosts(live: Snapshot, registry: Registry, params: Mapping[str, Any]) -> frozenset[str]:
    """With ``state: absent`` and names in ``hosts``: the chained hosts that are to stay."""
    if not isinstance(params.get("hosts"), list):
        return frozenset()
    options, chain = asked(live, registry, params)[2:]
    return _hosts_of(live, chain) - options.only if options.only else frozenset()


def planned(
    live: Snapshot, registry: Registry, params: Mapping[str, Any]
) -> tuple[ChainPlan, list[Change], list[Finding]]:
    """The plan for what the parameters ask for, and its writes. Raises :class:`MeshlbError` where it is refused."""
    profile, load_balancer, options, chain = asked(live, registry, params)
    if params["state"] == "absent":
        options = replace(options, without=options.only, only=_hosts_of(live, chain) - options.only)
    if not options.carry and not options.hosts:
        raise MeshlbError("hosts is empty, so nobody would be led to the gateway.", "Write from_load_balancer, or a list.")
    if options.carry and load_balancer is None:
        raise MeshlbError(
            f"hosts come from the load balancer's routes, and no {profile.about.title} was found here.",
            "Write the hosts with their paths and backends.",
        )
    base = ownership.apply_changes(live, writes.chain_removal(live, [chain])[0])
    routes = read_routes(base, registry, [load_balancer])[0] if load_balancer else []
    plan = plan_chain(live, base, profile, load_balancer, routes, options)
    if options.carry and params["state"] == "present" and not plan.routes:
        names = f" for {', '.join(sorted(options.only))}" if options.only else ""
        raise MeshlbError(
            f"Not one route of {profile.about.title} was found{names}.",
            "Correct the names in hosts, or write the hosts with their paths and backends.",
        )
    _refuse(plan.refusals)
    _needs_certificate(plan, options)
    changes, about = writes.chain_changes(base if params.get("output_dir") else live, plan, chain)
    _refuse(item for item in about if item.severity == "error")
    return plan, changes, [*plan.findings, *about]


def gateway_namespaces(live: Snapshot) -> set[str]:
    """Namespaces of gateways for which earlier runs made something: a ConfigMap may lie beside it."""
    return {namespace_of(item) for kind in _BESIDE for item in live.all(kind) if is_created(item, writes.PART)}


def chains_meant(live: Snapshot, registry: Registry, params: Mapping[str, Any]) -> Collection[str] | None:
    """The chains that are to be taken back, ``None`` for all."""
    if params.get("hosts"):
        return {asked(live, registry, params)[3]}
    wanted = params.get("load_balancer") or {}
    label = "/".join(filter(None, (wanted.get("namespace"), wanted.get("name"))))
    if not label and params.get("platform"):
        profile, load_balancer = chosen(params, registry, detect(live, registry)[0])
        label = load_balancer.label if load_balancer else profile.about.id
    place = gateway_options(params)
    gateway = f"{place.namespace}/{place.name}" if params.get("gateway") else ""
    return writes.chains_of(live, label, gateway) if label or gateway else None


class _Run:
    """What both ways have in common: the reading, the waiting and the result."""

    def __init__(self, params: Mapping[str, Any], check_mode: bool, diff: bool, clock: Clock) -> None:
        self.params, self.check_mode, self.diff, self.clock = params, check_mode, diff, clock
        self.session = self._read()

    def _read(self) -> Session:
        wanted = [*reading_kinds(), *REGISTRY.chain_kinds(), *KINDS, ISTIO_GATEWAY]
        if not self._takes_all_back:
            # How old kinds are matters for what is to be written, not for what was.
            wanted.append(DEFINITION)
        session = start(self.params, self.check_mode, dict.fromkeys(wanted), self._config_map_namespaces)
        demand(session.snapshot)
        expected = expected_objects(session.snapshot, self.params.get("expected_objects") or []) if self.check_mode else []
        return replace(session, snapshot=session.snapshot.overlay(expected)) if expected else session

    def _config_map_namespaces(self, snapshot: Snapshot, registry: Registry) -> set[str]:
        named = set() if self._takes_all_back and not self.params.get("gateway") else {gateway_options(self.params).namespace}
        return {*config_map_namespaces(snapshot, registry), *gateway_namespaces(snapshot), *named}

    @property
    def _takes_all_back(self) -> bool:
        return self.params["state"] == "absent" and not self.params.get("hosts")

    def keeps_hosts(self) -> bool:
        """Whether only some hosts of a chain are taken back."""
        return bool(remaining_hosts(self.session.snapshot, self.session.registry, self.params))

    def present(self) -> Result:
        plan, changes, findings = self._plan()
        first: list[Change] = []
        if self._lacks_address(plan) and self.session.api is not None and not self.check_mode and not self.params.get("output_dir"):
            first = self._make_gateway(plan, changes)
            plan, changes, findings = self._planned_again(plan)
        changed, about, files = deliver(self.session, changes, self._before(plan, changes))
        more = {"files": files} if self.params.get("output_dir") else {}
        return self._result([*first, *changes], [*findings, *about], changed or bool(first), plan, **more)

    def _plan(self) -> tuple[ChainPlan, list[Change], list[Finding]]:
        return planned(self.session.snapshot, self.session.registry, self.params)

    def _lacks_address(self, plan: ChainPlan) -> bool:
        return any(item.code == "MLB619" for item in plan.findings)

    def _make_gateway(self, plan: ChainPlan, changes: list[Change]) -> list[Change]:
        """Make the gateway alone, and wait until it has an address."""
        first = [item for item in changes if item.phase == writes.GATEWAY]
        deliver(self.session, first)
        target, api = plan.state.target, self.session.api
        if api is not None:
            ref = ObjectRef("v1", "Service", target.namespace, target.service)
            wait_for(lambda: service_there(api, ref), self._timeout, "The gateway got no address", self.clock)
        return first

    def _planned_again(self, earlier: ChainPlan) -> tuple[ChainPlan, list[Change], list[Finding]]:
        self.session = self._read()
        plan, changes, findings = self._plan()
        return replace(plan, routes=tuple(
            replace(new, before=old.before) for new, old in zip(plan.routes, earlier.routes, strict=True)
        )), changes, findings

    @property
    def _timeout(self) -> float:
        return float(self.params["wait_timeout"])

    def _before(self, plan: ChainPlan | None, changes: list[Change]) -> Callable[[int], None]:
        phases = {item.phase for item in changes}

        def before(phase: int) -> None:
            if phase == writes.LOAD_BALANCER and plan is not None and self.params["wait"]:
                self._wait_for_gateway(plan, settle=bool(phases & {writes.GATEWAY, writes.MESH}))
            if phase == writes.LEFT_OVER and writes.LOAD_BALANCER in phases:
                self.clock.sleep(float(self.params["drain"]))

        return before

    def _wait_for_gateway(self, plan: ChainPlan, *, settle: bool) -> None:
        api, target = self.session.api, plan.state.target
        if api is None or not (plan.switch or plan.front):
            return
        made = [ref_of(body) for body in (*plan.gateway.bodies, *plan.mesh)]
        refs = [ref for ref in made if ref.group == "gateway.networking.k8s.io" and ref.kind in ("Gateway", "HTTPRoute")]
        wait_for(lambda: accepted(api, refs), self._timeout, "The gateway was not configured", self.clock)
        wait_for(lambda: pods_ready(api, target.namespace, target.service), self._timeout, "The gateway was not ready", self.clock)
        if settle:
            self.clock.sleep(SETTLE)

    def absent(self) -> Result:
        live = self.session.snapshot
        changes, findings = writes.chain_removal(live, chains_meant(live, self.session.registry, self.params))
        changed, about, files = deliver(self.session, changes, self._before(None, changes))
        more = {"files": files} if self.params.get("output_dir") else {}
        return self._result(changes, [*findings, *about], changed, None, **more)

    def _result(self, changes: list[Change], findings: list[Finding], changed: bool, plan: ChainPlan | None, **more: Any) -> Result:
        written = self.session.api is not None or bool(self.params.get("output_dir"))
        gateway: dict[str, Any] = {}
        client: dict[str, Any] = {}
        if plan is not None:
            target = plan.state.target
            gateway = {
                "name": target.name, "namespace": gateway_options(self.params).namespace, "api": target.api,
                "service": {"namespace": target.namespace, "name": target.service}, "port": target.port, "tls": target.tls,
            }
            client = {"mode": plan.client.mode, "trusted_hops": plan.client.trusted_hops, "why": plan.client.why}
        return report(
            changes, [*about_reading(self.session.snapshot), *findings], changed and written, self.diff,
            gateway=gateway, client_address=client, routes=[item.to_result() for item in plan.routes] if plan else [], **more,
        )


def _needs_certificate(plan: ChainPlan, options: Options) -> None:
    target = plan.state.target
    if target.tls and plan.state.configured is None and not options.gateway.credential:
        raise MeshlbError(
            f"Gateway {options.gateway.namespace}/{target.name} is to be made with TLS, and no credential with its certificate is named.",
            "Name its Secret in gateway.tls.credential_name.",
        )


def _refuse(findings: Any) -> None:
    found = list(findings)
    if not found:
        return
    first = found[0]
    where = f"{first.object}: " if first.object and str(first.object) not in first.message else ""
    raise MeshlbError(
        f"{first.code}: {where}{first.message.rstrip('.')}.", FINDINGS[first.code].remedy, first.object,
        {"findings": [item.to_result() for item in found]},
    )


def _hosts_of(live: Snapshot, chain: str) -> frozenset[str]:
    """Hosts that an earlier run leads to the gateway."""
    names: set[str] = set()
    for obj in ownership.owned(live, writes.PART):
        if obj["kind"] in _ROUTED and chain in load_balancers_of(obj):
            listed = dig(obj, "spec", _ROUTED[obj["kind"]], default=[]) or [""]
            names.update("" if item == "*" else str(item) for item in listed)
    return frozenset(names)
