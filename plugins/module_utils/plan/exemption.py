# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load balancers outside of the mesh in standalone mode: what holds for their routes, and the least that would let them in.

They have no identity in the mesh, so a workload that demands mutual TLS refuses them. The least exemption is one port of one workload:
a PeerAuthentication with ``portLevelMtls``, which leaves the mode of all its other ports to whoever set it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..balancers.contract.chain import STATUS_PORT, ChainRequest, CheckTarget, GatewayTarget, HealthCheck, LoadBalancerSide
from ..balancers.contract.facts import ChainFacts
from ..balancers.contract.profile import Profile, Registry
from ..balancers.contract.switches import FieldPatch
from ..core.findings import finding, value_conflict
from ..core.marks import ROUTE_KINDS
from ..core.model import ABSENT, Finding, LoadBalancer, Outcome, Route, RoutePlan, replace
from ..core.writes import Field, Write
from ..detect.inventory import KnownBackend, known_backend
from ..detect.outside import able_to_more
from ..istio.authentication import PERMISSIVE, oldest_first
from ..istio.outcome import predict
from ..kube import kinds
from ..kube.objects import Obj, dig, identity, labels_of, ref_of, value_at
from ..kube.pods import by_namespace
from ..kube.selectors import selects
from ..kube.snapshot import Snapshot
from .routing import RoutingPlan
from .strategies.base import Creation, Proposal, annotated, kinds_noted, metadata_for
from .strategies.naming import object_name

PREFIX, CHECK_PREFIX = "meshlb-exemption-", "meshlb-"


def _is_mode(value: Any, was: Any) -> bool:
    return isinstance(was, dict) and set(was) <= {"mode"} and was.get("mode") in (None, "UNSET", "DISABLE", "PERMISSIVE", "STRICT")


WRITES = (Write(
    kinds.PEER_AUTHENTICATION, (Field("/spec/portLevelMtls/*", _is_mode),),
    lambda obj: str(dig(obj, "metadata", "name")).startswith(PREFIX), "exemption", "strict_exemption: plaintext on one port",
),)  # fmt: skip
"""What the exemption itself writes; see :func:`health_writes` for the checks beside it."""


def health_writes(profile: Profile) -> tuple[Write, ...]:
    """What a load balancer's check of an application writes: objects of its own, and annotations of the Service."""
    if profile.health is None:
        return ()

    def named(obj: Mapping[str, Any]) -> bool:
        return str(dig(obj, "metadata", "name")).startswith(CHECK_PREFIX)

    why = "strict_exemption: the check of an application's pods"
    service = (Write(kinds.SERVICE, profile.health.annotations, place="exemption", why=why),) if profile.health.annotations else ()
    return (*(Write(kind, named=named, place="exemption", why=why) for kind in profile.health.kinds), *service)


FRONTS = {"HTTPRoute": "gateway_api", "Ingress": "ingress", "Service": "service"}
Backends = Mapping[Route, KnownBackend]
NAME = "port_exemption"
"""What a plan calls this way; it is no strategy, as it gives no mutual TLS."""


@dataclass(frozen=True)
class Opening:
    """One port of one workload that plaintext would have to be let in to, and the routes that need it."""

    namespace: str
    service: Obj
    port: int
    plans: tuple[RoutePlan, ...]

    @property
    def label(self) -> str:
        return f"port {self.port} of the pods behind {self.namespace}/{dig(self.service, 'metadata', 'name')}"


def is_outside(registry: Registry, load_balancer: LoadBalancer) -> bool:
    """Whether it is outside of the mesh for good: outside of the cluster, or a platform's own pods, which can have no sidecar."""
    profile = registry.get(load_balancer.vendor)
    if profile.chain is None:
        return False
    mutual = dict(load_balancer.modes).get("standalone_mtls")
    never = not profile.chain.facts.standalone_mtls.possible and mutual is not None and not mutual.supported
    return bool(profile.about.outside) or never


