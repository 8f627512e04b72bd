# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/1.0 towards the backend: no sidecar's HTTP listener takes it, and one that reads HTTP answers it with 426."""

from __future__ import annotations

import pytest

from tests.unit.plugins.module_utils.support.cluster import (
    Obj,
    backend,
    cluster,
    config_map,
    ingress,
    istiod,
    outcome,
    path,
    peer_authentication,
    pod,
    port,
    service,
    virtual_service,
)
from tests.unit.plugins.module_utils.support.planning import run

SHOP = path(backend("shop"))
DECLARED, UNDECLARED, TCP = ([service("shop", port(name)), pod("shop", http=8080)] for name in ("http", "web", "tcp"))
BARE = [service("shop", port("http")), pod("shop", sidecar=False, http=8080)]
OLD = {"proxy_http_version": "1.0"}
VIP = {**OLD, "service_upstream": "true"}
STRICT, PERMISSIVE = peer_authentication(), peer_authentication("PERMISSIVE")
VERDICTS: dict[str, tuple[list[Obj], dict[str, str], str]] = {
    "pod addresses, declared HTTP": ([*DECLARED, STRICT], OLD, "refused"),
    "pod addresses, declared HTTP, plaintext is taken": ([*DECLARED, PERMISSIVE], OLD, "refused"),
    "the Service's address and name, declared HTTP": ([*DECLARED, STRICT], {**VIP, "upstream_vhost": "shop.apps"}, "refused"),
    "the Service's address, undeclared": ([*UNDECLARED, STRICT], VIP, "mutual_tls"),
    "rules for HTTP do not hold for it": (
        [*UNDECLARED, STRICT, virtual_service("shop.apps.svc.cluster.local", http=[{"redirect": {"uri": "/"}}])], VIP, "mutual_tls"),
    "pod addresses, undeclared, plaintext is taken": ([*UNDECLARED, PERMISSIVE], OLD, "plaintext"),
    "the Service's address, declared TCP": ([*TCP, STRICT], VIP, "mutual_tls"),
    "no sidecar there": ([*BARE, PERMISSIVE], OLD, "plaintext"),
    "HTTP/1.1": ([*UNDECLARED, STRICT], {**VIP, "proxy_http_version": "1.1"}, "mutual_tls"),
    "a version that the controller does not know": ([*DECLARED, PERMISSIVE], {**OLD, "proxy_http_version": "1"}, "plaintext"),
    "gRPC has no such setting": ([*DECLARED, PERMISSIVE], {**OLD, "backend_protocol": "GRPC"}, "plaintext"),
}  # fmt: skip


@pytest.mark.parametrize(("objects", "annotations", "verdict"), VERDICTS.values(), ids=VERDICTS)
def test_what_becomes_of_it(objects: list[Obj], annotations: dict[str, str], verdict: str) -> None:
    assert outcome(cluster(*objects, ingress("shop", SHOP, **annotations))).verdict == verdict


def test_it_is_said_where_426_is_the_answer() -> None:
    assert "426" in outcome(cluster(*DECLARED, PERMISSIVE, ingress("shop", SHOP, **OLD))).why


@pytest.mark.parametrize("strategy", ["host_entry", "host_alias", "host_rewrite", "headless_twin", "auto"])
def test_no_strategy_is_said_to_serve_it_on_a_declared_port(strategy: str) -> None:
    found = run(cluster(*DECLARED, STRICT, ingress("shop", SHOP, **OLD)), strategy)
    assert found.verdicts == {"refused"} and found.written == []


@pytest.mark.parametrize("strategy", ["headless_twin", "service_vip", "auto"])
def test_what_goes_by_the_address_serves_it_on_others(strategy: str) -> None:
    assert run(cluster(*UNDECLARED, STRICT, ingress("shop", SHOP, **OLD)), strategy).verdicts == {"mutual_tls"}


@pytest.mark.parametrize("strategy", ["host_entry", "host_alias"])
def test_what_goes_by_the_host_does_not(strategy: str) -> None:
    assert run(cluster(*UNDECLARED, STRICT, ingress("shop", SHOP, **OLD)), strategy).verdicts != {"mutual_tls"}


@pytest.mark.parametrize(("value", "verdict"), [("true", "plaintext"), ("1", "plaintext"), ("false", "refused"), ("", "refused")])
def test_istiod_may_have_it_read(value: str, verdict: str) -> None:
    assert outcome(cluster(*DECLARED, PERMISSIVE, istiod(PILOT_HTTP10=value), ingress("shop", SHOP, **OLD))).verdict == verdict


@pytest.mark.parametrize(("annotations", "verdict"), [({}, "refused"), ({"proxy_http_version": "1.1"}, "plaintext")])
def test_the_controller_may_speak_it_to_all(annotations: dict[str, str], verdict: str) -> None:
    settings = config_map("lb", **{"proxy-http-version": "1.0"})
    assert outcome(cluster(*DECLARED, PERMISSIVE, settings, ingress("shop", SHOP, **annotations))).verdict == verdict
