# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Istio reads and the model does not follow, and for which outcomes: of these nothing is said with certainty.

Source: istio/istio pilot/pkg/xds/endpoints/ep_filters.go and pilot/pkg/serviceregistry/kube/controller/network.go (endpoints of other
networks and clusters), pilot/pkg/serviceregistry/kube/controller/controller.go (Services select WorkloadEntries) and
pilot/pkg/features/experimental.go (ISTIO_DUAL_STACK: without it, a Service and its pods have one address each for sidecars).
"""

from __future__ import annotations

from collections.abc import Iterator

from ..core.findings import finding
from ..core.model import Finding, LoadBalancer, ObjectRef, Outcome, Unsure, replace
from ..kube import kinds
from ..kube.objects import Obj, dig, labels_of, ref_of
from ..kube.pods import by_namespace
from ..kube.selectors import selects
from ..kube.services import cluster_ips, is_headless
from ..kube.snapshot import Snapshot
from . import settings
from .egress import host_matches
from .envoy_filters import INBOUND, OUTBOUND, changing_routes
from .mesh import control_plane_variable, mesh_config, networks
from .network import unclear_network
from .registry import fqdn, service_of_name
from .request import Request

NETWORK = "topology.istio.io/network"
_REMOTE = "istio/multiCluster"
_DEPENDS = (*settings.KINDS, kinds.SERVICE, "Secret")
_DUAL_STACK = "ISTIO_DUAL_STACK"


def as_followed(snapshot: Snapshot, load_balancer: LoadBalancer, request: Request, outcome: Outcome, *, pods_dialled: bool) -> Outcome:
    """An outcome of requests through a load balancer's sidecar: unknown where something acts on them that is not followed."""
    if outcome.verdict == "unknown":
        return outcome
    ports = {request.number, *(leg.endpoint.port for leg in outcome.legs), *(item.port for item in request.endpoints)}
    clusters = {leg.cluster for leg in outcome.legs}
    labels = dict(load_balancer.pod_labels)
    found = changing_routes(
        snapshot, load_balancer.namespace, labels, OUTBOUND, ports=ports, clusters=clusters, revision=load_balancer.revision
    )
    unsure = _by_filter(found, "the load balancer's sidecar") if found else None
    unsure = unsure or at_backends(snapshot, outcome) or next(_elsewhere(snapshot, clusters), None)
    if unsure is None and request.route.upstream.address == "cluster_ip":
        unclear = unclear_network(snapshot)
        unsure = Unsure("MLB107", unclear[0], unclear[1]) if unclear else None
    if unsure is None and pods_dialled:
        unsure = _two_families(snapshot, load_balancer, request.service)
    return uncertain(outcome, unsure)


def uncertain(outcome: Outcome, unsure: Unsure | None) -> Outcome:
    """An outcome that is unknown for this reason, if there is one."""
    return replace(outcome, verdict="unknown", why=f"{outcome.why}; but {unsure.why}", unsure=unsure) if unsure else outcome


def at_backends(snapshot: Snapshot, outcome: Outcome) -> Unsure | None:
    """What acts on requests at the sidecars of the pods that they reach."""
    for leg in outcome.legs if snapshot.count(kinds.ENVOY_FILTER) else ():
        pod = leg.endpoint.pod
        if pod is not None and pod.captures(leg.endpoint.port):
            found = changing_routes(snapshot, pod.namespace, labels_of(pod.pod), INBOUND, ports={leg.endpoint.port})
            if found is not None:
                return _by_filter(found, f"the sidecar of {pod.namespace}/{pod.name}")
    return None


def _by_filter(found: Obj, where: str) -> Unsure:
    return Unsure("MLB130", f"{ref_of(found)} patches the configuration of {where}, which is not followed", ref_of(found), freezes=True)


def _elsewhere(snapshot: Snapshot, clusters: set[str]) -> Iterator[Unsure]:
    """Endpoints that a Service of the mesh may have beside its pods: they get requests where the sidecar chooses among them."""
    for cluster in sorted(clusters):
        service = service_of_name(snapshot, cluster.rpartition("|")[2])
        if service is None or is_headless(service):
            continue
        host, selector = fqdn(snapshot, service), dig(service, "spec", "selector", default={})
        for item in snapshot.lookup(kinds.WORKLOAD_ENTRY, by_namespace, service["metadata"].get("namespace", "")):
            if selects(selector, {**labels_of(item), **dig(item, "spec", "labels", default={})}):
                yield Unsure("MLB131", f"{host} also has {ref_of(item)}, and what is there is not known", ref_of(item))
        several = of_several_clusters(snapshot)
        if several and not _stays_in_cluster(snapshot, host):
            yield Unsure("MLB131", f"{several[0]}, so {host} may have endpoints there", several[1])


def of_several_clusters(snapshot: Snapshot) -> tuple[str, ObjectRef] | None:
    """What says that the mesh has more networks or clusters than this one, as a clause and with the object; ``None`` where nothing does."""
    return snapshot.cached("several clusters", lambda view: next(_signs(view), None), _DEPENDS)


def _signs(snapshot: Snapshot) -> Iterator[tuple[str, ObjectRef]]:
    names, told_by = networks(snapshot)
    if len(names) > 1 and told_by is not None:
        yield f"the mesh has several networks ({', '.join(sorted(names)[:3])})", ref_of(told_by)
    for service in snapshot.all(kinds.SERVICE):
        if NETWORK in labels_of(service):
            yield f"{ref_of(service)} is a gateway between networks ({NETWORK})", ref_of(service)
    for secret in snapshot.all("Secret"):
        if labels_of(secret).get(_REMOTE) == "true":
            yield f"{ref_of(secret)} makes another cluster part of the mesh", ref_of(secret)


def _stays_in_cluster(snapshot: Snapshot, host: str) -> bool:
    """Whether settings keep requests to a host in the cluster."""
    for item in mesh_config(snapshot).get("serviceSettings") or []:
        if dig(item, "settings", "clusterLocal") is True and any(host_matches(str(pattern), host) for pattern in item.get("hosts") or []):
            return True
    return False


def _two_families(snapshot: Snapshot, load_balancer: LoadBalancer, service: Obj) -> Unsure | None:
    families = dig(service, "spec", "ipFamilies", default=[])
    kinds_of_address = {":" in item for item in cluster_ips(service) if item}
    if len(families) < 2 and len(kinds_of_address) < 2:
        return None
    if control_plane_variable(snapshot, _DUAL_STACK, load_balancer.revision):
        return None
    why = f"{ref_of(service)} has addresses of IPv4 and IPv6, of which sidecars know one kind ({_DUAL_STACK} is not set for istiod)"
    return Unsure("MLB132", why, ref_of(service))


def about_clusters(snapshot: Snapshot) -> Iterator[Finding]:
    """Finding MLB131 where the mesh has more clusters than the one that is read."""
    several = of_several_clusters(snapshot)
    if several:
        yield finding("MLB131", f"{several[0]}; what is in other clusters is not read", several[1])
