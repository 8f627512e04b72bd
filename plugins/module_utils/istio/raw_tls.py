# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of TLS that a load balancer speaks itself, and of HTTP/1.0, at a backend whose sidecar reads HTTP.

In plaintext mode or under PERMISSIVE there is no filter chain for such TLS, and inside of the mesh's mutual TLS it is no HTTP. HTTP/1.0 is
answered with 426 wherever it is read. Source:
istio/istio pilot/pkg/networking/core/filterchain_options.go.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..core.model import Leg, Outcome, Scheme, replace
from ..kube.snapshot import Snapshot
from .inbound import reads_http

SPOKEN: Mapping[Scheme, str] = {"tls": "TLS that is not the mesh's", "http/1.0": "HTTP/1.0"}
"""What sidecars do not read as HTTP, by its name."""
_MET: Mapping[Scheme, str] = {"tls": "expects HTTP on port {} and gets TLS", "http/1.0": "answers HTTP/1.0 on port {} with 426"}


def as_taken(snapshot: Snapshot, scheme: Scheme, outcome: Outcome) -> Outcome:
    """The outcome of a route whose requests no sidecar reads: refused wherever the backend's expects HTTP."""
    if scheme not in SPOKEN:
        return outcome
    legs = tuple(replace(leg, verdict="refused") if _meets_http(snapshot, leg) else leg for leg in outcome.legs)
    wrong = [leg for leg, known in zip(legs, outcome.legs, strict=True) if leg != known]
    if not wrong or outcome.verdict == "unknown":
        return outcome
    why = f"{outcome.why}, but the backend's sidecar {_MET[scheme].format(wrong[0].endpoint.port)}"
    return replace(outcome, verdict="refused" if all(leg.verdict == "refused" for leg in legs) else "mixed", why=why, legs=legs)


def _meets_http(snapshot: Snapshot, leg: Leg) -> bool:
    endpoint = leg.endpoint
    captured = endpoint.pod is not None and endpoint.pod.captures(endpoint.port)
    return captured and leg.verdict in ("mutual_tls", "plaintext") and reads_http(snapshot, endpoint, sent_as_http=False)
