# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings about what acts on requests and is not followed, so that nothing is certain of them."""

from __future__ import annotations

from .finding_kind import FindingKind

UNFOLLOWED: tuple[FindingKind, ...] = (
    FindingKind(
        "MLB130", "warning", "An EnvoyFilter acts on these requests",
        "It patches the sidecar's configuration where that decides where requests go, or how. What it makes of it is not followed, so "
        "verdicts are 'unknown', and what is in place stays.",
        "Ask the route itself: mtls_proof reads the configuration as it is. Limit the EnvoyFilter (workloadSelector, match) to what it is "
        "for.",
    ),
    FindingKind(
        "MLB131", "warning", "Endpoints that are not read",
        "The mesh has other clusters, networks or machines. Where the sidecar chooses among a Service's endpoints, some may be there, and "
        "what they accept is not known, so verdicts are 'unknown'.",
        "Use a strategy that keeps the pods that the load balancer dials (host_entry, headless_twin), or keep the Service in the cluster "
        "(serviceSettings with clusterLocal in the mesh's configuration).",
    ),
    FindingKind(
        "MLB132", "warning", "A Service of two address families",
        "The load balancer may dial pods by IPv4 or IPv6, and sidecars know one of their addresses unless istiod runs with "
        "ISTIO_DUAL_STACK, so verdicts are 'unknown'.",
        "Set ISTIO_DUAL_STACK for istiod and its proxies, give the Service one family (ipFamilyPolicy: SingleStack), or dial the "
        "Service's address.",
    ),
    FindingKind(
        "MLB133", "info", "An EnvoyFilter may answer these requests",
        "It gives a sidecar on the way a filter for HTTP, and whether that lets requests pass is not followed, so access is 'unknown'.",
        "Ask the route itself; mtls_proof with the method traffic tells what it answers.",
    ),
)
