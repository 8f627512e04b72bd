# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may call the backends: AuthorizationPolicy and RequestAuthentication."""

from __future__ import annotations

from collections.abc import Iterator

from tests.oracle.cluster import Obj

from .backends import ALT, WEB, Backends
from .balancers import ADDRESS, HOME
from .dice import Dice
from .parts import istio

ROOT = "istio-system"
EDGE = f"cluster.local/ns/{HOME}/sa/edge"


def draw(dice: Dice, backends: Backends) -> list[Obj]:
    """Everything of that kind."""
    return [*_authorization(dice, backends), *_authentication(dice, backends)]


def _authorization(dice: Dice, backends: Backends) -> Iterator[Obj]:
    if not dice.on("AuthorizationPolicy", 0.25):
        return
    for number in range(dice.number(1, 2)):
        app = dice.one(backends.apps)
        where = dice.one([app.home, app.home, app.home, ROOT])
        spec: Obj = {"action": dice.one(["ALLOW", "ALLOW", "DENY", "AUDIT"])}
        if dice.maybe(0.5) and where != ROOT:
            spec["selector"] = {"matchLabels": app.labels}
        if dice.maybe(0.85) or spec["action"] != "ALLOW":
            spec["rules"] = [_rule(dice) for _count in range(dice.number(1, 2))]
        yield istio("AuthorizationPolicy", where, f"ap{number}", spec, dice.age(), "security")


def _rule(dice: Dice) -> Obj:
    rule: Obj = {}
    if dice.maybe(0.7):
        rule["from"] = [{"source": _source(dice)}]
    if dice.maybe(0.5):
        rule["to"] = [{"operation": _operation(dice)}]
    if dice.on("policy condition", 0.1):
        key, values = dice.one([
            ("source.namespace", [HOME]), ("request.headers[x-team]", ["shop"]), ("request.auth.claims[group]", ["a"]),
            ("destination.port", [str(WEB)]),
        ])
        rule["when"] = [{"key": key, dice.one(["values", "values", "notValues"]): values}]
    return rule


def _source(dice: Dice) -> Obj:
    return dice.one([
        {"principals": [EDGE]}, {"principals": ["cluster.local/ns/tools/sa/default"]}, {"principals": ["*"]}, {"notPrincipals": [EDGE]},
        {"namespaces": [HOME]}, {"namespaces": ["tools"]}, {"notNamespaces": [HOME]}, {"ipBlocks": ["10.0.0.0/16"]},
        {"ipBlocks": [ADDRESS]}, {"notIpBlocks": ["10.0.9.0/24"]}, {"requestPrincipals": ["*"]}, {"principals": ["*/sa/edge"]},
    ])


def _operation(dice: Dice) -> Obj:
    return dice.one([
        {"paths": ["/"]}, {"paths": ["/a", "/x*"]}, {"notPaths": ["/admin"]}, {"methods": ["GET"]}, {"ports": [str(WEB)]},
        {"ports": [str(ALT)]}, {"hosts": ["shop.example.com"]}, {"notMethods": ["POST"]}, {"paths": ["*"]},
    ])


def _authentication(dice: Dice, backends: Backends) -> Iterator[Obj]:
    if not dice.on("RequestAuthentication", 0.08):
        return
    app = dice.one(backends.apps)
    spec: Obj = {"jwtRules": [{"issuer": "https://issuer.example.com", "jwks": '{"keys": []}'}]}
    if dice.maybe(0.5):
        spec["selector"] = {"matchLabels": app.labels}
    yield istio("RequestAuthentication", app.home, "ra0", spec, dice.age(), "security")
