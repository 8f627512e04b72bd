# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of the catalogue about chained mode and load balancers outside of the cluster: codes 6xx."""

from __future__ import annotations

from .finding_kind import FindingKind

CHAINED: tuple[FindingKind, ...] = (
    FindingKind(
        "MLB601", "error", "Redirect without end",
        "The load balancer ends TLS and sends plain HTTP, and the gateway, which trusts no proxy, redirects plain HTTP to HTTPS.",
        "Trust the load balancer's headers (client_address.trusted_hops of at least 1), or let the load balancer redirect.",
    ),
    FindingKind(
        "MLB602", "error", "No server name, but named hosts",
        "The load balancer sends no server name (SNI) in its TLS handshake, and the gateway's HTTPS server only answers named hosts.",
        "Give that server the host *, or an HTTPS listener without hostname; or send plain HTTP to the gateway.",
    ),
    FindingKind(
        "MLB603", "error", "The health check cannot be answered",
        "With PROXY protocol the check begins with a PROXY header too, and this gateway's status port does not understand one.",
        "Use Istio 1.27 or newer (ENVOY_STATUS_PORT_ENABLE_PROXY_PROTOCOL is then set), or a TCP check.",
    ),
    FindingKind(
        "MLB604", "error", "Nothing tells the load balancer how to check the gateway",
        "Without an object of its own kind the load balancer checks the path / on the serving port, where a gateway has no such path.",
        "Install the kind that the message names, or correct the object that is there.",
    ),
    FindingKind(
        "MLB605", "error", "The load balancer's own sidecar takes the requests elsewhere",
        "The load balancer has a sidecar, and for this host the mesh sends its requests somewhere else than to the gateway.",
        "Take the sidecar back (lb_sidecar with state: absent), or exclude the gateway's port from its outbound capture.",
    ),
    FindingKind(
        "MLB606", "error", "Addresses with ports",
        "The load balancer writes address:port into X-Forwarded-For, which Envoy cannot read, so the client's address is lost.",
        "Set a rewrite rule as the message says and confirm it in platform_options, or set client_address.mode to none.",
    ),
    FindingKind(
        "MLB607", "error", "A kind is missing or too old",
        "The chain needs a kind that the cluster does not serve; or one of the Gateway API that is older than Istio needs, and skips.",
        "Install the CustomResourceDefinition, in the version that the message names, or use gateway.api: istio.",
    ),
    FindingKind(
        "MLB608", "error", "The Gateway would not be merged",
        "Since 1.31 Istio ignores a Gateway of its own API in another namespace than the pods of an automatically deployed gateway.",
        "Put it into the namespace of the gateway's pods, or use gateway.api: gateway_api.",
    ),
    FindingKind(
        "MLB609", "error", "The gateway is configured otherwise",
        "A setting of the gateway that the chain needs has another value that somebody set on purpose; it is not overwritten.",
        "Change or remove the value, or ask for what is set.",
    ),
    FindingKind(
        "MLB610", "warning", "A route stays where it is",
        "The route cannot be carried over to the gateway, so the load balancer goes on sending it to its backend directly.",
        "The message says why; describe the host in hosts to route it in another way.",
    ),
    FindingKind(
        "MLB611", "warning", "The load balancer's balancing ends at the gateway",
        "The load balancer now chooses among the gateway's pods, so its affinity, hashing or retries no longer act on the backend's pods.",
        "Set the same on the Service with a DestinationRule, or a VirtualService's retries.",
    ),
    FindingKind(
        "MLB612", "warning", "Another Gateway answers for this host",
        "Another Gateway configures the same pods and port for this host, so which routing a request meets is not certain.",
        "Use that Gateway (gateway.name), or remove the host from one of them.",
    ),
    FindingKind(
        "MLB613", "info", "Something is left to do outside of the cluster",
        "No object in the cluster can set this.",
        "Do what the message says.",
    ),
    FindingKind(
        "MLB614", "info", "What holds for a load balancer outside of the cluster",
        "It has no identity in the mesh, so its connections are in plaintext, or in TLS that is not the mesh's.",
        "What works may stay as it is. What is refused can be chained to an Istio gateway: chained_gateway in check mode says first whom "
        "the backends' policies would keep out. The platform's line in docs/platforms.md has what else it can do.",
    ),
    FindingKind(
        "MLB615", "warning", "An exemption opens a port",
        "A PeerAuthentication lets everybody who reaches the pods use this one port in plaintext, not only the load balancer.",
        "Prefer chained mode; else limit who reaches the port with a NetworkPolicy, and remove the exemption when it is no longer needed.",
    ),
    FindingKind(
        "MLB616", "error", "There is no such gateway",
        "The gateway that the load balancer is to send to does not exist, or does not have what the chain needs.",
        "The message says what is missing.",
    ),
    FindingKind(
        "MLB617", "error", "The load balancer cannot do this",
        "What was asked for is beyond this load balancer.",
        "The message says what it can do instead.",
    ),
    FindingKind(
        "MLB618", "info", "The former routes stay",
        "This load balancer's routes cannot be led to a gateway one by one, so new ones were made beside them.",
        "Move clients (DNS) to the new address, then remove the former routes.",
    ),
    FindingKind(
        "MLB619", "info", "Known only once the gateway is there",
        "The gateway's address does not exist before the gateway does, so a rehearsal cannot show it.",
        "Nothing to do: the run makes the gateway first and then reads its address.",
    ),
    FindingKind(
        "MLB620", "warning", "The gateway can be reached past the load balancer",
        "The gateway trusts X-Forwarded-For entries that the load balancer writes; who reaches the gateway by another way can forge them.",
        "Make its Service one of type ClusterIP, or let a NetworkPolicy admit the load balancer alone.",
    ),
    FindingKind(
        "MLB621", "warning", "More is trusted than the load balancer writes",
        "The gateway trusts X-Forwarded-For entries that proxies before the load balancer write; who gets past them can forge the address.",
        "Let only those proxies reach the load balancer, or leave client_address.trusted_hops out.",
    ),
    FindingKind(
        "MLB622", "error", "Somebody else's routing takes these requests first",
        "At the gateway, an older VirtualService or HTTPRoute answers for the same host and path and leads elsewhere.",
        "Agree with its owner who answers for the host, and remove or narrow one of the two; or use a gateway of your own.",
    ),
    FindingKind(
        "MLB623", "warning", "Somebody else's routing at the gateway has this host",
        "Another VirtualService or HTTPRoute answers for some of the same requests, so each may take from the other.",
        "See that the message's requests are meant to go there.",
    ),
)
