# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a route's requests are admitted, by what was read from the backends' sidecars and by what the client was answered."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence

from ..core.findings import finding, request_details
from ..core.model import Access, Decision, Finding, Route, replace
from ..istio.authorization.access import least
from ..istio.authorization.answers import Incoming
from ..istio.authorization.matching import PREFIX
from ..istio.authorization.requests import RouteScope
from .admission import Admission
from .asking import Key
from .carriers import Carriers
from .configuration import Evaluation, Judgement
from .proxy import ProxyDataError, guarded
from .servers import ServerSide
from .traffic import Measurement

_NOT_SEEN = Access("unknown", "no request is known to reach a backend whose filters could be read", reason="not_reached")


def access_seen(
    route: Route, evaluations: Mapping[Key, Sequence[Evaluation]], carriers: Carriers, by_traffic: Measurement | None
) -> Access:
    """The least that is granted at one of the backends that a route's requests may reach."""
    found = list(dict.fromkeys(_each(route, evaluations, carriers)))
    access = least(found) if found else _NOT_SEEN
    answers = by_traffic.kept_out if by_traffic is not None else ""
    if not answers or access.decision == "denied":
        return access
    # Requests without a token may be denied, and others not.
    decision: Decision = "conditional" if access.decision == "conditional" else "denied"
    return replace(access, decision=decision, why=f"{access.why}; {answers}", reason="answers")


def _each(route: Route, evaluations: Mapping[Key, Sequence[Evaluation]], carriers: Carriers) -> Iterator[Access]:
    group = carriers.of(route.load_balancer)
    asked = RouteScope(route.upstream.host or route.host, route.path, route.path_type, route.rewrites_path, beside=route.beside)
    for carrier in group.carriers:
        certificate = (group.certificates or {}).get(carrier.key)
        identity = certificate.identity if certificate is not None else None
        # Every address that is dialled may lead to the same endpoints, and what guards one is evaluated at length.
        met: dict[Hashable, tuple[Judgement, ServerSide]] = {}
        for item in (item for evaluation in evaluations.get(carrier.key, ()) for item in evaluation.judgements):
            for side in item.sides if item.verdict in ("mutual_tls", "plaintext") else ():
                met.setdefault((item.transport.kind, item.http, item.endpoint, id(side)), (item, side))
        yield from (_at(item, side, identity, carrier.pod.ip, asked) for item, side in met.values())


def _at(item: Judgement, side: ServerSide, identity: str | None, address: str, asked: RouteScope) -> Access:
    mutual = item.transport.kind == "mutual_tls"
    seen = (identity or "").removeprefix(PREFIX) if mutual else ""
    guard = side.guards.on(mutual=mutual, http=item.http)
    if guard is None:
        return Access("unknown", f"the filters of {side.name} could not be read", reason="unread", identity=seen)
    connection = Incoming(identity if mutual else "", (address,) if address else (), item.endpoint.port, item.endpoint.ip)
    try:
        with guarded(f"What {side.name} is guarded by"):
            return replace(Admission(guard, connection).access(asked), identity=seen)
    except ProxyDataError as error:
        return Access("unknown", str(error), reason="unread", identity=seen)


def about_access_seen(route: Route, where: str, seen: Access, predicted: Access) -> Iterator[Finding]:
    """What is to be said about a route's access."""
    details = request_details(route, access=seen.decision, policies=seen.policies, identity=seen.identity)
    if seen.reason == "answers" and seen.decision == "denied":
        yield finding("MLB507", f"{where}: {seen.why}", route.object, details=details)
        return
    if seen.decision == "denied" and not route.ignored:
        yield finding("MLB505", f"{where}: {seen.why}", route.object, details=details)
    if "unknown" not in (seen.decision, predicted.decision) and seen.decision != predicted.decision:
        message = f"{where}: access was predicted as {predicted.decision} ({predicted.why}) and is {seen.decision} ({seen.why})"
        yield finding("MLB506", message, route.object, details={**details, "predicted": predicted.decision})
