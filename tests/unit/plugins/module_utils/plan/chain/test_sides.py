# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Service that is there already keeps when a load balancer needs something of it."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.chain import ClientAddress, ServiceNeeds
from ansible_collections.meshlb.istio.plugins.module_utils.plan.chain.client import wanted_annotation
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


@pytest.mark.parametrize(("present", "conflict"), [
    ("gatewayTopology: {numTrustedProxies: 1}", ""), ('gatewayTopology: {numTrustedProxies: "1"}', ""),
    ("gatewayTopology: {numTrustedProxies: 2}", "numTrustedProxies is 2"), ("gatewayTopology: [1]", "gatewayTopology is a list"),
    ("gatewayTopology: {numTrustedProxies: x}", "is x"), ("gatewayTopology: {numTrustedProxies: {}}", "is a map"),
    ("proxyMetadata: x", "proxyMetadata is the text"), ("proxyMetadata: {A: [1]}", "is a list"), ("a: [", "no YAML map"),
    ("a: 1\na: 1", "no YAML map"), ("[" * 100_000, "no YAML map"), ("a: " + "[" * 500 + "]" * 500, "no YAML map"),
    ("a: .inf", "no YAML map"),
])  # fmt: skip
def test_a_gateways_own_settings(present: str, conflict: str) -> None:
    value, findings = wanted_annotation({}, None, present, ClientAddress("x_forwarded_for", trusted_hops=1), {})
    assert value is None
    assert [(item.code, conflict in item.message) for item in findings] == ([("MLB609", True)] if conflict else [])


@pytest.mark.parametrize("present", ["[" * 100_000, '{"a": ' + "9" * 5000 + "}"])
def test_an_annotation_that_is_too_deep_or_too_large_conflicts(present: str) -> None:
    there = service("gw", port("http2", 80), where="edge", annotations={KEY: present})
    patches, findings = _service_patches(GatewayState(TARGET, there), ServiceNeeds(annotations=((KEY, '{"a": true}'),)))
    assert not patches and [item.code for item in findings] == ["MLB609"]
