# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page of all coded findings. Each code is a heading, so that a finding's address leads to its explanation."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.tools.stage_collection import stage

from .markdown import GENERATED, cell, section, table

MODULE = "ansible_collections.meshlb.istio.plugins.module_utils.core.findings"
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
    if not (root / "plugins" / "module_utils" / "core" / "findings.py").is_file():
        return {}
    tree = str(stage("link", root))
    if tree not in sys.path:
        sys.path.insert(0, tree)
    return {"docs/findings.md": page(importlib.import_module(MODULE).FINDINGS)}
