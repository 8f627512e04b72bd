# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requests of a route that its backend's policies may tell apart: one for every combination that could get an answer of its own.

Whether two requests of one route get different answers is not concluded from the rules but tried: for every value that a rule asks for
there is a request that has it, and one that has none of them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from . import matching
from .answers import CLAIMS, INVALID_TOKEN, NO_TOKEN, Claims, Incoming, Sample, asked_of, claim_name, holds, varies
from .policies import AccessPolicy, Policies, Tokens
from .rules import Condition, Rule

MOST, MOST_TEXTS, MOST_STEPS = 5_000, 400, 200_000
"""Requests that are tried at most, values that they are made of, and comparisons. Beyond that nothing is said: whoever may write a
policy would decide how long a run takes.
"""
_OTHER = "meshlb-other"
_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "PROPFIND")
_OWN = ("", "ImplementationSpecific")
_SIGNS = frozenset("^$()[]{}|+?\\*~")
_CLIENTS = {4: ("203.0.113.9", "198.51.100.7", "192.0.2.5", "8.8.8.8", "100.127.255.254"), 6: ("2001:db8::9", "2606:4700::1111")}
_SET_ON_THE_WAY = frozenset({
    "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-real-ip", "forwarded", "via", "x-request-id",
    "x-forwarded-client-cert", "x-envoy-attempt-count", "x-envoy-external-address", "x-forwarded-scheme", "x-scheme", "host",
})
"""Headers that the load balancer or a sidecar may set, so that nobody knows their values."""


@dataclass(frozen=True)
class RouteScope:
    """What a route leaves open: ``host`` may be empty (any) or a wildcard, ``path`` counts as ``path_type`` says.

    ``beside`` are narrower paths, each with its type, that other routes take. ``rewritten``: the load balancer changes the path, so
    that nobody knows which one arrives. ``http``: it sends plain HTTP.
    """

    host: str
    path: str
    path_type: str = "Prefix"
    rewritten: bool = False
    http: bool = True
    beside: tuple[tuple[str, str], ...] = ()


class Samples:
    """The requests of one route that these conditions may tell apart, and with which tokens."""

    def __init__(self, conditions: Iterable[Condition], tokens: Tokens, asked: RouteScope) -> None:
        self._asked = asked
        self._by: dict[str, list[Condition]] = {}
        for item in conditions:
            self._by.setdefault(item.attribute, []).append(item)
        texts = sum(len(item.values) + len(item.others) for items in self._by.values() for item in items)
        self._choices: list[list[Any]] = []
        self._headers: list[str] = []
        if texts <= MOST_TEXTS:
            self._make(tokens)

    def _make(self, tokens: Tokens) -> None:
        headers = sorted({item.name[1:-1].lower() for item in self._by.get("header", ())} - _SET_ON_THE_WAY)
        self._headers = [name for name in headers if not name.startswith(":")]
        self._choices = [
            list(self._paths()), list(self._hosts()), list(self._methods()), list(self._clients()),
            list(self._tokens(tokens)), *([*self._values(name)] for name in self._headers),
        ]

    def too_many(self, size: int) -> bool:
        """Whether there are more than are tried; ``size`` is how much each of them is compared with."""
        count = math.prod(map(len, self._choices))
        return not self._choices or count > MOST or count * size > MOST_STEPS

    def __iter__(self) -> Iterator[Sample]:
        for path, host, method, client, token, *values in itertools.product(*self._choices):
            yield Sample(host, path, method, tuple(zip(self._headers, values, strict=True)), client, token)

    def _texts(self, *attributes: str) -> list[str]:
        found = (text for attribute in attributes for item in self._by.get(attribute, ()) for text in (*item.values, *item.others))
        return list(dict.fromkeys(found))

    def _paths(self) -> Iterator[str | None]:
        asked, patterns = self._asked, self._texts("path")
        if not patterns:
            yield asked.path or "/"
            return
        expression = asked.path_type not in ("Exact", "Prefix", "PathPrefix") and (set(asked.path) & _SIGNS or asked.path_type not in _OWN)
        if asked.rewritten or not asked.path.startswith("/") or expression:
            yield None
            return
        taken = (item for item in _paths_for(asked, patterns) if _takes(asked, item))
        yield from dict.fromkeys([asked.path, *taken])

    def _hosts(self) -> Iterator[str | None]:
        own = self._asked.host
        patterns = self._texts("host")
        if not patterns or (own and "*" not in own):
            yield own or None if "$" not in own else None
            return
        ending = own.lstrip("*").lower()
        candidates = (item for pattern in patterns for item in _examples(pattern.lower(), f"{_OTHER}{ending or '.example'}"))
        fitting = (item for item in (f"{_OTHER}{ending or '.example'}", *candidates) if item.endswith(ending) and item != ending)
        yield from dict.fromkeys(fitting)

    def _methods(self) -> Iterator[str]:
        named = self._texts("method")
        exact = [item for item in named if "*" not in item]
        usual = [item for item in _METHODS if item not in exact]
        yield from dict.fromkeys([*usual[:1], *(text for item in named for text in _examples(item, "GET")), *usual] if named else ["GET"])

    def _clients(self) -> Iterator[str | None]:
        blocks = self._texts("remote_ip")
        if not blocks:
            yield None
            return
        ranges = [found for found in map(matching.network, blocks) if found is not None]
        # Clients of the other version of IP are not known to exist.
        outside = [ip for version in sorted({item.version for item in ranges}) for ip in _CLIENTS[version]]
        yield from dict.fromkeys([*(str(item.network_address) for item in ranges), *outside])

    def _values(self, name: str) -> Iterator[str | None]:
        yield None
        own = [item for item in self._by["header"] if item.name[1:-1].lower() == name]
        texts = dict.fromkeys(text for item in own for text in (*item.values, *item.others))
        yield from dict.fromkeys([_OTHER, *(example for text in texts for example in _examples(text, _OTHER))])

    def _tokens(self, tokens: Tokens) -> Iterator[str | Claims]:
        yield NO_TOKEN
        if not tokens.issuers:
            return
        names = {claim_name(item): self._texts_of(claim_name(item)) for item in self._of_claims()}
        subjects = [*(text.rpartition("/")[2] for text in self._texts("request_principal")), *names.get("sub", ())]
        for issuer, audiences in tokens.issuers:
            choices: list[list[tuple[str, str] | None]] = [[("iss", issuer)]]
            choices.append([("sub", text) for text in _all_examples(subjects)])
            for name in sorted(set(names) - {"iss", "sub"}):
                wanted = list(audiences) if name == "aud" and audiences else list(_all_examples(names[name]))
                choices.append([*((name, text) for text in wanted), *([] if name == "aud" and audiences else [None])])
            for chosen in itertools.product(*choices):
                yield tuple(pair for pair in chosen if pair is not None)
        yield INVALID_TOKEN

    def _of_claims(self) -> Iterator[Condition]:
        for attribute in ("claim", *CLAIMS):
            yield from self._by.get(attribute, ())

    def _texts_of(self, claim: str) -> list[str]:
        return [text for item in self._of_claims() if claim_name(item) == claim for text in (*item.values, *item.others)]


