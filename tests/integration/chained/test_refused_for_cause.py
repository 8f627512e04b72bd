# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refusals that depend on the state of the mesh: refused live, and what is refused is shown to go wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.integration.conftest import set_mode
from tests.integration.support.cluster import Cluster, Obj, wait_for
from tests.integration.support.modules import failure, module
from tests.integration.support.objects import differences
from tests.integration.support.traffic import Target, settle

from .chain import Chain
from .fronts import FRONTS
from .scene import AWAY, CHART, GATEWAY_HOME, HOME, SHOP, all_of, pod_of, probe

FRONT = FRONTS["ingress_nginx"]
LOAD_BALANCER = {"namespace": FRONT.namespace, "name": FRONT.name}
SIDECAR = f"spiffe://cluster.local/ns/{FRONT.namespace}/sa/{FRONT.namespace}"
MESH_WIDE: Obj = {
    "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "shop-for-the-mesh", "namespace": HOME},
    "spec": {"hosts": [SHOP.host], "http": [{"route": [{"destination": {"host": f"blue.{HOME}.svc.cluster.local"}}]}]},
}  # fmt: skip
DEPLOYED: Obj = {
    "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
    "metadata": {"name": "apart", "namespace": AWAY, "annotations": {"networking.istio.io/service-type": "ClusterIP"}},
    "spec": {"gatewayClassName": "istio", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
}  # fmt: skip


@pytest.fixture(scope="module")
def chain(cluster: Cluster, scene: None) -> Iterator[Chain]:
    """ingress-nginx before a gateway in Istio's API, not chained yet."""
    made = Chain(cluster, FRONT, "istio")
    made.lay()
    set_mode(cluster, "STRICT")
    yield made
    made.take_back(drain=0)
    for where in (HOME, AWAY):
        cluster.delete(FRONT.kind, "--all", "--namespace", where)


def refused(chain: Chain, code: str, remedy: str, **options: Any) -> None:
    """A run and its rehearsal are refused with this finding, and nothing is written."""
    before = chain.recorded()
    for check in (True, False):
        asked = {**chain.options, "hosts": "from_load_balancer", **options}
        result = failure("chained_gateway", check=check, kubeconfig=chain.cluster.kubeconfig, **asked)
        assert code in [item["code"] for item in result["details"]["findings"]], result["msg"]
        assert remedy in result["hint"], result["hint"]
    assert differences(before, chain.recorded()) == []


@contextmanager
def sidecar(cluster: Cluster) -> Iterator[None]:
    module(cluster, "lb_sidecar", load_balancer=LOAD_BALANCER)
    try:
        yield
    finally:
        module(cluster, "lb_sidecar", load_balancer=LOAD_BALANCER, state="absent")


def test_a_sidecar_that_a_virtual_service_diverts(chain: Chain) -> None:
    """Requests for that host never meet the gateway: the application sees the load balancer. Without the VirtualService they do."""
    chain.run()
    chain.answers("mutual_tls")
    try:
        with sidecar(chain.cluster):
            chain.answers("mutual_tls")
            chain.cluster.apply(MESH_WIDE)
            # Both paths of the host go to one application, and not by the gateway.
            past = {**all_of("mutual_tls"), f"{SHOP.host}/": "answers of blue", f"{SHOP.host}/cart": f"identity {SIDECAR}"}
            assert settle(chain.look, past) == past
            refused(chain, "MLB605", "lb_sidecar with state: absent")
            chain.cluster.delete("virtualservice", MESH_WIDE["metadata"]["name"], "--namespace", HOME)
            chain.answers("mutual_tls")
            assert not chain.run()["changed"]
    finally:
        chain.cluster.delete("virtualservice", MESH_WIDE["metadata"]["name"], "--namespace", HOME)
        chain.take_back(drain=0)


def test_a_gateway_that_trusts_another_number_of_proxies(chain: Chain) -> None:
    """What somebody set on purpose is not overwritten; with it, a client could say who it is."""
    name = ("deployment", CHART, "--namespace", GATEWAY_HOME)
    note = '{"gatewayTopology": {"numTrustedProxies": 2}}'

    def annotate(value: str | None) -> None:
        patch = {"spec": {"template": {"metadata": {"annotations": {"proxy.istio.io/config": value}}}}}
        chain.cluster.run("patch", *name, "--type=merge", f"--patch={json.dumps(patch)}")
        chain.cluster.rolled_out(GATEWAY_HOME, f"deployment/{CHART}")

    annotate(note)
    try:
        refused(chain, "MLB609", "Change or remove the value", client_address={"mode": "x_forwarded_for"})
        asked_for = chain.run(check=True, client_address={"trusted_hops": 2})
        assert asked_for["client_address"]["trusted_hops"] == 2
    finally:
        annotate(None)


def test_a_gateway_in_another_namespace_than_its_pods(chain: Chain) -> None:
    """Since 1.31 Istio ignores such a Gateway, so its port is never opened; beside its pods the same one is taken."""
    chain.cluster.apply(DEPLOYED)
    try:
        wait_for(lambda: bool(deployed(chain.cluster)), "Istio to deploy the Gateway")
        chain.cluster.rolled_out(AWAY, "deployment/apart-istio")
        refused(chain, "MLB608", "gateway_api", gateway={"namespace": GATEWAY_HOME, "name": "merged", "service": f"{AWAY}/apart-istio"})
        pod = pod_of(chain.cluster, AWAY, "apart-istio", "deployment")
        for where, opened in ((GATEWAY_HOME, False), (AWAY, True)):
            chain.cluster.apply(merged(where))
            if opened:
                wait_for(lambda: reaches(pod), "the port of the Gateway beside its pods to be open")
            else:
                assert not any(reaches(pod) for _turn in range(5))
            chain.cluster.delete("gateways.networking.istio.io", "merged", "--namespace", where)
    finally:
        chain.cluster.delete("gateways.gateway.networking.k8s.io", "apart", "--namespace", AWAY)
        wait_for(lambda: not deployed(chain.cluster), "what Istio deployed to go")


def deployed(cluster: Cluster) -> list[Obj]:
    return cluster.items("deployments", "--namespace", AWAY, "--selector=gateway.networking.k8s.io/gateway-name=apart")


def merged(where: str) -> Obj:
    """A Gateway of Istio's API for the pods that Istio deployed, with a port that they do not have yet."""
    server = {"port": {"number": 8123, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}
    return {
        "apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"name": "merged", "namespace": where},
        "spec": {"selector": {"gateway.networking.k8s.io/gateway-name": "apart"}, "servers": [server]},
    }  # fmt: skip


def reaches(pod: str) -> bool:
    """Whether anything answers at that port."""
    try:
        return probe(pod, 8123, Target(SHOP.host)).status > 0
    except OSError:
        return False
