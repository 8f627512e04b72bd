# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding platforms side by side: each alone is nobody else's, all of them together are found once, and a shared prefix tells nothing."""

from __future__ import annotations

import pytest

from tests.unit.plugins.module_utils.balancers.cloud_support import balanced, node
from tests.unit.plugins.module_utils.balancers.gateways import gateway_class
from tests.unit.plugins.module_utils.balancers.support import data_plane, noted
from tests.unit.plugins.module_utils.support.cluster import Obj, backend, ingress, ingress_class, live, path
from tests.unit.plugins.module_utils.support.known import detect

PREFIX = "alb.ingress.kubernetes.io"


def annotated(name: str, **notes: str) -> Obj:
    return noted(ingress(name, path(backend("shop")), class_name=None), **notes)


ALONE: dict[str, list[Obj]] = {
    "aws_alb": [ingress_class("alb", "ingress.k8s.aws/alb"), gateway_class("gateway.k8s.aws/alb", "aws-alb")],
    "alibaba_alb": [ingress_class("ali", "ingress.k8s.alibabacloud/alb")],
    "alibaba_clb": [balanced("clb", notes={"service.beta.kubernetes.io/alibaba-cloud-loadbalancer-spec": "slb.s1.small"})],
    "digitalocean_lb": [balanced("do", notes={"service.beta.kubernetes.io/do-loadbalancer-type": "REGIONAL"})],
    "oci_lb": [balanced("oci", notes={"oci.oraclecloud.com/load-balancer-type": "nlb"}),
               ingress_class("native", "oci.oraclecloud.com/native-ingress-controller")],
    "cloudflare_tunnel": [data_plane("cloudflared", "tunnel", "run", image="cloudflare/cloudflared:2026.8.0")],
    "openshift_router": [data_plane("router-default", image="openshift/origin-haproxy-router:v4", where="openshift-ingress"),
                         ingress_class("openshift-default", "openshift.io/ingress-to-route")],
    "f5_cis": [ingress_class("f5", "f5.com/cntr-ingress-svcs"),
               data_plane("cis", "--bigip-partition=k8s", image="f5networks/k8s-bigip-ctlr:2.20.0")],
}  # fmt: skip


@pytest.mark.parametrize("vendor", ALONE)
def test_alone(vendor: str) -> None:
    assert [item.vendor for item in detect(live(*ALONE[vendor]))[0]] == [vendor]


def test_all_together() -> None:
    found = [item.vendor for item in detect(live(*(one for objects in ALONE.values() for one in objects)))[0]]
    assert sorted(found) == sorted(ALONE)


SHARED: dict[str, tuple[list[Obj], list[str]]] = {
    "one that only the first knows": ([annotated("a", **{f"{PREFIX}/scheme": "internal"})], ["aws_alb"]),
    "one that only the second knows": ([annotated("a", **{f"{PREFIX}/vswitch-ids": "vsw-1"})], ["alibaba_alb"]),
    "both sorts in one": (
        [annotated("a", **{f"{PREFIX}/vswitch-ids": "vsw-1", f"{PREFIX}/listen-ports": "x"})], ["alibaba_alb"]),
    "one that both know, on the first's nodes": (
        [node("aws:///a/i-1"), annotated("a", **{f"{PREFIX}/listen-ports": "x"})], ["aws_alb"]),
    "one that both know, on the second's nodes": (
        [node("cn-hangzhou.i-1"), annotated("a", **{f"{PREFIX}/listen-ports": "x"})], ["alibaba_alb"]),
    "one that both know, on no known nodes": ([annotated("a", **{f"{PREFIX}/listen-ports": "x"})], []),
}


@pytest.mark.parametrize(("objects", "expected"), SHARED.values(), ids=SHARED)
def test_two_platforms_with_one_prefix(objects: list[Obj], expected: list[str]) -> None:
    assert [item.vendor for item in detect(live(*objects))[0]] == expected
