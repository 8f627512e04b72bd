# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of the routing plan for tests: plan, write (over the snapshot), and run again."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

from ansible_collections.meshlb.istio.plugins.module_utils.apply.ownership import take_back
from ansible_collections.meshlb.istio.plugins.module_utils.apply.routing import is_owned, routing_changes
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import REGISTRY
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Change, Finding, Route, RoutePlan
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot
from ansible_collections.meshlb.istio.plugins.module_utils.plan.pins import PINNABLE, Wishes
from ansible_collections.meshlb.istio.plugins.module_utils.plan.regressions import Present, about_left_out, weigh
from ansible_collections.meshlb.istio.plugins.module_utils.plan.routing import PlanOptions, RoutingPlan
from ansible_collections.meshlb.istio.plugins.module_utils.runs.session import ledger_of, without

from tests.unit.plugins.module_utils.support.known import detect, plan_routes
from tests.unit.plugins.module_utils.support.parts import ROUTING

Obj = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """What a run of the routing module would do, and the cluster as it is afterwards."""

    plan: RoutingPlan
    changes: list[Change]
    findings: list[Finding]
    after: Snapshot

    def route(self, name: str = "", path: str | None = None, host: str | None = None) -> RoutePlan:
        """The one route that fits, by the name of its object, its path and its host."""
        (found,) = (
            item for item in self.plan.routes
            if name in ("", item.route.object.name) and path in (None, item.route.path) and host in (None, item.route.host)
        )
        return found

    @property
    def strategies(self) -> dict[str, str]:
        """Strategy per object's name (of several routes the last one's)."""
        return {item.route.object.name: item.strategy for item in self.plan.routes}

    @property
    def verdicts(self) -> set[str]:
        return {item.after.verdict for item in self.plan.routes}

    @property
    def written(self) -> list[str]:
        """Action, kind and name of every change."""
        return [f"{item.action} {item.object.kind} {item.object.namespace}/{item.object.name}" for item in self.changes]

    @property
    def codes(self) -> list[str]:
        return sorted({item.code for item in (*self.plan.findings, *self.findings)})

    def body(self, kind: str) -> Obj:
        """What is created of a kind (one object)."""
        (found,) = (item.body for item in self.changes if item.object.kind == kind and item.body)
        return found


def run(
    snapshot: Snapshot, strategy: str = "auto", *, preserve_host: bool = True, pinnable: Collection[str] = PINNABLE,
    selected: Callable[[Route], bool] = lambda route: True, may_get_worse: Callable[[Route], bool] = lambda route: False,
    is_harmless: Callable[[Obj], bool] = lambda pod: False,
) -> Run:
    balancers = detect(snapshot)[0]
    options = PlanOptions(Wishes(strategy, preserve_host, pinnable), selected, may_get_worse=may_get_worse, is_harmless=is_harmless)
    plan = plan_routes(snapshot, without(snapshot, ROUTING), balancers, options, partial(is_owned, ROUTING))
    changes, findings = routing_changes(ledger_of(snapshot, ROUTING), plan, {item.label for item in balancers}, lambda obj: True)
    weighed = weigh(Present(snapshot, REGISTRY, {item.key: item for item in balancers}), plan, changes, may_get_worse)
    said = [*findings, *about_left_out(weighed.left_out)]
    return Run(weighed.plan, list(weighed.changes), said, snapshot.after(weighed.changes))


def taken_back(snapshot: Snapshot) -> Snapshot:
    return snapshot.after(take_back(ledger_of(snapshot, ROUTING))[0])


def contents(snapshot: Snapshot) -> dict[tuple[str, str, str], Obj]:
    """Every object by its identity."""
    found = {}
    for kind in snapshot.kinds():
        for item in snapshot.all(kind):
            found[(kind, item["metadata"].get("namespace", ""), item["metadata"]["name"])] = item
    return found
