# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the load balancer's annotations keep away from its sidecar is not what the sidecar does."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.interception import Interception
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Outcome, replace
from ansible_collections.meshlb.istio.plugins.module_utils.istio.interception import interception_of
from ansible_collections.meshlb.istio.plugins.module_utils.istio.outcome import predict

from tests.unit.plugins.module_utils.support.cluster import Obj, backend, cluster, ingress, load_balancer, path, pod, port, routes, service

PREFIX = "traffic.sidecar.istio.io/"
TWIN = service("twin", port("tcp-8080", 8080, 8080), ip="None", selector={"app": "shop"})
BY_VIP = [service("shop", port("web", 80, 8080), ip="10.96.7.7"), ingress("shop", path(backend("shop")), service_upstream="true")]
BY_PODS = [service("shop"), ingress("shop", path(backend("shop"))), TWIN]


def outcome(objects: list[Obj], ips: tuple[str, ...], annotations: dict[str, str]) -> Outcome:
    pods = [pod("shop", name=f"shop-{number}", ip=ip, http=8080) for number, ip in enumerate(ips)]
    snapshot = cluster(*objects, *pods)
    (route,) = routes(snapshot)
    told = {"metadata": {"annotations": {PREFIX + key: value for key, value in annotations.items()}}}
    return predict(snapshot, replace(load_balancer(snapshot), interception=interception_of(told, Interception())), route)


@pytest.mark.parametrize(("objects", "annotations", "verdict", "why"), [
    (BY_VIP, {}, "mutual_tls", ""),
    (BY_VIP, {"excludeOutboundPorts": "8080"}, "mutual_tls", ""),
    (BY_VIP, {"excludeOutboundPorts": "80, 443"}, "plaintext", "excludeOutboundPorts holds 80"),
    (BY_VIP, {"excludeOutboundIPRanges": "10.96.0.0/16"}, "plaintext", "excludeOutboundIPRanges covers 10.96.7.7"),
    (BY_VIP, {"includeOutboundIPRanges": "10.1.0.0/16"}, "plaintext", "does not cover 10.96.7.7"),
    (BY_VIP, {"includeOutboundIPRanges": "10.96.0.0/16,10.1.0.0/16"}, "mutual_tls", ""),
    (BY_VIP, {"includeOutboundIPRanges": ""}, "plaintext", "includeOutboundIPRanges"),
    (BY_PODS, {}, "mutual_tls", ""),
    (BY_PODS, {"excludeOutboundPorts": "8080"}, "plaintext", "excludeOutboundPorts holds 8080"),
    (BY_PODS, {"excludeOutboundIPRanges": "10.1.2.0/24"}, "mixed", "excludeOutboundIPRanges covers 10.1.2.2"),
    (BY_PODS, {"excludeOutboundIPRanges": "10.1.0.0/16"}, "plaintext", "excludeOutboundIPRanges covers"),
    (BY_PODS, {"excludeOutboundIPRanges": "10.1.0.0/33"}, "mutual_tls", ""),
])  # fmt: skip
def test_exclusions(objects: list[Obj], annotations: dict[str, str], verdict: str, why: str) -> None:
    found = outcome(objects, ("10.1.1.1", "10.1.2.2"), annotations)
    assert (found.verdict, why in found.why) == (verdict, True), found
