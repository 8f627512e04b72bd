# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure Load Balancer, as the cloud controller of AKS makes it from the gateway's own Service.

Source: kubernetes-sigs/cloud-provider-azure 7b31c76, pkg/consts/consts.go and pkg/provider/azure_loadbalancer_healthprobe.go: a probe
goes to a node port; its port may be named after a port of the Service; a port's appProtocol decides about the probe before the
general annotation does, so that a port with appProtocol http is asked for the path / unless its own annotations say otherwise.
"""

from __future__ import annotations

from ...core.findings import finding
from ...core.model import Finding
from ...kube import kinds
from ...kube.objects import dig, ref_of
from ...kube.snapshot import Snapshot
from ..contract.chain import (
    STATUS_PORT,
    STATUS_PORT_NAME,
    Capability,
    ChainFacts,
    ChainOption,
    ChainRequest,
    CheckTarget,
    LoadBalancerSide,
    ServiceNeeds,
)
from ..contract.facts import Proof
from ..kit.cloud.platform import refused
from ..kit.cloud.signs import PlatformSigns
from ..kit.cloud.wanted import given, word
from ..legacy import Platform

PREFIX = "service.beta.kubernetes.io"
NO_PORT_OF_SERVICE = (
    "its probes go to node ports, so the Service needs a port that leads to the status port (15021), and the check its name"
)
NO_TRAFFIC_PORT = "which port of the Service clients use is not known"


class AzureLb(Platform):
    """Connections pass through to nodes; with externalTrafficPolicy Local the client's address stays, and nodes without pods are out."""

    id = "azure_lb"
    title = "Azure Load Balancer"
    signs_outside = PlatformSigns(
        nodes=("azure://",), service_annotations=(f"{PREFIX}/azure-*", f"{PREFIX}/port_*"), all_services=True,
    )
    chain = ChainFacts(
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
        proof=Proof.SOURCE,
    )
    chain_options = (
        ChainOption("scheme", "Where it can be reached from; public where nothing is said.", ("public", "internal")),
        ChainOption("subnet", "The subnet of an internal one."),
        ChainOption("address", "The address that it is to have."),
        ChainOption("public_ip_name", "Name of the public address that it is to use."),
        ChainOption("dns_label", "The label of its public name."),
    )

    def chain_front(self, request: ChainRequest) -> LoadBalancerSide:
        mode = self.client_address(request).mode
        check = self.health_of_gateway(request)
        refusal = refused([
            check.refusal,
            f"it cannot tell the gateway the client's address by {mode}: use source_address or none"
            if mode not in ("source_address", "none") else "",
        ])
        if refusal is not None:
            return refusal
        fields = ((("externalTrafficPolicy",), "Local"),) if mode == "source_address" else ()
        hidden = ((f"{PREFIX}/port_{STATUS_PORT}_no_lb_rule", "true"),) if request.gateway.status_port == STATUS_PORT_NAME else ()
        annotations = (*_annotations(request), *check.service.annotations, *hidden)
        return LoadBalancerSide(service=ServiceNeeds("LoadBalancer", annotations, fields), check=check.check)

    def health_check(self, target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
        of_gateway = target.service == request.gateway.service and target.namespace == request.gateway.namespace
        number = request.gateway.port if of_gateway else request.option("service_port")
        refusal = refused([
            NO_PORT_OF_SERVICE if isinstance(target.check.port, int) else "", "" if number else NO_TRAFFIC_PORT,
        ])
        if refusal is not None:
            return refusal
        wanted = {"port": str(target.check.port), "protocol": "http", "request-path": target.check.path}
        notes = tuple((f"{PREFIX}/port_{number}_health-probe_{key}", value) for key, value in wanted.items())
        return LoadBalancerSide(service=ServiceNeeds("LoadBalancer", notes), check=target.check)

    def chain_preflight(self, snapshot: Snapshot, request: ChainRequest) -> tuple[Finding, ...]:
        service = snapshot.get(kinds.SERVICE, request.gateway.namespace, request.gateway.service)
        other = str(dig(service, "spec", "loadBalancerClass", default="")) if service else ""
        found = []
        if service and other:
            found.append(finding("MLB609", f"its loadBalancerClass is {other}, so Azure's own controller leaves it alone", ref_of(service)))
        if service and dig(service, "spec", "allocateLoadBalancerNodePorts") is False:
            found.append(finding("MLB609", "allocateLoadBalancerNodePorts is false, and probes go to node ports", ref_of(service)))
        return tuple(found)


def _annotations(request: ChainRequest) -> tuple[tuple[str, str], ...]:
    wanted = given(**{
        "azure-load-balancer-internal": "true" if word(request, "scheme") == "internal" else "",
        "azure-load-balancer-internal-subnet": request.option("subnet"), "azure-load-balancer-ipv4": request.option("address"),
        "azure-pip-name": request.option("public_ip_name"), "azure-dns-label-name": request.option("dns_label"),
    })
    return tuple((f"{PREFIX}/{key}", str(value)) for key, value in wanted.items())
