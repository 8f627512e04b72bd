# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure Application Gateway in front of a gateway: pods are its pool, and annotations of the Ingress say how it reaches and checks them."""

from __future__ import annotations

from ...core.findings import finding
from ...core.model import Finding, replace
from ...kube import kinds
from ...kube.objects import Obj, dig
from ...kube.snapshot import Snapshot
from ..contract.chain import ChainRequest, CheckTarget, ClientAddress, HealthCheck, LoadBalancerSide, ServiceNeeds
from ..contract.facts import Capability, ChainFacts, ChainOption, ProofLevel
from ..contract.recognition import Signs
from ..kit.chain.answers import chain_side, unless, usual_client_address
from ..kit.cloud.bodies import ingress, resource
from ..kit.cloud.health import NO_POD_PORT, by_pod_port, check_by_hand, pod_port
from ..kit.cloud.options import certificate_missing, class_for, has_option, is_word, prefixed, taken
from ..kit.cloud.signs import PlatformSigns, on_its_nodes, owns_ingress
from ..kit.writes import declaring, made_for_chains

PREFIX = "appgw.ingress.kubernetes.io"
TITLE = "Azure Application Gateway (AGIC)"
CONTROLLER, USUAL_CLASS = "azure/application-gateway", "azure-application-gateway"
REWRITE = "AzureApplicationGatewayRewrite.appgw.ingress.azure.io"
CONFIRM = (
    "Confirm with platform_options.forwarded_for_rewritten: true that the Application Gateway is of a v2 SKU and the controller is 1.6 or "
    "newer: the chain then takes the ports out of X-Forwarded-For by an AzureApplicationGatewayRewrite, or by the rule set that "
    "platform_options.rewrite_rule_set names."
)
SIGNS = PlatformSigns(
    nodes=("azure://",), class_annotations=(CONTROLLER,), ingress_annotations=(f"{PREFIX}/*",),
    kinds=("AzureIngressProhibitedTarget.appgw.ingress.k8s.io",),
)
CONTROLLER_SIGNS = Signs(
    commands=("appgw-ingress",), variables=(frozenset({"AGIC_POD_NAME"}), frozenset({"APPGW_NAME"})),
    images=("azure-application-gateway/kubernetes-ingress",),
)
FACTS = ChainFacts(
    hops=1, forwarded_for="with_ports", server_name="host", ends_tls="optional", redirects=True,
    tls_to_gateway="backend-protocol https with backend-hostname: an Ingress per host; the gateway's certificate is verified",
    health="annotations health-probe-port 15021, health-probe-path (plain HTTP); with TLS the gateway's own port, any answer counts",
    objects=("Ingress", "AzureApplicationGatewayRewrite"), service_type="ClusterIP (pods)",
    minimum="AGIC 1.4 for the probe's port, 1.6 for the rewrite; a v2 SKU",
    standalone=Capability(True, "yes, where plaintext is accepted; it takes over readiness probes, those that Istio has rewritten too"),
    cannot=(
        "write addresses without ports into X-Forwarded-For, unless a rewrite rule does",
        "check the status port once it speaks TLS to the gateway: a probe speaks what the backend speaks",
        "keep the client's Host with TLS to the gateway for hosts that are not listed: backend-hostname is Host and server name in one",
        "send a client certificate to its backends", "pass TLS through",
    ),
    proof=ProofLevel.SCHEMA,
    options=(
        ChainOption("class_name", "Name of the IngressClass, where it is not the one that was found."),
        ChainOption("forwarded_for_rewritten", "Set to true to have the ports taken out of X-Forwarded-For (v2 SKU, AGIC 1.6 or newer)."),
        ChainOption("rewrite_rule_set", "A rule set of the Application Gateway that does so already, instead of a new one."),
        ChainOption("tls_secret", "Secret in the gateway's namespace with the certificate for HTTPS."),
        ChainOption("certificate", "Name of a certificate that is on the Application Gateway already."),
        ChainOption("trusted_root", "Root certificates on it for the gateway's certificate, by name, with commas; none for a public CA."),
        ChainOption("private", "Whether it is reached by its private address.", ("true", "false")),
    ),
    kinds=(REWRITE,),
)
ends_tls = has_option("tls_secret", "certificate")
confirmed = is_word("forwarded_for_rewritten", "true", "")
private = is_word("private", "true", "")


def client_address(request: ChainRequest) -> ClientAddress:
    """How the gateway gets to know the client; from X-Forwarded-For only once its ports are gone."""
    usual = usual_client_address(TITLE, FACTS, request)
    if usual.mode != "x_forwarded_for":
        return usual
    return replace(usual, why=f"{TITLE} adds the client with a port, and a rewrite rule takes the port away again; {usual.why}")


