# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a chain: the twin of ``module_utils/runs/chained_arguments.py``."""

from __future__ import annotations


class ModuleDocFragment:
    """The gateway, and how it learns the client's address."""

    DOCUMENTATION = r"""
options:
  gateway:
    description:
      - The Istio gateway.
      - With O(gateway.api=istio) its pods and its Service must exist; the role P(meshlb.istio.istio_chained#role) can install them. Where a
        Gateway of that name exists that this module did not make, it is used as it is; else one is made.
      - With O(gateway.api=gateway_api) an existing Gateway is used, or with O(gateway.create) one is made, which Istio then deploys.
    type: dict
    suboptions:
      name:
        description: Name of the Gateway object.
        type: str
        default: meshlb
      namespace:
        description: Its namespace.
        type: str
        default: istio-ingress
      api:
        description: Whether the gateway's side is written in Istio's own API or in the Kubernetes Gateway API.
        type: str
        choices: [istio, gateway_api]
        default: istio
      create:
        description: Make the Gateway where it does not exist. Only for O(gateway.api=gateway_api).
        type: bool
        default: false
      class:
        description: GatewayClass of a Gateway that is made.
        type: str
        default: istio
      selector:
        description:
          - Labels of the gateway's pods, for a Gateway of Istio's API that is made.
          - By default the selector of its Service.
        type: dict
      service:
        description:
          - The gateway's Service, as V(name) or V(namespace/name).
          - By default the one in the namespace that has a status port (O(gateway.api=istio)), or that Istio makes for the Gateway.
        type: str
      port:
        description: Port of that Service that the load balancer sends to. By default V(80), or V(443) with TLS.
        type: int
      tls:
        description: TLS between the load balancer and the gateway.
        type: dict
        suboptions:
          mode:
            description: V(none) for plain HTTP, V(simple) for TLS that ends at the gateway.
            type: str
            choices: [none, simple]
            default: none
          credential_name:
            description:
              - Secret with the certificate, in the namespace of the gateway's pods. It is not read.
              - Needed for a Gateway that is made.
            type: str
          host:
            description: Server name (SNI) that the load balancer is to send. Refused where it cannot.
            type: str
  client_address:
    description: How the gateway learns the client's address.
    type: dict
    suboptions:
      mode:
        description:
          - V(auto) is the best that the load balancer can do; the result explains it.
          - V(x_forwarded_for) counts entries of that header from the right, so that what a client forges is never taken.
          - V(proxy_protocol) reads the PROXY header, V(source_address) the connection's own address.
          - V(none) leaves the gateway as it is.
        type: str
        choices: [auto, x_forwarded_for, proxy_protocol, source_address, none]
        default: auto
      trusted_hops:
        description: How many entries of X-Forwarded-For are written by proxies that you trust. By default what this load balancer adds.
        type: int
"""
