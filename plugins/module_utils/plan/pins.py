# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which strategies may be used for a route: what the run asks for, and what an annotation may ask for.

Whoever may edit a route may annotate it. So an annotation may pin only what the operator allows: by default the strategies that make
no object outside of the route's own namespace.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..core.findings import finding, route_details
from ..core.marks import STRATEGY
from ..core.model import Finding, Route
from .strategies.base import Strategy
from .strategies.table import AUTO, BY_NAME, STRATEGIES

PINNABLE = tuple(item.name for item in STRATEGIES if item.makes_objects_in != "load_balancer")
"""What annotations may pin unless the operator says otherwise. A twin is beside its backend, so it must be the route's own namespace's."""


@dataclass(frozen=True)
class Wishes:
    """What is asked of a run: a strategy, or ``auto``; ``pinnable`` are those that annotations may pin."""

    strategy: str = AUTO
    preserve_host: bool = True
    pinnable: Collection[str] = PINNABLE

    def effective(self, route: Route) -> str:
        """The word that holds for a route: its pin (or its namespace's) where that is allowed, else the run's."""
        pin = route.pinned_strategy
        return pin if pin and (pin not in BY_NAME or self._may_pin(BY_NAME[pin], route)) else self.strategy

    def leaves_to_us(self, route: Route) -> bool:
        """Whether nobody asks for a strategy of their own."""
        return self.effective(route) == AUTO

    def allowed(self, route: Route) -> tuple[Strategy, ...]:
        """The strategies that may be used; none for a word that is no strategy."""
        word = self.effective(route)
        if word != AUTO:
            return (BY_NAME[word],) if word in BY_NAME else ()
        found = (item for item in STRATEGIES if item.keeps_host or not self.preserve_host)
        # Where the run has one strategy, a pin of auto chooses another one, so it may choose no more than a pin may.
        return tuple(item for item in found if self.strategy in (AUTO, item.name) or self._may_pin(item, route))

    def remark(self, route: Route) -> Finding | None:
        """That a route's pin is not allowed, if it is not."""
        pin = route.pinned_strategy
        if self.effective(route) == pin or not pin:
            return None
        allowed = [item.name for item in STRATEGIES if self._may_pin(item, route)]
        where = f"{route.host or '*'}{route.path} -> {route.backend.namespace}/{route.backend.service}:{route.backend.port}"
        message = f"{where}: {STRATEGY} asks for {pin}, and may ask for {', '.join([AUTO, *allowed])}; planned as if it asked for none"
        return finding("MLB226", message, route.object, details=route_details(route, strategy=pin, allowed=allowed))

    def _may_pin(self, strategy: Strategy, route: Route) -> bool:
        return strategy.name in self.pinnable and (strategy.makes_objects_in != "backend" or strategy.stays_with(route))
