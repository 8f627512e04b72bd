# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What proofs find: the part of the catalogue about what running proxies do."""

from __future__ import annotations

from .finding_kind import FindingKind

PROVING: tuple[FindingKind, ...] = (
    FindingKind(
        "MLB501", "error", "Not proven",
        "The proxies' own configuration or counters contradict mutual TLS for this route.",
        "The evidence names the proxy, the listener and the cluster.",
    ),
    FindingKind(
        "MLB502", "warning", "No proof possible",
        "The proxy could not be asked, or no request was seen, so nothing is proven either way.",
        "The message says why: no sidecar, no permission to ask it, or no traffic.",
    ),
    FindingKind(
        "MLB503", "warning", "Prediction and measurement differ",
        "The proxies do something else than the plan's model says.",
        "Please report it with the evidence; trust the measurement.",
    ),
    FindingKind(
        "MLB504", "warning", "A sidecar does not answer as one",
        "What answers in this pod is too long, too slow, or of another shape than Envoy's answers, so the pod's routes are unknown.",
        "See what runs in the container istio-proxy of this pod; if it is only slow, raise ask_timeout.",
    ),
    FindingKind(
        "MLB505", "warning", "The backend's sidecar denies the route's requests",
        "The filters of the backend's own configuration keep every request of this route out, whatever its transport.",
        "The message names the policies; service_routing says which rule would admit the load balancer.",
    ),
    FindingKind(
        "MLB506", "warning", "Predicted and measured access differ",
        "The backend's filters admit others than the plan's model says.",
        "Please report it with the evidence; trust the measurement.",
    ),
    FindingKind(
        "MLB507", "warning", "Every request was answered with 401 or 403",
        "The requests went their way, and were denied: by a policy of the backend, by the load balancer, or by the application.",
        "See what access says; where that is allowed, the load balancer or the application asks for a login.",
    ),
    FindingKind(
        "MLB510", "error", "A twin decides about its backend's port",
        "A headless twin is not younger than the Service beside it, so the backend's sidecars handle its requests as TCP for every client.",
        "Run service_routing, which replaces the twin without a gap; with files, apply them again.",
    ),
)
