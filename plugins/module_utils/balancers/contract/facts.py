# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation says of a load balancer, and how it was proven."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

Placement = Literal["in_cluster", "node", "cloud", "external"]


class ProofLevel(Enum):
    """How a fact was proven; the value is what the documentation says."""

    NONE = ""
    SOURCE = "read in the vendor's source"
    SCHEMA = "validated against the vendor's schema"
    LAB = "measured in the lab"


@dataclass(frozen=True)
class Facts:
    """What the documentation's table of load balancers says; everything else in it is derived.

    ``service_routing`` and ``host`` name the switch per object, ``service_routing_global`` and ``host_global`` the global
    ones, with the version that brought them, empty where there is none. ``versions`` are those that all of this holds for.
    """

    routes: tuple[str, ...] = ("Ingress",)
    service_routing: str = ""
    service_routing_global: str = ""
    host: str = ""
    host_global: str = ""
    default: str = "pod addresses, the client's Host"
    loses: str = ""
    remark: str = ""
    proof: ProofLevel = ProofLevel.SOURCE
    versions: str = ""


@dataclass(frozen=True)
class About:
    """Which load balancer it is.

    ``also_called``: other words by which the option ``platform`` may name it. ``outside``: where its traffic leaves, if that may be no
    workload of the cluster: its classes and its controller then represent it. ``forbids_injection``: why a sidecar must not be
    injected beside it.
    """

    id: str
    title: str
    also_called: tuple[str, ...] = ()
    placement: Placement = "in_cluster"
    outside: str = ""
    forbids_injection: str = ""
    facts: Facts = field(default_factory=Facts)