def about_outside(
    backend: Callable[[Route], KnownBackend], registry: Registry, plan: RoutingPlan, load_balancers: Iterable[LoadBalancer]
) -> Iterator[Finding]:
    """For each platform: how many of its routes work, which are refused, and what an exemption would open."""
    for item in load_balancers:
        own = [entry for entry in plan.routes if entry.route.load_balancer == item.key and not backend(entry.route).is_gateway]
        if not own or not is_outside(registry, item):
            continue
        refused = [entry for entry in own if entry.before.verdict in ("refused", "mixed")]
        working = sum(1 for entry in own if entry.before.verdict == "plaintext")
        text = f"{item.label}: {working} of {len(own)} routes work without mutual TLS"
        details = {"load_balancer": item.label, "routes": len(own), "working": working, "refused": len(refused)}
        if refused:
            opened = sorted({opening.label for opening in openings({entry.route: backend(entry.route) for entry in refused}, refused)})
            text += f", {len(refused)} are refused; strict_exemption would open {', '.join(opened) or 'nothing that is known'}"
        mutual = _facts(registry, item).standalone_mtls
        more = "" if mutual.possible else f" ({able_to_more(registry)} can)"
        yield finding("MLB614", f"{text}. Standalone with mutual TLS: {mutual.text}{more}.", details=details)


def _facts(registry: Registry, load_balancer: LoadBalancer) -> ChainFacts:
    side = registry.get(load_balancer.vendor).chain
    return side.facts if side else ChainFacts()


def openings(backends: Backends, plans: Sequence[RoutePlan]) -> list[Opening]:
    """The ports that refuse these routes, each once."""
    found: dict[tuple[str, str, int], list[RoutePlan]] = {}
    services: dict[tuple[str, str], Obj] = {}
    for plan in plans:
        backend = plan.route.backend
        known = backends[plan.route]
        service = known.service
        if service is None or known.port is None or not dig(service, "spec", "selector"):
            continue
        services[(backend.namespace, backend.service)] = service
        for number in sorted({item.port for item in known.endpoints}):
            found.setdefault((backend.namespace, backend.service, number), []).append(plan)
    return [
        Opening(namespace, services[(namespace, name)], number, tuple(own))
        for (namespace, name, number), own in sorted(found.items(), key=lambda item: item[0])
    ]


def with_exemptions(
    snapshot: Snapshot, registry: Registry, plan: RoutingPlan, load_balancers: Sequence[LoadBalancer],
    may_write: Callable[[str], bool] = lambda namespace: True,
) -> RoutingPlan:
    """The plan with the least exemption, and the health check, for every route of a platform that is refused, where the run may write."""
    by_key = {item.key: item for item in load_balancers if is_outside(registry, item)}
    refused = [
        entry for entry in plan.routes if entry.route.load_balancer in by_key and entry.after.verdict in ("refused", "mixed")
        and may_write(entry.route.backend.namespace)
    ]
    proposals, findings = list(plan.proposals), list(plan.findings)
    put: list[Obj] = []
    backends = {entry.route: known_backend(snapshot, entry.route) for entry in refused}
    for opening in openings(backends, refused):
        outside = all(by_key[entry.route.load_balancer].placement in ("cloud", "external") for entry in opening.plans)
        where = "outside of the cluster" if outside else "outside the mesh"
        policies = oldest_first(snapshot.lookup(kinds.PEER_AUTHENTICATION, by_namespace, opening.namespace))
        policy = _policy(policies, backends, opening, f"lets a load balancer {where} in to one port, without mutual TLS")
        names = tuple(sorted({entry.route.load_balancer_name for entry in opening.plans}))
        proposal = Proposal((policy,)) if isinstance(policy, FieldPatch) else Proposal((), (policy,))
        put.append(_applied(policy))
        proposals.append((proposal, names))
        message = f"{opening.label} would take plaintext of everybody, for {', '.join(names)}"
        opened = ref_of(policy.object if isinstance(policy, FieldPatch) else policy.body)
        details = {"service": ref_of(opening.service), "port": opening.port, "load_balancers": names}
        findings.append(finding("MLB615", message, cause=opened, details=details))
        for key in sorted({entry.route.load_balancer for entry in opening.plans}):
            check, about = _health(registry.get(by_key[key].vendor), opening)
            proposals.append((check, (by_key[key].label,)))
            findings += about
    after = snapshot.overlay(put)
    routes = tuple(
        _let_in(
            entry, predict(after, by_key[entry.route.load_balancer], entry.route)
        ) if entry in refused else entry for entry in plan.routes
    )
    return replace(plan, routes=routes, proposals=tuple(proposals), findings=tuple(findings))


