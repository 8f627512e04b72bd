# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page with the table is of a real run, and of a whole one."""

from __future__ import annotations

import re

from tests.integration.support.cluster import ROOT
from tests.integration.support.matrix import MODES, STRATEGIES, kinds


def test_page_is_of_a_whole_run() -> None:
    """It holds every row and every kind, and every prediction in it was met."""
    page = (ROOT / "docs" / "measured.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (PERMISSIVE|STRICT) \| ([a-z_ ]+) \|", page, re.MULTILINE)
    assert sorted(rows) == sorted((mode, stage) for mode in MODES for stage in ("no sidecar", "sidecar", *STRATEGIES))
    assert f"| mode | strategy | {' | '.join(kinds())} |" in page
    assert "**predicted" not in page
