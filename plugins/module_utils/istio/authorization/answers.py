# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one request meets: rules are compared with a connection and a request, and what is not known stays unknown.

Source: istio/istio pilot/pkg/security/authz/builder/builder.go (the order: CUSTOM, DENY, ALLOW) and Envoy's RBAC filter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ...core.model import Decision
from . import matching
from .policies import AccessPolicy, Policies
from .rules import Condition, Rule

Claims = tuple[tuple[str, str], ...]
NO_TOKEN = "none"
INVALID_TOKEN = "invalid"
Reason = Literal["no_policy", "admitted", "not_admitted", "rule", "token", "custom", "not_known"]


@dataclass(frozen=True)
class Incoming:
    """What the backend's proxy knows of a connection. ``identity`` is empty where there is none, and ``None`` where it is not known.

    ``addresses`` are the sender's possible ones, none where they are not known; ``sni`` is ``None`` where it is not known, and
    ``destination`` empty. ``http``: the proxy reads HTTP there. ``forwarded``: the proxy takes the client's address from a header.
    """

    identity: str | None
    addresses: tuple[str, ...] = ()
    port: int = 0
    destination: str = ""
    sni: str | None = None
    http: bool = True


@dataclass(frozen=True)
class Sample:
    """One request, with what its route leaves open filled in; ``None`` is what is not known, in ``headers`` what is absent.

    ``token`` is one of the two words, or a valid token's claims.
    """

    host: str | None
    path: str | None
    method: str = "GET"
    headers: tuple[tuple[str, str | None], ...] = ()
    client: str | None = None
    token: str | Claims = NO_TOKEN


@dataclass(frozen=True)
class Answer:
    """What becomes of one request: ``allowed``, ``denied`` or ``unknown``, by which policies, and in a word why."""

    decision: Decision
    reason: Reason
    policies: tuple[str, ...] = ()


Match: TypeAlias = "bool | None"
"""``None`` where it is not known."""


def answer(policies: Policies, connection: Incoming, request: Sample) -> Answer:
    """What becomes of one request. The policies' rules are those that the proxy is given for this connection."""
    if connection.http and request.token == INVALID_TOKEN and policies.tokens.issuers:
        return Answer("denied", "token", policies.tokens.labels)
    denied = {item.label: _any(rule_holds(rule, item.namespace, connection, request) for rule in item.rules) for item in policies.deny}
    if True in denied.values():
        return Answer("denied", "rule", _by(denied, True))
    admitted = {item.label: _any(rule_holds(rule, item.namespace, connection, request) for rule in item.rules) for item in policies.allow}
    if policies.allow and not set(admitted.values()) - {False}:
        return Answer("denied", "not_admitted", tuple(sorted(admitted)))
    asked = {item.label: _any(rule_holds(rule, item.namespace, connection, request) for rule in item.rules) for item in policies.custom}
    if set(asked.values()) - {False}:
        return Answer("unknown", "custom", tuple(label for label, found in asked.items() if found is not False))
    doubtful = _by(denied, None)
    if doubtful or (policies.allow and True not in admitted.values()):
        return Answer("unknown", "not_known", doubtful or _by(admitted, None))
    return Answer("allowed", "admitted" if policies.allow else "no_policy", _by(admitted, True))


def _by(found: dict[str, Match], value: Match) -> tuple[str, ...]:
    return tuple(sorted(label for label, item in found.items() if item is value))


def _any(found: Iterable[Match]) -> Match:
    seen = set(found)
    return True if True in seen else None if None in seen else False


def _all(found: Iterable[Match]) -> Match:
    unsure = False
    for item in found:
        if item is False:
            return False
        unsure = unsure or item is None
    return None if unsure else True


def rule_holds(rule: Rule, home: str, connection: Incoming, request: Sample) -> Match:
    """Whether a rule of a policy in namespace ``home`` holds for a request."""
    return _all(
        _any(_all(holds(item, home, connection, request) for item in group) for group in groups)
        for groups in (rule.sources, rule.operations)
    )


