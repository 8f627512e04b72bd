# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of detection of all share."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

from tests.unit.plugins.module_utils.balancers.gateways import gateway_class
from tests.unit.plugins.module_utils.balancers.support import data_plane
from tests.unit.plugins.module_utils.support.cluster import Obj, container, ingress_class, live, workload
from tests.unit.plugins.module_utils.support.known import detect

NAME = "app.kubernetes.io/name"

PART = "app.kubernetes.io/component"

NGINX_ARGS = ("/nginx-ingress-controller", "--controller-class=k8s.io/ingress-nginx", "--election-id=x", "--configmap=$(POD_NAMESPACE)/x")

ENVOY_ARGS = ("-c", "/config/envoy.json", "--service-cluster $(CONTOUR_NAMESPACE)", "--service-node $(ENVOY_POD_NAME)")


@dataclass(frozen=True)
class Installed:
    """A vendor as it is installed: what carries traffic, its classes, and what else comes with it and is none."""

    vendor: str
    carrier: Obj
    classes: tuple[Obj, ...] = ()
    others: tuple[Obj, ...] = ()
    by_image_alone: bool = False
    """Once labels are gone, only the image's path tells what it is, whatever the registry."""


def manager(program: str, image: str) -> Obj:
    return container("shutdown-manager", image=image, command=[program], args=["envoy", "shutdown-manager"])


def aks() -> Obj:
    args = ("/nginx-ingress-controller", "--ingress-class=webapprouting.kubernetes.azure.com",
            "--controller-class=webapprouting.kubernetes.azure.com/nginx", "--election-id=nginx",
            "--configmap=$(POD_NAMESPACE)/nginx")  # fmt: skip
    return data_plane("nginx", *args, image="mcr.microsoft.com/oss/kubernetes/ingress/nginx-ingress-controller:v1.11.5",
                      where="app-routing-system", pod_labels={PART: "ingress-controller"})  # fmt: skip


