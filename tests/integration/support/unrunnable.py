# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""The load balancers that cannot run on the lab, with routes of every kind that they have."""

from __future__ import annotations

from .cluster import Obj
from .scenes import NAMESPACE, Scene, container, deployment, gateway, host, http_route, ingress, ingress_class, obj

F5, KONG, APISIX = "k8s.nginx.org/v1", "configuration.konghq.com/v1beta1", "apisix.apache.org/v2"
NGF, HAPROXY = "gateway.nginx.org", "ingress.v3.haproxy.org/v3"


def f5_upstream(name: str) -> Obj:
    """An upstream of a VirtualServer."""
    return {"name": name, "service": name, "port": 80}


F5_NGINX = Scene(
    "f5_nginx", "f5", (
        deployment("f5", container("nginx/nginx-ingress:5.6.0", "-nginx-configmaps=schemas/f5", "-ingress-class=f5")),
        ingress_class("f5", "nginx.org/ingress-controller"),
        obj(F5, "VirtualServer", "f5-server", spec={
            "host": host("f5-server"), "ingressClassName": "f5", "upstreams": [f5_upstream("echo-http"), f5_upstream("echo-b")],
            "routes": [
                {"path": "/", "splits": [{"weight": 90, "action": {"pass": "echo-http"}}, {"weight": 10, "action": {"pass": "echo-b"}}]},
                {"path": "/sub", "route": "apps/f5-sub"},
            ],
        }),
        obj(F5, "VirtualServerRoute", "f5-sub", spec={
            "host": host("f5-server"), "ingressClassName": "f5", "upstreams": [f5_upstream("echo-auto")],
            "subroutes": [{"path": "/sub", "action": {"pass": "echo-auto"}}],
        }),
        ingress("f5-ingress", "f5", "echo-tcp"),
    ),
    routes=4, folder="f5-nginx", sidecar="Deployment/f5",
    written={
        "service_vip": ("Ingress/f5-ingress", "VirtualServerRoute/f5-sub"),
        "host_rewrite": ("VirtualServer/f5-server", "VirtualServerRoute/f5-sub"),
    },
)  # fmt: skip

KONG_GATEWAY = Scene(
    "kong", "kong-gateway", (
        deployment("kong-gateway", container("kong:3.9", env=("KONG_PROXY_LISTEN", "KONG_ADMIN_LISTEN"))),
        deployment("kong-controller", container("kong/kubernetes-ingress-controller:3.5")),
        ingress_class("kong", "ingress-controllers.konghq.com/kong"),
        *gateway("kong", "konghq.com/kic-gateway-controller"),
        ingress("kong-ingress", "kong"),
        http_route("kong-route", service="echo-b"),
        obj(KONG, "TCPIngress", "kong-tcp", annotations={"kubernetes.io/ingress.class": "kong"}, spec={
            "rules": [{"port": 9000, "backend": {"serviceName": "echo-tcp", "servicePort": 80}}],
        }),
    ),
    routes=3, folder="kong", sidecar="Deployment/kong-gateway",
    written={
        "service_vip": ("Service/echo-tcp",),
        "host_rewrite": ("HTTPRoute/kong-route", "Ingress/kong-ingress", "Service/echo-b", "Service/echo-http", "Service/echo-tcp"),
    },
)  # fmt: skip

APISIX_GATEWAY = Scene(
    "apisix", "apisix", (
        deployment("apisix", container("apache/apisix:3.16.0-ubuntu")),
        deployment("apisix-controller", container("apache/apisix-ingress-controller:2.0.1")),
        ingress_class("apisix", "apisix.apache.org/apisix-ingress-controller"),
        obj(APISIX, "ApisixRoute", "apisix-route", spec={
            "ingressClassName": "apisix",
            "http": [
                {"name": "own", "match": {"hosts": [host("apisix-own")], "paths": ["/*"]},
                 "backends": [{"serviceName": "echo-http", "servicePort": 80}]},
                {"name": "upstream", "match": {"hosts": [host("apisix-upstream")], "paths": ["/*"]},
                 "backends": [{"serviceName": "echo-b", "servicePort": 80}]},
                {"name": "auto", "match": {"hosts": [host("apisix-auto")], "paths": ["/*"]},
                 "backends": [{"serviceName": "echo-auto", "servicePort": 80}]},
            ],
            "stream": [{"name": "raw", "protocol": "TCP", "match": {"ingressPort": 9000},
                        "backend": {"serviceName": "echo-tcp", "servicePort": 80}}],
        }),
        obj(APISIX, "ApisixUpstream", "echo-b", spec={"ingressClassName": "apisix", "retries": 1}),
    ),
    routes=4, folder="apisix", sidecar="Deployment/apisix",
    written={"service_vip": ("ApisixRoute/apisix-route",), "host_rewrite": ("ApisixRoute/apisix-route", "ApisixUpstream/echo-b")},
)  # fmt: skip

