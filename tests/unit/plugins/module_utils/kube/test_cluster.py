# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster is read once, by one list per kind that is there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import ApiUnreachable, Forbidden, Unauthorized
from ansible_collections.meshlb.istio.plugins.module_utils.kube.cluster import read_cluster

from tests.unit.plugins.module_utils.support.fake_api import FakeApi, obj, serving, status

KINDS = ("Pod", "Ingress.networking.k8s.io", "Odd.x.example", "Absent.y.example", "Secret", "ConfigMap")


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


@pytest.mark.parametrize(("code", "readable"), [(403, False), (500, False), (404, True)])
def test_what_cannot_be_read_is_noted(fake: FakeApi, code: int, readable: bool) -> None:
    fake.answer = lambda request: status(code, "no odds") if request.path.endswith("odds") else None
    snapshot = read_cluster(fake.api(), KINDS, lambda first: [])
    assert snapshot.readable("Odd.x.example") is readable
    assert snapshot.count("Pod") == 1
    assert readable or "no odds" in snapshot.source.denied["Odd.x.example"]


def test_config_maps_may_be_forbidden(fake: FakeApi) -> None:
    fake.answer = lambda request: status(403, "no config maps") if "configmaps" in request.path else None
    assert "no config maps" in read_cluster(fake.api(), KINDS, lambda first: ["mesh"]).source.denied["ConfigMap"]


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
