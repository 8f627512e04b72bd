# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traefik in front of a gateway: backends of Ingresses and IngressRoutes become a Service that represents the gateway."""

from __future__ import annotations

from ...core.writes import Write
from ..contract.chain import ChainRequest
from ..contract.facts import Capability, ChainFacts, ChainOption, ProofLevel, ServerName
from ..kit.chain.answers import chain_side
from ..kit.chain.ingress import INGRESS_OPTIONS, IngressWay
from ..kit.chain.references import ReferenceWay, in_routes
from ..kit.writes import SERVICES_OF_ROUTES, declaring, http_routes, redirects
from .ingress import PREFIX
from .routes import READERS

FACTS = ChainFacts(
    hops=1, forwarded_for="replaced", server_name="settable", ends_tls="always", begins_with=True,
    tls_to_gateway="annotation service.serversscheme on the Service that stands for the gateway; the server name by a ServersTransport",
    objects=("Ingress or IngressRoute", "its backends, redirected to a Service that stands for the gateway"),
    standalone_mtls=Capability(True, "yes, with a sidecar"), cannot=("keep its affinity per pod of the backend",),
    options=(*INGRESS_OPTIONS, ChainOption(
        "servers_transport", "ServersTransport (namespace-name@kubernetescrd) for TLS to the gateway: server name and CA."
    )),
    proof=ProofLevel.LAB,
)  # fmt: skip


def alias_annotations(request: ChainRequest) -> dict[str, str]:
    """TLS to the gateway is a setting of the Service that represents it."""
    transport = request.option("servers_transport")
    if not request.gateway.tls:
        return {}
    return {f"{PREFIX}service.serversscheme": "https", **({f"{PREFIX}service.serverstransport": str(transport)} if transport else {})}


def server_name(request: ChainRequest) -> ServerName:
    """Only with a ServersTransport it sends one."""
    return "settable" if request.option("servers_transport") else "never"


# ExternalName Services are off by default (allowExternalNameServices).
WAY = IngressWay("never", alias_annotations=alias_annotations)
REDIRECT = ReferenceWay(READERS, WAY, {"IngressRoute": (in_routes, "name")}).redirect
WRITES = redirects(http_routes(), Write("IngressRoute.traefik.io", SERVICES_OF_ROUTES, why="leads requests to the gateway"))
CHAIN = declaring(chain_side("Traefik", FACTS, WAY.front, REDIRECT, server_name=server_name), *WRITES)
