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

from ...core.findings import finding
from ...core.model import Finding
from ...core.writes import Write
from ...istio.injection import sidecar_state
from ...kube import kinds
from ...kube.objects import Obj, dig, namespace_of, pod_template, ref_of
from ...kube.pods import workload_pods
from ...kube.snapshot import Snapshot
from ..contract.chain import ChainRequest, CheckTarget, HealthCheck, HealthChecker, LoadBalancerSide
from ..contract.facts import About, ChainFacts, ChainOption, ServerName
from ..contract.recognition import Recogniser, Signs
from ..kit.chain.answers import chain_side, unless
from ..kit.cloud.bodies import metadata
from ..kit.cloud.options import given, is_word
from ..kit.cloud.platform import platform
from ..kit.cloud.signs import PlatformSigns
from ..kit.recognition import by_signs
from ..kit.writes import declaring, named_by_its_user, of_a_chain

TITLE = "Cloudflare Tunnel"
OUTSIDE = (
    "clients' TLS ends at Cloudflare, outside the cluster, and a sidecar beside cloudflared is not supported: "
    "use chained mode (an Istio gateway behind it)"
)
SIGNS = Signs(commands=("cloudflared",), variables=(frozenset({"TUNNEL_TOKEN"}),), images=("cloudflare/cloudflared",))
FILE = "config.yaml"
FACTS = ChainFacts(
    hops=1, forwarded_for="appended", server_name="host", ends_tls="always",
    tls_to_gateway="service https://, matchSNItoHost or originServerName, caPool",
    health="none: cloudflared asks the Service's address, so ready pods only",
    objects=("ConfigMap with the tunnel's rules",),
    cannot=("change rules of a tunnel that is managed in Cloudflare's dashboard", "be told from the cluster to redirect to HTTPS"),
    options=(
        ChainOption("tunnel", "Name or id of the tunnel, for the configuration file."),
        ChainOption("credentials_file", "Where the tunnel's credentials are in cloudflared's container."),
        ChainOption("config_map", "Name of the ConfigMap for the rules, where it is not the chain's name."),
        ChainOption("ca_pool", "File in cloudflared's container with the CA of the gateway's certificate; else any certificate is taken."),
        ChainOption("http2", "Whether to speak HTTP/2 to the gateway (with TLS).", ("true", "false")),
    ),
)
http2 = is_word("http2", "true", "")


def server_name(request: ChainRequest) -> ServerName:
    """One name for all hosts is only sent where the gateway asks for it."""
    return "settable" if request.gateway.server_name else "host"


def check(target: CheckTarget, request: ChainRequest) -> LoadBalancerSide:
    """There is nothing that checks."""
    return LoadBalancerSide(refusal="cloudflared checks nothing: it asks the Service's address and tries again")


def _reasons(request: ChainRequest) -> list[str]:
    return [
        "it sends no PROXY header: use client_address.mode x_forwarded_for" if request.client == "proxy_protocol" else "",
        "connections come from the cloudflared pods: use client_address.mode x_forwarded_for"
        if request.client == "source_address" else "",
    ]


def front(request: ChainRequest) -> LoadBalancerSide:
    """A tunnel's rules: host by host, which Service cloudflared asks."""
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
    return LoadBalancerSide(bodies=(body,), check=HealthCheck("none"), steps=tuple(steps))


def preflight(snapshot: Snapshot, request: ChainRequest) -> tuple[Finding, ...]:
    """Sidecars beside cloudflared that would send a host elsewhere; they do not look into TLS, and go by the address then."""
    in_mesh = {
        host for item in snapshot.all(kinds.VIRTUAL_SERVICE) for host in dig(item, "spec", "hosts", default=[])
        if "mesh" in (dig(item, "spec", "gateways", default=[]) or ["mesh"])
    }
    hosts = [] if request.gateway.tls else sorted(set(request.hosts) & in_mesh)
    programs = [item for kind in kinds.WORKLOADS for item in snapshot.all(kind) if by_signs(SIGNS, item)] if hosts else []
    return tuple(
        finding("MLB605", f"the sidecar of {ref_of(item)} (cloudflared) would send Host {host} elsewhere, not to the gateway", ref_of(item))
        for item in programs for host in hosts
        if sidecar_state(snapshot, namespace_of(item), pod_template(item), workload_pods(snapshot, item)).present
    )


def _target(request: ChainRequest) -> Obj:
    gateway = request.gateway
    scheme, pool = "https" if gateway.tls else "http", str(request.option("ca_pool", ""))
    rule: Obj = {"service": f"{scheme}://{gateway.service}.{gateway.namespace}.svc:{gateway.port}"}
    if gateway.tls:
        name: Obj = {"originServerName": gateway.server_name} if gateway.server_name else {"matchSNItoHost": True}
        rule["originRequest"] = {**name, **({"caPool": pool} if pool else {"noTLSVerify": True}), **given(http2Origin=http2(request))}
    return rule


WRITES = (Write(
    kinds.CONFIG_MAP, named=lambda obj: of_a_chain(obj) or named_by_its_user(obj), place="gateway", why="the tunnel's rules",
),)
PROFILE = platform(
    About("cloudflare_tunnel", TITLE, placement="external", outside=OUTSIDE), PlatformSigns(),
    declaring(chain_side(TITLE, FACTS, unless(_reasons, front), preflight=preflight, server_name=server_name), *WRITES),
    HealthChecker(check),
    recogniser=Recogniser(controller=SIGNS),
)
