# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes of every kind that the registry has can be left alone by an annotation on their object."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any

import pytest
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.registry import REGISTRY
from ansible_collections.meshlb.istio.plugins.module_utils.balancers.tables import TABLES
from ansible_collections.meshlb.istio.plugins.module_utils.core.marks import IGNORE
from ansible_collections.meshlb.istio.plugins.module_utils.core.model import Route
from ansible_collections.meshlb.istio.plugins.module_utils.detect.load_balancers import detect
from ansible_collections.meshlb.istio.plugins.module_utils.detect.routes import read_routes
from ansible_collections.meshlb.istio.plugins.module_utils.kube.objects import kind_key, kind_key_of
from ansible_collections.meshlb.istio.plugins.module_utils.kube.reading import readable_objects
from ansible_collections.meshlb.istio.plugins.module_utils.kube.snapshot import Snapshot, Source

from tests.fuzz.clusters import Base, bases, unique
from tests.security.kit import clusters as c

Obj = dict[str, Any]
BESIDE = frozenset("""
    ConsulResolver.getambassador.io Host.getambassador.io KubernetesEndpointResolver.getambassador.io Module.getambassador.io
    KubernetesServiceResolver.getambassador.io TLSContext.getambassador.io BackendTLSPolicy.gateway.networking.k8s.io
    Gateway.gateway.networking.k8s.io GatewayClass.gateway.networking.k8s.io ListenerSet.gateway.networking.k8s.io
    ReferenceGrant.gateway.networking.k8s.io XListenerSet.gateway.networking.x-k8s.io HelmChart.helm.cattle.io Middleware.traefik.io
    TraefikService.traefik.io IngressClassParameters.configuration.konghq.com ApisixPluginConfig.apisix.apache.org
    ApisixUpstream.apisix.apache.org ExtensionService.projectcontour.io TLSCertificateDelegation.projectcontour.io
    BackendTrafficPolicy.gateway.envoyproxy.io EnvoyProxy.gateway.envoyproxy.io HTTPRouteFilter.gateway.envoyproxy.io
    SecurityPolicy.gateway.envoyproxy.io EnvoyExtensionPolicy.gateway.envoyproxy.io
    Upstream.gloo.solo.io NginxProxy.gateway.nginx.org UpstreamSettingsPolicy.gateway.nginx.org HTTPRule.ako.vmware.com
    ProxyClass.tailscale.com ProxyGroup.tailscale.com Middleware.traefik.containo.us TraefikService.traefik.containo.us
    UpstreamGroup.gloo.solo.io KongPlugin.configuration.konghq.com
""".split())
"""Kinds that say something about routes of other objects, and have none themselves."""
WITHOUT_ROUTES = frozenset({
    "UDPRoute.gateway.networking.k8s.io", "IngressRouteUDP.traefik.io", "IngressRouteUDP.traefik.containo.us",
    "UDPIngress.configuration.konghq.com",
})  # fmt: skip
"""Kinds of which nothing becomes a route, as no mesh carries UDP."""
HOST, WEB = "r.example.com", {"name": "web", "port": 80}
LISTENERS = [
    {"name": name, "protocol": protocol, "port": 1000 + number, "allowedRoutes": {"namespaces": {"from": "All"}},
     **({"tls": {"mode": "Passthrough"}} if protocol == "TLS" else {})}
    for number, (name, protocol) in enumerate({"http": "HTTP", "tls": "TLS", "tcp": "TCP"}.items())
]  # fmt: skip


def gateway_route(kind: str, version: str, section: str, hosts: bool) -> Obj:
    parents = [{"name": "front", "namespace": "victim", "sectionName": section}]
    spec = {"parentRefs": parents, "rules": [{"backendRefs": [WEB]}], **({"hostnames": [HOST]} if hosts else {})}
    return c.obj(f"gateway.networking.k8s.io/{version}", kind, "r", "victim", spec)


