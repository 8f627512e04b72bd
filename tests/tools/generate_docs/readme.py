# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one number in the README that the code knows: how many load balancers the table has."""

from __future__ import annotations

import re
from pathlib import Path

from . import vendors

COUNT = re.compile(r"(?<=It knows \[)\d+(?= load balancers\])")


def with_count(text: str, table: str) -> str:
    """The README's text with the number of rows that the table of load balancers has, without its heading and the line below that."""
    rows = sum(line.startswith("| ") for line in table.splitlines()) - 2
    return COUNT.sub(str(rows), text)


def pages(root: Path) -> dict[str, str]:
    """The README, as it is where there is no table."""
    readme, table = root / "README.md", vendors.pages(root).get("docs/vendors.md", "")
    if not readme.is_file():
        return {}
    text = readme.read_text(encoding="utf-8")
    return {"README.md": with_count(text, table) if table else text}
