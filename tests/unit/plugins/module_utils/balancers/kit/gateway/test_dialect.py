# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What filters make of a rule: the Host that is sent, an answer of the load balancer's own, a rule that is refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.gateway.dialect import (
    Dialect,
    Effect,
    ignored_extension,
    no_extension,
)

from tests.unit.plugins.module_utils.balancers.gateways import gateway, rewrite, route, rule, to_service
from tests.unit.plugins.module_utils.balancers.kit.gateway.support import clusters, modifier, read
from tests.unit.plugins.module_utils.support.cluster import Obj

REDIRECT = {"type": "RequestRedirect", "requestRedirect": {}}
EXTENSION = {"type": "ExtensionRef", "extensionRef": {"group": "x.example.com", "kind": "Filter", "name": "f"}}
MIRROR = {"type": "RequestMirror", "requestMirror": {"backendRef": to_service("other")}}


def said(made: Obj, **dialect: Any) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    found, findings = read(clusters(gateway(), route("a", made)), dialect=Dialect(**dialect))
    return [(item.backend.service, item.upstream.host) for item in found], [(item.code, item.message) for item in findings]


@pytest.mark.parametrize(
    ("filters", "dialect", "routes", "message"),
    [
        ([rewrite("x")], {}, [("shop", "x")], ""),
        ([modifier("host", "y")], {}, [("shop", "y")], ""),
        ([REDIRECT], {}, [], "rule 1: a redirect answers in its backends' place"),
        ([REDIRECT, MIRROR], {}, [], "a redirect answers"),
        ([EXTENSION], {}, [("shop", "$filter")], "rule 1: what its filter Filter f does is not read"),
        ([EXTENSION], {"extension": ignored_extension}, [("shop", "")], ""),
        ([EXTENSION], {"extension": no_extension}, [], "rule 1: it has no filter Filter.x.example.com"),
        ([EXTENSION], {"extension": lambda item, reference: Effect("z")}, [("shop", "z")], ""),
        ([MIRROR], {}, [("shop", ""), ("other", "")], ""),
        ([MIRROR], {"filters": frozenset({"URLRewrite"})}, [], "rule 1: it has no filter RequestMirror of a rule"),
        ([], {"rule": lambda item, part: "because"}, [], "rule 1: because"),
        ([rewrite("x")], {"filter": lambda item: "because"}, [], "rule 1: because"),
    ],
)  # fmt: skip
def test_filters_of_a_rule(filters: list[Obj], dialect: Obj, routes: list[tuple[str, str]], message: str) -> None:
    found, findings = said(rule(to_service("shop"), filters=filters), **dialect)
    assert found == routes
    assert (message in findings[0][1]) if message else not findings


def test_an_answer_without_backends_is_nothing_to_tell() -> None:
    assert said(rule(filters=[REDIRECT])) == ([], [])


def test_filters_of_a_backend() -> None:
    made = rule(to_service("shop", filters=[modifier("a", "b")]), to_service("other", filters=[MIRROR]))
    found, findings = said(made, backend_filters=frozenset({"RequestHeaderModifier"}))
    assert found == [("shop", "")] and findings == [("MLB220", "rule 1, backend other: it has no filter RequestMirror of a backend")]
    assert said(made)[0] == [("shop", ""), ("other", "")]
    refused = said(made, backend_filter=lambda item: "because" if item["type"] == "RequestMirror" else "")
    assert refused == ([("shop", "")], [("MLB220", "rule 1, backend other: because")])


@pytest.mark.parametrize(
    ("match", "bad"),
    [
        ({"path": {"type": "RegularExpression", "value": "*.png"}}, True),
        ({"path": {"type": "RegularExpression", "value": "/a(?!b)"}}, True),
        ({"path": {"type": "RegularExpression", "value": "/v[0-9]+/.*"}}, False), ({"path": {"type": "PathPrefix", "value": "/("}}, False),
        ({"headers": [{"type": "RegularExpression", "name": "a", "value": "("}]}, True),
        ({"headers": [{"name": "a", "value": "("}]}, False),
        ({"queryParams": [{"type": "RegularExpression", "name": "a", "value": "[z-a]"}]}, True), ({"method": "GET"}, False),
        # RE2 knows it, and nobody evaluates it here.
        ({"path": {"type": "RegularExpression", "value": r"/\p{Greek}"}}, False),
    ],
)  # fmt: skip
def test_expressions_that_are_none(match: Obj, bad: bool) -> None:
    found, findings = said(rule(to_service("shop"), matches=[match]))
    assert (not found) is bad and [code for code, dummy in findings] == (["MLB220"] if bad else [])
    assert said(rule(to_service("shop"), matches=[match]), checks_expressions=False)[1] == []
