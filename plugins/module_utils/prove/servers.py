# Copyright: Contributors to the meshlb.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's side of a connection: does it take plaintext, does it take mutual TLS, and who is it?

The client's configuration does not say whether plaintext is refused. That is read from the backend's own sidecar where it can
be read, else from the PeerAuthentication policies, and the sentence always says from which of the two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.printable import clipped
from ..istio.endpoints import PodView
from ..kube.objects import dig
from .guards import UNGUARDED, Guards, guards_of
from .listeners import HTTP_PROTOCOLS, HTTPS_PROTOCOLS, ISTIO_PROTOCOLS, ISTIO_TCP_PROTOCOLS, RAW, TLS, Connection, find_chain
from .proxy import HTTP_MANAGER, INBOUND_PORT, FilterChain, Proxy, ProxyDataError, guarded

ModeOf = Callable[[dict[str, Any], int], str]
ExpectsHttp = Callable[[], bool]
"""Says whether a port is declared as HTTP, which its sidecar then expects there whatever comes."""


@dataclass(frozen=True)
class ServerSide:
    """What one backend address accepts; ``None`` where that is not known. ``source`` names who said so.

    ``odd``: its sidecar answers, but not as a sidecar does, so nothing that is expected of it is certain. ``guards`` keep requests out.
    ``own_tls``: it takes TLS that is not the mesh's, as a load balancer may speak it itself; ``own_tls_inside``: such TLS inside of the
    mesh's mutual TLS.
    """

    name: str
    plaintext: bool | None = None
    mutual_tls: bool | None = None
    identity: str = ""
    source: str = ""
    reason: str = ""
    odd: bool = False
    own_tls: bool | None = None
    own_tls_inside: bool | None = None
    guards: Guards = field(default_factory=Guards, compare=False, repr=False)

    @property
    def fact(self) -> str:
        """One sentence for the evidence."""
        if self.plaintext is None:
            return f"{self.name}: {self.reason or 'nothing is known of its side'}"
        words = {True: "accepts", False: "refuses"}
        encrypted = f" and {words[bool(self.mutual_tls)]} mutual TLS" if self.mutual_tls is not None else ""
        return f"{self.name} {words[self.plaintext]} plaintext{encrypted}: {self.reason}"


ServerLookup = Callable[[str, int], "tuple[ServerSide, ...]"]
"""Gives the backends behind an address: one for a pod's, all of its pods' for a Service's, none for an unknown one."""


def from_sidecar(proxy: Proxy, pod: PodView, port: int, identity: str = "") -> ServerSide | None:
    """Judge a backend by its own sidecar's inbound listener; ``None`` when the dump holds no such listener."""
    listener = proxy.inbound
    if listener is None or port == INBOUND_PORT:
        return None
    plain = find_chain(listener, Connection(pod.ip, port, RAW, HTTP_PROTOCOLS[:1]))
    chain = find_chain(listener, Connection(pod.ip, port, TLS, ISTIO_PROTOCOLS))
    mutual = chain is not None and chain.terminates_tls
    how = f"filter chain {clipped(plain.name) or 'unnamed'} takes it" if plain else "only its TLS filter chains match"
    return ServerSide(
        name=f"{pod.namespace}/{pod.name}:{port}",
        plaintext=plain is not None,
        mutual_tls=mutual,
        identity=identity,
        source=f"sidecar of {pod.namespace}/{pod.name}",
        reason=f"in its inbound listener {how}",
        own_tls=_takes_tls(find_chain(listener, Connection(pod.ip, port, TLS, HTTPS_PROTOCOLS))),
        own_tls_inside=_takes_tls_inside(find_chain(listener, Connection(pod.ip, port, TLS, ISTIO_TCP_PROTOCOLS))),
        guards=guards_of(listener, pod.ip, port),
    )


def _takes_tls(chain: FilterChain | None) -> bool | None:
    """Whether a chain passes TLS on; ``None`` where it ends it and asks for no certificate, which may be meant for such clients."""
    if chain is not None and chain.terminates_tls:
        return False if dig(chain.transport_socket, "typed_config", "require_client_certificate") else None
    return chain is not None and chain.filter(HTTP_MANAGER) is None


