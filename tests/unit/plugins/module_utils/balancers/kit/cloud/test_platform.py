# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform put together: its side of a chain, how the client is known, what it speaks, and what a cluster shows to fail."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.chain import ChainRequest, ClientAddress, LoadBalancerSide
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.facts import ChainFacts
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.chain.answers import chain_side, unless
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.cloud.options import has_option
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.cloud.platform import address_by_listener, scheme_by_annotation
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.cloud.preflight import (
    joined_preflights,
    kind_is_served,
    on_gateway_service,
)
from ansible_collections.meshlb.istio.plugins.module_utils.core.findings import finding
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Finding
from ansible_collections.meshlb.istio.plugins.module_utils.kube.objects import Obj, ref_of

from tests.unit.plugins.module_utils.balancers.cloud_support import GATEWAY, request
from tests.unit.plugins.module_utils.support.cluster import live, service

FACTS = ChainFacts(hops=2, server_name="client", ends_tls="optional")
certificate = has_option("certificate")


def front(asked: ChainRequest) -> LoadBalancerSide:
    return LoadBalancerSide(steps=("Done.",))


def reasons(asked: ChainRequest) -> list[str]:
    return ["", "no hosts" if not asked.hosts else "", "no certificate" if not certificate(asked) else ""]


@pytest.mark.parametrize(
    ("wanted", "refusal"), [({"certificate": "x"}, ""), ({}, "no certificate"), ({"hosts": ()}, "no hosts")]
)
def test_the_first_reason_is_the_whole_answer(wanted: dict[str, Any], refusal: str) -> None:
    answer = chain_side("X", FACTS, unless(reasons, front)).front(request(**wanted))
    assert answer == (LoadBalancerSide(refusal=refusal) if refusal else front(request()))


def test_a_clients_own_name_goes_no_further_than_its_tls() -> None:
    side = chain_side("X", FACTS, front, ends_tls=certificate)
    own = request(certificate="x")
    assert [(side.ends_tls(item), side.server_name(item)) for item in (request(), own)] == [(False, "client"), (True, "never")]


HEADER, PROXY = ("x_forwarded_for", 2), ("proxy_protocol", 0)
ADDRESSES: dict[str, tuple[dict[str, Any], tuple[str, int]]] = {
    "HTTP is read": ({"certificate": "x"}, HEADER),
    "HTTP is read, through another proxy": ({"certificate": "x", "trusted_hops": 3}, ("x_forwarded_for", 3)),
    "HTTP is read, and something else is asked for": ({"certificate": "x", "client": "none"}, ("none", 0)),
    "it is passed through": ({}, PROXY),
    "it is passed through, and something else is asked for": ({"client": "source_address"}, ("source_address", 0)),
}


@pytest.mark.parametrize(("wanted", "expected"), ADDRESSES.values(), ids=ADDRESSES)
def test_who_the_client_is(wanted: dict[str, Any], expected: tuple[str, int]) -> None:
    address = address_by_listener("X", FACTS, certificate, "it reads HTTP", lambda asked: ClientAddress("proxy_protocol"))
    answer = address(request(**wanted))
    assert (answer.mode, answer.trusted_hops) == expected


def test_what_it_speaks_is_an_annotation() -> None:
    scheme = scheme_by_annotation("protocol", "HTTPS")
    assert [scheme({"metadata": {"annotations": {"protocol": value}}}) for value in ("HTTPS", "HTTP")] == ["tls", "http"]
    assert scheme({"metadata": {}}) == "http"


def unnamed(found: Obj, asked: ChainRequest) -> list[Finding]:
    return [finding("MLB609", f"{asked.name} is not its name", ref_of(found))]


def test_what_the_cluster_shows_to_fail() -> None:
    preflight = joined_preflights(kind_is_served("Rule.example.com", "is it installed?"), on_gateway_service(unnamed))
    here = service("gateway", where=GATEWAY)
    assert [item.code for item in preflight(live(here), request())] == ["MLB604", "MLB609"]
    assert [item.message for item in preflight(live(), request())] == ["the cluster does not serve Rule.example.com: is it installed?"]
