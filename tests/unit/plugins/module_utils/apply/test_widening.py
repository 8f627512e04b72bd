# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway answers what the load balancer still sends it, until it was led away."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.apply.widening import widened
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Change
from ansible_collections.meshlb.istio.plugins.module_utils.kube.objects import dig

from tests.unit.plugins.module_utils.plan.chain.kit import GATEWAYS, Chain, chain, kubernetes, world
from tests.unit.plugins.module_utils.support.cluster import APPS, backend, ingress, path

ONE, OTHER = "one.example.com", "other.example.com"
ROUTES = (
    ingress("one", path(backend("shop")), host=ONE),
    ingress("other", path(backend("cart")), host=OTHER),
)
OWN: dict[str, dict[str, Any]] = {"istio": {}, "gateway_api": kubernetes()}


def gateway_changes(done: Chain) -> list[Change]:
    return [item for item in done.changes if item.object.kind == "Gateway"]


def test_a_host_leaves_the_gateway_after_the_load_balancer_was_led_away() -> None:
    both = chain(world(*ROUTES))
    less = chain(both.after, state="absent", hosts=[OTHER])
    assert [item for item in less.written if "Gateway" in item or "Ingress apps/other" in item] == [
        f"2 patch Ingress {APPS}/other", f"3 patch Gateway {GATEWAYS}/meshlb",
    ]  # fmt: skip
    found = less.after.get("Gateway.networking.istio.io", GATEWAYS, "meshlb")
    assert dig(found, "spec", "servers") == [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": [ONE]}]


def test_a_host_joins_before_another_leaves() -> None:
    first = chain(world(*ROUTES), hosts=[ONE])
    second = chain(first.after, hosts=[OTHER], allow_regressions=True)
    early, late = gateway_changes(second)
    assert (early.phase, late.phase) == (0, 3)
    hosts = [item.after for change in (early, late) for item in change.fields if item.path[0] == "spec"]
    assert [sorted(item[0]["hosts"] if isinstance(item, list) and isinstance(item[0], dict) else item) for item in hosts] == [
        sorted([ONE, OTHER]), [OTHER],
    ]  # fmt: skip
    assert chain(second.after, hosts=[OTHER]).written == []


@pytest.mark.parametrize("api", OWN)
def test_nothing_is_written_twice_where_nothing_leaves(api: str) -> None:
    first = chain(world(*ROUTES), hosts=[ONE], gateway=OWN[api])
    second = chain(first.after, gateway=OWN[api])
    assert [item.phase for item in gateway_changes(second)] in ([0], [])


def test_ports_listeners_and_namespaces_stay_as_well() -> None:
    def server(number: int, *hosts: str) -> dict[str, Any]:
        return {"port": {"number": number}, "hosts": list(hosts)}

    def listener(name: str, *namespaces: str) -> dict[str, Any]:
        chosen = {"matchExpressions": [{"key": "name", "operator": "In", "values": list(namespaces)}]}
        return {"name": name, "allowedRoutes": {"namespaces": {"from": "Selector", "selector": chosen}}}

    def gateway(**spec: Any) -> dict[str, Any]:
        return {"kind": "Gateway", "spec": spec}

    found = widened(gateway(servers=[server(80, "a"), server(81, "b")]), gateway(servers=[server(443, "c"), server(80, "*")]))
    assert found["spec"]["servers"] == [server(443, "c"), server(80, "*"), server(81, "b")]
    found = widened(gateway(listeners=[listener("http", "x", "y")]), gateway(listeners=[listener("http", "y", "z")]))
    assert found["spec"]["listeners"] == [listener("http", "y", "z", "x")]
    other = {"kind": "VirtualService", "spec": {"hosts": ["a"]}}
    assert widened({"kind": "VirtualService", "spec": {"hosts": ["b"]}}, other) == other
