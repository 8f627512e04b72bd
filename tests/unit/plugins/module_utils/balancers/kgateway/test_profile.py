# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kgateway: mutual TLS of its own, and a sidecar that must not be there besides."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.plan.remarks import about_load_balancer

from tests.unit.plugins.module_utils.balancers.gateways import gateway, gateway_class, route, rule, to_service
from tests.unit.plugins.module_utils.support.cluster import APPS, EDGE, Obj, container, live, namespace, pod, service, workload
from tests.unit.plugins.module_utils.support.known import REGISTRY, detect, read_routes

ROUTE = route("a", rule(to_service("shop")))
SDS = {**container("sds", image="cr.kgateway.dev/kgateway-dev/sds:v2.2.1"), "env": [{"name": "ISTIO_MTLS_SDS_ENABLED", "value": "true"}]}
OWN_PROXY = container("istio-proxy", image="docker.io/istio/proxyv2:1.26.1", args=["proxy", "sidecar"])


def proxy(*beside: Obj) -> Obj:
    envoy = container("kgateway-proxy", image="cr.kgateway.dev/kgateway-dev/envoy-wrapper:v2.2.1")
    labels = {"kgateway": "kube-gateway", "gateway.networking.k8s.io/gateway-name": "gw"}
    return workload("gw", where=EDGE, containers=[envoy, *beside], pod_labels=labels)


def seen(*objects: Obj, **labels: str) -> Any:
    base = [namespace(EDGE, **labels), namespace(APPS), service("shop"), pod("shop"), gateway_class("kgateway.dev/kgateway"), gateway()]
    snapshot = live(*base, ROUTE, *objects)
    (found,) = detect(snapshot)[0]
    return found, read_routes(snapshot, [found])[0]


@pytest.mark.parametrize(("beside", "own"), [((SDS, OWN_PROXY), True), ((), False)])
def test_its_own_mutual_tls(beside: tuple[Obj, ...], own: bool) -> None:
    dummy, (item,) = seen(proxy(*beside))
    assert bool(item.own_mutual_tls) is own


def test_before_its_workload_is_there_the_controller_says_so() -> None:
    env = [{"name": "KGW_ENABLE_ISTIO_AUTO_MTLS", "value": "true"}]
    made = container("c", image="cr.kgateway.dev/kgateway-dev/kgateway:v2.2.1")
    found, (item,) = seen(workload("kgateway", where=EDGE, containers=[{**made, "env": env}]))
    assert found.workload is None and item.own_mutual_tls


@pytest.mark.parametrize(("labels", "code"), [({"istio_injection": "enabled"}, "MLB146"), ({}, "MLB301")])
def test_it_must_not_be_injected(labels: dict[str, str], code: str) -> None:
    found, dummy = seen(proxy(SDS), **labels)
    assert [item.code for item in about_load_balancer(REGISTRY, found)] == [code]
