# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gateway with TLS answers to: the load balancer sends one server name for all hosts, or none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.plan.chain.kit import GATEWAYS, chain, kubernetes, refusal, world
from tests.unit.plugins.module_utils.support.cluster import backend, ingress, path

ONE, OTHER = "one.example.com", "other.example.com"
ROUTES = (
    ingress("one", path(backend("shop")), host=ONE),
    ingress("other", path(backend("cart")), host=OTHER),
)
NAMED = {"platform_options": {"proxy_ssl_secret": "apps/ca"}}


def tls(**more: Any) -> dict[str, Any]:
    return {"tls": {"mode": "simple", "credential_name": "cert", **more}}


@pytest.mark.parametrize(("hosts", "names"), [([ONE], [ONE]), ([ONE, OTHER], [None])])
def test_one_server_name_for_several_hosts_needs_a_listener_for_all(hosts: list[str], names: list[str | None]) -> None:
    done = chain(world(*ROUTES), hosts=hosts, gateway=kubernetes(**tls(host=ONE)), **NAMED)
    assert [item.get("hostname") for item in done.body("Gateway")["spec"]["listeners"]] == names


@pytest.mark.parametrize(("more", "hosts"), [({"host": "edge.internal"}, [ONE, OTHER, "edge.internal"]), ({"host": ONE}, [ONE, OTHER])])
def test_istios_api_names_all_of_them(more: dict[str, Any], hosts: list[str]) -> None:
    done = chain(world(*ROUTES), gateway={"namespace": GATEWAYS, **tls(**more)}, **NAMED)
    assert done.body("Gateway")["spec"]["servers"][0]["hosts"] == hosts


def test_without_a_server_name_the_gateway_answers_any() -> None:
    done = chain(world(*ROUTES), gateway={"namespace": GATEWAYS, **tls()})
    assert done.body("Gateway")["spec"]["servers"][0]["hosts"] == ["*"]


def test_a_gateway_that_is_made_needs_a_certificate() -> None:
    assert "no credential" in refusal(world(*ROUTES), gateway={"namespace": GATEWAYS, "tls": {"mode": "simple"}})
