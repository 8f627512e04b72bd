# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings: the catalogue is complete and in order, and a finding holds what a reader and a machine need."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.meshlb.istio.plugins.module_utils.core.catalogue import CATALOGUE
from ansible_collections.meshlb.istio.plugins.module_utils.core.findings import (
    DOCUMENTATION_URL,
    FINDINGS,
    FindingKind,
    finding,
    request_details,
    route_details,
    value_conflict,
)
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import ABSENT, Backend, ObjectRef, Route

PLUGINS = Path(__file__).parents[5] / "plugins"
MODULES = ("chained_gateway", "lb_info", "lb_sidecar", "mtls_proof", "service_routing")
SHOP = ObjectRef("networking.k8s.io/v1", "Ingress", "apps", "shop")
OLDER = ObjectRef("networking.k8s.io/v1", "Ingress", "apps", "older")
ROUTE = Route(("edge", "nginx"), SHOP, "shop.example.com", "/", Backend("apps", "shop", 80, "http", "http"))
BACKEND = {"namespace": "apps", "service": "shop", "port": 80, "protocol": "http"}
# Documented, but no run reports it yet.
NOT_USED_YET = {"MLB108"}


def test_each_code_is_there_once_and_in_order() -> None:
    codes = [kind.code for kind in CATALOGUE]
    assert codes == sorted(set(codes))
    assert list(FINDINGS) == codes


@pytest.mark.parametrize("kind", CATALOGUE, ids=lambda kind: kind.code)
def test_each_code_is_explained(kind: FindingKind) -> None:
    assert re.fullmatch(r"MLB[1-6]\d\d", kind.code)
    assert kind.severity in ("error", "warning", "info")
    assert kind.title and not kind.title.endswith(".")
    assert kind.meaning.endswith(".") and kind.remedy.endswith(".")


def test_the_code_uses_what_the_catalogue_holds() -> None:
    texts = [path.read_text() for path in PLUGINS.rglob("*.py") if path.name != "catalogue.py"]
    assert {code for text in texts for code in re.findall(r"\bMLB\d{3}\b", text)} <= FINDINGS.keys()
    made = {code for text in texts for code in re.findall(r'"(MLB\d{3})"', text)}
    assert FINDINGS.keys() - made <= NOT_USED_YET


def test_an_unknown_code_is_a_defect() -> None:
    with pytest.raises(KeyError):
        finding("MLB999", "a")


def test_a_bare_finding_takes_the_rest_from_the_catalogue() -> None:
    assert finding("MLB101", "nothing").to_result() == {
        "code": "MLB101", "severity": "error", "object": {}, "message": "nothing", "url": f"{DOCUMENTATION_URL}#mlb101",
        "cause": {}, "remedy": FINDINGS["MLB101"].remedy, "details": {},
    }


def test_a_result_shows_cause_remedy_and_details() -> None:
    details = {"port": 80, "hosts": ["b", "a"], "none": None, "absent": ABSENT, "by": SHOP, "annotations": {"b": [{"c": 1}], "a": "x"}}
    result = finding("MLB210", "no effect", SHOP, cause=OLDER, remedy="Ask.", details=details).to_result()
    assert (result["object"], result["cause"], result["remedy"]) == (SHOP.to_result(), OLDER.to_result(), "Ask.")
    assert result["details"] == {
        "annotations": {"a": "x", "b": [{"c": 1}]}, "by": SHOP.to_result(), "hosts": ["b", "a"], "none": None, "port": 80,
    }
    assert list(result["details"]) == sorted(result["details"])
    assert json.loads(json.dumps(result)) == result


def test_an_object_is_not_its_own_cause() -> None:
    assert finding("MLB210", "a", SHOP, cause=SHOP).to_result()["cause"] == {}


def test_details_are_as_immutable_and_hashable_as_the_finding() -> None:
    given = {"found": {"a": ["b"]}}
    found = finding("MLB203", "a", SHOP, details=given)
    given["found"]["a"].append("c")
    assert found.details.to_result() == {"found": {"a": ["b"]}}
    assert isinstance(hash(found.details), int)
    assert finding("MLB203", "a", details={"since": yaml.safe_load("2024-01-01")}).details.to_result() == {"since": "2024-01-01"}


def test_findings_that_say_the_same_of_one_object_are_one() -> None:
    first = finding("MLB210", "a", SHOP, details={"path": "/"})
    same = finding("MLB210", "a", SHOP, cause=OLDER, remedy="b", details={"path": "/b"})
    assert list(dict.fromkeys([first, same, finding("MLB210", "b", SHOP), finding("MLB210", "a", OLDER)])) == [
        first, finding("MLB210", "b", SHOP), finding("MLB210", "a", OLDER),
    ]
    assert hash(first) == hash(same)


def test_a_route_is_named_as_in_results() -> None:
    shown = finding("MLB211", "a", SHOP, details=route_details(ROUTE, mode="DISABLE")).to_result()["details"]
    assert shown == {"host": "shop.example.com", "path": "/", "backend": BACKEND, "mode": "DISABLE"}
    assert shown["backend"] == ROUTE.to_result()["backend"]
    assert request_details(ROUTE) == {"host": "shop.example.com", "path": "/"}


def test_a_value_that_stands_in_the_way_is_named_with_the_one_that_is_needed() -> None:
    found = value_conflict(SHOP, "service-upstream", "false", "true")
    assert (found.code, found.message, found.object) == ("MLB203", "service-upstream is 'false', the plan needs 'true'", SHOP)
    assert found.details.to_result() == {"field": "service-upstream", "found": "false", "needed": "true"}
    assert value_conflict(SHOP, "a", "b", "c", "the health check").message == "a is 'b', the health check needs 'c'"


@pytest.mark.parametrize("module", MODULES)
def test_every_module_documents_the_same_fields(module: str) -> None:
    name = "ansible_collections.meshlb.istio.plugins.modules"
    documented, first = (yaml.safe_load(importlib.import_module(f"{name}.{item}").RETURN)["findings"] for item in (module, MODULES[0]))
    assert documented == first
    assert documented["contains"].keys() == finding("MLB101", "a").to_result().keys()
