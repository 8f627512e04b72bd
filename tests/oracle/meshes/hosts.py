# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Istio is told about hosts: VirtualService and ServiceEntry."""

from __future__ import annotations

from collections.abc import Iterator

from tests.oracle.cluster import Obj, namespace

from .backends import Backends
from .balancers import HOME
from .dice import Dice
from .parts import istio
from .policies import full_name, numbers

NEIGHBOUR = "nb.other.svc.cluster.local"
PUBLIC = "shop.example.com"


def draw(dice: Dice, backends: Backends) -> list[Obj]:
    """Everything of that kind."""
    return [*_virtual_services(dice, backends), *_service_entries(dice, backends)]


def _virtual_services(dice: Dice, backends: Backends) -> Iterator[Obj]:
    if not dice.on("VirtualService", 0.35):
        return
    for number in range(dice.number(1, 2)):
        service = dice.one(backends.services)
        own = full_name(service)
        hosts = dice.one([[PUBLIC], ["*.example.com"], [own], [own], [PUBLIC, own], ["*.com"], [NEIGHBOUR]])
        spec: Obj = {"hosts": hosts, "http": _rules(dice, backends, service)}
        if dice.on("VirtualService tcp", 0.05):
            spec["tcp"] = [{"route": [{"destination": {"host": dice.one([own, NEIGHBOUR]), "port": {"number": 80}}}]}]
        if dice.maybe(0.4):
            spec["gateways"] = dice.one([["mesh"], ["istio-system/gw"], ["mesh", "istio-system/gw"]])
        if dice.maybe(0.2):
            spec["exportTo"] = dice.one([["."], ["*"], [HOME], ["other"]])
        where = dice.one([namespace(service), HOME, "other"])
        yield istio("VirtualService", where, f"vs{number}", spec, dice.age())


def _rules(dice: Dice, backends: Backends, service: Obj) -> list[Obj]:
    rules = []
    if dice.maybe(0.3):
        match: Obj = {"uri": {"prefix": dice.one(["/a", "/"])}}
        if dice.on("VirtualService header", 0.15):
            match["headers"] = {"x-canary": {"exact": "yes"}}
        rules.append({"match": [match], **_to(dice, backends, service)})
    if dice.maybe(0.85) or not rules:
        rules.append(_last(dice, backends, service))
    return rules


def _last(dice: Dice, backends: Backends, service: Obj) -> Obj:
    if dice.on("weights", 0.12):
        two = [_to(dice, backends, service)["route"][0], _to(dice, backends, dice.one(backends.services))["route"][0]]
        share = dice.one([0, 10, 50, 100])
        return {"route": [{**two[0], "weight": share}, {**two[1], "weight": 100 - share}]}
    if dice.on("redirect", 0.04):
        return {"redirect": {"uri": "/elsewhere"}}
    return _to(dice, backends, service)


def _to(dice: Dice, backends: Backends, service: Obj) -> Obj:
    destination: Obj = {"host": dice.one([full_name(service), full_name(service), NEIGHBOUR])}
    if dice.maybe(0.4):
        destination["port"] = {"number": dice.one([service["spec"]["ports"][0]["port"], dice.one(numbers(backends.services))])}
    if dice.on("subset", 0.06):
        destination["subset"] = "v1"
    return {"route": [{"destination": destination}]}


def _service_entries(dice: Dice, backends: Backends) -> Iterator[Obj]:
    if not dice.on("ServiceEntry", 0.2):
        return
    where = dice.one([HOME, "apps"])
    host = dice.one([PUBLIC, "*.example.com", "other.example.org"])
    if dice.on("ServiceEntry of a Service", 0.08):
        host = full_name(dice.one(backends.services))
    port = {"number": dice.one([80, 8080, *numbers(backends.services)]), "name": "p", "protocol": dice.one(["HTTP", "HTTP", "GRPC"])}
    if dice.on("ServiceEntry TCP", 0.1):
        port["protocol"] = "TCP"
    spec: Obj = {"hosts": [host], "location": "MESH_INTERNAL", "resolution": "NONE", "ports": [port]}
    if dice.maybe(0.4):
        spec["exportTo"] = [dice.one([".", "*"])]
    yield istio("ServiceEntry", where, "se0", spec, dice.age())
    if dice.maybe(0.6):
        names = [f"spiffe://cluster.local/ns/{app.home}/sa/{account}" for app in backends.apps for account in ("default", app.name)]
        policy = {"tls": {"mode": "ISTIO_MUTUAL", "subjectAltNames": names}}
        yield istio("DestinationRule", HOME, "se0", {"host": host, "trafficPolicy": policy}, dice.age())
