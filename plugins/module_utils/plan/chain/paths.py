# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths of a host as the gateway has to tell them apart, in Istio's words and in those of the Gateway API.

The gateway gets a request after the load balancer matched it, and has to come to the same backend again. Both APIs are told the
same thing; where they lack a word for it, a regular expression says it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ...core.model import Backend

PathKind = Literal["exact", "prefix", "begins", "any"]
_OWN_TYPES = ("ImplementationSpecific", "PathPrefix")
_SIGNS = frozenset("*^$()[]{}|+?%\\~")
# Of one length, so that regular expressions of paths sort as the paths themselves do.
_ELEMENTS, _ANYTHING = "(/.*)?", "(?:.*)"


@dataclass(frozen=True)
class PathRule:
    """One path and its backend. ``prefix`` goes by whole elements (as Kubernetes' Prefix does), ``begins`` by characters."""

    kind: PathKind
    path: str
    backend: Backend

    @property
    def rank(self) -> tuple[Any, ...]:
        """Most specific first."""
        return (self.kind != "exact", self.kind == "any", -len(self.path.rstrip("/")), self.path)


def path_rule(path_type: str, path: str, *, begins_with: bool) -> tuple[PathKind, str] | None:
    """What a route's path means, and the path without the load balancer's own signs; ``None`` where the gateway cannot say it.

    ``begins_with``: a path of a type that is the load balancer's own takes every path that begins so.
    """
    if path_type == "Exact":
        return "exact", path
    if path_type not in ("Prefix", *_OWN_TYPES) or not path.startswith("/"):
        return None
    if path_type in _OWN_TYPES and path.endswith("/*") and not begins_with:
        path, begins_with = path[:-1], True
    if path_type in _OWN_TYPES and set(path) & _SIGNS:
        return None
    if path == "/":
        return "any", path
    return ("begins" if path_type in _OWN_TYPES and begins_with else "prefix"), path


def in_order(rules: Iterable[PathRule]) -> list[PathRule]:
    """Each rule once, the most specific first."""
    return sorted(dict.fromkeys(rules), key=lambda item: item.rank)


def istio_matches(rule: PathRule) -> list[dict[str, Any]]:
    """The ``match`` of a VirtualService's rule: entries of which one is enough; none for any path."""
    if rule.kind == "exact":
        return [{"uri": {"exact": rule.path}}]
    if rule.kind == "begins":
        return [{"uri": {"prefix": rule.path}}]
    if rule.kind == "any":
        return []
    stem = rule.path.rstrip("/")
    return [{"uri": {"exact": stem}}, {"uri": {"prefix": f"{stem}/"}}]


def needs_expressions(rules: Sequence[PathRule]) -> bool:
    """Whether the Gateway API has no word for some path of a host.

    Istio sorts every regular expression behind every prefix, so then all prefixes of the host become expressions.
    """
    return any(rule.kind == "begins" for rule in rules)


def gateway_match(rule: PathRule, *, expressions: bool) -> dict[str, Any]:
    """The ``path`` of an HTTPRoute's match."""
    if rule.kind == "exact":
        return {"type": "Exact", "value": rule.path}
    if not expressions:
        return {"type": "PathPrefix", "value": rule.path}
    if rule.kind == "prefix":
        return {"type": "RegularExpression", "value": re.escape(rule.path.rstrip("/")) + _ELEMENTS}
    return {"type": "RegularExpression", "value": re.escape(rule.path) + _ANYTHING}
