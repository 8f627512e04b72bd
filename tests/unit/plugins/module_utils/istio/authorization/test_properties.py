# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random policies, against a reading of Istio's reference that shares no code with the model: what is said holds for every request."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.istio.authorization.access import decide
from ansible_collections.meshlb.istio.plugins.module_utils.istio.authorization.answers import Incoming
from ansible_collections.meshlb.istio.plugins.module_utils.istio.authorization.policies import policies_in_front
from ansible_collections.meshlb.istio.plugins.module_utils.istio.authorization.requests import RouteScope

from tests.unit.plugins.module_utils.support.cluster import APPS, Obj, authorization_policy, live

EDGE = "spiffe://cluster.local/ns/edge/sa/lb"
HTTP_ONLY = {"paths", "methods", "hosts"}
VALUES = {
    "principals": ["*", "cluster.local/ns/edge/sa/lb", "cluster.local/ns/edge/*", "*/sa/lb", "cluster.local/ns/x/sa/y"],
    "namespaces": ["edge", "ed*", "x", "*"], "serviceAccounts": ["edge/lb", "lb", "x/lb"],
    "paths": ["/", "/*", "/api", "/api/*", "/api*", "*.php", "*/info", "/api/{*}/x", "/{**}"],
    "methods": ["GET", "POST", "DELETE"], "hosts": ["shop.example.com", "*.example.com", "other.example.com", "SHOP.*"],
    "ports": ["8080", "80"],
}
SOURCE, OPERATION = ("principals", "namespaces", "serviceAccounts"), ("paths", "methods", "hosts", "ports")


SENT = [
    (path, method)
    for path in ("/", "/api", "/api/", "/api/v1/x", "/apis", "/index.php", "/api/a.php", "/api/info", "/x/info", "/other")
    for method in ("GET", "POST", "DELETE", "PUT")
]
Given = list[tuple[str, list[Obj]]]
SEEDS, EACH = range(40), 25


def fields(chance: Random, names: tuple[str, ...]) -> Obj:
    """Some fields of a source or an operation, each as it is or with "not" before it."""
    found = {}
    for name in chance.sample(names, chance.randint(1, 2)):
        key = chance.choice([name, f"not{name[0].upper()}{name[1:]}"])
        found[key] = chance.sample(VALUES[name], chance.randint(1, 2))
    return found


def rule(chance: Random) -> Obj:
    sources = [{"source": fields(chance, SOURCE)} for _number in range(chance.randint(0, 2))]
    operations = [{"operation": fields(chance, OPERATION)} for _number in range(chance.randint(0, 2))]
    return {**({"from": sources} if sources else {}), **({"to": operations} if operations else {})}


def given(seed: int) -> Iterator[tuple[Given, str, Random]]:
    """Policies as (action, rules), an identity, and the chance that they were made by."""
    chance = Random(seed)
    for _number in range(EACH):
        count = chance.randint(1, 3)
        policies = [(chance.choice(["ALLOW", "DENY"]), [rule(chance) for _rule in range(chance.randint(0, 2))]) for _policy in range(count)]
        yield policies, chance.choice([EDGE, ""]), chance


@dataclass
class Reference:
    """What the reference of AuthorizationPolicy says, read plainly: wildcards stand at one end, templates are of segments."""

    identity: str
    http: bool = True
    port: str = "8080"
    policies: Given = field(default_factory=list)

    def admits(self, path: str, method: str, host: str) -> bool:
        facts = {"paths": path, "methods": method, "hosts": host, "ports": self.port}
        for action, rules in self.policies:
            if action == "DENY" and any(self._matches(rule, facts, allow=False) for rule in rules):
                return False
        allowing = [rules for action, rules in self.policies if action == "ALLOW"]
        return not allowing or any(self._matches(rule, facts, allow=True) for rules in allowing for rule in rules)

    def _matches(self, rule: Obj, facts: dict[str, str], *, allow: bool) -> bool:
        asked = [item["operation"] for item in rule.get("to", [])]
        if not self.http and allow and any(self._is_http(name) for item in asked for name in item):
            return False
        return any(self._source(item["source"]) for item in rule.get("from", [{"source": {}}])) and any(
            self._operation(item, facts) for item in asked or [{}]
        )

    @staticmethod
    def _is_http(name: str) -> bool:
        return name.removeprefix("not").lower() in HTTP_ONLY

    def _source(self, source: Obj) -> bool:
        return all(self._sent_by(name, values) for name, values in source.items())

    def _sent_by(self, name: str, values: list[str]) -> bool:
        wanted = name.removeprefix("not")
        kind = wanted[0].lower() + wanted[1:]
        own = self.identity.removeprefix("spiffe://").split("/")
        found = False
        for value in values if self.identity else ():
            if kind == "principals":
                found |= fnmatch.fnmatchcase("/".join(own), value)
            elif kind == "namespaces":
                found |= fnmatch.fnmatchcase(own[2], value)
            else:
                found |= [own[2], own[4]] == (value.split("/") if "/" in value else [APPS, value])
        return found != name.startswith("not")

    def _operation(self, operation: Obj, facts: dict[str, str]) -> bool:
        known = {name: values for name, values in operation.items() if self.http or not self._is_http(name)}
        return all(self._asked_for(name, values, facts) for name, values in known.items())

    def _asked_for(self, name: str, values: list[str], facts: dict[str, str]) -> bool:
        wanted = name.removeprefix("not")
        kind = wanted[0].lower() + wanted[1:]
        found = any(self._is_one(kind, value, facts[kind]) for value in values)
        return found != name.startswith("not")

    @staticmethod
    def _is_one(kind: str, value: str, own: str) -> bool:
        if value == "/{**}":
            return own.startswith("/")
        if value == "/api/{*}/x":
            parts = own.split("/")
            return len(parts) == 4 and parts[:2] == ["", "api"] and parts[2] != "" and parts[3] == "x"
        return fnmatch.fnmatchcase(own.lower(), value.lower()) if kind == "hosts" else fnmatch.fnmatchcase(own, value)


def said(policies: Given, identity: str, scope: RouteScope, *, http: bool = True) -> str:
    objects = [authorization_policy(f"p{number}", *rules, action=action) for number, (action, rules) in enumerate(policies)]
    snapshot = live(*objects)
    return decide(policies_in_front(snapshot, APPS, {"app": "shop"}), Incoming(identity, (), 8080, http=http), scope).decision


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("http", [True, False])
def test_what_is_said_holds_for_every_request(seed: int, http: bool) -> None:
    """All answers are alike, or the access is conditional, which says that they are not."""
    for policies, identity, _chance in given(seed):
        reference = Reference(identity, http, policies=policies)
        answers = {reference.admits(path, method, "shop.example.com") for path, method in SENT}
        decision = said(policies, identity, RouteScope("shop.example.com", "/"), http=http)
        expected = {"allowed": {True}, "denied": {False}, "conditional": {True, False}}
        assert expected[decision] == answers or (decision == "conditional" and http and len(answers) == 1), (policies, identity)


@pytest.mark.parametrize("seed", SEEDS)
def test_one_request_has_one_answer(seed: int) -> None:
    """A route of one path, and rules that ask for no method."""
    for policies, identity, chance in given(seed):
        spared = [
            (action, [item for item in rules if not any("ethods" in name for one in item.get("to", []) for name in one["operation"])])
            for action, rules in policies
        ]
        path, method = chance.choice(SENT)
        expected = Reference(identity, policies=spared).admits(path, method, "shop.example.com")
        scope = RouteScope("shop.example.com", path, "Exact")
        assert said(spared, identity, scope) == ("allowed" if expected else "denied"), (spared, identity, path)
