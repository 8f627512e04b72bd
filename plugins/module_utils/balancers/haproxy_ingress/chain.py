# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy Ingress in front of a gateway."""

from __future__ import annotations

from ...core.model import replace
from ..contract.chain import ChainRequest
from ..contract.facts import ProofLevel, ServerName
from ..kit.chain.answers import chain_side
from ..kit.chain.ingress import INGRESS_FACTS, IngressWay
from ..kit.chain.references import ReferenceWay
from ..kit.writes import declaring, http_routes, redirects
from .routes import READERS

FACTS = replace(
    INGRESS_FACTS, forwarded_for="replaced", server_name="settable", proof=ProofLevel.LAB,
    tls_to_gateway="annotation secure-backends on the Ingress, the server name by secure-sni (0.11)",
    cannot=("keep its balancing per pod of the backend",),
)
_GROUP = "haproxy-ingress.github.io"


def tls_annotations(request: ChainRequest) -> dict[str, str]:
    """TLS to the gateway, and the server name that it wants."""
    if not request.gateway.tls:
        return {}
    name = request.gateway.server_name
    return {f"{_GROUP}/secure-backends": "true", **({f"{_GROUP}/secure-sni": name} if name else {})}


def server_name(request: ChainRequest) -> ServerName:
    """The name that is set, if one is."""
    return "settable" if request.gateway.server_name else "never"


# Up to 0.14 it reads Endpoints unless told otherwise, and looks names up when it writes its configuration.
WAY = IngressWay("rather", tls_annotations)
WRITES = redirects(http_routes(), annotations=(f"{_GROUP}/secure-backends", f"{_GROUP}/secure-sni"))
CHAIN = declaring(chain_side("HAProxy Ingress", FACTS, WAY.front, ReferenceWay(READERS, WAY).redirect, server_name=server_name), *WRITES)
