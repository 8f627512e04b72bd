# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of chained_gateway, from its options to its result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..apply import chain as writes
from ..apply.files import applied
from ..balancers.contract.profile import Registry
from ..balancers.kit.gateway.names import KINDS
from ..balancers.registry import REGISTRY
from ..core.marks import CHAINED_GATEWAY
from ..core.model import Change, ObjectRef, replace
from ..detect.description import about_reading
from ..detect.load_balancers import setting_namespaces
from ..kube.objects import identity, ref_of
from ..kube.snapshot import Snapshot
from ..plan.chain.plan import ChainPlan
from ..plan.chain.surroundings import DEFINITION
from ..plan.chain.target import ISTIO_GATEWAY
from ..plan.writes import chained_gateway
from .chained_plan import ChainedDecision, gateway_namespaces, not_there, planned_chain, remaining_hosts, taken_back_chains
from .digest import agreed, route_input
from .filed import about_files, left_to_others, view_with
from .options.chained import ChainedOptions
from .results import Report, Result
from .session import Session, deliver, demand, read_again, reading_kinds, start
from .settled import settled
from .waiting import SETTLE, Clock, accepted, pods_ready, service_there, wait_for_gateway


@dataclass(frozen=True, kw_only=True)
class ChainedResult(Report):
    """What chained_gateway returns. ``namespace`` is the one where the gateway was asked for; its Service may be elsewhere."""

    namespace: str
    plan: ChainPlan | None = None

    def own(self) -> Result:
        if self.plan is None:
            return {"gateway": {}, "client_address": {}, "routes": []}
        target, client = self.plan.state.target, self.plan.client
        return {
            "gateway": {
                "name": target.name, "namespace": self.namespace, "api": target.api,
                "service": {"namespace": target.namespace, "name": target.service}, "port": target.port, "tls": target.tls,
            },
            "client_address": {"mode": client.mode, "trusted_hops": client.trusted_hops, "why": client.why},
            "routes": [item.to_result() for item in self.plan.routes],
        }


def run_chained(options: ChainedOptions, clock: Clock | None = None) -> ChainedResult:
    """Chain a load balancer to a gateway, or take chains back; raises :class:`core.errors.MeshlbError` before anything is written."""
    with settled(CHAINED_GATEWAY, lambda earlier: _read(options, earlier), lambda session: _decided(session, options), clock=clock) as now:
        run, decision = _Run(options, now.session, clock or Clock()), now.decision
        first: list[Change] = []
        if decision.plan is not None and run.is_to_make_first(decision.plan):
            first = run.make_gateway(decision.plan, decision.changes)
            decision = run.planned_again(decision.plan, first)
        written = deliver(run.session, decision.changes, run.before(decision), keep=lambda obj: identity(obj) in decision.stay)
    return ChainedResult(
        changed=written.changed or bool(first), changes=[*first, *decision.changes], files=written.files,
        findings=[*about_reading(run.session.snapshot), *decision.findings, *now.findings, *written.findings],
        namespace=options.gateway.namespace, plan=decision.plan, plan_digest=now.decision.digest,
        cluster=run.session.cluster,
    )


def _decided(session: Session, options: ChainedOptions) -> ChainedDecision:
    folder, registry = options.common.output_dir, session.registry
    on_file = applied(folder, session.snapshot.at) if folder else []
    live = view_with(session.snapshot, on_file)
    whole = options.absent and not remaining_hosts(live, registry, options)
    decision = taken_back_chains(live, registry, options) if whole else planned_chain(live, registry, options)
    routes = decision.plan.routes if decision.plan else ()
    stay = left_to_others(on_file, chained_gateway(registry), lambda obj: not decision.is_about(obj))
    digest = agreed(options.common, decision.changes, (route_input(item.to_result()) for item in routes))
    return replace(
        decision, stay=decision.stay | stay, digest=digest,
        findings=[*decision.findings, *about_files(on_file, decision.changes, stay)],
    )


