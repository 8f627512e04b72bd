# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every profile is in the catalogue of workloads, and class names that several use go to the right one."""

from __future__ import annotations

from copy import deepcopy

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.facts import Facts
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import PROFILES

from tests.unit.plugins.module_utils.balancers.support import outcomes
from tests.unit.plugins.module_utils.detect.everything import CATALOG, OUTSIDE, one_of
from tests.unit.plugins.module_utils.support.cluster import backend, ingress, ingress_class, live, namespace, path, pod, service
from tests.unit.plugins.module_utils.support.known import detect


def test_every_profile_is_in_the_catalog() -> None:
    """Platforms, which have no facts of their own, are found in their own tests."""
    assert {item.about.id for item in PROFILES if item.about.facts != Facts()} == {item.vendor for item in CATALOG} | set(OUTSIDE)


@pytest.mark.parametrize(
    ("first", "second", "controller", "owner"),
    [
        ("ingress_nginx", "f5_nginx", "k8s.io/ingress-nginx", "ingress_nginx"),
        ("ingress_nginx", "f5_nginx", "nginx.org/ingress-controller", "f5_nginx"),
        ("haproxy_ingress", "haproxytech", "haproxy-ingress.github.io/controller", "haproxy_ingress"),
        ("haproxy_ingress", "haproxytech", "haproxy.org/ingress-controller/haproxy", "haproxytech"),
    ],
)  # fmt: skip
def test_two_vendors_that_share_a_class_name(first: str, second: str, controller: str, owner: str) -> None:
    """The class belongs to whom its controller names, whatever its name is; both load balancers are found."""
    name = "nginx" if "nginx" in first else "haproxy"
    made = deepcopy(one_of(second))
    for one in made["spec"]["template"]["spec"]["containers"]:
        one["args"] = [word.replace("-ingress-class=f5", "-ingress-class=nginx").replace("class=haproxytech", "class=haproxy")
                       for word in one["args"]]  # fmt: skip
    balancers = detect(live(one_of(first), made, ingress_class(name, controller)))[0]
    assert sorted(item.vendor for item in balancers) == sorted([first, second])
    assert [item.vendor for item in balancers if name in item.classes] == [owner]


def test_builds_of_ingress_nginx_by_other_houses() -> None:
    """AKS' managed one is planned like the original; RKE2's lives where the injector injects nothing."""
    managed, packaged = (item for item in CATALOG[1:3])
    shop = [service("shop"), pod("shop"), ingress("a", path(backend("shop")), class_name="webapprouting.kubernetes.azure.com")]
    of_aks = live(namespace("app-routing-system", istio_injection="enabled"), managed.carrier, *managed.classes, *shop)
    assert set(outcomes(of_aks).values()) == {"mutual_tls", "plaintext"} and outcomes(of_aks)["host_rewrite"] == "mutual_tls"
    named = ingress_class("second", "webapprouting.kubernetes.azure.com/nginx/second")
    assert [item.classes for item in detect(live(managed.carrier, *managed.classes, named))[0] if item.workload] == [
        ("webapprouting.kubernetes.azure.com",)]  # fmt: skip
    (of_rke2,) = detect(live(packaged.carrier, *packaged.classes))[0]
    assert of_rke2.classes == ("rke2-nginx",) and "kube-system" in of_rke2.mode("standalone_mtls").why
