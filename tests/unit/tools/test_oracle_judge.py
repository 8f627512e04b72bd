# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""From Istio's answer to a verdict."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from tests.oracle import cluster, judge, words
from tests.oracle.judge import Judge, Judgement, overall, past_sidecar, socket_for
from tests.tools.stage_collection import ROOT

PLAIN: dict[str, Any] = {"tls": False, "mesh": False}
MESH: dict[str, Any] = {"tls": True, "mesh": True}
CALL: dict[str, Any] = {"name": "call 0", "address": "10.96.0.10", "port": 80, "host": "shop.example.com", "path": "/"}
SERVICE = "outbound|80||echo.apps.svc.cluster.local"
ECHO = "echo.apps.svc.cluster.local"
READS = {"name": "c", "tls": False, "http": True, "filters": ["http_connection_manager"]}
ENDS = {"name": "c", "tls": True, "http": True, "filters": ["http_connection_manager"], "http_filters": ["envoy.filters.http.rbac"]}
PASSES = {"name": "c", "tls": True, "http": False, "filters": ["tcp_proxy"]}
PERMISSIVE = {
    "plain_http": {"chain": READS}, "plain_tcp": {"chain": READS}, "mesh_http": {"chain": ENDS}, "mesh_tcp": {"chain": PASSES},
    "mesh_bytes": {"error": "protocol error"},
}
STRICT = {
    "plain_http": {"error": "no filter chains matched"}, "plain_tcp": {"error": "no filter chains matched"},
    "mesh_http": {"chain": ENDS}, "mesh_tcp": {"chain": PASSES}, "mesh_bytes": {"error": "protocol error"},
}


def pod(name: str, ip: str, *, sidecar: bool = True, account: str = "echo", notes: dict[str, str] | None = None) -> cluster.Obj:
    containers = [{"name": "app", "ports": [{"containerPort": 8080, "name": "web"}]}, *([{"name": "istio-proxy"}] if sidecar else [])]
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "apps", "labels": {"app": "echo"}, "annotations": notes or {}},
        "spec": {"containers": containers, "serviceAccountName": account}, "status": {"podIP": ip},
    }


def service() -> cluster.Obj:
    ports = [{"name": "http", "port": 80, "targetPort": "web"}]
    return {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "echo", "namespace": "apps"},
        "spec": {"clusterIP": "10.96.0.10", "selector": {"app": "echo"}, "ports": ports},
    }


def client(**notes: str) -> cluster.Obj:
    found = pod("lb", "10.0.9.9", notes={judge.TRAFFIC + key: value for key, value in notes.items()})
    found["metadata"]["namespace"], found["metadata"]["labels"] = "ingress", {"app": "lb"}
    return found


def endpoint(ip: str, **more: Any) -> dict[str, Any]:
    return {"address": ip, "port": 8080, "health": "HEALTHY", "labels": {"tlsMode": "istio"}, **more}


def to_service(*endpoints: dict[str, Any], socket: dict[str, Any] | None = None, name: str = SERVICE, **more: Any) -> dict[str, Any]:
    found = {"name": name, "weight": 1, "found": True, "type": "EDS", "http": "http1", "socket": MESH if socket is None else socket}
    return {**found, "endpoints": list(endpoints), **more}


PASSTHROUGH = {"name": "PassthroughCluster", "weight": 1, "found": True, "type": "ORIGINAL_DST", "http": "http1", "socket": PLAIN}


def judged(
    *clusters: dict[str, Any], ways: dict[str, Any] | None = None, pods: list[cluster.Obj] | None = None, by: cluster.Obj | None = None,
    http: bool = True, error: str = "", call: dict[str, Any] | None = None,
) -> Judgement:
    backends = pods or [pod("echo-0", "10.0.1.1")]
    objects = [service(), *backends]
    objects += cluster.slices(objects)
    answer = {
        "calls": [{"name": "call 0", "listener": "l", "chain": {"name": "c", "http": http}, "clusters": list(clusters), "error": error}],
        "inbound": {f"{cluster.address(item)}:8080": {"ways": PERMISSIVE if ways is None else ways} for item in backends},
    }
    return Judge(objects, by or client(), answer).judge({**CALL, **(call or {})}, [cluster.address(item) for item in backends], ECHO)


def test_mutual_tls_to_a_sidecar() -> None:
    found = judged(to_service(endpoint("10.0.1.1")))
    assert found.verdict == "mutual_tls"
    assert not found.elsewhere
    assert found.steps[0].to == "10.0.1.1:8080"
    assert found.steps[0].pod == "apps/echo-0"


