# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the facts show to fail, found before anything is written: each with its own code, which says the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...balancers.contract.chain import ChainRequest, ChainSide, ClientAddress, LoadBalancerSide
from ...balancers.contract.facts import ProofLevel
from ...balancers.kit.patches import is_older
from ...core.findings import finding, value_details
from ...core.model import Finding, LoadBalancer
from ...istio.visibility import host_matches
from ...kube.objects import Obj, dig, kind_key, labels_of, name_of, namespace_of, pod_template, ref_of
from ...kube.selectors import selects
from .crds import old_kinds
from .options import ChainPlanOptions
from .surroundings import OwnSidecar, Surroundings
from .target import GatewayState

STATUS_PORT_PROXY = "ENVOY_STATUS_PORT_ENABLE_PROXY_PROTOCOL"


@dataclass(frozen=True)
class PreflightCase:
    """All that the rules look at. ``hosts`` are as the gateway sees them, empty for any; ``bodies`` what is to be created.

    ``sidecar`` is the load balancer's own where it takes what is sent to the gateway; ``own`` are the load balancer's own findings.
    """

    around: Surroundings
    title: str
    side: ChainSide
    load_balancer: LoadBalancer | None
    options: ChainPlanOptions
    request: ChainRequest
    client: ClientAddress
    front: LoadBalancerSide
    sidecar: OwnSidecar | None = None
    own: tuple[Finding, ...] = ()
    hosts: tuple[str, ...] = ()
    bodies: tuple[Obj, ...] = ()

    @property
    def state(self) -> GatewayState:
        """The gateway as it is."""
        return self.around.state

    @property
    def version(self) -> str:
        """Istio's version, empty where it is not known; of several the oldest counts."""
        return self.around.version


def preflight_findings(case: PreflightCase) -> list[Finding]:
    """All findings; one of severity error refuses the run."""
    if case.state.trouble:
        return [finding("MLB616", f"{case.state.trouble}. {case.state.remedy}", remedy=case.state.remedy)]
    rules = (
        _beyond, _not_answered, _redirect_loop, _no_server_name, _proxy_check, _unreadable_addresses, _old_kinds, _not_merged,
        _others, _another_way, _trusts_others,
    )
    # The load balancer's own come first: they say of its kinds more than that they are not there.
    return [*case.own, *(remark for rule in rules for remark in rule(case))]


def _beyond(case: PreflightCase) -> Iterator[Finding]:
    """What the load balancer cannot do at all."""
    facts, title = case.side.facts, case.title
    if case.front.refusal:
        yield finding("MLB617", f"{title}: {case.front.refusal}")
    if case.client.mode == "proxy_protocol" and not facts.proxy_protocol:
        yield finding("MLB617", f"{title} sends no PROXY header; choose another client_address.mode")
    if case.client.mode == "x_forwarded_for" and facts.proof is not ProofLevel.NONE and facts.forwarded_for == "absent":
        yield finding("MLB617", f"{title} writes no X-Forwarded-For; choose another client_address.mode")
    if case.client.mode == "source_address" and facts.proof is not ProofLevel.NONE and not (
        facts.proxy_protocol or facts.forwarded_for == "absent"
    ):
        text = "opens connections of its own, so the gateway would take it for the client; choose another client_address.mode"
        yield finding("MLB617", f"{title} {text}")
    if case.request.gateway.tls and facts.proof is not ProofLevel.NONE and not facts.tls_to_gateway:
        yield finding("MLB617", f"{title} speaks no TLS to the gateway; set gateway.tls.mode to none")


def _not_answered(case: PreflightCase) -> Iterator[Finding]:
    """Hosts that an existing Gateway has no server (or listener) for on this port."""
    configured, port = case.state.configured, case.request.gateway
    if configured is None:
        return
    patterns = [str(item).rpartition("/")[2] for server in _servers(case) for item in server.get("hosts") or []]
    if case.options.gateway.api == "gateway_api":
        listeners = dig(configured, "spec", "listeners", default=[])
        patterns = [str(item.get("hostname") or "*") for item in listeners if item.get("port") == port.port]
    missing = [host or "any host" for host in case.hosts if not any(host_matches(item, host or "*") for item in patterns)]
    if missing:
        message = f"{ref_of(configured)} does not answer for {', '.join(missing)} on port {port.port}"
        yield finding("MLB616", message, ref_of(configured), details={"hosts": missing, "port": port.port})


def _another_way(case: PreflightCase) -> Iterator[Finding]:
    """Whoever reaches the gateway without the load balancer could write the headers that it trusts."""
    kind = str(dig(case.state.service, "spec", "type", default="ClusterIP"))
    needed = case.front.service.type
    if case.client.mode == "x_forwarded_for" and case.client.trusted_hops and kind != "ClusterIP" and needed == "ClusterIP":
        service = case.state.service or {}
        message = f"{ref_of(service)} is of type {kind}, which the load balancer does not need"
        yield finding("MLB620", message, ref_of(service), details=value_details("spec.type", kind, needed))


def _trusts_others(case: PreflightCase) -> Iterator[Finding]:
    """Entries of X-Forwarded-For that somebody before the load balancer has to have written."""
    trusted, written = case.client.trusted_hops, case.side.facts.hops
    if case.client.mode == "x_forwarded_for" and trusted > written:
        message = f"{trusted} entries are trusted, and {case.title} writes {written} of them"
        yield finding("MLB621", message, details={"trusted": trusted, "written": written})


def _redirect_loop(case: PreflightCase) -> Iterator[Finding]:
    if case.request.gateway.tls or not case.side.ends_tls(case.request) or case.client.trusted_hops > 0:
        return
    asked = case.options.https_redirect and not case.side.facts.redirects
    if asked or any(dig(server, "tls", "httpsRedirect") for server in _servers(case)):
        where = ref_of(case.state.configured) if case.state.configured else None
        yield finding("MLB601", f"{case.title} ends TLS, the gateway redirects, and client_address says to trust no proxy", where)


