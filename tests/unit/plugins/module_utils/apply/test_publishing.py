# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A headless Service is hidden until its endpoints are known."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.apply import publishing
from ansible_collections.meshlb.istio.plugins.module_utils.apply.writer import make
from ansible_collections.meshlb.istio.plugins.module_utils.errors import ApiError
from ansible_collections.meshlb.istio.plugins.module_utils.model import Change, ObjectRef

Obj = dict[str, Any]
REF = ObjectRef("v1", "Service", "shop", "cart-meshlb")
EXPORTED = {publishing.EXPORT_TO: "edge"}


def service(address: str = "None", annotations: Obj | None = None) -> Obj:
    metadata = {"name": "cart-meshlb", "namespace": "shop", "annotations": EXPORTED if annotations is None else annotations}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"clusterIP": address}}


def endpoint_slice(*addresses: str) -> Obj:
    metadata = {"name": "x", "namespace": "shop", "labels": {"kubernetes.io/service-name": "cart-meshlb"}}
    return {"metadata": metadata, "endpoints": [{"addresses": [item]} for item in addresses]}


class Cluster:
    """Records what is written; gives endpoints from the second look on."""

    def __init__(self, error: ApiError | None = None) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.error = error

    def create(self, body: Obj, dry_run: bool = False) -> Obj:
        self.calls.append(("create", body["metadata"]["annotations"].get(publishing.EXPORT_TO)))
        return body

    def json_patch(self, ref: ObjectRef, operations: list[Obj], dry_run: bool = False) -> Obj:
        self.calls.append(("patch", [item["value"] for item in operations]))
        return {}

    def list(self, key: str, namespace: str = "") -> list[Obj]:
        self.calls.append(("list", namespace))
        if self.error:
            raise self.error
        return [endpoint_slice(*(["10.0.0.1"] if self.calls.count(("list", namespace)) > 1 else []))]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr(publishing.wait_for_endpoints, "__defaults__", (publishing.time.monotonic, lambda seconds: None))


def test_it_is_shown_once_its_endpoints_are_known() -> None:
    cluster = Cluster()
    make(cluster, Change(REF, "create", "why", (), service()))  # type: ignore[arg-type]
    assert cluster.calls == [("create", "~"), ("list", "shop"), ("list", "shop"), ("patch", ["edge"])]


def test_it_is_shown_also_where_endpoints_may_not_be_read() -> None:
    cluster = Cluster(ApiError("forbidden"))
    make(cluster, Change(REF, "create", "why", (), service()))  # type: ignore[arg-type]
    assert cluster.calls == [("create", "~"), ("list", "shop"), ("patch", ["edge"])]


@pytest.mark.parametrize(("body", "expected"), [(service("10.1.1.1"), "edge"), (service("None", {}), None)])
def test_others_are_made_at_once(body: Obj, expected: str | None) -> None:
    cluster = Cluster()
    make(cluster, Change(REF, "create", "why", (), body))  # type: ignore[arg-type]
    assert cluster.calls == [("create", expected)]


def test_a_rehearsal_has_the_final_object() -> None:
    cluster = Cluster()
    make(cluster, Change(REF, "create", "why", (), service()), dry_run=True)  # type: ignore[arg-type]
    assert cluster.calls == [("create", "edge")]


def test_a_service_without_pods_is_not_waited_for_forever() -> None:
    ticks = iter(range(100))
    looks: list[int] = []

    class Empty:
        def list(self, key: str, namespace: str = "") -> list[Obj]:
            looks.append(1)
            return []

    publishing.wait_for_endpoints(Empty(), REF, lambda: float(next(ticks)), lambda seconds: None)
    assert 1 < len(looks) <= publishing.SECONDS
