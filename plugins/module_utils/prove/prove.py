# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proving: every route of some load balancers, by what their sidecars are configured to do and by what they count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ..core.expressions import Budget
from ..core.findings import finding, request_details
from ..core.model import Access, Address, Finding, ObjectRef, Outcome, Proof, Route, Verdict
from ..detect.inventory import KnownBackend
from ..istio.endpoints import PodView
from .access import about_access_seen, access_seen
from .asking import Asker
from .backends import AddressLookup, Backends
from .carriers import Carriers, carriers_of
from .configuration import Evaluation, combine
from .measuring import Job, Load, measure_all
from .targets import ProofTarget, target_of
from .traffic import Measurement

CONFIGURATION: Final = "configuration"
TRAFFIC: Final = "traffic"
STEPS_PER_NAMESPACE = 3_000_000


@dataclass(frozen=True)
class ProveOptions:
    """``load`` is ``None`` where no traffic is to be measured; ``why_no_load`` then says why, for the evidence."""

    methods: tuple[str, ...] = (CONFIGURATION, TRAFFIC)
    load: Load | None = None
    why_no_load: str = ""


@dataclass(frozen=True)
class Subject:
    """What is proven: routes, and the load balancers' running pods.

    ``routes`` have what is behind them, and what a sidecar sees of the address that is dialled. ``predicted`` is the
    word of the plan's model, which is compared with what is measured.
    """

    routes: Mapping[Route, tuple[KnownBackend, Address]]
    pods: Mapping[tuple[str, str], Sequence[PodView]]
    predicted: Mapping[Route, Outcome]
    trust_domain: str


@dataclass(frozen=True)
class Proven:
    """One route's verdict, the sentence behind it, and the evidence."""

    route: Route
    verdict: Verdict
    why: str
    evidence: tuple[Proof, ...] = ()
    access: Access = Access()

    def to_result(self) -> dict[str, Any]:
        return {
            **self.route.to_result(),
            "verdict": self.verdict,
            "access": self.access.to_result(),
            "evidence": [item.to_result() for item in self.evidence],
        }


@dataclass
class RouteCase:
    """One route on its way to a verdict."""

    route: Route
    target: ProofTarget
    evaluations: dict[tuple[str, str], list[Evaluation]] = field(default_factory=dict)
    by_configuration: Measurement | None = None
    by_traffic: Measurement | None = None

    @property
    def addresses(self) -> frozenset[str]:
        """The route's own addresses, and those that its sidecars would choose instead."""
        judged = (item for group in self.evaluations.values() for one in group for item in one.judgements)
        return self.target.addresses | {item.endpoint.address for item in judged if item.endpoint.ip}


def prove(subject: Subject, addresses: AddressLookup, asker: Asker, options: ProveOptions) -> tuple[list[Proven], list[Finding]]:
    """Return a verdict with evidence for every route, in the order given, and what is remarkable."""
    cases = _cases(subject)
    used = {case.route.load_balancer for case in cases}
    carriers = carriers_of({key: pods for key, pods in subject.pods.items() if key in used}, asker)
    backend_pods = [item.pod for case in cases for item in case.target.backends if item.pod is not None]
    servers = Backends(addresses, asker.backends(backend_pods), subject.trust_domain)
    for case in cases:
        _by_configuration(case, carriers, servers)
    if TRAFFIC in options.methods:
        _by_traffic(cases, carriers, servers, asker, options)
    proven = [
        replace(_conclude(case, options), access=access_seen(case.route, case.evaluations, carriers, case.by_traffic)) for case in cases
    ]
    findings = _odd_sidecars(cases, carriers, servers)
    for number, case in enumerate(cases):
        findings += _findings(case, proven[number], subject.predicted[case.route])
    return proven, findings


def _cases(subject: Subject) -> list[RouteCase]:
    """The routes with what is dialled for them. Those of a namespace share a budget for the expressions that they meet."""
    budgets: dict[str, Budget] = {}
    found = []
    for route, (known, seen) in subject.routes.items():
        target = target_of(route, known, seen)
        budget = budgets.setdefault(route.object.namespace, Budget(STEPS_PER_NAMESPACE))
        found.append(RouteCase(route, replace(target, dialed=tuple(replace(item, budget=budget) for item in target.dialed))))
    return found


def _odd_sidecars(cases: Iterable[RouteCase], carriers: Carriers, servers: Backends) -> list[Finding]:
    """One finding for each pod whose sidecar answers as none does. Its routes are unknown, and no others."""
    odd = {**servers.odd, **carriers.odd}
    for case in cases:
        for pod, found in case.evaluations.items():
            problem = next((item.how for item in found if item.odd), "")
            odd.update({pod: problem} if problem else {})
    return [
        finding("MLB504", f"The sidecar of {namespace}/{name}: {problem}", ObjectRef("v1", "Pod", namespace, name))
        for (namespace, name), problem in sorted(odd.items())
    ]