POMERIUM = Scene(
    "pomerium", "pomerium", (
        deployment("pomerium", container("pomerium/ingress-controller:v0.31.0", "all-in-one", "--pomerium-config=global")),
        ingress_class("pomerium", "pomerium.io/ingress-controller"),
        ingress("pomerium-ingress", "pomerium"),
        ingress("pomerium-kept", "pomerium", "echo-auto", {"ingress.pomerium.io/preserve_host_header": "true"}),
    ),
    routes=2, folder="pomerium", sidecar="Deployment/pomerium",
    written={"service_vip": ("Ingress/pomerium-ingress", "Ingress/pomerium-kept"), "host_rewrite": ("Ingress/pomerium-ingress",)},
)  # fmt: skip

FABRIC_LABELS = {"sidecar.istio.io/inject": "true", "gateway.networking.k8s.io/gateway-name": "schemas"}
FABRIC = Scene(
    "nginx_gateway_fabric", "schemas-nginx", (
        # Its operator makes these pods, so what is written on the Gateway would be on them.
        deployment("schemas-nginx", container("ghcr.io/nginx/nginx-gateway-fabric/nginx:edge"), init=(container(
            "ghcr.io/nginx/nginx-gateway-fabric:edge", command=("/usr/bin/gateway", "initialize"), name="init"),), marks=FABRIC_LABELS),
        *gateway("fabric", "gateway.nginx.org/nginx-gateway-controller", infrastructure={
            "parametersRef": {"group": NGF, "kind": "NginxProxy", "name": "fabric"}}),
        obj(f"{NGF}/v1alpha2", "NginxProxy", "fabric", NAMESPACE, spec={}),
        obj(f"{NGF}/v1alpha1", "UpstreamSettingsPolicy", "fabric-policy", spec={
            "targetRefs": [{"group": "core", "kind": "Service", "name": "echo-b"}]}),
        http_route("fabric-proxy"),
        http_route("fabric-policy", service="echo-b"),
        http_route("fabric-auto", service="echo-auto"),
    ),
    routes=3, folder="nginx-gateway-fabric", sidecar="Gateway/schemas",
    written={
        "service_vip": ("NginxProxy/fabric",),
        "host_rewrite": (
            "HTTPRoute/fabric-auto", "HTTPRoute/fabric-policy", "HTTPRoute/fabric-proxy", "NginxProxy/fabric",
            "UpstreamSettingsPolicy/fabric-policy",
        ),
    },
)  # fmt: skip

HAPROXYTECH = Scene(
    "haproxytech", "haproxytech", (
        deployment("haproxytech", container(
            "docker.io/haproxytech/kubernetes-ingress:3.2.9", "--configmap=schemas/haproxytech", "--ingress.class=haproxytech")),
        ingress_class("haproxytech", "haproxy.org/ingress-controller/haproxytech"),
        ingress("tech-ingress", "haproxytech"),
        obj(HAPROXY, "TCP", "tech-tcp", annotations={"ingress.class": "haproxytech"}, spec=[{
            "name": "raw", "frontend": {"name": "raw", "binds": {"raw": {"name": "raw", "port": 9000}}},
            "service": {"name": "echo-tcp", "port": 80},
        }]),
    ),
    routes=2, folder="haproxytech", sidecar="Deployment/haproxytech",
)  # fmt: skip

OPENSHIFT = Scene(
    "openshift_router", "router", (
        deployment("router", container("openshift/origin-haproxy-router:v4.0.0", env=("ROUTER_SERVICE_HTTP_PORT",))),
        obj("route.openshift.io/v1", "Route", "openshift-route", spec={
            "host": host("openshift-route"), "to": {"kind": "Service", "name": "echo-http", "weight": 90},
            "alternateBackends": [{"kind": "Service", "name": "echo-b", "weight": 10}],
        }),
    ),
    routes=2, folder="openshift", sidecar="Deployment/router",
)  # fmt: skip

BIG_IP = Scene(
    "f5_cis", "cis", (
        deployment("cis", container("f5networks/k8s-bigip-ctlr:2.20.0", "--bigip-partition=k8s")),
        obj("cis.f5.com/v1", "VirtualServer", "cis-server", spec={
            "host": host("cis-server"), "virtualServerAddress": "192.0.2.1",
            "pools": [{"path": "/", "service": "echo-http", "servicePort": 80}],
        }),
    ),
    routes=1, folder="f5-cis",
)  # fmt: skip

KGATEWAY = Scene(
    "kgateway", "kgateway", (
        deployment("kgateway", container("cr.kgateway.dev/kgateway-dev/envoy-wrapper:v2.0.4")),
        *gateway("kgateway", "kgateway.dev/kgateway", infrastructure={
            "parametersRef": {"group": "gateway.kgateway.dev", "kind": "GatewayParameters", "name": "kgateway"}}),
        obj("gateway.kgateway.dev/v1alpha1", "GatewayParameters", "kgateway", NAMESPACE, spec={"kube": {"istio": {}}}),
        http_route("kgateway-route"),
    ),
    routes=1, folder="kgateway",
)  # fmt: skip

SCENES = {
    scene.vendor: scene
    for scene in (F5_NGINX, KONG_GATEWAY, APISIX_GATEWAY, POMERIUM, FABRIC, HAPROXYTECH, OPENSHIFT, BIG_IP, KGATEWAY)
}
