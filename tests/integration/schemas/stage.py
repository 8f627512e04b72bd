# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""One load balancer's objects on the API server, and what a result says of them."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.support import rights
from tests.integration.support.cluster import Cluster, Obj
from tests.integration.support.modules import run_module
from tests.integration.support.objects import KINDS, holds, key_of, record
from tests.integration.support.scenes import NAMESPACE, Scene


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


def short(change: Obj) -> str:
    return f"{change['object']['kind']}/{change['object']['name']}"


def named(change: Obj) -> str:
    ref = change["object"]
    return key_of({"apiVersion": ref["api_version"], "kind": ref["kind"], "metadata": ref})


def is_stored(actual: Any, wanted: Any) -> bool:
    """Whether an object has what a change says: null stands for nothing, and a list's items go by their numbers."""
    if wanted is None:
        return actual is None
    if isinstance(wanted, dict) and isinstance(actual, list):
        return all(is_stored(actual[int(number)], value) for number, value in wanted.items())
    if isinstance(wanted, dict):
        return isinstance(actual, dict) and all(is_stored(actual.get(key), value) for key, value in wanted.items())
    return holds(actual, wanted)
