# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole run of lb_info on manifests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.runs.info import run_info
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.common import CommonOptions
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.info import InfoOptions

from tests.unit.plugins.module_utils.support.cluster import EDGE, Obj, backend, edge, ingress, obj, path, service


@pytest.fixture
def manifests(tmp_path: Path) -> CommonOptions:
    objects: list[Obj] = [*edge(), service("shop"), ingress("shop", path(backend("shop")))]
    (tmp_path / "all.json").write_text(json.dumps(obj("v1", "List", "", "all", items=objects)))
    return CommonOptions(manifests=(str(tmp_path),))


def test_load_balancers_come_with_their_routes(manifests: CommonOptions) -> None:
    result = run_info(InfoOptions(manifests)).to_result(diff=True)
    assert set(result) == {"changed", "load_balancers", "mesh", "findings"} and result["changed"] is False
    (found,) = result["load_balancers"]
    assert (found["namespace"], found["name"], found["vendor"]) == (EDGE, "lb", "ingress_nginx")
    assert [route["object"]["name"] for route in found["routes"]] == ["shop"]


def test_only_namespaces_that_are_named_are_shown(manifests: CommonOptions) -> None:
    assert run_info(InfoOptions(manifests, ("other",))).load_balancers == []
    assert [item.name for item in run_info(InfoOptions(manifests, (EDGE,))).load_balancers] == ["lb"]
