# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a coded finding is made, and what its details are called. ``core/catalogue.py`` lists the codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .catalogue import CATALOGUE, FindingKind
from .model import Finding, ObjectRef, Route
from .values import details_of

__all__ = ["DOCUMENTATION_URL", "FINDINGS", "FindingKind", "finding", "request_details", "route_details", "value_conflict", "value_details"]

DOCUMENTATION_URL = "https://github.com/meshlb/istio/blob/main/docs/findings.md"
FINDINGS: dict[str, FindingKind] = {kind.code: kind for kind in CATALOGUE}


def finding(
    code: str, message: str, object: ObjectRef | None = None, *,
    cause: ObjectRef | None = None, remedy: str = "", details: Mapping[str, Any] | None = None,
) -> Finding:
    """Make a finding of a known code; ``message`` says what was found in this very case.

    ``details`` repeats for machines what the message says, and no more: findings with equal messages count as one.
    """
    kind = FINDINGS[code]
    return Finding(
        code, kind.severity, message, object, f"{DOCUMENTATION_URL}#{code.lower()}",
        cause if cause != object else None, remedy or kind.remedy, details_of(details or {}),
    )


def value_conflict(object: ObjectRef, field: str, found: Any, needed: Any, who: str = "the plan") -> Finding:
    """Finding MLB203: a value that somebody set on purpose conflicts with the one that is needed."""
    return finding("MLB203", f"{field} is {found!r}, {who} needs {needed!r}", object, details=value_details(field, found, needed))


def request_details(route: Route, **more: Any) -> dict[str, Any]:
    """Details of a finding about the requests that a route takes."""
    return {"host": route.host, "path": route.path, **more}


def route_details(route: Route, **more: Any) -> dict[str, Any]:
    """Details of a finding about a route and its backend, in the form that routes have in results."""
    return request_details(route, backend=route.backend, **more)


def value_details(field: str, found: Any, needed: Any) -> dict[str, Any]:
    """Details of a finding about a field (or an option) that has one value and needs another."""
    return {"field": field, "found": found, "needed": needed}
