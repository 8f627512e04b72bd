# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every platform of the registry."""

from __future__ import annotations

import copy
import re

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.cloud_registry import PLATFORMS
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.chain import CheckTarget, HealthCheck
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.cloud.platform import Platform
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.gateway.attachment import GROUP
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import PROFILES, check_kinds
from ansible_collections.meshlb.istio.plugins.module_utils.kube.objects import kind_key

from tests.unit.plugins.module_utils.balancers.cloud_support import GATEWAY, request, target

COMMON = {"Ingress.networking.k8s.io", "Service", "ConfigMap"}
REQUESTS = [request(), request(gateway=target(tls=True)), request(hosts=())]


def test_ids_are_used_once() -> None:
    ids = [item.id for item in (*PROFILES, *PLATFORMS)]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda item: item.id)
def test_facts_are_complete(platform: Platform) -> None:
    facts = platform.chain
    assert re.fullmatch(r"[a-z0-9_]+", platform.id) and platform.title
    assert platform.outside and platform.placement in ("cloud", "external")
    assert facts.proof in ("measured in the lab", "validated against the vendor's schema", "read in the vendor's source")
    assert facts.health and facts.objects and facts.standalone and facts.standalone_mtls
    assert (facts.hops > 0) == (facts.forwarded_for != "absent")
    assert len({item.name for item in platform.chain_options}) == len(platform.chain_options)
    assert all(item.description.endswith(".") for item in platform.chain_options)


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda item: item.id)
@pytest.mark.parametrize("front", ["ingress", "gateway_api"])
def test_what_checks_an_application_is_found_again(platform: Platform, front: str) -> None:
    """Standalone mode reads the kinds that it may create, so that a second run knows them and rollback takes them away."""
    asked = request(gateway=target(service="", namespace="apps"), front=front, service_port=80)
    bodies = platform.health_check(CheckTarget("apps", "shop", HealthCheck("http", 15021)), asked).bodies
    assert {kind_key(body["apiVersion"], body["kind"]) for body in bodies} <= {*platform.check_kinds} & {*check_kinds()}


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda item: item.id)
@pytest.mark.parametrize("asked", REQUESTS, ids=["plain", "tls", "any host"])
def test_a_front_is_pure_and_stays_in_the_gateways_namespace(platform: Platform, asked: object) -> None:
    first, second = platform.chain_front(copy.deepcopy(asked)), platform.chain_front(asked)  # type: ignore[arg-type]
    assert first == second
    allowed = {*COMMON, *platform.chain_kinds}
    for body in first.bodies:
        key = kind_key(body["apiVersion"], body["kind"])
        assert body["metadata"]["namespace"] == GATEWAY
        assert key in allowed or key.endswith(GROUP), f"chain_kinds lacks {key}"
    assert not (first.refusal and first.bodies)
    assert all(item.endswith(".") for item in first.steps)
