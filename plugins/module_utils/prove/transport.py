# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a cluster speaks to one of its endpoints: the mesh's mutual TLS, another TLS, or plaintext."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..core.re2_syntax import ExpressionError
from ..kube.objects import Obj, dig
from .proxy import EnvoyCluster, EnvoyEndpoint, type_of, typed_config
from .virtual_hosts import string_matches

WORKLOAD_CERTIFICATE = "default"
MESH_ROOT = "ROOTCA"

_SANS = ("match_typed_subject_alt_names", "match_subject_alt_names")


@dataclass(frozen=True)
class SeenTransport:
    """``name`` is the transport socket's; ``identities`` are the server names that are accepted (empty: any of the mesh)."""

    kind: Literal["mutual_tls", "tls", "plaintext", "unknown"]
    name: str
    identities: tuple[str, ...] = ()
    matchers: tuple[tuple[tuple[str, str], ...], ...] = ()
    why: str = ""

    def accepts(self, identity: str) -> bool | None:
        """Whether the client accepts a server of that SPIFFE id; ``None`` where that is not known."""
        found = [_accepts(dict(item), identity) for item in self.matchers] or [True]
        return True if True in found else None if None in found else False

    def describe(self) -> str:
        """A part of a sentence."""
        if self.kind == "mutual_tls":
            who = " or ".join(self.identities) if self.identities else "any identity of the mesh"
            return f"transport socket {self.name} with the workload certificate, server {who}"
        if self.kind == "plaintext":
            return f"transport socket {self.name}: plaintext"
        return f"transport socket {self.name}: {self.why}"


def _accepts(matcher: Obj, identity: str) -> bool | None:
    try:
        return string_matches(matcher, identity)
    except ExpressionError:
        return None


PLAIN = SeenTransport("plaintext", "raw_buffer")


def transport_of(cluster: EnvoyCluster, endpoint: EnvoyEndpoint | None = None) -> SeenTransport:
    """The transport for one endpoint; ``None`` stands for a cluster that dials the original destination."""
    if endpoint is not None and endpoint.tunnel:
        return SeenTransport("unknown", endpoint.tunnel, why="a tunnel (HBONE), which is not judged here")
    metadata = dict(endpoint.match) if endpoint is not None else {}
    for candidate in cluster.transport_socket_matches:
        wanted = candidate.get("match") or {}
        if all(metadata.get(key) == str(value) for key, value in wanted.items()):
            name = str(candidate.get("name") or dig(candidate, "transport_socket", "name", default=""))
            return _judge(candidate.get("transport_socket") or {}, name)
    socket = cluster.transport_socket
    return _judge(socket, str(socket.get("name", ""))) if socket else PLAIN


def _judge(socket: Obj, name: str) -> SeenTransport:
    config = typed_config(socket)
    kind = type_of(config)
    if kind == "RawBuffer" or str(socket.get("name", "")).endswith("raw_buffer"):
        return SeenTransport("plaintext", name)
    if kind != "UpstreamTlsContext":
        return SeenTransport("unknown", name, why=f"a transport of type {kind or 'unknown'}")
    common = config.get("common_tls_context") or {}
    if _has_workload_certificate(common) and _trusts_mesh_root(common):
        matchers = _san_matchers(common)
        identities = tuple(str(next(iter(item.values()), "")) for item in matchers)
        return SeenTransport("mutual_tls", name, identities, tuple(_flat(item) for item in matchers))
    return SeenTransport("tls", name, why="TLS, but not with the workload certificate and the mesh's root")


def _has_workload_certificate(common: Obj) -> bool:
    secrets = common.get("tls_certificate_sds_secret_configs") or []
    return any(item.get("name") == WORKLOAD_CERTIFICATE for item in secrets)


def _trusts_mesh_root(common: Obj) -> bool:
    combined = dig(common, "combined_validation_context", "validation_context_sds_secret_config", "name")
    single = dig(common, "validation_context_sds_secret_config", "name")
    return MESH_ROOT in (combined, single)


def _san_matchers(common: Obj) -> list[Obj]:
    context = dig(common, "combined_validation_context", "default_validation_context", default={})
    found = []
    for item in context.get(_SANS[0]) or []:
        found.append(dict(item.get("matcher") or {}))
    return found + [dict(item) for item in context.get(_SANS[1]) or []]


def _flat(matcher: Obj) -> tuple[tuple[str, str], ...]:
    # Hashable, so that endpoints with the same transport can be counted together.
    expression = dig(matcher, "safe_regex", "regex")
    plain = {key: value for key, value in matcher.items() if isinstance(value, str)}
    return tuple(sorted({**plain, **({"safe_regex": expression} if isinstance(expression, str) else {})}.items()))
