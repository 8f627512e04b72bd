# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan's digest, by which a plan that somebody approved is told from any other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from ..core.errors import MeshlbError
from ..core.model import Change, change_sides
from ..core.printable import listed
from .options.common import CommonOptions

_SHOWN = 20


def plan_digest(changes: Iterable[Change], inputs: Iterable[Any]) -> str:
    """A hash over changes, with the values that they replace, and over what they were made from (values as results show them).

    Sentences and versions of objects are left out: a plan stays the same when a status changes, or a reason is worded otherwise.
    """
    written = [[item.phase, item.action, item.object.to_result(), *change_sides(item)] for item in changes]
    # What a deletion removes may hold a status, so of that only the name counts.
    written = [[*item[:3], None, None] if item[1] == "delete" else item for item in written]
    text = json.dumps([written, list(inputs)], sort_keys=True, separators=(",", ":"), default=str)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def agreed(options: CommonOptions, changes: Sequence[Change], inputs: Iterable[Any]) -> str:
    """The digest of a plan. Raises :class:`MeshlbError` where another plan was expected."""
    found, expected = plan_digest(changes, inputs), options.expected_plan_digest.strip()
    if not expected or expected == found:
        return found
    planned = [f"{item.action} {item.object}" for item in changes]
    raise MeshlbError(
        f"The plan is not the one that was expected ({expected}): it is {found}. Nothing was written. The plan now has "
        f"{len(planned)} changes: {listed(planned, _SHOWN) or 'none'}.",
        "Look at the plan in check mode, and give its plan_digest if it is right.",
        details={
            "plan_digest": found, "expected_plan_digest": expected, "changes": [item.to_result() for item in changes],
        },
    )


def route_input(route: dict[str, Any]) -> dict[str, Any]:
    """What counts of a route as a result shows it: all but sentences."""
    return {key: _without_sentences(value) for key, value in route.items()}


def _without_sentences(value: Any) -> Any:
    return {key: item for key, item in value.items() if key != "why"} if isinstance(value, dict) else value
