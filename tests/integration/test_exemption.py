# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""A load balancer outside of the cluster in standalone mode: what is refused under STRICT, and what the least exemption opens.

Its Ingress is there, as its controller would read it; its requests are made here, straight to the pod and without a certificate,
as a load balancer that has pods as targets makes them.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.conftest import set_mode
from tests.integration.support import apps
from tests.integration.support.cluster import Cluster, Obj, wait_for
from tests.integration.support.modules import Result, module
from tests.integration.support.objects import Record, differences, record
from tests.integration.support.scenario import compare_changes

HOME, HOST = "outside", "outside.example.test"
APP, OPEN, SHUT, STATUS = "shop", 8080, 9090, 15021
SCOPE: dict[str, Any] = {"namespaces": [HOME]}
EXEMPTED: dict[str, Any] = {**SCOPE, "strict_exemption": True}
CLASS: Obj = {
    "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "alb"},
    "spec": {"controller": "ingress.k8s.aws/alb"},
}  # fmt: skip
OWN_POLICY: Obj = {
    "apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": {"name": "own", "namespace": HOME},
    "spec": {
        "selector": {"matchLabels": {"app": APP}}, "mtls": {"mode": "STRICT"}, "portLevelMtls": {str(SHUT): {"mode": "STRICT"}},
    },
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def scene(cluster: Cluster, clean: None, echo_image: str) -> Iterator[None]:
    """An application with two ports in a mesh that accepts mutual TLS alone, and an Ingress of AWS's controller for one of them."""
    annotations = {"alb.ingress.kubernetes.io/target-type": "ip"}
    cluster.apply(
        apps.namespace(HOME), CLASS, *apps.echo(HOME, APP, echo_image, [OPEN, SHUT]),
        apps.service(HOME, APP, {"app": APP}, [apps.port(80, OPEN, "http"), apps.port(81, SHUT, "http-more")]),
        apps.ingress(HOME, APP, HOST, (APP, 80), ingress_class="alb", annotations=annotations),
    )  # fmt: skip
    set_mode(cluster, "STRICT")
    cluster.rolled_out(HOME, f"deployment/{APP}")
    yield
    module(cluster, "service_routing", state="absent", **SCOPE)
    cluster.delete("ingressclass", "alb")
    cluster.delete("namespace", HOME)


def answers(cluster: Cluster, port: int, path: str = "/") -> int:
    """The status that plaintext from outside of the mesh gets at the pod's port; 0 where the connection is refused."""
    (pod,) = cluster.items("pods", "--namespace", HOME, "--field-selector=status.phase=Running")
    connection = http.client.HTTPConnection(pod["status"]["podIP"], port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": HOST, "Connection": "close"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def open_ports(cluster: Cluster) -> list[int]:
    return [port for port in (OPEN, SHUT) if answers(cluster, port) == 200]


def recorded(cluster: Cluster) -> Record:
    return {key: item for key, item in record(cluster).items() if item["metadata"].get("namespace") == HOME}


def outcome(result: Result) -> tuple[str, str, str]:
    (route,) = result["routes"]
    return route["before"]["verdict"], route["after"]["verdict"], route["after"].get("strategy", "")


def test_what_holds_without_an_exemption(cluster: Cluster) -> None:
    """Refused, as is said, with what an exemption would open and what else helps; nothing is changed."""
    wait_for(lambda: not open_ports(cluster), "both ports to refuse plaintext")
    result = module(cluster, "service_routing", **SCOPE)
    (said,) = [item["message"] for item in result["findings"] if item["code"] == "MLB614"]
    assert "1 are refused" in said and f"port {OPEN} of the pods behind {HOME}/{APP}" in said and str(SHUT) not in said
    assert (outcome(result)[:2], result["changed"]) == (("refused", "refused"), False)


@pytest.mark.parametrize("own", [[], [OWN_POLICY]], ids=["no policy of its own", "a policy of its own"])
def test_the_least_exemption_opens_one_port_and_goes_again(cluster: Cluster, own: list[Obj]) -> None:
    if own:
        cluster.apply(*own)
    before = recorded(cluster)
    predicted = module(cluster, "service_routing", check=True, **EXEMPTED)
    assert differences(before, recorded(cluster)) == []
    made = module(cluster, "service_routing", **EXEMPTED)
    assert compare_changes(before, predicted, made, recorded(cluster)) == []
    assert outcome(made) == ("refused", "plaintext", "port_exemption")
    assert "MLB615" in [item["code"] for item in made["findings"]]
    assert sorted(change["object"]["kind"] for change in made["changes"]) == ["PeerAuthentication", "Service"]
    # What the load balancer's health check is set to answers in clear, as it did before.
    service = cluster.get("service", APP, "--namespace", HOME)["metadata"]["annotations"]
    asked = {key.rpartition("/")[2]: value for key, value in service.items()}
    assert (asked["healthcheck-port"], answers(cluster, STATUS, asked["healthcheck-path"])) == (str(STATUS), 200)
    wait_for(lambda: open_ports(cluster) == [OPEN], f"port {OPEN} alone to accept plaintext")
    assert not module(cluster, "service_routing", **EXEMPTED)["changed"]
    module(cluster, "service_routing", state="absent", **SCOPE)
    assert differences(before, recorded(cluster)) == []
    wait_for(lambda: not open_ports(cluster), "both ports to refuse plaintext again")
    cluster.delete("peerauthentication", "--all", "--namespace", HOME)
