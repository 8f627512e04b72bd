# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole proof against a small cluster whose sidecars answer from tables."""

from __future__ import annotations

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.errors import Forbidden, MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.model import Outcome, replace
from ansible_collections.meshlb.istio.plugins.module_utils.prove.asking import Asker
from ansible_collections.meshlb.istio.plugins.module_utils.prove.measuring import Load
from ansible_collections.meshlb.istio.plugins.module_utils.prove.prove import Options, Proven, prove
from ansible_collections.meshlb.istio.plugins.module_utils.prove.sending import Entrypoint

from tests.unit.plugins.module_utils.prove import envoy
from tests.unit.plugins.module_utils.prove.small_cluster import LB, VIP, route, snapshot

ECHO = "outbound|80||echo.apps.svc.cluster.local"
IDENTITY = "spiffe://cluster.local/ns/apps/sa/echo"


def client_dump() -> str:
    host = envoy.virtual_host("echo:80", ["echo.apps"], envoy.route({"prefix": "/"}, ECHO))
    return json.dumps(
        envoy.dump(
            [envoy.http_listener(80), envoy.outbound()],
            [envoy.cluster(ECHO, transport_socket_matches=envoy.automatic(IDENTITY))],
            [envoy.routes("80", host, envoy.ALLOW_ANY)],
            [envoy.assignment(ECHO, envoy.endpoint("10.1.0.1", 8080), envoy.endpoint("10.1.0.2", 8080))],
        )
    )


def inbound_dump() -> str:
    chain = envoy.tcp_chain("inbound|8080||", {"destination_port": 8080, "transport_protocol": "tls"}, "tls")
    chain["transport_socket"] = {"typed_config": {"@type": f"{envoy.TLS}.DownstreamTlsContext"}}
    return json.dumps(envoy.dump([envoy.listener("virtualInbound", "0.0.0.0", 15006, [chain])]))


class Sidecars:
    """Answers as ``pilot-agent request GET`` does; ``counted`` is what the first load balancer pod's counters hold."""

    def __init__(self) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()
        self.counted: dict[tuple[str, str], dict[str, int]] = {}
        self.refuses: dict[tuple[str, str], MeshlbError] = {}

    def count(self, cluster: str, address: str, **counts: int) -> None:
        row = self.counted.setdefault((cluster, address), {})
        for name, value in counts.items():
            row[name] = row.get(name, 0) + value

    def __call__(self, namespace: str, pod: str, container: str, command: list[str], timeout: float) -> str:
        assert (container, command[:3]) == ("istio-proxy", ["pilot-agent", "request", "GET"])
        question = command[3].partition("?")[0]
        self.asked[(f"{namespace}/{pod}", question)] += 1
        for key in ((namespace, ""), (namespace, pod), (namespace, question)):
            if key in self.refuses:
                raise self.refuses[key]
        if question == "certs":
            chain = [{"subject_alt_names": [{"uri": "spiffe://cluster.local/ns/lb/sa/echo"}], "expiration_time": "soon"}]
            return json.dumps({"certificates": [{"cert_chain": chain}]})
        if question == "clusters":
            rows = self.counted if pod == "nginx-rs-1" else {}
            return "x::default_priority::max_connections::1\n" + "\n".join(
                f"{cluster}::{address}::{name}::{value}" for (cluster, address), row in rows.items() for name, value in row.items()
            )
        return inbound_dump() if namespace == "apps" else client_dump()


def run(
    answering: Sidecars, *routes: Any, options: Options | None = None, predicted: Any = "mutual_tls", **cluster: Any
) -> tuple[list[Proven], list[str], list[str]]:
    chosen = options or Options(("configuration",))
    found = prove(
        snapshot(**cluster), [LB], routes, Asker(answering, 2), lambda _route: Outcome(predicted, "so says the plan"), chosen
    )
    return found[0], [item.code for item in found[1]], [item.message for item in found[1]]


GOOD = route(sent_host="echo.apps")


def test_a_good_route_is_proven_with_evidence_from_every_proxy() -> None:
    proven, codes, _messages = run(Sidecars(), GOOD)
    assert (proven[0].verdict, codes) == ("mutual_tls", [])
    result = proven[0].to_result()
    assert result["host"] == "shop.example.com"
    assert {item["method"] for item in result["evidence"]} == {"configuration"}
    assert [item["source"] for item in result["evidence"]] == [
        "sidecar of lb/nginx-rs-1 (and 1 more pod)",
        "sidecar of apps/echo-rs-1",
        "sidecar of lb/nginx-rs-1 (and 1 more pod)",
    ]
    assert result["evidence"][1]["fact"].endswith("only its TLS filter chains match; 1 more alike")
    assert result["evidence"][2]["fact"] == "presents spiffe://cluster.local/ns/lb/sa/echo, valid until soon"


