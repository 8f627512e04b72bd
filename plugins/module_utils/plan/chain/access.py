# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is admitted behind the gateway: the gateway's own policies meet the load balancer, and the backend's meet the gateway."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...core.findings import finding
from ...core.model import Access, Finding, LoadBalancer, ObjectRef, Outcome, replace
from ...core.printable import listed
from ...istio.authorization.access import (
    NOT_REACHED,
    Sender,
    about_addresses,
    access_by_legs,
    decide,
    least,
    sender_of,
    spiffe_of,
    why_unread,
)
from ...istio.authorization.answers import Incoming
from ...istio.authorization.policies import policies_in_front
from ...istio.authorization.requests import RouteScope
from ...istio.endpoints import pods_selected
from ...kube.objects import dig, labels_of, namespace_of, pod_template
from ...kube.snapshot import Snapshot
from ..access import admission, policy_named
from .target import GatewayState


def access_behind(
    snapshot: Snapshot, state: GatewayState, load_balancer: LoadBalancer | None, asked: RouteScope, outcome: Outcome
) -> Access:
    """Whether requests are admitted at the gateway, and by the backend as the gateway's."""
    if not outcome.legs or outcome.verdict == "unknown":
        return NOT_REACHED
    sender = gateway_sender(snapshot, state)
    found = [access_by_legs(snapshot, sender, asked, outcome.legs)]
    if found[0].reason != "not_reached":
        found.append(_at_gateway(snapshot, state, load_balancer, asked))
    return least(found)


def gateway_sender(snapshot: Snapshot, state: GatewayState) -> Sender:
    """The gateway's pods as a sender."""
    if state.workload is None:
        return Sender(None)
    account = str(dig(pod_template(state.workload), "spec", "serviceAccountName", default="default"))
    selector = dig(state.service, "spec", "selector", default={}) if state.service else {}
    ips = (item.ip for item in pods_selected(snapshot, namespace_of(state.workload), selector) if item.ip)
    return Sender(spiffe_of(snapshot, namespace_of(state.workload), account), tuple(sorted(ips)))


def _at_gateway(snapshot: Snapshot, state: GatewayState, load_balancer: LoadBalancer | None, asked: RouteScope) -> Access:
    """What the gateway's own policies say to the load balancer, which has no identity there unless its sidecar gives it one."""
    labels = labels_of(pod_template(state.workload or {}))
    sender = sender_of(snapshot, load_balancer) if load_balancer else Sender(None)
    identity = None if load_balancer is not None and load_balancer.sidecar.present else ""
    unread = why_unread(snapshot, state.target.namespace)
    if unread:
        return Access("unknown", unread, reason="unread")
    # A gateway ends TLS and reads HTTP, whatever its Service calls the port.
    connection = Incoming(identity, sender.addresses, state.target.target_port)
    found = decide(policies_in_front(snapshot, state.target.namespace, labels), connection, asked)
    return replace(found, why=f"at the gateway: {found.why}")


def about_access_behind(
    snapshot: Snapshot, state: GatewayState, routes: Iterable[tuple[str, ObjectRef | None, Outcome, Outcome]]
) -> Iterator[Finding]:
    """What is to be said about routes that are led to the gateway, each as a text, its object, and its outcomes before and after."""
    sender = gateway_sender(snapshot, state)
    for where, ref, before, after in routes:
        access = after.access
        details = {"policies": access.policies, "identity": access.identity}
        if access.decision == "denied":
            remedy, more = admission(access)
            cause = policy_named(snapshot.at, access)
            yield finding(
                "MLB240" if remedy else "MLB245", f"{where}: {access.why}", ref, cause=cause, remedy=remedy, details={**details, **more}
            )
        elif access.decision == "unknown" and access.reason == "unread":
            yield finding("MLB244", f"{where}: {access.why}", ref, details=details)
        rules = about_addresses(snapshot, after.legs)
        if rules and before.verdict != after.verdict:
            named = listed([f"AuthorizationPolicy {label}" for label in rules], 3)
            seen = (sender.identity or "").removeprefix("spiffe://") or "the gateway"
            message = f"{where}: {named} goes by addresses, and behind the gateway the backend sees that of {seen}"
            yield finding("MLB243", message, ref, details={"policies": rules})
