# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of attacks and accidents share.

Only where MESHLB_CHAOS is set, because they take their time: ``1`` for all, ``few`` for one of each kind.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CHOSEN = os.environ.get("MESHLB_CHAOS", "")
collect_ignore = [] if CHOSEN else [path.name for path in Path(__file__).parent.glob("test_*.py")]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Only what is marked as a sample, where few were asked for."""
    if CHOSEN != "few":
        return
    here = str(Path(__file__).parent)
    left_out = [item for item in items if str(item.path).startswith(here) and item.get_closest_marker("sample") is None]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
