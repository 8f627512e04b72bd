# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Skipper in chained mode: Ingresses and RouteGroups that are led to a gateway, the filter for the client's address, and its limits."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.balancers.skipper.test_profile import group, skipper
from tests.unit.plugins.module_utils.balancers.support import noted
from tests.unit.plugins.module_utils.plan.chain.kit import ADDRESS, GATEWAYS, Chain, refusal
from tests.unit.plugins.module_utils.plan.chain.test_vendor_chains import ALIAS, cluster, led
from tests.unit.plugins.module_utils.support.cluster import APPS, PUBLIC, Obj, backend, ingress, path

FILTER, PROTOCOL = "zalando.org/skipper-filter", "zalando.org/skipper-backend-protocol"
KEEPS = "-proxy-preserve-host"
TLS = {"name": "meshlb", "namespace": GATEWAYS, "tls": {"mode": "simple", "credential_name": "cert"}}
NEW = {"hosts": [{"host": PUBLIC, "paths": [{"path": "/", "backend": {"namespace": APPS, "service": "shop", "port": 80}}]}]}


def plain(*paths: Obj, **annotations: str) -> Obj:
    made = ingress("a", *(paths or (path(backend("shop")), path(backend("cart"), "/cart"))), class_name="skipper")
    return noted(made, **annotations) if annotations else made


def front(*objects: Obj, args: tuple[str, ...] = (), **more: Any) -> Chain:
    return led(cluster(skipper(KEEPS, *args), *objects), "skipper", **more)


def notes(done: Chain, kind: str = "Ingress.networking.k8s.io", name: str = "a") -> Obj:
    found: Obj = done.after.get(kind, APPS, name)["metadata"].get("annotations", {})  # type: ignore[index]
    return found


def test_an_ingress_is_led_path_by_path() -> None:
    done = front(plain())
    paths = done.after.get("Ingress.networking.k8s.io", APPS, "a")["spec"]["rules"][0]["http"]["paths"]  # type: ignore[index]
    assert [item["backend"]["service"] for item in paths] == [{"name": ALIAS, "port": {"number": 80}}] * 2
    assert notes(done)[FILTER] == "xforward()" and PROTOCOL not in notes(done)
    assert {item.after.verdict for item in done.plan.routes} == {"mutual_tls"}
    assert (done.plan.client.mode, done.plan.client.trusted_hops) == ("x_forwarded_for", 1)


def test_it_reads_endpoints_unless_told_otherwise() -> None:
    listed = front(plain()).body("Endpoints")
    assert listed["subsets"] == [{"addresses": [{"ip": ADDRESS}], "ports": [{"name": "gateway", "port": 80, "protocol": "TCP"}]}]
    assert listed["metadata"]["labels"]["endpointslice.kubernetes.io/skip-mirror"] == "true"
    sliced = front(plain(), args=("-enable-kubernetes-endpointslices",))
    assert [item.object.kind for item in sliced.changes if item.object.kind.startswith("Endpoint")] == ["EndpointSlice"]


FILTERS: dict[str, tuple[tuple[str, ...], str | None, str | None]] = {
    "none": ((), None, "xforward()"),
    "its own": ((), 'setQuery("a", "b")', 'setQuery("a", "b") -> xforward()'),
    "it is the last already": ((), 'setQuery("a", "b") -> xforward()', 'setQuery("a", "b") -> xforward()'),
    "the client comes first": ((), "xforwardFirst()", "xforwardFirst() -> xforward()"),
    "the option": (("-forwarded-headers=X-Forwarded-Host,X-Forwarded-For",), None, None),
    "the option without that header": (("-forwarded-headers=X-Forwarded-Host",), None, "xforward()"),
    "the option, but not for everybody": (
        ("-forwarded-headers=X-Forwarded-For", "-forwarded-headers-exclude-cidrs=10.0.0.0/8"), None, "xforward()"),
}  # fmt: skip


@pytest.mark.parametrize(("args", "own", "expected"), FILTERS.values(), ids=FILTERS)
def test_the_client_is_the_last_entry(args: tuple[str, ...], own: str | None, expected: str | None) -> None:
    done = front(plain(**({FILTER: own} if own else {})), args=args)
    assert notes(done).get(FILTER) == expected


def test_nothing_is_added_where_nobody_asks_for_the_client() -> None:
    assert FILTER not in notes(front(plain(), client_address={"mode": "none"}))


