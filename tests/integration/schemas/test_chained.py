# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Chained mode of load balancers that cannot run on the lab: their routes, led to a real Istio gateway as far as objects go.

What is planned is written on a real API server with the rights of docs/rbac alone, is strictly valid by the vendors' schemas, is read back
and taken back. No request is sent, as nothing of the vendor's runs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.integration.support.cluster import wait_for
from tests.integration.support.objects import differences
from tests.integration.support.scenes import NAMESPACE, Scene, host, obj
from tests.integration.support.unrunnable import F5, F5_NGINX, HAPROXYTECH, KONG_GATEWAY, f5_upstream

from .stage import Stage, is_stored, named, short

GATEWAY = {"name": "schemas-chain", "namespace": NAMESPACE, "api": "gateway_api", "create": True}
TLS = {"mode": "simple", "credential_name": "own"}
# A VirtualServer of which every route can be led; that of the scene has splits, which a gateway cannot see.
WHOLE = obj(F5, "VirtualServer", "f5-whole", spec={
    "host": host("f5-whole"), "ingressClassName": "f5", "upstreams": [f5_upstream("echo-http"), f5_upstream("echo-b")],
    "routes": [{"path": "/", "action": {"pass": "echo-http"}}, {"path": "/b", "action": {"pass": "echo-b"}}],
})  # fmt: skip
# Per vendor the objects that are led; the others (splits, streams) stay.
LED: dict[str, tuple[Scene, tuple[str, ...]]] = {
    "f5_nginx": (
        replace(F5_NGINX, objects=(*F5_NGINX.objects, WHOLE)),
        ("Ingress/f5-ingress", "VirtualServer/f5-whole", "VirtualServerRoute/f5-sub"),
    ),
    "kong": (KONG_GATEWAY, ("HTTPRoute/kong-route", "Ingress/kong-ingress")),
    "haproxytech": (HAPROXYTECH, ("Ingress/tech-ingress",)),
}  # fmt: skip


@pytest.mark.parametrize("stage", [scene for scene, dummy in LED.values()], indirect=True, scope="module", ids=LED)
@pytest.mark.parametrize("tls", [{}, TLS], ids=["plain", "tls"])
def test_its_routes_are_led_to_a_gateway_and_back(stage: Stage, tls: dict[str, Any]) -> None:
    before = stage.record()
    # Nobody would answer on the load balancer's side, and the gateway has no certificate.
    asked = {"load_balancer": stage.scene.place, "gateway": {**GATEWAY, **({"tls": tls} if tls else {})}, "wait": False}
    result = stage.run("chained_gateway", hosts="from_load_balancer", **asked)
    after, written = stage.record(), []
    for change in result["changes"]:
        key = named(change)
        assert is_stored(after[key], change["after"]), (key, change["after"], after[key])
        if change["action"] == "patch":
            written.append(short(change))
    assert tuple(sorted(written)) == LED[stage.scene.vendor][1]
    stage.strictly_valid()
    assert not stage.run("chained_gateway", hosts="from_load_balancer", **asked)["changes"]
    stage.run("chained_gateway", state="absent", drain=0, **asked)
    wait_for(lambda: not differences(before, stage.record()), "every object to be as it was")
