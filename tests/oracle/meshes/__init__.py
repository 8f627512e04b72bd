# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random meshes: everything that Istio's control plane decides about, each feature under a name."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tests.oracle import cluster
from tests.oracle.cluster import Obj

from . import access, balancers, hosts, newer, policies
from . import backends as apps
from . import clients as others
from .clients import Client
from .dice import Dice
from .parts import namespace

STRATEGIES = ("service_vip", "host_entry", "headless_twin", "host_alias", "host_rewrite")
STAGES = ("before", "after")


@dataclass(frozen=True)
class Mesh:
    """A cluster as it would be read, with EndpointSlices; others that call the same backends; and the names of what is in it.

    ``strategy`` is the one to pin besides ``auto``, and ``proven`` says at which stage the proof is compared, too.
    """

    objects: tuple[Obj, ...]
    clients: tuple[Client, ...]
    features: frozenset[str]
    strategy: str
    proven: str


def draw(rng: Random, *, old: bool = False) -> Mesh:
    """A mesh from a source of choices: a seeded one, or one that a property test controls.

    With ``old``, it is made of what the model decided when the comparison began.
    """
    dice = Dice(rng, old=old)
    backends = apps.draw(dice)
    front = balancers.draw(dice, backends)
    rules = [*policies.draw(dice, backends), *hosts.draw(dice, backends)]
    callers = others.draw(dice)
    made = [namespace("istio-system"), *backends.objects, *front, *rules, *callers]
    public = [rule.get("host", "") for item in cluster.of_kind(front, "Ingress") for rule in item["spec"]["rules"]]
    pods = cluster.of_kind(callers, "Pod")
    made += access.draw(dice, backends)
    strategy, proven = dice.one(STRATEGIES), dice.one(STAGES)
    made = newer.draw(dice, backends, made)
    calling = tuple(others.calling(pods, backends, public))
    return Mesh(tuple(cluster.completed(made)), calling, frozenset(dice.used), strategy, proven)


def from_seed(seed: int, *, old: bool = False) -> Mesh:
    """The mesh of a number; the same on every machine."""
    return draw(Random(f"mesh {seed}"), old=old)
