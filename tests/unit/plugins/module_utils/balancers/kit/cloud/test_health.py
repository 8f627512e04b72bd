# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What checks of platforms share: which port is asked, what is refused, and what a PROXY header changes."""

from __future__ import annotations

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.contract.chain import (
    ChainRequest,
    CheckTarget,
    HealthCheck,
    LoadBalancerSide,
)
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.kit.cloud.health import (
    LOCAL,
    NO_POD_PORT,
    by_pod_port,
    check_by_hand,
    gateway_check,
    is_gateway,
    on_service,
    pod_port,
    traffic_port,
    with_proxy_header,
)

from tests.unit.plugins.module_utils.balancers.cloud_support import request, target

APPLICATION = CheckTarget("apps", "shop", HealthCheck("http", 15021))


def test_the_gateway_is_asked_at_the_port_that_its_service_names() -> None:
    asked = gateway_check(request(gateway=target(status_port="health")))
    assert (asked.namespace, asked.service, asked.check) == ("ingress", "gateway", HealthCheck("http", "health"))
    assert is_gateway(asked, request()) and not is_gateway(APPLICATION, request())


def test_which_port_clients_use() -> None:
    assert traffic_port(gateway_check(request()), request(service_port=8080)) == 80
    assert traffic_port(APPLICATION, request(service_port=8080)) == 8080
    # A Service without a port that was found has none.
    assert not traffic_port(APPLICATION, request(service_port=0)) and not traffic_port(APPLICATION, request())


@pytest.mark.parametrize(("port", "number"), [(8080, 8080), ("status-port", 15021), ("health", 0)])
def test_a_pod_is_asked_by_number(port: int | str, number: int) -> None:
    assert pod_port(port) == number

    @by_pod_port
    def check(asked: CheckTarget, chained: ChainRequest) -> LoadBalancerSide:
        return LoadBalancerSide(check=asked.check)

    answer = check(CheckTarget("apps", "shop", HealthCheck("http", port)), request())
    assert answer == (LoadBalancerSide(check=HealthCheck("http", number)) if number else LoadBalancerSide(refusal=NO_POD_PORT))


@pytest.mark.parametrize(("kind", "understood"), [("http", True), ("tcp", False)])
def test_only_the_status_port_has_to_understand_a_header(kind: str, understood: bool) -> None:
    side = with_proxy_header(LoadBalancerSide(check=HealthCheck(kind)))  # type: ignore[arg-type]
    assert side.check.proxy_header and bool(side.environment) is understood


def test_who_says_what_is_checked() -> None:
    side = on_service(HealthCheck("node"), {"a": "b"}, LOCAL)
    assert (side.service.type, side.service.annotations, side.service.fields) == ("LoadBalancer", (("a", "b"),), (LOCAL,))
    by_hand = check_by_hand(APPLICATION, APPLICATION.check, {"port": "15021", "path": "/"})
    assert by_hand.steps == ("Set on the Ingress that leads to apps/shop: port: '15021', path: '/'.",)
    assert by_hand.check == APPLICATION.check and not by_hand.service.annotations
