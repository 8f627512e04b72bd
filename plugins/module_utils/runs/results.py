# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run tells: values, and the JSON that a module returns for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.model import Change, Finding, change_sides
from ..core.printable import one_line

Result = dict[str, Any]
UNFINISHED = frozenset({"MLB407", "MLB408", "MLB409"})
"""Findings that say what a run left undone."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What every run that may write tells. ``files`` is ``None`` where none were asked for."""

    changed: bool
    changes: Sequence[Change]
    findings: Sequence[Finding]
    files: Sequence[str] | None = None
    plan_digest: str = ""
    cluster: Result = field(default_factory=dict)

    @property
    def left_out(self) -> int:
        """How many parts of the plan were left out."""
        return sum(1 for item in set(self.findings) if item.code == "MLB223")

    @property
    def unfinished(self) -> int:
        """How much was left undone, as nobody can see what it needs: then the module fails, after all else was done."""
        return sum(1 for item in set(self.findings) if item.code in UNFINISHED)

    def own(self) -> Result:
        """What this module tells besides."""
        return {}

    def to_result(self, diff: bool) -> Result:
        return {
            "changed": self.changed,
            "changes": [item.to_result() for item in self.changes],
            "findings": findings_result(self.findings),
            **({"plan_digest": self.plan_digest, "left_out": self.left_out, "unfinished": self.unfinished} if self.plan_digest else {}),
            **({} if self.files is None else {"files": list(self.files)}),
            **cluster_result(self.cluster),
            **self.own(),
            **({"diff": [_diff(item) for item in self.changes]} if diff else {}),
        }


def cluster_result(cluster: Result) -> Result:
    """Which API server was used, where one was."""
    return {"cluster": dict(cluster)} if cluster else {}


def findings_result(findings: Iterable[Finding]) -> list[Result]:
    """Findings in order, each once."""
    ordered = sorted(set(findings), key=lambda item: (item.code, str(item.object or ""), item.message))
    return [item.to_result() for item in ordered]


def _diff(change: Change) -> Result:
    before, after = change_sides(change)
    title = str(change.object)
    return {"before_header": title, "after_header": f"{title} ({change.why})", "before": before or "", "after": after or ""}


def left_undone(result: Result) -> Result:
    """What a module fails with where something was left undone: ``{msg, hint, object, details}``, empty where nothing was."""
    found = [item for item in result.get("findings", ()) if item["code"] in UNFINISHED]
    if not result.get("unfinished") or not found:
        return {}
    first, more = found[0], f" Findings have {len(found) - 1} more like it." if len(found) > 1 else ""
    message = f"Everything else was done, but not this: {first['message']}{more} {first['remedy']}"
    return {"msg": one_line(message), "hint": one_line(first["remedy"]), "object": first["object"] or {}, "details": {"unfinished": found}}
