# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traefik's rules (``Host(`a`) && PathPrefix(`/x`)``): which hosts and paths a router takes.

Source: traefik/traefik pkg/rules/parser.go and pkg/muxer/http/matcher.go (version 3) and matcher_v2.go (several values per
matcher). What a rule asks for besides host and path makes no difference to where a request goes, and is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

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


def matched(rule: str) -> tuple[Matched, ...]:
    """The alternatives of a rule, each once. Raises :class:`RuleError`."""
    parser = _Parser(list(_tokens(rule)))
    found = parser.alternatives()
    if parser.rest:
        raise RuleError(f"{parser.rest[0]!r} is not expected in rule {rule}")
    return tuple(dict.fromkeys(found))


def _tokens(rule: str) -> Iterator[str]:
    position, rule = 0, rule.strip()
    while position < len(rule):
        found = _TOKEN.match(rule, position)
        if found is None:
            raise RuleError(f"{rule[position:]!r} is not understood in rule {rule}")
        sign, name, raw, quoted = found.groups()
        # Values are told from names and signs by their first letter.
        yield sign or name or "'" + (raw if raw is not None else re.sub(r"\\(.)", r"\1", quoted))
        position = found.end()


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self.rest = tokens

    def _take(self, *wanted: str) -> str:
        if not self.rest or (wanted and self.rest[0] not in wanted):
            raise RuleError(f"{' or '.join(wanted) or 'more'} is expected{f' before {self.rest[0]!r}' if self.rest else ' at the end'}")
        return self.rest.pop(0)

    def alternatives(self) -> list[Matched]:
        found = self._all()
        while self.rest[:1] == ["||"]:
            self._take()
            found = [*found, *self._all()]
        return found

    def _all(self) -> list[Matched]:
        found = self._one()
        while self.rest[:1] == ["&&"]:
            self._take()
            found = [one.both(other) for other in self._one() for one in found]
        return found

    def _one(self) -> list[Matched]:
        if self.rest[:1] == ["!"]:
            self._take()
            self._one()
            return [Matched()]
        if self.rest[:1] == ["("]:
            self._take()
            inner = self.alternatives()
            self._take(")")
            return inner
        return self._matcher()

    def _matcher(self) -> list[Matched]:
        name, values = self._take().lower(), []
        self._take("(")
        while self.rest and self.rest[0] != ")":
            values.append(self._take()[1:])
            if self.rest[:1] == [","]:
                self._take()
        self._take(")")
        if name in _HOSTS:
            return [Matched(host="" if value == "*" else value.lower()) for value in values]
        if name in _PATHS:
            return [_path(name, value) for value in values]
        return [Matched()]


def _path(name: str, value: str) -> Matched:
    # Version 2 has patterns in braces instead of a matcher of their own.
    return Matched(path=value, path_type=REGEXP if "{" in value else _PATHS[name])