def test_a_proxy_that_passes_tcp_meets_the_chain_for_tcp() -> None:
    found = judged(to_service(endpoint("10.0.1.1")), http=False)
    assert found.verdict == "mutual_tls"
    assert found.steps[0].filters == ("tcp_proxy",)


@pytest.mark.parametrize("call", [{"protocol": "tcp"}, {"tls": "tls"}])
def test_a_sidecar_that_reads_http_takes_requests_alone(call: dict[str, str]) -> None:
    """Whoever passes bytes on offers the same ALPN for requests as for anything else."""
    assert judged(to_service(endpoint("10.0.1.1")), http=False, call=call).verdict == "refused"


@pytest.mark.parametrize(("ways", "verdict"), [(PERMISSIVE, "plaintext"), (STRICT, "refused")])
def test_plaintext_past_the_registry(ways: dict[str, Any], verdict: str) -> None:
    """A connection to the Service's own address ends at its pods."""
    found = judged(PASSTHROUGH, ways=ways)
    assert (found.verdict, found.steps[0].to) == (verdict, "10.0.1.1:8080")


def test_pods_that_differ() -> None:
    pods = [pod("echo-0", "10.0.1.1"), pod("echo-1", "10.0.1.2", sidecar=False)]
    assert judged(PASSTHROUGH, pods=pods, ways=STRICT).verdict == "mixed"
    assert judged(PASSTHROUGH, pods=pods).verdict == "plaintext"
    assert judged(to_service(endpoint("10.0.1.1"), endpoint("10.0.1.2")), pods=pods).verdict == "mixed"


@pytest.mark.parametrize(
    ("notes", "verdict"),
    [
        ({"excludeInboundPorts": "15020, 8080"}, "refused"),
        ({"excludeInboundPorts": "80"}, "mutual_tls"),
        ({"includeInboundPorts": ""}, "refused"),
        ({"includeInboundPorts": "*"}, "mutual_tls"),
        ({"includeInboundPorts": "9000"}, "refused"),
    ],
)
def test_ports_that_a_sidecar_does_not_get(notes: dict[str, str], verdict: str) -> None:
    """Nobody is there to take mutual TLS on them."""
    backend = pod("echo-0", "10.0.1.1", notes={judge.TRAFFIC + key: value for key, value in notes.items()})
    assert judged(to_service(endpoint("10.0.1.1")), pods=[backend]).verdict == verdict


def test_the_socket_is_chosen_by_what_the_endpoint_says() -> None:
    cluster_ = to_service(socket=PLAIN, matches=[{"keys": {"tlsMode": "istio"}, "socket": MESH}, {"keys": {}, "socket": PLAIN}])
    assert socket_for(cluster_, endpoint("10.0.1.1")) is MESH
    assert socket_for(cluster_, endpoint("10.0.1.1", labels=None)) is PLAIN
    assert socket_for(to_service(socket=MESH), endpoint("10.0.1.1")) is MESH


@pytest.mark.parametrize(
    ("accepted", "verdict"),
    [
        ([], "mutual_tls"),
        (["spiffe://cluster.local/ns/apps/sa/echo"], "mutual_tls"),
        (["spiffe://cluster.local/ns/apps/sa/other"], "refused"),
    ],
)
def test_identities(accepted: list[str], verdict: str) -> None:
    assert judged(to_service(endpoint("10.0.1.1"), socket={**MESH, "sans": accepted})).verdict == verdict


@pytest.mark.parametrize(
    "clusters",
    [
        (),
        ({**PASSTHROUGH, "name": "BlackHoleCluster"},),
        ({"name": SERVICE, "weight": 1, "found": False},),
        (to_service(),),
        (to_service(endpoint("10.0.1.1", health="UNHEALTHY")),),
    ],
)
def test_requests_that_go_nowhere(clusters: tuple[dict[str, Any], ...]) -> None:
    assert judged(*clusters).verdict == "refused"


def test_requests_that_the_proxy_ends() -> None:
    found = judged(error="no route matched")
    assert (found.verdict, found.steps[0].why) == ("refused", "the client's proxy: no route matched")


def test_tls_that_is_not_the_meshs_is_not_judged() -> None:
    assert judged(to_service(endpoint("10.0.1.1"), socket={"tls": True, "mesh": False})).verdict == "unknown"


AMBIENT = pod("echo-0", "10.0.1.1", sidecar=False, notes={cluster.REDIRECTION: "enabled"})


