# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GKE standalone NEG: the annotation, the steps with gcloud, how it is found."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.chain import CheckTarget, HealthCheck
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.gke_neg.profile import PROFILE as NEG

from tests.unit.plugins.module_utils.balancers.cloud_support import found, node, request, target
from tests.unit.plugins.module_utils.balancers.support import noted, reading
from tests.unit.plugins.module_utils.support.cluster import Obj, live, pod, service

KEY = "cloud.google.com/neg"
APPLICATION = CheckTarget("apps", "shop", HealthCheck("http", 15021))


def test_a_group_of_the_gateways_pods() -> None:
    front = NEG.chain.front(request())
    assert front.bodies == () and front.service.type == "ClusterIP"
    assert dict(front.service.annotations) == {KEY: '{"exposed_ports":{"80":{"name":"chain"}}}'}
    assert front.check == HealthCheck("http", 15021, "/healthz/ready")


def test_what_is_left_to_do_with_gcloud() -> None:
    firewall, check, backend, group, routes = NEG.chain.front(request(gateway=target(tls=True), neg_name="edge")).steps
    assert "--allow=tcp:443,tcp:15021" in firewall and "35.191.0.0/16,130.211.0.0/22" in firewall
    assert "health-checks create http edge" in check and "--port=15021 --request-path=/healthz/ready" in check
    assert "--protocol=HTTP2" in backend and "--health-checks=edge" in backend
    assert "--network-endpoint-group=edge" in group and "neg-status" in group
    assert "shop.example.com" in routes and "all hosts" in NEG.chain.front(request(hosts=())).steps[-1]


def test_the_firewall_lets_the_pods_port_through() -> None:
    assert "--allow=tcp:8080,tcp:15021" in NEG.chain.front(request(gateway=target(target_port=8080))).steps[0]


def test_the_check_of_an_application_goes_to_its_sidecar() -> None:
    front = NEG.health.check(APPLICATION, request(service_port=8080))
    # The group is there already: by it the Service is known.
    assert front.service.annotations == ()
    assert len(front.steps) == 1 and "--port=15021" in front.steps[0]
    assert "which port" in NEG.health.check(APPLICATION, request()).refusal


def test_a_status_port_of_unknown_number_is_refused() -> None:
    assert "number of their port" in NEG.chain.front(request(gateway=target(status_port="health"))).refusal


def test_the_client_and_tls() -> None:
    client = NEG.chain.client_address(request())
    assert (client.mode, client.trusted_hops) == ("x_forwarded_for", 2)
    assert NEG.chain.ends_tls(request()) and NEG.chain.server_name(request()) == "never"


def grouped(text: str) -> Obj:
    return noted(service("shop"), **{KEY: text})


GCE = node("gce://p/zone/vm-1")
EXPOSED = grouped('{"exposed_ports": {"80": {"name": "x"}}}')
FOUND: dict[str, tuple[list[Obj], list[str]]] = {
    "its annotation": ([GCE, EXPOSED], ["certain"]),
    "its annotation, on others' nodes": ([node("azure:///x"), EXPOSED], []),
    "groups for an Ingress": ([GCE, grouped('{"ingress": true}')], []),
    "no ports": ([GCE, grouped('{"exposed_ports": {}}')], []),
    "what is no JSON": ([GCE, grouped("{")], []),
    "what is no map": ([GCE, grouped("[1]")], []),
}


@pytest.mark.parametrize(("objects", "expected"), FOUND.values(), ids=FOUND)
def test_how_it_is_found(objects: list[Obj], expected: list[str]) -> None:
    assert [item.confidence for item in found(NEG, *objects)] == expected


def test_its_routes_are_groups() -> None:
    routes, dummy = reading(live(GCE, EXPOSED, service("other"), pod("shop")), NEG.about.id)
    assert [(item.path, item.path_type, item.backend.service, item.backend.port) for item in routes] == [("neg:80", "Stream", "shop", 80)]
