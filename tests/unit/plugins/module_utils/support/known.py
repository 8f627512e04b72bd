# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Detecting, reading and planning with the collection's own registry, which most tests want."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import REGISTRY
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Finding, LoadBalancer, ObjectRef, Route
from ansible_collections.meshlb.istio.plugins.module_utils.detect import load_balancers as detection
from ansible_collections.meshlb.istio.plugins.module_utils.detect import routes as reading
from ansible_collections.meshlb.istio.plugins.module_utils.detect.inventory import known_backend
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.plan import exemption
from ansible_collections.meshlb.istio.plugins.module_utils.plan import routing as planning


def detect(snapshot: Snapshot) -> tuple[list[LoadBalancer], list[Finding]]:
    return detection.detect(snapshot, REGISTRY)


def config_map_namespaces(snapshot: Snapshot) -> set[str]:
    return detection.setting_namespaces(snapshot, REGISTRY)


def read_routes(
    snapshot: Snapshot, load_balancers: Iterable[LoadBalancer], only: frozenset[ObjectRef] | None = None
) -> tuple[list[Route], list[Finding]]:
    return reading.read_routes(snapshot, REGISTRY, load_balancers, only)


def plan_routes(
    live: Snapshot, base: Snapshot, load_balancers: Sequence[LoadBalancer], options: planning.PlanOptions, is_owned: Callable[[Any], bool]
) -> planning.RoutingPlan:
    return planning.plan_routes(live, base, REGISTRY, load_balancers, options, is_owned)


def with_exemptions(base: Snapshot, plan: planning.RoutingPlan, load_balancers: Sequence[LoadBalancer]) -> planning.RoutingPlan:
    return exemption.with_exemptions(base, REGISTRY, plan, load_balancers)


def about_outside(snapshot: Snapshot, plan: planning.RoutingPlan, load_balancers: Iterable[LoadBalancer]) -> Iterable[Finding]:
    return exemption.about_outside(lambda route: known_backend(snapshot, route), REGISTRY, plan, load_balancers)