APISIX_CLASS = {
    **ingress_class("apisix"),
    "spec": {"controller": "apisix.apache.org/apisix-ingress-controller", "parameters": {"kind": "GatewayProxy", "name": "x"}},
}
CATALOG = (
    Installed(
        "ingress_nginx", data_plane("x-ingress-nginx-controller", *NGINX_ARGS, image="registry.k8s.io/ingress-nginx/controller:v1.15.1",
                                    where="ingress-nginx", pod_labels={NAME: "ingress-nginx", PART: "controller"}),
        (ingress_class("nginx", "k8s.io/ingress-nginx"),),
        (data_plane("x-defaultbackend", image="registry.k8s.io/defaultbackend-amd64:1.5", where="ingress-nginx",
                    pod_labels={NAME: "ingress-nginx", PART: "default-backend"}),)),
    Installed("ingress_nginx", aks(), (ingress_class("webapprouting.kubernetes.azure.com", "webapprouting.kubernetes.azure.com/nginx"),)),
    Installed(
        "ingress_nginx", data_plane("rke2-ingress-nginx-controller", "/nginx-ingress-controller", "--election-id=x",
                                    "--controller-class=rke2.example.com/nginx", "--configmap=kube-system/rke2-ingress-nginx-controller",
                                    image="rancher/nginx-ingress-controller:v1.12.1-hardened2", kind="DaemonSet", where="kube-system",
                                    pod_labels={NAME: "rke2-ingress-nginx", PART: "controller"}),
        (ingress_class("rke2-nginx", "rke2.example.com/nginx"),)),
    Installed(
        "f5_nginx", data_plane("x-nginx-ingress-controller", "-nginx-plus=false", "-nginx-configmaps=f5/x", "-ingress-class=f5",
                               image="nginx/nginx-ingress:5.5.4", where="f5", pod_labels={NAME: "nginx-ingress"}),
        (ingress_class("f5", "nginx.org/ingress-controller"),)),
    Installed(
        "emissary", data_plane("x-emissary-ingress", image="ghcr.io/emissary-ingress/emissary:3.10.0", where="emissary",
                               env=("AMBASSADOR_NAMESPACE", "AMBASSADOR_ID"), pod_labels={"product": "aes", "profile": "main"}),
        (ingress_class("ambassador", "getambassador.io/ingress-controller"),)),
    Installed(
        "traefik", data_plane("x-traefik", "--entryPoints.web.address=:8000/tcp", "--providers.kubernetescrd",
                              "--providers.kubernetesingress", image="docker.io/traefik:v3.7.9", where="traefik",
                              pod_labels={NAME: "traefik"}),
        (ingress_class("traefik", "traefik.io/ingress-controller"),)),
    Installed(
        "haproxy_ingress", data_plane("x-haproxy-ingress", "--configmap=haproxy/x", "--controller-class=", "--ingress-class=haproxy",
                                      image="quay.io/jcmoraisjr/haproxy-ingress:v0.15.0", where="haproxy",
                                      pod_labels={NAME: "haproxy-ingress"}),
        (ingress_class("haproxy", "haproxy-ingress.github.io/controller"),), by_image_alone=True),
    Installed(
        "haproxytech", data_plane("x-kubernetes-ingress", "--configmap=tech/x", "--ingress.class=haproxytech",
                                  "--publish-service=tech/x", image="docker.io/haproxytech/kubernetes-ingress:3.2.9", where="tech",
                                  pod_labels={NAME: "kubernetes-ingress"}),
        (ingress_class("haproxytech", "haproxy.org/ingress-controller/haproxytech"),)),
    Installed(
        "kong", data_plane("x-gateway", image="kong:3.9", where="kong", env=("KONG_PROXY_LISTEN", "KONG_ADMIN_LISTEN"),
                           pod_labels={NAME: "gateway", PART: "app"}),
        (ingress_class("kong", "ingress-controllers.konghq.com/kong"),),
        (data_plane("x-controller", image="kong/kubernetes-ingress-controller:3.5", where="kong", env=("CONTROLLER_INGRESS_CLASS=kong",),
                    pod_labels={NAME: "controller", PART: "app"}),)),
    Installed(
        "contour", data_plane("envoy", *ENVOY_ARGS, command=("envoy",), image="docker.io/envoyproxy/envoy:distroless-v1.38.9",
                              kind="DaemonSet", where="projectcontour",
                              containers=[manager("/bin/contour", "ghcr.io/projectcontour/contour:v1.33.8")]),
        (), (data_plane("contour", "serve", "--incluster", command=("contour",), image="ghcr.io/projectcontour/contour:v1.33.8",
                        where="projectcontour"),)),
    Installed(
        "envoy_gateway", data_plane("envoy-edge-gw-1", "--service-cluster edge/gw", command=("envoy",), where="envoy-gateway-system",
                                    image="docker.io/envoyproxy/envoy:distroless-v1.39.1",
                                    containers=[manager("envoy-gateway", "docker.io/envoyproxy/gateway:v1.9.1")],
                                    pod_labels={NAME: "envoy", PART: "proxy", "app.kubernetes.io/managed-by": "envoy-gateway"}),
        (gateway_class("gateway.envoyproxy.io/gatewayclass-controller", "eg"),),
        (data_plane("envoy-gateway", "server", command=("envoy-gateway",), image="docker.io/envoyproxy/gateway:v1.9.1",
                    where="envoy-gateway-system", pod_labels={NAME: "gateway-helm"}),)),
    Installed(
        "nginx_gateway_fabric", data_plane("gw-nginx", image="ghcr.io/nginx/nginx-gateway-fabric/nginx:2.6.7", where="ngf", initContainers=[
            {"name": "init", "image": "ghcr.io/nginx/nginx-gateway-fabric:2.6.7", "command": ["/usr/bin/gateway", "initialize"]}]),
        (gateway_class("gateway.nginx.org/nginx-gateway-controller", "nginx"),),
        (data_plane("ngf-nginx-gateway-fabric", "controller", image="ghcr.io/nginx/nginx-gateway-fabric:2.6.7", where="ngf",
                    pod_labels={NAME: "nginx-gateway-fabric"}),)),
    Installed(
        "apisix", data_plane("x-apisix", image="apache/apisix:3.16.0-ubuntu", where="apisix", pod_labels={NAME: "apisix"}),
        (APISIX_CLASS,),
        (data_plane("x-ingress-controller", image="apache/apisix-ingress-controller:2.0.1", where="apisix",
                    pod_labels={NAME: "ingress-controller"}),), by_image_alone=True),
    Installed(
        "gloo", data_plane("gateway-proxy", image="quay.io/solo-io/gloo-envoy-wrapper:1.17.16", where="gloo-system",
                           pod_labels={"gloo": "gateway-proxy", "gateway-proxy-id": "gateway-proxy"}),
        (), (data_plane("gloo", image="quay.io/solo-io/gloo:1.17.16", where="gloo-system", pod_labels={"gloo": "gloo"}),),
        by_image_alone=True),
    Installed(
        "kgateway", data_plane("http", "--disable-hot-restart", "--service-node", "$(POD_NAME).$(POD_NAMESPACE)", where="kgw",
                               image="cr.kgateway.dev/kgateway-dev/envoy-wrapper:v2.0.4", pod_labels={"kgateway": "kube-gateway"}),
        (gateway_class("kgateway.dev/kgateway", "kgateway"),),
        (data_plane("kgateway", image="cr.kgateway.dev/kgateway-dev/kgateway:v2.0.4", where="kgw"),), by_image_alone=True),
    Installed(
        "skipper", data_plane("skipper-ingress", "skipper", "-kubernetes", "-kubernetes-in-cluster", "-proxy-preserve-host",
                              image="registry.opensource.zalan.do/teapot/skipper:v0.22.170", where="kube-system", hostNetwork=True,
                              pod_labels={"application": "skipper-ingress"})),
    Installed(
        "pomerium", data_plane("pomerium", "all-in-one", "--pomerium-config=global", "--update-status-from-service=$(POD_NAMESPACE)/x",
                               image="pomerium/ingress-controller:v0.31.0", where="pomerium", pod_labels={NAME: "pomerium"}),
        (ingress_class("pomerium", "pomerium.io/ingress-controller"),)),
    Installed(
        "caddy", data_plane("x-caddy-ingress-controller", "-config-map=x-configmap", "-lease-id=x", image="caddy/ingress:v0.2.1",
                            where="caddy", pod_labels={NAME: "caddy-ingress-controller"})),
    Installed(
        "tyk", data_plane("gateway-x-tyk-gateway", image="docker.tyk.io/tyk-gateway/tyk-gateway:v5.8.0", where="tyk",
                          env=("TYK_GW_LISTENPORT", "TYK_GW_SECRET")),
        (), (data_plane("tyk-operator", image="tykio/tyk-operator:v1.2.0", where="tyk"),)),
    Installed(
        "higress", data_plane("higress-gateway", "proxy", "router", "--serviceCluster=higress-gateway", where="higress-system",
                              image="higress-registry.cn-hangzhou.cr.aliyuncs.com/higress/gateway:2.1.0",
                              pod_labels={"app": "higress-gateway"}),
        (ingress_class("higress", "higress.io/higress-controller"),),
        (data_plane("higress-controller", "serve", where="higress-system", containers=[container("discovery", args=["discovery"])],
                    image="higress-registry.cn-hangzhou.cr.aliyuncs.com/higress/higress:2.1.0"),), by_image_alone=True),
    Installed(
        "voyager", data_plane("voyager-shop", image="voyagermesh/haproxy:1.9.15-v16-alpine", where="shop",
                              pod_labels={"origin": "voyager", "origin-name": "shop"}),
        (), (data_plane("voyager-operator", "run", image="voyagermesh/voyager:v16", where="voyager"),), by_image_alone=True),
    Installed(
        "easegress", data_plane("easegress", "/opt/easegress/bin/easegress-server", image="megaease/easegress:v2.10.0", where="mega")),
    Installed(
        "netscaler", data_plane("cpx-ingress", image="quay.io/netscaler/netscaler-cpx:14.1-66.59", where="cpx",
                                containers=[container("cic", image="quay.io/netscaler/netscaler-k8s-ingress-controller:4.1.17")]),
        (ingress_class("netscaler", "citrix.com/ingress-controller"),), by_image_alone=True),
    Installed(
        "openshift_router", data_plane("router-default", image="quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:abc",
                                       where="openshift-ingress", env=("ROUTER_SERVICE_NAME", "ROUTER_SERVICE_NAMESPACE")),
        (ingress_class("openshift-default", "openshift.io/ingress-to-route"),)),
    Installed(
        "ngrok", data_plane("ngrok-operator-agent", "agent-manager", "--release-name=ngrok-operator", command=("/ngrok-operator",),
                            image="docker.io/ngrok/ngrok-operator:0.22.0", where="ngrok-operator", env=("NGROK_AUTHTOKEN",),
                            pod_labels={NAME: "ngrok-operator", PART: "agent"}),
        (ingress_class("ngrok", "k8s.ngrok.com/ingress-controller"), gateway_class("ngrok.com/gateway-controller", "ngrok")),
        (data_plane("ngrok-operator-manager", "api-manager", "--release-name=ngrok-operator", command=("/ngrok-operator",),
                    image="docker.io/ngrok/ngrok-operator:0.22.0", where="ngrok-operator", env=("NGROK_API_KEY",),
                    pod_labels={NAME: "ngrok-operator", PART: "controller"}),)),
    Installed(
        "tailscale", data_plane("ts-shop-x7k2p", image="tailscale/tailscale:v1.98.9", kind="StatefulSet", where="tailscale",
                                env=("TS_KUBE_SECRET", "TS_INTERNAL_APP=k8s-operator-ingress-resource", "TS_SERVE_CONFIG"),
                                pod_labels={"tailscale.com/managed": "true", "tailscale.com/parent-resource-type": "ingress",
                                            "tailscale.com/parent-resource": "shop", "tailscale.com/parent-resource-ns": "apps"}),
        (ingress_class("tailscale", "tailscale.com/ts-ingress"),),
        (data_plane("operator", image="tailscale/k8s-operator:v1.98.9", where="tailscale",
                    env=("OPERATOR_INGRESS_CLASS_NAME=tailscale", "PROXY_IMAGE=tailscale/tailscale:v1.98.9")),)),
)  # fmt: skip

