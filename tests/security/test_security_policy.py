# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each promise of SECURITY.md names checks that exist."""

from __future__ import annotations

import re
from pathlib import Path

from tests.security.kit.core import CHECKS, load_checks

load_checks()
POLICY = Path(__file__).resolve().parents[2] / "SECURITY.md"


def test_promises_name_checks_that_exist() -> None:
    named = set(re.findall(r"\b[CGHM]\d*(?:-[a-z0-9]+)+\b|\b[CHM]\d+\b", POLICY.read_text(encoding="utf-8")))
    known = {check.name for check in CHECKS}
    assert len(named) > 20
    assert named <= known | {name.partition("-")[0] for name in known}


def test_every_kind_of_attack_is_in_the_policy() -> None:
    families = {check.name.partition("-")[0] for check in CHECKS} - {"G", "M4", "M5", "M9", "M12", "M13"}
    text = POLICY.read_text(encoding="utf-8")
    assert not [family for family in families if not re.search(rf"\b{family}\b", text)]