def _takes_tls_inside(chain: FilterChain | None) -> bool | None:
    return chain.filter(HTTP_MANAGER) is None if chain is not None and chain.terminates_tls else None


def from_policy(pod: PodView, port: int, mode: str, why_not_sidecar: str, identity: str = "", *, http: bool) -> ServerSide:
    """Judge a backend by the PeerAuthentication mode (``STRICT``, ``PERMISSIVE``, ``DISABLE``) in force for its port.

    ``http``: the port is declared as HTTP.
    """
    return ServerSide(
        name=f"{pod.namespace}/{pod.name}:{port}",
        plaintext=mode != "STRICT",
        mutual_tls=mode != "DISABLE",
        identity=identity,
        source="PeerAuthentication policies",
        reason=f"the mode in force is {mode} ({why_not_sidecar})",
        own_tls=mode != "STRICT" and not http,
        own_tls_inside=mode != "DISABLE" and not http,
    )


def without_sidecar(pod: PodView, port: int, reason: str) -> ServerSide:
    """A backend whose sidecar is missing or does not take this port: plaintext arrives, mutual TLS is not understood."""
    return ServerSide(
        name=f"{pod.namespace}/{pod.name}:{port}",
        plaintext=True,
        mutual_tls=False,
        source=f"pod {pod.namespace}/{pod.name}",
        reason=reason,
        own_tls=True,
        own_tls_inside=False,
        guards=UNGUARDED,
    )


def odd_sidecar(pod: PodView, port: int, asked: tuple[str, str], problem: str) -> ServerSide:
    """A backend whose sidecar (or that of the pod asked in its place) gives answers that no sidecar gives."""
    who = f"{asked[0]}/{asked[1]}"
    reason = f"the sidecar of {who} does not answer as a sidecar does: {problem}"
    return ServerSide(f"{pod.namespace}/{pod.name}:{port}", source=f"sidecar of {who}", reason=reason, odd=True)


@dataclass(frozen=True)
class Readings:
    """Dumps of backend sidecars by (namespace, pod).

    ``representatives`` names the pod of the same workload that was asked in another's place; ``missing`` holds why one
    could not be asked, ``odd`` what is wrong with the answer of one that answered.
    """

    proxies: dict[tuple[str, str], Proxy] = field(default_factory=dict)
    representatives: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    missing: dict[tuple[str, str], str] = field(default_factory=dict)
    odd: dict[tuple[str, str], str] = field(default_factory=dict)

    def asked(self, pod: PodView) -> tuple[str, str]:
        own = (pod.namespace, pod.name)
        return self.representatives.get(own, own)


def server_side(
    pod: PodView, port: int, readings: Readings, mode_of: ModeOf, identity: str, expects_http: ExpectsHttp
) -> ServerSide:
    """Judge one backend port from the best evidence there is: no sidecar, its sidecar, else the policies."""
    if not pod.sidecar:
        return without_sidecar(pod, port, "the pod has no sidecar")
    if not pod.captures(port):
        return without_sidecar(pod, port, f"its sidecar does not capture port {port}")
    asked = readings.asked(pod)
    found = None
    try:
        with guarded("Its inbound listener"):
            found = from_sidecar(readings.proxies[asked], pod, port, identity) if asked in readings.proxies else None
    except ProxyDataError as error:
        readings.odd[asked] = str(error)
    if asked in readings.odd:
        return odd_sidecar(pod, port, asked, readings.odd[asked])
    if found is None:
        reason = readings.missing.get(asked, "its sidecar was not asked")
        return from_policy(pod, port, mode_of(pod.pod, port), reason, identity, http=expects_http())
    if asked != (pod.namespace, pod.name):
        # Policies select by labels, which all pods of a workload share.
        return replace(found, source=f"sidecar of {asked[0]}/{asked[1]}")
    return found
