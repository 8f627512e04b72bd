# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings that the plan has about load balancers and routes, whatever strategy is chosen."""

from __future__ import annotations

from collections.abc import Iterator

from ..balancers.contract.profile import Profile, Registry
from ..core.findings import finding, route_details
from ..core.model import Finding, LoadBalancer, ObjectRef, Outcome, Route
from ..istio.gateways import leads_to_gateway
from ..istio.network import undoes_service_routing
from ..istio.outcome import Outlook
from ..istio.protocols import is_http
from ..istio.transport import rule_tls
from ..kube.objects import kind_key, ref_of
from ..kube.services import find_port, fqdn, is_external_name
from ..kube.snapshot import Snapshot
from .strategies.base import Context
from .trial import may_have_sidecar


def plannable(context: Context, route: Route) -> bool:
    """Whether a strategy could help at all: there is a Service port with pods, and a sidecar is possible."""
    service = context.service(route)
    if leads_to_gateway(context.snapshot, route.backend.namespace, route.backend.service):
        return False
    if service is None or is_external_name(service) or find_port(service, route.backend.port) is None:
        return False
    return may_have_sidecar(context.load_balancers[route.load_balancer]) and bool(context.endpoints(route))


def about_route(context: Context, route: Route, standing: Outcome) -> Iterator[Finding]:
    """What a user should know about a route before looking at strategies."""
    backend = route.backend
    where = f"{route.host or '*'}{route.path} -> {backend.namespace}/{backend.service}:{backend.port or backend.port_name}"
    service, details = context.service(route), route_details(route)
    if route.ignored:
        yield finding("MLB213", f"{where} is left alone", route.object, details=details)
        return
    if leads_to_gateway(context.snapshot, backend.namespace, backend.service):
        return
    if service is None and route.upstream.address == "external":
        yield finding("MLB208", f"{where}: it leads out of the cluster", route.object, details=details)
        return
    if service is None or (not is_external_name(service) and find_port(service, route.backend.port) is None):
        details["port_name"] = backend.port_name
        yield finding("MLB206", f"{where}: {standing.why}", route.object, cause=ref_of(service) if service else None, details=details)
        return
    if is_external_name(service):
        yield finding("MLB208", f"{where}: {standing.why}", route.object, cause=ref_of(service), details=details)
        return
    if standing.misrouted_to:
        reached = ObjectRef("v1", "Service", *standing.misrouted_to.split("/", 1))
        yield finding("MLB204", f"{where}: {standing.why}", route.object, cause=reached, details=details)
    if needs_host(route, standing) and not undoes_service_routing(context.snapshot):
        yield finding(
            "MLB219", f"{where}: it goes to the Service's address already, but port {backend.port} is declared as {backend.protocol}: "
            f"{standing.why}", route.object, cause=ref_of(service), details=details,
        )
    yield from _about_backend(context, route, where)


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
    without = sorted({item.pod.name if item.pod else item.ip for item in found if item.pod is None or not item.pod.sidecar})
    if without:
        shown = ", ".join(without[:3]) + (f" and {len(without) - 3} more" if len(without) > 3 else "")
        message = f"{where}: no sidecar in {len(without)} of {len(found)} pods ({shown})"
        yield finding("MLB207", message, route.object, details={**details, "without_sidecar": len(without), "pods": len(found)})
    service, outlook = context.service(route) or {}, Outlook(context.snapshot, context.load_balancers[route.load_balancer])
    if not outlook.visibility.sees(service, [fqdn(service)]):
        namespace = outlook.load_balancer.namespace
        message = f"{where}: namespace {namespace} is not told about this Service"
        yield finding("MLB212", message, route.object, details={**details, "namespace": namespace})
    rule = outlook.transport.destination_rule(fqdn(service), route.backend.namespace)
    mode = rule_tls(rule, route.backend.port).get("mode")
    if rule and mode and mode != "ISTIO_MUTUAL":
        yield finding("MLB214", f"{where}: its TLS mode is {mode}", route.object, cause=ref_of(rule), details={**details, "mode": mode})


def about_load_balancer(snapshot: Snapshot, registry: Registry, load_balancer: LoadBalancer) -> Iterator[Finding]:
    """What stands between a load balancer and mutual TLS on all of its routes."""
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
    captured = load_balancer.sidecar.inbound_capture
    if captured != "none":
        message = f"{load_balancer.label} captures {captured} of its inbound ports"
        yield finding("MLB303", message, load_balancer.workload, details={"inbound_capture": captured})
    for gap in load_balancer.interception.outbound_gaps(_own_annotations(snapshot, profile, load_balancer)):
        yield finding("MLB304", f"{load_balancer.label} {gap}", load_balancer.workload, details={"setting": gap})


def _own_annotations(snapshot: Snapshot, profile: Profile, load_balancer: LoadBalancer) -> tuple[tuple[str, str], ...]:
    """What this kind of load balancer's sidecar is told besides the usual (to leave its own control plane's ports alone)."""
    ref = load_balancer.workload
    workload = snapshot.get(kind_key(ref.api_version, ref.kind), ref.namespace, ref.name) if ref else None
    return profile.instance.sidecar_target(snapshot, workload).annotations if workload else ()
