# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strategies that use the load balancer's own settings alone: ``service_vip`` and ``host_rewrite``."""

from __future__ import annotations

from collections.abc import Iterable

from ...core.model import Route
from .base import Context, Proposal, Strategy, switched

BALANCING = frozenset({"affinity", "balancing", "retries", "health_checks"})


class ServiceVip(Strategy):
    """Route to the Service's address and leave the Host alone: enough where the port declares no HTTP."""

    name = "service_vip"
    gain = "one setting on the load balancer, the Host is kept and the mesh's policies for the Service apply"
    cost = (
        "the load balancer's own balancing, affinity, retries and health checks meet the Service alone, and what the mesh has for the "
        "Service (outlier detection, locality) begins to act"
    )
    loses = BALANCING
    touches_load_balancer = True

    def propose(self, context: Context, targets: Iterable[Route]) -> Proposal:
        return switched(context, targets, host=False)


class HostRewrite(Strategy):
    """Route to the Service's address and send the Service's name as Host."""

    name = "host_rewrite"
    gain = "settings on the load balancer alone, and the mesh's policies for the Service apply"
    cost = (
        "the application sees the Service's name as Host, the public one only in X-Forwarded-Host, and the load balancer's own balancing, "
        "affinity, retries and health checks meet the Service alone"
    )
    keeps_host = False
    loses = BALANCING | {"canary"}
    touches_load_balancer = True

    def propose(self, context: Context, targets: Iterable[Route]) -> Proposal:
        return switched(context, targets, host=True)
