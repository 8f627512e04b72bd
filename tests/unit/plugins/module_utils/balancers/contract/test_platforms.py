# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every platform of the registry."""

from __future__ import annotations

import copy
import re

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.chain import CheckTarget, HealthCheck
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.facts import ProofLevel
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.profile import Profile
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.gateway.names import GROUP
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import PROFILES, REGISTRY
from ansible_collections.meshlb.istio.plugins.module_utils.kube.objects import kind_key

from tests.unit.plugins.module_utils.balancers.cloud_support import GATEWAY, request, target

COMMON = {"Ingress.networking.k8s.io", "Service", "ConfigMap"}
OUTSIDE = [item for item in PROFILES if item.about.placement in ("cloud", "external")]
PLATFORMS = [item for item in OUTSIDE if item.chain is not None]
"""Those that chained mode knows how to lead to a gateway."""
REQUESTS = [request(), request(gateway=target(tls=True)), request(hosts=())]


def test_chained_mode_knows_all_platforms_but_these() -> None:
    assert {item.about.id for item in OUTSIDE} - {item.about.id for item in PLATFORMS} == {"avi"}


def test_ids_are_used_once() -> None:
    ids = [item.about.id for item in PROFILES]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda item: item.about.id)
def test_facts_are_complete(platform: Profile) -> None:
    assert platform.chain is not None
    about, facts = platform.about, platform.chain.facts
    assert re.fullmatch(r"[a-z0-9_]+", about.id) and about.title
    assert about.outside and about.placement in ("cloud", "external")
    assert facts.proof is not ProofLevel.NONE
    assert facts.health and facts.objects and facts.standalone.text and facts.standalone_mtls.text
    assert (facts.hops > 0) == (facts.forwarded_for != "absent")
    assert len({item.name for item in facts.options}) == len(facts.options)
    assert all(item.description.endswith(".") for item in facts.options)


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda item: item.about.id)
@pytest.mark.parametrize("front", ["ingress", "gateway_api"])
def test_what_checks_an_application_is_found_again(platform: Profile, front: str) -> None:
    """Standalone mode reads the kinds that it may create, so that a second run knows them and rollback takes them away."""
    asked = request(gateway=target(service="", namespace="apps"), front=front, service_port=80)
    assert platform.health is not None
    bodies = platform.health.check(CheckTarget("apps", "shop", HealthCheck("http", 15021)), asked).bodies
    assert {kind_key(body["apiVersion"], body["kind"]) for body in bodies} <= {*platform.health.kinds} & {*REGISTRY.check_kinds()}


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda item: item.about.id)
@pytest.mark.parametrize("asked", REQUESTS, ids=["plain", "tls", "any host"])
def test_a_front_is_pure_and_stays_in_the_gateways_namespace(platform: Profile, asked: object) -> None:
    assert platform.chain is not None
    first, second = platform.chain.front(copy.deepcopy(asked)), platform.chain.front(asked)  # type: ignore[arg-type]
    assert first == second
    allowed = {*COMMON, *platform.chain.facts.kinds}
    for body in first.bodies:
        key = kind_key(body["apiVersion"], body["kind"])
        assert body["metadata"]["namespace"] == GATEWAY
        assert key in allowed or key.endswith(GROUP), f"chain_kinds lacks {key}"
    assert not (first.refusal and first.bodies)
    assert all(item.endswith(".") for item in first.steps)
