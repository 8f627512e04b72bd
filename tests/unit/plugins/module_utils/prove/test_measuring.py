# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole proof by traffic, with a load balancer that really answers."""

from __future__ import annotations

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import replace
from ansible_collections.meshlb.istio.plugins.module_utils.prove.measuring import Load
from ansible_collections.meshlb.istio.plugins.module_utils.prove.prove import ProveOptions
from ansible_collections.meshlb.istio.plugins.module_utils.prove.sending import Entrypoint

from tests.unit.plugins.module_utils.prove.answering import ECHO, GOOD, Sidecars, run
from tests.unit.plugins.module_utils.prove.small_cluster import VIP, route


class Balancer(BaseHTTPRequestHandler):
    """A load balancer that counts what it is asked, as the sidecar beside it would."""

    sidecars: Sidecars
    seen: list[tuple[str, str]]

    def do_GET(self) -> None:
        host = self.headers["Host"]
        self.seen.append((host, self.path))
        if host == "shop.example.com":
            self.sidecars.count(ECHO, "10.1.0.1:8080", rq_total=1, rq_success=1)
        if host == "plain.example.com":
            self.sidecars.count("PassthroughCluster", f"{VIP}:80", rq_total=1, rq_error=1)
        self.send_response(301 if host == "moved.example.com" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def balancer() -> Any:
    handler = type("Handler", (Balancer,), {"sidecars": Sidecars(), "seen": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield handler, Entrypoint("http", "127.0.0.1", server.server_port)
        server.shutdown()
        thread.join()


def traffic(entrypoint: Entrypoint | None, *methods: str, **load: Any) -> ProveOptions:
    return ProveOptions(methods or ("traffic",), Load(entrypoint, timeout=5, **load))


def test_requests_prove_what_counters_count(balancer: Any) -> None:
    handler, entrypoint = balancer
    routes = [GOOD, replace(GOOD, host="plain.example.com"), replace(GOOD, host="moved.example.com")]
    proven, codes, messages = run(handler.sidecars, *routes, options=traffic(entrypoint))
    assert [item.verdict for item in proven] == ["mutual_tls", "refused", "unknown"]
    assert sorted(codes) == ["MLB501", "MLB502", "MLB503"]
    assert Counter(handler.seen) == {(item.host, "/"): 3 for item in routes}
    assert any("status 301 3x" in message for message in messages)
    assert {proof.method for item in proven for proof in item.evidence} == {"traffic"}


def test_contradiction_is_mixed(balancer: Any) -> None:
    handler, entrypoint = balancer
    plain = replace(GOOD, host="plain.example.com")
    proven, _codes, messages = run(handler.sidecars, plain, options=traffic(entrypoint, "configuration", "traffic"))
    assert proven[0].verdict == "mixed"
    assert "configuration says mutual_tls, traffic says refused" in messages[0]


def test_a_configuration_without_traffic_to_prove_it_stands_with_a_warning(balancer: Any) -> None:
    handler, entrypoint = balancer
    moved = replace(GOOD, host="moved.example.com")
    proven, codes, _messages = run(handler.sidecars, moved, options=traffic(entrypoint, "configuration", "traffic"))
    assert (proven[0].verdict, codes) == ("mutual_tls", ["MLB502"])


def test_a_canary_shares_the_requests_of_its_main_route(balancer: Any) -> None:
    handler, entrypoint = balancer
    run(handler.sidecars, GOOD, replace(GOOD, canary=True), options=traffic(entrypoint, requests=2))
    assert len(handler.seen) == 2


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        (replace(GOOD, path="/a/(.*)", path_type="ImplementationSpecific"), "the path is a pattern"),
        (route(path="tcp:9000", path_type="Stream", scheme="tcp"), "a TCP route takes no HTTP request"),
    ],
)
def test_routes_that_no_request_meets_are_not_guessed_at(balancer: Any, odd: Any, why: str) -> None:
    handler, entrypoint = balancer
    proven, _codes, messages = run(handler.sidecars, odd, options=traffic(entrypoint))
    assert proven[0].verdict == "unknown"
    assert why in messages[0]
    assert handler.seen == []


def test_counters_that_cannot_be_read_prove_nothing(balancer: Any) -> None:
    handler, entrypoint = balancer
    handler.sidecars.refuses[("lb", "clusters")] = MeshlbError("Timed out.")
    proven, _codes, messages = run(handler.sidecars, GOOD, options=traffic(entrypoint))
    assert proven[0].verdict == "unknown"
    assert "the counters could not be read: Timed out." in messages[0]


def test_an_open_tcp_connection_is_recognised(balancer: Any) -> None:
    handler, entrypoint = balancer
    handler.sidecars.count(ECHO, "10.1.0.2:8080", cx_active=1, cx_total=1, rq_total=1)
    quiet = replace(GOOD, host="quiet.example.com")
    messages = run(handler.sidecars, quiet, options=traffic(entrypoint))[2]
    assert "an open TCP connection was reused" in messages[0]


def test_existing_traffic_can_be_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    sidecars = Sidecars()

    def meanwhile(seconds: float) -> None:
        assert seconds == 7
        sidecars.count(ECHO, "10.1.0.2:8080", rq_total=4, rq_success=4)

    monkeypatch.setattr("time.sleep", meanwhile)
    proven, codes, _messages = run(sidecars, GOOD, options=traffic(None, window=7))
    assert (proven[0].verdict, codes) == ("mutual_tls", [])
