# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alibaba Cloud Application Load Balancer, as the ALB Ingress controller makes it from Ingresses (its AlbConfig belongs to the class).

Source: kubernetes/cloud-provider-alibaba-cloud eeb0ddc, pkg/controller/ingress (the open-source controller), and Alibaba Cloud's
help pages "ALB Ingress configuration dictionary" of ACK and ACS (the managed one), which list two annotations that the source does not
have: healthcheck-connect-port and backend-protocol. UNCONFIRMED: that it sends no server name to HTTPS backends, and that it appends to
X-Forwarded-For that a client sent; the first is taken as said because it only makes the gateway's server more general, the second
because counting from the right is right either way.
"""

from __future__ import annotations

import json

from ...core.model import Scheme
from ...kube.objects import Obj, annotations_of
from ...kube.snapshot import Snapshot
from ..contract.chain import ChainFacts, ChainOption, ChainRequest, CheckTarget, HealthCheck, LoadBalancerSide, ServiceNeeds
from ..contract.facts import Proof
from ..kit.cloud.bodies import ingress
from ..kit.cloud.platform import pod_port, refused
from ..kit.cloud.signs import PlatformSigns
from ..kit.cloud.wanted import word
from ..legacy import Platform

PREFIX = "alb.ingress.kubernetes.io"
BACKEND_TYPE = "service.beta.kubernetes.io/backend-type"
NODES = ("alicloud://", "cn-", "ap-", "us-", "eu-", "me-", "na-")
"""Beginnings of providerIDs: with a scheme, or the region before a dot and the instance's id."""
OWN_KEYS = (
    "vswitch-ids", "address-type", "address-allocated-mode", "albconfig.name", "albconfig.order", "charge-type", "edition",
    "healthcheck-enabled", "healthcheck-method", "healthcheck-httpcode", "healthcheck-connect-port",
)
"""Keys below the prefix that the load balancer of the other cloud with the same prefix does not know."""


class AlibabaAlb(Platform):
    """An ALB per AlbConfig; it ends TLS and opens connections of its own to its servers."""

    id = "alibaba_alb"
    title = "Alibaba Cloud Application Load Balancer"
    class_controllers = ("ingress.k8s.alibabacloud/alb",)
    signs_outside = PlatformSigns(
        nodes=NODES, ingress_annotations=tuple(f"{PREFIX}/{key}" for key in OWN_KEYS), shared_annotations=(f"{PREFIX}/*",),
        hostnames=(".alb.aliyuncs.com",), kinds=("AlbConfig.alibabacloud.com",),
    )
    chain = ChainFacts(
        hops=1, forwarded_for="appended", server_name="never", ends_tls="optional", redirects=True,
        tls_to_gateway="backend-protocol https (the managed controller only)",
        health="annotations healthcheck-connect-port 15021, healthcheck-path (the managed controller); none, ready pods only (open source)",
        service_type="ClusterIP (targets: pods, with Terway), NodePort (targets: nodes)",
        minimum="Kubernetes 1.19; for the check and TLS to the gateway ACK's or ACS's managed controller",
        cannot=("send a client certificate to its servers", "check another port with the open-source controller"),
        proof=Proof.SOURCE,
    )
    chain_options = (
        ChainOption("class_name", "Name of the IngressClass, where it is not the one that was found."),
        ChainOption("controller", "Which controller is installed: ACK's and ACS's own (the default), or the one built from source.", (
            "managed", "open_source")),
        ChainOption("targets", "Whether it sends to pods (the default, needs Terway) or to nodes.", ("pods", "nodes")),
        ChainOption("tls_secret", "The Secret, beside the gateway, with the certificate for HTTPS."),
        ChainOption("discover_certificate", "Take the certificate for the hosts from the certificate service.", ("true", "false")),
    )

    def scheme_of(self, snapshot: Snapshot, route: Obj) -> Scheme:
        return "tls" if annotations_of(route).get(f"{PREFIX}/backend-protocol") == "https" else "http"

    def ends_tls(self, request: ChainRequest) -> bool:
        return bool(request.option("tls_secret")) or word(request, "discover_certificate") == "true"

    def chain_front(self, request: ChainRequest) -> LoadBalancerSide:
        https, managed = self.ends_tls(request), _managed(request)
        refusal = refused([
            "https_redirect needs an HTTPS listener: give platform_options.tls_secret or discover_certificate"
            if request.https_redirect and not https else "",
            "the open-source controller has no setting for TLS to the gateway: let it send to a port without TLS"
            if request.gateway.tls and not managed else "",
            "a certificate is found by its hosts: give hosts, or a Secret in platform_options.tls_secret"
            if word(request, "discover_certificate") == "true" and not request.hosts else "",
        ])
        if refusal is not None:
            return refusal
        listens = [{"HTTP": 80}, *([{"HTTPS": 443}] if https else [])]
        annotations = {f"{PREFIX}/listen-ports": json.dumps(listens)}
        if managed:
            annotations[f"{PREFIX}/backend-protocol"] = "https" if request.gateway.tls else "http"
        if request.https_redirect:
            annotations[f"{PREFIX}/ssl-redirect"] = "true"
        by_pods = _by_pods(request)
        check, health = self._check(pod_port(request.gateway.status_port), HealthCheck().path, request)
        body = ingress(
            request, self.class_for(request, "alb"), {**annotations, **health}, tls_secret=str(request.option("tls_secret", "")),
        )
        if https and not request.option("tls_secret"):
            body["spec"]["tls"] = [{"hosts": list(request.hosts)}]
        forwarded = ("Leave XForwardedForEnabled on and set XForwardedForProtoEnabled in the listeners of the class's AlbConfig, "
                     "so that the gateway learns that the client used HTTPS.",)  # fmt: skip
        return LoadBalancerSide(
            bodies=(body,), check=check, steps=forwarded if https else (),
            service=ServiceNeeds("ClusterIP", ((BACKEND_TYPE, "eni"),)) if by_pods else ServiceNeeds(
                "NodePort", fields=((("externalTrafficPolicy",), "Local"),)
            ),
        )

    def health_check(self, target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
        port = pod_port(target.check.port)
        check, annotations = self._check(port, target.check.path, request)
        if check.kind != "http":
            return LoadBalancerSide(
                refusal="only the managed controller, with pods as targets, can check another port than that of the backend"
            )
        text = ", ".join(f"{key}: {value!r}" for key, value in annotations.items())
        return LoadBalancerSide(check=check, steps=(f"Set on the Ingress that leads to {target.namespace}/{target.service}: {text}.",))

    def _check(self, port: int, path: str, request: ChainRequest) -> tuple[HealthCheck, dict[str, str]]:
        """The check and the Ingress annotations for it; none where it could not reach the pod's status port."""
        if not (_managed(request) and _by_pods(request) and port):
            return HealthCheck("none"), {}
        wanted = {"enabled": "true", "protocol": "HTTP", "method": "GET", "path": path, "httpcode": "http_2xx", "connect-port": str(port)}
        return HealthCheck("http", port, path), {f"{PREFIX}/healthcheck-{key}": value for key, value in wanted.items()}


def _managed(request: ChainRequest) -> bool:
    return word(request, "controller", "managed") == "managed"


def _by_pods(request: ChainRequest) -> bool:
    return word(request, "targets", "pods") == "pods"