def holds(item: Condition, home: str, connection: Incoming, request: Sample) -> Match:
    """Whether a condition does."""
    test = _test(item, home, connection, request)
    wanted = _any(map(test, item.values)) if item.values else True
    excluded = _any(map(test, item.others)) if item.others else False
    return _all((wanted, None if excluded is None else not excluded))


def varies(item: Condition, connection: Incoming) -> bool:
    """Whether requests of one connection may differ in an attribute."""
    return item.attribute in _OF_REQUEST and (item.attribute != "remote_ip" or connection.http)


_OF_REQUEST = frozenset({"method", "path", "host", "header", "request_principal", "audience", "presenter", "claim", "remote_ip"})
_BY_IDENTITY: dict[str, Callable[[str, str], bool]] = {
    "principal": matching.principal, "namespace": matching.namespace, "trust_domain": matching.trust_domain,
}
_BY_TEXT: dict[str, Callable[[str, str], bool]] = {"path": matching.path, "host": matching.is_host, "method": matching.header}
CLAIMS = {"audience": "aud", "presenter": "azp"}


def _test(item: Condition, home: str, connection: Incoming, request: Sample) -> Callable[[str], Match]:
    """The comparison of one attribute with one value."""
    attribute = item.attribute
    if attribute in _BY_IDENTITY:
        return lambda value: None if connection.identity is None else _BY_IDENTITY[attribute](value, connection.identity)
    if attribute == "service_account":
        return lambda value: None if connection.identity is None else matching.service_account(value, connection.identity, home)
    if attribute == "port":
        return lambda value: int(value) == connection.port
    if attribute in _BY_TEXT:
        found = {"path": request.path, "host": request.host, "method": request.method}[attribute]
        return lambda value: None if found is None else _BY_TEXT[attribute](value, found)
    if attribute == "header":
        headers, name = dict(request.headers), item.name[1:-1].lower()
        return lambda value: matching.header(value, headers[name]) if name in headers else None
    if attribute == "sni":
        return lambda value: None if connection.sni is None else matching.text(value, connection.sni)
    return _test_of_addresses(item, connection, request) or _test_of_token(item, request)


def _test_of_addresses(item: Condition, connection: Incoming, request: Sample) -> Callable[[str], Match] | None:
    known: tuple[str, ...]
    if item.attribute == "destination_ip":
        known = (connection.destination,) if connection.destination else ()
    elif item.attribute == "source_ip" or (item.attribute == "remote_ip" and not connection.http):
        known = connection.addresses
    elif item.attribute == "remote_ip":
        known = (request.client,) if request.client else ()
    else:
        return None
    return lambda value: _covers(value, known)


def _covers(block: str, addresses: tuple[str, ...]) -> Match:
    network = matching.network(block)
    if not addresses:
        # A range of everything needs no address. It is one of IPv4 or IPv6, and the sender's may be the other.
        return None
    found = {matching.in_range(block, ip) for ip in addresses} if network is not None else {False}
    return found.pop() if len(found) == 1 else None


def _test_of_token(item: Condition, request: Sample) -> Callable[[str], Match]:
    if item.attribute not in ("request_principal", "claim", *CLAIMS):
        return lambda value: None
    if isinstance(request.token, str):
        return lambda value: False
    claims = dict(request.token)
    if item.attribute == "request_principal":
        return lambda value: matching.request_principal(value, claims.get("iss", ""), claims.get("sub", ""))
    name = claim_name(item)
    return lambda value: name in claims and matching.text(value, claims[name])


def claim_name(item: Condition) -> str:
    """The claim that a condition asks for; of nested ones the names are joined."""
    return CLAIMS.get(item.attribute) or item.name[1:-1]


def asked_of(policies: Policies) -> Iterable[tuple[AccessPolicy, Rule]]:
    """Every rule, with its policy."""
    for item in (*policies.custom, *policies.deny, *policies.allow):
        for rule in item.rules:
            yield item, rule
