# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes that contradict each other: whoever comes later stays where it is."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Backend, ObjectRef, Route, replace
from ansible_collections.meshlb.istio.plugins.module_utils.detect.inventory import KnownBackend
from ansible_collections.meshlb.istio.plugins.module_utils.plan.chain.carry import carry

BORN = {"old": "2024-01-01T00:00:00Z", "new": "2025-01-01T00:00:00Z", "beside": "2024-01-01T00:00:00Z"}


def route(namespace: str, path: str = "/", *, service: str = "", rewrites: bool = False, name: str = "web") -> Route:
    backend = Backend(namespace, service or f"of-{namespace}", 80)
    return Route(("edge", "lb"), ObjectRef("v1", "Ingress", namespace, name), "a.example.com", path, backend, rewrites_path=rewrites)


def carried(*routes: Route, standing: tuple[Route, ...] = (), vouched: tuple[Route, ...] = ()) -> tuple[list[str], list[str]]:
    """The namespaces of the routes that are carried over, and of those that are not."""
    known = {item: KnownBackend({}, {"port": 80}, reached={}) for item in routes}
    found = carry(routes, known, begins_with=False, standing=standing, vouched=vouched, born=lambda ref: BORN[ref.namespace])
    assert {rule.backend for host in found.hosts for rule in host.rules} == {item.backend for item in found.routes}
    return sorted(item.object.namespace for item in found.routes), sorted(item.object.namespace for item in found.refusals)


def test_of_two_that_claim_one_path_the_older_is_carried() -> None:
    assert carried(route("new"), route("old")) == (["old"], ["new"])
    assert carried(route("new"), route("old"), standing=(route("new"),), vouched=(route("new"),)) == (["new"], ["old"])
    # What a route's own object says of it, whoever may edit it can have it say.
    assert carried(route("new"), route("old"), standing=(route("new"),)) == (["old"], ["new"])
    assert carried(route("new"), route("old"), vouched=(route("new"), route("old"))) == (["old"], ["new"])


def test_there_is_no_telling_among_those_of_one_age_or_of_one_namespace() -> None:
    assert carried(route("beside"), route("old")) == ([], ["beside", "old"])
    assert carried(route("old", service="x"), route("old", service="y", name="other")) == ([], ["old", "old"])


@pytest.mark.parametrize("late", [route("new", "/other"), route("new", "/other", rewrites=True)])
def test_a_later_backend_does_not_keep_a_rewriting_route_out(late: Route) -> None:
    assert carried(late, route("old", rewrites=True)) == (["old"], ["new"])


def test_later_routes_that_contradict_nobody_are_carried() -> None:
    assert carried(route("new", "/b"), route("new", "/", name="c"), route("old")) == (["new", "old"], ["new"])
    twice = [route("new", "/b", service="x"), route("new", "/b", service="y", name="d")]
    assert carried(*twice, replace(route("new"), path="/"), route("old")) == (["old"], ["new", "new", "new"])
