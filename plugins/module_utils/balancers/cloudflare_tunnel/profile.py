# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloudflare Tunnel: clients' connections end at Cloudflare, and cloudflared, a program in the cluster, asks the gateway's Service.

Source: cloudflare/cloudflared d1df798, config/configuration.go and ingress/origin_proxy.go (server name, Host; it adds nothing to
X-Forwarded-For), and Cloudflare's reference page on request headers: Cloudflare appends the client to X-Forwarded-For and sends
CF-Connecting-IP. So what the gateway reads is the last entry, one hop, although its peer is the cloudflared pod.
UNCONFIRMED: that nothing of Cloudflare's follows that entry; the gateway would then take that for the client, never what a client wrote.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from ...core.findings import finding
from ...core.model import Finding
from ...istio.injection import sidecar_state
from ...kube import kinds
from ...kube.objects import Obj, containers_of, dig, namespace_of, pod_template, ref_of
from ...kube.pods import workload_pods
from ...kube.snapshot import Snapshot
from ..contract.chain import ChainFacts, ChainOption, ChainRequest, CheckTarget, HealthCheck, LoadBalancerSide, ServerName, ServiceNeeds
from ..kit.cloud.bodies import metadata
from ..kit.cloud.platform import refused
from ..kit.cloud.wanted import word
from ..legacy import Platform, Signs, recognise_container

SIGNS = Signs(commands=("cloudflared",), variables=(frozenset({"TUNNEL_TOKEN"}),), images=("cloudflare/cloudflared",))
FILE = "config.yaml"


class CloudflareTunnel(Platform):
    """A tunnel's rules: host by host, which Service cloudflared asks."""

    id = "cloudflare_tunnel"
    title = "Cloudflare Tunnel"
    placement = "external"
    controller_signs = SIGNS
    outside = ("clients' TLS ends at Cloudflare, outside the cluster, and a sidecar beside cloudflared is not supported: "
               "use chained mode (an Istio gateway behind it)")  # fmt: skip
    chain = ChainFacts(
        hops=1, forwarded_for="appended", server_name="host", ends_tls="always",
        tls_to_gateway="service https://, matchSNItoHost or originServerName, caPool",
        health="none: cloudflared asks the Service's address, so ready pods only",
        objects=("ConfigMap with the tunnel's rules",),
        cannot=("change rules of a tunnel that is managed in Cloudflare's dashboard", "be told from the cluster to redirect to HTTPS"),
    )
    chain_options = (
        ChainOption("tunnel", "Name or id of the tunnel, for the configuration file."),
        ChainOption("credentials_file", "Where the tunnel's credentials are in cloudflared's container."),
        ChainOption("config_map", "Name of the ConfigMap for the rules, where it is not the chain's name."),
        ChainOption("ca_pool", "File in cloudflared's container with the CA of the gateway's certificate; else any certificate is taken."),
        ChainOption("http2", "Whether to speak HTTP/2 to the gateway (with TLS).", ("true", "false")),
    )

    def server_name(self, request: ChainRequest) -> ServerName:
        return "settable" if request.gateway.server_name else "host"

    def chain_front(self, request: ChainRequest) -> LoadBalancerSide:
        refusal = refused([
            "it sends no PROXY header: use client_address.mode x_forwarded_for" if request.client == "proxy_protocol" else "",
            "connections come from the cloudflared pods: use client_address.mode x_forwarded_for"
            if request.client == "source_address" else "",
        ])
        if refusal is not None:
            return refusal
        config = {"tunnel": request.option("tunnel"), "credentials-file": request.option("credentials_file")}
        rules = [{**({"hostname": host} if host else {}), **_target(request)} for host in request.hosts or ("",)]
        # The last rule has to take what the others leave.
        rest: list[Obj] = [{"service": "http_status:404"}] if request.hosts else []
        # JSON is YAML too, and needs no library here.
        text = json.dumps({**{key: str(value) for key, value in config.items() if value}, "ingress": [*rules, *rest]}, indent=2) + "\n"
        name = str(request.option("config_map") or request.name)
        body = {
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(name, request.gateway.namespace), "data": {FILE: text},
        }
        steps = [
            f"Start cloudflared with --config on {FILE} of ConfigMap {request.gateway.namespace}/{name}, there or with a copy of it; "
            "a tunnel that is managed in Cloudflare's dashboard takes the same rules there.",
        ]
        if request.https_redirect:
            steps.append("Turn on Always Use HTTPS for the hosts at Cloudflare, so that the redirect needs no way through the tunnel.")
        if request.gateway.tls and not request.option("ca_pool"):
            steps.append("cloudflared does not verify the gateway's certificate (noTLSVerify) unless platform_options.ca_pool is given.")
        return LoadBalancerSide(bodies=(body,), check=HealthCheck("none"), service=ServiceNeeds(), steps=tuple(steps))

    def health_check(self, target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
        return LoadBalancerSide(refusal="cloudflared checks nothing: it asks the Service's address and tries again")

    def chain_preflight(self, snapshot: Snapshot, request: ChainRequest) -> tuple[Finding, ...]:
        if request.gateway.tls:
            return ()  # The sidecar does not look into TLS, and goes by the address.
        taken = {host for host in request.hosts if _in_the_mesh(snapshot, host)}
        carriers = [ref_of(workload) for workload in _programs(snapshot) if _has_sidecar(snapshot, workload)]
        return tuple(
            finding("MLB605", f"the sidecar of {ref} (cloudflared) would send Host {host} elsewhere, not to the gateway", ref)
            for ref in carriers for host in sorted(taken)
        )


def _target(request: ChainRequest) -> Obj:
    gateway = request.gateway
    scheme = "https" if gateway.tls else "http"
    rule: Obj = {"service": f"{scheme}://{gateway.service}.{gateway.namespace}.svc:{gateway.port}"}
    if gateway.tls:
        name: Obj = {"originServerName": gateway.server_name} if gateway.server_name else {"matchSNItoHost": True}
        pool = str(request.option("ca_pool", ""))
        http2 = {"http2Origin": True} if word(request, "http2") == "true" else {}
        rule["originRequest"] = {**name, **({"caPool": pool} if pool else {"noTLSVerify": True}), **http2}
    return rule


def _programs(snapshot: Snapshot) -> Iterator[Obj]:
    for kind in kinds.WORKLOADS:
        for workload in snapshot.all(kind):
            template = pod_template(workload)
            if any(recognise_container(SIGNS, container, template) for container in containers_of(template)):
                yield workload


def _has_sidecar(snapshot: Snapshot, workload: Obj) -> bool:
    return sidecar_state(snapshot, namespace_of(workload), pod_template(workload), workload_pods(snapshot, workload)).present


def _in_the_mesh(snapshot: Snapshot, host: str) -> bool:
    """Whether a VirtualService says where sidecars send this host."""
    return any(
        host in dig(item, "spec", "hosts", default=[]) and "mesh" in (dig(item, "spec", "gateways", default=[]) or ["mesh"])
        for item in snapshot.all(kinds.VIRTUAL_SERVICE)
    )
