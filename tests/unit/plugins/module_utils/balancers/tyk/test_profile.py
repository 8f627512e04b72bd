# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tyk: its gateway and not its operator, its Ingresses and ApiDefinitions, and that nothing needs to be set."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.balancers.support import (
    HTTP,
    SHOP_NAME,
    data_plane,
    meshed,
    noted,
    reading,
    served_by,
    shown,
    switches,
)
from tests.unit.plugins.module_utils.support.cluster import APPS, Obj, backend, ingress, live, obj, path
from tests.unit.plugins.module_utils.support.known import detect

HOST = "shop.example.com"
SHOP = "apps/shop:80"


def plain(class_name: str | None = "tyk", reference: int | str = 80, **annotations: str) -> Obj:
    made = ingress("a", path(backend("shop", reference)), host=HOST, class_name=class_name)
    return noted(made, **annotations)


def tyk(**more: Any) -> Obj:
    return data_plane("gateway-tyk", image=more.pop("image", "docker.tyk.io/tyk-gateway/tyk-gateway:v5.8.0"), **more)


def definition(target: str = "http://shop.apps.svc.cluster.local:80", *, keep: bool = False, name: str = "d", **more: Any) -> Obj:
    proxy = {"target_url": target, "listen_path": "/", **({"preserve_host_header": True} if keep else {})}
    return obj("tyk.tyk.io/v1alpha1", "ApiDefinition", APPS, name, spec={"domain": HOST, "proxy": proxy}, **more)


def test_tyks_gateway_is_recognised_and_its_operator_is_not() -> None:
    mirrored = data_plane("x", image="m.example.com/tykio/tyk-gateway:v5")
    for item in (tyk(), mirrored, tyk(image="x/y", env=("TYK_GW_LISTENPORT",))):
        assert [one.vendor for one in detect(live(item))[0]] == ["tyk"]
    assert detect(live(data_plane("operator", image="tykio/tyk-operator:v1"), data_plane("d", image="tykio/tyk-dashboard:v5")))[0] == []


TEMPLATE = definition(name="t", keep=True, labels={"template": "true"})
TYK: dict[str, tuple[list[Obj], list[tuple[Any, ...]]]] = {
    "an Ingress": ([plain("tyk")], [(HOST, "/", SHOP, "cluster_ip", SHOP_NAME, "http")]),
    "an Ingress by annotation": (
        [plain(None, **{"kubernetes.io/ingress.class": "tyk"})], [(HOST, "/", SHOP, "cluster_ip", SHOP_NAME, "http")]),
    "an Ingress after a template": ([TEMPLATE, plain("tyk", **{"tyk.io/template": "t"})],
                                    [(HOST, "/", SHOP, "cluster_ip", "", "http")]),
    "a definition": ([definition()], [(HOST, "/", SHOP, "cluster_ip", SHOP_NAME, "http")]),
    "a short name": ([definition("http://shop.apps:80/x")], [(HOST, "/", SHOP, "cluster_ip", "shop.apps", "http")]),
    "the client's Host": ([definition(keep=True)], [(HOST, "/", SHOP, "cluster_ip", "", "http")]),
    "TLS": ([definition("https://shop.apps.svc:80")], [(HOST, "/", SHOP, "cluster_ip", "shop.apps.svc", "tls")]),
    "elsewhere": ([definition("https://httpbin.org.example.com")], []),
    "made from an Ingress": ([definition(owners=[{"kind": "Ingress", "name": "a"}])], []),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "expected"), TYK.values(), ids=TYK)
def test_tyks_routes(objects: list[Obj], expected: list[tuple[Any, ...]]) -> None:
    assert shown(meshed(tyk(), *HTTP, *objects), "tyk") == expected


def test_tyk_needs_nothing() -> None:
    for item in (plain("tyk"), definition()):
        standing = served_by(meshed(tyk(), *HTTP, item), "auto")
        assert standing.verdicts == {"mutual_tls"} and standing.written == []
    assert "preserve_host_header" in switches(meshed(tyk(), *HTTP, definition(keep=True)), "tyk")[1].refusal
    assert [item.code for item in reading(meshed(tyk(), definition("http://x.y.z.w")), "tyk")[1]] == ["MLB208"]
