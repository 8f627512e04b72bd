# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of the Gateway API."""

from __future__ import annotations

from ....kube import kinds

GROUP = "gateway.networking.k8s.io"
GATEWAY_CLASS = f"GatewayClass.{GROUP}"
GATEWAY = f"Gateway.{GROUP}"
LISTENER_SET = f"ListenerSet.{GROUP}"
X_LISTENER_SET = "XListenerSet.gateway.networking.x-k8s.io"
HTTP_ROUTE = kinds.HTTP_ROUTE
GRPC_ROUTE = kinds.GRPC_ROUTE
TCP_ROUTE = kinds.TCP_ROUTE
TLS_ROUTE = kinds.TLS_ROUTE
UDP_ROUTE = f"UDPRoute.{GROUP}"
REFERENCE_GRANT = f"ReferenceGrant.{GROUP}"
BACKEND_TLS_POLICY = f"BackendTLSPolicy.{GROUP}"
ROUTE_KINDS = (HTTP_ROUTE, GRPC_ROUTE, TCP_ROUTE, TLS_ROUTE, UDP_ROUTE)
KINDS = (GATEWAY_CLASS, GATEWAY, LISTENER_SET, X_LISTENER_SET, *ROUTE_KINDS, REFERENCE_GRANT, BACKEND_TLS_POLICY)
"""What a profile that reads Gateway API routes names in its ``kinds``."""
WITHOUT_HOSTS = frozenset({"TCPRoute", "UDPRoute"})