def _servers(case: PreflightCase) -> list[Obj]:
    """The servers of an existing Gateway of Istio's API for the port that the load balancer sends to."""
    ports = (case.request.gateway.port, case.request.gateway.target_port)
    return [item for item in dig(case.state.configured, "spec", "servers", default=[]) if dig(item, "port", "number") in ports]


def _no_server_name(case: PreflightCase) -> Iterator[Finding]:
    if not case.request.gateway.tls or case.side.server_name(case.request) != "never":
        return
    if case.options.gateway.server_name:
        name = case.options.gateway.server_name
        message = f"{case.title} sends no server name here, so gateway.tls.host {name} would never be asked for"
        yield finding("MLB602", message, details={"hosts": [name]})
        return
    configured = case.state.configured
    if configured is None:
        return
    hosts = [str(item).rpartition("/")[2] for server in _servers(case) for item in server.get("hosts") or []]
    listeners = [item for item in dig(configured, "spec", "listeners", default=[]) if item.get("port") == case.request.gateway.port]
    named = hosts if hosts and "*" not in hosts else [str(item["hostname"]) for item in listeners if item.get("hostname")]
    if named and len(named) >= len(listeners):
        message = f"{case.title} sends no server name, and {ref_of(configured)} only answers {', '.join(named)}"
        yield finding("MLB602", message, ref_of(configured), details={"hosts": named})


def _proxy_check(case: PreflightCase) -> Iterator[Finding]:
    check = case.front.check
    if case.client.mode != "proxy_protocol" or check.kind != "http" or not check.proxy_header:
        return
    checks = f"{case.title} checks by HTTP behind a PROXY header"
    if is_older(case.version, 1, 27, 0):
        yield finding("MLB603", f"{checks}, and this is Istio {case.version}", details={"istio_version": case.version})
    elif (STATUS_PORT_PROXY, "true") not in case.front.environment:
        yield finding("MLB603", f"{checks}, without {STATUS_PORT_PROXY}", details={"environment": [f"{STATUS_PORT_PROXY}=true"]})


def _unreadable_addresses(case: PreflightCase) -> Iterator[Finding]:
    if case.client.mode != "x_forwarded_for" or case.side.facts.forwarded_for != "with_ports":
        return
    if str(case.request.option("forwarded_for_rewritten", "")).lower() != "true":
        steps = " ".join(case.front.steps)
        yield finding("MLB606", f"{case.title} writes address:port into X-Forwarded-For. {steps}".rstrip())


def diverted(case: PreflightCase) -> dict[str, Finding]:
    """The Hosts that the load balancer's own sidecar would not send to the gateway, each with what it would do instead."""
    found, target, sidecar = case.load_balancer, case.request.gateway, case.sidecar
    if found is None or sidecar is None or case.state.trouble:
        return {}
    turned = {}
    for host, destination in sidecar.destinations.items():
        label = name_of(destination.target or {}) or destination.host
        known = destination.kind in ("service", "entry")
        where, does = None, ""
        if known and label not in (target.service, target.full_name):
            where = ref_of(destination.target) if destination.target else None
            does = f"would send Host {host} to {where or label}, not to the gateway"
        elif destination.kind == "unclear":
            does = f"may send Host {host} elsewhere: {destination.why}"
        elif not known and sidecar.outbound_policy == "REGISTRY_ONLY":
            does = f"knows no Host {host}, and REGISTRY_ONLY refuses what it does not know"
        if does:
            message = f"the sidecar of {found.label} {does}"
            turned[host] = finding("MLB605", message, where, cause=found.workload, details={"host": host})
    return turned


def _old_kinds(case: PreflightCase) -> Iterator[Finding]:
    used = {kind_key(str(body["apiVersion"]), str(body["kind"])) for body in (*case.bodies, *case.front.bodies)}
    for kind, message in old_kinds(case.around, sorted(used)):
        yield finding("MLB607", f"{kind}: {message}", details={"kind": kind})


def _not_merged(case: PreflightCase) -> Iterator[Finding]:
    if case.options.gateway.api != "istio" or not case.state.deployed or is_older(case.version, 1, 31, 0):
        return
    pods, wanted = namespace_of(case.state.workload or {}), case.options.gateway.namespace
    if pods != wanted:
        workload = ref_of(case.state.workload or {})
        message = f"{workload} was deployed from a Gateway of its namespace; gateway.namespace is {wanted}"
        yield finding("MLB608", message, workload, details=value_details("gateway.namespace", wanted, pods))


def _others(case: PreflightCase) -> Iterator[Finding]:
    """Other Gateways of Istio's API for the same pods, port and host."""
    labels = labels_of(pod_template(case.state.workload or {}))
    for item in case.around.gateways:
        if item is case.state.configured or not labels or not selects(dig(item, "spec", "selector"), labels):
            continue
        shared, port = sorted(_shared(item, case)), case.request.gateway.port
        if shared:
            message = f"{ref_of(item)} answers for {', '.join(shared)} on port {port} too"
            yield finding("MLB612", message, ref_of(item), details={"hosts": shared, "port": port})


def _shared(gateway: Obj, case: PreflightCase) -> Iterable[str]:
    for server in dig(gateway, "spec", "servers", default=[]):
        if dig(server, "port", "number") == case.request.gateway.port:
            patterns = [str(item).rpartition("/")[2] for item in server.get("hosts") or []]
            yield from (host for host in case.hosts if any(host_matches(pattern, host) for pattern in patterns))