def test_tls_where_it_verifies_nothing() -> None:
    done = front(plain(), args=("-insecure",), gateway=TLS)
    assert notes(done)[PROTOCOL] == "https" and done.body("Gateway")["spec"]["servers"][0]["hosts"] == ["*"]
    groups = front(group({"pathSubtree": "/"}), args=("-insecure",), gateway=TLS)
    assert notes(groups, "RouteGroup.zalando.org", "g")[PROTOCOL] == "https"


REFUSED: dict[str, tuple[tuple[str, ...], Obj, str]] = {
    "TLS where it verifies": ((), {"gateway": TLS}, "MLB617"),
    "a Service by name": ((), {"route_backend": "name"}, "MLB617"),
    "a redirect at the gateway": ((), {"https_redirect": True}, "MLB617"),
    "a server name": (("-insecure",), {"gateway": {**TLS, "tls": {**TLS["tls"], "host": "gw.example.com"}}}, "MLB602"),  # type: ignore[dict-item]
}


@pytest.mark.parametrize(("args", "more", "code"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_done(args: tuple[str, ...], more: Obj, code: str) -> None:
    assert refusal(cluster(skipper(KEEPS, *args), plain()), platform="skipper", **more) == code


def test_a_route_group_is_led_as_a_whole_or_not_at_all() -> None:
    backends = [
        {"name": "shop", "type": "service", "serviceName": "shop", "servicePort": 80}, {"name": "none", "type": "shunt"},
        {"name": "cart", "type": "service", "serviceName": "cart", "servicePort": 80},
    ]  # fmt: skip
    rules = [{"path": "/b", "backends": [{"backendName": "cart"}], "filters": ['setQuery("a", "b")']}, {"pathSubtree": "/"}]
    done = front(group(*rules, backends=backends))
    spec = done.after.get("RouteGroup.zalando.org", APPS, "g")["spec"]  # type: ignore[index]
    assert [item.get("serviceName") for item in spec["backends"]] == [ALIAS, None, ALIAS]
    assert [item["filters"] for item in spec["routes"]] == [['setQuery("a", "b")', "xforward()"], ["xforward()"]]
    for own in ({"pathRegexp": "^/x"}, {"path": "/b", "predicates": ['Header("x", "y")']}):
        stays = front(group(*rules, {**own, "backends": [{"backendName": "cart"}]}, backends=backends))
        assert not any(item.chained for item in stays.plan.routes) and "MLB610" in stays.codes


def test_a_route_group_that_has_only_backends_gets_a_route() -> None:
    done = front(group())
    spec = done.after.get("RouteGroup.zalando.org", APPS, "g")["spec"]  # type: ignore[index]
    assert spec["routes"] == [{"pathSubtree": "/", "filters": ["xforward()"]}]


PATHS: dict[str, tuple[tuple[str, ...], Obj, bool, list[str]]] = {
    "by elements": (("-kubernetes-path-mode=path-prefix",), {}, True, ["/a", "/a/"]),
    "by characters": ((), {}, True, ["/a"]),
    "as an expression": (("-kubernetes-path-mode=path-regexp",), {}, False, []),
    "by elements, says the Ingress": ((), {"zalando.org/skipper-ingress-path-mode": "path-prefix"}, True, ["/a", "/a/"]),
}


@pytest.mark.parametrize(("args", "annotations", "chained", "uris"), PATHS.values(), ids=PATHS)
def test_what_a_path_of_its_own_type_means(args: tuple[str, ...], annotations: Obj, chained: bool, uris: list[str]) -> None:
    done = front(plain(path(backend("shop"), "/a", "ImplementationSpecific"), **annotations), args=args)
    assert [item.chained for item in done.plan.routes] == [chained]
    made = [item.body for item in done.changes if item.object.kind == "VirtualService" and item.body]
    assert [next(iter(match["uri"].values())) for item in made for match in item["spec"]["http"][0]["match"]] == uris


def test_a_path_that_is_rewritten_leaves_one_backend_alone_to_be_chosen() -> None:
    rewritten = {FILTER: 'modPath("^/x", "/")'}
    assert not any(item.chained for item in front(plain(**rewritten)).plan.routes)
    assert all(item.chained for item in front(plain(path(backend("shop")), **rewritten)).plan.routes)


def test_a_new_ingress() -> None:
    made = front(**NEW).body("Ingress")
    assert made["metadata"]["annotations"][FILTER] == 'preserveHost("true") -> xforward()' and made["spec"]["ingressClassName"] == "skipper"
    safe = front(**NEW, gateway=TLS)
    assert safe.body("Ingress")["metadata"]["annotations"][PROTOCOL] == "https" and "MLB613" in safe.codes
