# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test of rights that nothing uses runs last: by then the other tests have had the code write whatever it can."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.plugins.module_utils.support import written

HERE = Path(__file__).resolve().parent
LAST = "test_every_right_to_write_is_used"

written.watch()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.name == LAST)
    there = {item.path for item in items}
    written.COMPLETE.append(all(path in there for path in (HERE / "plugins" / "module_utils").rglob("test_*.py")))
