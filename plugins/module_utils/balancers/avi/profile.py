# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Avi Load Balancer (once NSX Advanced Load Balancer): its service engines, outside the cluster, carry the traffic that AKO configures.

Source: vmware/load-balancer-and-ingress-services-for-kubernetes ba495be (AKO 2.2.1): internal/lib/constants.go and lib.go (classes of
Ingresses and Services), ako-gateway-api/lib/constants.go and nodes/route_model.go (HTTPRoute alone), helm/ako/templates/statefulset.yaml,
internal/nodes/avi_model_l7_translator.go and avi_model_l4_translator.go (members of a pool are pods, node ports or NodePortLocal, as
serviceType has it), docs/crds/httprule.md, and for istioEnabled docs/istio_support.md and UpdatePoolNodeForIstio in avi_model_nodes.go.
UNCONFIRMED: which Services without a class AKO takes (a setting of its ConfigMap); those that it took carry its annotation.
"""

from __future__ import annotations

from ...core.findings import finding
from ...core.model import LoadBalancer, ObjectRef, Route, replace
from ...kube import kinds
from ...kube.objects import Obj, containers_of, dig, namespace_of, pod_template
from ...kube.snapshot import Snapshot
from ..contract.facts import About, Facts
from ..contract.profile import Profile
from ..contract.recognition import GatewayClasses, Recogniser, Signs
from ..contract.routes import RouteReader, RouteReading
from ..kit.cloud.platform import platform_routes
from ..kit.cloud.signs import PlatformSigns, traces
from ..kit.gateway.names import KINDS

CONTROLLER = "ako.vmware.com/avi-lb"
HTTP_RULE = "HTTPRule.ako.vmware.com"
CERTIFICATES = "/etc/istio-output-certs"
ROUTES = ("Ingress", "HTTPRoute", "Service")
OUTSIDE = (
    "its traffic leaves from service engines outside the cluster, where no sidecar can be: set istioEnabled of AKO, with which they "
    "present the certificate of AKO's service account, or use chained mode"
)
OWN_MUTUAL_TLS = "AKO has istioEnabled, so service engines present a certificate of the mesh to all backends; not measured"
FACTS = Facts(
    routes=("Ingress", "HTTPRoute", "Service of type LoadBalancer"), default="pod addresses or node ports, the client's Host",
    remark="with istioEnabled service engines speak the mesh's mutual TLS themselves, and what that gives is not predicted",
    versions="AKO 2.2.1",
)
AKO = Signs(images=("ako/ako", "avinetworks/ako"), variables=(frozenset({"CTRL_IPADDRESS", "SHARD_VS_SIZE"}),))
SIGNS = PlatformSigns(
    ingress_annotations=("ako.vmware.com/*",), service_annotations=("ako.vmware.com/*",), load_balancer_classes=(CONTROLLER,)
)
USUAL = platform_routes(SIGNS, (CONTROLLER,))


def read_avi_routes(snapshot: Snapshot, load_balancer: LoadBalancer, only: frozenset[ObjectRef] | None) -> RouteReading:
    """Routes as any platform has them, except for what AKO does not serve, encrypts again, or has a certificate of the mesh for."""
    reading = USUAL.read(snapshot, load_balancer, only)
    other = sorted({route.object for route in reading.routes if route.object.kind not in ROUTES})
    routes = tuple(route for route in reading.routes if route.object.kind in ROUTES)
    if _has_certificate(snapshot.all(kinds.STATEFUL_SET)):
        routes = tuple(replace(route, own_mutual_tls=OWN_MUTUAL_TLS) for route in routes)
    else:
        encrypted = _encrypted(snapshot.all(HTTP_RULE))
        routes = tuple(_encrypted_again(route) if _place(route).startswith(encrypted) else route for route in routes)
    return RouteReading(routes, (*reading.findings, *(finding("MLB220", f"AKO serves no {ref.kind}", ref) for ref in other)))


def _has_certificate(workloads: list[Obj]) -> bool:
    """Whether AKO gets its sidecar's certificate to hand on: its chart and its operator mount it with istioEnabled alone."""
    mounts = (
        str(mount.get("mountPath", "")).rstrip("/")
        for workload in workloads for container in containers_of(pod_template(workload))
        for mount in container.get("volumeMounts") or []
    )
    return CERTIFICATES in mounts


def _encrypted(rules: list[Obj]) -> tuple[str, ...]:
    """Beginnings of places to whose backends service engines speak TLS, by HTTPRules of the same namespace."""
    return tuple(
        f"Ingress {namespace_of(obj)} {dig(obj, 'spec', 'fqdn')}{path.get('target')}"
        for obj in rules for path in dig(obj, "spec", "paths", default=[]) if dig(path, "tls", "type") == "reencrypt"
    )


def _place(route: Route) -> str:
    return f"{route.object.kind} {route.object.namespace} {route.host}{route.path}"


def _encrypted_again(route: Route) -> Route:
    return replace(route, upstream=replace(route.upstream, scheme="tls"))


PROFILE = Profile(
    About("avi", "Avi Load Balancer (AKO)", placement="external", outside=OUTSIDE, facts=FACTS),
    Recogniser(classes=(CONTROLLER,), gateway_classes=GatewayClasses((CONTROLLER,)), controller=AKO,
               traces=lambda snapshot: traces(snapshot, SIGNS)),
    routes=(RouteReader(read_avi_routes, (*KINDS, HTTP_RULE)),),
)
