# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the objects that a platform's controller would read to what its load balancer is documented to do with them.

Each function reads the objects as they are in the cluster, annotation by annotation, and nothing else: what the collection did not
write is not known here. Sources are those of the platform's file in plugins/module_utils/balancers.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.integration.clouds.azure import azure_agc, azure_agic, azure_lb
from tests.integration.clouds.google import gke_gateway, gke_ingress, gke_neg
from tests.integration.clouds.seen import Seen, backend_of, checked, notes, port_of
from tests.integration.clouds.standin import Setting, Target
from tests.integration.support.cluster import Obj


def aws_alb(seen: Seen) -> Setting:
    """Ingress annotations of the AWS Load Balancer Controller."""
    ingress = seen.one("ingress")
    said = notes(ingress, "alb.ingress.kubernetes.io/")
    name, number = backend_of(ingress)
    service = seen.service(name)
    assert said["healthcheck-protocol"] == "HTTP" and said["success-codes"] == "200"
    by_pods = said["target-type"] == "ip"
    targets = (seen.to_pods if by_pods else seen.to_nodes)(service, number, checked(service, said["healthcheck-port"], by_pods))
    # The controller says nothing of draining; a target group's own default is five minutes.
    return Setting(targets, tls=said["backend-protocol"] == "HTTPS", check_path=said["healthcheck-path"], drains=True)


def alibaba_alb(seen: Seen) -> Setting:
    """Ingress annotations of ACK's ALB Ingress controller."""
    ingress = seen.one("ingress")
    said = notes(ingress, "alb.ingress.kubernetes.io/")
    name, number = backend_of(ingress)
    service = seen.service(name)
    assert notes(service, "service.beta.kubernetes.io/")["backend-type"] == "eni" and said["healthcheck-enabled"] == "true"
    targets = seen.to_pods(service, number, int(said["healthcheck-connect-port"]))
    return Setting(targets, tls=said["backend-protocol"] == "https", check_path=said["healthcheck-path"])


def aws_nlb(seen: Seen, service: Obj, number: int) -> Setting:
    """Service annotations of the AWS Load Balancer Controller."""
    said = notes(service, "service.beta.kubernetes.io/aws-load-balancer-")
    assert service["spec"]["loadBalancerClass"] == "service.k8s.aws/nlb" and said["healthcheck-protocol"] == "http"
    attributes = said.get("target-group-attributes", "").split(",")
    by_pods, header = said["nlb-target-type"] == "ip", said.get("proxy-protocol") == "*" or "proxy_protocol_v2.enabled=true" in attributes
    targets = (seen.to_pods if by_pods else seen.to_nodes)(service, number, checked(service, said["healthcheck-port"], by_pods))
    keeps = not by_pods or "preserve_client_ip.enabled=true" in attributes
    return Setting(targets, "tcp", check_path=said["healthcheck-path"], proxy=2 if header else 0, check_proxy=header,
                   keeps_source=keeps and not header)  # fmt: skip


def digitalocean_lb(seen: Seen, service: Obj, number: int) -> Setting:
    """Service annotations of DigitalOcean's cloud controller; checks go to the node unless they are overridden."""
    said = notes(service, "service.beta.kubernetes.io/do-loadbalancer-")
    header = said.get("enable-proxy-protocol") == "true"
    if "override-health-check" in said:
        targets = seen.to_nodes(service, number, checked(service, said["healthcheck-port"], by_pods=False))
        return Setting(targets, "tcp", check_path=said["healthcheck-path"], proxy=1 if header else 0, check_proxy=header,
                       keeps_source=said["type"] == "REGIONAL_NETWORK")  # fmt: skip
    return seen.by_node_check(service, number, proxy=1 if header else 0, keeps_source=said["type"] == "REGIONAL_NETWORK")


def oci_lb(seen: Seen, service: Obj, number: int) -> Setting:
    """Service annotations of Oracle's cloud controller."""
    network = notes(service, "oci-network-load-balancer.oraclecloud.com/")
    version = notes(service, "service.beta.kubernetes.io/oci-load-balancer-").get("connection-proxy-protocol-version", "0")
    return seen.by_node_check(service, number, proxy=int(version), keeps_source=network.get("is-preserve-source") == "true")