def samples_for(policies: Policies, connection: Incoming, asked: RouteScope) -> Samples:
    """The requests of a route on a connection; what is handled as TCP has no more than one. No rule is ruled out by the connection."""
    if not connection.http:
        return Samples((), Tokens(), asked)
    return Samples(_open_conditions(policies, connection), policies.tokens, asked)


def _open_conditions(policies: Policies, connection: Incoming) -> Iterator[Condition]:
    """The conditions on what differs from request to request."""
    for _policy, rule in asked_of(policies):
        yield from (item for item in rule.conditions() if varies(item, connection))


def is_ruled_out(policy: AccessPolicy, rule: Rule, connection: Incoming) -> bool:
    """Whether a rule holds for no request of a connection."""
    nothing = Sample(None, None)

    def is_out(item: Condition) -> bool:
        return not varies(item, connection) and holds(item, policy.namespace, connection, nothing) is False

    return any(all(any(map(is_out, group)) for group in groups) for groups in (rule.sources, rule.operations))


def _takes(asked: RouteScope, path: str) -> bool:
    """Whether a route certainly takes a path. Where a type is the load balancer's own, it means a prefix of whole elements at least."""
    own = path == asked.path or (asked.path_type != "Exact" and path.startswith(f"{asked.path.rstrip('/')}/"))
    return own and not any(_may_take(other, kind, path) for other, kind in asked.beside)


def _may_take(own: str, kind: str, path: str) -> bool:
    """Whether another route may take a path: by whole elements where its type says so, else perhaps by its beginning."""
    if path == own or kind == "Exact":
        return path == own
    return path.startswith(f"{own.rstrip('/')}/" if kind in ("Prefix", "PathPrefix") else own)


def _paths_for(asked: RouteScope, patterns: Sequence[str]) -> Iterator[str]:
    """The route's own path, one that no rule names, and for every pattern those that it takes, also below what others name."""
    stem = asked.path.rstrip("/")
    found = [asked.path, f"{stem}/{_OTHER}", *(text for pattern in patterns for text in _path_examples(pattern))]
    found = [item for item in found if _takes(asked, item)]
    yield from found
    for pattern in patterns:
        if pattern.startswith("*") and len(pattern) > 1:
            yield from (f"{base.rstrip('/')}/{_OTHER}{pattern[1:]}" for base in found)
            yield from (f"{base.rstrip('/')}{pattern[1:]}" for base in found if pattern[1:].startswith("/"))


def _path_examples(pattern: str) -> Iterator[str]:
    if matching.is_template(pattern):
        for more in (_OTHER, f"{_OTHER}/{_OTHER}", ""):
            yield pattern.replace(matching.MORE_SEGMENTS, more).replace(matching.ONE_SEGMENT, _OTHER)
        return
    for text in _examples(pattern, ""):
        yield text
        if pattern.endswith("*"):
            # A route's prefix ends at a slash, so what begins with the pattern may have to begin with that.
            yield f"{text.rstrip('/')}/{_OTHER}"


def _examples(pattern: str, other: str) -> Iterator[str]:
    """Texts that a pattern takes."""
    if pattern == "*":
        yield from [other] if other else []
    elif pattern.startswith("*"):
        yield from (f"{_OTHER}{pattern[1:]}", pattern[1:])
    elif pattern.endswith("*"):
        yield from (pattern[:-1], f"{pattern[:-1]}{_OTHER}")
    else:
        yield pattern


def _all_examples(patterns: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([_OTHER, *(text for pattern in patterns for text in _examples(pattern, _OTHER))]))
