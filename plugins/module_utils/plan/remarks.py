# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings that the plan has about load balancers and routes, whatever strategy is chosen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..balancers.contract.profile import Registry
from ..core.findings import finding, route_details
from ..core.marks import IGNORE, opted_out
from ..core.model import Finding, LoadBalancer, ObjectRef, Outcome, Route, RoutePlan
from ..core.printable import listed
from ..istio.protocols import is_http
from ..kube.objects import dig, ref_of
from .strategies.base import Context
from .trial import may_have_sidecar


def plannable(context: Context, route: Route) -> bool:
    """Whether a strategy could help at all: all about it was read, there is a Service port with pods, and a sidecar is possible."""
    backend = context.facts(route).backend
    if route.unread or backend.is_gateway or backend.is_external or backend.port is None or context.facts(route).ambient:
        return False
    return may_have_sidecar(context.load_balancer(route)) and bool(backend.endpoints)


def is_frozen(standing: Outcome) -> bool:
    """Whether nothing is planned for a route, as something acts on its requests that is not followed whatever is done."""
    return standing.unsure is not None and standing.unsure.freezes


def about_unsure(plans: Iterable[RoutePlan]) -> Iterator[Finding]:
    """What acts on the requests of routes and is not followed."""
    for item in plans:
        unsure = item.after.unsure
        if unsure is not None and not item.route.ignored:
            where = f"{item.route.host or '*'}{item.route.path} -> {item.route.backend.namespace}/{item.route.backend.service}"
            yield finding(unsure.code, f"{where}: {unsure.why}", item.route.object, cause=unsure.cause, details=route_details(item.route))


def about_route(context: Context, route: Route, standing: Outcome) -> Iterator[Finding]:
    """What a user should know about a route before looking at strategies."""
    backend = route.backend
    where = f"{route.host or '*'}{route.path} -> {backend.namespace}/{backend.service}:{backend.port or backend.port_name}"
    known, details = context.facts(route).backend, route_details(route)
    service = known.service
    if route.ignored:
        asked = (dig(context.object_of(route), "metadata", "annotations") or {}).get(IGNORE)
        if opted_out(asked) is None:
            message = f"{IGNORE} is {asked!r:.100}, which means neither yes nor no; its routes are left alone"
            yield finding("MLB120", message, route.object, details={"found": asked})
        yield finding("MLB213", f"{where} is left alone", route.object, details=details)
        return
    if route.unread or known.is_gateway:
        return
    if service is None and route.upstream.address == "external":
        yield finding("MLB208", f"{where}: it leads out of the cluster", route.object, details=details)
        return
    if service is None or (not known.is_external and known.port is None):
        details["port_name"] = backend.port_name
        yield finding("MLB206", f"{where}: {standing.why}", route.object, cause=ref_of(service) if service else None, details=details)
        return
    if known.is_external:
        yield finding("MLB208", f"{where}: {standing.why}", route.object, cause=ref_of(service), details=details)
        return
    yield from about_misrouting(route, standing)
    if needs_host(route, standing) and not context.inventory.service_routing_undone:
        yield finding(
            "MLB219", f"{where}: it goes to the Service's address already, but port {backend.port} is declared as {backend.protocol}: "
            f"{standing.why}", route.object, cause=ref_of(service), details=details,
        )
    yield from _about_backend(context, route, where)


def about_misrouting(route: Route, outcome: Outcome) -> Iterator[Finding]:
    """That a route's requests, or some of them, reach another Service."""
    if outcome.misrouted_to or outcome.also_to:
        code, name = ("MLB204", outcome.misrouted_to) if outcome.misrouted_to else ("MLB228", outcome.also_to[0])
        where = f"{route.host or '*'}{route.path} -> {route.backend.namespace}/{route.backend.service}:{route.backend.port}"
        reached = ObjectRef("v1", "Service", *name.split("/", 1))
        yield finding(code, f"{where}: {outcome.why}", route.object, cause=reached, details=route_details(route))


def needs_host(route: Route, standing: Outcome) -> bool:
    """Whether a route has Service routing and fails for its Host alone: what "no additional steps" overlooks."""
    address_is_right = route.upstream.address == "cluster_ip" and route.upstream.scheme == "http"
    fails = standing.verdict in ("plaintext", "refused") and not standing.misrouted_to
    return address_is_right and is_http(route.backend.protocol) and fails


def _about_backend(context: Context, route: Route, where: str) -> Iterator[Finding]:
    found, details = context.endpoints(route), route_details(route)
    if not found:
        yield finding("MLB211", f"{where}: no pod is known", route.object, details=details)
        return
    if context.facts(route).ambient:
        yield finding("MLB108", f"{where}: the load balancer or the backend is in ambient mode", route.object, details=details)
        return
    without = sorted({item.pod.name if item.pod else item.ip for item in found if item.pod is None or not item.pod.sidecar})
    if without:
        message = f"{where}: no sidecar in {len(without)} of {len(found)} pods ({listed(without, 3)})"
        yield finding("MLB207", message, route.object, details={**details, "without_sidecar": len(without), "pods": len(found)})
    facts, namespace = context.facts(route), route.load_balancer[0]
    if not facts.visible:
        message = f"{where}: namespace {namespace} is not told about this Service"
        yield finding("MLB212", message, route.object, details={**details, "namespace": namespace})
    if dig(facts.backend.service, "spec", "internalTrafficPolicy") == "Local":
        message = f"{where}: internalTrafficPolicy is Local, so where its address is dialled, only pods of the same node get requests"
        yield finding("MLB229", message, route.object, cause=ref_of(facts.backend.service or {}), details=details)
    mode = facts.rule_mode
    if mode and mode != "ISTIO_MUTUAL":
        yield finding("MLB214", f"{where}: its TLS mode is {mode}", route.object, cause=facts.rule, details={**details, "mode": mode})


def about_load_balancer(registry: Registry, load_balancer: LoadBalancer, routes: Iterable[Route] = ()) -> Iterator[Finding]:
    """What stands between a load balancer and mutual TLS on all of its routes.

    Where it speaks the mesh's mutual TLS itself, nothing may be captured, so that is no gap.
    """
    mode = load_balancer.mode("standalone_mtls")
    profile = registry.get(load_balancer.vendor)
    if profile.about.outside and profile.chain is not None:
        # What holds for platforms outside of the cluster is said with their routes.
        return
    if not load_balancer.sidecar.present:
        if mode.supported:
            yield finding("MLB302", f"{load_balancer.label} has no sidecar yet", load_balancer.workload)
        else:
            message = f"{load_balancer.label}: {'; '.join(mode.blockers)}"
            yield finding("MLB301", message, load_balancer.workload, details={"blockers": mode.blockers})
        return
    if profile.about.forbids_injection:
        message = f"{load_balancer.label} is, or will be, injected with a sidecar: {profile.about.forbids_injection}"
        yield finding("MLB146", message, load_balancer.workload)
        return
    captured = load_balancer.sidecar.inbound_capture
    if captured != "none":
        message = f"{load_balancer.label} captures {captured} of its inbound ports"
        yield finding("MLB303", message, load_balancer.workload, details={"inbound_capture": captured})
    schemes = {route.upstream.scheme for route in routes if route.load_balancer == load_balancer.key}
    # A sidecar that takes nothing is there for its certificate, which the load balancer's own TLS may use.
    if "mutual_tls" in schemes or ("tls" in schemes and load_balancer.interception.takes_nothing):
        return
    for gap in load_balancer.interception.outbound_gaps(load_balancer.needed_annotations):
        yield finding("MLB304", f"{load_balancer.label} {gap}", load_balancer.workload, details={"setting": gap})
