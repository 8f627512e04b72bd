# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be said about the policies in front of a route's backend: whom they keep out, and what would let the load balancer in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..core.findings import finding, route_details
from ..core.model import Access, Finding, ObjectRef, Outcome, Route, RoutePlan
from ..core.printable import listed
from ..detect.inventory import known_backend
from ..istio.authorization.access import ambient_policies
from ..kube import kinds
from ..kube.objects import Obj, ref_of
from ..kube.snapshot import Snapshot

_SECURITY = "security.istio.io/v1"
_ELSEWHERE = ("custom", "not_known", "ambient")


def about_access(snapshot: Snapshot, plans: Iterable[RoutePlan]) -> Iterator[Finding]:
    """The findings about routes as they are and as they will be."""
    for item in plans:
        if not item.route.ignored:
            yield from about_outcomes(snapshot, item.route, item.before, item.after)
            if item.after.access.reason == "not_reached":
                yield from _about_ambient(snapshot, item.route)


def _about_ambient(snapshot: Snapshot, route: Route) -> Iterator[Finding]:
    """That policies of a backend in ambient mode are not followed, where its verdict is not either."""
    behind = known_backend(snapshot, route).endpoints
    found = {ref_of(item) for endpoint in behind for item in ambient_policies(snapshot, endpoint.pod)}
    if found:
        named = listed(sorted(map(str, found)), 3)
        message = f"{_where(route)}: the backend is in ambient mode, and ztunnel or a waypoint enforces {named}, which is not followed"
        yield finding("MLB246", message, route.object, cause=min(found), details=route_details(route))


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
    elif access.decision == "unknown" and access.reason == "filter":
        yield finding("MLB133", f"{_where(route)}: {access.why}", route.object, details=route_details(route))
    elif access.decision == "unknown" and access.reason in _ELSEWHERE:
        yield _finding("MLB246", snapshot, route, access, f"{_where(route)}: {access.why}")


def about_kept_out(at: Callable[[ObjectRef], Obj | None], route: Route, standing: Outcome, then: Outcome) -> Finding:
    """That a route is left as it is, because policies would keep its requests out once the load balancer has an identity."""
    who = f" (it would be {then.access.identity})" if then.access.identity and then.access.identity not in then.access.why else ""
    message = f"{_where(route)}: it stays {standing.verdict}, as with mutual TLS {then.access.why}{who}"
    details = route_details(route, identity=then.access.identity, policies=then.access.policies)
    return finding("MLB241", message, route.object, cause=policy_named(at, then.access), details=details)


def _code(access: Access) -> str:
    return "MLB240" if access.reason == "not_admitted" and access.identity else "MLB245"


def _denied(snapshot: Snapshot, route: Route, access: Access, code: str) -> Finding:
    remedy, details = admission(access)
    return _finding(code, snapshot, route, access, f"{_where(route)}: {access.why}", remedy, identity=access.identity, **details)


def admission(access: Access) -> tuple[str, dict[str, str]]:
    """What would let an identity in that no policy admits, in words and as the rule; empty where no rule does."""
    if access.reason != "not_admitted" or not access.identity:
        return "", {}
    rule = admitting_rule(access.identity)
    return f"Add this to spec.rules of AuthorizationPolicy {access.policies[0]}, or of another that allows:\n{rule}", {"rule": rule}


def admitting_rule(identity: str) -> str:
    """The rule of an AuthorizationPolicy that admits an identity, as YAML."""
    return f'- from:\n  - source:\n      principals: ["{identity}"]\n'


def _finding(code: str, snapshot: Snapshot, route: Route, access: Access, message: str, remedy: str = "", **more: Any) -> Finding:
    details = route_details(route, policies=access.policies, **more)
    return finding(code, message, route.object, cause=policy_named(snapshot.at, access), remedy=remedy, details=details)


def policy_named(at: Callable[[ObjectRef], Obj | None], access: Access) -> ObjectRef | None:
    """The first of the policies that decide, of the kind that decides: tokens are a RequestAuthentication's, all else is not.

    ``at`` gives the object that a reference names.
    """
    ordered = kinds.ACCESS[::-1] if access.reason == "token" else kinds.ACCESS
    labels = [label.partition("/") for label in access.policies]
    refs = (ObjectRef(_SECURITY, kind.partition(".")[0], namespace, name) for kind in ordered for namespace, _slash, name in labels)
    return next((ref_of(item) for item in map(at, refs) if item), None)


def _kind(snapshot: Snapshot, label: str) -> str:
    namespace, dummy, name = label.partition("/")
    found = snapshot.get(kinds.AUTHORIZATION_POLICY, namespace, name)
    return "AuthorizationPolicy" if found is not None else "RequestAuthentication"


def _where(route: Route) -> str:
    return f"{route.host or '*'}{route.path} -> {route.backend.namespace}/{route.backend.service}:{route.backend.port}"
