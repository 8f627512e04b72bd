# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts are names of the mesh."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.istio.names import belongs_to_the_mesh

from tests.unit.plugins.module_utils.support.cluster import Obj, cluster, config_map, container, service, workload

MESH = [
    service("web", where="victim"), service("db", where="victim", ip="None"),
    workload("istiod", where="istio-system", containers=[container("discovery", image="istio/pilot:1.29", args=["--domain", "K8S.corp"])]),
    config_map("istio", where="istio-system", mesh="trustDomain: example.org"),
]  # fmt: skip

SHORT = ["web.victim", "WEB.victim", "web.victim.svc", "web.victim.svc.", "web", "web:8080", "gone", "*.victim", "*.victim.svc", "*.svc"]
FULL = [
    "web.victim.svc.cluster.local", "WEB.Victim.svc.Cluster.Local", "web.victim.svc.cluster.local.", "web.victim.svc.cluster.local:80",
    "gone.nowhere.svc.cluster.local", "cluster.local", "svc.cluster.local", "anything.cluster.local", "x.web.victim.svc.cluster.local",
]  # fmt: skip
WIDE = ["*.cluster.local", "*.local", "*.local.", "*.svc.cluster.local", "*.SVC.cluster.local", "*.victim.svc.cluster.local"]
PODS = ["db-0.db.victim", "*.db.victim"]
OTHER_DOMAINS = [
    "web.victim.svc.k8s.corp", "*.k8s.corp", "k8s.corp", "*.corp", "web.victim.svc.example.org", "*.svc.example.org",
    "web.victim.svc.unknown.domain", "*.victim.svc.unknown.domain",
]  # fmt: skip
NO_HOSTS = ["10.96.0.1", "fd00::1", "*", "*web.example.com", "a.*.example.com", "a b.example.com"]
PUBLIC_ONES = [
    "shop.example.com", "*.example.com", "SHOP.example.com.", "example.org", "shop.example.org", "*.example.org", "localhost.example",
    "a.local.example.com", "other.victim", "victim.web", "db-0.web.victim", "svc.example.com", "*.svc.example.com",
    "web.victim.example.com", "notcluster.local.example.com",
]  # fmt: skip


def reading(*more: Obj) -> list[Obj]:
    return [*MESH, *more]


@pytest.mark.parametrize("host", [*SHORT, *FULL, *WIDE, *PODS, *OTHER_DOMAINS, *NO_HOSTS])
def test_a_name_of_the_mesh_is_taken(host: str) -> None:
    found = belongs_to_the_mesh(cluster(*reading()), host)
    assert found is not None and host in found.why


@pytest.mark.parametrize("host", PUBLIC_ONES)
def test_a_public_host_is_free(host: str) -> None:
    assert belongs_to_the_mesh(cluster(*reading()), host) is None


def test_the_service_is_named() -> None:
    found = belongs_to_the_mesh(cluster(*reading()), "web.victim")
    assert found is not None and str(found.owner) == "Service victim/web"