@by_pod_port
def check(target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
    """A probe of an application's pods, by the Ingress that somebody else wrote."""
    probe = {"port": target.check.port, "path": target.check.path, "status-codes": "200"}
    return check_by_hand(target, target.check, prefixed(f"{PREFIX}/health-probe-", probe))


def _reasons(request: ChainRequest) -> list[str]:
    unnamed = not request.hosts or any(host.startswith("*") for host in request.hosts)
    return [
        certificate_missing(request, ends_tls(request), "tls_secret or certificate"),
        "with TLS to the gateway it has to know every host by name (backend-hostname): list them without wildcards, or send plain HTTP"
        if request.gateway.tls and unnamed else "",
        "" if pod_port(request.gateway.status_port) or request.gateway.tls else NO_POD_PORT,
    ]


def front(request: ChainRequest) -> LoadBalancerSide:
    """Ingresses, and the rewrite rule that takes the ports out of X-Forwarded-For."""
    tls, named = request.gateway.tls, request.option("rewrite_rule_set")
    by_header = client_address(request).mode == "x_forwarded_for"
    rewrites = by_header and confirmed(request)
    plain = HealthCheck("http", pod_port(request.gateway.status_port))
    annotations = prefixed(f"{PREFIX}/", {
        "backend-protocol": "https" if tls else "http", "connection-draining": "true",
        "appgw-trusted-root-certificate": request.option("trusted_root") if tls else "",
        "appgw-ssl-certificate": request.option("certificate"), "ssl-redirect": "true" if request.https_redirect else "",
        "use-private-ip": "true" if private(request) else "",
        # With TLS the probe speaks it too, so the port of plain HTTP cannot be asked. A gateway's 404 says that it is there.
        "health-probe-port": "" if tls else plain.port, "health-probe-path": plain.path,
        "health-probe-status-codes": "200-499" if tls else "200",
        "rewrite-rule-set": named if rewrites else "",
        "rewrite-rule-set-custom-resource": request.name if rewrites and not named else "",
    })
    return LoadBalancerSide(
        bodies=(*([_rewrite(request)] if rewrites and not named else []), *_ingresses(request, annotations)),
        service=ServiceNeeds("ClusterIP"), check=HealthCheck("tcp", request.gateway.target_port, "") if tls else plain,
        steps=(CONFIRM,) if by_header and not rewrites else (),
    )


def preflight(snapshot: Snapshot, request: ChainRequest) -> tuple[Finding, ...]:
    """Ingresses of its own that have one of the hosts, and whether the cluster serves what the chain needs."""
    here = on_its_nodes(snapshot.all(kinds.NODE), SIGNS)
    served = (item for item in snapshot.all(kinds.INGRESS) if owns_ingress(SIGNS, here, item, request.classes))
    hosts = ((item, str(rule.get("host", ""))) for item in served for rule in dig(item, "spec", "rules", default=[]))
    why = "the Application Gateway is one for all Ingresses, and takes a path of a host from one of them"
    needed = client_address(request).mode == "x_forwarded_for" and not request.option("rewrite_rule_set")
    text = f"the cluster does not serve {REWRITE} (AGIC is older than 1.6?): name a rule set in platform_options.rewrite_rule_set"
    missing = (finding("MLB606", text),) if needed and not snapshot.serves(REWRITE) else ()
    return (*taken(request, hosts, why), *missing)


def _ingresses(request: ChainRequest, annotations: dict[str, str]) -> tuple[Obj, ...]:
    class_name, secret = class_for(request, USUAL_CLASS), str(request.option("tls_secret", ""))
    if not request.gateway.tls:
        return (ingress(request, class_name, annotations, tls_secret=secret),)
    # Host and server name are one annotation per Ingress, so that each host has one of its own.
    single = len(request.hosts) == 1
    return tuple(
        ingress(
            replace(request, name=request.name if single else f"{request.name}-{host}", hosts=(host,)), class_name,
            {**annotations, f"{PREFIX}/backend-hostname": host}, tls_secret=secret,
        )
        for host in request.hosts
    )


def _rewrite(request: ChainRequest) -> Obj:
    header = {"actionType": "set", "headerName": "X-Forwarded-For", "headerValue": "{var_add_x_forwarded_for_proxy}"}
    rule = {"name": "addresses-without-ports", "ruleSequence": 100, "actions": {"requestHeaderConfigurations": [header]}}
    kind, dummy, group = REWRITE.partition(".")
    return resource(f"{group}/v1beta1", kind, request.name, request.gateway.namespace, {"rewriteRules": [rule]})


CHAIN = declaring(
    chain_side(
        TITLE, FACTS, unless(_reasons, front), preflight=preflight, client_address=client_address, ends_tls=ends_tls,
    ),
    *made_for_chains(kinds.INGRESS, REWRITE),
)
