# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""A page per role, out of its argument specs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from .markdown import GENERATED, option_rows, paragraphs, section, table


def page(role: str, specs: Mapping[str, Any]) -> str:
    """One role's page: a section per entry point, `main` first."""
    entries = sorted((specs.get("argument_specs") or {}).items(), key=lambda item: (item[0] != "main", item[0]))
    parts = [f"# meshlb.istio.{role}\n\n{GENERATED}"]
    for name, entry in entries:
        rows = table(["Variable", "Type", "Meaning"], option_rows(entry.get("options") or {}))
        text = [*paragraphs(entry.get("short_description")), *paragraphs(entry.get("description"))]
        parts.append(section(f"Entry point `{name}`", "\n\n".join([*text, rows or "It takes no variables."])))
    return "".join(parts)


def pages(root: Path) -> dict[str, str]:
    """The pages of all roles, and nothing where there are none yet."""
    found = {}
    for path in sorted((root / "roles").glob("*/meta/argument_specs.yml")):
        role = path.parts[-3]
        found[f"docs/roles/{role}.md"] = page(role, yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    return found