def _read(options: ChainedOptions, earlier: Session | None) -> Session:
    wanted = [*reading_kinds(), *REGISTRY.chain_kinds(), *KINDS, ISTIO_GATEWAY]
    if not options.takes_all_back:
        # How old kinds are matters for what is to be written, not for what was.
        wanted.append(DEFINITION)
    named = {options.gateway.namespace} if options.names_gateway or not options.takes_all_back else set()

    def namespaces(snapshot: Snapshot, registry: Registry) -> set[str]:
        return {*setting_namespaces(snapshot, registry), *gateway_namespaces(snapshot, registry), *named}

    session = start(options.common, dict.fromkeys(wanted), namespaces, earlier)
    demand(session.snapshot)
    expected = not_there(session.snapshot, options.expected)
    return replace(session, snapshot=session.snapshot.overlay(expected)) if expected else session


@dataclass
class _Run:
    """A run while it writes and waits."""

    options: ChainedOptions
    session: Session
    clock: Clock

    def is_to_make_first(self, plan: ChainPlan) -> bool:
        """Whether the plan needs an address that only the gateway itself brings, and may be written."""
        return self.session.writes_to_cluster and any(item.code == "MLB619" for item in plan.findings)

    def make_gateway(self, plan: ChainPlan, changes: Sequence[Change]) -> list[Change]:
        """Make the gateway alone, and wait until it has an address."""
        first = [item for item in changes if item.phase == writes.GATEWAY]
        deliver(self.session, first)
        api, service = self.session.api, _service(plan)
        if api is not None:
            self._wait(lambda: service_there(api, service), "The gateway got no address")
        return first

    def planned_again(self, earlier: ChainPlan, made: Sequence[Change]) -> ChainedDecision:
        """The plan now that the gateway is there; of the cluster, only the gateway is read again."""
        service = _service(earlier)
        # Istio gives the Deployment that it makes for a Gateway the name of the Service.
        deployment = ObjectRef("apps/v1", "Deployment", service.namespace, service.name)
        self.session = read_again(self.session, dict.fromkeys([*(item.object for item in made), service, deployment]))
        decision = planned_chain(self.session.snapshot, self.session.registry, self.options)
        if decision.plan is None:
            return decision
        routes = zip(decision.plan.routes, earlier.routes, strict=True)
        return replace(decision, plan=replace(
            decision.plan, routes=tuple(replace(new, before=old.before) for new, old in routes),
        ))

    def before(self, decision: ChainedDecision) -> Callable[[int], None]:
        """What is waited for before each phase of the writing."""
        phases = {item.phase for item in decision.changes}

        def wait(phase: int) -> None:
            if phase == writes.LOAD_BALANCER and decision.plan is not None and self.options.wait:
                self._wait_for_gateway(decision.plan, settle=bool(phases & {writes.GATEWAY, writes.MESH}))
            if phase == writes.LEFT_OVER and writes.LOAD_BALANCER in phases:
                self.clock.sleep(self.options.drain)

        return wait

    def _wait_for_gateway(self, plan: ChainPlan, *, settle: bool) -> None:
        api, target = self.session.api, plan.state.target
        if api is None or not (plan.switch or plan.front):
            return
        made = [ref_of(body) for body in (*plan.gateway.bodies, *plan.mesh)]
        refs = [ref for ref in made if ref.group == "gateway.networking.k8s.io" and ref.kind in ("Gateway", "HTTPRoute")]
        self._wait(lambda: accepted(api, refs), "The gateway was not configured")
        self._wait(lambda: pods_ready(api, target.namespace, target.service), "The gateway was not ready")
        if settle:
            self.clock.sleep(SETTLE)

    def _wait(self, ask: Callable[[], str], what: str) -> None:
        wait_for_gateway(ask, self.options.wait_timeout, what, self.clock)


def _service(plan: ChainPlan) -> ObjectRef:
    return ObjectRef("v1", "Service", plan.state.target.namespace, plan.state.target.service)
