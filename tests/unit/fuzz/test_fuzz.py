# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Some of the clusters of ``make fuzz``, by a fixed seed."""

from __future__ import annotations

from tests.fuzz.__main__ import fuzz


def test_mutated_clusters_end_no_module_in_a_traceback() -> None:
    report = fuzz(range(300), seed=20240229)
    assert not report.broken and not report.slow, str(report)
    assert not report.unforeseen, str(report)
