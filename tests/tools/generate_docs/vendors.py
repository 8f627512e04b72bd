# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of load balancers: what each profile says of itself, and how that was proven."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .frame import imported
from .markdown import GENERATED, cell, table

INTRODUCTION = """Whatever the table says of a load balancer's own settings: `host_entry` and `headless_twin` need none, and serve every
load balancer beside which a sidecar is possible. How each cell was proven is in the last column: **measured in the lab** (the real
load balancer, the real mesh, the prediction compared with real requests), **validated against the vendor's schema** (what the plan
writes is checked against the vendor's published CustomResourceDefinitions), or **read in the vendor's source** (nothing was run).
"""
HEADINGS = ["Load balancer", "Id", "Routes", "Service routing", "Host", "As it comes", "A sidecar", "What is lost", "Proof"]


def page(profiles: Iterable[Any]) -> str:
    """One line per profile, in the order of their titles."""
    rows = [_row(profile.about) for profile in sorted(profiles, key=lambda item: str(item.about.title).lower())]
    return f"# Load balancers\n\n{GENERATED}\n{INTRODUCTION}\n{table(HEADINGS, rows)}"


def _row(about: Any) -> list[str]:
    facts = about.facts
    proof = facts.proof.value + (f" ({facts.versions})" if facts.versions else "")
    cells = [
        about.title, f"`{about.id}`", ", ".join(facts.routes), _both(facts.service_routing, facts.service_routing_global),
        _both(facts.host, facts.host_global), facts.default, about.forbids_injection or about.outside or "possible",
        "; ".join(text for text in (facts.loses, facts.remark) if text) or "-", proof,
    ]
    return [cell(text) for text in cells]


def _both(one: str, everywhere: str) -> str:
    return "; ".join(text for text in (one, f"for all: {everywhere}" if everywhere else "") if text) or "none"


def pages(root: Path) -> dict[str, str]:
    """The page, and nothing where the registry is not there yet."""
    found = imported(root, "balancers.registry")
    if found is None:
        return {}
    profiles = found.PROFILES
    usual = type(profiles[0].about.facts)()
    # Platforms, whose facts are all left as they are, have a page of their own.
    return {"docs/vendors.md": page(item for item in profiles if item.about.facts != usual)}