def _by_configuration(case: RouteCase, carriers: Carriers, servers: Backends) -> None:
    if case.target.why:
        case.by_configuration = Measurement("unknown", case.target.why)
        return
    known = carriers.of(case.route.load_balancer)
    if known.why:
        case.by_configuration = Measurement("unknown", known.why)
        return
    verdicts: list[Verdict] = []
    reasons = list(known.failures)
    for carrier in known.carriers:
        found = [carrier.evaluate(dialed, servers) for dialed in case.target.dialed]
        case.evaluations[carrier.key] = found
        verdicts += [item.verdict for item in found]
        reasons += [item.how for item in found if item.verdict != "mutual_tls"]
    verdicts += ["unknown" for _failure in known.failures]
    evidence = known.evidence(case.evaluations)
    if case.target.left_out:
        evidence.append(Proof(CONFIGURATION, "snapshot", f"{case.target.left_out} more backend addresses were not looked at"))
    case.by_configuration = Measurement(combine(verdicts), next(iter(reasons), ""), tuple(evidence))


def _by_traffic(cases: list[RouteCase], carriers: Carriers, servers: Backends, asker: Asker, options: ProveOptions) -> None:
    if options.load is None:
        return
    chosen = [case for case in cases if case.evaluations]
    jobs = []
    for case in chosen:
        known = carriers.of(case.route.load_balancer)
        jobs.append(Job(case.route, known.sidecars, case.addresses))
    measured = measure_all(jobs, options.load, asker, carriers.proxies, servers)
    for number, case in enumerate(chosen):
        case.by_traffic = measured[number]


def _conclude(case: RouteCase, options: ProveOptions) -> Proven:
    """Join both methods: an answer that is known beats none, and a contradiction is ``mixed``."""
    found = [item for item in (_configured(case, options), case.by_traffic) if item is not None]
    evidence = tuple(proof for item in found for proof in item.proofs)
    if TRAFFIC in options.methods and case.by_traffic is None and options.why_no_load:
        evidence += (Proof(TRAFFIC, "run", f"not measured: {options.why_no_load}"),)
    if case.by_traffic is not None and case.by_traffic.verdict == "unknown":
        evidence += (Proof(TRAFFIC, "counters", f"no proof: {case.by_traffic.why}"),)
    known = [item for item in found if item.verdict != "unknown"]
    reasons = [item.why for item in known or found if item.why]
    why = "; ".join(reasons) or options.why_no_load
    if known and known[0].verdict != "mixed" and len({item.verdict for item in known}) > 1:
        by = f"configuration says {known[0].verdict}, traffic says {known[1].verdict}"
        return Proven(case.route, "mixed", "; ".join([by, *reasons]), evidence)
    return Proven(case.route, known[0].verdict if known else "unknown", why, evidence)


def _configured(case: RouteCase, options: ProveOptions) -> Measurement | None:
    """What the configuration says, where it was asked for or where nothing else can be said."""
    measured = case.by_configuration
    if measured is None or CONFIGURATION in options.methods or (case.by_traffic is None and measured.verdict == "unknown"):
        return measured
    return None


def _findings(case: RouteCase, done: Proven, predicted: Outcome) -> list[Finding]:
    route = case.route
    where = f"{route.host or '*'}{route.path if route.path.startswith('/') else ' ' + route.path} of {route.load_balancer_name}"
    found = []
    details = request_details(route, load_balancer=route.load_balancer_name, verdict=done.verdict)
    if done.verdict == "unknown":
        found.append(finding("MLB502", f"{where}: {done.why}", route.object, details=details))
    elif done.verdict != "mutual_tls" and not route.ignored:
        found.append(finding("MLB501", f"{where} is {done.verdict}: {done.why}", route.object, details=details))
    elif case.by_traffic is not None and case.by_traffic.verdict == "unknown":
        message = f"{where}: the configuration says {done.verdict}, but no traffic proves it: {case.by_traffic.why}"
        found.append(finding("MLB502", message, route.object, details=details))
    if "unknown" not in (done.verdict, predicted.verdict) and done.verdict != predicted.verdict:
        message = f"{where} was predicted as {predicted.verdict} ({predicted.why}) and is {done.verdict}"
        found.append(finding("MLB503", message, route.object, details={**details, "predicted": predicted.verdict}))
    found += about_access_seen(route, where, done.access, predicted.access)
    strange = _stranger(case)
    if strange is not None:
        backend, (address, cluster) = route.backend, strange
        message = f"{where} names Service {backend.namespace}/{backend.service}, but leads to {address} through cluster {cluster}"
        found.append(finding("MLB204", message, route.object, details={**details, "address": address, "cluster": cluster}))
    return found


def _stranger(case: RouteCase) -> tuple[str, str] | None:
    """An address, and its cluster, that carry the route's requests and are none of its backend's."""
    for group in case.evaluations.values():
        for evaluation in group:
            for item in evaluation.judgements:
                chosen = item.endpoint.ip and item.endpoint.address not in case.target.addresses
                if chosen and item.verdict != "unknown":
                    return item.endpoint.address, item.cluster
    return None
