# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be said about the policies in front of a route's backend: whom they keep out, and what would let the load balancer in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..core.findings import finding, route_details
from ..core.model import Access, Finding, ObjectRef, Outcome, Route, RoutePlan
from ..core.printable import listed
from ..kube import kinds
from ..kube.objects import ref_of
from ..kube.snapshot import Snapshot

_SECURITY = "security.istio.io/v1"
_ELSEWHERE = ("custom", "not_known", "ambient")


def about_access(snapshot: Snapshot, plans: Iterable[RoutePlan]) -> Iterator[Finding]:
    """The findings about routes as they are and as they will be."""
    for item in plans:
        if not item.route.ignored:
            yield from about_outcomes(snapshot, item.route, item.before, item.after)


def about_outcomes(snapshot: Snapshot, route: Route, before: Outcome, after: Outcome) -> Iterator[Finding]:
    """The findings about one route."""
    access = after.access if after.access.reason != "not_reached" else before.access
    if access.decision == "denied":
        changes = before.access.decision == "allowed" and after.access.decision == "denied"
        yield _denied(snapshot, route, access, "MLB241" if changes else _code(access))
    elif before.access.reason == "rule" and before.access.decision == "denied" and access.decision == "allowed" and access.identity:
        message = f"{_where(route)}: {before.access.why}; as {access.identity} its requests are admitted"
        yield _finding("MLB241", snapshot, route, before.access, message, identity=access.identity)
    if access.as_tcp:
        named = listed([f"{_kind(snapshot, label)} {label}" for label in access.as_tcp], 3)
        message = f"{_where(route)}: {named} is about HTTP, and the backend handles this port as TCP"
        yield _finding("MLB242", snapshot, route, Access(policies=access.as_tcp), message)
    if access.decision == "unknown" and access.reason == "unread":
        yield finding("MLB244", f"{_where(route)}: {access.why}", route.object, details=route_details(route))
    elif access.decision == "unknown" and access.reason in _ELSEWHERE:
        yield _finding("MLB246", snapshot, route, access, f"{_where(route)}: {access.why}")


def about_kept_out(route: Route, standing: Outcome, then: Outcome) -> Finding:
    """That a route is left as it is, because policies would keep its requests out once the load balancer has an identity."""
    who = f" (it would be {then.access.identity})" if then.access.identity and then.access.identity not in then.access.why else ""
    message = f"{_where(route)}: it stays {standing.verdict}, as with mutual TLS {then.access.why}{who}"
    details = route_details(route, identity=then.access.identity, policies=then.access.policies)
    cause = _ref(kinds.AUTHORIZATION_POLICY, then.access.policies[0]) if then.access.policies else None
    return finding("MLB241", message, route.object, cause=cause, details=details)


def _code(access: Access) -> str:
    return "MLB240" if access.reason == "not_admitted" and access.identity else "MLB245"


def _denied(snapshot: Snapshot, route: Route, access: Access, code: str) -> Finding:
    message = f"{_where(route)}: {access.why}"
    if access.reason != "not_admitted" or not access.identity:
        return _finding(code, snapshot, route, access, message, identity=access.identity)
    rule = admitting_rule(access.identity)
    remedy = f"Add this to spec.rules of AuthorizationPolicy {access.policies[0]}, or of another that allows:\n{rule}"
    return _finding(code, snapshot, route, access, message, remedy, identity=access.identity, rule=rule)


def admitting_rule(identity: str) -> str:
    """The rule of an AuthorizationPolicy that admits an identity, as YAML."""
    return f'- from:\n  - source:\n      principals: ["{identity}"]\n'


def _finding(code: str, snapshot: Snapshot, route: Route, access: Access, message: str, remedy: str = "", **more: Any) -> Finding:
    label = access.policies[0] if access.policies else ""
    namespace, dummy, name = label.partition("/")
    found = next((item for kind in kinds.ACCESS if (item := snapshot.get(kind, namespace, name))), None) if label else None
    cause = ref_of(found) if found else None
    return finding(code, message, route.object, cause=cause, remedy=remedy, details=route_details(route, policies=access.policies, **more))


def _kind(snapshot: Snapshot, label: str) -> str:
    namespace, dummy, name = label.partition("/")
    found = snapshot.get(kinds.AUTHORIZATION_POLICY, namespace, name)
    return "AuthorizationPolicy" if found is not None else "RequestAuthentication"


def _ref(kind: str, label: str) -> ObjectRef:
    namespace, dummy, name = label.partition("/")
    return ObjectRef(_SECURITY, kind.partition(".")[0], namespace, name)


def _where(route: Route) -> str:
    return f"{route.host or '*'}{route.path} -> {route.backend.namespace}/{route.backend.service}:{route.backend.port}"
