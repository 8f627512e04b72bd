# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random meshes: the same for the same seed, and in the end every feature of the list."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tests.oracle import cluster
from tests.oracle.meshes import Mesh, from_seed
from tests.oracle.meshes.dice import OLD
from tests.oracle.shrink import shrunk


def test_a_seed_gives_the_same_mesh() -> None:
    assert from_seed(7) == from_seed(7)
    assert from_seed(7) != from_seed(8)


def test_meshes_are_plain_data() -> None:
    """Some of it is a number as a key in Istio's own objects, which JSON makes a text."""
    assert json.dumps(from_seed(3).objects)


def test_old_meshes_hold_old_features_alone() -> None:
    found = {feature for seed in range(200) for feature in from_seed(seed, old=True).features}
    assert found - OLD == {"ingress-nginx"}
    assert not OLD - found


def test_every_pod_has_an_address_of_its_own() -> None:
    for seed in range(50):
        addresses = [cluster.address(pod) for pod in cluster.of_kind(from_seed(seed).objects, "Pod")]
        assert len(addresses) == len(set(addresses))


def test_a_mesh_is_made_smaller() -> None:
    """As long as what is looked for stays: here a Service of one name, with one annotation."""
    mesh = from_seed(5)
    service = next(item for item in mesh.objects if item["kind"] == "Service")
    service["metadata"]["annotations"]["needed"] = "yes"
    service["metadata"]["annotations"]["not-needed"] = "yes"

    def fails(one: Mesh) -> bool:
        return any(_notes(item).get("needed") for item in one.objects if item["kind"] == "Service")

    found = shrunk(replace(mesh), fails)
    (left,) = (item for item in found.objects if item["kind"] != "EndpointSlice")
    assert _notes(left) == {"needed": "yes"}
    assert not found.clients


def test_a_mesh_that_does_not_fail_stays() -> None:
    mesh = from_seed(5)
    assert shrunk(mesh, lambda one: False) is mesh


def _notes(item: cluster.Obj) -> dict[str, Any]:
    found: dict[str, Any] = item["metadata"].get("annotations") or {}
    return found