def by_hand(class_name: str) -> list[Obj]:
    """Routes that a cluster of :func:`bases` does not have."""
    group, upstreams = "k8s.nginx.org/v1", [{"name": "u", "service": "web", "port": 80}]
    into = [{"path": "/", "action": {"pass": "u"}}]
    server = {"host": HOST, "ingressClassName": class_name, "upstreams": upstreams}
    return [
        c.obj("gateway.networking.k8s.io/v1", "Gateway", "front", "victim", {"gatewayClassName": class_name, "listeners": LISTENERS}),
        gateway_route("HTTPRoute", "v1", "http", True), gateway_route("GRPCRoute", "v1", "http", True),
        gateway_route("TLSRoute", "v1", "tls", True), gateway_route("TCPRoute", "v1alpha2", "tcp", False),
        c.obj("projectcontour.io/v1", "HTTPProxy", "r", "victim", {
            "virtualhost": {"fqdn": HOST}, "routes": [{"services": [WEB]}], "ingressClassName": class_name,
        }),
        c.obj("zalando.org/v1", "RouteGroup", "r", "victim", {
            "hosts": [HOST], "backends": [{"name": "b", "type": "service", "serviceName": "web", "servicePort": 80}],
            "routes": [{"path": "/", "backends": [{"backendName": "b"}]}],
        }),
        c.obj(group, "VirtualServer", "r", "victim", {**server, "routes": [*into, {"path": "/a", "route": "below"}]}),
        c.obj(group, "VirtualServerRoute", "below", "victim", {**server, "subroutes": [{"path": "/a", "action": {"pass": "u"}}]}),
        c.obj("cis.f5.com/v1", "VirtualServer", "r", "victim", {
            "host": HOST, "virtualServerAddress": "192.0.2.1", "pools": [{"path": "/", "service": "web", "servicePort": 80}],
        }, labels={"f5cr": "true"}),
        c.obj("cis.f5.com/v1", "TransportServer", "r", "victim", {
            "type": "tcp", "virtualServerPort": 9000, "pool": {"service": "web", "servicePort": 80},
        }, labels={"f5cr": "true"}),
        c.obj("getambassador.io/v3alpha1", "TCPMapping", "r", "victim", {"port": 8443, "service": "web.victim:80"}),
        *(c.obj(f"ingress.v{number}.haproxy.org/v{number}", "TCP", "r", "victim", spec=[{
            "name": "t", "frontend": {"name": "f", "binds": [{"name": "b", "port": 32766}]}, "service": WEB,
        }], annotations={"ingress.class": class_name}) for number in (1, 3)),
        c.obj("voyager.appscode.com/v1", "Ingress", "shop", "shop", {
            "rules": [{"host": HOST, "http": {"paths": [{"path": "/", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}],
        }),
    ]  # fmt: skip


def older_traefik() -> list[Obj]:
    """Traefik of a version that reads the group that its kinds had before."""
    older = {"apiVersion": "traefik.containo.us/v1alpha1"}
    stream = c.obj("traefik.containo.us/v1alpha1", "IngressRouteTCP", "s", "victim", {
        "routes": [{"match": f"HostSNI(`{HOST}`)", "services": [WEB]}],
    })  # fmt: skip
    objects = deepcopy(c.before_mesh(c.traefik(), {**c.ingress_route("r", "victim", f"Host(`{HOST}`)", "web"), **older}, stream))
    for item in objects:
        for container in item.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
            container["image"] = container["image"].replace("traefik:v3.6.0", "traefik:v2.9.10")
    return objects


@cache
def found(value: str) -> dict[str, list[Route]]:
    """Routes of all load balancers by kind, each of whose objects carries an annotation."""
    routes: dict[str, list[Route]] = {}
    outside = c.obj("networking.k8s.io/v1", "IngressClass", "f5", spec={"controller": "f5.com/cntr-ingress-svcs"})
    more = (
        Base("f5_cis", tuple(c.before_mesh([outside])), ("", "f5")), Base("older traefik", tuple(older_traefik()), ("edge", "traefik")),
    )  # fmt: skip
    for base in (*bases(), *more):
        names = [item["metadata"]["name"] for item in base.objects if item["kind"] == "IngressClass"]
        marked = unique([*deepcopy(list(base.objects)), *by_hand((names or [base.name])[0])])
        for item in marked:
            annotations = item["metadata"].get("annotations") or {}
            item["metadata"]["annotations"] = {**annotations, IGNORE: value}
        snapshot = Snapshot(readable_objects(marked, Source(live=False), TABLES), Source(live=False))
        for route in read_routes(snapshot, REGISTRY, detect(snapshot, REGISTRY)[0])[0]:
            routes.setdefault(kind_key(route.object.api_version, route.object.kind), []).append(route)
    return routes


def test_every_kind_is_of_one_sort() -> None:
    assert set(REGISTRY.route_kinds()) >= BESIDE | WITHOUT_ROUTES and not set(found("false")) & WITHOUT_ROUTES
    assert {kind_key_of(item) for item in by_hand("x")} <= {*REGISTRY.route_kinds()}


@pytest.mark.parametrize("kind", [*sorted(set(REGISTRY.route_kinds()) - BESIDE - WITHOUT_ROUTES), "Ingress.networking.k8s.io"])
def test_an_object_that_asks_for_it_is_left_alone(kind: str) -> None:
    assert found("false").get(kind), "no cluster here has a route of this kind"
    assert not [route for route in found("false")[kind] if route.ignored]
    assert len(found("true")[kind]) == len(found("false")[kind]) and all(route.ignored for route in found("true")[kind])
    assert all(route.ignored for routes in found("perhaps").values() for route in routes)
