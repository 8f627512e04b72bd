# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page of all coded findings. Each code is a heading, so that a finding's address leads to its explanation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .frame import imported
from .markdown import GENERATED, cell, section, table

INTRODUCTION = (
    "What the modules say about a cluster. A code is stable: it is never given another meaning, and a retired one is not used again.\n"
)


def page(kinds: Mapping[str, Any]) -> str:
    """A table to look through, and a section per code to link to."""
    ordered = [kinds[code] for code in sorted(kinds)]
    rows = [[f"[{kind.code}](#{kind.code.lower()})", kind.severity, cell(kind.title)] for kind in ordered]
    texts = {kind.code: f"**{kind.title}** ({kind.severity})\n\n{kind.meaning}\n\nWhat to do: {kind.remedy}" for kind in ordered}
    sections = [section(code, text) for code, text in texts.items()]
    return f"# Findings\n\n{GENERATED}\n{INTRODUCTION}\n{table(['Code', 'Severity', 'Title'], rows)}{''.join(sections)}"


def pages(root: Path) -> dict[str, str]:
    """The page, and nothing where findings.py is not there yet."""
    found = imported(root, "core.findings")
    if found is None:
        return {}
    return {"docs/findings.md": page(found.FINDINGS)}
