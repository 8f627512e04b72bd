# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Google's load balancers share: where their requests come from, how they treat TLS to a backend, and draining."""

from __future__ import annotations

import json
from typing import Any

from ..contract.chain import ChainRequest
from ..contract.facts import ChainOption
from ..kit.cloud.options import word

NODES = ("gce://",)
NEG = "cloud.google.com/neg"
SOURCES = "35.191.0.0/16,130.211.0.0/22"
"""Where Google's checks, and the requests of its global load balancers, come from."""

HOPS = 2
"""Google adds the client and then its own forwarding rule's address."""

DRAINING = 60
"""Seconds for requests under way on a pod that goes; Google's own default is none at all."""

INTERVAL, TIMEOUT = 5, 5

TLS_TO_GATEWAY = "HTTP2 or HTTPS, any certificate is accepted, no server name is sent"
NO_CLIENT_CERTIFICATE = (
    "send a client certificate: Google has that (backend mutual TLS), but not through objects of the cluster, and it would be no identity "
    "of the mesh (UNCONFIRMED whether a sidecar could be made to accept it)"
)
NO_NAME = "send a server name: that is a field of the backend service (tlsSettings.sni), which no object of the cluster sets"
BACKEND_PROTOCOL = ChainOption(
    "backend_protocol", "What it speaks with a gateway that ends TLS: HTTP2 (the default) or HTTPS, which is HTTP/1.1.", ("HTTP2", "HTTPS"),
)


def backend_protocol(request: ChainRequest) -> str:
    """What Google calls the protocol in which the gateway is spoken to."""
    return word(request, "backend_protocol", "HTTP2").upper() if request.gateway.tls else "HTTP"


def compact_json(value: dict[str, Any]) -> str:
    """An annotation's value as GKE writes it itself, so that what is there already is not taken for something else."""
    return json.dumps(value, separators=(",", ":"))
