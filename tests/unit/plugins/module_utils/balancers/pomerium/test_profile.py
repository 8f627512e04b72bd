# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pomerium: one annotation, and a Host that already is the upstream's."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.balancers.gateways import gateway, gateway_class, route, rule, to_service
from tests.unit.plugins.module_utils.balancers.support import (
    HTTP,
    SHOP_NAME,
    data_plane,
    meshed,
    noted,
    outcomes,
    patches,
    served_by,
    shown,
    switches,
    the,
    undeclared,
)
from tests.unit.plugins.module_utils.support.cluster import Obj, backend, ingress, ingress_class, live, path
from tests.unit.plugins.module_utils.support.known import detect

POMERIUM = "pomerium"
HOST = "shop.example.com"
PREFIX = "ingress.pomerium.io"
CLASS = ingress_class("pomerium", "pomerium.io/ingress-controller")


def controller(*args: str, image: str = "pomerium/ingress-controller:v0.31.0") -> Obj:
    return data_plane("pomerium", "all-in-one", "--pomerium-config=global", *args, image=image)


def cluster(*objects: Obj, args: tuple[str, ...] = ()) -> Any:
    return meshed(controller(*args), CLASS, *objects)


def plain(prefix: str = PREFIX, class_name: str | None = "pomerium", **annotations: str) -> Obj:
    made = ingress("a", path(backend("shop")), host=HOST, class_name=class_name)
    return noted(made, **{f"{prefix}/{key}": value for key, value in annotations.items()})


@pytest.mark.parametrize(
    "item",
    [controller(), controller(image="mirror.example.com/x:1"), data_plane("p", image="mirror.example.com/pomerium/ingress-controller:1")],
)  # fmt: skip
def test_it_is_recognised(item: Obj) -> None:
    assert [one.vendor for one in detect(live(item))[0]] == [POMERIUM]


def test_its_class_may_have_a_suffix() -> None:
    other = ingress_class("inner", "pomerium.io/ingress-controller-inner")
    assert the(meshed(controller("--name=pomerium.io/ingress-controller-inner"), CLASS, other), POMERIUM).classes == ("inner",)


SHOP = "apps/shop:80"
READ: dict[str, tuple[Obj, tuple[Any, ...]]] = {
    "as it comes": (plain(), ("pod_ips", "$pod_address", "http")),
    "Service routing": (plain(service_proxy_upstream="True"), ("cluster_ip", SHOP_NAME, "http")),
    "Service routing turned off": (plain(service_proxy_upstream="false"), ("pod_ips", "$pod_address", "http")),
    "the client's Host": (plain(service_proxy_upstream="true", preserve_host_header="true"), ("cluster_ip", "", "http")),
    "a Host of its own": (plain(service_proxy_upstream="true", host_rewrite="x.example.com"), ("cluster_ip", "x.example.com", "http")),
    "a Host that is made": (plain(service_proxy_upstream="true", host_rewrite_header="x"), ("cluster_ip", "$rewritten", "http")),
    "TLS": (plain(secure_upstream="true"), ("pod_ips", "$pod_address", "tls")),
    "TCP": (plain(tcp_upstream="true"), ("pod_ips", "$pod_address", "tcp")),
}


@pytest.mark.parametrize(("item", "expected"), READ.values(), ids=READ)
def test_routes_as_they_are_read(item: Obj, expected: tuple[Any, ...]) -> None:
    assert shown(cluster(*HTTP, item), POMERIUM) == [(HOST, "/", SHOP, *expected)]


def test_another_prefix() -> None:
    snapshot = cluster(*HTTP, plain("p.example.com", service_proxy_upstream="true"), args=("--prefix=p.example.com",))
    assert shown(snapshot, POMERIUM)[0][3] == "cluster_ip"


def test_what_is_served() -> None:
    assert shown(cluster(*HTTP, plain(class_name=None)), POMERIUM) == []
    assert shown(cluster(*HTTP, plain(), args=("--namespaces=x,y",)), POMERIUM) == []
    default = {**CLASS, "metadata": {"name": "pomerium", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}}}
    assert len(shown(meshed(controller(), default, *HTTP, plain(class_name=None)), POMERIUM)) == 1


def test_switches() -> None:
    routing, host = switches(cluster(*HTTP, plain()), POMERIUM)
    assert patches(routing) == {f"Ingress/a metadata.annotations.{PREFIX}/service_proxy_upstream": "true"} and host.patches == ()


@pytest.mark.parametrize(
    ("item", "which", "said"),
    [
        (plain(service_proxy_upstream="false"), 0, "service_proxy_upstream is 'false'"),
        (plain(preserve_host_header="true"), 1, "preserve_host_header is 'true'"),
        (plain(host_rewrite="x.example.com"), 1, "host_rewrite is 'x.example.com'"),
    ],
)  # fmt: skip
def test_a_users_own_value_is_never_overwritten(item: Obj, which: int, said: str) -> None:
    answer = switches(cluster(*HTTP, item), POMERIUM)[which]
    assert answer.patches == () and said in answer.refusal


def test_one_annotation_is_enough() -> None:
    found = outcomes(cluster(*HTTP, plain()))
    assert found["service_vip"] == found["host_rewrite"] == found["headless_twin"] == "mutual_tls"
    assert served_by(cluster(*HTTP, plain()), "service_vip").written == ["patch Ingress apps/a"]
    assert outcomes(cluster(*undeclared(), plain()))["service_vip"] == "mutual_tls"


def test_gateway_api_needs_nothing() -> None:
    objects = [gateway_class("pomerium.io/gateway-controller"), gateway(), route("a", rule(to_service("shop"), to_service("cart")))]
    assert [item[3:5] for item in shown(cluster(*HTTP, *objects), POMERIUM)] == [
        ("cluster_ip", "cart.apps.svc.cluster.local"), ("cluster_ip", SHOP_NAME),
    ]  # fmt: skip
    found = served_by(cluster(*HTTP, *objects), "service_vip")
    assert found.verdicts == {"mutual_tls"} and found.written == []