def alibaba_clb(seen: Seen, service: Obj, number: int) -> Setting:
    """Service annotations of Alibaba Cloud's cloud controller, with pods as servers."""
    said = notes(service, "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-")
    assert notes(service, "service.beta.kubernetes.io/")["backend-type"] == "eni" and said["health-check-type"] == "tcp"
    header = said.get("proxy-protocol") == "on"
    return Setting(seen.to_pods(service, number), "tcp", check="tcp", proxy=2 if header else 0, keeps_source=not header)


def oci_ingress(seen: Seen) -> Setting:
    """Ingress annotations of Oracle's native ingress controller."""
    ingress = seen.one("ingress")
    said = notes(ingress, "oci-native-ingress.oraclecloud.com/")
    name, number = backend_of(ingress)
    by_http = said["healthcheck-protocol"] == "HTTP"
    targets = seen.to_pods(seen.service(name), number, int(said.get("healthcheck-port", 0)))
    return Setting(
        targets, ends_tls="https-listener-port" in said, tls=said.get("backend-tls-enabled") == "true", check="http" if by_http else "tcp",
        check_path=said.get("healthcheck-path", ""),
    )


def cloudflare_tunnel(seen: Seen) -> Setting:
    """The tunnel's rules: cloudflared asks a Service's address; Cloudflare before it writes the headers. It checks nothing."""
    text = next(value for value in seen.one("configmap")["data"].values())
    rule = json.loads(text)["ingress"][0]
    scheme, slashes, rest = rule["service"].partition("://")
    host, colon, number = rest.rpartition(":")
    service = seen.service(host.partition(".")[0])
    origin = rule.get("originRequest", {})
    target = Target("gateway", service["spec"]["clusterIP"], int(number))
    return Setting(
        (target,), tls=scheme == "https", server_name="host" if origin.get("matchSNItoHost") else "never", check="none",
        headers=(("CF-Connecting-IP", "%[src]"),),
    )


def openshift_route(seen: Seen) -> Setting:
    """A Route: the router writes X-Forwarded-For anew where it is told to, and checks by a connection."""
    route = seen.one("routes.route.openshift.io")
    assert notes(route, "haproxy.router.openshift.io/")["set-forwarded-headers"] == "replace"
    service = seen.service(route["spec"]["to"]["name"])
    port = port_of(service, route["spec"]["port"]["targetPort"])
    return Setting(seen.to_pods(service, port["port"], port["targetPort"]), forwarded="replace", check="tcp")


def f5_cis(seen: Seen) -> Setting:
    """A VirtualServer's pool and monitor; a Policy's HTTP profile that inserts X-Forwarded-For."""
    pool = seen.one("virtualservers.cis.f5.com")["spec"]["pools"][0]
    (monitor,) = pool["monitors"]
    verb, path, version = monitor["send"].split("\r\n")[0].split()
    assert (monitor["type"], verb, version) == ("http", "GET", "HTTP/1.1") and "200" in monitor["recv"]
    assert seen.one("policies.cis.f5.com")["spec"]["profiles"]["http"]
    return Setting(seen.to_pods(seen.service(pool["service"]), pool["servicePort"], monitor["targetPort"]), check_path=path)


BY_OBJECTS: dict[str, Callable[[Seen], Setting]] = {
    "aws_alb": aws_alb, "alibaba_alb": alibaba_alb, "gke_gateway": gke_gateway, "cloudflare_tunnel": cloudflare_tunnel,
    "openshift_route": openshift_route, "f5_cis": f5_cis, "gke_ingress": gke_ingress, "azure_agic": azure_agic, "azure_agc": azure_agc,
}
BY_SERVICE: dict[str, Callable[[Seen, Obj, int], Setting]] = {
    "aws_nlb": aws_nlb, "azure_lb": azure_lb, "digitalocean_lb": digitalocean_lb, "oci_lb": oci_lb, "alibaba_clb": alibaba_clb,
    "gke_neg": gke_neg,
}


def setting_of(seen: Seen, platform: str, service: str, number: int) -> Setting:
    """What a platform's load balancer does with what is in the cluster now."""
    if platform == "oci_lb" and seen.all("ingress"):
        return oci_ingress(seen)
    if platform in BY_OBJECTS:
        return BY_OBJECTS[platform](seen)
    return BY_SERVICE[platform](seen, seen.service(service), number)
