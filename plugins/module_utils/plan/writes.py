# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the collection, each with all that it may write for the load balancers of a registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..balancers.contract.profile import Profile, Registry
from ..core.marks import CHAINED_GATEWAY, LB_SIDECAR, SERVICE_ROUTING
from ..core.writes import Part, Write
from . import exemption, sidecar
from .chain import writes as chain
from .strategies.table import STRATEGIES

ROUTING = (*(item for strategy in STRATEGIES for item in strategy.writes), *exemption.WRITES)
"""What service_routing writes whatever the load balancer."""
SIDECAR = sidecar.WRITES
CHAIN = chain.WRITES


def routing_writes(profile: Profile) -> tuple[Write, ...]:
    """What service_routing writes besides for one kind of load balancer."""
    return (*profile.switches.writes, *exemption.health_writes(profile))


def sidecar_writes(profile: Profile) -> tuple[Write, ...]:
    """What lb_sidecar writes besides for one kind of load balancer."""
    return profile.instance.sidecar_target.writes


def chain_writes(profile: Profile) -> tuple[Write, ...]:
    """What chained_gateway writes besides for one kind of load balancer."""
    return profile.chain.facts.writes if profile.chain else ()


def service_routing(registry: Registry) -> Part:
    return _part(SERVICE_ROUTING, ROUTING, routing_writes, registry)


def lb_sidecar(registry: Registry) -> Part:
    return _part(LB_SIDECAR, SIDECAR, sidecar_writes, registry)


def chained_gateway(registry: Registry) -> Part:
    return _part(CHAINED_GATEWAY, CHAIN, chain_writes, registry)


def _part(name: str, common: Iterable[Write], of_profile: Callable[[Profile], tuple[Write, ...]], registry: Registry) -> Part:
    return Part(name, tuple(dict.fromkeys([*common, *(item for profile in registry.profiles for item in of_profile(profile))])))
