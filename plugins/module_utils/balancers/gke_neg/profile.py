# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GKE standalone network endpoint groups: GKE keeps a group of a Service's pod addresses, and a load balancer made by hand sends to them.

Source: kubernetes/ingress-gce acbcf5d, pkg/negannotation/negannotation.go; what is done with gcloud: Google's page about standalone
zonal network endpoint groups (docs.cloud.google.com, how-to/standalone-neg).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from ...core.model import LoadBalancer, ObjectRef
from ...kube import kinds
from ...kube.json_text import json_map
from ...kube.objects import Obj, annotations_of, name_of, namespace_of, ref_of
from ...kube.snapshot import Snapshot
from ..contract.chain import ChainRequest, CheckTarget, HealthChecker, LoadBalancerSide, ServiceNeeds
from ..contract.facts import Capability, ChainFacts, ChainOption
from ..contract.profile import Profile
from ..contract.recognition import Recogniser, Trace
from ..contract.routes import RouteReader, RouteReading
from ..gke import shared as gke
from ..kit.chain.answers import chain_side, unless
from ..kit.cloud.health import by_pod_port, gateway_check, is_gateway, traffic_port
from ..kit.cloud.platform import in_cloud
from ..kit.cloud.signs import SHOWN, PlatformSigns, on_its_nodes
from ..kit.gateway.names import KINDS
from ..kit.objects import is_ignored, services_of
from ..kit.streams import fixed_route
from ..kit.writes import declaring, gateway_service

TITLE = "GKE standalone NEG"
NO_SERVICE_PORT = "which port of the Service the group is for is not known"
SIGNS = PlatformSigns(nodes=gke.NODES)
FACTS = ChainFacts(
    hops=gke.HOPS, forwarded_for="appended", server_name="never", ends_tls="always",
    tls_to_gateway=f"the backend service's protocol: {gke.TLS_TO_GATEWAY}",
    health="a health check made with gcloud (steps)", objects=("annotation cloud.google.com/neg of the Service",),
    service_type="ClusterIP (network endpoint groups)",
    standalone=Capability(True, "yes, where plaintext is accepted; the check can go to the sidecar's status port (gcloud)"),
    cannot=(
        "be set up from inside the cluster: the health check, the backend service and the URL map are made with gcloud",
        gke.NO_CLIENT_CERTIFICATE, "be removed with the chain: its backend service has to let go of the group first",
    ),
    options=(
        ChainOption("neg_name", "Name of the network endpoint group; the chain's own name where nothing is said."),
        gke.BACKEND_PROTOCOL,
    ),
)


@by_pod_port
def check(target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
    """A health check that is made with gcloud, and the group of the gateway's pods; an application's group is there already."""
    number, group, port = traffic_port(target, request), _group(request), target.check.port
    if not number:
        return LoadBalancerSide(refusal=NO_SERVICE_PORT)
    step = (
        f"Make the health check: gcloud compute health-checks create http {group} --global --port={port} "
        f"--request-path={target.check.path} --check-interval={gke.INTERVAL} --timeout={gke.TIMEOUT}."
    )
    exposed = ((gke.NEG, gke.compact_json({"exposed_ports": {str(number): {"name": group}}})),) if is_gateway(target, request) else ()
    return LoadBalancerSide(service=ServiceNeeds("ClusterIP", exposed), check=target.check, steps=(step,))


def _reasons(request: ChainRequest) -> list[str]:
    return [check(gateway_check(request), request).refusal]


def front(request: ChainRequest) -> LoadBalancerSide:
    """An annotation of the gateway's Service; the load balancer itself is no object of the cluster, so the rest is steps."""
    health, name = check(gateway_check(request), request), _group(request)
    steps = (
        f"Let Google in: gcloud compute firewall-rules create {name} --allow=tcp:{request.gateway.target_port},tcp:{health.check.port} "
        f"--source-ranges={gke.SOURCES} (and the proxy-only subnet, where the load balancer is regional or internal).",
        *health.steps,
        f"Make the backend service: gcloud compute backend-services create {name} --global --load-balancing-scheme=EXTERNAL_MANAGED "
        f"--protocol={gke.backend_protocol(request)} --health-checks={name} --connection-draining-timeout={gke.DRAINING}.",
        f"Add the group in every zone that the Service's annotation cloud.google.com/neg-status names: gcloud compute backend-services "
        f"add-backend {name} --global --network-endpoint-group={name} --network-endpoint-group-zone=ZONE --balancing-mode=RATE "
        "--max-rate-per-endpoint=100.",
        f"Lead {' and '.join(request.hosts) or 'all hosts'} to backend service {name} in the load balancer's URL map.",
    )
    return LoadBalancerSide(service=health.service, check=health.check, steps=steps)


def group_traces(snapshot: Snapshot) -> tuple[Trace, ...]:
    """The Services that keep a group."""
    found = islice(_exposed(snapshot.all(kinds.NODE), snapshot.all(kinds.SERVICE)), SHOWN)
    return tuple(Trace(f"{ref_of(item)} keeps a network endpoint group for port {', '.join(ports)}") for item, ports in found)


def read_groups(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """The groups: what a load balancer outside does with them is not to be seen, so each is a stream to pods."""
    exposed, service = _exposed(snapshot.all(kinds.NODE), snapshot.all(kinds.SERVICE)), services_of(snapshot)
    return RouteReading(tuple(
        fixed_route(
            load_balancer, ref_of(item), f"neg:{port}", (namespace_of(item), name_of(item), int(port)), "tcp", service,
            ignored=is_ignored(item),
        )
        for item, ports in exposed if only is None or ref_of(item) in only for port in ports
    ))


def _group(request: ChainRequest) -> str:
    return str(request.option("neg_name", request.name))


def _exposed(nodes: list[Obj], services: list[Obj]) -> Iterator[tuple[Obj, list[str]]]:
    """Services with groups of their own, and the ports that these are for."""
    if on_its_nodes(nodes, SIGNS) is False:
        return
    for service in services:
        ports = _ports(annotations_of(service).get(gke.NEG, ""))
        if ports:
            yield service, ports


def _ports(text: str) -> list[str]:
    ports = (json_map(text) or {}).get("exposed_ports")
    return sorted((str(item) for item in ports if str(item).isdigit()), key=int) if isinstance(ports, dict) else []


PROFILE = Profile(
    in_cloud("gke_neg", TITLE, "gke_standalone_neg"), Recogniser(traces=group_traces), routes=(RouteReader(read_groups, KINDS),),
    chain=declaring(chain_side(TITLE, FACTS, unless(_reasons, front)), *gateway_service(gke.NEG)), health=HealthChecker(check),
)
