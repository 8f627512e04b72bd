# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Targets of switches, grouped by the object that holds their settings."""

from __future__ import annotations

from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.patches import PatchTarget, by_object
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Backend, ObjectRef, Route


def target(name: str, path: str) -> PatchTarget:
    ref = ObjectRef("x/v1", "Thing", "apps", name)
    return PatchTarget(Route(("edge", "lb"), ref, "", path, "Prefix", Backend("apps", "shop", 80, "", "http")), {"name": name}, {})


def test_targets_are_grouped_whatever_their_order() -> None:
    grouped = [(obj["name"], [item.route.path for item in listed]) for obj, listed in by_object([
        target("b", "/1"), target("a", "/2"), target("b", "/3"),
    ])]  # fmt: skip
    assert grouped == [("a", ["/2"]), ("b", ["/1", "/3"])]
    assert list(by_object([])) == []
