# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a load balancer dials for a route."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Backend
from ansible_collections.meshlb.istio.plugins.module_utils.prove.targets import asked_host, asked_path, sent_path

from tests.unit.plugins.module_utils.prove.small_cluster import VIP, pod, route, service, snapshot
from tests.unit.plugins.module_utils.support.proving import target_of


def test_service_routing_dials_the_services_address() -> None:
    target = target_of(snapshot(), route())
    assert [item.address for item in target.dialed] == [f"{VIP}:80"]
    assert target.addresses == {f"{VIP}:80", "10.1.0.1:8080", "10.1.0.2:8080"}


def test_endpoint_routing_dials_every_ready_pod() -> None:
    waiting = pod("apps", "echo-rs-3", "10.1.0.3", {"app": "echo"}, conditions=[{"type": "Ready", "status": "False"}])
    target = target_of(snapshot(waiting), route(address="pod_ips"))
    assert [item.address for item in target.dialed] == ["10.1.0.1:8080", "10.1.0.2:8080"]


def test_addresses_beyond_the_limit_are_counted() -> None:
    target = target_of(snapshot(), route(address="pod_ips"), most=1)
    assert (len(target.dialed), target.left_out) == (1, 1)


def test_a_name_of_a_headless_service_leads_to_its_pods() -> None:
    headless = service("twin", "None", {"port": 8080})
    target = target_of(snapshot(headless), route(address="host_name", backend=Backend("apps", "twin", 8080)))
    assert [item.address for item in target.dialed] == ["10.1.0.1:8080", "10.1.0.2:8080"]


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (route(backend=Backend("apps", "nosuch", 80)), "Service apps/nosuch does not exist"),
        (route(backend=Backend("apps", "echo", 81)), "Service echo has no port 81"),
        (route(address="external"), "not in the cluster"),
        (route(address="pod_ips", backend=Backend("apps", "empty", 80)), "no pod of Service apps/empty has an address"),
        (route(backend=Backend("apps", "outside", 80)), "not in the cluster"),
    ],
)
def test_nothing_to_dial_has_a_reason(wanted: Any, why: str) -> None:
    empty = service("empty", "10.96.0.6", {"port": 80}, {"app": "nothing"})
    outside = service("outside", "", {"port": 80}, type="ExternalName")
    assert why in target_of(snapshot(empty, outside), wanted).why


@pytest.mark.parametrize(
    ("host", "expected"),
    [("", "meshlb-proof.invalid"), ("*.example.com", "meshlb-proof.example.com"), ("a.example.com", "a.example.com")],
)
def test_a_host_that_meets_the_route(host: str, expected: str) -> None:
    assert asked_host(route(host)) == expected


@pytest.mark.parametrize(
    ("path", "kind", "expected"),
    [
        ("/cart", "Prefix", "/cart"),
        ("/a(b)", "Exact", "/a(b)"),
        ("/cart", "ImplementationSpecific", "/cart"),
        ("/a/(.*)", "ImplementationSpecific", None),
        ("default-backend", "Stream", "/"),
    ],
)
def test_a_path_that_meets_the_route(path: str, kind: str, expected: str | None) -> None:
    assert asked_path(route(path=path, path_type=kind)) == expected


def test_a_rewritten_path_is_not_known_to_the_sidecar() -> None:
    assert sent_path(route(rewrites_path=True)) is None


@pytest.mark.parametrize(("sent", "known"), [("", True), ("echo.apps:80", True), ("$service", False), ("%{x}", False)])
def test_a_host_that_is_made_at_run_time_is_not_known(sent: str, known: bool) -> None:
    assert target_of(snapshot(), route(sent_host=sent)).dialed[0].host_known is known
