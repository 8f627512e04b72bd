# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""A page per module, out of its DOCUMENTATION, EXAMPLES and RETURN, with the shared fragments filled in by Ansible."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.tools.stage_collection import stage

from .markdown import GENERATED, bullets, option_rows, paragraphs, return_rows, section, table

COLLECTION = "meshlb.istio"


def _documents(root: Path, names: list[str]) -> dict[str, Any]:
    """What ansible-doc says of the modules; it resolves the fragments that they share."""
    command = ["ansible-doc", "--json", "--type", "module", *(f"{COLLECTION}.{name}" for name in names)]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(stage("link", root))}
    result = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    documents: dict[str, Any] = json.loads(result.stdout)
    return documents


def page(name: str, document: Mapping[str, Any]) -> str:
    """One module's page."""
    doc = document["doc"]
    attributes = [
        [f"`{attribute}`", str(value.get("support", "")), " ".join(paragraphs(value.get("description")))]
        for attribute, value in sorted((doc.get("attributes") or {}).items())
    ]
    examples = (document.get("examples") or "").strip()
    return "".join(
        [
            f"# {name}\n\n{GENERATED}\n{' '.join(paragraphs(doc['short_description']))}.\n",
            section("Synopsis", "\n\n".join(paragraphs(doc.get("description")))),
            section("Requirements", bullets(paragraphs(doc.get("requirements")))),
            section("Options", table(["Option", "Type", "Meaning"], option_rows(doc.get("options") or {}))),
            section("Attributes", table(["Attribute", "Support", "Meaning"], attributes)),
            section("Notes", bullets(paragraphs(doc.get("notes")))),
            section("Examples", f"```yaml\n{examples}\n```" if examples else ""),
            section("Returns", table(["Value", "Type and when", "Meaning"], return_rows(document.get("return") or {}))),
        ]
    )


def pages(root: Path) -> dict[str, str]:
    """The pages of all modules, and nothing where there are none yet."""
    names = sorted(path.stem for path in (root / "plugins" / "modules").glob("*.py") if path.stem != "__init__")
    if not names:
        return {}
    documents = _documents(root, names)
    return {f"docs/modules/{name}.md": page(f"{COLLECTION}.{name}", documents[f"{COLLECTION}.{name}"]) for name in names}
