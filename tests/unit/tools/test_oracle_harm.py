# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a plan does to others."""

from __future__ import annotations

import pytest

from tests.oracle.harm import worse
from tests.oracle.judge import Judgement, Step


def met(verdict: str, *ends: str) -> Judgement:
    return Judgement(verdict, tuple(Step(verdict, "why", to=end) for end in ends))


@pytest.mark.parametrize(
    ("old", "new", "harmed"),
    [
        (met("plaintext", "10.0.1.1:8080"), met("mutual_tls", "10.0.1.1:8080"), False),
        (met("plaintext", "10.0.1.1:8080"), met("plaintext", "10.0.1.1:8080"), False),
        (met("mutual_tls", "10.0.1.1:8080"), met("plaintext", "10.0.1.1:8080"), True),
        (met("plaintext", "10.0.1.1:8080"), met("refused", ""), True),
        (met("refused", ""), met("plaintext", "10.0.1.1:8080"), False),
        (met("refused", "10.0.1.1:8080"), met("refused", ""), False),
        (met("plaintext", "10.0.1.1:8080", "10.0.1.2:8080"), met("plaintext", "10.0.1.1:8080"), True),
        (met("plaintext", "10.0.1.1:8080"), met("unknown", "10.0.1.1:8080"), False),
    ],
)
def test_worse(old: Judgement, new: Judgement, harmed: bool) -> None:
    assert bool(worse(old, new)) == harmed
