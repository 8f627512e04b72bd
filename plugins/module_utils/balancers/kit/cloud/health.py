# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How platforms check a gateway's or an application's pods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ....core.model import replace
from ...contract.chain import (
    STATUS_PORT,
    STATUS_PORT_NAME,
    ChainRequest,
    CheckTarget,
    HealthCheck,
    LoadBalancerSide,
    ServiceNeeds,
    ServiceType,
)

Check = Callable[[CheckTarget, ChainRequest], LoadBalancerSide]
LOCAL = (("externalTrafficPolicy",), "Local")
"""The field of a Service by which nodes without a pod of it are out, and clients' addresses stay."""
STATUS_UNDERSTANDS_PROXY = (("ENVOY_STATUS_PORT_ENABLE_PROXY_PROTOCOL", "true"),)
"""Environment of a gateway's proxy whose status port is to take connections with a PROXY header, and those without one (Istio 1.27)."""
NO_POD_PORT = "it checks the pods themselves, so the check needs the number of their port, not the name of a Service's port"
NO_SERVICE_PORT = "targets are nodes, so the check needs the name of a port of the Service, not a pod's port number"


def gateway_check(request: ChainRequest) -> CheckTarget:
    """What a platform is asked to check in chained mode: the gateway in clear, at the port by which its Service answers checks."""
    return CheckTarget(request.gateway.namespace, request.gateway.service, HealthCheck("http", request.gateway.status_port))


def is_gateway(target: CheckTarget, request: ChainRequest) -> bool:
    """Whether the gateway is to be checked, and no application."""
    return (target.namespace, target.service) == (request.gateway.namespace, request.gateway.service)


def traffic_port(target: CheckTarget, request: ChainRequest) -> int | str:
    """The port of the Service that clients use, empty where it is not known."""
    return request.gateway.port if is_gateway(target, request) else request.option("service_port", "")


def pod_port(port: int | str) -> int:
    """The number by which a pod answers a check: of the status port where that is named, 0 for other names."""
    return port if isinstance(port, int) else STATUS_PORT if port == STATUS_PORT_NAME else 0


def by_pod_port(check: Check) -> Check:
    """A check of pods themselves, which is given the number of their port, and refused where that is not known."""

    def checked(target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
        port = pod_port(target.check.port)
        if not port:
            return LoadBalancerSide(refusal=NO_POD_PORT)
        return check(replace(target, check=HealthCheck("http", port, target.check.path)), request)

    return checked


def with_proxy_header(side: LoadBalancerSide) -> LoadBalancerSide:
    """The same, with checks that begin with a PROXY header, which the gateway's status port then has to understand."""
    environment = STATUS_UNDERSTANDS_PROXY if side.check.kind == "http" else ()
    return replace(side, check=replace(side.check, proxy_header=True), environment=environment)


def on_service(
    check: HealthCheck, annotations: Mapping[str, str], *fields: tuple[tuple[str, ...], Any], service_type: ServiceType = "LoadBalancer"
) -> LoadBalancerSide:
    """What annotations and fields of the Service itself say."""
    return LoadBalancerSide(service=ServiceNeeds(service_type, tuple(annotations.items()), fields), check=check)


def check_by_hand(target: CheckTarget, check: HealthCheck, annotations: Mapping[str, str]) -> LoadBalancerSide:
    """A check that is set on an Ingress, which for an application somebody else wrote."""
    text = ", ".join(f"{key}: {value!r}" for key, value in annotations.items())
    return LoadBalancerSide(check=check, steps=(f"Set on the Ingress that leads to {target.namespace}/{target.service}: {text}.",))
