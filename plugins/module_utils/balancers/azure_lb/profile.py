# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure Load Balancer, as the cloud controller of AKS makes it from the gateway's own Service.

Source: kubernetes-sigs/cloud-provider-azure 7b31c76, pkg/consts/consts.go and pkg/provider/azure_loadbalancer_healthprobe.go: a probe
goes to a node port; its port may be named after a port of the Service; a port's appProtocol decides about the probe before the
general annotation does, so that a port with appProtocol http is asked for the path / unless its own annotations say otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ...core.findings import finding
from ...core.model import Finding
from ...core.writes import annotation, none_before
from ...kube.objects import Obj, dig, ref_of
from ..contract.chain import STATUS_PORT, STATUS_PORT_NAME, ChainRequest, CheckTarget, HealthChecker, LoadBalancerSide
from ..contract.facts import Capability, ChainFacts, ChainOption
from ..kit.chain.answers import chain_side, unless, usual_client_address
from ..kit.cloud.health import LOCAL, gateway_check, on_service, traffic_port
from ..kit.cloud.options import prefixed, word
from ..kit.cloud.platform import in_cloud, platform
from ..kit.cloud.preflight import on_gateway_service
from ..kit.cloud.signs import PlatformSigns
from ..kit.writes import LOCAL_FIELD, declaring, gateway_service

PREFIX = "service.beta.kubernetes.io"
TITLE = "Azure Load Balancer"
NO_PORT_OF_SERVICE = (
    "its probes go to node ports, so the Service needs a port that leads to the status port (15021), and the check its name"
)
NO_TRAFFIC_PORT = "which port of the Service clients use is not known"
SIGNS = PlatformSigns(
    nodes=("azure://",), service_annotations=(f"{PREFIX}/azure-*", f"{PREFIX}/port_*"), all_services=True,
)
FACTS = ChainFacts(
    hops=0, forwarded_for="absent", server_name="client", ends_tls="never",
    tls_to_gateway="clients' TLS passes through",
    health="annotations port_N_health-probe_port, -protocol and -request-path of the Service",
    objects=("annotations of the gateway's own Service",), service_type="LoadBalancer (externalTrafficPolicy Local)",
    standalone=Capability(True, "yes, connections pass through to nodes where plaintext is accepted"),
    standalone_mtls=Capability(False, "no: only a client that speaks TLS itself, to a workload that ends that TLS itself"),
    cannot=(
        "end TLS, redirect, or write X-Forwarded-For", "send a PROXY header (a Private Link Service can, for its own clients)",
        "send to pods: its probe asks a node's port, which with externalTrafficPolicy Local leads to that node's own pods",
        "use the probes when the cluster's controller shares one probe among Services (externalTrafficPolicy Cluster only)",
    ),
    options=(
        ChainOption("scheme", "Where it can be reached from; public where nothing is said.", ("public", "internal")),
        ChainOption("subnet", "The subnet of an internal one."),
        ChainOption("address", "The address that it is to have."),
        ChainOption("public_ip_name", "Name of the public address that it is to use."),
        ChainOption("dns_label", "The label of its public name."),
    ),
)
client_address = partial(usual_client_address, TITLE, FACTS)


def check(target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
    """A probe of the port that clients use, sent to the node port of another one."""
    number = traffic_port(target, request)
    if isinstance(target.check.port, int) or not number:
        return LoadBalancerSide(refusal=NO_PORT_OF_SERVICE if isinstance(target.check.port, int) else NO_TRAFFIC_PORT)
    probe = {"port": target.check.port, "protocol": "http", "request-path": target.check.path}
    return on_service(target.check, prefixed(f"{PREFIX}/port_{number}_health-probe_", probe))


def _reasons(request: ChainRequest) -> list[str]:
    mode = client_address(request).mode
    return [
        check(gateway_check(request), request).refusal,
        f"it cannot tell the gateway the client's address by {mode}: use source_address or none"
        if mode not in ("source_address", "none") else "",
    ]


def front(request: ChainRequest) -> LoadBalancerSide:
    """The gateway's own Service; with externalTrafficPolicy Local the client's address stays, and nodes without pods are out."""
    health = check(gateway_check(request), request)
    annotations = {
        **prefixed(f"{PREFIX}/", {
            "azure-load-balancer-internal": "true" if word(request, "scheme") == "internal" else "",
            "azure-load-balancer-internal-subnet": request.option("subnet"), "azure-load-balancer-ipv4": request.option("address"),
            "azure-pip-name": request.option("public_ip_name"), "azure-dns-label-name": request.option("dns_label"),
        }),
        **dict(health.service.annotations),
        **({f"{PREFIX}/port_{STATUS_PORT}_no_lb_rule": "true"} if request.gateway.status_port == STATUS_PORT_NAME else {}),
    }
    fields = (LOCAL,) if client_address(request).mode == "source_address" else ()
    return on_service(health.check, annotations, *fields)


def what_is_wrong(service: Obj, request: ChainRequest) -> Iterator[Finding]:
    """Fields of the gateway's Service that keep it from becoming a load balancer that probes."""
    other = dig(service, "spec", "loadBalancerClass", default="")
    if other:
        yield finding("MLB609", f"its loadBalancerClass is {other}, so Azure's own controller leaves it alone", ref_of(service))
    if dig(service, "spec", "allocateLoadBalancerNodePorts") is False:
        yield finding("MLB609", "allocateLoadBalancerNodePorts is false, and probes go to node ports", ref_of(service))


CHECKS = (annotation(f"{PREFIX}/port_*", none_before),)
WRITES = gateway_service(f"{PREFIX}/azure-*", f"{PREFIX}/port_*", fields=(LOCAL_FIELD,))
CHAIN = declaring(chain_side(TITLE, FACTS, unless(_reasons, front), preflight=on_gateway_service(what_is_wrong)), *WRITES)
PROFILE = platform(in_cloud("azure_lb", TITLE), SIGNS, CHAIN, HealthChecker(check, annotations=CHECKS))
