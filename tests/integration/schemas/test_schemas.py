# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load balancers that cannot run on the lab: their own schemas, strictly, on a real API server, with the rights of docs/rbac alone.

Everything is read, planned, written and taken back by a service account that has what docs/rbac.md says and nothing more.
On a lab with the Gateway API's kinds: lab/lab up --name schemas --with gateway-api, then with MESHLB_LAB_NAME=schemas MESHLB_SCHEMAS=1.
"""

from __future__ import annotations

import pytest

from tests.integration.support.modules import run_module
from tests.integration.support.objects import differences
from tests.integration.support.unrunnable import SCENES

from .stage import Stage, is_stored, named, short

# Those that write what is the vendor's own, and the plan's choice; the others' objects are Istio's whatever the vendor.
STRATEGIES = ("service_vip", "host_rewrite", "auto")
every_vendor = pytest.mark.parametrize("stage", SCENES, indirect=True, scope="module")


@every_vendor
def test_it_is_found(stage: Stage) -> None:
    (found,) = stage.found()
    assert found["confidence"] == "certain"
    assert found["modes"]["standalone_mtls"]["supported"] == bool(stage.scene.sidecar), found["modes"]
    assert len(found["routes"]) == stage.scene.routes, found["routes"]


@every_vendor
def test_its_sidecar(stage: Stage) -> None:
    before = stage.record()
    if not stage.scene.sidecar:
        assert run_module("lb_sidecar", kubeconfig=stage.kubeconfig, load_balancer=stage.scene.place)["failed"]
        assert not differences(before, stage.record())
        return
    result = stage.sidecar("present")
    assert [short(change) for change in result["changes"]] == [stage.scene.sidecar]
    stage.strictly_valid()
    assert not stage.sidecar("present")["changed"]
    stage.sidecar("absent")
    assert not differences(before, stage.record())
    stage.sidecar("present")


@every_vendor
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_its_routes(stage: Stage, strategy: str) -> None:
    """What a plan says is written is what is stored, strictly valid, planned no second time, and taken back without a trace."""
    before = stage.record()
    result = stage.route(strategy=strategy)
    assert len(result["routes"]) == stage.scene.routes
    after, written = stage.record(), []
    for change in result["changes"]:
        key = named(change)
        if change["action"] == "patch":
            written.append(short(change))
            assert is_stored(after[key], change["after"]), (key, change["after"], after[key])
    assert tuple(sorted(written)) == stage.scene.written.get(strategy, () if strategy != "auto" else tuple(sorted(written)))
    stage.strictly_valid()
    assert not stage.route(strategy=strategy)["changes"]
    stage.route(state="absent")
    assert not differences(before, stage.record())
