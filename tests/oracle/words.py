# Copyright: Contributors to the meshlb.istio project
# SPDX-License-Identifier: GPL-3.0-or-later

"""Istio's answer about a call, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .judge import Judgement, Step

ENDINGS = {
    "mutual_tls": "over mutual TLS",
    "plaintext": "in plaintext",
    "refused": "not at all",
    "mixed": "partly over mutual TLS, partly not",
    "unknown": "in a way that this cannot judge",
}


def describe(call: dict[str, Any], outcome: dict[str, Any] | None, judged: Judgement) -> Iterator[str]:
    """Line by line: the call, the way through the client's proxy, each end, and the verdict."""
    host = f" for {call['host']}{call.get('path', '/')}" if call.get("protocol") != "tcp" else ""
    yield f"dials {call['address']}:{call['port']}{host} ({call.get('protocol', 'http')}, {call.get('tls') or 'plaintext'})"
    if outcome is not None:
        yield from _way(outcome)
    for step in judged.steps:
        yield _end(step)
    if judged.elsewhere:
        yield f"it reaches others: {', '.join(judged.elsewhere)}"
    yield f"Istio: {judged.verdict}, the request arrives {ENDINGS[judged.verdict]}"


def _way(outcome: dict[str, Any]) -> Iterator[str]:
    chain = outcome.get("chain") or {}
    reads = "reads HTTP" if chain.get("http") else "passes TCP on"
    met = f", filter chain {chain.get('name') or '(unnamed)'}, {reads}" if chain else ""
    yield f"listener {outcome.get('listener') or '(none)'}{met}"
    route = outcome.get("route")
    if route:
        yield f"routes {route['config']}, virtual host {route['virtual_host']}, rule {route['name'] or '(unnamed)'} ({route['action']})"
    for cluster in outcome.get("clusters") or []:
        sockets = [*(match["socket"] for match in cluster.get("matches") or []), cluster["socket"]]
        ways = sorted({_socket(item) for item in sockets})
        yield f"cluster {cluster['name']} ({cluster.get('type') or 'does not exist'}, weight {cluster['weight']}): {' or '.join(ways)}"


def _socket(socket: dict[str, Any]) -> str:
    if not socket["tls"]:
        return "plaintext"
    sans = f" to {', '.join(socket['sans'])}" if socket.get("sans") else ""
    return ("the mesh's mutual TLS" if socket.get("mesh") else "TLS of another kind") + sans


def _end(step: Step) -> str:
    end = " ".join(part for part in (step.to, f"({step.pod})" if step.pod else "") if part) or "nowhere"
    policies = sorted({item for item in step.filters if item.rpartition(".")[2] in ("rbac", "jwt_authn", "ext_authz")})
    asks = f"; filters that may still deny it: {', '.join(policies)}" if policies else ""
    return f"to {end}: {step.verdict}, {step.why}{asks}"