OUTSIDE = {
    "avi": (ingress_class("avi-lb", "ako.vmware.com/avi-lb"), gateway_class("ako.vmware.com/avi-lb", "avi-lb"),
            data_plane("ako", image="projects.packages.broadcom.com/ako/ako:2.2.1", kind="StatefulSet", where="avi-system",
                       env=("CTRL_IPADDRESS", "CNI_PLUGIN", "SHARD_VS_SIZE"), pod_labels={NAME: "ako"})),
    "cilium": (ingress_class("cilium", "cilium.io/ingress-controller"), gateway_class("io.cilium/gateway-controller", "cilium")),
    "f5_cis": (ingress_class("f5-cis", "f5.com/cntr-ingress-svcs"),
               data_plane("cis", "--bigip-partition=k8s", command=("/app/bin/k8s-bigip-ctlr",), image="f5networks/k8s-bigip-ctlr:2.20.0")),
}  # fmt: skip

STRANGERS = (
    data_plane("ts-db-egress", image="tailscale/tailscale:v1.98.9", kind="StatefulSet", where="tailscale",
               env=("TS_KUBE_SECRET", "TS_INTERNAL_APP=k8s-operator-egress-proxy", "TS_TAILNET_TARGET_FQDN")),
    data_plane("subnet-router", image="tailscale/tailscale:v1.98.9", env=("TS_KUBE_SECRET", "TS_AUTHKEY", "TS_ROUTES")),
    data_plane("tunnel", "http", "shop:80", image="ngrok/ngrok:3", env=("NGROK_AUTHTOKEN",)),
    data_plane("istio-ingressgateway", "proxy", "router", "--domain", "x", image="docker.io/istio/proxyv2:1.31.1", where="istio-system",
               pod_labels={"app": "istio-ingressgateway", "istio": "ingressgateway"}),
    data_plane("istiod", "discovery", image="docker.io/istio/pilot:1.31.1", where="istio-system", pod_labels={"app": "istiod"}),
    data_plane("cilium-envoy", "--", "-c /var/run/cilium/envoy/bootstrap-config.json", command=("/usr/bin/cilium-envoy-starter",),
               image="quay.io/cilium/cilium-envoy:v1.34", kind="DaemonSet", where="kube-system"),
    data_plane("web", image="nginx:1.29"), data_plane("cache", image="haproxy:3.2"), data_plane("site", image="caddy:2"),
    data_plane("some-envoy", "-c", "/etc/envoy.yaml", command=("envoy",), image="envoyproxy/envoy:v1.40"),
    data_plane("east-west", "skipper", "-routes-file=/x", image="teapot/skipper:1"),
    data_plane("coredns", "-conf", "/etc/coredns/Corefile", image="registry.k8s.io/coredns/coredns:v1.12", where="kube-system"),
    workload("shop"),
)  # fmt: skip


