# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What chained mode writes on the gateway's side; each load balancer declares its own side."""

from __future__ import annotations

from typing import Any

from ...balancers.kit.gateway.names import HTTP_ROUTE
from ...balancers.kit.writes import of_a_chain
from ...core.writes import Field, Write
from ...kube import kinds
from .client import ANNOTATION
from .target import ISTIO_GATEWAY, KUBERNETES_GATEWAY

_TYPES = ("ClusterIP", "NodePort", "LoadBalancer")
_KEY = ANNOTATION.replace("/", "~1")


def _narrower(value: Any, was: Any) -> bool:
    """A Service is only ever made reachable from farther away, so taking that back never opens one."""
    return value in _TYPES and was in _TYPES and _TYPES.index(was) < _TYPES.index(value)


_MADE = (kinds.VIRTUAL_SERVICE, ISTIO_GATEWAY, HTTP_ROUTE, kinds.CONFIG_MAP)
WRITES = (
    *(Write(kind, named=of_a_chain, place="gateway", why="the gateway and its routing") for kind in _MADE),
    Write(KUBERNETES_GATEWAY, (Field(f"/metadata/annotations/{_KEY}"), Field(f"/spec/infrastructure/annotations/{_KEY}")), of_a_chain,
          "gateway", "the gateway, and what its pods are told of the load balancer"),
    *(Write(kind, (Field(f"/spec/template/metadata/annotations/{_KEY}"),), place="gateway",
            why="what the gateway's pods are told of the load balancer") for kind in kinds.WORKLOADS),
    Write(kinds.SERVICE, (Field("/spec/type", _narrower), Field("/spec/ports/*/appProtocol")), place="gateway",
          why="what the gateway's Service tells the load balancer"),
    *(Write(f"{kind}.gateway.networking.k8s.io", named=of_a_chain, why="routes of the gateway beside their backends")
      for kind in ("HTTPRoute", "ReferenceGrant")),
)  # fmt: skip
