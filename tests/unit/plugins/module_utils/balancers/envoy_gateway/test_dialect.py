# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Envoy Gateway accepts of listeners and filters, and what its HTTPRouteFilters do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.plugins.module_utils.balancers.envoy_gateway.test_profile import CLASS, EG, proxy
from tests.unit.plugins.module_utils.balancers.gateways import gateway, listener, rewrite, route, rule, to_service
from tests.unit.plugins.module_utils.balancers.kit.gateway.support import ENDS, modifier
from tests.unit.plugins.module_utils.balancers.support import meshed, reading
from tests.unit.plugins.module_utils.support.cluster import APPS, Obj, obj

OWN = {"type": "ExtensionRef", "extensionRef": {"group": "gateway.envoyproxy.io", "kind": "HTTPRouteFilter", "name": "f"}}
PATH = {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/"}}
STRIP = {"path": {"type": "ReplaceRegexMatch", "replaceRegexMatch": {"pattern": "^/a/", "substitution": "/"}}}
OF_HEADER = {"hostname": {"type": "Header", "header": "x-host"}}


def own_filter(where: str = APPS, **spec: Any) -> Obj:
    return obj("gateway.envoyproxy.io/v1alpha1", "HTTPRouteFilter", where, "f", spec=spec)


def said(filters: list[Obj], *objects: Obj, of_backend: bool = False, kind: str = "HTTPRoute") -> tuple[list[str], list[str]]:
    made = rule(to_service("shop", filters=filters)) if of_backend else rule(to_service("shop"), filters=filters)
    routes, findings = reading(meshed(proxy(), CLASS, gateway(), *objects, route("a", made, kind=kind)), EG)
    return [item.upstream.host for item in routes], [item.message for item in findings]


@pytest.mark.parametrize(
    ("filters", "objects", "why"),
    [
        ([modifier("HOST", "x")], [], "names the header 'HOST'"), ([modifier("host", "x", "add")], [], "names the header"),
        ([modifier("a:b", "x")], [], "names the header 'a:b'"),
        ([{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["Host"]}}], [], "names the header 'Host'"),
        ([{"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "a/b", "value": "x"}]}}], [],
         "responseHeaderModifier"),
        ([OWN], [], "HTTPRouteFilter apps/f does not exist"), ([OWN], [own_filter("elsewhere")], "does not exist"),
        ([OWN], [own_filter(urlRewrite={"hostname": {"type": "Header"}})], "urlRewrite.hostname has no header"),
        ([OWN], [own_filter(urlRewrite={"hostname": {"type": "PathRegex", "pathRegex": {"pattern": "("}}})],
         "'(' is no regular expression"),
        ([OWN], [own_filter(urlRewrite={"path": {"type": "ReplaceRegexMatch", "replaceRegexMatch": {"pattern": "*"}}})],
         "no regular expression"),
        ([OWN, rewrite("x")], [own_filter(urlRewrite=OF_HEADER)], "its filters rewrite the hostname twice"),
        ([rewrite("", **PATH), OWN], [own_filter(urlRewrite=STRIP)], "its filters rewrite the path twice"),
        ([{"type": "ExtensionRef", "extensionRef": {"group": "x.example.com", "kind": "F", "name": "f"}}], [],
         "it has no filter F.x.example.com"),
        ([OWN], [own_filter(directResponse={"statusCode": 503})], "HTTPRouteFilter f (directResponse) answers in its backends' place"),
    ],
)  # fmt: skip
def test_rules_that_reach_no_backend(filters: list[Obj], objects: list[Obj], why: str) -> None:
    routes, (message,) = said(filters, *objects)
    assert routes == [] and why in message


@pytest.mark.parametrize(
    ("filters", "objects", "host"),
    [
        ([modifier("x-team", "a")], [], ""), ([OWN], [own_filter(urlRewrite=STRIP)], ""),
        ([OWN], [own_filter(urlRewrite=OF_HEADER)], "$Header"),
        ([OWN], [own_filter(urlRewrite={"hostname": {"type": "Backend"}})], "$Backend"),
        ([rewrite("x"), OWN], [own_filter(urlRewrite=STRIP)], "x"),
    ],
)  # fmt: skip
def test_rules_that_are_served(filters: list[Obj], objects: list[Obj], host: str) -> None:
    assert said(filters, *objects) == ([host], [])


def test_filters_of_a_backend() -> None:
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": to_service("other")}}
    assert said([rewrite("x")], of_backend=True) == (["x"], [])
    for item in (mirror, rewrite("", **PATH), modifier("Host", "x")):
        routes, findings = said([item], of_backend=True)
        assert routes == [] and "rule 1, backend shop" in findings[0]


@pytest.mark.parametrize(
    "bad",
    [
        listener("s", tls=ENDS), listener("s", "HTTPS", 443), listener("s", "HTTPS", 443, tls={"mode": "Passthrough"}),
        listener("s", "TLS", 443, tls={"mode": "Passthrough", **ENDS}), listener("s", "TCP", 443, "a.example.com"),
        listener("s", "TLS", 443),
        listener("s", allowedRoutes={"namespaces": {"from": "All"}, "kinds": [{"kind": "HTTPRoute"}, {"kind": "TCPRoute"}]}),
    ],
)  # fmt: skip
def test_listeners_that_are_not_valid(bad: Obj) -> None:
    kind = {"TLS": "TLSRoute", "TCP": "TCPRoute"}.get(bad["protocol"], "HTTPRoute")
    snapshot = meshed(proxy(), CLASS, gateway(bad), route("a", rule(to_service("shop")), kind=kind, hosts=()))
    routes, findings = reading(snapshot, EG)
    assert (routes, [item.code for item in findings]) == ([], ["MLB140"]) and "does not work" in findings[0].message