def found(*objects: Obj) -> list[tuple[str, str]]:
    return [(item.vendor, item.label) for item in detect(live(*objects))[0]]


def label_of(item: Obj) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"


def renamed(item: Obj) -> Obj:
    """Another release name: in the object's name and in what labels say of the instance."""
    made = deepcopy(item)
    made["metadata"]["name"] = "edge-proxy-blue"
    return made


def mirrored(item: Obj) -> Obj:
    """Images from a private registry that keeps the repository's own path below another."""
    made = deepcopy(item)
    spec = made["spec"]["template"]["spec"]
    for one in [*spec["containers"], *spec.get("initContainers", [])]:
        head, slash, rest = one["image"].partition("/")
        kept = rest if slash and ("." in head or ":" in head) else one["image"]
        one["image"] = f"registry.example.com:5000/mirror/{kept}" if kept else ""
    return made


def unlabelled(item: Obj) -> Obj:
    made = deepcopy(item)
    made["metadata"].pop("labels", None)
    made["spec"]["template"]["metadata"]["labels"] = {"app": made["metadata"]["name"] + "-pods"}
    return made


def rebuilt(item: Obj) -> Obj:
    """Images under names of one's own."""
    made = unlabelled(item)
    spec = made["spec"]["template"]["spec"]
    for one in [*spec["containers"], *spec.get("initContainers", [])]:
        one["image"] = "registry.example.com/own/build:1"
    return made


IDS = [f"{number}-{item.vendor}" for number, item in enumerate(CATALOG)]


def one_of(vendor: str) -> Obj:
    return next(item.carrier for item in CATALOG if item.vendor == vendor)
