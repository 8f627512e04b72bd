# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a host is: hosts that load balancers dial for somebody else."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.detect.claims import HostClaims
from ansible_collections.meshlb.istio.plugins.module_utils.istio.names import Taken

from tests.unit.plugins.module_utils.support.cluster import backend, cluster, external_name, ingress, path, pod, service
from tests.unit.plugins.module_utils.support.known import detect, read_routes

SHOP = [service("shop"), pod("shop")]
OLD, YOUNG = "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"


def taken(host: str, *others: dict[str, object], created: str = YOUNG) -> Taken | None:
    own = ingress("mine", path(backend("shop")), host=host, where="tenant", created=created)
    snapshot = cluster(*SHOP, service("shop", where="tenant"), own, *others)
    routes = read_routes(snapshot, detect(snapshot)[0])[0]
    (route,) = (item for item in routes if item.object.name == "mine")
    return HostClaims(snapshot, routes).taken(route)


def dialling(name: str, created: str = OLD) -> dict[str, object]:
    return ingress("dials", path(backend("shop")), host="www.example.com", upstream_vhost=name, created=created)


@pytest.mark.parametrize("host", ["api.partner.com", "API.partner.com", "api.partner.com.", "*.partner.com", "*.com"])
def test_a_host_that_another_route_sends_is_taken(host: str) -> None:
    found = taken(host, dialling("Api.partner.com"))
    assert found is not None and str(found.owner) == "Ingress apps/dials"


def test_a_host_that_is_an_external_name_is_taken() -> None:
    found = taken("idp.partner.com", external_name("idp", "idp.partner.com"), ingress("login", path(backend("idp")), created=OLD))
    assert found is not None and str(found.owner) == "Ingress apps/login"


@pytest.mark.parametrize("host", ["other.partner.com", "partner.com", "x.api.partner.com", "*.other.com"])
def test_other_hosts_are_free(host: str) -> None:
    assert taken(host, dialling("api.partner.com")) is None


def test_nobody_blocks_a_host_by_dialling_it_later() -> None:
    assert taken("shop.example.com", dialling("shop.example.com", YOUNG), created=OLD) is None
    assert taken("shop.example.com", dialling("shop.example.com", ""), created=OLD) is not None


def test_ones_own_namespace_and_ones_own_host_block_nothing() -> None:
    own = ingress("www", path(backend("shop")), where="tenant", host="www.example.com", upstream_vhost="api.example.com", created=OLD)
    same = ingress("same", path(backend("shop"), "/same"), host="api.example.com", upstream_vhost="api.example.com", created=OLD)
    assert taken("api.example.com", own) is None and taken("api.example.com", same) is None
    variable = ingress("odd", path(backend("shop")), host="odd.example.com", upstream_vhost="$host", created=OLD)
    assert taken("api.example.com", variable) is None
