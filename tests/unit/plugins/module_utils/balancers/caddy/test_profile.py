# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Caddy: what it is recognised by, what it serves, and that nothing needs to be set."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.balancers.support import (
    HTTP,
    data_plane,
    meshed,
    noted,
    outcomes,
    reading,
    served_by,
    shown,
    undeclared,
)
from tests.unit.plugins.module_utils.support.cluster import Obj, backend, ingress, live, path
from tests.unit.plugins.module_utils.support.known import detect

HOST = "shop.example.com"
SHOP = "apps/shop:80"


def caddy(*args: str, image: str = "caddy/ingress:v0.2.1", **more: Any) -> Obj:
    return data_plane("caddy", "-config-map=caddy-configmap", *args, image=image, **more)


def plain(class_name: str | None = "caddy", reference: int | str = 80, **annotations: str) -> Obj:
    made = ingress("a", path(backend("shop", reference)), host=HOST, class_name=class_name)
    return noted(made, **annotations)


def test_caddy_is_recognised() -> None:
    label = {"app.kubernetes.io/name": "caddy-ingress-controller"}
    mirrored = caddy(image="m.example.com/caddy/ingress")
    for item in (caddy(), caddy("-lease-id=x", image="x/y"), caddy(image="x/y", pod_labels=label), mirrored):
        assert [one.vendor for one in detect(live(item))[0]] == ["caddy"]
    assert detect(live(data_plane("web", image="caddy:2")))[0] == []


CADDY: dict[str, tuple[tuple[str, ...], Obj, int]] = {
    "its class": ((), plain(), 1), "without a class": ((), plain(None), 1), "another class": ((), plain("x"), 0),
    "without a class, not wanted": (("-class-name-required",), plain(None), 0),
    "the annotation before the field": ((), plain("caddy", **{"kubernetes.io/ingress.class": "x"}), 0),
    "its own name": (("-class-name=x",), plain("x"), 1), "another namespace": (("-namespace=x",), plain(), 0),
}  # fmt: skip


@pytest.mark.parametrize(("args", "item", "number"), CADDY.values(), ids=CADDY)
def test_what_caddy_serves(args: tuple[str, ...], item: Obj, number: int) -> None:
    assert len(reading(meshed(caddy(*args), *HTTP, item), "caddy")[0]) == number


def test_caddys_routes() -> None:
    assert shown(meshed(caddy(), *HTTP, plain()), "caddy") == [(HOST, "/", SHOP, "cluster_ip", "", "http")]
    tls = plain(**{"caddy.ingress.kubernetes.io/backend-protocol": "HTTPS"})
    assert shown(meshed(caddy(), *HTTP, tls), "caddy")[0][5] == "tls"
    assert [item.code for item in reading(meshed(caddy(), *HTTP, plain(reference="http")), "caddy")[1]] == ["MLB206"]


def test_strategies_with_caddy() -> None:
    assert outcomes(meshed(caddy(), *HTTP, plain())) == {
        "service_vip": "plaintext", "host_rewrite": "plaintext", "host_alias": "mutual_tls", "host_entry": "mutual_tls",
        "headless_twin": "plaintext",
    }  # fmt: skip
    standing = served_by(meshed(caddy(), *undeclared(), plain()), "auto", preserve_host=True)
    assert standing.verdicts == {"mutual_tls"} and standing.written == [] and standing.strategies == {"a": "none"}
    alias = served_by(meshed(caddy(), *HTTP, plain()), "host_alias")
    assert alias.written == ["create VirtualService edge/meshlb-alias-shop.example.com"]
