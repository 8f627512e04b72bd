# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The list of faults that are put in on purpose fits the code."""

from __future__ import annotations

import pytest

from tests.oracle.mutations import LEAST, MUTATIONS, Mutation
from tests.tools.stage_collection import ROOT


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda item: item.name)
def test_each_is_one_place(mutation: Mutation) -> None:
    """Where the code has changed, find a place in it that says the same, or another fault of that kind."""
    text = (ROOT / "plugins" / "module_utils" / mutation.file).read_text()
    assert text.count(mutation.old) == 1
    assert mutation.new != mutation.old
    assert "\n" not in mutation.old + mutation.new
    compile(text.replace(mutation.old, mutation.new), mutation.file, "exec")


def test_there_are_twenty() -> None:
    assert len({item.name for item in MUTATIONS}) == len({(item.file, item.old) for item in MUTATIONS}) == 20
    assert LEAST == 18
