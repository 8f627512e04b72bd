# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selectors in their three forms: a map, a LabelSelector, and text as command lines and options have it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.detect.selection import route_filter
from ansible_collections.meshlb.istio.plugins.module_utils.kube.selectors import object_selector, selects, text_selector, vendor_selector

from tests.unit.plugins.module_utils.balancers.support import data_plane, reading
from tests.unit.plugins.module_utils.support.cluster import backend, ingress, ingress_class, live, path, service

LABELS = {"app": "shop", "tier": "web"}


@pytest.mark.parametrize(
    ("selector", "matches"),
    [({"app": "shop"}, True), (LABELS, True), ({"app": "x"}, False), ({"new": "x"}, False), ({}, False), (None, False)],
)
def test_map_selectors(selector: dict[str, str] | None, matches: bool) -> None:
    assert selects(selector, LABELS) is matches


def expression(operator: str, key: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ({}, True), (None, False), ({"matchLabels": {"app": "shop"}}, True), ({"matchLabels": {"app": "x"}}, False),
        (expression("In", "app", "x", "shop"), True), (expression("In", "app", "x"), False), (expression("In", "no", "x"), False),
        (expression("NotIn", "app", "x"), True), (expression("NotIn", "app", "shop"), False), (expression("NotIn", "no", "x"), True),
        (expression("Exists", "app"), True), (expression("Exists", "no"), False), (expression("DoesNotExist", "no"), True),
        (expression("DoesNotExist", "app"), False), (expression("Gt", "app", "1"), False),
        ({"matchLabels": {"app": "shop"}, **expression("Exists", "no")}, False),
    ],
)  # fmt: skip
def test_label_selectors(selector: dict[str, Any] | None, matches: bool) -> None:
    assert object_selector(selector).matches(LABELS) is matches


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True), ("app=shop", True), ("app==shop", True), ("app = shop", True), ("app=x", False), ("app!=x", True), ("app!=shop", False),
        ("no!=x", True), ("app", True), ("no", False), ("!no", True), ("! no", True), ("!app", False), ("app in (x, shop)", True),
        ("app in (x)", False), ("app notin (x,y)", True), ("app notin (shop)", False), ("no notin (x)", True), ("app in(shop)", True),
        ("app=shop,tier in (web,db),!no", True), ("app=shop,tier=db", False), ("no=", False), (" app=shop , ,tier=web,", True),
        ("example.com/app!=x", True), ("app in (,shop)", True),
    ],
)  # fmt: skip
def test_selectors_as_text(text: str, matches: bool) -> None:
    assert text_selector(text, "label_selector").matches(LABELS) is matches
    assert vendor_selector(text).matches(LABELS) is matches


@pytest.mark.parametrize(
    ("text", "part", "vendors"),
    [
        ("tier=web,app in shop", "app in shop", False), ("app in (shop", "app in (shop", False), ("app in ()", "app in ()", False),
        ("app=shop=web", "app=shop=web", False), ("app=shop web", "app=shop web", False), ("app=sh*", "app=sh*", False),
        ("app!=sh*", "app!=sh*", True), ("=shop", "=shop", False), ("!app=shop", "!app=shop", True), ("app>1", "app>1", False),
        ("-app", "-app", False), ("Example.com/app", "Example.com/app", False), ("app notin (a b)", "app notin (a b)", True),
        (f"app={64 * 'a'}", f"app={64 * 'a'}", False),
    ],
)  # fmt: skip
def test_text_that_is_no_selector(text: str, part: str, vendors: bool) -> None:
    """The user is told; what a vendor makes of its own flag is the vendor's business."""
    with pytest.raises(MeshlbError) as caught:
        text_selector(text, "label_selector")
    assert f"label_selector has {part!r}" in caught.value.message and "key notin (a,b)" in caught.value.hint
    assert vendor_selector(text).matches(LABELS) is vendors


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["one", "three", "two"]), ("team in (a, b)", ["one", "two"]), ("team notin (a)", ["three", "two"]), ("team,team!=b", ["one"]),
        ("!team", ["three"]),
    ],
)  # fmt: skip
def test_routes_by_the_labels_of_their_objects(text: str, names: list[str]) -> None:
    balancer = data_plane("lb", "--controller-class=example.com/lb", command=("/nginx-ingress-controller",))
    items = [ingress(name, path(backend("shop")), host=f"{name}.example.com") for name in ("one", "two", "three")]
    for item, team in zip(items, ("a", "b"), strict=False):
        item["metadata"]["labels"] = {"team": team}
    snapshot = live(balancer, ingress_class(controller="example.com/lb"), service("shop"), *items)
    selected = route_filter(snapshot, (), text)
    assert sorted(route.object.name for route in reading(snapshot, "ingress_nginx")[0] if selected(route)) == names
