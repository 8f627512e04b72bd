# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traefik's rules (``Host(`a`) && PathPrefix(`/x`)``): which hosts and paths a router takes.

Source: traefik/traefik pkg/rules/parser.go and pkg/muxer/http/matcher.go (version 3) and matcher_v2.go (several values per
matcher). What a rule asks for besides host and path makes no difference to where a request goes, and is passed over.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...core.guard import NotUnderstood
from ...core.printable import clipped

_TOKEN = re.compile(r"\s*(?:(&&|\|\||[!(),])|([A-Za-z][A-Za-z0-9]*)|`([^`]*)`|\"((?:[^\"\\]|\\.)*)\")")
_HOSTS = frozenset({"host", "hostheader", "hostsni"})
_PATHS = {"path": "Exact", "pathprefix": "ImplementationSpecific", "pathregexp": "Regexp"}
REGEXP = "Regexp"
"""Path type of a path that is a regular expression."""


@dataclass(frozen=True)
class Matched:
    """One alternative of a rule; empty where it takes any host or any path."""

    host: str = ""
    path: str = ""
    path_type: str = ""

    def both(self, other: Matched) -> Matched:
        path = other if other.path else self
        return Matched(other.host or self.host, path.path, path.path_type)


class RuleError(ValueError):
    """A rule that cannot be read."""


_ANY = 1000
_MATCHERS = {
    2: dict.fromkeys((
        "host", "hostheader", "hostregexp", "path", "pathprefix", "method", "query", "clientip", "hostsni", "alpn",
    ), (1, _ANY)) | {"headers": (2, 2), "headersregexp": (2, 2), "hostsniregexp": (1, _ANY)},
    3: dict.fromkeys((
        "host", "hostregexp", "path", "pathprefix", "pathregexp", "method", "clientip", "hostsni", "hostsniregexp", "alpn",
    ), (1, 1)) | {"header": (2, 2), "headerregexp": (2, 2), "query": (1, 2), "queryregexp": (1, 2)},
}
"""By version of the language, its matchers with the least and most values that they take."""
_MOST = 256
"""Alternatives of one rule: ``&&`` multiplies them."""
_LONGEST = 100_000
_DEEPEST = 50


def matched(rule: str, syntax: int = 0) -> tuple[Matched, ...]:
    """The alternatives of a rule, each once. Raises :class:`RuleError`.

    ``syntax`` is the version of the language whose matchers are known; by default, any are.
    """
    if len(rule) > _LONGEST:
        raise NotUnderstood(f"a rule of {len(rule)} letters is not followed; up to {_LONGEST} are")
    parser = _Parser(deque(_tokens(rule)), syntax)
    found = parser.alternatives()
    if parser.rest:
        raise RuleError(f"{parser.rest[0]!r} is not expected in rule {clipped(rule, 300)}")
    return tuple(found)


def at_most_so_many(found: Iterable[Matched]) -> dict[Matched, None]:
    """Alternatives, each once. Raises :class:`NotUnderstood` where there are too many of them."""
    kept: dict[Matched, None] = {}
    for item in found:
        kept[item] = None
        if len(kept) > _MOST:
            raise NotUnderstood(f"a rule of more than {_MOST} alternatives is not followed")
    return kept


def _tokens(rule: str) -> Iterator[str]:
    position, rule = 0, rule.strip()
    while position < len(rule):
        found = _TOKEN.match(rule, position)
        if found is None:
            raise RuleError(f"{clipped(rule[position:], 300)!r} is not understood in rule {clipped(rule, 300)}")
        sign, name, raw, quoted = found.groups()
        # Values are told from names and signs by their first letter.
        yield sign or name or "'" + (raw if raw is not None else re.sub(r"\\(.)", r"\1", quoted))
        position = found.end()


class _Parser:
    def __init__(self, tokens: deque[str], syntax: int) -> None:
        self.rest = tokens
        self._syntax = syntax
        self._depth = 0

    def _next(self, sign: str) -> bool:
        return bool(self.rest) and self.rest[0] == sign

    def _take(self, *wanted: str) -> str:
        if not self.rest or (wanted and self.rest[0] not in wanted):
            raise RuleError(f"{' or '.join(wanted) or 'more'} is expected{f' before {self.rest[0]!r}' if self.rest else ' at the end'}")
        return self.rest.popleft()

    def alternatives(self) -> dict[Matched, None]:
        found = dict(self._all())
        while self._next("||"):
            self._take()
            found.update(self._all())
            at_most_so_many(found)
        return found

    def _all(self) -> dict[Matched, None]:
        found = self._one()
        while self._next("&&"):
            self._take()
            others, earlier = self._one(), found
            found = at_most_so_many(one.both(other) for other in others for one in earlier)
        return found

    def _one(self) -> dict[Matched, None]:
        negated = False
        while self._next("!"):
            self._take()
            negated = True
        found = self._group() if self._next("(") else at_most_so_many(self._matcher())
        return {Matched(): None} if negated else found

    def _group(self) -> dict[Matched, None]:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise NotUnderstood(f"a rule of more than {_DEEPEST} parentheses in one another is not followed")
        self._take("(")
        inner = self.alternatives()
        self._take(")")
        self._depth -= 1
        return inner

    def _matcher(self) -> list[Matched]:
        name, values = self._take().lower(), []
        self._take("(")
        while self.rest and self.rest[0] != ")":
            values.append(self._take()[1:])
            if self._next(","):
                self._take()
        self._take(")")
        least, most = _MATCHERS[self._syntax].get(name, (1, 0)) if self._syntax in _MATCHERS else (0, len(values))
        if not least <= len(values) <= most:
            wrong = f"no matcher with {len(values)} value(s)" if least <= most else "no matcher"
            raise RuleError(f"{name} is {wrong} in rules of version {self._syntax}")
        if name in _HOSTS:
            return [Matched(host="" if value == "*" else value.lower()) for value in values]
        if name in _PATHS:
            return [_path(name, value) for value in values]
        return [Matched()]


def _path(name: str, value: str) -> Matched:
    # Version 2 has patterns in braces instead of a matcher of their own.
    return Matched(path=value, path_type=REGEXP if "{" in value else _PATHS[name])