def test_every_sidecar_is_asked_once_and_one_backend_per_workload() -> None:
    sidecars = Sidecars()
    run(sidecars, GOOD, replace(GOOD, path="/b"))
    assert sidecars.asked == {
        ("lb/nginx-rs-1", "config_dump"): 1,
        ("lb/nginx-rs-2", "config_dump"): 1,
        ("lb/nginx-rs-1", "certs"): 1,
        ("lb/nginx-rs-2", "certs"): 1,
        ("apps/echo-rs-1", "config_dump"): 1,
    }


def test_a_route_that_fails_is_an_error_and_a_wrong_prediction_a_warning() -> None:
    proven, codes, messages = run(Sidecars(), route())
    assert (proven[0].verdict, codes) == ("refused", ["MLB501", "MLB503"])
    assert "shop.example.com/ of lb/nginx is refused" in messages[0]
    assert "was predicted as mutual_tls (so says the plan) and is refused" in messages[1]


def test_an_ignored_route_is_no_error() -> None:
    assert run(Sidecars(), route(ignored=True), predicted="refused")[1] == []


def test_a_load_balancer_without_sidecar_sends_plaintext() -> None:
    proven, _codes, messages = run(Sidecars(), GOOD, predicted="refused", sidecars=False)
    assert proven[0].verdict == "refused"
    assert "the pod has no sidecar, so it goes out in plaintext, which is refused there" in messages[0]


def test_its_own_tls_is_not_judged_without_a_sidecar() -> None:
    assert run(Sidecars(), route(scheme="tls"), sidecars=False)[0][0].verdict == "unknown"


def test_a_sidecar_that_cannot_be_asked_is_said_to_be() -> None:
    sidecars = Sidecars()
    sidecars.refuses[("lb", "nginx-rs-2")] = MeshlbError("No.")
    proven, codes, messages = run(sidecars, GOOD)
    assert (proven[0].verdict, codes) == ("unknown", ["MLB502"])
    assert "the sidecar of lb/nginx-rs-2 could not be asked: No." in messages[0]


def test_a_backend_namespace_that_refuses_is_asked_once_and_judged_by_policy() -> None:
    sidecars = Sidecars()
    sidecars.refuses[("apps", "")] = Forbidden("Not allowed.")
    proven, _codes, _messages = run(sidecars, GOOD)
    fact = proven[0].evidence[1]
    assert (proven[0].verdict, fact.source) == ("mutual_tls", "PeerAuthentication policies")
    assert "PERMISSIVE (its sidecar could not be asked: Not allowed.)" in fact.fact
    assert sum(number for (pod, _question), number in sidecars.asked.items() if pod.startswith("apps/")) == 1


def test_a_backend_that_does_not_exist_is_unknown() -> None:
    proven, codes, _messages = run(Sidecars(), route(address="external"))
    assert (proven[0].verdict, codes) == ("unknown", ["MLB502"])


def test_a_load_balancer_that_was_not_found_is_unknown() -> None:
    proven, _codes, messages = run(Sidecars(), replace(GOOD, load_balancer=("x", "y")))
    assert proven[0].verdict == "unknown"
    assert "not among those that were found" in messages[0]


def test_another_services_pods_are_a_finding() -> None:
    other = replace(GOOD, backend=replace(GOOD.backend, service="other"))
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": "apps", "name": "other"},
        "spec": {"clusterIP": "10.96.0.9", "selector": {"app": "other"}, "ports": [{"port": 80, "targetPort": 9090}]},
    }
    found = prove(
        snapshot(service), [LB], [other], Asker(Sidecars()), lambda _route: Outcome("mutual_tls", ""), Options(("configuration",))
    )
    assert [item.code for item in found[1]] == ["MLB204"]
    assert "leads to 10.1.0.1:8080 through cluster outbound|80||echo" in found[1][0].message


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


def traffic(entrypoint: Entrypoint | None, *methods: str, **load: Any) -> Options:
    return Options(methods or ("traffic",), Load(entrypoint, timeout=5, **load))


def test_requests_prove_what_counters_count(balancer: Any) -> None:
    handler, entrypoint = balancer
    routes = [GOOD, replace(GOOD, host="*.plain.example.com"), replace(GOOD, host="moved.example.com")]
    routes[1] = replace(routes[1], host="plain.example.com")
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


def test_why_no_traffic_was_measured_is_in_the_evidence() -> None:
    options = Options(("configuration", "traffic"), None, "check mode sends no requests")
    proven, codes, _messages = run(Sidecars(), GOOD, options=options)
    assert proven[0].evidence[-1].fact == "not measured: check mode sends no requests"
    assert (proven[0].verdict, codes) == ("mutual_tls", [])


def test_traffic_alone_without_a_load_is_unknown_and_says_why() -> None:
    options = Options(("traffic",), None, "check mode sends no requests")
    proven, _codes, messages = run(Sidecars(), GOOD, options=options)
    assert proven[0].verdict == "unknown"
    assert "check mode sends no requests" in messages[0]
