# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Others that call the backends: for them nothing may get worse."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.oracle import cluster
from tests.oracle.cluster import Obj

from . import parts
from .backends import Backends
from .balancers import HOME
from .dice import Dice

Call = dict[str, Any]
OUTSIDE = "203.0.113.10"
"""The public address of the load balancer, as its own cluster sees it."""
MOST_CALLS = 8


@dataclass(frozen=True)
class Client:
    """A pod, and what it calls."""

    pod: Obj
    calls: tuple[Call, ...] = field(default=())


def draw(dice: Dice) -> list[Obj]:
    """Pods that call others, and their namespace."""
    made: list[Obj] = []
    if dice.on("other client", 0.5):
        made += [parts.namespace("tools", mesh=True), parts.pod("tools", "curl", "10.0.8.1", {"app": "curl"})]
    if dice.on("client without sidecar", 0.3):
        made += [parts.namespace("legacy"), parts.pod("legacy", "cron", "10.0.8.2", {"app": "cron"}, sidecar=False)]
    if dice.on("client beside the load balancer", 0.2):
        made.append(parts.pod(HOME, "oauth", "10.0.8.3", {"app": "oauth"}))
    return made


def calling(pods: list[Obj], backends: Backends, hosts: list[str]) -> list[Client]:
    """What each of them calls: Services, pods, and public hosts."""
    known = [*_services(backends), *_pods(backends), *_public(hosts)][:MOST_CALLS]
    return [Client(pod, tuple({**call, "name": f"{cluster.name(pod)} {number}"} for number, call in enumerate(known))) for pod in pods]


def _services(backends: Backends) -> list[Call]:
    found = []
    for service in backends.services:
        ip = service["spec"].get("clusterIP")
        host = f"{cluster.name(service)}.{cluster.namespace(service)}"
        if ip and ip != "None":
            found.append({"address": ip, "port": service["spec"]["ports"][0]["port"], "host": host, "path": "/", "protocol": "http"})
    return found


def _pods(backends: Backends) -> list[Call]:
    found = []
    for app in backends.apps:
        first = app.pods[0]
        host = f"{cluster.name(first)}.{app.name}"
        found.append({"address": cluster.address(first), "port": 8080, "host": host, "path": "/", "protocol": "http"})
    return found


def _public(hosts: list[str]) -> list[Call]:
    plain = [host for host in dict.fromkeys(hosts) if host and not host.startswith("*")]
    return [{"address": OUTSIDE, "port": port, "host": host, "path": "/", "protocol": "http"} for host in plain for port in (80, 8080)]
