# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the plan makes of hosts that are not a route's to claim, and of strategies that it may not pin."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Backend, ObjectRef, Route
from ansible_collections.meshlb.istio.plugins.module_utils.plan.pins import Wishes
from ansible_collections.meshlb.istio.plugins.module_utils.plan.strategies.table import NAMES

from tests.unit.plugins.module_utils.support.cluster import (
    Obj,
    annotated,
    backend,
    cluster,
    ingress,
    path,
    peer_authentication,
    pod,
    service,
    service_entry,
    to,
    virtual_service,
)
from tests.unit.plugins.module_utils.support.planning import Run, run

EVIL = [service("evil", where="tenant"), pod("evil", where="tenant")]
VICTIM = [
    service("web", where="victim"), pod("web", where="victim"),
    ingress("shop", path(backend("web")), where="victim", host="shop.example.com", service_upstream="true",
            upstream_vhost="web.victim.svc.cluster.local"),
]  # fmt: skip


def claim(host: str, **pins: str) -> Obj:
    made = ingress("mine", path(backend("evil")), where="tenant", host=host)
    return annotated(made, **pins) if pins else made


def planned(*objects: Obj, strategy: str = "auto", **options: Any) -> Run:
    return run(cluster(*objects, peer_authentication()), strategy, **options)


@pytest.mark.parametrize("strategy", ["host_alias", "host_entry"])
@pytest.mark.parametrize("host", ["web.victim.svc.cluster.local", "*.svc.cluster.local", "*.local", "web.victim", "Web.Victim.svc."])
def test_no_object_is_made_for_a_name_of_the_mesh(host: str, strategy: str) -> None:
    done = planned(*EVIL, *VICTIM, claim(host), strategy=strategy)
    assert done.written == []
    (found,) = (item for item in done.plan.findings if item.code == "MLB222")
    assert found.severity == "error" and str(found.object) == "Ingress tenant/mine" and host in found.message
    assert done.route("shop").after.verdict == "mutual_tls"


def test_auto_says_so_and_uses_what_needs_no_host() -> None:
    done = planned(*EVIL, *VICTIM, claim("*.svc.cluster.local"))
    assert done.strategies["mine"] == "headless_twin" and "MLB222" in done.codes


def test_a_wildcard_over_an_entry_of_the_mesh_is_claimed() -> None:
    done = planned(*EVIL, service_entry("idp.partner.com", 443), claim("*.partner.com"), strategy="host_entry")
    assert done.written == [] and "already stands for *.partner.com" in done.route("mine").after.why


def test_a_misrouted_route_is_neither_called_mutual_tls_nor_passed_over() -> None:
    hijack = virtual_service("web.victim.svc.cluster.local", http=[to("evil.tenant.svc.cluster.local", 80)])
    for more in ({}, {"ignore": "true"}):
        done = planned(*EVIL, *VICTIM[:2], annotated(VICTIM[2], **more) if more else VICTIM[2], hijack)
        found = done.route("shop")
        assert found.before.verdict == "unknown" and found.before.misrouted_to == "tenant/evil" and "MLB204" in done.codes


@pytest.mark.parametrize("pin", ["host_alias", "host_entry"])
def test_a_pin_that_is_not_allowed_counts_as_none(pin: str) -> None:
    honest, done = planned(*EVIL, claim("z.example.com")), planned(*EVIL, claim("z.example.com", strategy=pin))
    assert done.written == honest.written and done.strategies == honest.strategies
    (found,) = (item for item in done.plan.findings if item.code == "MLB226")
    assert pin in found.message and str(found.object) == "Ingress tenant/mine"
    assert planned(*EVIL, claim("z.example.com", strategy=pin), pinnable=NAMES).strategies == {"mine": pin}


def test_the_operator_may_allow_no_pin_at_all() -> None:
    done = planned(*EVIL, claim("z.example.com", strategy="host_rewrite"), pinnable=())
    assert done.strategies == {"mine": "host_entry"} and "MLB226" in done.codes


def test_a_twin_in_another_namespace_may_not_be_pinned() -> None:
    ref = ObjectRef("acme.example/v1", "EdgeRoute", "tenant", "mine")
    far = Route(("edge", "lb"), ref, "z.example.com", "/", Backend("victim", "web", 80), pinned_strategy="headless_twin")
    assert Wishes("service_vip").effective(far) == "service_vip" and Wishes("service_vip").remark(far) is not None
    near = Route(("edge", "lb"), ref, "z.example.com", "/", Backend("tenant", "web", 80), pinned_strategy="headless_twin")
    assert Wishes("service_vip").effective(near) == "headless_twin"


def test_a_pin_of_auto_chooses_no_more_than_a_pin_may() -> None:
    done = planned(*EVIL, claim("z.example.com", strategy="auto"), strategy="service_vip")
    assert done.strategies == {"mine": "headless_twin"} and "host_entry" not in done.route("mine").after.why
