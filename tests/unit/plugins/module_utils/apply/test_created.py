# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects that the collection creates, updates and never takes from others."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.apply import ownership
from ansible_collections.meshlb.istio.plugins.module_utils.core import marks
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import ABSENT, Change
from ansible_collections.meshlb.istio.plugins.module_utils.kube.fields import patched

from tests.unit.plugins.module_utils.support.parts import free

Obj = dict[str, Any]
PART = "service_routing"
OWN = free(PART)
LB = ("edge/proxy",)


def service(**spec: Any) -> Obj:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "twin", "namespace": "web"}, "spec": spec}


def made(body: Obj, existing: Obj | None = None, **options: Any) -> Obj:
    change, findings = ownership.create(existing, body, OWN, LB, "why", **options)
    assert change is not None
    assert change.body is not None
    assert findings == []
    return change.body


def test_a_created_object_says_whose_it_is() -> None:
    body = made({**service(clusterIP="None"), "metadata": {"name": "twin", "namespace": "web", "labels": {"x": "y"}}})
    assert body["metadata"]["labels"] == {"x": "y", "app.kubernetes.io/managed-by": "meshlb.istio"}
    assert body["metadata"]["annotations"][marks.PART] == PART
    assert body["metadata"]["annotations"][marks.LOAD_BALANCERS] == "edge/proxy"


def defaulted(body: Obj) -> Obj:
    ports = [{"protocol": "TCP", **item} for item in body["spec"].get("ports", [])]
    metadata = {**body["metadata"], "uid": "u", "resourceVersion": "9"}
    return {**body, "metadata": metadata, "spec": {**body["spec"], "ports": ports, "type": "ClusterIP"}}


def test_the_servers_defaults_are_no_difference() -> None:
    body = service(selector={"a": "1"}, ports=[{"port": 80}])
    assert ownership.create(defaulted(made(body)), body, OWN, LB, "why") == (None, [])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (service(selector={"b": "2"}, ports=[{"port": 80}]), {"selector": {"b": "2"}, "ports": [{"port": 80, "protocol": "TCP"}]}),
        (service(selector={"a": "1"}, ports=[{"port": 81}]), {"selector": {"a": "1"}, "ports": [{"port": 81, "protocol": "TCP"}]}),
        (service(selector={"a": "1"}), {"selector": {"a": "1"}, "ports": ABSENT}),
    ],
)
def test_an_update_drops_what_we_no_longer_want_and_keeps_defaults(body: Obj, expected: Obj) -> None:
    live = defaulted(made(service(selector={"a": "1"}, ports=[{"port": 80}])))
    change, dummy = ownership.create(live, body, OWN, LB, "why")
    assert change is not None
    assert (change.action, change.resource_version) == ("patch", "9")
    result = patched(live, change)
    assert {key: result["spec"].get(key, ABSENT) for key in expected} == expected
    assert result["spec"]["type"] == "ClusterIP"
    assert ownership.create(result, body, OWN, LB, "why") == (None, [])


def test_drift_of_a_created_object_is_repaired() -> None:
    body = service(selector={"a": "1"})
    live = made(body)
    changed = ownership.put(live, ("spec", "selector", "a"), "9")
    assert patched(changed, _change(ownership.create(changed, body, OWN, LB, "why"))) == live


def _change(result: tuple[Change | None, list[Any]]) -> Change:
    assert result[0] is not None
    return result[0]


@pytest.mark.parametrize("existing", [service(), made(service()) | {"spec": {"x": 1}}])
def test_anothers_object_is_not_touched(existing: Obj) -> None:
    change, findings = ownership.create(existing, service(clusterIP="None"), free("another_part"), LB, "why")
    assert change is None
    assert [item.code for item in findings] == ["MLB402"]
