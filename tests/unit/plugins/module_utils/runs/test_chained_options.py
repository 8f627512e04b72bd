# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rehearsal takes for there although it is not yet."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.runs.chained_plan import not_there
from ansible_collections.meshlb.istio.plugins.module_utils.runs.options.chained import expected_objects

from tests.unit.plugins.module_utils.plan.chain.kit import chain, gateway_service, gateway_workload, refusal, world
from tests.unit.plugins.module_utils.support.cluster import backend, ingress, path

SHOP = ingress("shop", path(backend("shop")))
CHART = [gateway_service(), gateway_workload()]


def test_only_what_is_not_there_is_expected() -> None:
    assert not_there(world(gateway=False), expected_objects(CHART)) == CHART
    assert not_there(world(), expected_objects(CHART)) == []


def test_a_chain_is_planned_with_a_gateway_that_will_be_there() -> None:
    bare = world(SHOP, gateway=False)
    assert refusal(bare) == "MLB616"
    unborn = gateway_service(clusterIP="", clusterIPs=[])
    made = chain(bare.overlay(not_there(bare, [unborn, gateway_workload()])))
    assert "MLB619" in made.codes
    assert [route.chained for route in made.plan.routes] == [True]


@pytest.mark.parametrize("given", ["Service", {}, {"kind": "Service"}, {"apiVersion": "v1", "kind": "Service", "metadata": {}}])
def test_what_is_no_object_is_named(given: Any) -> None:
    with pytest.raises(MeshlbError, match=r"expected_objects\[1\] is no Kubernetes object"):
        expected_objects([gateway_service(), given])
