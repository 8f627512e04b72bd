# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load balancers that cannot run on the lab: their own schemas, strictly, on a real API server, with the rights of docs/rbac alone.

Everything is read, planned, written and taken back by a service account that has what docs/rbac.md says and nothing more.
On a lab with the Gateway API's kinds: lab/lab up --name schemas --with gateway-api, then with MESHLB_LAB_NAME=schemas MESHLB_SCHEMAS=1.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.support import rights
from tests.integration.support.cluster import Cluster, Obj, wait_for
from tests.integration.support.definitions import install_definitions
from tests.integration.support.modules import module, run_module
from tests.integration.support.objects import KINDS, differences, holds, key_of, record
from tests.integration.support.scenes import APPS, NAMESPACE, Scene
from tests.integration.support.unrunnable import SCENES
from tests.tools.vendor_kinds import definitions, folder_of

# Those that write what is the vendor's own, and the plan's choice; the others' objects are Istio's whatever the vendor.
STRATEGIES = ("service_vip", "host_rewrite", "auto")
EVERYWHERE = ("meshlb-assess", "meshlb-vendors-read")
WITHIN = {
    "meshlb-settings": ("istio-system",), "meshlb-load-balancer": (NAMESPACE,), "meshlb-routes": (APPS, NAMESPACE),
    "meshlb-vendors-write": (APPS, NAMESPACE),
}  # fmt: skip


class Stage:
    """One load balancer's objects on the API server."""

    def __init__(self, cluster: Cluster, kubeconfig: str, scene: Scene) -> None:
        self.cluster, self.kubeconfig, self.scene = cluster, kubeconfig, scene
        self.kinds = (*KINDS, *sorted({_resource(item) for item in scene.objects} - set(KINDS)))

    def run(self, name: str, **options: Any) -> dict[str, Any]:
        """A module as the service account, which has to succeed and to read everything."""
        result = run_module(name, kubeconfig=self.kubeconfig, **options)
        assert not result.get("failed"), result.get("msg")
        unread = [item for item in result.get("findings", []) if item["code"] == "MLB105"]
        assert not unread, unread
        return result

    def route(self, **options: Any) -> dict[str, Any]:
        return self.run("service_routing", load_balancers=[f"{NAMESPACE}/{self.scene.name}"], **options)

    def sidecar(self, state: str) -> dict[str, Any]:
        # Where an operator makes the pods there is none here to wait for.
        return self.run("lb_sidecar", load_balancer=self.scene.place, state=state, wait=self.scene.sidecar.startswith("Deployment"))

    def found(self) -> list[dict[str, Any]]:
        return [item for item in self.run("lb_info")["load_balancers"] if item["vendor"] == self.scene.vendor]

    def record(self) -> dict[str, Obj]:
        return {key: item for key, item in record(self.cluster, self.kinds).items() if f"/{rights.NAMESPACE}/" not in key}

    def strictly_valid(self) -> None:
        """What is stored now is what the vendor's schema allows: nothing unknown, nothing of another type."""
        stored = self.record()
        content = {"apiVersion": "v1", "kind": "List", "items": [stored[key_of(item)] for item in self.scene.objects]}
        self.cluster.run("replace", "--dry-run=server", "--validate=strict", "--filename=-", stdin=json.dumps(content))


def _resource(item: Obj) -> str:
    """The kind as kubectl takes it."""
    group, slash, version = str(item["apiVersion"]).partition("/")
    return f"{item['kind']}.{version}.{group}" if slash else str(item["kind"])


@pytest.fixture(scope="module")
def kinds(cluster: Cluster) -> Iterator[None]:
    """The vendors' CustomResourceDefinitions."""
    folders = {scene.folder: folder_of(scene.folder, get=True) for scene in SCENES.values() if scene.folder}
    lacking = sorted(name for name, folder in folders.items() if folder is None)
    if lacking:
        pytest.skip(f"SKIPPED, not validated: CustomResourceDefinitions of {', '.join(lacking)} are not here (MESHLB_CRDS names a folder)")
    made = [item for folder in folders.values() if folder for item in definitions(folder)]
    names = install_definitions(cluster, made)
    yield
    cluster.delete(*names)


@pytest.fixture(scope="module")
def account(cluster: Cluster, kinds: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The kubeconfig of a service account with the documented roles, each bound where the page says."""
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    cluster.apply(*(rights.marked(role) for role in rights.documented_roles().values()))
    bound = [item for role, places in WITHIN.items() for item in rights.within("vendors", role, places)]
    # Of load balancers that the lab runs besides, too: whoever asks what there is reads their settings.
    others = {item["namespace"] for item in module(cluster, "lb_info")["load_balancers"] if item["namespace"]}
    bound += rights.within("vendors", "meshlb-settings", {NAMESPACE, *others})
    cluster.apply(rights.account("vendors"), *(rights.everywhere("vendors", role) for role in EVERYWHERE), *bound)
    yield str(rights.kubeconfig(cluster, "vendors", tmp_path_factory.mktemp("rights")))
    rights.remove(cluster)
    cluster.delete("namespace", NAMESPACE)


@pytest.fixture(scope="module")
def stage(request: pytest.FixtureRequest, cluster: Cluster, account: str) -> Iterator[Stage]:
    """The objects of one load balancer, which its schema takes as they are."""
    scene: Scene = SCENES[request.param]
    content = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(scene.objects)})
    cluster.run("apply", "--validate=strict", "--filename=-", stdin=content)
    made = Stage(cluster, account, scene)
    yield made
    made.route(state="absent")
    if scene.sidecar:
        made.sidecar("absent")
    cluster.run("delete", "--filename=-", stdin=content)
    wait_for(lambda: not made.record().keys() & {key_of(item) for item in scene.objects}, "objects to go")


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
    assert [_short(change) for change in result["changes"]] == [stage.scene.sidecar]
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
        key = _key(change)
        if change["action"] == "patch":
            written.append(_short(change))
            assert _is_stored(after[key], change["after"]), (key, change["after"], after[key])
    assert tuple(sorted(written)) == stage.scene.written.get(strategy, () if strategy != "auto" else tuple(sorted(written)))
    stage.strictly_valid()
    assert not stage.route(strategy=strategy)["changes"]
    stage.route(state="absent")
    assert not differences(before, stage.record())


def _short(change: Obj) -> str:
    return f"{change['object']['kind']}/{change['object']['name']}"


def _key(change: Obj) -> str:
    ref = change["object"]
    return key_of({"apiVersion": ref["api_version"], "kind": ref["kind"], "metadata": ref})


def _is_stored(actual: Any, wanted: Any) -> bool:
    """Whether an object has what a change says: null stands for nothing, and a list's items go by their numbers."""
    if wanted is None:
        return actual is None
    if isinstance(wanted, dict) and isinstance(actual, list):
        return all(_is_stored(actual[int(number)], value) for number, value in wanted.items())
    if isinstance(wanted, dict):
        return isinstance(actual, dict) and all(_is_stored(actual.get(key), value) for key, value in wanted.items())
    return holds(actual, wanted)
