# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy Technologies' controller in front of a gateway."""

from __future__ import annotations

from ...core.model import replace
from ..kit.chain.answers import chain_side
from ..kit.chain.ingress import INGRESS_FACTS, IngressWay, for_tls
from ..kit.chain.references import ReferenceWay
from ..kit.writes import declaring, redirects
from .routes import READERS

TITLE = "HAProxy Kubernetes Ingress Controller (HAProxy Technologies)"
FACTS = replace(
    INGRESS_FACTS,
    tls_to_gateway="annotation haproxy.org/server-ssl on the Service that stands for the gateway",
    cannot=("send a server name to the gateway",),
)
WAY = IngressWay(alias_annotations=for_tls({"haproxy.org/server-ssl": "true"}))
CHAIN = declaring(chain_side(TITLE, FACTS, WAY.front, ReferenceWay(READERS, WAY).redirect), *redirects())
