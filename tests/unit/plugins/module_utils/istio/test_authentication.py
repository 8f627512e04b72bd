# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which mutual TLS mode holds for a pod's port."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.istio.authentication import effective_mode, namespace_mode
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot

from tests.unit.plugins.module_utils.support.cluster import APPS, ROOT, Obj, mesh_config, pod, workload
from tests.unit.plugins.module_utils.support.cluster import peer_authentication as policy

EARLY, LATE = "2023-01-01T00:00:00Z", "2025-01-01T00:00:00Z"
ME = {"app": "shop"}

CASES: dict[str, tuple[list[Obj], str, str]] = {
    # name: policies, effective mode of apps/shop port 8080, mode of the namespace
    "nothing is permissive": ([], "PERMISSIVE", "PERMISSIVE"),
    "the mesh": ([policy()], "STRICT", "STRICT"),
    "the mesh, unset": ([policy("UNSET")], "PERMISSIVE", "PERMISSIVE"),
    "the mesh, empty": ([policy("")], "PERMISSIVE", "PERMISSIVE"),
    "the namespace over the mesh": ([policy(), policy("PERMISSIVE", where=APPS)], "PERMISSIVE", "PERMISSIVE"),
    "the namespace without a mesh policy": ([policy("DISABLE", where=APPS)], "DISABLE", "DISABLE"),
    "an unset namespace inherits": ([policy(), policy("UNSET", where=APPS)], "STRICT", "STRICT"),
    "another namespace does not count": ([policy(where="other")], "PERMISSIVE", "PERMISSIVE"),
    "the workload over the namespace": (
        [policy(), policy("PERMISSIVE", where=APPS, name="own", selector=ME)], "PERMISSIVE", "STRICT"),
    "an unset workload inherits": (
        [policy(where=APPS), policy("UNSET", where=APPS, name="own", selector=ME)], "STRICT", "STRICT"),
    "a workload that is another": (
        [policy(where=APPS), policy("DISABLE", where=APPS, name="own", selector={"app": "cart"})], "STRICT", "STRICT"),
    "all labels of the selector are needed": (
        [policy("STRICT", where=APPS, name="own", selector={**ME, "tier": "web"})], "PERMISSIVE", "PERMISSIVE"),
    "a port over its workload": (
        [policy("STRICT", where=APPS, name="own", selector=ME, ports={"8080": "PERMISSIVE"})], "PERMISSIVE", "PERMISSIVE"),
    "a port whose number is no string": (
        [policy("STRICT", where=APPS, name="own", selector=ME, ports={8080: "DISABLE"})], "DISABLE", "PERMISSIVE"),
    "another port": (
        [policy("STRICT", where=APPS, name="own", selector=ME, ports={"9090": "DISABLE"})], "STRICT", "PERMISSIVE"),
    "an unset port inherits its workload": (
        [policy("STRICT", where=APPS, name="own", selector=ME, ports={"8080": "UNSET"})], "STRICT", "PERMISSIVE"),
    "a port alone, the rest from the namespace": (
        [policy(where=APPS), policy("", where=APPS, name="own", selector=ME, ports={"9090": "DISABLE"})], "STRICT", "STRICT"),
    "ports need a selector": ([policy("STRICT", where=APPS, ports={"8080": "DISABLE"})], "STRICT", "STRICT"),
    "the oldest of a namespace": (
        [policy("STRICT", where=APPS, name="a", created=LATE), policy("DISABLE", where=APPS, name="b", created=EARLY)],
        "DISABLE", "DISABLE"),
    "of one age the first by name": (
        [policy("STRICT", where=APPS, name="b", created=EARLY), policy("DISABLE", where=APPS, name="a", created=EARLY)],
        "DISABLE", "DISABLE"),
    "one without an age counts as the newest": (
        [policy("STRICT", where=APPS, name="a", created=""), policy("DISABLE", where=APPS, name="b", created=LATE)],
        "DISABLE", "DISABLE"),
    "an unset oldest hides the younger": (
        [policy("UNSET", where=APPS, name="a", created=EARLY), policy("STRICT", where=APPS, name="b", created=LATE)],
        "PERMISSIVE", "PERMISSIVE"),
    "the oldest of the workload": (
        [policy("STRICT", where=APPS, name="a", created=LATE, selector=ME),
         policy("PERMISSIVE", where=APPS, name="b", created=EARLY, selector=ME)], "PERMISSIVE", "PERMISSIVE"),
    "a selector in the root namespace is for nobody": ([policy("STRICT", name="x", selector=ME)], "PERMISSIVE", "PERMISSIVE"),
}  # fmt: skip


@pytest.mark.parametrize(("policies", "mode", "wide"), CASES.values(), ids=CASES)
def test_modes(policies: list[Obj], mode: str, wide: str) -> None:
    snapshot = Snapshot(policies)
    assert (effective_mode(snapshot, pod("shop"), 8080), namespace_mode(snapshot, APPS)) == (mode, wide)


def test_a_selector_in_the_root_namespace_is_not_even_for_its_own_pods() -> None:
    snapshot = Snapshot([policy("STRICT", name="x", selector=ME), policy("DISABLE")])
    assert effective_mode(snapshot, pod("shop", where=ROOT), 8080) == "DISABLE"


def test_a_mesh_may_have_another_root_namespace() -> None:
    objects = [mesh_config("rootNamespace: mesh-root"), policy("DISABLE"), policy("STRICT", where="mesh-root")]
    assert namespace_mode(Snapshot(objects), APPS) == "STRICT"


def test_a_template_that_is_no_pod_yet_has_a_mode_too() -> None:
    template = workload("shop")["spec"]["template"]
    made_up = {**template, "metadata": {**template["metadata"], "namespace": APPS}}
    snapshot = Snapshot([policy("STRICT", where=APPS, name="own", selector=ME)])
    assert effective_mode(snapshot, made_up, 8080) == "STRICT"
