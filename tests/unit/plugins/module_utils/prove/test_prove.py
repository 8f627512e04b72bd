# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole proof by configuration against a small cluster."""

from __future__ import annotations

from ansible_collections.meshlb.istio.plugins.module_utils.core.errors import Forbidden, MeshlbError
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Outcome, replace
from ansible_collections.meshlb.istio.plugins.module_utils.prove.asking import Asker
from ansible_collections.meshlb.istio.plugins.module_utils.prove.prove import ProveOptions

from tests.unit.plugins.module_utils.prove.answering import GOOD, Sidecars, run
from tests.unit.plugins.module_utils.prove.small_cluster import LB, pod, route, service, snapshot
from tests.unit.plugins.module_utils.support.proving import prove


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


def test_pods_that_are_starting_or_leaving_are_not_asked() -> None:
    starting = pod("lb", "nginx-rs-3", "", {"app": "nginx"}, phase="Pending")
    leaving = pod("lb", "nginx-rs-4", "10.1.1.4", {"app": "nginx"})
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    sidecars = Sidecars()
    run(sidecars, GOOD, more=(starting, leaving))
    assert {name for name, _question in sidecars.asked} == {"lb/nginx-rs-1", "lb/nginx-rs-2", "apps/echo-rs-1"}


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
    backend = service("other", "10.96.0.9", {"port": 80, "targetPort": 9090}, {"app": "other"})
    found = prove(
        snapshot(backend), [LB], [other], Asker(Sidecars()), lambda _route: Outcome("mutual_tls", ""), ProveOptions(("configuration",))
    )
    assert [item.code for item in found[1]] == ["MLB204"]
    assert "leads to 10.1.0.1:8080 through cluster outbound|80||echo" in found[1][0].message


def test_why_no_traffic_was_measured_is_in_the_evidence() -> None:
    options = ProveOptions(("configuration", "traffic"), None, "check mode sends no requests")
    proven, codes, _messages = run(Sidecars(), GOOD, options=options)
    assert proven[0].evidence[-1].fact == "not measured: check mode sends no requests"
    assert (proven[0].verdict, codes) == ("mutual_tls", [])


def test_traffic_alone_without_a_load_is_unknown_and_says_why() -> None:
    options = ProveOptions(("traffic",), None, "check mode sends no requests")
    proven, _codes, messages = run(Sidecars(), GOOD, options=options)
    assert proven[0].verdict == "unknown"
    assert "check mode sends no requests" in messages[0]
