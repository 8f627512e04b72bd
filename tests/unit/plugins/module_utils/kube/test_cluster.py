# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster is read once, by one list per kind that is there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import ApiError, ApiUnreachable, Forbidden, Unauthorized
from ansible_collections.meshlb.istio.plugins.module_utils.kube.client import patience
from ansible_collections.meshlb.istio.plugins.module_utils.kube.cluster import read_cluster

from tests.unit.plugins.module_utils.support.fake_api import FakeApi, obj, serving, status

KINDS = ("Pod", "Ingress.networking.k8s.io", "Odd.x.example", "Absent.y.example", "Secret", "ConfigMap")


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.0)


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with serving(FakeApi()) as running:
        running.add(obj("Pod", "p", "web"), obj("Ingress", "i"), obj("ConfigMap", "c", "mesh"), obj("ConfigMap", "d", "other"))
        running.add(obj("Secret", "s"))
        yield running


def test_one_list_per_kind_that_exists_and_config_maps_where_they_are_asked_for(fake: FakeApi) -> None:
    snapshot = read_cluster(fake.api(), KINDS, lambda first: [f"{len(first.all('Pod'))}", "mesh"])
    assert sorted(fake.named("GET")) == [
        "/api", "/api/v1/namespaces/1/configmaps", "/api/v1/namespaces/mesh/configmaps", "/api/v1/pods", "/apis",
        "/apis/networking.k8s.io/v1/ingresses", "/apis/x.example/v2/odds",
    ]
    assert [item["metadata"]["name"] for item in snapshot.all("ConfigMap")] == ["c"]
    assert snapshot.source.live
    assert snapshot.serves("Odd.x.example")
    assert not snapshot.serves("Absent.y.example")
    assert snapshot.readable("Absent.y.example")


@pytest.mark.parametrize(("code", "readable"), [(403, False), (404, True)])
def test_what_cannot_be_read_is_noted(fake: FakeApi, code: int, readable: bool) -> None:
    fake.answer = lambda request: status(code, "no odds") if request.path.endswith("odds") else None
    snapshot = read_cluster(fake.api(), KINDS, lambda first: [])
    assert snapshot.readable("Odd.x.example") is readable
    assert snapshot.count("Pod") == 1
    assert readable or "no odds" in snapshot.source.denied["Odd.x.example"]


@pytest.mark.parametrize("code", [400, 405, 410, 418, 500, 503])
def test_a_list_that_fails_otherwise_stops_the_reading(fake: FakeApi, code: int, no_pause: None) -> None:
    fake.answer = lambda request: status(code, "no odds") if request.path.endswith("odds") else None
    with pytest.raises(ApiError, match="list Odd.x.example") as caught:
        read_cluster(fake.api(), KINDS, lambda first: [])
    assert "no odds" in caught.value.message


def test_one_list_that_fails_keeps_the_others_from_being_read(fake: FakeApi, no_pause: None) -> None:
    fake.answer = lambda request: status(418, "no pods") if request.path.endswith("pods") else None
    with pytest.raises(ApiError):
        read_cluster(fake.api(), KINDS, lambda first: [], workers=1)
    assert not [path for path in fake.named("GET") if path.endswith(("ingresses", "odds"))]


def test_a_kind_that_was_removed_meanwhile_is_not_served(fake: FakeApi) -> None:
    fake.answer = lambda request: status(404, "no odds") if request.path.endswith("odds") else None
    snapshot = read_cluster(fake.api(), KINDS, lambda first: [], used=lambda first: {"Odd.x.example": "and something needs it"})
    assert not snapshot.serves("Odd.x.example")
    assert not snapshot.readable("Odd.x.example")
    assert snapshot.source.gone["Odd.x.example"].endswith("does not serve Odd.x.example, and something needs it.")


def test_a_kind_that_is_needed_and_not_served_is_noted(fake: FakeApi) -> None:
    needed = {"Absent.y.example": "for whose routes earlier runs wrote", "Pod": "and it is there"}
    snapshot = read_cluster(fake.api(), KINDS, lambda first: [], used=lambda first: needed)
    assert list(snapshot.source.gone) == ["Absent.y.example"]
    assert not snapshot.readable("Absent.y.example")


@pytest.mark.parametrize("kind", ["Node", "Service", "DaemonSet.apps", "EndpointSlice.discovery.k8s.io"])
def test_a_discovery_without_a_kind_that_every_cluster_has_is_an_error(fake: FakeApi, kind: str) -> None:
    fake.kinds = [item for item in fake.kinds if item[0] != kind.partition(".")[0]]
    with pytest.raises(ApiError, match=f"does not name {kind} among its kinds"):
        read_cluster(fake.api(), (*KINDS, kind), lambda first: [])


def test_a_kind_that_every_cluster_has_does_not_vanish(fake: FakeApi) -> None:
    fake.answer = lambda request: status(404, "no pods") if request.path.endswith("pods") else None
    with pytest.raises(ApiError, match="list Pod"):
        read_cluster(fake.api(), KINDS, lambda first: [])


def test_config_maps_may_be_forbidden(fake: FakeApi) -> None:
    fake.answer = lambda request: status(403, "no config maps") if "configmaps" in request.path else None
    source = read_cluster(fake.api(), KINDS, lambda first: ["mesh"]).source
    assert "no config maps" in source.denied["ConfigMap"]
    assert list(source.closed) == ["mesh"]


def test_a_reading_that_is_forbidden_altogether_fails(fake: FakeApi) -> None:
    fake.answer = lambda request: status(403, "nothing for you") if request.path.count("/") > 1 else None
    with pytest.raises(Forbidden, match="Nothing may be read: Not allowed to list Pod: nothing for you"):
        read_cluster(fake.api(), KINDS, lambda first: [])


def test_credentials_that_expire_on_the_way_fail(fake: FakeApi) -> None:
    fake.answer = lambda request: status(401, "Unauthorized") if request.path.endswith("pods") else None
    with pytest.raises(Unauthorized):
        read_cluster(fake.api(), KINDS, lambda first: [])


def test_a_server_that_is_gone_fails() -> None:
    with serving(FakeApi()) as running:
        api = running.api()
    with pytest.raises(ApiUnreachable):
        read_cluster(api, KINDS, lambda first: [])
