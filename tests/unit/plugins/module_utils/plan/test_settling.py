# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a part of a plan is left out, the rest is planned again without the routes that are the cause."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Backend, ObjectRef, Outcome, Route, RoutePlan
from ansible_collections.meshlb.istio.plugins.module_utils.plan.regressions import LeftOut, Weighed
from ansible_collections.meshlb.istio.plugins.module_utils.plan.routing import RoutingPlan
from ansible_collections.meshlb.istio.plugins.module_utils.plan.settling import MOST_TRIED, settle
from ansible_collections.meshlb.istio.plugins.module_utils.plan.trial import route_identity

REFUSED, MUTUAL = Outcome("refused", "so it is"), Outcome("mutual_tls", "so it is")


def route(where: str) -> Route:
    namespace, name = where.split("/")
    return Route(("edge", "lb"), ObjectRef("v1", "Ingress", namespace, name), "a.example.com", f"/{name}", Backend(namespace, name, 80))


@dataclass(frozen=True)
class Attempt:
    weighed: Weighed


class Planner:
    """Plans ``new`` beside a route that has mutual TLS: none of them is served while one of ``bad`` is among them."""

    def __init__(self, new: Iterable[str], bad: Iterable[str]) -> None:
        self.old, self.new, self.bad = route("shop/old"), [route(item) for item in new], set(bad)
        self.barred: list[set[str]] = []

    def __call__(self, barred: frozenset[object]) -> Attempt:
        names = {self.name(item): item for item in self.new if route_identity(item) not in barred}
        self.barred.append({self.name(item) for item in self.new} - names.keys())
        harmful = sorted(self.bad & names.keys())
        after = REFUSED if harmful else MUTUAL
        plans = [RoutePlan(self.old, MUTUAL, MUTUAL, "none")]
        plans += [RoutePlan(item, REFUSED, after if self.name(item) in names else REFUSED, "none") for item in self.new]
        left = [LeftOut((), self.old, MUTUAL, REFUSED, self.old.object, names[item].object) for item in harmful[:1]]
        return Attempt(Weighed((), RoutingPlan(tuple(plans), (), (), (tuple(plans),)), tuple(left)))

    @staticmethod
    def name(item: Route) -> str:
        return f"{item.object.namespace}/{item.object.name}"

    def served(self) -> tuple[set[str], list[str]]:
        """The routes that are served in the end, and the causes of what was left out."""
        found, left = settle(self)
        return {
            self.name(item.route) for item in found.weighed.plan.routes if item.after.verdict == "mutual_tls"
        }, [f"{item.cause.namespace}/{item.cause.name}" for item in left]


def test_a_plan_that_leaves_nothing_out_is_made_once() -> None:
    planner = Planner(["shop/new", "other/new"], [])
    assert planner.served() == ({"shop/old", "shop/new", "other/new"}, [])
    assert planner.barred == [set()]


def test_one_of_another_namespace_keeps_no_other_from_being_planned() -> None:
    planner = Planner(["shop/new", "bad/new", "other/new"], ["bad/new"])
    assert planner.served() == ({"shop/old", "shop/new", "other/new"}, ["bad/new"])


def test_one_of_the_same_namespace_is_found_as_well() -> None:
    assert Planner(["shop/new", "shop/bad"], ["shop/bad"]).served() == ({"shop/old", "shop/new"}, ["shop/bad"])


def test_where_nothing_helps_the_first_plan_counts() -> None:
    planner = Planner(["shop/a", "shop/b", "bad/new"], ["shop/a", "shop/b", "bad/new"])
    assert planner.served() == ({"shop/old"}, ["bad/new"])


def test_only_so_many_plans_are_made() -> None:
    planner = Planner([f"shop/new{number}" for number in range(50)], [f"shop/new{number}" for number in range(50)])
    planner.served()
    assert len(planner.barred) == MOST_TRIED + 1
