# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps both upstreams of a route while there is a chain: which objects, of which class, and with what they name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.balancers import gateways
from tests.unit.plugins.module_utils.balancers.contour import test_profile as test_contour
from tests.unit.plugins.module_utils.plan.chain.kit import world
from tests.unit.plugins.module_utils.plan.chain.test_vendor_chains import ALIAS, CONTOUR, EMISSARY, cluster, led
from tests.unit.plugins.module_utils.support.cluster import APPS, Obj, backend, ingress, namespace, path, pod, service

CLASS, OWN = "kubernetes.io/ingress.class", "projectcontour.io/ingress.class"
TO_GATEWAY = {"name": ALIAS, "port": 80}


def holder(done: Any, kind: str) -> Obj:
    found = done.body(kind, f"{ALIAS}-keeps-a")
    notes = found["metadata"]["annotations"]
    assert (found["metadata"]["namespace"], notes["meshlb.istio/ignore"], notes["meshlb.istio/routes-in"]) == (APPS, "true", APPS)
    return dict(found)


def of_class(name: str = "", **notes: str) -> Obj:
    made = ingress("a", path(backend("shop")), path(backend("cart"), "/cart"), class_name=name)
    if notes:
        made["metadata"]["annotations"] = {{"own": OWN, "usual": CLASS}[key]: value for key, value in notes.items()}
    return made


INGRESSES: dict[str, tuple[str, list[Obj], Obj, set[str], str]] = {
    "a field": ("contour", CONTOUR, of_class("contour"), set(), "contour"),
    "an annotation": ("contour", CONTOUR, of_class(usual="contour"), {CLASS}, ""),
    "its own annotation": ("contour", CONTOUR, of_class(own="contour"), {OWN}, ""),
    "a field and an annotation": ("contour", CONTOUR, of_class("contour", usual="contour"), set(), "contour"),
    "Emissary": ("emissary", EMISSARY, of_class("ambassador"), set(), "ambassador"),
}  # fmt: skip


@pytest.mark.parametrize(("vendor", "own", "item", "notes", "class_name"), INGRESSES.values(), ids=INGRESSES)
def test_an_ingress_of_the_same_class(vendor: str, own: list[Obj], item: Obj, notes: set[str], class_name: str) -> None:
    kept = holder(led(cluster(*own, item), vendor), "Ingress")
    assert {key for key in kept["metadata"]["annotations"] if not key.startswith("meshlb")} == notes
    assert kept["spec"].get("ingressClassName", "") == class_name
    assert all(rule["host"].endswith(f".{ALIAS}.invalid") for rule in kept["spec"]["rules"])
    services = [entry["backend"]["service"] for rule in kept["spec"]["rules"] for entry in rule["http"]["paths"]]
    # Emissary leads one backend of a host alone.
    names = ["shop", "cart"] if vendor == "contour" else ["shop"]
    assert services == [{"name": ALIAS, "port": {"number": 80}}, *({"name": name, "port": {"number": 80}} for name in names)]


def test_objects_that_are_called_alike_have_hosts_of_their_own() -> None:
    other = ingress("a", path(backend("shop")), class_name="nginx", where="other", host="other.example.com")
    mine = ingress("a", path(backend("shop")), class_name="nginx")
    done = led(world(mine, other, namespace("other"), service("shop", where="other"), pod("shop", where="other")), "ingress_nginx")
    hosts = [item.body["spec"]["rules"][0]["host"] for item in done.changes if item.object.kind == "Ingress" and item.body]
    assert len(hosts) == len(set(hosts)) == 2


RULES: dict[str, tuple[list[Obj], list[Obj]]] = {
    "a rule": ([test_contour.to(test_contour.svc())], [{"services": [{"name": "shop", "port": 80}]}, {"services": [TO_GATEWAY]}]),
    "rules of one Service": (
        [test_contour.to(test_contour.svc()), test_contour.to(test_contour.svc(), conditions=[{"prefix": "/more"}])],
        [{"services": [{"name": "shop", "port": 80}]}, {"services": [TO_GATEWAY]}],
    ),
    "what makes an upstream another one": (
        [test_contour.to(test_contour.svc(slowStartPolicy={"window": "3s"}), loadBalancerPolicy={"strategy": "WeightedLeastRequest"},
                         healthCheckPolicy={"path": "/up"}, retryPolicy={"count": 2}, permitInsecure=True)],
        [
            {"services": [{"slowStartPolicy": {"window": "3s"}, **to}], "loadBalancerPolicy": {"strategy": "WeightedLeastRequest"},
             "healthCheckPolicy": {"path": "/up"}}
            for to in ({"name": "shop", "port": 80}, TO_GATEWAY)
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rules", "expected"), RULES.values(), ids=RULES)
def test_an_http_proxy_with_the_same_upstreams(rules: list[Obj], expected: list[Obj]) -> None:
    kept = holder(led(cluster(*CONTOUR, test_contour.proxy(*rules, class_name="contour")), "contour"), "HTTPProxy")
    assert kept["spec"]["ingressClassName"] == "contour" and kept["spec"]["virtualhost"]["fqdn"].endswith(f".{ALIAS}.invalid")
    conditions = [rule.pop("conditions") for rule in kept["spec"]["routes"]]
    assert kept["spec"]["routes"] == expected and conditions == [[{"prefix": f"/{number}"}] for number in range(len(expected))]


def test_an_http_route_for_a_header_that_nobody_sends() -> None:
    rules = [gateways.rule(gateways.to_service("shop"), path="/"), gateways.rule(gateways.to_service("cart"), path="/cart")]
    own = [*CONTOUR, gateways.gateway_class("projectcontour.io/gateway-controller"), gateways.gateway(gateways.listener())]
    route = gateways.route("a", *rules)
    kept = holder(led(cluster(*own, route), "contour"), "HTTPRoute")["spec"]
    assert (kept["parentRefs"], kept.get("hostnames")) == (route["spec"]["parentRefs"], route["spec"].get("hostnames"))
    (rule,) = kept["rules"]
    assert [(item["name"], item["port"]) for item in rule["backendRefs"]] == [("shop", 80), ("cart", 80), (ALIAS, 80)]
    (match,) = rule["matches"]
    assert match["headers"] == [{"name": "meshlb-istio-keeps", "value": ALIAS}] and match["path"]["type"] == "Exact"
