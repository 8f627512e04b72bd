# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""F5's NGINX Ingress Controller in front of a gateway."""

from __future__ import annotations

from collections.abc import Iterable

from ...core.model import LoadBalancer, Route, replace
from ...core.writes import Field, Write
from ...kube.objects import ref_of
from ...kube.snapshot import Snapshot
from ..contract.chain import ChainRequest
from ..contract.facts import ProofLevel
from ..contract.switches import FieldPatch, PatchSet
from ..kit.chain.answers import chain_side
from ..kit.chain.ingress import INGRESS_FACTS, IngressWay, alias_name
from ..kit.chain.references import ReferenceWay, in_upstreams
from ..kit.writes import declaring, redirects
from .routes import READERS, VIRTUAL_SERVER, VIRTUAL_SERVER_ROUTE

TITLE = "NGINX Ingress Controller (F5)"
FACTS = replace(
    INGRESS_FACTS, objects=("Ingress or VirtualServer", "its backends, redirected to a Service that stands for the gateway"),
    tls_to_gateway="annotation nginx.org/ssl-services on the Ingress, tls.enable of a VirtualServer's upstreams",
    cannot=("be relied on to send a server name to the gateway",), proof=ProofLevel.SCHEMA,
)


def tls_annotations(request: ChainRequest) -> dict[str, str]:
    """An Ingress lists the Services that are spoken to by TLS."""
    return {"nginx.org/ssl-services": alias_name(request.gateway)} if request.gateway.tls else {}


# ExternalName Services need a resolver, which only NGINX Plus has.
INGRESSES = IngressWay("never", tls_annotations)
WAY = ReferenceWay(READERS, INGRESSES, {kind: (in_upstreams, "service") for kind in ("VirtualServer", "VirtualServerRoute")})


def redirect(snapshot: Snapshot, load_balancer: LoadBalancer, routes: Iterable[Route], request: ChainRequest) -> PatchSet:
    """Redirect the routes of one object; of a VirtualServer every upstream says for itself whether it is spoken to by TLS."""
    answer = WAY.redirect(snapshot, load_balancer, routes, request)
    if not request.gateway.tls:
        return answer
    upstreams = {(ref_of(patch.object), patch.path[:-1]): patch for patch in answer.patches if patch.path[:2] == ("spec", "upstreams")}
    encrypted = (FieldPatch(patch.object, (*patch.path[:-1], "tls", "enable"), True) for patch in upstreams.values())
    return replace(answer, patches=(*answer.patches, *encrypted))


_UPSTREAMS = (Field("/spec/upstreams/*/service"), Field("/spec/upstreams/*/port"), Field("/spec/upstreams/*/tls/enable"))
WRITES = redirects(
    *(Write(kind, _UPSTREAMS, why="leads requests to the gateway") for kind in (VIRTUAL_SERVER, VIRTUAL_SERVER_ROUTE)),
    annotations=("nginx.org/ssl-services",),
)
CHAIN = declaring(chain_side(TITLE, FACTS, INGRESSES.front, redirect), *WRITES)
