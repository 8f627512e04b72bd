# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ingress-nginx in front of a gateway: new Ingresses, and Ingresses that are redirected without losing a request.

Source: kubernetes/ingress-nginx docs/user-guide/nginx-configuration/annotations.md, internal/ingress/annotations/proxyssl/main.go,
internal/ingress/controller/controller.go, rootfs/etc/nginx/lua/balancer.lua. nginx is reloaded first and told the endpoints of a new
upstream after that, so that a location that names an upstream for the first time answers 503 for a moment: a holder names both upstreams.
It looks for changes every 3.3 seconds at most (--sync-rate-limit), so a gateway that goes 3 seconds after the switch goes too early.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from ...core.model import LoadBalancer, Route, replace
from ...kube.snapshot import Snapshot
from ..contract.chain import ChainRequest
from ..contract.facts import ChainOption, ProofLevel, ServerName
from ..contract.switches import PatchSet
from ..kit.annotations import AnnotationKeys
from ..kit.chain.answers import chain_side
from ..kit.chain.ingress import INGRESS_FACTS, INGRESS_OPTIONS, IngressWay
from ..kit.chain.upstream_holders import with_ingress_holder
from ..kit.patches import object_of
from ..kit.settings import settings_of
from ..kit.writes import declaring, redirects
from .settings import USUAL_KEYS, Settings

SECRET = "proxy_ssl_secret"
OPTIONS = (
    *INGRESS_OPTIONS,
    ChainOption(SECRET, "Secret (namespace/name) with the client certificate and CA for the gateway; needed to send a server name."),
    ChainOption("verify", "Whether the gateway's certificate is verified against that Secret's CA.", ("true", "false")),
)
FACTS = replace(
    INGRESS_FACTS, forwarded_for="replaced", server_name="settable", redirects=True, minimum="1.0", options=OPTIONS, proof=ProofLevel.LAB,
    tls_to_gateway="annotation backend-protocol: HTTPS; a server name only with proxy-ssl-secret and proxy-ssl-name",
    cannot=("keep its affinity, hashing or retries per pod of the backend",),
)


def chain_annotations(keys: AnnotationKeys, request: ChainRequest) -> dict[str, str]:
    """Annotations of an Ingress for TLS to the gateway, and for redirects to HTTPS."""
    secret, name = str(request.option(SECRET, "")), request.gateway.server_name
    needed = {}
    if request.gateway.tls:
        needed["backend-protocol"] = "HTTPS"
        if secret:
            needed["proxy-ssl-secret"] = secret
            needed["proxy-ssl-verify"] = "on" if str(request.option("verify", "false")).lower() == "true" else "off"
        if secret and name:
            needed |= {"proxy-ssl-server-name": "on", "proxy-ssl-name": name}
    if request.https_redirect:
        needed["force-ssl-redirect"] = "true"
    return {keys.name(key): value for key, value in needed.items()}


def redirect(snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route], request: ChainRequest) -> PatchSet:
    """Redirect the routes of one Ingress."""
    listed, settings = list(routes), settings_of(load_balancer, Settings)
    way = IngressWay("also" if settings.external_names else "never", partial(chain_annotations, settings.keys))
    answer = way.redirect(snapshot, load_balancer, listed, request)
    return with_ingress_holder(answer, object_of(snapshot, listed[0]) if listed else {}, listed, request)


def server_name(request: ChainRequest) -> ServerName:
    """A server name takes a client certificate."""
    return "settable" if request.option(SECRET) and request.gateway.server_name else "never"


FRONT = IngressWay(tls_annotations=partial(chain_annotations, USUAL_KEYS)).front
ANNOTATIONS = (
    "backend-protocol", "proxy-ssl-secret", "proxy-ssl-verify", "proxy-ssl-server-name", "proxy-ssl-name", "force-ssl-redirect",
)
WRITES = redirects(annotations=tuple(f"*/{key}" for key in ANNOTATIONS))
CHAIN = declaring(chain_side("ingress-nginx", FACTS, FRONT, redirect, server_name=server_name), *WRITES)
