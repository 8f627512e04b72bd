# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Choices that a seed makes, and the features that came of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from random import Random
from typing import TypeVar

Item = TypeVar("Item")

OLD = frozenset({
    "appProtocol", "named port", "headless", "no sidecar", "excluded port", "tlsMode", "version labels", "Service exportTo", "twin Service",
    "neighbour", "Host rewrite", "PeerAuthentication", "PeerAuthentication port", "DestinationRule", "SANs", "DestinationRule port",
    "DestinationRule exportTo", "Sidecar", "REGISTRY_ONLY", "no auto mTLS", "default exportTo", "VirtualService", "ServiceEntry",
    "several routes", "affinity", "Service address", "TCP port", "undeclared port", "other client", "client without sidecar",
    "client beside the load balancer", "Traefik", "HAProxy Ingress",
})
"""What the model decided when the comparison began: on meshes of these alone, few answers may be unknown."""


class Dice:
    """A source of choices. With ``old``, features that are not in :data:`OLD` never happen."""

    def __init__(self, rng: Random, *, old: bool = False) -> None:
        self.rng = rng
        self.old = old
        self.used: set[str] = set()

    def on(self, feature: str, chance: float) -> bool:
        """Whether a feature happens in this mesh. The choice is drawn in any case, so that a seed means the same with ``old``."""
        drawn = self.rng.random() < chance
        if not drawn or (self.old and feature not in OLD):
            return False
        self.used.add(feature)
        return True

    def mark(self, feature: str) -> None:
        """Note a feature that came of another choice."""
        self.used.add(feature)

    def maybe(self, chance: float) -> bool:
        return self.rng.random() < chance

    def one(self, items: Sequence[Item]) -> Item:
        return self.rng.choice(items)

    def number(self, least: int, most: int) -> int:
        return self.rng.randint(least, most)

    def age(self) -> str:
        """A time of creation; two objects may share one."""
        return f"2024-01-0{self.number(1, 9)}T00:00:00Z"

    def known(self, features: Collection[str]) -> bool:
        """Whether any of these features happened."""
        return bool(self.used & set(features))
