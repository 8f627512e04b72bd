# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kong in front of a gateway."""

from __future__ import annotations

from ..contract.chain import Capability, ChainFacts, ChainOption, ChainRequest
from ..kit.chain.answers import chain_side
from ..kit.chain.ingress import IngressWay
from ..kit.chain.references import ReferenceWay
from .routes import READERS

FACTS = ChainFacts(
    hops=1, forwarded_for="appended", server_name="never", ends_tls="always", begins_with=True,
    tls_to_gateway="annotation konghq.com/protocol: https on the Service that stands for the gateway",
    objects=("Ingress", "its path's backend, redirected to a Service that stands for the gateway"),
    standalone_mtls=Capability(True, "yes, with a sidecar"), cannot=("be relied on to send a server name to the gateway",),
    options=(
        ChainOption("class_name", "Name of the IngressClass for new Ingresses, where it is not the one that was found."),
        ChainOption("tls_secret", "Secret with the certificate for clients, in the gateway's namespace, for new Ingresses."),
    ),
)


def alias_annotations(request: ChainRequest) -> dict[str, str]:
    """TLS to the gateway is a setting of the Service that represents it."""
    return {"konghq.com/protocol": "https"} if request.gateway.tls else {}


WAY = IngressWay(alias_annotations=alias_annotations)
CHAIN = chain_side("Kong", FACTS, WAY.front, ReferenceWay(READERS, WAY).redirect)
