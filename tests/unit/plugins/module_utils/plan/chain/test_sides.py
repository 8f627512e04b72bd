# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Service that is there already keeps when a load balancer needs something of it."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.chain import ServiceNeeds
from ansible_collections.meshlb.istio.plugins.module_utils.plan.chain.sides import _service_patches
from ansible_collections.meshlb.istio.plugins.module_utils.plan.chain.target import GatewayState, GatewayTarget

from tests.unit.plugins.module_utils.support.cluster import port, service

KEY = "example.com/neg"
TARGET = GatewayTarget("gw", "edge")


@pytest.mark.parametrize(("present", "wanted", "written", "conflicts"), [
    (None, "x", "x", 0),
    ("x", "x", None, 0),
    ("y", "x", None, 1),
    ('{"a": true}', '{"a": true}', None, 0),
    ('{"a":true}', '{"a": true}', None, 0),
    ('{"a": true}', '{"b": {"80": {}}}', '{"a": true, "b": {"80": {}}}', 0),
    ('{"a": true, "b": 1}', '{"b": 1}', None, 0),
    ('{"a": false}', '{"a": true}', None, 1),
    ('["a"]', '{"a": true}', None, 1),
])  # fmt: skip
def test_annotations(present: str | None, wanted: str, written: str | None, conflicts: int) -> None:
    there = service("gw", port("http2", 80), where="edge", annotations={KEY: present} if present else None)
    patches, findings = _service_patches(GatewayState(TARGET, there), ServiceNeeds(annotations=((KEY, wanted),)))
    assert [item.value for item in patches] == ([written] if written else [])
    assert [item.code for item in findings] == ["MLB609"] * conflicts
