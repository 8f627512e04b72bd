# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kind keys of what every reading needs; vendor files name their own kinds beside their profile."""

from __future__ import annotations

NAMESPACE = "Namespace"
NODE = "Node"
POD = "Pod"
SERVICE = "Service"
CONFIG_MAP = "ConfigMap"
ENDPOINT_SLICE = "EndpointSlice.discovery.k8s.io"
DEPLOYMENT = "Deployment.apps"
DAEMON_SET = "DaemonSet.apps"
STATEFUL_SET = "StatefulSet.apps"
INGRESS = "Ingress.networking.k8s.io"
INGRESS_CLASS = "IngressClass.networking.k8s.io"
WEBHOOK = "MutatingWebhookConfiguration.admissionregistration.k8s.io"
PEER_AUTHENTICATION = "PeerAuthentication.security.istio.io"
DESTINATION_RULE = "DestinationRule.networking.istio.io"
VIRTUAL_SERVICE = "VirtualService.networking.istio.io"
SERVICE_ENTRY = "ServiceEntry.networking.istio.io"
SIDECAR = "Sidecar.networking.istio.io"
ENVOY_FILTER = "EnvoyFilter.networking.istio.io"
WORKLOAD_ENTRY = "WorkloadEntry.networking.istio.io"
HTTP_ROUTE = "HTTPRoute.gateway.networking.k8s.io"
GRPC_ROUTE = "GRPCRoute.gateway.networking.k8s.io"
TCP_ROUTE = "TCPRoute.gateway.networking.k8s.io"
TLS_ROUTE = "TLSRoute.gateway.networking.k8s.io"
AUTHORIZATION_POLICY = "AuthorizationPolicy.security.istio.io"
REQUEST_AUTHENTICATION = "RequestAuthentication.security.istio.io"
NETWORK_POLICY = "NetworkPolicy.networking.k8s.io"
FELIX_CONFIGURATION = "FelixConfiguration.crd.projectcalico.org"
EVENT = "Event"
DISRUPTION_BUDGET = "PodDisruptionBudget.policy"
LEASE = "Lease.coordination.k8s.io"

WORKLOADS = (DEPLOYMENT, DAEMON_SET, STATEFUL_SET)
"""Kinds whose pods carry traffic; a bare Pod is none (nothing would put it back after a change)."""

ISTIO = (PEER_AUTHENTICATION, DESTINATION_RULE, VIRTUAL_SERVICE, SERVICE_ENTRY, SIDECAR, ENVOY_FILTER, WORKLOAD_ENTRY)
ACCESS = (AUTHORIZATION_POLICY, REQUEST_AUTHENTICATION)
"""Kinds of Istio that say who is admitted. They decide nothing else, so what is not known of them leaves verdicts as they are."""

BASE = (
    NAMESPACE, NODE, POD, SERVICE, ENDPOINT_SLICE, *WORKLOADS, INGRESS, INGRESS_CLASS, NETWORK_POLICY, WEBHOOK, FELIX_CONFIGURATION, *ISTIO,
    *ACCESS,
)  # fmt: skip
"""Read in every run, each by one paged list. ConfigMaps are read per namespace, and only where a reader asks for them."""

WITHOUT_IF_UNSERVED = frozenset({ENVOY_FILTER, WORKLOAD_ENTRY})
"""Kinds that istiod does without where the API server does not serve them, and of which no run writes any: there are none then."""

USUAL = frozenset({*BASE, CONFIG_MAP}) - {*ISTIO, *ACCESS, FELIX_CONFIGURATION}
"""Kinds that every cluster has."""
