# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GKE standalone network endpoint groups: GKE keeps a group of a Service's pod addresses, and a load balancer made by hand sends to them.

Source: kubernetes/ingress-gce acbcf5d, pkg/negannotation/negannotation.go; what is done with gcloud: Google's page about standalone
zonal network endpoint groups (docs.cloud.google.com, how-to/standalone-neg).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ...core.model import LoadBalancer, ObjectRef
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, name_of, namespace_of, ref_of
from ...kube.snapshot import Snapshot
from ..contract.chain import Capability, ChainFacts, ChainOption, ChainRequest, CheckTarget, HealthCheck, LoadBalancerSide, ServiceNeeds
from ..contract.facts import Proof
from ..gke import shared as gke
from ..kit.cloud.platform import pod_port
from ..kit.cloud.signs import SHOWN, PlatformSigns, on_its_nodes
from ..kit.cloud.wanted import NO_POD_PORT
from ..kit.streams import fixed_route
from ..legacy import Platform, RouteReading, Trace

NO_SERVICE_PORT = "which port of the Service the group is for is not known"


class GkeNeg(Platform):
    """All that the cluster knows of it is an annotation of a Service; the load balancer itself is no object of the cluster."""

    id = "gke_neg"
    title = "GKE standalone NEG"
    also_called = ("gke_standalone_neg",)
    signs_outside = PlatformSigns(nodes=gke.NODES)
    chain = ChainFacts(
        hops=gke.HOPS, forwarded_for="appended", server_name="never", ends_tls="always",
        tls_to_gateway=f"the backend service's protocol: {gke.TLS_TO_GATEWAY}",
        health="a health check made with gcloud (steps)", objects=("annotation cloud.google.com/neg of the Service",),
        service_type="ClusterIP (network endpoint groups)",
        standalone=Capability(True, "yes, where plaintext is accepted; the check can go to the sidecar's status port (gcloud)"),
        cannot=(
            "be set up from inside the cluster: the health check, the backend service and the URL map are made with gcloud",
            gke.NO_CLIENT_CERTIFICATE, "be removed with the chain: its backend service has to let go of the group first",
        ),
        proof=Proof.SOURCE,
    )
    chain_options = (
        ChainOption("neg_name", "Name of the network endpoint group; the chain's own name where nothing is said."),
        gke.BACKEND_PROTOCOL,
    )

    def chain_front(self, request: ChainRequest) -> LoadBalancerSide:
        check = self.health_of_gateway(request)
        if check.refusal:
            return check
        name = _group(request)
        serves = f"tcp:{request.gateway.target_port},tcp:{check.check.port}"
        steps = (
            f"Let Google in: gcloud compute firewall-rules create {name} --allow={serves} --source-ranges={gke.SOURCES} (and the "
            "proxy-only subnet, where the load balancer is regional or internal).",
            *check.steps,
            f"Make the backend service: gcloud compute backend-services create {name} --global --load-balancing-scheme=EXTERNAL_MANAGED "
            f"--protocol={gke.backend_protocol(request)} --health-checks={name} --connection-draining-timeout={gke.DRAINING}.",
            f"Add the group in every zone that the Service's annotation cloud.google.com/neg-status names: gcloud compute backend-services "
            f"add-backend {name} --global --network-endpoint-group={name} --network-endpoint-group-zone=ZONE --balancing-mode=RATE "
            "--max-rate-per-endpoint=100.",
            f"Lead {' and '.join(request.hosts) or 'all hosts'} to backend service {name} in the load balancer's URL map.",
        )
        return LoadBalancerSide(service=check.service, check=check.check, steps=steps)

    def health_check(self, target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
        port = pod_port(target.check.port)
        of_gateway = target.service == request.gateway.service and target.namespace == request.gateway.namespace
        number = request.gateway.port if of_gateway else request.option("service_port")
        if not port or not number:
            return LoadBalancerSide(refusal=NO_POD_PORT if not port else NO_SERVICE_PORT)
        group = gke.compact({"exposed_ports": {str(number): {"name": _group(request)}}})
        step = (
            f"Make the health check: gcloud compute health-checks create http {_group(request)} --global --port={port} "
            f"--request-path={target.check.path} --check-interval={gke.INTERVAL} --timeout={gke.TIMEOUT}."
        )
        # An application's Service is only known by the group that it has.
        notes = ((gke.NEG, group),) if of_gateway else ()
        return LoadBalancerSide(service=ServiceNeeds("ClusterIP", notes), check=HealthCheck("http", port, target.check.path), steps=(step,))

    def traces(self, snapshot: Snapshot) -> tuple[Trace, ...]:
        found = [f"{ref_of(item)} keeps a network endpoint group for port {', '.join(ports)}" for item, ports in _exposed(snapshot)]
        return tuple(Trace(text) for text in found[:SHOWN])

    def routes(
        self, snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None = None
    ) -> RouteReading:
        """The groups: what a load balancer outside does with them is not to be seen, so each is a stream to pods."""
        found = []
        for service, ports in _exposed(snapshot):
            ref = ref_of(service)
            for port in ports if only is None or ref in only else []:
                target = (namespace_of(service), name_of(service), int(port))
                found.append(fixed_route(snapshot, load_balancer, ref, f"neg:{port}", target, "tcp"))
        return RouteReading(tuple(found))


def _group(request: ChainRequest) -> str:
    return str(request.option("neg_name", request.name))


def _exposed(snapshot: Snapshot) -> Iterator[tuple[Obj, list[str]]]:
    """Services with groups of their own, and the ports that these are for."""
    if on_its_nodes(snapshot, PlatformSigns(nodes=gke.NODES)) is False:
        return
    for service in snapshot.all(kinds.SERVICE):
        ports = _ports(annotations_of(service).get(gke.NEG, ""))
        if ports:
            yield service, ports


def _ports(text: str) -> list[str]:
    try:
        found: Any = json.loads(text) if text else {}
    except ValueError:
        return []
    ports = found.get("exposed_ports") if isinstance(found, dict) else {}
    return sorted((str(item) for item in ports if str(item).isdigit()), key=int) if isinstance(ports, dict) else []
