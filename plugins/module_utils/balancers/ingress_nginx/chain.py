# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ingress-nginx in front of a gateway: new Ingresses, and Ingresses that are led there without losing a request.

Source: kubernetes/ingress-nginx docs/user-guide/nginx-configuration/annotations.md, internal/ingress/annotations/proxyssl/main.go,
internal/ingress/controller/controller.go, rootfs/etc/nginx/lua/balancer.lua. nginx is reloaded first and told the endpoints of a new
upstream after that, so that a location that names an upstream for the first time answers 503 for a moment: a holder names both upstreams.
It looks for changes every 3.3 seconds at most (--sync-rate-limit), so a gateway that goes 3 seconds after the switch goes too early.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...core.model import LoadBalancer, Route
from ...kube import kinds
from ...kube.snapshot import Snapshot
from ..contract.chain import Capability, ChainFacts, ChainOption, ChainRequest, LoadBalancerSide
from ..contract.facts import Proof
from ..contract.switches import PatchSet
from ..kit.chain.ingress import new_ingress, redirected, with_annotations
from ..kit.chain.upstream_holders import with_ingress_holder

SECRET = "proxy_ssl_secret"

FACTS = ChainFacts(
    hops=1, forwarded_for="replaced", server_name="settable", ends_tls="always", redirects=True,
    tls_to_gateway="annotation backend-protocol: HTTPS; a server name only with proxy-ssl-secret and proxy-ssl-name",
    objects=("Ingress", "its path's backend, redirected to a Service that stands for the gateway"),
    standalone_mtls=Capability(True, "yes, with a sidecar"), minimum="1.0",
    cannot=("keep its affinity, hashing or retries per pod of the backend",), proof=Proof.LAB,
)
OPTIONS = (
    ChainOption("class_name", "Name of the IngressClass for new Ingresses, where it is not the one that was found."),
    ChainOption("tls_secret", "Secret with the certificate for clients, in the gateway's namespace, for new Ingresses."),
    ChainOption(SECRET, "Secret (namespace/name) with the client certificate and CA for the gateway; needed to send a server name."),
    ChainOption("verify", "Whether the gateway's certificate is verified against that Secret's CA.", ("true", "false")),
)


def annotations_for(request: ChainRequest) -> dict[str, str]:
    """Annotations, without their prefix, for TLS to the gateway."""
    if not request.gateway.tls:
        return {}
    secret, name = str(request.option(SECRET, "")), request.gateway.server_name
    found = {"backend-protocol": "HTTPS"}
    if secret:
        found["proxy-ssl-secret"] = secret
        found["proxy-ssl-verify"] = "on" if str(request.option("verify", "false")).lower() == "true" else "off"
    if secret and name:
        found |= {"proxy-ssl-server-name": "on", "proxy-ssl-name": name}
    return found


def front(request: ChainRequest, prefix: str) -> LoadBalancerSide:
    """A new Ingress with what its connection to the gateway needs."""
    wanted = annotations_for(request)
    if request.https_redirect:
        wanted["force-ssl-redirect"] = "true"
    return new_ingress(request, {f"{prefix}/{key}": value for key, value in wanted.items()})


def switch(snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route], request: ChainRequest) -> PatchSet:
    """Lead the routes of one Ingress to the gateway."""
    wanted = list(routes)
    found = redirected(snapshot, wanted, request, "never" if load_balancer.setting("no_external_names") else "also")
    if found.refusal or not wanted:
        return found
    ref = wanted[0].object
    ingress = snapshot.get(kinds.INGRESS, ref.namespace, ref.name) or {}
    prefix = load_balancer.setting("prefix")
    needed = {**annotations_for(request), **({"force-ssl-redirect": "true"} if request.https_redirect else {})}
    answer = with_annotations(found, ingress, wanted, {f"{prefix}/{key}": value for key, value in needed.items()})
    return with_ingress_holder(answer, snapshot, wanted, request)
