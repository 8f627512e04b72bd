# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page about chained mode under load is of whole runs, and says that nothing was lost."""

from __future__ import annotations

from pathlib import Path

from tests.integration.chained.fronts import FRONTS
from tests.integration.chained.page import APIS, HOST_BY_HOST, THERE_AND_BACK, Row, read

PAGE = Path(__file__).parents[3] / "docs" / "chained.md"
OF_RULES = "traefik_rules"


def test_every_load_balancer_of_the_lab_is_there_and_lost_nothing() -> None:
    rows = read(PAGE.read_text(encoding="utf-8"))
    wanted = [(front, api, what) for front in FRONTS for api in APIS for what in (THERE_AND_BACK, HOST_BY_HOST)]
    wanted += [(OF_RULES, api, HOST_BY_HOST) for api in APIS]
    assert [(row.front, row.api, row.what) for row in rows] == sorted(wanted)
    assert [row for row in rows if row.lost or row.requests < 200] == []


def test_a_row_is_read_as_it_was_written() -> None:
    row = Row("contour", "gateway_api", HOST_BY_HOST, 1, 2, 3, 4)
    assert read(f"text\n{row}\n") == [row]
