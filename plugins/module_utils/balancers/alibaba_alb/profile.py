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

from ...kube import kinds
from ..alibaba.shared import BACKEND_TYPE, NODES, TARGETS
from ..contract.chain import ChainRequest, CheckTarget, HealthCheck, HealthChecker, LoadBalancerSide, ServiceNeeds
from ..contract.facts import ChainFacts, ChainOption
from ..contract.recognition import Recogniser
from ..kit.chain.answers import chain_side, unless
from ..kit.cloud.bodies import ingress
from ..kit.cloud.health import LOCAL, check_by_hand, gateway_check, pod_port
from ..kit.cloud.options import class_for, is_word, listen_ports, prefixed
from ..kit.cloud.platform import in_cloud, platform, platform_routes, scheme_by_annotation
from ..kit.cloud.signs import PlatformSigns
from ..kit.writes import LOCAL_FIELD, declaring, gateway_service, made_for_chains

PREFIX = "alb.ingress.kubernetes.io"
TITLE = "Alibaba Cloud Application Load Balancer"
OWN_KEYS = (
    "vswitch-ids", "address-type", "address-allocated-mode", "albconfig.name", "albconfig.order", "charge-type", "edition",
    "healthcheck-enabled", "healthcheck-method", "healthcheck-httpcode", "healthcheck-connect-port",
)
"""Keys below the prefix that the load balancer of the other cloud with the same prefix does not know."""
FORWARDED = (
    "Leave XForwardedForEnabled on and set XForwardedForProtoEnabled in the listeners of the class's AlbConfig, so that the gateway "
    "learns that the client used HTTPS."
)
SIGNS = PlatformSigns(
    nodes=NODES, ingress_annotations=tuple(f"{PREFIX}/{key}" for key in OWN_KEYS), shared_annotations=(f"{PREFIX}/*",),
    hostnames=(".alb.aliyuncs.com",), kinds=("AlbConfig.alibabacloud.com",),
)
FACTS = ChainFacts(
    hops=1, forwarded_for="appended", server_name="never", ends_tls="optional", redirects=True,
    tls_to_gateway="backend-protocol https (the managed controller only)",
    health="annotations healthcheck-connect-port 15021, healthcheck-path (the managed controller); none, ready pods only (open source)",
    service_type="ClusterIP (targets: pods, with Terway), NodePort (targets: nodes)",
    minimum="Kubernetes 1.19; for the check and TLS to the gateway ACK's or ACS's managed controller",
    cannot=("send a client certificate to its servers", "check another port with the open-source controller"),
    options=(
        ChainOption("class_name", "Name of the IngressClass, where it is not the one that was found."),
        ChainOption("controller", "Which controller is installed: ACK's and ACS's own (the default), or the one built from source.", (
            "managed", "open_source")),
        TARGETS,
        ChainOption("tls_secret", "The Secret, beside the gateway, with the certificate for HTTPS."),
        ChainOption("discover_certificate", "Take the certificate for the hosts from the certificate service.", ("true", "false")),
    ),
)
discovers = is_word("discover_certificate", "true", "")
managed = is_word("controller", "managed", "managed")
to_pods = is_word("targets", "pods", "pods")


def ends_tls(request: ChainRequest) -> bool:
    """Whether it has a certificate, or is to find one."""
    return bool(request.option("tls_secret")) or discovers(request)


def check(target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
    """A check of an application's pods, by the Ingress that somebody else wrote."""
    answer, annotations = _check(target, request)
    if answer.kind != "http":
        return LoadBalancerSide(
            refusal="only the managed controller, with pods as targets, can check another port than that of the backend"
        )
    return check_by_hand(target, answer, annotations)


def _reasons(request: ChainRequest) -> list[str]:
    return [
        "https_redirect needs an HTTPS listener: give platform_options.tls_secret or discover_certificate"
        if request.https_redirect and not ends_tls(request) else "",
        "the open-source controller has no setting for TLS to the gateway: let it send to a port without TLS"
        if request.gateway.tls and not managed(request) else "",
        "a certificate is found by its hosts: give hosts, or a Secret in platform_options.tls_secret"
        if discovers(request) and not request.hosts else "",
    ]


def front(request: ChainRequest) -> LoadBalancerSide:
    """An Ingress of the class that an AlbConfig belongs to; its ALB ends TLS and opens connections of its own to its servers."""
    https, secret = ends_tls(request), str(request.option("tls_secret", ""))
    protocol = "https" if request.gateway.tls else "http"
    health, checked = _check(gateway_check(request), request)
    annotations = prefixed(f"{PREFIX}/", {
        "listen-ports": listen_ports(https=https), "backend-protocol": protocol if managed(request) else "",
        "ssl-redirect": "true" if request.https_redirect else "",
    })
    body = ingress(request, class_for(request, "alb"), {**annotations, **checked}, tls_secret=secret)
    if https and not secret:
        body["spec"]["tls"] = [{"hosts": list(request.hosts)}]
    pods, nodes = ServiceNeeds("ClusterIP", ((BACKEND_TYPE, "eni"),)), ServiceNeeds("NodePort", fields=(LOCAL,))
    return LoadBalancerSide(
        bodies=(body,), check=health, steps=(FORWARDED,) if https else (), service=pods if to_pods(request) else nodes
    )


def _check(target: CheckTarget, request: ChainRequest) -> tuple[HealthCheck, dict[str, str]]:
    """The check and the Ingress annotations for it; none where it could not reach the pod's status port."""
    port, path = pod_port(target.check.port), target.check.path
    if not (managed(request) and to_pods(request) and port):
        return HealthCheck("none"), {}
    annotations = {"enabled": "true", "protocol": "HTTP", "method": "GET", "path": path, "httpcode": "http_2xx", "connect-port": port}
    return HealthCheck("http", port, path), prefixed(f"{PREFIX}/healthcheck-", annotations)


WRITES = (*made_for_chains(kinds.INGRESS), *gateway_service(BACKEND_TYPE, fields=(LOCAL_FIELD,)))
PROFILE = platform(
    in_cloud("alibaba_alb", TITLE), SIGNS, declaring(chain_side(TITLE, FACTS, unless(_reasons, front), ends_tls=ends_tls), *WRITES),
    HealthChecker(check),
    recogniser=Recogniser(classes=("ingress.k8s.alibabacloud/alb",)),
    routes=platform_routes(SIGNS, scheme_of=scheme_by_annotation(f"{PREFIX}/backend-protocol", "https")),
)
