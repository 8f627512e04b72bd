# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One kind of load balancer, put together from parts. Nothing outside its folder asks which one it is: callers ask for the part."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .chain import ChainSide, HealthChecker
from .facts import About
from .instances import InstanceReader
from .recognition import Recogniser
from .routes import RouteReader
from .switches import Switches


@dataclass(frozen=True)
class Profile:
    """One kind of load balancer. Parts that it does not have stay ``None``."""

    about: About
    recogniser: Recogniser = field(default_factory=Recogniser)
    instance: InstanceReader = field(default_factory=InstanceReader)
    routes: tuple[RouteReader, ...] = ()
    switches: Switches = field(default_factory=Switches)
    chain: ChainSide | None = None
    health: HealthChecker | None = None


@dataclass(frozen=True)
class Registry:
    """The profiles that a run knows; ``unknown`` represents whatever none of them claims."""

    profiles: tuple[Profile, ...]
    unknown: Profile

    def get(self, vendor: str) -> Profile:
        """The profile of an id; the unknown one where there is none."""
        return next((item for item in self.profiles if item.about.id == vendor), self.unknown)

    def named(self, word: str) -> Profile | None:
        """The profile that an id, or another name that a profile answers to, means; ``None`` where it means none."""
        return next((item for item in self.profiles if word in (item.about.id, *item.about.also_called)), None)

    def route_kinds(self) -> tuple[str, ...]:
        """Kind keys that routes are read from, besides the common ones."""
        return tuple(sorted({kind for item in self.profiles for reader in item.routes for kind in reader.kinds}))

    def check_kinds(self) -> tuple[str, ...]:
        """Kind keys that say how a load balancer checks a Service."""
        return tuple(sorted({kind for item in self.profiles if item.health for kind in item.health.kinds}))

    def chain_kinds(self) -> tuple[str, ...]:
        """Kind keys that load balancers take on their side of a chain."""
        return tuple(sorted({kind for item in self.profiles if item.chain for kind in item.chain.facts.kinds}))


def preceded_by(own: Iterable[Profile], registry: Registry) -> Registry:
    """The registry with profiles of the user's own before all others."""
    return Registry((*own, *registry.profiles), registry.unknown)
