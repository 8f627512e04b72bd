# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure Application Gateway, as its ingress controller (AGIC) sets it up from Ingresses.

Source: Azure/application-gateway-kubernetes-ingress f42103d, docs/annotations.md, docs/features/rewrite-rule-set-custom-resource.md,
pkg/appgw/health_probes.go (a probe speaks the backend's protocol, whatever its port), pkg/appgw/backendhttpsettings.go (a trusted root
needs a host name, which becomes Host and server name), pkg/k8scontext/context.go (which Ingresses are its own).
X-Forwarded-For with ports, and the variable without them: learn.microsoft.com, application-gateway/rewrite-http-headers-url.
"""

from __future__ import annotations

from dataclasses import replace

from ...core.findings import finding
from ...core.model import Finding, Scheme
from ...kube import kinds
from ...kube.objects import Obj, annotations_of, dig
from ...kube.snapshot import Snapshot
from ..contract.chain import (
    Capability,
    ChainFacts,
    ChainOption,
    ChainRequest,
    CheckTarget,
    ClientAddress,
    HealthCheck,
    LoadBalancerSide,
    ServiceNeeds,
)
from ..contract.facts import Proof
from ..kit.cloud.bodies import ingress, metadata
from ..kit.cloud.platform import pod_port, refused
from ..kit.cloud.signs import PlatformSigns, owns_ingress
from ..kit.cloud.wanted import NO_POD_PORT, certificate_missing, given, taken, word
from ..legacy import Platform

PREFIX = "appgw.ingress.kubernetes.io"
CONTROLLER, USUAL_CLASS = "azure/application-gateway", "azure-application-gateway"
REWRITE = "AzureApplicationGatewayRewrite.appgw.ingress.azure.io"
CONFIRM = (
    "Confirm with platform_options.forwarded_for_rewritten: true that the Application Gateway is of a v2 SKU and the controller is 1.6 or "
    "newer: the chain then takes the ports out of X-Forwarded-For by an AzureApplicationGatewayRewrite, or by the rule set that "
    "platform_options.rewrite_rule_set names."
)
CERTIFICATES = "tls_secret or certificate"


class AzureAgic(Platform):
    """Pods are its pool. What it speaks with them, and how it checks them, are annotations of the Ingress."""

    id = "azure_agic"
    title = "Azure Application Gateway (AGIC)"
    also_called = ("agic",)
    class_controllers = (CONTROLLER,)
    signs_outside = PlatformSigns(
        nodes=("azure://",), class_annotations=(CONTROLLER,), ingress_annotations=(f"{PREFIX}/*",),
        kinds=("AzureIngressProhibitedTarget.appgw.ingress.k8s.io",),
    )
    chain = ChainFacts(
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
        proof=Proof.SCHEMA,
    )
    certificate_options = ("tls_secret", "certificate")
    chain_options = (
        ChainOption("class_name", "Name of the IngressClass, where it is not the one that was found."),
        ChainOption("forwarded_for_rewritten", "Set to true to have the ports taken out of X-Forwarded-For (v2 SKU, AGIC 1.6 or newer)."),
        ChainOption("rewrite_rule_set", "A rule set of the Application Gateway that does so already, instead of a new one."),
        ChainOption("tls_secret", "Secret in the gateway's namespace with the certificate for HTTPS."),
        ChainOption("certificate", "Name of a certificate that is on the Application Gateway already."),
        ChainOption("trusted_root", "Root certificates on it for the gateway's certificate, by name, with commas; none for a public CA."),
        ChainOption("private", "Whether it is reached by its private address.", ("true", "false")),
    )
    chain_kinds = (REWRITE,)

    def scheme_of(self, snapshot: Snapshot, route: Obj) -> Scheme:
        return "tls" if annotations_of(route).get(f"{PREFIX}/backend-protocol") == "https" else "http"

    def client_address(self, request: ChainRequest) -> ClientAddress:
        found = super().client_address(request)
        if found.mode != "x_forwarded_for":
            return found
        return replace(found, why=f"{self.title} adds the client with a port, and a rewrite rule takes the port away again; {found.why}")

    def chain_front(self, request: ChainRequest) -> LoadBalancerSide:
        check = self._check(CheckTarget(request.gateway.namespace, request.gateway.service, HealthCheck(
            "http", pod_port(request.gateway.status_port))), request)  # fmt: skip
        unnamed = not request.hosts or any(host.startswith("*") for host in request.hosts)
        refusal = refused([
            certificate_missing(request, self.ends_tls(request), CERTIFICATES),
            "with TLS to the gateway it has to know every host by name (backend-hostname): list them without wildcards, or send plain HTTP"
            if request.gateway.tls and unnamed else "",
            "" if check or request.gateway.tls else NO_POD_PORT,
        ])
        if refusal is not None:
            return refusal
        rewritten = self.client_address(request).mode == "x_forwarded_for"
        confirmed = word(request, "forwarded_for_rewritten") == "true"
        rewrite = _rewrite(request) if rewritten and confirmed else ()
        annotations = {**_common(request), **check, **_rule_set(request, rewritten=rewritten and confirmed)}
        return LoadBalancerSide(
            bodies=(*rewrite, *self._ingresses(request, annotations)), service=ServiceNeeds("ClusterIP"),
            check=HealthCheck("tcp", request.gateway.target_port, "") if request.gateway.tls else HealthCheck(
                "http", pod_port(request.gateway.status_port)),
            steps=(CONFIRM,) if rewritten and not confirmed else (),
        )  # fmt: skip

    def health_check(self, target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
        port = pod_port(target.check.port)
        if not port:
            return LoadBalancerSide(refusal=NO_POD_PORT)
        wanted = {"health-probe-port": str(port), "health-probe-path": target.check.path, "health-probe-status-codes": "200"}
        text = ", ".join(f"{PREFIX}/{key}: {value!r}" for key, value in wanted.items())
        step = f"Set on the Ingress that leads to {target.namespace}/{target.service}: {text}."
        return LoadBalancerSide(check=HealthCheck("http", port, target.check.path), steps=(step,))

    def chain_preflight(self, snapshot: Snapshot, request: ChainRequest) -> tuple[Finding, ...]:
        own = [item for item in snapshot.all(kinds.INGRESS) if owns_ingress(snapshot, self.signs_outside, item, request.classes)]
        hosts = ((item, str(rule.get("host", ""))) for item in own for rule in dig(item, "spec", "rules", default=[]))
        found = list(taken(request, hosts, "the Application Gateway is one for all Ingresses, and takes a path of a host from one of them"))
        needed = self.client_address(request).mode == "x_forwarded_for" and not request.option("rewrite_rule_set")
        if needed and not snapshot.serves(REWRITE):
            text = f"the cluster does not serve {REWRITE} (AGIC is older than 1.6?): name a rule set in platform_options.rewrite_rule_set"
            found.append(finding("MLB606", text))
        return tuple(found)

    def _check(self, target: CheckTarget, request: ChainRequest) -> dict[str, str]:
        if request.gateway.tls:
            # The probe speaks TLS then, so the port of plain HTTP cannot be asked. A gateway's 404 says that it is there.
            return {"health-probe-path": target.check.path, "health-probe-status-codes": "200-499"}
        if not target.check.port:
            return {}
        return {
            "health-probe-port": str(target.check.port), "health-probe-path": target.check.path, "health-probe-status-codes": "200",
        }

    def _ingresses(self, request: ChainRequest, annotations: dict[str, str]) -> tuple[Obj, ...]:
        class_name, secret = self.class_for(request, USUAL_CLASS), str(request.option("tls_secret", ""))
        notes = {f"{PREFIX}/{key}": value for key, value in annotations.items()}
        if not request.gateway.tls:
            return (ingress(request, class_name, notes, tls_secret=secret),)
        # Host and server name are one annotation per Ingress, so that each host has one of its own.
        single = len(request.hosts) == 1
        return tuple(
            ingress(
                replace(request, name=request.name if single else f"{request.name}-{host}", hosts=(host,)), class_name,
                {**notes, f"{PREFIX}/backend-hostname": host}, tls_secret=secret,
            )
            for host in request.hosts
        )


def _common(request: ChainRequest) -> dict[str, str]:
    wanted = given(**{
        "backend-protocol": "https" if request.gateway.tls else "http", "connection-draining": "true",
        "appgw-trusted-root-certificate": request.option("trusted_root") if request.gateway.tls else "",
        "appgw-ssl-certificate": request.option("certificate"), "ssl-redirect": "true" if request.https_redirect else "",
        "use-private-ip": "true" if word(request, "private") == "true" else "",
    })
    return {key: str(value) for key, value in wanted.items()}


def _rule_set(request: ChainRequest, *, rewritten: bool) -> dict[str, str]:
    if not rewritten:
        return {}
    named = request.option("rewrite_rule_set")
    return {"rewrite-rule-set": str(named)} if named else {"rewrite-rule-set-custom-resource": request.name}


def _rewrite(request: ChainRequest) -> tuple[Obj, ...]:
    if request.option("rewrite_rule_set"):
        return ()
    header = {"actionType": "set", "headerName": "X-Forwarded-For", "headerValue": "{var_add_x_forwarded_for_proxy}"}
    rule = {"name": "addresses-without-ports", "ruleSequence": 100, "actions": {"requestHeaderConfigurations": [header]}}
    return ({
        "apiVersion": "appgw.ingress.azure.io/v1beta1", "kind": "AzureApplicationGatewayRewrite",
        "metadata": metadata(request.name, request.gateway.namespace), "spec": {"rewriteRules": [rule]},
    },)