def test_a_tunnel_of_ambient_mode_is_mutual_tls() -> None:
    found = judged(to_service(endpoint("10.0.1.1:8080", tunnel="connect_originate")), pods=[AMBIENT])
    assert (found.verdict, found.steps[0].pod, found.elsewhere) == ("mutual_tls", "apps/echo-0", ())


def test_what_ztunnel_does_with_other_connections_is_not_judged() -> None:
    assert judged(to_service(endpoint("10.0.1.1"), socket=PLAIN), pods=[AMBIENT]).verdict == "unknown"


def test_weights_of_zero_do_not_count() -> None:
    nowhere = {"name": SERVICE, "weight": 0, "found": False}
    assert judged(to_service(endpoint("10.0.1.1")), nowhere).verdict == "mutual_tls"


def test_another_service_is_told() -> None:
    other = to_service(endpoint("10.0.2.1"), name="outbound|80||nb.other.svc.cluster.local", socket=PLAIN)
    found = judged(other)
    assert (found.verdict, found.elsewhere) == ("plaintext", ("10.0.2.1:8080",))
    empty = judged(to_service(name="outbound|80||nb.other.svc.cluster.local"))
    assert (empty.verdict, empty.elsewhere) == ("refused", ("nb.other.svc.cluster.local",))
    nowhere = judged({"name": "outbound|81||nb.other.svc.cluster.local", "weight": 1, "found": False})
    assert (nowhere.verdict, nowhere.elsewhere) == ("refused", ())


def test_a_client_without_a_sidecar() -> None:
    by = client()
    by["spec"]["containers"] = by["spec"]["containers"][:1]
    assert judged(by=by, ways=STRICT).verdict == "refused"
    assert judged(by=by).verdict == "plaintext"


@pytest.mark.parametrize(
    ("notes", "past"),
    [
        ({}, False),
        ({"excludeOutboundPorts": "80"}, True),
        ({"excludeOutboundPorts": "8080"}, False),
        ({"includeOutboundIPRanges": "10.96.0.0/12"}, False),
        ({"includeOutboundIPRanges": "10.0.0.0/16"}, True),
        ({"includeOutboundIPRanges": ""}, True),
        ({"includeOutboundIPRanges": "10.0.0.0/16", "includeOutboundPorts": "80"}, False),
        ({"excludeOutboundIPRanges": "10.96.0.0/12"}, True),
    ],
)
def test_connections_past_the_clients_sidecar(notes: dict[str, str], past: bool) -> None:
    assert bool(past_sidecar(client(**notes), "10.96.0.10", 80)) == past
    assert judged(to_service(endpoint("10.0.1.1")), by=client(**notes)).verdict == ("plaintext" if past else "mutual_tls")


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        (["plaintext", "plaintext"], "plaintext"),
        (["plaintext", "refused"], "mixed"),
        (["mutual_tls", "unknown"], "unknown"),
        ([], "unknown"),
    ],
)
def test_one_verdict_for_all(verdicts: list[str], verdict: str) -> None:
    assert overall(verdicts) == verdict


def test_in_words() -> None:
    found = judged(to_service(endpoint("10.0.1.1")))
    outcome = {"listener": "0.0.0.0_80", "chain": {"name": "", "http": True}, "clusters": [to_service(endpoint("10.0.1.1"))]}
    said = list(words.describe(CALL, outcome, found))
    assert said[0] == "dials 10.96.0.10:80 for shop.example.com/ (http, plaintext)"
    assert said[1] == "listener 0.0.0.0_80, filter chain (unnamed), reads HTTP"
    assert said[2] == f"cluster {SERVICE} (EDS, weight 1): the mesh's mutual TLS"
    assert said[3].endswith("the sidecar there reads it as HTTP; filters that may still deny it: envoy.filters.http.rbac")
    assert said[-1] == "Istio: mutual_tls, the request arrives over mutual TLS"


SIDE = ("access", "admission", "client", "cluster", "credentials", "envoy", "harm", "judge", "scene", "words")


@pytest.mark.parametrize("name", SIDE)
def test_the_judging_side_imports_nothing_of_the_collection(name: str) -> None:
    """Otherwise a fault of the collection would be on both sides of the comparison."""
    tree = ast.parse(Path(ROOT, "tests/oracle", f"{name}.py").read_text())
    imported = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    imported += [f"{'.' * node.level}{node.module or ''}" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    allowed = (".", *(f".{one}" for one in SIDE))
    assert not [item for item in imported if item.startswith(("ansible", "plugins", "tests")) or (item[0] == "." and item not in allowed)]