def _policy(policies: Iterable[Obj], backends: Backends, opening: Opening, reason: str) -> FieldPatch | Creation:
    """The field of the policy that decides about these pods already, or a policy of their own."""
    selector = dig(opening.service, "spec", "selector", default={})
    for item in policies:
        own = dig(item, "spec", "selector", "matchLabels", default={})
        if own and selects(own, {**selector, **_labels(backends, opening)}):
            return FieldPatch(item, ("spec", "portLevelMtls", str(opening.port)), {"mode": PERMISSIVE}, reason)
    name = object_name(f"{PREFIX}{dig(opening.service, 'metadata', 'name')}-{opening.port}")
    body = {
        "apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
        "metadata": metadata_for(name, opening.namespace, [entry.route for entry in opening.plans]),
        "spec": {"selector": {"matchLabels": dict(selector)}, "portLevelMtls": {str(opening.port): {"mode": PERMISSIVE}}},
    }
    return Creation(body, reason, tuple(entry.route for entry in opening.plans))


def _labels(backends: Backends, opening: Opening) -> dict[str, str]:
    pods = [item.pod.pod for item in backends[opening.plans[0].route].endpoints if item.pod]
    return labels_of(pods[0]) if pods else {}


def _applied(policy: FieldPatch | Creation) -> Obj:
    if isinstance(policy, Creation):
        return policy.body
    spec = dict(policy.object["spec"])
    spec["portLevelMtls"] = {**(spec.get("portLevelMtls") or {}), str(policy.path[-1]): policy.value}
    return {**policy.object, "spec": spec}


def _health(profile: Profile, opening: Opening) -> tuple[Proposal, list[Finding]]:
    """What makes the platform check the sidecar's status port, which answers in clear whatever the mesh demands."""
    name = str(dig(opening.service, "metadata", "name"))
    target = CheckTarget(opening.namespace, name, HealthCheck("http", STATUS_PORT))
    gateway = GatewayTarget(name="", namespace=opening.namespace, service="", port=0)
    # Who checks a Service's port by itself is told which one, and who is made of several kinds, of which.
    route = opening.plans[0].route
    asked = {"service_port": route.backend.port, "front": FRONTS.get(route.object.kind, "")}
    request = ChainRequest(name=object_name(f"{CHECK_PREFIX}{name}", 50), gateway=gateway, options=asked)
    answer = profile.health.check(target, request) if profile.health else LoadBalancerSide(check=target.check)
    if answer.refusal:
        return Proposal(), [finding("MLB613", f"health check of {opening.namespace}/{name}: {answer.refusal}", ref_of(opening.service))]
    where = " at the sidecar's status port" if answer.check.port == STATUS_PORT else ""
    reason = f"has {profile.about.title} check the health of these pods{where}"
    patches, findings = [], [finding("MLB613", step) for step in answer.steps]
    for key, value in answer.service.annotations:
        present = value_at(opening.service, ("metadata", "annotations", key))
        if present is ABSENT:
            patches.append(FieldPatch(opening.service, ("metadata", "annotations", key), value, reason))
        elif present != value:
            findings.append(value_conflict(ref_of(opening.service), key, present, value, "the health check"))
    noted = {ROUTE_KINDS: kinds_noted(entry.route for entry in opening.plans)}
    creations = {identity(body): Creation(annotated(body, noted), reason) for body in answer.bodies}
    return Proposal(tuple(patches), tuple(creations.values())), findings


def _let_in(entry: RoutePlan, outcome: Outcome) -> RoutePlan:
    why = f"the exemption lets it in without mutual TLS: {outcome.why}"
    return replace(entry, after=replace(outcome, why=why), strategy=NAME)
