# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scope: namespaces by name, by label, or all."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.scope import Scope, named_scope, selected_scope

from tests.unit.plugins.module_utils.support.cluster import namespace


@pytest.mark.parametrize(
    ("names", "covered"), [(None, {"a", "b", "c"}), ("", {"a", "b", "c"}), ("a, b,", {"a", "b"}), ("x", set())]
)
def test_names(names: str | None, covered: set[str]) -> None:
    scope = named_scope(names)
    assert {name for name in ("a", "b", "c") if scope.covers(name)} == covered


@pytest.mark.parametrize(
    ("names", "selector", "covered"),
    [
        (None, "team=web", {"a"}), (None, "team!=web", {"b", "gone"}), ("b", "team=web", {"b"}), (None, "", {"a", "b", "gone"}),
        (None, "kubernetes.io/metadata.name=gone", {"gone"}),
    ],
)
def test_labels(names: str | None, selector: str, covered: set[str]) -> None:
    scope = selected_scope([namespace("a", team="web"), namespace("b")], names, selector)
    assert {name for name in ("a", "b", "gone") if scope.covers(name)} == covered


def test_everything_where_nothing_is_known() -> None:
    assert Scope().covers("any")
