# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a code of the catalogue is."""

from __future__ import annotations

from dataclasses import dataclass

from .values import Severity


@dataclass(frozen=True)
class FindingKind:
    """What a code means. ``title`` is a headline, ``meaning`` and ``remedy`` are a sentence each."""

    code: str
    severity: Severity
    title: str
    meaning: str
    remedy: str
